/* SPDX-License-Identifier: Apache-2.0
 *
 * `muelle core`: lock, loop, signals around struct core. The lock comes before the store is opened:
 * two cores on one store are impossible, whatever started them.
 */
#include "core/core.h"
#include "core/event_txn.h"
#include "link/keeper_client.h"
#include "os/entropy.h"
#include "os/file.h"
#include "os/lock.h"
#include "os/loop.h"
#include "os/proc.h"
#include "os/rolelog.h"

#include <signal.h>
#include <stdio.h>

enum { EXIT_USAGE = 2, EXIT_LOCKED = 3 };

struct role {
    struct core core;
    struct loop loop;
    struct loop_signal term, interrupt, hangup;
};

static void on_term(struct loop_signal *signal)
{
    struct role *role = container_of(signal, struct role, term);
    core_stop(&role->core, 0);
}

static void on_interrupt(struct loop_signal *signal)
{
    struct role *role = container_of(signal, struct role, interrupt);
    core_stop(&role->core, 0);
}

static void on_hangup(struct loop_signal *signal)
{
    struct role *role = container_of(signal, struct role, hangup);
    if (role->core.reload) {
        role->core.reload(role->core.reload_arg);
    }
}

static int watch_signals(struct role *role)
{
    role->term.received = on_term;
    role->interrupt.received = on_interrupt;
    role->hangup.received = on_hangup;
    int r = loop_signal_add(&role->loop, &role->term, SIGTERM);
    if (r == 0) {
        r = loop_signal_add(&role->loop, &role->interrupt, SIGINT);
    }
    return r == 0 ? loop_signal_add(&role->loop, &role->hangup, SIGHUP) : r;
}

static bool parse(int argc, char **argv, struct core_options *options)
{
    for (int i = 0; i + 1 < argc; i++) {
        if (strcmp(argv[i], "--state-dir") == 0) {
            options->state_dir = argv[++i];
        } else if (strcmp(argv[i], "--run-dir") == 0) {
            options->run_dir = argv[++i];
        } else if (strcmp(argv[i], "--id") == 0) {
            options->id = argv[++i];
        }
    }
    return options->state_dir && options->run_dir;
}

static void say(const struct problem *problem)
{
    rolelog(ROLELOG_ERROR, "core", "%s%s%s", problem->what, problem->where[0] ? ": " : "",
            problem->where);
    if (problem->hint[0]) {
        rolelog(ROLELOG_ERROR, "core", "%s", problem->hint);
    }
}

/* For whoever started the instance and waits (role.h): the problem as lines, or nothing when all
 * is well. */
static void leave_word(const struct core_options *options, const struct problem *problem)
{
    struct buf text = BUF_INIT(sizeof(*problem) + 16);
    char path[128];
    snprintf(path, sizeof(path), "%s/core.problem", options->run_dir);
    int r = 0;
    if (problem) {
        buf_printf(&text, "%s\n%s\n%s\n%s\n%s\n", problem->code, problem->what, problem->where,
                   problem->expected, problem->hint);
        r = file_replace(path, buf_str(&text), 0600);
    } else {
        r = file_unlink(path);
    }
    buf_fini(&text);
    if (r < 0 && r != -ENOENT) {
        rolelog(ROLELOG_WARNING, "core", "%s: %s", path, strerror(-r));
    }
}

static int run(struct role *role, const struct core_options *options,
               const struct room_ops *const *rooms)
{
    struct problem problem;
    int r = watch_signals(role);
    if (r == 0) {
        r = core_open(&role->core, &role->loop, options, rooms, &problem);
        if (r < 0) {
            say(&problem);
        }
        leave_word(options, r < 0 ? &problem : NULL);
    }
    if (r == 0) {
        proc_title_set("muelle: core %s", role->core.instance.id);
        r = loop_run(&role->loop);
    }
    core_close(&role->core);
    return r < 0 ? 1 : role->core.exit_code;
}

int core_main(int argc, char **argv, const struct room_ops *const *rooms)
{
    static struct role role; /* large, and there is one */
    struct core_options options = {.keeper_fd = keeper_client_channel_from_env()};
    if (!parse(argc, argv, &options)) {
        fprintf(stderr, "usage: muelle core --state-dir DIR --run-dir DIR\n");
        return EXIT_USAGE;
    }
    char path[128];
    struct lock lock = LOCK_INIT;
    int holder = 0;
    snprintf(path, sizeof(path), "%s/core.lock", options.run_dir);
    int r = lock_take(&lock, path, &holder);
    if (r != 0) {
        if (r == LOCK_E_HELD) {
            rolelog(ROLELOG_ERROR, "core", "another core runs here (pid %d)", holder);
        } else {
            rolelog(ROLELOG_ERROR, "core", "core.lock cannot be taken");
        }
        return EXIT_LOCKED;
    }
    r = loop_init(&role.loop, entropy_seed());
    if (r < 0) {
        rolelog(ROLELOG_ERROR, "core", "event loop: %s", strerror(-r));
        return 1;
    }
    int code = run(&role, &options, rooms);
    loop_fini(&role.loop);
    lock_release(&lock);
    return code;
}
