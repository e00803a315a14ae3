# SPDX-License-Identifier: ISC
# The manual of main.cf is written from the parameter table by a small program.
noinst_PROGRAMS += man/postconf5
man_postconf5_SOURCES = man/postconf5.c
man_postconf5_LDADD = $(LIBS_CONF)

man/postconf.5: man/postconf5$(EXEEXT)
	$(AM_V_GEN)./man/postconf5$(EXEEXT) > $@.tmp && mv $@.tmp $@

nodist_man_MANS += man/postconf.5
CLEANFILES += man/postconf.5
dist_man_MANS += man/postconf.1 man/postmap.1 man/postalias.1 man/newaliases.1 man/router.8 man/master.5
# Second names.
dist_man_MANS += man/mailq.1 man/main.cf.5 man/master.cf.5
