/* SPDX-License-Identifier: Apache-2.0
 *
 * State machines as tables. A machine is an enum and one table row per state: its name, the states
 * that may follow (bits), and flags of the owner. The state moves only through sm_move, which
 * asserts that the table allows it; the drawings in docs/ are printed from the same table (sm_dot).
 *
 * Why a table and not a switch: what may follow what is the part that reviews get wrong, and a row
 * can be read aloud. What happens on the way stays with the owner, who moves first and acts then,
 * so that whatever it calls sees the new state. Staying is a move too: a state that may be entered
 * again names itself in `next`.
 */
#ifndef BASE_SM_H
#define BASE_SM_H

#include "base/buf.h"

struct sm_state {
    const char *name;
    uint32_t next;  /* SM_TO(a) | SM_TO(b) … */
    uint32_t flags; /* meaning is the owner's */
};

struct sm {
    const char *noun; /* "replica" */
    const struct sm_state *states;
    unsigned count; /* <= 32 */
};

#define SM_TO(state) ((uint32_t)1 << (state))

static inline const char *sm_name(const struct sm *sm, unsigned state)
{
    ensure(state < sm->count);
    return sm->states[state].name;
}
static inline bool sm_allows(const struct sm *sm, unsigned from, unsigned to)
{
    ensure(from < sm->count && to < sm->count);
    return sm->states[from].next & SM_TO(to);
}
static inline bool sm_has(const struct sm *sm, unsigned state, uint32_t flags)
{
    ensure(state < sm->count);
    return (sm->states[state].flags & flags) == flags;
}
/* Moves *state to `to`; a programmer's error if the table does not allow it. */
void sm_move(const struct sm *sm, uint8_t *state, unsigned to);
/* The state with that name, or -1. */
int sm_find(const struct sm *sm, struct str name);
/* The table as a Graphviz digraph. */
void sm_dot(const struct sm *sm, struct buf *out);

#endif
