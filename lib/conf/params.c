/* SPDX-License-Identifier: ISC */
/* params.c - the one parameter table as an array */
#include "lib/conf/params.h"

#include "lib/conf/conf.h"

const struct param_row param_rows[] = {
#define PARAM(kind, name, standard, least, most, read_by, since, meaning) \
	{ #name, standard, #read_by, since, meaning, least, most, offsetof(struct conf, name), PARAM_##kind },
#define ACCEPTED(tier, name, standard, meaning) \
	{ #name, standard, NULL, NULL, meaning, 0, 0, 0, PARAM_##tier },
#include "lib/conf/params.def"
#undef PARAM
#undef ACCEPTED
};

const size_t param_row_count = COUNT_OF(param_rows);

const struct param_row *param_find(struct span name)
{
	for (size_t i = 0; i < param_row_count; i++)
		if (span_equal(span_of(param_rows[i].name), name))
			return &param_rows[i];
	return NULL;
}

bool param_is_per_transport(struct span name)
{
	static const struct span suffixes[] = {
		SPAN("_destination_concurrency_limit"),
		SPAN("_destination_recipient_limit"),
		SPAN("_destination_rate_delay"),
		SPAN("_transport_rate_delay"),
		SPAN("_initial_destination_concurrency"),
		SPAN("_destination_concurrency_failed_cohort_limit"),
		SPAN("_destination_concurrency_positive_feedback"),
		SPAN("_destination_concurrency_negative_feedback"),
		SPAN("_recipient_limit"),
		SPAN("_extra_recipient_limit"),
		SPAN("_recipient_refill_limit"),
		SPAN("_recipient_refill_delay"),
		SPAN("_delivery_slot_cost"),
		SPAN("_delivery_slot_discount"),
		SPAN("_delivery_slot_loan"),
		SPAN("_minimum_delivery_slots"),
		SPAN("_time_limit"),
	};

	for (size_t i = 0; i < COUNT_OF(suffixes); i++)
		if (span_ends(name, suffixes[i]) && name.len > suffixes[i].len)
			return true;
	return false;
}
