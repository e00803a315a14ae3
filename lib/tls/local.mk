# SPDX-License-Identifier: ISC
noinst_LIBRARIES += lib/tls/libtls.a
lib_tls_libtls_a_SOURCES =
