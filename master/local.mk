# SPDX-License-Identifier: ISC
MASTER_SOURCES = \
	master/configuration.c \
	master/endpoints.c \
	master/introduce.c \
	master/master.h \
	master/notify.c \
	master/programs.c \
	master/sockets.c \
	master/spool.c \
	master/supervisor.c \
	master/worker.c

pkglibexec_PROGRAMS += master/master
master_master_SOURCES = master/main.c $(MASTER_SOURCES)
master_master_LDADD = $(LIBS_SERVICE)

TEST_HELPERS += master/dummy_program
check_PROGRAMS += master/master_test
master_dummy_program_SOURCES = master/dummy.c
master_dummy_program_LDADD = $(LIBS_SERVICE)
master_master_test_SOURCES = master/master_test.c $(MASTER_SOURCES)
master_master_test_LDADD = $(LIBS_SERVICE) $(TEST_LIBS)

dist_man_MANS += man/master.8
