# SPDX-License-Identifier: ISC
EXTRA_DIST += tests/fuzz_main.c tests/instance tests/layers tests/run-tests tests/posterntest.py tests/processes.py tests/trial \
	tests/setup.sh tests/valgrind.supp quickstart runtests autogen

# One folder with all programs as master wants them (daemon_directory) and all commands: the build
# tree made to look installed, for tests/instance and quickstart.
stage: $(pkglibexec_PROGRAMS) $(sbin_PROGRAMS) $(nodist_man_MANS)
	@mkdir -p stage/libexec stage/sbin
	@for p in $(pkglibexec_PROGRAMS); do ln -sf "$(abs_builddir)/$$p" stage/libexec/; done
	@for p in $(sbin_PROGRAMS); do ln -sf "$(abs_builddir)/$$p" stage/sbin/; done
	@for l in $(COMMAND_LINKS); do ln -sf "$${l#*=}" "stage/sbin/$${l%%=*}"; done

# Commands that are another command under a second name: NAME=COMMAND.
COMMAND_LINKS = mailq=postqueue

install-exec-hook:
	@for l in $(COMMAND_LINKS); do ln -sf "$${l#*=}" "$(DESTDIR)$(sbindir)/$${l%%=*}"; done

test-list:
	@printf '%s\n' $(check_PROGRAMS)

.PHONY: stage test-list
