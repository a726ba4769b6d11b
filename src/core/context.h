/* SPDX-License-Identifier: Apache-2.0
 *
 * struct context: on whose behalf something is done. Every call from outside carries one; what
 * muelle does by itself (a restart, a probe) carries context_system(). Plain bytes, so that it can
 * be copied into work that outlives the request; it is what events, overrides and audit records say
 * about "who" and "why".
 */
#ifndef CORE_CONTEXT_H
#define CORE_CONTEXT_H

#include "base/str.h"
#include <sys/types.h>

/* The longest name of a tenant, project or service, with its NUL (schema/ refuses longer ones). */
enum { NAME_MAX_SIZE = 64 };

enum principal_kind {
    PRINCIPAL_NONE,   /* nobody we know: no token, a foreign uid */
    PRINCIPAL_SYSTEM, /* muelle itself */
    PRINCIPAL_PEER,   /* a process on the unix socket, known by SO_PEERCRED */
    PRINCIPAL_TOKEN,  /* holds the instance's token (header or session cookie) */
};

struct principal {
    uint8_t kind;             /* enum principal_kind */
    uid_t uid;                /* of a PEER */
    char name[NAME_MAX_SIZE]; /* "uid:1000", "token", "muelle": shown as the actor */
};

struct context {
    struct principal principal;
    char tenant[NAME_MAX_SIZE];  /* "default" */
    char project[NAME_MAX_SIZE]; /* "" = none named */
    char request_id[NAME_MAX_SIZE];
    char cause[128];     /* "api: POST …/restart", "exit of web-1", "SIGHUP" */
    int64_t deadline_ns; /* absolute monotonic; INT64_MAX = none */
};

/* muelle itself, tenant `default`, no deadline. */
struct context context_system(const char *cause);
/* A peer of the unix socket. */
struct context context_peer(uid_t uid, struct str request_id, const char *cause);
/* The holder of the token; `valid` false gives PRINCIPAL_NONE. */
struct context context_token(bool valid, struct str request_id, const char *cause);

#endif
