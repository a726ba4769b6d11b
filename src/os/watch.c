/* SPDX-License-Identifier: Apache-2.0
 *
 * Watching folders: see watch.h.
 *
 * An editor's save is many events (a temporary file, a rename, a change of mode): so changes are
 * gathered until it is quiet. Nothing is lost silently: when the kernel's queue or ours is full,
 * `overflow` says so.
 *
 * Invariants: 1. a folder is in by_path and by_wd or in neither; a second path to the same folder
 *                shares the kernel's watch number and is reported under the first;
 *             2. what waits in `changed` has its timer armed;
 *             3. a report owns its names: the callback may add and remove folders, and changes that
 *                come meanwhile are the next report's.
 */
#include "os/watch.h"
#include "base/num.h"
#include "os/file.h"
#include <limits.h>
#include <sys/inotify.h>
#include <unistd.h>

#define WATCH_QUIET_NS (25 * NS_PER_MS)
#define WATCH_MAX_NS   (500 * NS_PER_MS)

enum {
    WATCH_MASK = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE |
                 IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR | IN_EXCL_UNLINK,
    WATCH_BUFFER = 16 * 1024,
};

struct watch_dir {
    int wd;
    size_t len;
    char path[]; /* with a NUL */
};

struct watch_change {
    size_t len;
    char path[];
};

static struct str watch_wd_key(const int *wd)
{
    return str_make((const char *)wd, sizeof(*wd));
}

/* Called before a change is noted: the report comes when it is quiet, but never later than max_ns
 * behind the first one that waits. */
static void watch_arm(struct watcher *watcher)
{
    if (watcher->changed.len == 0 && !watcher->overflow) {
        watcher->first_ns = watcher->loop->now_ns;
    }
    int64_t quiet_ns = watcher->loop->now_ns + watcher->quiet_ns;
    loop_timer_set(watcher->loop, &watcher->timer,
                   MIN(quiet_ns, watcher->first_ns + watcher->max_ns));
}

static void watch_note(struct watcher *watcher, struct str folder, struct str name)
{
    watch_arm(watcher);
    char path[PATH_MAX];
    int len = snprintf(path, sizeof(path), STR_FMT "%s" STR_FMT, STR_ARG(folder),
                       name.len ? "/" : "", STR_ARG(name));
    if (len <= 0 || (size_t)len >= sizeof(path) || map_get(&watcher->changed, str_from(path))) {
        return;
    }
    struct watch_change *change = malloc(sizeof(*change) + (size_t)len);
    if (change) {
        change->len = (size_t)len;
        memcpy(change->path, path, (size_t)len);
    }
    if (!change || map_put(&watcher->changed, str_make(change->path, change->len), change) < 0) {
        free(change);
        watcher->overflow = true;
    }
}

static void watch_forget(struct watcher *watcher, struct watch_dir *dir)
{
    map_take(&watcher->by_wd, watch_wd_key(&dir->wd));
    map_take(&watcher->by_path, str_make(dir->path, dir->len));
    free(dir);
}

static void watch_event(struct watcher *watcher, const struct inotify_event *event)
{
    if (event->mask & IN_Q_OVERFLOW) {
        watch_arm(watcher);
        watcher->overflow = true;
        return;
    }
    struct watch_dir *dir = map_get(&watcher->by_wd, watch_wd_key(&event->wd));
    if (!dir) {
        return; /* of a folder that was given up meanwhile */
    }
    struct str folder = str_make(dir->path, dir->len);
    struct str name = event->len > 0 ? str_from(event->name) : STR_NONE;
    if (event->mask & IN_IGNORED) {
        watch_forget(watcher, dir); /* the folder is gone: its event came before */
    } else {
        watch_note(watcher, folder, name);
    }
}

static void watch_ready(struct loop_fd *watch, uint32_t events)
{
    struct watcher *watcher = container_of(watch, struct watcher, watch);
    char space[WATCH_BUFFER] __attribute__((aligned(__alignof__(struct inotify_event))));
    int64_t n = file_read(watch->fd, space, sizeof(space));
    for (int64_t at = 0; at < n;) {
        const struct inotify_event *event = (const void *)(space + at);
        watch_event(watcher, event);
        at += (int64_t)(sizeof(*event) + event->len);
    }
}

static void watch_free_changes(struct watcher *watcher, struct map *changed)
{
    for (size_t i = 0; i < changed->len; i++) {
        free(changed->entries[i].value);
    }
    map_fini(changed);
}

/* Without memory for the list the report says only that something changed. */
static void watch_report(struct timer *timer, int64_t now_ns)
{
    struct watcher *watcher = container_of(timer, struct watcher, timer);
    struct watch_batch batch = {.overflow = watcher->overflow};
    /* Taken out first: the callback may add and remove folders. */
    struct map changed = watcher->changed;
    watcher->changed = MAP_INIT(WATCH_PATHS_MAX);
    watcher->overflow = false;
    struct str *paths = calloc(changed.len + 1, sizeof(*paths));
    for (size_t i = 0; paths && i < changed.len; i++) {
        paths[i] = changed.entries[i].key;
    }
    batch.paths = paths;
    batch.count = paths ? changed.len : 0;
    batch.overflow |= !paths;
    watcher->changed_fn(watcher, &batch);
    free(paths);
    watch_free_changes(watcher, &changed);
}

int watcher_init(struct watcher *watcher, struct loop *loop, size_t dirs_max,
                 void (*changed)(struct watcher *watcher, const struct watch_batch *))
{
    *watcher = (struct watcher){.loop = loop,
                                .quiet_ns = WATCH_QUIET_NS,
                                .max_ns = WATCH_MAX_NS,
                                .by_path = MAP_INIT(dirs_max),
                                .by_wd = MAP_INIT(dirs_max),
                                .changed = MAP_INIT(WATCH_PATHS_MAX),
                                .dirs_max = dirs_max,
                                .changed_fn = changed};
    timer_init(&watcher->timer, watch_report);
    loop_fd_init(&watcher->watch, watch_ready);
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    int result = loop_fd_add(loop, &watcher->watch, fd, LOOP_READ);
    if (result < 0) {
        close(fd);
    }
    return result;
}

void watcher_fini(struct watcher *watcher)
{
    if (!watcher->loop) {
        return;
    }
    int fd = watcher->watch.fd;
    loop_fd_remove(watcher->loop, &watcher->watch);
    loop_timer_cancel(watcher->loop, &watcher->timer);
    file_close(&fd);
    for (size_t i = 0; i < watcher->by_path.len; i++) {
        free(watcher->by_path.entries[i].value);
    }
    map_fini(&watcher->by_path);
    map_fini(&watcher->by_wd);
    watch_free_changes(watcher, &watcher->changed);
    watcher->loop = NULL;
}

int watcher_add(struct watcher *watcher, const char *folder)
{
    size_t len = strlen(folder);
    if (map_get(&watcher->by_path, str_make(folder, len))) {
        return 0;
    }
    if (watcher->by_path.len >= watcher->dirs_max) {
        return -ENOSPC;
    }
    struct watch_dir *dir = malloc(sizeof(*dir) + len + 1);
    if (!dir) {
        return -ENOMEM;
    }
    dir->len = len;
    memcpy(dir->path, folder, len + 1);
    dir->wd = inotify_add_watch(watcher->watch.fd, folder, WATCH_MASK);
    if (dir->wd < 0) {
        int error = -errno;
        free(dir);
        return error;
    }
    if (map_get(&watcher->by_wd, watch_wd_key(&dir->wd))) {
        free(dir); /* the same folder under another name: reported under its first */
        return 0;
    }
    int result = map_put(&watcher->by_path, str_make(dir->path, len), dir);
    if (result == 0) {
        result = map_put(&watcher->by_wd, watch_wd_key(&dir->wd), dir);
    }
    if (result < 0) {
        inotify_rm_watch(watcher->watch.fd, dir->wd);
        watch_forget(watcher, dir);
    }
    return result;
}

void watcher_remove(struct watcher *watcher, const char *folder)
{
    struct watch_dir *dir = map_get(&watcher->by_path, str_from(folder));
    if (dir) {
        inotify_rm_watch(watcher->watch.fd, dir->wd);
        watch_forget(watcher, dir);
    }
}
