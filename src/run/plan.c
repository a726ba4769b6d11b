/* SPDX-License-Identifier: Apache-2.0 */
#include "run/plan.h"

static const char *const names[PLAN_ACTION_COUNT] = {
    [PLAN_UNCHANGED] = "unchanged", [PLAN_CREATE] = "create", [PLAN_REMOVE] = "remove",
    [PLAN_RESTART] = "restart",     [PLAN_SCALE] = "scale",   [PLAN_UPDATE] = "update",
};

const char *plan_action_name(enum plan_action action)
{
    ensure(action < PLAN_ACTION_COUNT);
    return names[action];
}
