/* SPDX-License-Identifier: Apache-2.0
 *
 * 1. request_sum and try_sum are the sums of the slots that are in the window.
 * 2. A request that is older than the window is counted again in the newest slot when it asks: it
 *    is here, so it is one of those that the share is of.
 */
#include "traffic/retry_budget.h"

#include "base/num.h"

static int64_t slot_of(const struct retry_budget_spec *spec, int64_t ns)
{
    int64_t slot_ns = (int64_t)spec->window_ms * NS_PER_MS / BUDGET_SLOTS;
    return MAX(ns, 0) / MAX(slot_ns, (int64_t)1);
}

static unsigned at(int64_t slot)
{
    return (unsigned)(slot % BUDGET_SLOTS);
}

/* Brings the window to now; slots that fall out of it are emptied. A slot far behind the newest is
 * one of a longer window, which has other numbers: it begins anew. */
static void slide(struct retry_budget *budget, int64_t slot)
{
    int64_t steps = slot - budget->slot;
    if (steps <= -BUDGET_SLOTS) {
        *budget = (struct retry_budget){.slot = slot};
        return;
    }
    for (int64_t i = 1; i <= MIN(steps, (int64_t)BUDGET_SLOTS); i++) {
        unsigned place = at(budget->slot + i);
        budget->request_sum -= budget->requests[place];
        budget->try_sum -= budget->tries[place];
        budget->requests[place] = 0;
        budget->tries[place] = 0;
    }
    budget->slot = MAX(budget->slot, slot);
}

static void count(struct retry_budget *budget)
{
    unsigned place = at(budget->slot);
    if (budget->requests[place] < UINT32_MAX) {
        budget->requests[place]++;
        budget->request_sum++;
    }
}

void retry_budget_request(struct retry_budget *budget, const struct retry_budget_spec *spec,
                          int64_t now_ns)
{
    slide(budget, slot_of(spec, now_ns));
    count(budget);
}

bool retry_budget_take(struct retry_budget *budget, const struct retry_budget_spec *spec,
                       int64_t began_ns, int64_t now_ns)
{
    slide(budget, slot_of(spec, now_ns));
    int64_t slot = slot_of(spec, began_ns);
    if (slot <= budget->slot - BUDGET_SLOTS) {
        count(budget);
        slot = budget->slot;
    }
    unsigned place = at(MIN(slot, budget->slot));
    uint64_t allowed = budget->request_sum * spec->share_permille + spec->minimum_permille;
    if ((budget->try_sum + 1) * 1000 > allowed || budget->tries[place] == UINT32_MAX) {
        return false;
    }
    budget->tries[place]++;
    budget->try_sum++;
    return true;
}
