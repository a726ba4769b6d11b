/* SPDX-License-Identifier: Apache-2.0
 *
 * A table of counters and what people read about them.
 */
#include "see/defence.h"

#include <stddef.h>

static const struct {
    size_t counter;
    const char *words;
} kinds[DEFENCE_KINDS] = {
    {offsetof(struct counters_thread, limit_connections),
     "Connections ended to make room for others (gateway.limits.connections)"},
    {offsetof(struct counters_thread, limit_address_connections),
     "Connections refused because their address had as many as it may "
     "(gateway.limits.address_connections)"},
    {offsetof(struct counters_thread, limit_address_rate),
     "Connections refused because their address opened too many a second "
     "(gateway.limits.address_rate)"},
    {offsetof(struct counters_thread, limit_body_rate),
     "Requests ended because their body came too slowly (gateway.limits.body_rate)"},
    {offsetof(struct counters_thread, limit_read_rate),
     "Answers cut because the client read too slowly (gateway.limits.read_rate)"},
    {offsetof(struct counters_thread, limit_glitches),
     "Connections ended because of too many oddities (gateway.limits.glitches, "
     "gateway.http2.glitches)"},
    {offsetof(struct counters_thread, bad_announcements),
     "Connections closed without a good header of the PROXY protocol, or not of a trusted proxy "
     "(gateway.listen[].proxy_protocol)"},
};

static uint64_t count_of(const struct counters_thread *edge, unsigned kind)
{
    uint64_t count;
    memcpy(&count, (const char *)edge + kinds[kind].counter, sizeof(count));
    return count;
}

size_t defence_look(struct defence *defence, const struct counters_thread *edge, int64_t now_ns,
                    struct defence_news ret[DEFENCE_KINDS])
{
    size_t count = 0;
    for (unsigned k = 0; k < DEFENCE_KINDS; k++) {
        uint64_t now = count_of(edge, k);
        if (!defence->known || now < defence->told[k]) { /* counters began anew */
            defence->told[k] = now;
        }
        bool again = defence->told_ns[k] == 0 || now_ns - defence->told_ns[k] >= DEFENCE_AGAIN_NS;
        if (now > defence->told[k] && again) {
            ret[count++] = (struct defence_news){k, now - defence->told[k]};
            defence->told[k] = now;
            defence->told_ns[k] = now_ns;
        }
    }
    defence->known = true;
    return count;
}

const char *defence_words(unsigned kind)
{
    return kinds[kind].words;
}
