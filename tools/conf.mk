# SPDX-License-Identifier: ISC
map_tool_parts = tools/map_tool.c tools/map_tool.h
sbin_PROGRAMS += tools/postmap tools/postalias tools/newaliases
tools_postmap_SOURCES = tools/postmap.c $(map_tool_parts)
tools_postmap_LDADD = $(LIBS_TABLE)
tools_postalias_SOURCES = tools/postalias.c tools/aliases_text.c tools/aliases_text.h $(map_tool_parts)
tools_postalias_LDADD = $(LIBS_TABLE)
tools_newaliases_SOURCES = tools/newaliases.c tools/aliases_text.c tools/aliases_text.h $(map_tool_parts)
tools_newaliases_LDADD = $(LIBS_TABLE)

sbin_PROGRAMS += tools/postconf
tools_postconf_SOURCES = tools/postconf.c tools/postconf.h tools/postconf_main.c tools/postconf_master.c
tools_postconf_LDADD = $(LIBS_TABLE)

check_PROGRAMS += tools/maps_test
tools_maps_test_SOURCES = tools/maps_test.c
tools_maps_test_LDADD = $(LIBS_BASE) $(TEST_LIBS)
EXTRA_tools_maps_test_DEPENDENCIES = tools/postmap$(EXEEXT) tools/postalias$(EXEEXT) tools/newaliases$(EXEEXT) \
	tools/postconf$(EXEEXT)
