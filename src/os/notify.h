/* SPDX-License-Identifier: Apache-2.0
 *
 * struct notify: which files of some folders were written to, as soon as the kernel says so (one
 * inotify descriptor; os/watch.h is the coalescing one, for people's folders). Events of one file
 * that follow each other are one in the kernel's queue already; a reader under load pauses it and
 * looks again later, so that a busy writer does not wake the loop for every line.
 */
#ifndef OS_NOTIFY_H
#define OS_NOTIFY_H

#include "base/str.h"
#include "os/loop.h"

enum { NOTIFY_FOLDERS_MAX = 4096 };

struct notify_folder;

struct notify {
    struct loop *loop;
    struct loop_fd watch;
    bool paused;
    struct notify_folder *folders; /* by watch descriptor */
    size_t folder_count;
    size_t folder_cap;
    /* `name` was written, made or moved into `folder`; the slices are valid during the call. Called
     * in one go for all that is known, possibly more than once for a name. */
    void (*changed)(struct notify *notify, struct str folder, struct str name);
    /* The kernel dropped events, or a folder was removed: look at everything again. */
    void (*lost)(struct notify *notify);
};

/* `changed` and `lost` must be set. 0 or -errno. */
must_check int notify_init(struct notify *notify, struct loop *loop);
void notify_fini(struct notify *notify);
/* 1 = watched from now on, 0 = it was already; -ENOSPC (the user's limit of watches, or
 * NOTIFY_FOLDERS_MAX), -ENOENT, -errno. What was written before the call is not reported: look at
 * the folder after adding it, not before. */
must_check int notify_add(struct notify *notify, const char *folder);
/* No calls until notify_resume, which then reports what happened meanwhile in the next turn. */
void notify_pause(struct notify *notify);
void notify_resume(struct notify *notify);

#endif
