/* SPDX-License-Identifier: Apache-2.0 */
#include "core/context.h"

#include <stdio.h>

static struct context context_make(uint8_t kind, const char *name, const char *cause)
{
    struct context ctx = {.principal = {.kind = kind, .uid = (uid_t)-1}, .deadline_ns = INT64_MAX};
    str_copy(ctx.principal.name, sizeof(ctx.principal.name), str_from(name));
    str_copy(ctx.tenant, sizeof(ctx.tenant), STR("default"));
    str_copy(ctx.cause, sizeof(ctx.cause), str_from(cause));
    return ctx;
}

struct context context_system(const char *cause)
{
    return context_make(PRINCIPAL_SYSTEM, "muelle", cause);
}

struct context context_peer(uid_t uid, struct str request_id, const char *cause)
{
    char name[NAME_MAX_SIZE];
    snprintf(name, sizeof(name), "uid:%u", (unsigned)uid);
    struct context ctx = context_make(PRINCIPAL_PEER, name, cause);
    ctx.principal.uid = uid;
    str_copy(ctx.request_id, sizeof(ctx.request_id), request_id);
    return ctx;
}

struct context context_token(bool valid, struct str request_id, const char *cause)
{
    struct context ctx = valid ? context_make(PRINCIPAL_TOKEN, "token", cause)
                               : context_make(PRINCIPAL_NONE, "anonymous", cause);
    str_copy(ctx.request_id, sizeof(ctx.request_id), request_id);
    return ctx;
}
