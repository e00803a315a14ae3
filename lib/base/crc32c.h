/* SPDX-License-Identifier: ISC */
/* crc32c.h - CRC-32C (Castagnoli), as in RFC 3720 B.4 */
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H

#include <stdint.h>

#include "lib/base/span.h"

/* crc32c - checksum of s, going on from crc (0 to begin). */
uint32_t crc32c(uint32_t crc, struct span s);

#endif
