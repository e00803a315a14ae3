# SPDX-License-Identifier: ISC
noinst_LIBRARIES += lib/ipc/libipc.a
lib_ipc_libipc_a_SOURCES = \
	lib/ipc/auth.c lib/ipc/auth.h \
	lib/ipc/blocking.c \
	lib/ipc/channel.c \
	lib/ipc/commit.c lib/ipc/commit.h \
	lib/ipc/control.c lib/ipc/control.h \
	lib/ipc/deliver.c lib/ipc/deliver.h \
	lib/ipc/dns.c lib/ipc/dns.h \
	lib/ipc/ipc.h \
	lib/ipc/packet.c lib/ipc/packet.h \
	lib/ipc/queue_admin.c lib/ipc/queue_admin.h \
	lib/ipc/router.c lib/ipc/router.h \
	lib/ipc/server.c \
	lib/ipc/services.h \
	lib/ipc/session.c lib/ipc/session.h \
	lib/ipc/tlskey.c lib/ipc/tlskey.h \
	lib/ipc/wire.c lib/ipc/wire.h

check_PROGRAMS += lib/ipc/wire_test lib/ipc/channel_test
lib_ipc_wire_test_SOURCES = lib/ipc/wire_test.c
lib_ipc_wire_test_LDADD = $(LIBS_IPC) $(TEST_LIBS)
lib_ipc_channel_test_SOURCES = lib/ipc/channel_test.c
lib_ipc_channel_test_LDADD = $(LIBS_IPC) $(TEST_LIBS)

FUZZ_TARGETS += lib/ipc/fuzz_ipc
lib_ipc_fuzz_ipc_SOURCES = lib/ipc/fuzz_ipc.c $(FUZZ_MAIN)
lib_ipc_fuzz_ipc_LDADD = $(LIBS_IPC) $(FUZZ_LIB)
