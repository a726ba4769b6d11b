/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules, as a table: for each kind of principal, the actions it may do.
 *   nobody   nothing.
 *   system   everything: it is us.
 *   peer     our own uid and root everything (they could do it without us); other uids nothing,
 * although the socket's mode already keeps them out: two locks, because one file mode is easily
 * changed. token    everything: it is the instance's owner who handed it out. The tenant must be
 * the context's own. Roles and scopes per token come with SAFE; they extend this table.
 */
#include "core/authorise.h"

static const char *const names[ACTION_COUNT] = {
    [ACTION_READ] = "read",       [ACTION_LOGS] = "logs",   [ACTION_METRICS] = "metrics",
    [ACTION_OPERATE] = "operate", [ACTION_APPLY] = "apply", [ACTION_EXEC] = "exec",
    [ACTION_DELETE] = "delete",
};

#define ALL_ACTIONS ((UINT32_C(1) << ACTION_COUNT) - 1)

static const uint32_t rules[] = {
    [PRINCIPAL_NONE] = 0,
    [PRINCIPAL_SYSTEM] = ALL_ACTIONS,
    [PRINCIPAL_PEER] = ALL_ACTIONS,
    [PRINCIPAL_TOKEN] = ALL_ACTIONS,
};

const char *action_name(enum action action)
{
    ensure(action < ACTION_COUNT);
    return names[action];
}

struct decision authorise(const struct context *ctx, enum action action, struct resource resource,
                          uid_t owner)
{
    ensure(action < ACTION_COUNT);
    const struct principal *who = &ctx->principal;
    if (who->kind == PRINCIPAL_NONE || who->kind >= ARRAY_LEN(rules)) {
        return (struct decision){false, 401, "no valid token or session"};
    }
    if (who->kind == PRINCIPAL_PEER && who->uid != owner && who->uid != 0) {
        return (struct decision){false, 403, "this user does not own the instance"};
    }
    if (resource.tenant.len > 0 && !str_is(resource.tenant, ctx->tenant)) {
        return (struct decision){false, 403, "the resource belongs to another tenant"};
    }
    if (!(rules[who->kind] & (UINT32_C(1) << action))) {
        return (struct decision){false, 403, "this principal may not do that"};
    }
    return (struct decision){true, 200, "allowed"};
}
