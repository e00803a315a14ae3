# SPDX-License-Identifier: ISC
noinst_LIBRARIES += lib/net/libnet.a
lib_net_libnet_a_SOURCES = \
	lib/net/address.c lib/net/address.h \
	lib/net/chat.c lib/net/chat.h \
	lib/net/libunbound.h lib/net/libunbound_reply.c lib/net/libunbound_setup.c \
	lib/net/listen.c \
	lib/net/rdata.c lib/net/rdata.h \
	lib/net/stream.c lib/net/stream.h lib/net/test_dns.h

check_PROGRAMS += lib/net/address_test lib/net/chat_test lib/net/rdata_test
lib_net_address_test_SOURCES = lib/net/address_test.c
lib_net_address_test_LDADD = $(LIBS_NET) $(TEST_LIBS)
lib_net_chat_test_SOURCES = lib/net/chat_test.c
lib_net_chat_test_LDADD = $(LIBS_NET) $(TEST_LIBS)
lib_net_rdata_test_SOURCES = lib/net/rdata_test.c
lib_net_rdata_test_LDADD = $(LIBS_NET) $(TEST_LIBS)

FUZZ_TARGETS += lib/net/fuzz_rdata
lib_net_fuzz_rdata_SOURCES = lib/net/fuzz_rdata.c $(FUZZ_MAIN)
lib_net_fuzz_rdata_LDADD = $(LIBS_NET) $(FUZZ_LIB)
