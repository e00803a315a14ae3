# SPDX-License-Identifier: ISC
noinst_LIBRARIES += lib/queue/libqueue.a
lib_queue_libqueue_a_SOURCES = \
	lib/queue/envelope.c lib/queue/envelope.h \
	lib/queue/queue_id.c lib/queue/queue_id.h \
	lib/queue/reader.h

check_PROGRAMS += lib/queue/envelope_test lib/queue/queue_id_test
lib_queue_envelope_test_SOURCES = lib/queue/envelope_test.c
lib_queue_envelope_test_LDADD = $(LIBS_QUEUE) $(TEST_LIBS)
lib_queue_queue_id_test_SOURCES = lib/queue/queue_id_test.c
lib_queue_queue_id_test_LDADD = $(LIBS_QUEUE) $(TEST_LIBS)

FUZZ_TARGETS += lib/queue/fuzz_envelope
lib_queue_fuzz_envelope_SOURCES = lib/queue/fuzz_envelope.c
lib_queue_fuzz_envelope_LDADD = $(LIBS_QUEUE)
if FUZZERS
lib_queue_fuzz_envelope_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
else
lib_queue_fuzz_envelope_SOURCES += tests/fuzz_main.c
endif
