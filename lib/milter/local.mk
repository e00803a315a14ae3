# SPDX-License-Identifier: ISC
noinst_LIBRARIES += lib/milter/libmilter.a
lib_milter_libmilter_a_SOURCES = \
	lib/milter/accepted.c lib/milter/accepted.h \
	lib/milter/connection.c lib/milter/connection.h \
	lib/milter/header.c lib/milter/header.h \
	lib/milter/message.c \
	lib/milter/milters.c lib/milter/milters.h lib/milter/milters_private.h \
	lib/milter/protocol.h \
	lib/milter/settings.c lib/milter/settings.h \
	lib/milter/wire.c lib/milter/wire.h

FAKE_MILTER = lib/milter/fake_milter.c lib/milter/fake_milter.h

check_PROGRAMS += lib/milter/accepted_test
lib_milter_accepted_test_SOURCES = lib/milter/accepted_test.c
lib_milter_accepted_test_LDADD = $(LIBS_MILTER) $(TEST_LIBS)

check_PROGRAMS += lib/milter/wire_test lib/milter/header_test lib/milter/settings_test lib/milter/milters_test
lib_milter_wire_test_SOURCES = lib/milter/wire_test.c
lib_milter_wire_test_LDADD = $(LIBS_MILTER) $(TEST_LIBS)
lib_milter_header_test_SOURCES = lib/milter/header_test.c
lib_milter_header_test_LDADD = $(LIBS_MILTER) $(TEST_LIBS)
lib_milter_settings_test_SOURCES = lib/milter/settings_test.c
lib_milter_settings_test_LDADD = $(LIBS_MILTER) $(TEST_LIBS)
lib_milter_milters_test_SOURCES = lib/milter/milters_test.c $(FAKE_MILTER)
lib_milter_milters_test_LDADD = $(LIBS_MILTER) $(TEST_LIBS)

FUZZ_TARGETS += lib/milter/fuzz_milter_reply lib/milter/fuzz_milter_header
lib_milter_fuzz_milter_reply_SOURCES = lib/milter/fuzz_milter_reply.c $(FUZZ_MAIN)
lib_milter_fuzz_milter_reply_LDADD = $(LIBS_MILTER) $(FUZZ_LIB)
lib_milter_fuzz_milter_header_SOURCES = lib/milter/fuzz_milter_header.c $(FUZZ_MAIN)
lib_milter_fuzz_milter_header_LDADD = $(LIBS_MILTER) $(FUZZ_LIB)
