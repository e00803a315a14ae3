# SPDX-License-Identifier: ISC
noinst_LIBRARIES += lib/service/libservice.a
lib_service_libservice_a_SOURCES = \
	lib/service/arguments.c \
	lib/service/ask.c \
	lib/service/control.c \
	lib/service/loop.c \
	lib/service/places.c lib/service/places.h \
	lib/service/service.c lib/service/service.h \
	lib/service/service_private.h \
	lib/service/zygote.c lib/service/zygote.h
