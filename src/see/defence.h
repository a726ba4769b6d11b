/* SPDX-License-Identifier: Apache-2.0
 *
 * Limits of the gateway that turned somebody away, told to people: once when it begins, then at
 * most every DEFENCE_AGAIN_NS with how often since. A flood must not become a flood of events.
 */
#ifndef SEE_DEFENCE_H
#define SEE_DEFENCE_H

#include "link/counters.h"

#define DEFENCE_AGAIN_NS (10 * 60 * INT64_C(1000000000))

enum { DEFENCE_KINDS = 7 };

struct defence {
    uint64_t told[DEFENCE_KINDS];   /* how often in all, when it was told last */
    int64_t told_ns[DEFENCE_KINDS]; /* 0: never */
    bool known;                     /* what was before the first reading is not told */
};

/* What counts the edge has now. Returns how many there are to be told: their kinds and how often
 * since they were told last. */
struct defence_news {
    unsigned kind;
    uint64_t times;
};
size_t defence_look(struct defence *defence, const struct counters_thread *edge, int64_t now_ns,
                    struct defence_news ret[DEFENCE_KINDS]);
/* "Connections refused because …", without a number. */
const char *defence_words(unsigned kind);

#endif
