/* SPDX-License-Identifier: Apache-2.0
 *
 * Random bytes from the kernel (getrandom): the only source for keys, tokens, nonces and ids.
 * Blocks at most once in a machine's life, until the kernel's pool is seeded (random(4)).
 */
#ifndef OS_ENTROPY_H
#define OS_ENTROPY_H

#include "base/encode.h"

/* Fills `len` bytes. 0 or -errno; nothing may be used when it fails. */
must_check int entropy_fill(void *bytes, size_t len);
/* A seed for a loop's generator; falls back to the clock, as jitter needs no secrecy. */
uint64_t entropy_seed(void);
/* A fresh UUIDv7 (now and 10 random bytes). 0 or -errno. */
must_check int entropy_uuid(char ret[UUID_TEXT_LEN + 1]);

#endif
