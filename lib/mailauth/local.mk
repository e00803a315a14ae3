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
	lib/mailauth/text.c lib/mailauth/text.h

# ---- DKIM and ARC ----

# ---- DMARC and its reports ----
