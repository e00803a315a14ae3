# SPDX-License-Identifier: ISC
noinst_LIBRARIES += lib/table/libtable.a
lib_table_libtable_a_SOURCES =
