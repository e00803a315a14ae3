# SPDX-License-Identifier: ISC
noinst_LIBRARIES += lib/base/libbase.a
lib_base_libbase_a_SOURCES = \
	lib/base/accounts.c lib/base/accounts.h \
	lib/base/arena.c lib/base/arena.h \
	lib/base/attributes.h \
	lib/base/buf.c lib/base/buf.h \
	lib/base/clock.c lib/base/clock.h \
	lib/base/codec.c lib/base/codec.h \
	lib/base/crc32c.c lib/base/crc32c.h \
	lib/base/fs.c lib/base/fs.h \
	lib/base/hash.c lib/base/hash.h \
	lib/base/list.h \
	lib/base/log.c lib/base/log.h \
	lib/base/span.c lib/base/span.h \
	lib/base/sysexits.h lib/base/test.h lib/base/test_dialogue.h lib/base/valgrind.h \
	lib/base/why.c lib/base/why.h

check_PROGRAMS += lib/base/span_test lib/base/memory_test lib/base/base_test lib/base/fs_test
lib_base_span_test_SOURCES = lib/base/span_test.c
lib_base_span_test_LDADD = $(LIBS_BASE) $(TEST_LIBS)
lib_base_memory_test_SOURCES = lib/base/memory_test.c
lib_base_memory_test_LDADD = $(LIBS_BASE) $(TEST_LIBS)
lib_base_base_test_SOURCES = lib/base/base_test.c
lib_base_base_test_LDADD = $(LIBS_BASE) $(TEST_LIBS)
lib_base_fs_test_SOURCES = lib/base/fs_test.c
lib_base_fs_test_LDADD = $(LIBS_BASE) $(TEST_LIBS)
