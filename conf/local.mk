# SPDX-License-Identifier: ISC
# Stock configuration: installed once, never over what an admin has changed.
EXTRA_DIST += conf/main.cf.in conf/master.cf conf/postern.service.in conf/postern.sysusers
CLEANFILES += conf/main.cf conf/postern.service
confdir = $(sysconfdir)/postern
unitdir = $(prefix)/lib/systemd/system
sysusersdir = $(prefix)/lib/sysusers.d

nodist_unit_DATA = conf/postern.service
spell_paths = sed -e 's|%spooldir%|$(localstatedir)/spool/postern|g' \
	-e 's|%statedir%|$(localstatedir)/lib/postern|g' -e 's|%daemondir%|$(pkglibexecdir)|g' \
	-e 's|%maildir%|$(localstatedir)/mail/postern|g' -e 's|%sbindir%|$(sbindir)|g'

conf/main.cf: conf/main.cf.in Makefile
	$(AM_V_GEN)mkdir -p conf && $(spell_paths) $(srcdir)/conf/main.cf.in >$@
conf/postern.service: conf/postern.service.in Makefile
	$(AM_V_GEN)mkdir -p conf && $(spell_paths) $(srcdir)/conf/postern.service.in >$@

all-local: conf/main.cf

# The folders are made with the owners they need when "postern start" runs as root.
install-data-local: conf/main.cf
	$(MKDIR_P) "$(DESTDIR)$(confdir)" "$(DESTDIR)$(sysusersdir)" "$(DESTDIR)$(localstatedir)/spool/postern" \
		"$(DESTDIR)$(localstatedir)/lib/postern"
	$(INSTALL_DATA) $(srcdir)/conf/postern.sysusers "$(DESTDIR)$(sysusersdir)/postern.conf"
	@for f in conf/main.cf $(srcdir)/conf/master.cf; do \
		to="$(DESTDIR)$(confdir)/$${f##*/}"; \
		if [ -e "$$to" ]; then \
			echo "keeping $$to; the new one is $$to.dist"; to="$$to.dist"; \
		fi; \
		$(INSTALL_DATA) "$$f" "$$to"; \
	done
	@test -n "$(DESTDIR)" || test -e "$(confdir)/tls/key.pem" || { \
		$(MKDIR_P) "$(confdir)/tls" && umask 077 && \
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \
			-subj "/CN=$$(uname -n)" -addext "subjectAltName=DNS:$$(uname -n)" \
			-keyout "$(confdir)/tls/key.pem" -out "$(confdir)/tls/cert.pem" 2>/dev/null && \
		chmod 644 "$(confdir)/tls/cert.pem" && echo "made a trial certificate in $(confdir)/tls"; }
	@test -n "$(DESTDIR)" || ! command -v systemd-sysusers >/dev/null || \
		systemd-sysusers "$(sysusersdir)/postern.conf" || true
