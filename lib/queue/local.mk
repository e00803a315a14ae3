# SPDX-License-Identifier: ISC
noinst_LIBRARIES += lib/queue/libqueue.a
lib_queue_libqueue_a_SOURCES = \
	lib/queue/envelope.c lib/queue/envelope.h \
	lib/queue/journal.h lib/queue/journal_file.c lib/queue/journal_private.h lib/queue/journal_record.c \
	lib/queue/message_file.c lib/queue/message_file.h \
	lib/queue/queue_id.c lib/queue/queue_id.h \
	lib/queue/reader.h \
	lib/queue/state.c lib/queue/state.h \
	lib/queue/store.c lib/queue/store.h lib/queue/store_index.c

check_PROGRAMS += lib/queue/envelope_test lib/queue/queue_id_test lib/queue/journal_test lib/queue/state_test \
	lib/queue/message_file_test lib/queue/store_test lib/queue/power_cut_test
lib_queue_envelope_test_SOURCES = lib/queue/envelope_test.c
lib_queue_envelope_test_LDADD = $(LIBS_QUEUE) $(TEST_LIBS)
lib_queue_queue_id_test_SOURCES = lib/queue/queue_id_test.c
lib_queue_queue_id_test_LDADD = $(LIBS_QUEUE) $(TEST_LIBS)
lib_queue_journal_test_SOURCES = lib/queue/journal_test.c
lib_queue_journal_test_LDADD = $(LIBS_QUEUE) $(TEST_LIBS)
lib_queue_state_test_SOURCES = lib/queue/state_test.c
lib_queue_state_test_LDADD = $(LIBS_QUEUE) $(TEST_LIBS)
lib_queue_message_file_test_SOURCES = lib/queue/message_file_test.c
lib_queue_message_file_test_LDADD = $(LIBS_QUEUE) $(TEST_LIBS)
lib_queue_store_test_SOURCES = lib/queue/store_test.c
lib_queue_store_test_LDADD = $(LIBS_QUEUE) $(TEST_LIBS)
lib_queue_power_cut_test_SOURCES = lib/queue/power_cut_test.c
lib_queue_power_cut_test_LDADD = $(LIBS_QUEUE) $(TEST_LIBS)

FUZZ_TARGETS += lib/queue/fuzz_envelope lib/queue/fuzz_journal lib/queue/fuzz_message_file
lib_queue_fuzz_envelope_SOURCES = lib/queue/fuzz_envelope.c $(FUZZ_MAIN)
lib_queue_fuzz_envelope_LDADD = $(LIBS_QUEUE) $(FUZZ_LIB)
lib_queue_fuzz_journal_SOURCES = lib/queue/fuzz_journal.c $(FUZZ_MAIN)
lib_queue_fuzz_journal_LDADD = $(LIBS_QUEUE) $(FUZZ_LIB)
lib_queue_fuzz_message_file_SOURCES = lib/queue/fuzz_message_file.c $(FUZZ_MAIN)
lib_queue_fuzz_message_file_LDADD = $(LIBS_QUEUE) $(FUZZ_LIB)
