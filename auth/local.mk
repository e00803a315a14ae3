# SPDX-License-Identifier: ISC
pkglibexec_PROGRAMS += auth/auth
AUTH_SOURCES = \
	auth/auth.h \
	auth/conversation.c auth/conversation.h \
	auth/dovecot.c \
	auth/dovecot_line.c auth/dovecot_line.h \
	auth/ipc_front.c \
	auth/passwd_file.c auth/passwd_file.h \
	auth/penalty.c auth/penalty.h \
	auth/sasl.c auth/sasl.h \
	auth/scheme.c auth/scheme.h \
	auth/userdb.c \
	auth/verify.c
AUTH_LIBS = $(LIBS_SERVICE) $(OPENSSL_LIBS) $(CRYPT_LIBS)
auth_auth_SOURCES = auth/main.c $(AUTH_SOURCES)
auth_auth_LDADD = $(AUTH_LIBS)

check_PROGRAMS += auth/scheme_test auth/passwd_file_test auth/sasl_test auth/verify_test
auth_scheme_test_SOURCES = auth/scheme_test.c auth/scheme.c
auth_scheme_test_LDADD = $(LIBS_BASE) $(OPENSSL_LIBS) $(CRYPT_LIBS) $(TEST_LIBS)
auth_passwd_file_test_SOURCES = auth/passwd_file_test.c auth/passwd_file.c
auth_passwd_file_test_LDADD = $(LIBS_BASE) $(TEST_LIBS)
auth_sasl_test_SOURCES = auth/sasl_test.c auth/sasl.c auth/dovecot_line.c auth/penalty.c
auth_sasl_test_LDADD = $(LIBS_NET) $(TEST_LIBS)
auth_verify_test_SOURCES = auth/verify_test.c $(AUTH_SOURCES)
auth_verify_test_LDADD = $(AUTH_LIBS) $(TEST_LIBS)

FUZZ_TARGETS += auth/fuzz_passwd_file auth/fuzz_dovecot_auth
auth_fuzz_passwd_file_SOURCES = auth/fuzz_passwd_file.c auth/passwd_file.c $(FUZZ_MAIN)
auth_fuzz_passwd_file_LDADD = $(LIBS_BASE) $(FUZZ_LIB)
auth_fuzz_dovecot_auth_SOURCES = auth/fuzz_dovecot_auth.c auth/dovecot_line.c auth/sasl.c $(FUZZ_MAIN)
auth_fuzz_dovecot_auth_LDADD = $(LIBS_BASE) $(FUZZ_LIB)

dist_man_MANS += man/auth.8 man/postern-passwd.5
