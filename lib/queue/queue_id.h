/* SPDX-License-Identifier: ISC */
/* queue_id.h - names of messages: long Postfix form, sorts by time, never reused
 *
 * 6 or more characters of seconds and 4 of microseconds in base 52 (no vowels), 'z', then random bits in base 51. */
#ifndef QUEUE_QUEUE_ID_H
#define QUEUE_QUEUE_ID_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/span.h"

enum { QUEUE_ID_MAX = 32 };

/* queue_id_make - a fresh id of the moment wall_us, NUL-terminated; strictly growing within a process. */
void queue_id_make(uint64_t wall_us, char out[QUEUE_ID_MAX]);
/* queue_id_is_valid - could be one (long or short form): safe as a file name. */
bool queue_id_is_valid(struct span text);
/* queue_id_time_us - the moment in a long id; 0 when there is none. */
uint64_t queue_id_time_us(struct span id);

#endif
