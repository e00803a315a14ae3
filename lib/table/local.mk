# SPDX-License-Identifier: ISC
noinst_LIBRARIES += lib/table/libtable.a
lib_table_libtable_a_SOURCES = \
	lib/table/cidr.c \
	lib/table/db.c \
	lib/table/match.c lib/table/match.h \
	lib/table/nested.c lib/table/nested.h \
	lib/table/pcre.c \
	lib/table/regexp.c \
	lib/table/rules.c lib/table/rules.h \
	lib/table/simple.c \
	lib/table/source_text.c lib/table/source_text.h \
	lib/table/table.c lib/table/table.h \
	lib/table/text.c
EXTRA_DIST += lib/table/types.def

check_PROGRAMS += lib/table/table_test lib/table/match_test
lib_table_table_test_SOURCES = lib/table/table_test.c
lib_table_table_test_LDADD = $(LIBS_TABLE) $(TEST_LIBS)
lib_table_match_test_SOURCES = lib/table/match_test.c
lib_table_match_test_LDADD = $(LIBS_TABLE) $(TEST_LIBS)
