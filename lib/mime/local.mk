# SPDX-License-Identifier: ISC
noinst_LIBRARIES += lib/mime/libmime.a
lib_mime_libmime_a_SOURCES = \
	lib/mime/address.c lib/mime/address.h \
	lib/mime/charset.c lib/mime/charset.h \
	lib/mime/content.c lib/mime/content.h \
	lib/mime/date.c lib/mime/date.h \
	lib/mime/envelope.c \
	lib/mime/field.c lib/mime/field.h \
	lib/mime/fold.c lib/mime/fold.h \
	lib/mime/imap_string.c \
	lib/mime/part.c lib/mime/part.h \
	lib/mime/section.c lib/mime/section.h \
	lib/mime/structure.c lib/mime/structure.h \
	lib/mime/transfer.c lib/mime/transfer.h

check_PROGRAMS += lib/mime/mime_test
lib_mime_mime_test_SOURCES = lib/mime/mime_test.c
lib_mime_mime_test_LDADD = $(LIBS_MIME) $(TEST_LIBS)

FUZZ_TARGETS += lib/mime/fuzz_mime lib/mime/fuzz_header lib/mime/fuzz_address_list
lib_mime_fuzz_mime_SOURCES = lib/mime/fuzz_mime.c $(FUZZ_MAIN)
lib_mime_fuzz_mime_LDADD = $(LIBS_MIME) $(FUZZ_LIB)
lib_mime_fuzz_header_SOURCES = lib/mime/fuzz_header.c $(FUZZ_MAIN)
lib_mime_fuzz_header_LDADD = $(LIBS_MIME) $(FUZZ_LIB)
lib_mime_fuzz_address_list_SOURCES = lib/mime/fuzz_address_list.c $(FUZZ_MAIN)
lib_mime_fuzz_address_list_LDADD = $(LIBS_MIME) $(FUZZ_LIB)
