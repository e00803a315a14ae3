/* SPDX-License-Identifier: ISC */
/* index.h - postern.index: what a scan of a folder would find, kept for the next session
 *
 * A cache of fixed-size records, replaced whole by rename and never changed in place, so it can be mapped; it
 * may be deleted at any time.  It is believed only when magic, version, header checksum and bounds hold and its stamps are
 * those of the directories and of the uidlist now. */
#ifndef MAILBOX_INDEX_H
#define MAILBOX_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/attributes.h"
#include "lib/base/span.h"
#include "lib/mailbox/uidlist.h"

#define INDEX_NAME "postern.index"

/* A message of a folder.  This struct is the record in the file, too: 64 bytes. */
struct message {
	uint32_t uid;
	uint16_t flags;		/* enum mail_flag */
	uint16_t base_length;	/* of the file name, up to ':' */
	uint64_t keywords;	/* bit n: keyword n of the folder */
	uint64_t modseq;
	uint64_t size;		/* of the file; MAIL_SIZE_UNKNOWN until asked */
	uint64_t virtual_size;	/* with CRLF line ends; MAIL_SIZE_UNKNOWN until asked */
	int64_t  internaldate_s;	/* INT64_MIN until asked */
	uint32_t name_offset;	/* into the names */
	uint16_t name_length;	/* longer than base_length: the suffix stands there as found, else it is the canonical one */
	uint16_t state;		/* private to mailbox.c */
	uint64_t reserved;
};

struct index_stamps {
	int64_t  cur_mtime_ns, new_mtime_ns;
	uint64_t cur_inode, new_inode;
	struct uidlist_stamp uidlist, keywords;
};

struct index_header {
	char     magic[8];
	uint32_t version, byte_order;
	uint64_t generation;
	uint64_t count, names_length;
	uint32_t uidvalidity, next_uid, first_recent_uid, first_unseen;	/* first_unseen: a sequence number, 0 none */
	uint64_t highest_modseq;
	uint64_t unseen, deleted, total_size;	/* total_size: MAIL_SIZE_UNKNOWN when one is unknown */
	struct index_stamps stamps;
	char     guid[40];
	uint32_t names_crc, records_crc;
	uint32_t reserved, header_crc;	/* header_crc last: of all before it */
};

/* An index as loaded: records is private memory over the file (changes stay with us), with room behind it. */
struct index_map {
	struct index_header header;
	struct message     *records;
	size_t              capacity;	/* records that fit at records */
	const char         *names;
	void               *mapping;
	size_t              mapping_length;
};

/* index_load - map the file and check its records.  False: there is none that can be believed in itself (stamps
 * are the caller's to compare; names are not read yet). */
MUST_USE bool index_load(int dir_fd, struct index_map *out);
/* index_check_names - the names are whole: asked before they decide what is a new message. */
MUST_USE bool index_check_names(const struct index_map *map);
void index_unload(struct index_map *map);
/* index_read_header - only the header: for STATUS. */
MUST_USE bool index_read_header(int dir_fd, struct index_header *out);
/* index_store - write a new generation; header: count, names_length, checksums and magic are filled in.  Failure is
 * harmless: 0 or -1 with errno. */
MUST_USE int index_store(int dir_fd, struct index_header *header, const struct message *records,
                         size_t count, struct span names);

#endif
