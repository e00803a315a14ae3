# SPDX-License-Identifier: ISC
pkglibexec_PROGRAMS += qmgr/qmgr
qmgr_qmgr_SOURCES = \
	qmgr/admin.c qmgr/agents.c qmgr/allowed.c qmgr/bounce.c qmgr/bounce_text.c qmgr/heap.c qmgr/intake.c \
	qmgr/journal.c qmgr/main.c qmgr/marks.c qmgr/messages.c qmgr/qmgr.h qmgr/recipients.c qmgr/retire.c qmgr/route.c \
	qmgr/scan.c qmgr/schedule.c qmgr/schedule.h qmgr/submit.c
qmgr_qmgr_LDADD = lib/queue/libqueue.a $(LIBS_SERVICE)
EXTRA_DIST += qmgr/QUEUE-INVARIANTS.md

check_PROGRAMS += qmgr/schedule_test
qmgr_schedule_test_SOURCES = qmgr/schedule_test.c qmgr/schedule.c
qmgr_schedule_test_LDADD = $(LIBS_BASE) $(TEST_LIBS)

# The whole program, with everything around it scripted; needs qmgr/qmgr to be built.
check_PROGRAMS += qmgr/qmgr_test
qmgr_qmgr_test_SOURCES = qmgr/qmgr_test.c qmgr/test_world.c qmgr/test_world.h
qmgr_qmgr_test_LDADD = lib/queue/libqueue.a lib/ipc/libipc.a $(LIBS_TASK) $(TEST_LIBS)
check_PROGRAMS += qmgr/policy_test
qmgr_policy_test_SOURCES = qmgr/policy_test.c qmgr/test_world.c qmgr/test_world.h
qmgr_policy_test_LDADD = lib/queue/libqueue.a lib/ipc/libipc.a $(LIBS_TASK) $(TEST_LIBS)
