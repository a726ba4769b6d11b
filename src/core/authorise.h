/* SPDX-License-Identifier: Apache-2.0
 *
 * The one function that decides who may do what. Pure: the same question always gets the same
 * answer, and the table of rules in authorise.c is all there is to read. Every room asks it at the
 * entrance of its API; nothing else in muelle compares uids or principals.
 */
#ifndef CORE_AUTHORISE_H
#define CORE_AUTHORISE_H

#include "core/context.h"

enum action {
    ACTION_READ,    /* lists, status, routes, events, the configuration without secrets */
    ACTION_LOGS,    /* what services print */
    ACTION_METRICS, /* figures */
    ACTION_OPERATE, /* start, stop, restart, scale, reset, reload of a known file */
    ACTION_APPLY,   /* a new or changed configuration: can run any command as the instance's user */
    ACTION_EXEC,    /* run a command in a service's surroundings */
    ACTION_DELETE,  /* down */
    ACTION_COUNT,
};

/* What it is about; empty parts mean "any". */
struct resource {
    struct str tenant;
    struct str project;
    struct str service;
};

struct decision {
    bool allowed;
    uint16_t status;    /* 401 unknown principal, 403 known but not allowed; 200 */
    const char *reason; /* for people; static text */
};

/* `owner` is the uid that the instance runs as. */
struct decision authorise(const struct context *ctx, enum action action, struct resource resource,
                          uid_t owner);
const char *action_name(enum action action);

#endif
