# SPDX-License-Identifier: ISC
noinst_LIBRARIES += lib/mime/libmime.a
lib_mime_libmime_a_SOURCES = \
	lib/mime/address.c lib/mime/address.h \
	lib/mime/charset.c lib/mime/charset.h \
	lib/mime/content.c lib/mime/content.h \
	lib/mime/date.c lib/mime/date.h \
	lib/mime/envelope.c \
	lib/mime/field.c lib/mime/field.h \
	lib/mime/imap_string.c \
	lib/mime/part.c lib/mime/part.h \
	lib/mime/section.c lib/mime/section.h \
	lib/mime/structure.c lib/mime/structure.h \
	lib/mime/transfer.c lib/mime/transfer.h
