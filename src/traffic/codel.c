/* SPDX-License-Identifier: Apache-2.0
 *
 * The control law of RFC 8289 §5.5, with requests for packets: a queue of one is always within
 * bounds, as one packet is there.
 */
#include "traffic/codel.h"

#include "base/num.h"

/* Of small numbers; by Newton, since it is asked only when something is refused. */
static uint32_t root(uint32_t n)
{
    uint32_t x = MAX(n, 1U);
    for (uint32_t y = (x + 1) / 2; y < x; y = (x + n / x) / 2) {
        x = y;
    }
    return x;
}

/* √ with three further binary places: steps of whole numbers would be too coarse at the start. */
static int64_t control(const struct codel_spec *spec, uint32_t count)
{
    return spec->interval_ns * 8 / root(MIN(count, 1U << 20) * 64);
}

static bool too_long(struct codel *codel, const struct codel_spec *spec, int64_t waited_ns,
                     bool last, int64_t now_ns)
{
    if (waited_ns < spec->target_ns || last) {
        codel->above_since_ns = 0;
        return false;
    }
    if (codel->above_since_ns == 0) {
        codel->above_since_ns = now_ns + spec->interval_ns;
        return false;
    }
    return now_ns >= codel->above_since_ns;
}

bool codel_drop(struct codel *codel, const struct codel_spec *spec, int64_t waited_ns, bool last,
                int64_t now_ns)
{
    if (spec->target_ns == 0) {
        return false;
    }
    bool long_now = too_long(codel, spec, waited_ns, last, now_ns);
    if (codel->dropping) {
        codel->dropping = long_now;
        if (!long_now || now_ns < codel->next_ns) {
            return false;
        }
        codel->count++;
        codel->next_ns += control(spec, codel->count);
        return true;
    }
    if (!long_now) {
        return false;
    }
    /* Back soon after the last time: go on from about the pace that helped then. */
    uint32_t delta = codel->count - codel->last_count;
    bool recent = now_ns - codel->next_ns < 16 * spec->interval_ns;
    codel->dropping = true;
    codel->count = delta > 1 && recent ? delta : 1;
    codel->last_count = codel->count;
    codel->next_ns = now_ns + control(spec, codel->count);
    return true;
}
