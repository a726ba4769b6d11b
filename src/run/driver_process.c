/* SPDX-License-Identifier: Apache-2.0
 *
 * Processes, through the keeper: a spawn order is everything the keeper needs, so it parses nothing
 * and decides nothing. What can be known before the order is checked here (a port that somebody
 * else has), so that the reason names it; what only the kernel knows comes back as the step that
 * failed.
 *
 * Orders of one replica go over one channel in order, so a forget that is not yet answered is done
 * before the next spawn of the same id.
 */
#include "base/num.h"
#include "core/core.h"
#include "core/mutate.h"
#include "os/file.h"
#include "os/sock.h"
#include "run/env.h"
#include "run/feeds.h"
#include "run/listen.h"
#include "run/model.h"
#include "run/port.h"
#include "run/publish.h"
#include "run/socket.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

enum { PATH_SIZE = 480 };

static int process_plan(struct driver *driver, const struct service_spec *spec,
                        struct problem *problem)
{
    if (spec->argv_count > 0) {
        return 0;
    }
    problem_set(problem, "service.no-command", "has no command");
    return DRIVER_E_REFUSED;
}

static void output_path(const struct replica *replica, const char *suffix, char *path, size_t size)
{
    const struct service *service = replica->service;
    snprintf(path, size, "%s/output/%s/%s-%u.%s", service->driver->run->core->instance.state_dir,
             service->project->name, service->name, replica->number, suffix);
}

/* --- limits --- */

static const struct {
    const char *name;
    int resource;
} rlimit_names[] = {
    {"core", RLIMIT_CORE},         {"cpu", RLIMIT_CPU},
    {"data", RLIMIT_DATA},         {"fsize", RLIMIT_FSIZE},
    {"locks", RLIMIT_LOCKS},       {"memlock", RLIMIT_MEMLOCK},
    {"msgqueue", RLIMIT_MSGQUEUE}, {"nice", RLIMIT_NICE},
    {"nofile", RLIMIT_NOFILE},     {"nproc", RLIMIT_NPROC},
    {"rss", RLIMIT_RSS},           {"rtprio", RLIMIT_RTPRIO},
    {"rttime", RLIMIT_RTTIME},     {"sigpending", RLIMIT_SIGPENDING},
    {"stack", RLIMIT_STACK},       {"as", RLIMIT_AS},
};

static void add_rlimit(struct order *order, const struct ulimit_spec *limit)
{
    for (size_t i = 0; i < ARRAY_LEN(rlimit_names); i++) {
        if (str_is(limit->name, rlimit_names[i].name) && order->rlimit_count < ORDER_RLIMITS_MAX) {
            order->rlimits[order->rlimit_count++] = (struct order_rlimit){
                .resource = rlimit_names[i].resource,
                .soft = limit->soft < 0 ? UINT64_MAX : (uint64_t)limit->soft,
                .hard = limit->hard < 0 ? UINT64_MAX : (uint64_t)limit->hard,
            };
        }
    }
}

static void add_limits(struct order *order, const struct service_spec *spec)
{
    for (size_t i = 0; i < spec->ulimits_count; i++) {
        add_rlimit(order, &spec->ulimits[i]);
    }
    if (spec->limits.memory_bytes > 0) {
        order->limits.memory_bytes = (uint64_t)spec->limits.memory_bytes;
    }
    if (spec->limits.cpus > 0) {
        order->limits.cpu_micros_per_s = (uint64_t)(spec->limits.cpus * 1e6);
    }
    if (spec->limits.pids > 0) {
        order->limits.pids = (uint64_t)spec->limits.pids;
    }
    order->oom_score_adj = (int32_t)spec->oom_score_adj;
    order->set_oom_score = spec->oom_score_adj != 0;
    order->nice = (int32_t)spec->nice;
    order->umask = (uint32_t)MAX(spec->umask, 0);
    order->set_umask = spec->umask != SPEC_UMASK_INHERIT;
}

/* --- start --- */

static void refused(struct loop_task *task)
{
    struct replica *replica = container_of(task, struct replica, order.refused);
    driver_failed(replica->service->driver->run, replica, replica->order.error,
                  str_from(replica->order.text));
}

/* The answer to a start that cannot even be ordered; through the loop, as all answers. */
static void refuse(struct run *run, struct replica *replica, int error, const char *text)
{
    replica->order.error = error;
    str_copy(replica->order.text, sizeof(replica->order.text), str_from(text));
    loop_task_init(&replica->order.refused, refused);
    loop_defer(run->core->loop, &replica->order.refused);
}

/* Signals and kills need no answer: what they cause is news of its own. */
static void ignored(struct keeper_request *request, int error, const struct keeper_msg *msg,
                    int *fd)
{
}

static void process_kill(struct driver *driver, struct replica *replica)
{
    struct keeper_request *request = &replica->order.kill;
    if (request->serial == 0) {
        request->answered = ignored;
        keeper_client_kill_tree(driver->run->core->keeper, request, str_from(replica->id));
    }
}

static void spawn_answered(struct keeper_request *request, int error, const struct keeper_msg *msg,
                           int *fd)
{
    struct replica *replica = container_of(request, struct replica, order.spawn);
    struct run *run = replica->service->driver->run;
    if (error == -ECONNRESET) {
        return; /* the keeper died over it: the next one's list of children says what became of it
                   (adopt.c) */
    }
    if (error == -EEXIST) {
        /* A process of that name that we do not know: whatever it is, it must go before ours can
         * come. */
        process_kill(replica->service->driver, replica);
    }
    if (error < 0) {
        driver_failed(run, replica, error, msg ? str_from(msg->text) : STR("the keeper was lost"));
        return;
    }
    driver_started(run, replica, (int)msg->a, replica->order.asked_wall_ns);
}

/* A port that the program insists on: who else has it? 0, or -EADDRINUSE with the text. */
static int check_port(uint16_t port, char *text, size_t size)
{
    struct sock_addr addr = sock_addr_loopback(port);
    struct sock_owner owner;
    if (sock_probe_bind(&addr) != -EADDRINUSE || sock_find_owner(&addr, &owner) != 0) {
        return 0;
    }
    if (owner.pid) {
        snprintf(text, size, "port %u is taken by %s (pid %d)", port, owner.name, owner.pid);
    } else {
        snprintf(text, size, "port %u is taken by a process of user %u", port, owner.uid);
    }
    return -EADDRINUSE;
}

/* All replicas of the service accept from one socket, which the keeper holds: nobody is refused in
 * a restart. */
static int choose_socket(struct run *run, struct replica *replica)
{
    struct service *service = replica->service;
    if (service->listen_port == 0 && replica->spec->port > 0) {
        service->listen_port = (uint16_t)replica->spec->port;
    }
    if (service->listen_port == 0) {
        int r = sock_pick_port(&run->core->loop->rng, RUN_PORT_FIRST, RUN_PORT_LAST,
                               &service->listen_port);
        if (r < 0) {
            return r;
        }
    }
    char address[SOCK_ADDR_TEXT_MAX];
    replica->port = service->listen_port;
    snprintf(address, sizeof(address), "127.0.0.1:%u", replica->port);
    return listen_reserve(run, address, service->id);
}

static int choose_port(struct run *run, struct replica *replica, char *text, size_t size)
{
    const struct service_spec *spec = replica->spec;
    if (spec->listen_fds) {
        return choose_socket(run, replica);
    }
    uint16_t fixed = publish_fixed_port(spec, replica->project_spec);
    if (fixed > 0) {
        replica->port = fixed;
        return check_port(replica->port, text, size);
    }
    return port_take(run, replica);
}

/* By another replica. systemd hands sockets over in blocking mode, so programs set the mode that
 * they want; one that is at work with it is not to be hung by a change of it. */
static bool socket_in_use(const struct replica *replica)
{
    list_for_each (it, &replica->service->members) {
        const struct replica *other = list_entry(it, struct replica, node);
        if (other != replica && !replica_gone(&other->sm)) {
            return true;
        }
    }
    return false;
}

static int send_order(struct run *run, struct replica *replica)
{
    const struct service_spec *spec = replica->spec;
    struct arena arena = ARENA_INIT(ENV_BYTES_MAX * 2);
    struct env env;
    char out[PATH_SIZE], err[PATH_SIZE], address[SOCKET_ADDRESS_SIZE];
    char listen[SOCKET_ADDRESS_SIZE + 8];
    int r = env_make(run, replica, spec->argv, spec->argv_count, &arena, &env);
    struct order order = ORDER_INIT;
    uint32_t umask;
    output_path(replica, "out", out, sizeof(out));
    output_path(replica, "err", err, sizeof(err));
    if (r == 0) {
        env_user(replica, &order);
        r = feeds_start(run, replica, &order, out, err);
    }
    if (r == 0) {
        order.id = replica->id;
        order.argv = env.argv;
        order.envp = env.envp;
        order.cwd = arena_cstr(&arena, spec->working_dir);
        order.ports[0] = replica->port;
        order.spec_hash = spec->spec_hash;
        order.output_max = (uint64_t)MAX(spec->logging.burst_bytes, 0);
        add_limits(&order, spec);
        order.set_umask |= socket_umask(replica, &umask);
        order.umask = spec->umask == SPEC_UMASK_INHERIT && order.set_umask ? umask : order.umask;
        if (spec->listen_fds || spec->traffic.socket == SOCKET_LISTEN_FDS) {
            socket_address(run, replica, address);
            snprintf(listen, sizeof(listen), "listen:%s", address);
            order.listen[0] = listen;
            order.listen_count = 1;
            order.listen_env = true;
            order.listen_blocking = !socket_in_use(replica);
        }
        replica->order.spawn.answered = spawn_answered;
        replica->order.asked_wall_ns = core_wall(run->core);
        keeper_client_spawn(run->core->keeper, &replica->order.spawn, &order);
        feeds_sent(replica);
    }
    arena_fini(&arena);
    return r;
}

static void process_start(struct driver *driver, struct replica *replica)
{
    struct run *run = driver->run;
    char text[160] = "no free port";
    replica->order.asked_wall_ns = 0;
    int r = choose_port(run, replica, text, sizeof(text));
    if (r < 0) {
        refuse(run, replica, r, text);
        return;
    }
    r = socket_prepare(run, replica);
    if (r < 0) {
        refuse(run, replica, r, "make its socket");
        return;
    }
    r = send_order(run, replica);
    if (r < 0) {
        refuse(run, replica, r, "prepare its environment");
    }
}

/* --- the rest --- */

static void signal_answered(struct keeper_request *request, int error, const struct keeper_msg *msg,
                            int *fd)
{
    struct replica *replica = container_of(request, struct replica, order.signal);
    replica->order.signal_lost = error == -ECONNRESET;
}

static void process_stop(struct driver *driver, struct replica *replica, int signum)
{
    struct keeper_request *request = &replica->order.signal;
    if (request->serial == 0) {
        request->answered = signal_answered;
        replica->order.signum = signum;
        replica->order.signal_lost = false;
        keeper_client_signal(driver->run->core->keeper, request, str_from(replica->id), signum,
                             true);
    }
}

static void process_adopt(struct driver *driver, struct replica *replica)
{
    char path[2][PATH_SIZE];
    output_path(replica, "out", path[0], sizeof(path[0]));
    output_path(replica, "err", path[1], sizeof(path[1]));
    feeds_adopt(driver->run, replica, path[0], path[1]);
}

/* What a process left without an end of line is a line of its own, not the start of its successor's
 * first. */
static void end_line(const struct replica *replica, const char *suffix)
{
    char path[PATH_SIZE], last = '\n';
    struct file_stat stat;
    int fd = -1;
    output_path(replica, suffix, path, sizeof(path));
    if (file_open(path, FILE_READ | FILE_WRITE | FILE_APPEND | FILE_NOFOLLOW, 0, &fd) == 0 &&
        file_fstat(fd, &stat) == 0 && stat.size > 0 &&
        file_pread(fd, &last, 1, stat.size - 1) == 1 && last != '\n') {
        (void)!file_write(fd, "\n", 1);
    }
    file_close(&fd);
}

static void process_forget(struct driver *driver, struct replica *replica)
{
    feeds_end(driver->run, replica);
    socket_forget(driver->run, replica);
    end_line(replica, "out");
    end_line(replica, "err");
    struct keeper_request *request = &replica->order.forget;
    if (request->serial == 0) {
        request->answered = ignored;
        keeper_client_forget(driver->run->core->keeper, request, str_from(replica->id));
    }
}

static void process_cancel(struct driver *driver, struct replica *replica)
{
    struct keeper_request *requests[] = {&replica->order.spawn, &replica->order.signal,
                                         &replica->order.kill, &replica->order.forget};
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        if (requests[i]->serial != 0) {
            keeper_client_cancel(driver->run->core->keeper, requests[i]);
        }
    }
    if (replica->order.refused.run) {
        loop_task_cancel(&replica->order.refused);
    }
    feeds_free(driver->run, replica);
}

#define MTIME_TICK_NS (10 * NS_PER_MS)

/* The file is that of all processes the replica ever was: what was written before this one started
 * is not its own. The file's time has the kernel's tick, hence the tolerance. */
static size_t tail_of(const char *path, int64_t since_ns, char *tail, size_t size)
{
    struct file_stat stat;
    int fd = -1;
    int64_t n = 0;
    if (file_open(path, FILE_READ, 0, &fd) == 0 && file_fstat(fd, &stat) == 0 && stat.size > 0 &&
        stat.mtime_ns + MTIME_TICK_NS >= since_ns) {
        n = file_pread(fd, tail, size, stat.size > size ? stat.size - size : 0);
    }
    file_close(&fd);
    return n > 0 ? (size_t)n : 0;
}

/* What it complained about last; a program that complains to stdout is heard too. */
static size_t process_tail(struct driver *driver, struct replica *replica, char *tail, size_t size)
{
    char path[PATH_SIZE];
    feeds_drain(replica);
    output_path(replica, "err", path, sizeof(path));
    size_t len = tail_of(path, replica->started_wall_ns, tail, size);
    if (reason_last_line(tail, len).len > 0) {
        return len;
    }
    output_path(replica, "out", path, sizeof(path));
    return tail_of(path, replica->started_wall_ns, tail, size);
}

static void driver_free(struct driver *driver)
{
    free(driver);
}

static const struct driver_ops process_ops = {
    .name = "process",
    .plan = process_plan,
    .start = process_start,
    .stop = process_stop,
    .kill = process_kill,
    .forget = process_forget,
    .adopt = process_adopt,
    .cancel = process_cancel,
    .tail = process_tail,
    .free = driver_free,
};

static int driver_new(struct run *run, const struct driver_ops *ops, struct driver **ret_driver)
{
    struct driver *driver = calloc(1, sizeof(*driver));
    if (!driver) {
        return -ENOMEM;
    }
    driver->ops = ops;
    driver->run = run;
    *ret_driver = driver;
    return 0;
}

int driver_process_new(struct run *run, struct driver **ret_driver)
{
    return driver_new(run, &process_ops, ret_driver);
}

/* --- none --- */

static int none_plan(struct driver *driver, const struct service_spec *spec,
                     struct problem *problem)
{
    problem_set(problem, "service.no-engine", "needs an engine driver; none is configured");
    problem_hint(problem, "give it a command that runs here instead of an image");
    return DRIVER_E_REFUSED;
}

static void none_do(struct driver *driver, struct replica *replica)
{
}

static void none_stop(struct driver *driver, struct replica *replica, int signum)
{
}

static size_t none_tail(struct driver *driver, struct replica *replica, char *tail, size_t size)
{
    return 0;
}

static const struct driver_ops none_ops = {
    .name = "none",
    .plan = none_plan,
    .start = none_do, /* never called: plan refuses */
    .stop = none_stop,
    .kill = none_do,
    .forget = none_do,
    .adopt = none_do,
    .cancel = none_do,
    .tail = none_tail,
    .free = driver_free,
};

int driver_none_new(struct run *run, struct driver **ret_driver)
{
    return driver_new(run, &none_ops, ret_driver);
}
