/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys of the instance: 32 bytes of the kernel's randomness each, in a file of STATE/keys that only
 * its owner can read, made when they are first needed and kept for as long as the instance lives.
 */
#ifndef CORE_KEYS_H
#define CORE_KEYS_H

#include "base/str.h"

enum { KEYS_LEN = 32, KEYS_MAC_LEN = 32 };

/* The key of that name. 0; -errno (-EINVAL: the file is not 32 bytes long); then `ret` is not to be
 * used. */
must_check int keys_get(const char *state_dir, const char *name, uint8_t ret[KEYS_LEN]);
/* HMAC-SHA-256 (RFC 2104). 0 or -ENOMEM. */
must_check int keys_mac(const uint8_t key[KEYS_LEN], struct str text, uint8_t ret[KEYS_MAC_LEN]);

#endif
