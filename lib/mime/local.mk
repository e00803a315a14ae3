# SPDX-License-Identifier: ISC
noinst_LIBRARIES += lib/mime/libmime.a
lib_mime_libmime_a_SOURCES =
