# SPDX-License-Identifier: ISC
noinst_LIBRARIES += lib/service/libservice.a
lib_service_libservice_a_SOURCES =
