/* SPDX-License-Identifier: Apache-2.0
 *
 * struct watcher: changes in folders (one inotify descriptor), coalesced: after the first event it
 * waits for `quiet_ns` without another one, at most `max_ns`, then reports every changed name once.
 *
 * Only folders are watched (a file is watched by its folder): an editor replaces the file by a
 * rename, and a watch on it would go with the old one. When the kernel's queue overflowed
 * `overflow` is set: rescan. Network folders give no events: ask file_system_of. Content written
 * and not closed yet is not reported (IN_CLOSE_WRITE): half a configuration is no change. A folder
 * that was moved is reported under its old path until it is removed and added again.
 */
#ifndef OS_WATCH_H
#define OS_WATCH_H

#include "base/map.h"
#include "os/loop.h"

struct watch_dir;

struct watch_batch {
    const struct str
        *paths; /* "FOLDER/NAME" or a watched "FOLDER" that is gone; valid during the call */
    size_t count;
    bool overflow; /* names were lost */
};

struct watcher {
    struct loop *loop;
    struct loop_fd watch;
    struct timer timer;
    int64_t quiet_ns; /* 25 ms; may be changed at any time */
    int64_t max_ns;   /* 500 ms */
    int64_t first_ns; /* when the oldest change that waits came */
    struct map by_path;
    struct map by_wd;   /* key: the four bytes of the kernel's watch number */
    struct map changed; /* what waits for being reported */
    bool overflow;
    size_t dirs_max;
    void (*changed_fn)(struct watcher *watcher, const struct watch_batch *batch);
};

enum { WATCH_PATHS_MAX = 4096 };

/* 0 or -errno (-EMFILE: the user's limit of inotify instances). */
must_check int watcher_init(struct watcher *watcher, struct loop *loop, size_t dirs_max,
                            void (*changed)(struct watcher *watcher, const struct watch_batch *));
void watcher_fini(struct watcher *watcher);
/* 0 (also when it is watched already), -ENOSPC (the kernel's or the own limit), -errno. */
must_check int watcher_add(struct watcher *watcher, const char *folder);
void watcher_remove(struct watcher *watcher, const char *folder);

#endif
