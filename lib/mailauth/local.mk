# SPDX-License-Identifier: ISC
noinst_LIBRARIES += lib/mailauth/libmailauth.a
lib_mailauth_libmailauth_a_SOURCES = lib/mailauth/lookup.h

# ---- SPF and Authentication-Results ----

# ---- DKIM and ARC ----

# ---- DMARC and its reports ----
