/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "os/file.h"
#include "os/notify.h"

static struct loop loop;
static unsigned changes, losses;
static char last[64];

static void on_changed(struct notify *notify, struct str folder, struct str name)
{
    changes++;
    str_copy(last, sizeof(last), name);
}

static void on_lost(struct notify *notify)
{
    losses++;
}

static void turns(int count)
{
    while (count-- > 0) {
        check_int(loop_turn(&loop, 0), 0);
    }
}

TEST(writes_are_reported_by_name_until_it_is_paused_and_again_after)
{
    char folder[] = "/tmp/muelle-test-XXXXXX", path[64];
    struct notify notify = {.changed = on_changed, .lost = on_lost};
    int fd = -1;
    check(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/web-1.out", folder);
    check_int(loop_init(&loop, 1), 0);
    check_int(notify_init(&notify, &loop), 0);
    check_int(notify_add(&notify, folder), 1);
    check_int(notify_add(&notify, folder), 0);
    check_int(notify_add(&notify, "/nowhere/at/all"), -ENOENT);
    check_int(file_open(path, FILE_WRITE | FILE_CREATE | FILE_APPEND, 0600, &fd), 0);
    turns(2);
    check_int(changes, 1);
    check_cstr(last, "web-1.out");
    for (int i = 0; i < 100; i++) {
        check_int(file_write(fd, "x", 1), 0);
    }
    turns(2);
    check_int(changes, 2); /* equal events that follow each other are one */
    notify_pause(&notify);
    check_int(file_write(fd, "x", 1), 0);
    turns(2);
    check_int(changes, 2);
    notify_resume(&notify);
    turns(2);
    check_int(changes, 3);
    file_close(&fd);
    check_int(file_remove_tree(folder), 0);
    turns(2);
    check_int(losses, 1);
    notify_fini(&notify);
    loop_fini(&loop);
}
