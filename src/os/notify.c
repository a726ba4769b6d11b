/* SPDX-License-Identifier: Apache-2.0
 *
 * inotify (inotify(7)), plainly. A folder that goes away takes its watch with it (IN_IGNORED);
 * whoever makes it again adds it again. Watch numbers are found by a walk: there are as many as
 * projects, and an event costs a system call anyway.
 *
 * How it fails: the kernel's queue has an end (max_queued_events); beyond it everything is to be
 * looked at again, which `lost` says. A folder that cannot be watched (the user's limit) is the
 * caller's to poll.
 */
#include "os/notify.h"

#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

struct notify_folder {
    int wd;
    char *path;
};

enum { READ_SIZE = 16 * 1024 };
static const uint32_t mask = IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_ONLYDIR;

static struct notify_folder *find_folder(struct notify *notify, int wd)
{
    for (size_t i = 0; i < notify->folder_count; i++) {
        if (notify->folders[i].wd == wd) {
            return &notify->folders[i];
        }
    }
    return NULL;
}

/* The last one takes its place: the order means nothing. */
static void drop_folder(struct notify *notify, struct notify_folder *folder)
{
    free(folder->path);
    *folder = notify->folders[--notify->folder_count];
}

static void handle(struct notify *notify, const struct inotify_event *event)
{
    if (event->mask & IN_Q_OVERFLOW) {
        notify->lost(notify);
        return;
    }
    struct notify_folder *folder = find_folder(notify, event->wd);
    if (folder && (event->mask & IN_IGNORED)) {
        drop_folder(notify, folder);
        notify->lost(notify);
    } else if (folder && event->len) {
        notify->changed(notify, str_from(folder->path), str_from(event->name));
    }
}

static void on_ready(struct loop_fd *watch, uint32_t events)
{
    (void)events;
    struct notify *notify = container_of(watch, struct notify, watch);
    _Alignas(struct inotify_event) char bytes[READ_SIZE];
    /* One read a turn: the rest is still there in the next one, and others get their turn. */
    ssize_t n = read(watch->fd, bytes, sizeof(bytes));
    for (ssize_t at = 0; at < n;) {
        const struct inotify_event *event = (const void *)(bytes + at);
        handle(notify, event);
        at += (ssize_t)(sizeof(*event) + event->len);
    }
}

int notify_init(struct notify *notify, struct loop *loop)
{
    ensure(notify->changed && notify->lost);
    notify->loop = loop;
    notify->folders = NULL;
    notify->folder_count = notify->folder_cap = 0;
    notify->paused = false;
    loop_fd_init(&notify->watch, on_ready);
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    int r = loop_fd_add(loop, &notify->watch, fd, LOOP_READ);
    if (r < 0) {
        close(fd);
    }
    return r;
}

void notify_fini(struct notify *notify)
{
    int fd = notify->watch.fd;
    if (!notify->loop || fd < 0) {
        return;
    }
    loop_fd_remove(notify->loop, &notify->watch);
    close(fd);
    while (notify->folder_count) {
        drop_folder(notify, &notify->folders[0]);
    }
    free(notify->folders);
    notify->folders = NULL;
}

static int grow(struct notify *notify)
{
    if (notify->folder_count < notify->folder_cap) {
        return 0;
    }
    if (notify->folder_count == NOTIFY_FOLDERS_MAX) {
        return -ENOSPC;
    }
    size_t cap = MAX(notify->folder_cap * 2, 8u);
    void *more = realloc(notify->folders, cap * sizeof(*notify->folders));
    if (!more) {
        return -ENOMEM;
    }
    notify->folders = more;
    notify->folder_cap = cap;
    return 0;
}

int notify_add(struct notify *notify, const char *folder)
{
    int r = grow(notify);
    if (r < 0) {
        return r;
    }
    int wd = inotify_add_watch(notify->watch.fd, folder, mask);
    if (wd < 0) {
        return -errno;
    }
    if (find_folder(notify, wd)) {
        return 0;
    }
    char *path = str_dup(str_from(folder));
    if (!path) {
        (void)inotify_rm_watch(notify->watch.fd, wd);
        return -ENOMEM;
    }
    notify->folders[notify->folder_count++] = (struct notify_folder){wd, path};
    return 1;
}

static void set_events(struct notify *notify, uint32_t events)
{
    int r = loop_fd_set(notify->loop, &notify->watch, events);
    ensure(r == 0); /* a change of the mask of a watched descriptor does not fail */
}

void notify_pause(struct notify *notify)
{
    if (!notify->paused) {
        notify->paused = true;
        set_events(notify, 0);
    }
}

void notify_resume(struct notify *notify)
{
    if (notify->paused) {
        notify->paused = false;
        set_events(notify, LOOP_READ);
    }
}
