/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to link/: copying what another thread or process may be writing at the same time, word by
 * word with relaxed atomics, so that the copy is defined whatever happens; whether it is whole, a
 * sequence around it says.
 */
#ifndef LINK_WORDS_H
#define LINK_WORDS_H

#include "base/def.h"

/* `size` is a multiple of 8, both ends are 8-aligned. */
static inline void words_load(void *to, const void *shared, size_t size)
{
    uint64_t *out = to;
    const uint64_t *in = shared;
    for (size_t i = 0; i < size / 8; i++) {
        out[i] = __atomic_load_n(&in[i], __ATOMIC_RELAXED);
    }
}
static inline void words_store(void *shared, const void *from, size_t size)
{
    uint64_t *out = shared;
    const uint64_t *in = from;
    for (size_t i = 0; i < size / 8; i++) {
        __atomic_store_n(&out[i], in[i], __ATOMIC_RELAXED);
    }
}

#endif
