/* SPDX-License-Identifier: Apache-2.0 */
#include "edge/tally.h"

#include "base/def.h"

enum { LOOKS = 64 /* places from an id's own on */ };

atomic_uint *tally_of(struct tally *tallies, uint64_t id)
{
    ensure(id != 0);
    for (uint64_t i = 0; i < LOOKS; i++) {
        struct tally *tally = &tallies[(id + i) % TALLIES];
        uint64_t known = atomic_load_explicit(&tally->id, memory_order_relaxed);
        if (known == 0 && atomic_compare_exchange_strong(&tally->id, &known, id)) {
            known = id;
        }
        if (known == id) {
            return &tally->count;
        }
    }
    return &tallies[id % TALLIES].count;
}
