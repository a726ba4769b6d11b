/* SPDX-License-Identifier: Apache-2.0 */
#include "base/num.h"
#include "harness/test.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/watch.h"

static struct loop loop;
static struct watcher watcher;
static char folder[64];
static char reported[4096];
static unsigned reports;
static size_t count;
static bool overflow;

static void on_changed(struct watcher *from, const struct watch_batch *batch)
{
    reports++;
    count += batch->count;
    overflow |= batch->overflow;
    for (size_t i = 0; i < batch->count; i++) {
        size_t at = strlen(reported);
        snprintf(reported + at, sizeof(reported) - at, "%.*s|", STR_ARG(batch->paths[i]));
    }
    loop_stop(&loop);
}

static void setup(void)
{
    snprintf(folder, sizeof(folder), "/tmp/muelle-watch-XXXXXX");
    check(mkdtemp(folder) != NULL);
    check_int(loop_init(&loop, 1), 0);
    check_int(watcher_init(&watcher, &loop, 16, on_changed), 0);
    check_int(watcher_add(&watcher, folder), 0);
    check_int(watcher_add(&watcher, folder), 0);
}

static void teardown(void)
{
    watcher_fini(&watcher);
    loop_fini(&loop);
    check_int(file_remove_tree(folder), 0);
}

static const char *path_of(const char *name)
{
    static char path[256];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

TEST(many_writes_of_few_files_are_one_report_of_each_name)
{
    setup();
    for (int i = 0; i < 50; i++) {
        int fd = -1;
        check_int(file_open(path_of(i % 2 ? "a" : "b"), FILE_WRITE | FILE_CREATE, 0600, &fd), 0);
        check_int(file_write(fd, "x", 1), 0);
        file_close(&fd);
    }
    check_int(loop_run(&loop), 0);
    check_int(reports, 1);
    check_int(count, 2);
    check(str_find(str_from(reported), STR("/a|")) >= 0);
    check(str_find(str_from(reported), STR("/b|")) >= 0);
    teardown();
}

TEST(a_folder_that_is_never_quiet_is_reported_all_the_same)
{
    setup();
    watcher.quiet_ns = 20 * NS_PER_MS;
    watcher.max_ns = 60 * NS_PER_MS;
    int64_t end_ns = clock_mono_ns() + 10 * NS_PER_S;
    while (reports == 0 && clock_mono_ns() < end_ns) {
        check_int(file_replace(path_of("busy"), STR("x"), 0600), 0);
        check_int(loop_turn(&loop, NS_PER_MS), 0);
    }
    check(reports > 0);
    teardown();
}

TEST(a_watched_folder_that_goes_away_is_reported_and_forgotten)
{
    setup();
    char below[256];
    snprintf(below, sizeof(below), "%s", path_of("below"));
    check_int(file_mkdir(below, 0700), 0);
    check_int(watcher_add(&watcher, below), 0);
    check_int(file_rmdir(below), 0);
    check_int(loop_run(&loop), 0);
    check(str_find(str_from(reported), STR("/below|")) >= 0);
    check_int(watcher.by_path.len, 1);
    check_int(watcher_add(&watcher, below), -ENOENT);
    teardown();
}

TEST(more_names_than_are_kept_are_said_to_be_lost)
{
    setup();
    for (int i = 0; i < WATCH_PATHS_MAX + 10; i++) {
        char name[32];
        int fd = -1;
        snprintf(name, sizeof(name), "f%d", i);
        check_int(file_open(path_of(name), FILE_WRITE | FILE_CREATE, 0600, &fd), 0);
        file_close(&fd);
    }
    for (int i = 0; i < 100 && reports == 0; i++) {
        check_int(loop_turn(&loop, 100 * NS_PER_MS), 0);
    }
    check(overflow);
    check_int(count, WATCH_PATHS_MAX);
    teardown();
}

TEST(the_own_limit_of_folders_holds)
{
    setup();
    char path[128];
    int result = 0;
    for (int i = 0; i < 20; i++) {
        snprintf(path, sizeof(path), "%s/d%d", folder, i);
        check_int(file_mkdir(path, 0700), 0);
        result = watcher_add(&watcher, path);
    }
    check_int(result, -ENOSPC);
    check_int(watcher.by_path.len, 16);
    snprintf(path, sizeof(path), "%s/d0", folder);
    watcher_remove(&watcher, path);
    check_int(watcher_add(&watcher, path), 0);
    teardown();
}
