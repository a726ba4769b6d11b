/* SPDX-License-Identifier: Apache-2.0
 *
 * Pipes and terminals of services: see feeds.h. Names at the keeper: "output:ID:out", ":err",
 * ":tty", and ":dev" for the program's side of a terminal until it is started.
 *
 * Invariant: a stream is watched exactly while there may be something to move and room to move it
 * to; a full disk or a log that is behind stops the moving for a while, and so, once the pipe is
 * full, the program.
 */
#include "run/feeds.h"
#include "base/num.h"
#include "core/core.h"
#include "os/feed.h"
#include "os/file.h"
#include "os/lease.h"
#include "run/model.h"
#include "run/plan.h"

#include <stdio.h>
#include <stdlib.h>

#define FEED_FULL_NS   (200 * NS_PER_MS) /* until the disk is tried again */
#define FEED_BEHIND_NS (20 * NS_PER_MS)  /* until it is looked whether the log has caught up */

enum { FEED_STEPS_MAX = 16, FEED_NAMES = 4 };
enum feed_name { FEED_OUT, FEED_ERR, FEED_TERMINAL, FEED_DEVICE };

struct feed {
    struct feeds *feeds;
    struct loop_fd watch; /* the reader, or the terminal */
    struct timer again;
    bool watched;
    int pipe;
    int reader;
    int terminal; /* -1: what fills the pipe is the program itself */
    int file;
};

struct feeds {
    struct run *run;
    uint64_t burst; /* bytes that may lie unread in the file */
    struct feed feed[2];
    struct keeper_request keep[FEED_NAMES], drop[FEED_NAMES];
    bool kept[FEED_NAMES];
    char source[FEED_NAMES][RUN_ID_MAX + 24]; /* "kept:output:ID:out" */
};

static struct str feed_name(const struct feeds *feeds, enum feed_name name)
{
    return str_from(feeds->source[name] + sizeof(ORDER_KEPT) - 1);
}

/* --- moving --- */

static bool is_behind(const struct feed *feed)
{
    struct file_stat stat;
    return feed->feeds->burst > 0 && file_fstat(feed->file, &stat) == 0 &&
           stat.allocated > feed->feeds->burst / 2;
}

uint64_t feeds_burst(const struct service_spec *spec)
{
    uint64_t burst = (uint64_t)MAX(spec->logging.burst_bytes, 0);
    return plan_is_fed(spec) ? MAX(burst, (uint64_t)FEED_BURST_MIN) : burst;
}

/* Bytes that reached the file; 0 = there is nothing more now; -EIO: the program's side of a
 * terminal is closed. */
static int64_t feed_step(struct feed *feed)
{
    int64_t collected = feed->terminal >= 0 ? feed_collect(feed->terminal, feed->pipe) : 0;
    int64_t stored = feed_store(feed->reader, feed->file);
    return stored != 0 ? stored : collected;
}

static void feed_unwatch(struct feed *feed)
{
    if (feed->watched) {
        loop_fd_remove(feed->feeds->run->core->loop, &feed->watch);
        feed->watched = false;
    }
}

static void feed_watch(struct feed *feed)
{
    int fd = feed->terminal >= 0 ? feed->terminal : feed->reader;
    if (!feed->watched && fd >= 0) {
        feed->watched = loop_fd_add(feed->feeds->run->core->loop, &feed->watch, fd, LOOP_READ) == 0;
    }
}

static void feed_pause(struct feed *feed, int64_t ns)
{
    feed_unwatch(feed);
    loop_timer_after(feed->feeds->run->core->loop, &feed->again, ns);
}

static void feed_move(struct feed *feed)
{
    for (int i = 0; i < FEED_STEPS_MAX; i++) {
        if (is_behind(feed)) {
            feed_pause(feed, FEED_BEHIND_NS);
            return;
        }
        int64_t moved = feed_step(feed);
        if (moved == -EIO && feed->terminal >= 0) {
            feed_unwatch(feed); /* its program has ended; the keeper will say so */
            return;
        }
        if (moved < 0) {
            feed_pause(feed, FEED_FULL_NS);
            return;
        }
        if (moved == 0) {
            return;
        }
    }
}

static void feed_ready(struct loop_fd *watch, uint32_t events)
{
    feed_move(container_of(watch, struct feed, watch));
}

static void feed_again(struct timer *timer, int64_t now_ns)
{
    struct feed *feed = container_of(timer, struct feed, again);
    feed_watch(feed);
    feed_move(feed);
}

void feeds_drain(struct replica *replica)
{
    for (size_t i = 0; replica->feeds && i < 2; i++) {
        struct feed *feed = &replica->feeds->feed[i];
        for (int step = 0; feed->reader >= 0 && step < FEED_STEPS_MAX && feed_step(feed) > 0;
             step++) {
        }
    }
}

/* --- making and letting go --- */

static void feed_close(struct feed *feed)
{
    feed_unwatch(feed);
    loop_timer_cancel(feed->feeds->run->core->loop, &feed->again);
    file_close(&feed->pipe);
    file_close(&feed->reader);
    file_close(&feed->terminal);
    file_close(&feed->file);
}

static struct feeds *feeds_get(struct run *run, struct replica *replica)
{
    static const char *const suffixes[FEED_NAMES] = {"out", "err", "tty", "dev"};
    if (replica->feeds) {
        return replica->feeds;
    }
    struct feeds *feeds = calloc(1, sizeof(*feeds));
    if (!feeds) {
        return NULL;
    }
    feeds->run = run;
    for (size_t i = 0; i < FEED_NAMES; i++) {
        snprintf(feeds->source[i], sizeof(feeds->source[i]), ORDER_KEPT KEEPER_OUTPUT "%s:%s",
                 replica->id, suffixes[i]);
    }
    for (size_t i = 0; i < 2; i++) {
        struct feed *feed = &feeds->feed[i];
        *feed = (struct feed){.feeds = feeds, .pipe = -1, .reader = -1, .terminal = -1, .file = -1};
        loop_fd_init(&feed->watch, feed_ready);
        timer_init(&feed->again, feed_again);
    }
    replica->feeds = feeds;
    return feeds;
}

/* Opens what lies at both ends of `feed->pipe`, which the caller has set. */
static int feed_open(struct feed *feed, const char *path)
{
    char folder[ORDER_PATH_MAX];
    (void)str_copy(folder, sizeof(folder), str_from(path));
    char *slash = strrchr(folder, '/');
    int result = -EINVAL;
    if (slash) {
        *slash = '\0';
        result = file_mkdir_p(folder, 0755);
    }
    result = result < 0
                 ? result
                 : lease_open(path, FILE_WRITE | FILE_CREATE | FILE_NOFOLLOW, 0640, &feed->file);
    result = result < 0 ? result : feed_reader(feed->pipe, &feed->reader);
    if (result == 0) {
        feed_watch(feed);
    }
    return result;
}

static void kept_answered(struct keeper_request *request, int error, const struct keeper_msg *msg,
                          int *fd)
{
}

static void feeds_cancel(struct feeds *feeds, struct keeper_request *request)
{
    if (request->serial != 0) {
        keeper_client_cancel(feeds->run->core->keeper, request);
    }
}

static void feeds_keep(struct feeds *feeds, enum feed_name name, int fd)
{
    feeds_cancel(feeds, &feeds->keep[name]);
    feeds->keep[name].answered = kept_answered;
    feeds->kept[name] = true;
    keeper_client_keep(feeds->run->core->keeper, &feeds->keep[name], feed_name(feeds, name), fd);
}

static void feeds_drop(struct feeds *feeds, enum feed_name name)
{
    if (feeds->kept[name]) {
        feeds_cancel(feeds, &feeds->drop[name]);
        feeds->drop[name].answered = kept_answered;
        feeds->kept[name] = false;
        keeper_client_drop(feeds->run->core->keeper, &feeds->drop[name], feed_name(feeds, name));
    }
}

static int start_pipe(struct feeds *feeds, enum feed_name name, const char *path)
{
    struct feed *feed = &feeds->feed[name];
    int result = feed_pipe(&feed->pipe);
    if (result == 0) {
        result = feed_open(feed, path);
    }
    if (result == 0) {
        feeds_keep(feeds, name, feed->pipe);
    }
    return result;
}

static int start_terminal(struct feeds *feeds, const struct order *order, const char *path)
{
    struct feed *feed = &feeds->feed[FEED_OUT];
    int device = -1;
    uint32_t uid = order->set_user ? order->uid : UINT32_MAX,
             gid = order->set_user ? order->gid : UINT32_MAX;
    int result = feed_terminal(uid, gid, &feed->terminal, &device);
    if (result == 0) {
        result = start_pipe(feeds, FEED_OUT, path);
    }
    if (result == 0) {
        feeds_keep(feeds, FEED_TERMINAL, feed->terminal);
        feeds_keep(feeds, FEED_DEVICE, device);
    }
    file_close(&device);
    return result;
}

int feeds_start(struct run *run, struct replica *replica, struct order *order, const char *out,
                const char *err)
{
    const struct service_spec *spec = replica->spec;
    order->output[0] = out;
    order->output[1] = err;
    if (!plan_is_fed(spec)) {
        return 0;
    }
    struct feeds *feeds = feeds_get(run, replica);
    if (!feeds) {
        return -ENOMEM;
    }
    feeds->burst = feeds_burst(spec);
    feed_close(&feeds->feed[0]);
    feed_close(&feeds->feed[1]);
    if (spec->tty) {
        order->output[0] = order->output[1] = order->stdin_path = feeds->source[FEED_DEVICE];
        return start_terminal(feeds, order, out);
    }
    order->output[0] = feeds->source[FEED_OUT];
    order->output[1] = feeds->source[FEED_ERR];
    int result = start_pipe(feeds, FEED_OUT, out);
    return result < 0 ? result : start_pipe(feeds, FEED_ERR, err);
}

bool feeds_open(const struct replica *replica)
{
    const struct feeds *feeds = replica->feeds;
    return feeds && (feeds->feed[0].pipe >= 0 || feeds->feed[1].pipe >= 0);
}

void feeds_sent(struct replica *replica)
{
    if (replica->feeds) {
        feeds_drop(replica->feeds, FEED_DEVICE); /* else it would never end for its reader */
    }
}

/* The keeper's pipe, or the program's own. 0 or -errno. */
static int find_pipe(struct feeds *feeds, struct replica *replica, enum feed_name name, int kept)
{
    struct feed *feed = &feeds->feed[name];
    if (kept >= 0) {
        feeds->kept[name] = true;
        return file_dup(kept, &feed->pipe);
    }
    int result = feed_find(replica->pid, 1 + (int)name, &feed->pipe);
    if (result == 0) {
        feeds_keep(feeds, name, feed->pipe);
    }
    return result;
}

void feeds_adopt(struct run *run, struct replica *replica, const char *out, const char *err)
{
    const char *paths[2] = {out, err};
    bool wanted = plan_is_fed(replica->spec) && !replica->spec->tty && replica->pid > 0;
    struct feeds *feeds = feeds_get(run, replica);
    if (!feeds) {
        return;
    }
    const struct keeper_client *keeper = run->core->keeper;
    for (enum feed_name name = FEED_OUT; name <= FEED_ERR; name++) {
        struct feed *feed = &feeds->feed[name];
        int kept = keeper_client_fd(keeper, feed_name(feeds, name));
        if ((kept < 0 && !wanted) || find_pipe(feeds, replica, name, kept) < 0) {
            continue;
        }
        int terminal =
            name == FEED_OUT ? keeper_client_fd(keeper, feed_name(feeds, FEED_TERMINAL)) : -1;
        if (terminal >= 0) {
            feeds->kept[FEED_TERMINAL] = feeds->kept[FEED_DEVICE] = true;
            (void)!file_dup(terminal, &feed->terminal);
        }
        if (feed_open(feed, paths[name]) < 0) {
            core_log(run->core, "%s: its output cannot be read: it will wait", replica->id);
        }
    }
    feeds_drop(feeds, FEED_DEVICE);
    feeds->burst = feeds_burst(replica->spec);
    if (!feeds_open(replica)) {
        feeds_free(run, replica); /* it writes to files */
    }
}

void feeds_end(struct run *run, struct replica *replica)
{
    struct feeds *feeds = replica->feeds;
    if (!feeds) {
        return;
    }
    feeds_drain(replica);
    feed_close(&feeds->feed[0]);
    feed_close(&feeds->feed[1]);
    for (enum feed_name name = FEED_OUT; name <= FEED_DEVICE; name++) {
        feeds_drop(feeds, name);
    }
}

void feeds_free(struct run *run, struct replica *replica)
{
    struct feeds *feeds = replica->feeds;
    if (!feeds) {
        return;
    }
    replica->feeds = NULL;
    for (size_t i = 0; i < FEED_NAMES; i++) {
        feeds_cancel(feeds, &feeds->keep[i]);
        feeds_cancel(feeds, &feeds->drop[i]);
    }
    feed_close(&feeds->feed[0]);
    feed_close(&feeds->feed[1]);
    free(feeds);
}
