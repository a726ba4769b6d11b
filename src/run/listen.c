/* SPDX-License-Identifier: Apache-2.0
 *
 * The gateway's sockets. The keeper opens and holds them, so they outlive core and edge; here is
 * the list of those that some project needs. Equal addresses of two projects are one socket, as
 * long as both mean the same by it.
 *
 * Opening comes before a configuration is committed (a port that somebody else has refuses the
 * whole change); closing comes after the snapshot without it is on its way.
 */
#include "run/listen.h"
#include "core/core.h"
#include "core/mutate.h"
#include "link/snapshot.h"
#include "os/file.h"
#include "os/rolelog.h"
#include "os/sock.h"
#include "run/certificates.h"
#include "run/model.h"
#include "run/project.h"
#include "run/publish.h"
#include "run/socket.h"
#include "schema/load.h"

#include <stdio.h>
#include <stdlib.h>

/* A socket that the keeper holds, or is asked for. */
struct listen {
    struct list node;
    struct run *run;
    char address[SOCK_ADDR_TEXT_MAX];
    bool open;
    bool published;           /* in the last snapshot */
    uint64_t reserved;        /* the service that is handed it as LISTEN_FDS; 0 = none */
    struct listen_wait *wait; /* who asked for it; NULL = nobody waits */
    struct keeper_request request;
    struct keeper_request drop;
};

/* One listen_open under way. */
struct listen_wait {
    struct run *run;
    struct project_spec *spec;
    unsigned pending;
    bool failed;
    struct problem problem;
    struct loop_task done_task;
    void (*done)(void *arg, const struct problem *problem);
    void *arg;
};

bool listen_address(const struct listen_spec *listen, char *ret, size_t size)
{
    struct sock_addr addr;
    bool any = listen->host.len == 0 || str_is(listen->host, "::");
    bool six = str_find_char(listen->host, ':') >= 0;
    struct buf name = BUF_INIT(SOCK_ADDR_TEXT_MAX);
    if (any) {
        buf_printf(&name, "*:%u", (unsigned)listen->port);
    } else {
        buf_printf(&name, six ? "[" STR_FMT "]:%u" : STR_FMT ":%u", STR_ARG(listen->host),
                   (unsigned)listen->port);
    }
    bool ok = buf_error(&name) == 0 && sock_addr_parse(buf_str(&name), &addr) == 0;
    buf_reset(&name);
    if (ok) {
        sock_addr_format(&name, &addr);
        ok = buf_error(&name) == 0 && str_copy(ret, size, buf_str(&name));
    }
    buf_fini(&name);
    return ok;
}

bool listen_is_direct(const struct project_spec *project, const struct listen_spec *listen)
{
    if (!listen->from_ports) {
        return false;
    }
    const struct service_spec *service = project_spec_service(project, listen->service);
    return service && publish_fixed_port(service, project) == listen->port;
}

static struct listen *find(struct run *run, const char *address)
{
    list_for_each (it, &run->listens) {
        struct listen *listen = list_entry(it, struct listen, node);
        if (strcmp(listen->address, address) == 0) {
            return listen;
        }
    }
    return NULL;
}

static void listen_free(struct listen *listen)
{
    struct keeper_client *keeper = listen->run->core->keeper;
    if (listen->request.serial) {
        keeper_client_cancel(keeper, &listen->request);
    }
    if (listen->drop.serial) {
        keeper_client_cancel(keeper, &listen->drop);
    }
    list_del(&listen->node);
    free(listen);
}

/* --- opening --- */

static void wait_done(struct loop_task *task)
{
    struct listen_wait *wait = container_of(task, struct listen_wait, done_task);
    wait->done(wait->arg, wait->failed ? &wait->problem : NULL);
    project_spec_unref(wait->spec);
    free(wait);
}

static void wait_less(struct listen_wait *wait)
{
    if (--wait->pending == 0) {
        loop_defer(wait->run->core->loop, &wait->done_task);
    }
}

static bool is_at(const struct listen_spec *spec, const struct listen *listen)
{
    char address[SOCK_ADDR_TEXT_MAX];
    return listen_address(spec, address, sizeof(address)) && strcmp(address, listen->address) == 0;
}

/* Sets where the address is asked for; the key that moves it. `ret_written`: it is in the file, not
 * a default. */
static const char *say_where(const struct project_spec *spec, const struct listen *listen,
                             struct problem *problem, bool *ret_written)
{
    const struct gateway_spec *gateway = &spec->gateway;
    for (size_t i = 0; i < gateway->listens_count; i++) {
        const struct listen_spec *l = &gateway->listens[i];
        if (is_at(l, listen) && l->from_ports) {
            *ret_written =
                schema_where(spec, problem, "/services/" STR_FMT "/ports", STR_ARG(l->service));
            return "ports";
        }
        if (is_at(l, listen)) {
            *ret_written = schema_where(spec, problem, "/gateway/listen/%zu", i);
            return "gateway.listen";
        }
    }
    *ret_written = schema_where(spec, problem, "/gateway/admin");
    return "gateway.admin";
}

static void say_hint(struct problem *problem, int error, const char *key, bool written)
{
    const char *from = written ? "" : ": the file does not, so it is the default";
    if (error == -EADDRNOTAVAIL) {
        problem_hint(problem,
                     "this machine has no such address: set '%s' to one that it has, or leave the "
                     "host out for all",
                     key);
    } else if (error == -EACCES) {
        problem_hint(problem, "ports below 1024 need privileges; choose a higher one with '%s'",
                     key);
    } else if (strstr(problem->what, " is taken by muelle")) {
        problem_hint(problem,
                     "another instance: join it with --instance DIR, or set '%s' to another port%s",
                     key, from);
    } else {
        problem_hint(problem, "stop what uses it, or set '%s' to another port%s", key, from);
    }
}

static void fail(struct listen *listen, int error, const struct keeper_msg *msg)
{
    struct listen_wait *wait = listen->wait;
    if (!wait->failed) {
        wait->failed = true;
        const char *code = error == -EADDRINUSE ? "listen.taken" : "listen.failed";
        if (msg && msg->text[0]) { /* the keeper's sentence names the address and who has it */
            problem_set(&wait->problem, code, "%s", msg->text);
        } else {
            problem_set(&wait->problem, code, "cannot listen on %s: %s", listen->address,
                        strerror(-error));
        }
        wait->problem.status = error == -EADDRINUSE ? 409 : 422;
        bool written;
        const char *key = say_where(wait->spec, listen, &wait->problem, &written);
        say_hint(&wait->problem, error, key, written);
    }
}

static void listen_answered(struct keeper_request *request, int error, const struct keeper_msg *msg,
                            int *fd)
{
    struct listen *listen = container_of(request, struct listen, request);
    struct listen_wait *wait = listen->wait;
    listen->open = error == 0;
    if (error == 0) {
        socket_opened(listen->run, listen->address);
    }
    listen->wait = NULL;
    if (error < 0 && wait) {
        listen->wait = wait;
        fail(listen, error, msg);
    }
    if (error < 0) {
        rolelog(ROLELOG_ERROR, "core", "cannot listen on %s: %s", listen->address,
                strerror(-error));
        listen_free(listen);
    }
    if (wait) {
        wait_less(wait);
    }
}

static int need(struct run *run, const char *address, struct listen_wait *wait)
{
    if (find(run, address)) {
        return 0;
    }
    struct listen *listen = calloc(1, sizeof(*listen));
    if (!listen) {
        return -ENOMEM;
    }
    listen->run = run;
    listen->wait = wait;
    str_copy(listen->address, sizeof(listen->address), str_from(address));
    list_push_back(&run->listens, &listen->node);
    listen->request.answered = listen_answered;
    wait->pending++;
    keeper_client_listen(run->core->keeper, &listen->request, str_from(listen->address));
    return 0;
}

static int need_spec(struct run *run, const struct project_spec *spec, struct listen_wait *wait)
{
    char address[SOCK_ADDR_TEXT_MAX];
    int r = 0;
    for (size_t i = 0; r == 0 && i < spec->gateway.listens_count; i++) {
        const struct listen_spec *listen = &spec->gateway.listens[i];
        if (!listen_is_direct(spec, listen) && listen_address(listen, address, sizeof(address))) {
            r = need(run, address, wait);
        }
    }
    if (r == 0 && spec->gateway.admin.port > 0 &&
        listen_address(&spec->gateway.admin, address, sizeof(address))) {
        r = need(run, address, wait);
    }
    return r;
}

int listen_reserve(struct run *run, const char *address, uint64_t service)
{
    struct listen *listen = find(run, address);
    if (!listen) {
        listen = calloc(1, sizeof(*listen));
        if (!listen) {
            return -ENOMEM;
        }
        listen->run = run;
        str_copy(listen->address, sizeof(listen->address), str_from(address));
        list_push_back(&run->listens, &listen->node);
        listen->request.answered = listen_answered;
        keeper_client_listen(run->core->keeper, &listen->request, str_from(listen->address));
    }
    listen->reserved = service;
    return 0;
}

/* Is the service there that was handed it, and may it be handed it again? */
static bool is_reserved(struct run *run, const struct listen *listen)
{
    char port[SOCK_ADDR_TEXT_MAX];
    list_for_each (p, &run->projects) {
        list_for_each (s, &list_entry(p, struct project, node)->services) {
            const struct service *service = list_entry(s, struct service, node);
            if (service->id != listen->reserved) {
                continue;
            }
            snprintf(port, sizeof(port), "127.0.0.1:%u", service->listen_port);
            return str_starts(str_from(listen->address), STR("unix:"))
                       ? service->spec->traffic.socket == SOCKET_LISTEN_FDS
                       : strcmp(port, listen->address) == 0;
        }
    }
    return false;
}

int listen_open(struct run *run, const struct project_spec *spec,
                void (*done)(void *arg, const struct problem *problem), void *arg)
{
    struct listen_wait *wait = calloc(1, sizeof(*wait));
    if (!wait) {
        return -ENOMEM;
    }
    wait->run = run;
    wait->spec = project_spec_ref((struct project_spec *)(uintptr_t)spec);
    wait->done = done;
    wait->arg = arg;
    wait->pending = 1; /* ours, so that it cannot end before all are asked for */
    loop_task_init(&wait->done_task, wait_done);
    int r = need_spec(run, spec, wait);
    if (r < 0) {
        wait->failed = true;
        problem_set(&wait->problem, "memory.out", "out of memory");
        wait->problem.status = 503;
    }
    wait_less(wait);
    return 0;
}

/* --- publishing and closing --- */

static enum snapshot_listener_kind kind_of(const struct listen_spec *listen)
{
    switch (listen->kind) {
    case LISTEN_TCP:
        return SNAPSHOT_TCP;
    case LISTEN_TLS:
        return SNAPSHOT_SNI;
    default:
        return SNAPSHOT_HTTP;
    }
}

/* `item` but for its address and id. */
static void publish_one(struct run *run, struct snapshot_builder *builder,
                        const struct listen_spec *listen, struct snapshot_listener *item)
{
    char address[SOCK_ADDR_TEXT_MAX];
    if (!listen_address(listen, address, sizeof(address))) {
        return;
    }
    struct listen *socket = find(run, address);
    if (!socket || !socket->open || socket->published) {
        return;
    }
    socket->published = true;
    item->id = link_id(STR("listen"), str_from(address), STR_NONE, STR_NONE);
    item->address = str_from(address);
    snapshot_builder_listener(builder, item);
}

static void publish_project(struct run *run, struct snapshot_builder *builder,
                            struct project *project, uint64_t admin)
{
    const struct gateway_spec *gateway = &project->spec->gateway;
    for (size_t i = 0; i < gateway->listens_count; i++) {
        const struct listen_spec *listen = &gateway->listens[i];
        struct service *service = service_find(project, listen->service);
        struct snapshot_listener item = {
            .kind = kind_of(listen),
            .service = service ? service->id : 0,
            .tls = certificates_tls(project, listen),
            .redirect_port = (uint32_t)listen->redirect_port,
            .proxy_protocol = listen->proxy_protocol,
        };
        if (item.kind == SNAPSHOT_TCP && !service) {
            continue;
        }
        if (!listen_is_direct(project->spec, listen)) {
            publish_one(run, builder, listen, &item);
        }
    }
    if (gateway->admin.port > 0) {
        publish_one(run, builder, &gateway->admin,
                    &(struct snapshot_listener){.kind = SNAPSHOT_ADMIN,
                                                .service = admin,
                                                .tls = certificates_tls(project, &gateway->admin)});
    }
    certificates_publish(project, builder);
}

void listen_publish(struct run *run, struct snapshot_builder *builder, uint64_t admin)
{
    list_for_each (it, &run->listens) {
        list_entry(it, struct listen, node)->published = false;
    }
    list_for_each (it, &run->projects) {
        struct project *project = list_entry(it, struct project, node);
        if (project->spec && !project->removing) {
            publish_project(run, builder, project, admin);
        }
    }
}

static void dropped(struct keeper_request *request, int error, const struct keeper_msg *msg,
                    int *fd)
{
    struct listen *listen = container_of(request, struct listen, drop);
    if (str_starts(str_from(listen->address), STR("unix:"))) {
        (void)!file_unlink(listen->address + 5);
    }
    listen_free(listen);
}

void listen_sweep(struct run *run)
{
    char name[SOCK_ADDR_TEXT_MAX + 16];
    list_for_each_safe (it, &run->listens) {
        struct listen *listen = list_entry(it, struct listen, node);
        if (listen->published || !listen->open || run->opening > 0 || is_reserved(run, listen)) {
            continue; /* in use, or asked for by a change that is not committed yet */
        }
        listen->open = false;
        snprintf(name, sizeof(name), "listen:%s", listen->address);
        listen->drop.answered = dropped;
        keeper_client_drop(run->core->keeper, &listen->drop, str_from(name));
    }
}

void listen_fini(struct run *run)
{
    list_for_each_safe (it, &run->listens) {
        listen_free(list_entry(it, struct listen, node));
    }
}
