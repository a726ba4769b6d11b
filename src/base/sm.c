/* SPDX-License-Identifier: Apache-2.0
 *
 * All moves of all machines pass through sm_move, so a state that the table does not allow cannot
 * be reached without being seen, in release builds too: a supervisor that goes on from a state it
 * never meant to be in would start or stop things that somebody relies on.
 */
#include "base/sm.h"

void sm_move(const struct sm *sm, uint8_t *state, unsigned to)
{
    ensure(sm_allows(sm, *state, to));
    *state = (uint8_t)to;
}

int sm_find(const struct sm *sm, struct str name)
{
    for (unsigned i = 0; i < sm->count; i++) {
        if (str_is(name, sm->states[i].name)) {
            return (int)i;
        }
    }
    return -1;
}

void sm_dot(const struct sm *sm, struct buf *out)
{
    buf_printf(out, "digraph %s {\n", sm->noun);
    for (unsigned from = 0; from < sm->count; from++) {
        for (unsigned to = 0; to < sm->count; to++) {
            if (sm_allows(sm, from, to)) {
                buf_printf(out, "  %s -> %s;\n", sm_name(sm, from), sm_name(sm, to));
            }
        }
    }
    buf_add_cstr(out, "}\n");
}
