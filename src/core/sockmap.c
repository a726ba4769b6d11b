/* SPDX-License-Identifier: Apache-2.0
 *
 * A wish and what became of it. One question is under way at most; what changed meanwhile is asked
 * behind it.
 */
#include "core/sockmap.h"

#include "core/core.h"
#include "link/keeper_client.h"
#include "link/keeper_sockmap.h"

#include <stdio.h>
#include <stdlib.h>

enum answer { NOT_ASKED, ASKED, HAVE_IT, REFUSED };

struct core_sockmap {
    struct core *core;
    struct keeper_request request;
    bool wanted, asked_on;
    uint8_t answer; /* enum answer, to what is wanted */
    char reason[KEEPER_TEXT_MAX + 128];
};

static void ask(struct core_sockmap *sockmap);

static const char *hint_of(int error)
{
    switch (error) {
    case -EPERM:
        return "; it needs root, or CAP_BPF and CAP_NET_ADMIN";
    case -EOPNOTSUPP:
        return "; `muelle doctor` says what control groups there are";
    case -EINVAL:
    case -ENOSYS:
        return "; the kernel does not know it";
    default:
        return "";
    }
}

static void refused(struct core_sockmap *sockmap, int error, const struct keeper_msg *msg)
{
    char reason[sizeof(sockmap->reason)];
    const char *step = msg && msg->text[0] ? msg->text : "ask the keeper";
    (void)snprintf(reason, sizeof(reason), "cannot %s: %s%s", step, strerror(-error),
                   hint_of(error));
    bool said = strcmp(reason, sockmap->reason) == 0;
    (void)str_copy(sockmap->reason, sizeof(sockmap->reason), str_from(reason));
    sockmap->answer = REFUSED;
    if (!said) {
        core_log(sockmap->core, "gateway.sockmap: %s; services are spoken to by TCP", reason);
    }
}

static void answered(struct keeper_request *request, int error, const struct keeper_msg *msg,
                     int *fd)
{
    struct core_sockmap *sockmap = container_of(request, struct core_sockmap, request);
    (void)fd;
    if (sockmap->asked_on != sockmap->wanted) {
        ask(sockmap);
    } else if (error < 0 && sockmap->wanted) {
        refused(sockmap, error, msg);
    } else {
        sockmap->answer = HAVE_IT;
        sockmap->reason[0] = '\0';
    }
}

static void ask(struct core_sockmap *sockmap)
{
    if (!sockmap->request.serial) {
        sockmap->asked_on = sockmap->wanted;
        sockmap->answer = ASKED;
        sockmap->request.answered = answered;
        keeper_client_sockmap(sockmap->core->keeper, &sockmap->request, sockmap->wanted);
    }
}

void core_sockmap_want(struct core *core, bool wanted)
{
    struct core_sockmap *sockmap = core->sockmap;
    if (sockmap && wanted != sockmap->wanted) {
        sockmap->wanted = wanted;
        ask(sockmap);
    }
}

void core_sockmap_ready(struct core *core)
{
    if (core->sockmap && core->sockmap->wanted) {
        ask(core->sockmap); /* the last keeper may have taken the link with it */
    }
}

const char *core_sockmap_state(const struct core *core)
{
    const struct core_sockmap *sockmap = core->sockmap;
    if (!sockmap || !sockmap->wanted) {
        return "off";
    }
    return sockmap->answer == REFUSED ? sockmap->reason
                                      : (sockmap->answer == HAVE_IT ? "on" : "asked for");
}

int core_sockmap_new(struct core *core, struct core_sockmap **ret)
{
    struct core_sockmap *sockmap = calloc(1, sizeof(*sockmap));
    if (!sockmap) {
        return -ENOMEM;
    }
    sockmap->core = core;
    *ret = sockmap;
    return 0;
}

void core_sockmap_free(struct core_sockmap *sockmap)
{
    if (sockmap && sockmap->request.serial) {
        keeper_client_cancel(sockmap->core->keeper, &sockmap->request);
    }
    free(sockmap);
}
