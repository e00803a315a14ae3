/* SPDX-License-Identifier: ISC */
/* fuzz_ipc.c - a packet that decodes encodes to the same bytes again; others are refused without harm */
#include <stdlib.h>

#include "lib/base/buf.h"
#include "lib/base/log.h"
#include "lib/ipc/commit.h"
#include "lib/ipc/control.h"
#include "lib/ipc/deliver.h"
#include "lib/ipc/router.h"
#include "lib/ipc/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

union any {
	struct commit_request    commit;
	struct lease_reply       lease;
	struct deliver_request   deliver;
	struct deliver_result    result;
	struct resolve_reply     resolve;
	struct session_request   session;
	struct control_ask_reply control;
};

static void check(struct span packet, const struct ipc_type *type)
{
	union any         message;
	struct ipc_header header;
	struct buf        again;
	int               fds[IPC_FDS_MAX] = { 100, 101, 102, 103 };

	if (!ipc_decode_header(packet, &header) || !ipc_decode(packet, type, fds, IPC_FDS_MAX, &message))
		return;
	buf_init(&again, BUF_NO_LIMIT);
	ipc_encode(&again, type, header.flags, header.request, &message);
	REQUIRE(span_equal(buf_span(&again), packet));
	buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct ipc_type *const types[] = {
		&commit_request_type, &lease_reply_type, &deliver_request_type, &deliver_result_type,
		&resolve_reply_type, &session_request_type, &control_ask_reply_type,
	};

	for (size_t i = 0; i < COUNT_OF(types); i++)
		check(span_make(data, size), types[i]);
	return 0;
}
