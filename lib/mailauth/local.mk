# SPDX-License-Identifier: ISC
noinst_LIBRARIES += lib/mailauth/libmailauth.a
lib_mailauth_libmailauth_a_SOURCES = lib/mailauth/lookup.h

# ---- SPF and Authentication-Results ----

lib_mailauth_libmailauth_a_SOURCES += \
	lib/mailauth/auth_results.h \
	lib/mailauth/auth_results_ours.c \
	lib/mailauth/auth_results_read.c \
	lib/mailauth/auth_results_write.c \
	lib/mailauth/iprev.c lib/mailauth/iprev.h \
	lib/mailauth/spf.c lib/mailauth/spf.h lib/mailauth/spf_private.h \
	lib/mailauth/spf_macro.c \
	lib/mailauth/spf_match.c \
	lib/mailauth/spf_name.c \
	lib/mailauth/spf_received.c \
	lib/mailauth/spf_record.c \
	lib/mailauth/test_folder.h lib/mailauth/test_lookup.h lib/mailauth/test_txt.h \
	lib/mailauth/text.c lib/mailauth/text.h

check_PROGRAMS += lib/mailauth/auth_results_test lib/mailauth/spf_test
lib_mailauth_auth_results_test_SOURCES = lib/mailauth/auth_results_test.c
lib_mailauth_auth_results_test_LDADD = $(LIBS_MAILAUTH) $(TEST_LIBS)
lib_mailauth_spf_test_SOURCES = lib/mailauth/spf_test.c
lib_mailauth_spf_test_LDADD = $(LIBS_MAILAUTH) $(TEST_LIBS)

FUZZ_TARGETS += lib/mailauth/fuzz_auth_results lib/mailauth/fuzz_spf
lib_mailauth_fuzz_auth_results_SOURCES = lib/mailauth/fuzz_auth_results.c $(FUZZ_MAIN)
lib_mailauth_fuzz_auth_results_LDADD = $(LIBS_MAILAUTH) $(FUZZ_LIB)
lib_mailauth_fuzz_spf_SOURCES = lib/mailauth/fuzz_spf.c $(FUZZ_MAIN)
lib_mailauth_fuzz_spf_LDADD = $(LIBS_MAILAUTH) $(FUZZ_LIB)

# ---- DKIM and ARC ----
lib_mailauth_libmailauth_a_SOURCES += \
	lib/mailauth/arc_chain.c lib/mailauth/arc_chain.h \
	lib/mailauth/arc_scope.c lib/mailauth/arc_scope.h \
	lib/mailauth/arc_seal.c lib/mailauth/arc_seal.h \
	lib/mailauth/arc_verify.c lib/mailauth/arc_verify.h \
	lib/mailauth/dkim_body.c lib/mailauth/dkim_body.h \
	lib/mailauth/dkim_canon.c lib/mailauth/dkim_canon.h \
	lib/mailauth/dkim_compose.c lib/mailauth/dkim_compose.h \
	lib/mailauth/dkim_crypto.c lib/mailauth/dkim_crypto.h \
	lib/mailauth/dkim_key.c lib/mailauth/dkim_key.h \
	lib/mailauth/dkim_sign.c lib/mailauth/dkim_sign.h \
	lib/mailauth/dkim_signature.c lib/mailauth/dkim_signature.h \
	lib/mailauth/dkim_signing_key.c lib/mailauth/dkim_signing_key.h \
	lib/mailauth/dkim_verify.c lib/mailauth/dkim_verify.h \
	lib/mailauth/header_index.c lib/mailauth/header_index.h \
	lib/mailauth/tags.c lib/mailauth/tags.h

check_PROGRAMS += lib/mailauth/tags_test lib/mailauth/header_index_test lib/mailauth/dkim_canon_test \
	lib/mailauth/dkim_body_test lib/mailauth/dkim_key_test lib/mailauth/dkim_signature_test \
	lib/mailauth/dkim_verify_test lib/mailauth/dkim_sign_test lib/mailauth/arc_test
lib_mailauth_tags_test_SOURCES = lib/mailauth/tags_test.c
lib_mailauth_tags_test_LDADD = $(LIBS_MAILAUTH) $(TEST_LIBS)
lib_mailauth_header_index_test_SOURCES = lib/mailauth/header_index_test.c
lib_mailauth_header_index_test_LDADD = $(LIBS_MAILAUTH) $(TEST_LIBS)
lib_mailauth_dkim_canon_test_SOURCES = lib/mailauth/dkim_canon_test.c
lib_mailauth_dkim_canon_test_LDADD = $(LIBS_MAILAUTH) $(TEST_LIBS)
lib_mailauth_dkim_body_test_SOURCES = lib/mailauth/dkim_body_test.c
lib_mailauth_dkim_body_test_LDADD = $(LIBS_MAILAUTH) $(TEST_LIBS)
lib_mailauth_dkim_key_test_SOURCES = lib/mailauth/dkim_key_test.c lib/mailauth/test_mail.h
lib_mailauth_dkim_key_test_LDADD = $(LIBS_MAILAUTH) $(TEST_LIBS)
lib_mailauth_dkim_signature_test_SOURCES = lib/mailauth/dkim_signature_test.c
lib_mailauth_dkim_signature_test_LDADD = $(LIBS_MAILAUTH) $(TEST_LIBS)
lib_mailauth_dkim_verify_test_SOURCES = lib/mailauth/dkim_verify_test.c lib/mailauth/test_mail.h
lib_mailauth_dkim_verify_test_LDADD = $(LIBS_MAILAUTH) $(TEST_LIBS)
lib_mailauth_dkim_sign_test_SOURCES = lib/mailauth/dkim_sign_test.c lib/mailauth/test_mail.h
lib_mailauth_dkim_sign_test_LDADD = $(LIBS_MAILAUTH) $(TEST_LIBS)
lib_mailauth_arc_test_SOURCES = lib/mailauth/arc_test.c lib/mailauth/test_mail.h
lib_mailauth_arc_test_LDADD = $(LIBS_MAILAUTH) $(TEST_LIBS)

FUZZ_TARGETS += lib/mailauth/fuzz_tags lib/mailauth/fuzz_dkim_canon lib/mailauth/fuzz_dkim_signature \
	lib/mailauth/fuzz_dkim_key lib/mailauth/fuzz_dkim_verify lib/mailauth/fuzz_arc
lib_mailauth_fuzz_tags_SOURCES = lib/mailauth/fuzz_tags.c $(FUZZ_MAIN)
lib_mailauth_fuzz_tags_LDADD = $(LIBS_MAILAUTH) $(FUZZ_LIB)
lib_mailauth_fuzz_dkim_canon_SOURCES = lib/mailauth/fuzz_dkim_canon.c $(FUZZ_MAIN)
lib_mailauth_fuzz_dkim_canon_LDADD = $(LIBS_MAILAUTH) $(FUZZ_LIB)
lib_mailauth_fuzz_dkim_signature_SOURCES = lib/mailauth/fuzz_dkim_signature.c lib/mailauth/test_mail.h $(FUZZ_MAIN)
lib_mailauth_fuzz_dkim_signature_LDADD = $(LIBS_MAILAUTH) $(FUZZ_LIB)
lib_mailauth_fuzz_dkim_key_SOURCES = lib/mailauth/fuzz_dkim_key.c lib/mailauth/test_mail.h $(FUZZ_MAIN)
lib_mailauth_fuzz_dkim_key_LDADD = $(LIBS_MAILAUTH) $(FUZZ_LIB)
lib_mailauth_fuzz_dkim_verify_SOURCES = lib/mailauth/fuzz_dkim_verify.c lib/mailauth/test_mail.h $(FUZZ_MAIN)
lib_mailauth_fuzz_dkim_verify_LDADD = $(LIBS_MAILAUTH) $(FUZZ_LIB)
lib_mailauth_fuzz_arc_SOURCES = lib/mailauth/fuzz_arc.c lib/mailauth/test_mail.h $(FUZZ_MAIN)
lib_mailauth_fuzz_arc_LDADD = $(LIBS_MAILAUTH) $(FUZZ_LIB)

# ---- DKIM keys on disk and their rotation ----
lib_mailauth_libmailauth_a_SOURCES += \
	lib/mailauth/dkim_keydir.c lib/mailauth/dkim_keydir.h lib/mailauth/dkim_keydir_private.h \
	lib/mailauth/dkim_keygen.c \
	lib/mailauth/dkim_keyset.c lib/mailauth/dkim_keyset.h \
	lib/mailauth/dkim_keystate.c lib/mailauth/dkim_keystate.h \
	lib/mailauth/dkim_published.c lib/mailauth/dkim_published.h

check_PROGRAMS += lib/mailauth/dkim_keystate_test lib/mailauth/dkim_keydir_test lib/mailauth/dkim_published_test
lib_mailauth_dkim_keystate_test_SOURCES = lib/mailauth/dkim_keystate_test.c
lib_mailauth_dkim_keystate_test_LDADD = $(LIBS_MAILAUTH) $(TEST_LIBS)
lib_mailauth_dkim_keydir_test_SOURCES = lib/mailauth/dkim_keydir_test.c lib/mailauth/test_keydir.h
lib_mailauth_dkim_keydir_test_LDADD = $(LIBS_MAILAUTH) $(TEST_LIBS)
lib_mailauth_dkim_published_test_SOURCES = lib/mailauth/dkim_published_test.c lib/mailauth/test_servers.h
lib_mailauth_dkim_published_test_LDADD = $(LIBS_MAILAUTH) $(TEST_LIBS)

FUZZ_TARGETS += lib/mailauth/fuzz_keystate
lib_mailauth_fuzz_keystate_SOURCES = lib/mailauth/fuzz_keystate.c $(FUZZ_MAIN)
lib_mailauth_fuzz_keystate_LDADD = $(LIBS_MAILAUTH) $(FUZZ_LIB)

# ---- DMARC and its reports ----
lib_mailauth_libmailauth_a_SOURCES += \
	lib/mailauth/dmarc.c lib/mailauth/dmarc.h \
	lib/mailauth/dmarc_domain.c lib/mailauth/dmarc_domain.h \
	lib/mailauth/dmarc_from.c lib/mailauth/dmarc_from.h \
	lib/mailauth/dmarc_query.c \
	lib/mailauth/dmarc_record.c lib/mailauth/dmarc_record.h \
	lib/mailauth/dmarc_uri.c lib/mailauth/dmarc_uri.h

check_PROGRAMS += lib/mailauth/dmarc_record_test lib/mailauth/dmarc_test
lib_mailauth_dmarc_record_test_SOURCES = lib/mailauth/dmarc_record_test.c
lib_mailauth_dmarc_record_test_LDADD = $(LIBS_MAILAUTH) $(TEST_LIBS)
lib_mailauth_dmarc_test_SOURCES = lib/mailauth/dmarc_test.c lib/mailauth/test_dmarc.h
lib_mailauth_dmarc_test_LDADD = $(LIBS_MAILAUTH) $(TEST_LIBS)

FUZZ_TARGETS += lib/mailauth/fuzz_dmarc_record lib/mailauth/fuzz_dmarc_from
lib_mailauth_fuzz_dmarc_record_SOURCES = lib/mailauth/fuzz_dmarc_record.c $(FUZZ_MAIN)
lib_mailauth_fuzz_dmarc_record_LDADD = $(LIBS_MAILAUTH) $(FUZZ_LIB)
lib_mailauth_fuzz_dmarc_from_SOURCES = lib/mailauth/fuzz_dmarc_from.c lib/mailauth/test_dmarc.h $(FUZZ_MAIN)
lib_mailauth_fuzz_dmarc_from_LDADD = $(LIBS_MAILAUTH) $(TEST_LIBS) $(FUZZ_LIB)

lib_mailauth_libmailauth_a_SOURCES += \
	lib/mailauth/dmarc_day.c \
	lib/mailauth/dmarc_db.c lib/mailauth/dmarc_db.h \
	lib/mailauth/dmarc_row.c lib/mailauth/dmarc_row.h \
	lib/mailauth/dmarc_store.c lib/mailauth/dmarc_store.h lib/mailauth/dmarc_store_private.h

check_PROGRAMS += lib/mailauth/dmarc_store_test
lib_mailauth_dmarc_store_test_SOURCES = lib/mailauth/dmarc_store_test.c
lib_mailauth_dmarc_store_test_LDADD = $(LIBS_MAILAUTH) $(TEST_LIBS)

lib_mailauth_libmailauth_a_SOURCES += \
	lib/mailauth/dmarc_destination.c lib/mailauth/dmarc_destination.h \
	lib/mailauth/dmarc_failure.c lib/mailauth/dmarc_failure.h \
	lib/mailauth/dmarc_report.c lib/mailauth/dmarc_report.h \
	lib/mailauth/dmarc_report_mail.c \
	lib/mailauth/dmarc_send.c lib/mailauth/dmarc_send.h

check_PROGRAMS += lib/mailauth/dmarc_destination_test lib/mailauth/dmarc_failure_test
lib_mailauth_dmarc_failure_test_SOURCES = lib/mailauth/dmarc_failure_test.c
lib_mailauth_dmarc_failure_test_LDADD = $(LIBS_MAILAUTH) $(TEST_LIBS)
lib_mailauth_dmarc_destination_test_SOURCES = lib/mailauth/dmarc_destination_test.c lib/mailauth/test_dmarc.h
lib_mailauth_dmarc_destination_test_LDADD = $(LIBS_MAILAUTH) $(TEST_LIBS)

lib_mailauth_libmailauth_a_SOURCES += \
	lib/mailauth/dmarc_read.c lib/mailauth/dmarc_read.h \
	lib/mailauth/dmarc_summary.c \
	lib/mailauth/dmarc_totals.c lib/mailauth/dmarc_totals.h \
	lib/mailauth/dmarc_unpack.c lib/mailauth/dmarc_unpack.h \
	lib/mailauth/dmarc_xml.c lib/mailauth/dmarc_xml.h

check_PROGRAMS += lib/mailauth/dmarc_read_test
lib_mailauth_dmarc_read_test_SOURCES = lib/mailauth/dmarc_read_test.c
lib_mailauth_dmarc_read_test_LDADD = $(LIBS_MAILAUTH) $(TEST_LIBS)

FUZZ_TARGETS += lib/mailauth/fuzz_dmarc_xml lib/mailauth/fuzz_dmarc_unpack
lib_mailauth_fuzz_dmarc_xml_SOURCES = lib/mailauth/fuzz_dmarc_xml.c $(FUZZ_MAIN)
lib_mailauth_fuzz_dmarc_xml_LDADD = $(LIBS_MAILAUTH) $(FUZZ_LIB)
lib_mailauth_fuzz_dmarc_unpack_SOURCES = lib/mailauth/fuzz_dmarc_unpack.c $(FUZZ_MAIN)
lib_mailauth_fuzz_dmarc_unpack_LDADD = $(LIBS_MAILAUTH) $(FUZZ_LIB)
