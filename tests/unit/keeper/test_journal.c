/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"
#include "harness/test.h"
#include "keeper/private.h"
#include "os/file.h"
#include <signal.h>
#include <sys/resource.h>

static struct keeper keeper; /* large */

static void setup(void)
{
    char folder[] = "/tmp/muelle-journal-XXXXXX";
    check(mkdtemp(folder) != NULL);
    str_copy(keeper.run_dir, sizeof(keeper.run_dir), str_from(folder));
    str_copy(keeper.journal.boot_id, sizeof(keeper.journal.boot_id),
             STR("00000000-1111-2222-3333-444444444444"));
    for (size_t i = 0; i < KEEPER_KEPT_MAX; i++) {
        keeper.kept[i].fd = -1;
    }
    check_int(loop_init(&keeper.loop, 1), 0);
    memory_load(&keeper);
    keeper.roles[KEEPER_ROLE_CORE].rec.role = KEEPER_ROLE_CORE;
    keeper.roles[KEEPER_ROLE_EDGE].rec.role = KEEPER_ROLE_EDGE;
}

static void teardown(void)
{
    file_close(&keeper.journal.file.fd);
    check_int(file_remove_tree(keeper.run_dir), 0);
    loop_fini(&keeper.loop);
}

/* As a new process would begin. */
static void forget_all(void)
{
    file_close(&keeper.journal.file.fd);
    for (size_t i = 0; i < KEEPER_CHILDREN_MAX; i++) {
        keeper.wards[i].used = false;
    }
    keeper.ward_top = 0;
    memset(&keeper.cgroups, 0, sizeof(keeper.cgroups));
    for (size_t i = 0; i < KEEPER_ROLE_COUNT; i++) {
        keeper.roles[i].rec.proc = (struct proc_id){0, 0};
        keeper.roles[i].rec.restarts = 0;
    }
}

static struct ward *add_ward(const char *id, int pid)
{
    struct ward *ward = ward_new(&keeper, str_from(id));
    check(ward != NULL);
    ward->rec.running = true;
    ward->rec.proc = (struct proc_id){pid, (uint64_t)pid * 3};
    ward->rec.spec_hash = map_hash(1, str_from(id));
    ward->rec.ports[0] = (uint16_t)pid;
    ward->rec.trimmed[1] = 77;
    str_copy(ward->rec.cgroup, sizeof(ward->rec.cgroup), STR("a/b"));
    str_copy(ward->rec.output[0], sizeof(ward->rec.output[0]), STR("/out/1"));
    memory_ward(&keeper, ward);
    return ward;
}

static size_t count_wards(void)
{
    size_t count = 0;
    for (size_t i = 0; i < keeper.ward_top; i++) {
        count += keeper.wards[i].used;
    }
    return count;
}

TEST(what_was_written_is_what_the_next_keeper_knows)
{
    setup();
    keeper.cgroups.rung = CGROUP_UNIFIED;
    str_copy(keeper.cgroups.path, sizeof(keeper.cgroups.path), STR("/sys/fs/cgroup/x"));
    (void)journal_rewrite(&keeper.journal);
    add_ward("d/p/one/1", 100);
    struct ward *two = add_ward("d/p/two/1", 200);
    struct ward *three = add_ward("d/p/three/1", 300);
    keeper.roles[KEEPER_ROLE_EDGE].rec.proc = (struct proc_id){42, 4242};
    keeper.roles[KEEPER_ROLE_EDGE].rec.restarts = 3;
    memory_role(&keeper, &keeper.roles[KEEPER_ROLE_EDGE]);
    two->rec.running = false;
    two->rec.exit = (struct proc_exit){.known = true, .code = 7};
    memory_ward(&keeper, two);
    three->rec.running = false;
    child_forget(&keeper, three);
    forget_all();
    memory_load(&keeper);
    check_int(count_wards(), 2);
    struct ward *one = ward_find(&keeper, STR("d/p/one/1"));
    check(one && one->rec.running && one->rec.proc.pid == 100 && one->rec.proc.start_time == 300);
    check(one->rec.spec_hash == map_hash(1, STR("d/p/one/1")) && one->rec.ports[0] == 100);
    check_cstr(one->rec.cgroup, "a/b");
    check_cstr(one->rec.output[0], "/out/1");
    check_int(one->rec.trimmed[1], 77);
    two = ward_find(&keeper, STR("d/p/two/1"));
    check(two && !two->rec.running && two->rec.exit.known && two->rec.exit.code == 7);
    check(!ward_find(&keeper, STR("d/p/three/1")));
    check_int(keeper.roles[KEEPER_ROLE_EDGE].rec.proc.pid, 42);
    check_int(keeper.roles[KEEPER_ROLE_EDGE].rec.restarts, 3);
    check_int(keeper.cgroups.rung, CGROUP_UNIFIED);
    teardown();
}

TEST(a_journal_of_another_boot_says_nothing)
{
    setup();
    (void)journal_rewrite(&keeper.journal);
    add_ward("x", 100);
    forget_all();
    keeper.journal.boot_id[0] = '9';
    memory_load(&keeper);
    check_int(count_wards(), 0);
    teardown();
}

/* Whatever a crash, a full disk or a hand did to the file: what is read was written, and nothing
 * else is. */
TEST(a_damaged_or_torn_journal_gives_a_part_of_what_was_written)
{
    setup();
    struct buf whole = BUF_INIT(4 * MIB);
    char path[KEEPER_PATH_MAX];
    keeper_run_path(&keeper, "keeper.journal", path);
    (void)journal_rewrite(&keeper.journal);
    for (int i = 1; i <= 8; i++) {
        char id[16];
        snprintf(id, sizeof(id), "ward-%d", i);
        add_ward(id, i);
    }
    file_close(&keeper.journal.file.fd);
    check_int(file_read_all(path, 4 * MIB, &whole), 0);
    for (size_t round = 0; round < test_rounds(400); round++) {
        struct str cut = str_slice(buf_str(&whole), 0, rng_below(test_rng(), whole.len + 1));
        size_t at = rng_below(test_rng(), whole.len);
        char old = whole.p[at];
        bool flip = rng_chance(test_rng(), 500);
        if (flip) {
            whole.p[at] ^= (char)(1 + rng_below(test_rng(), 255));
            cut = buf_str(&whole);
        }
        check_int(file_replace(path, cut, 0600), 0);
        whole.p[at] = old;
        forget_all();
        memory_load(&keeper);
        check(count_wards() <= 8);
        for (size_t i = 0; i < keeper.ward_top; i++) {
            const struct ward *ward = &keeper.wards[i];
            check(!ward->used || ward->rec.proc.start_time == (uint64_t)ward->rec.proc.pid * 3);
        }
    }
    buf_fini(&whole);
    teardown();
}

TEST(a_fresh_file_replaces_one_that_has_grown)
{
    setup();
    (void)journal_rewrite(&keeper.journal);
    struct ward *ward = add_ward("busy", 1);
    uint64_t largest = 0;
    for (int i = 0; i < 20000; i++) {
        ward->rec.trimmed[0] = (uint64_t)i;
        memory_ward(&keeper, ward);
        largest = MAX(largest, keeper.journal.file.size);
    }
    check(largest < 17 * MIB);
    char path[KEEPER_PATH_MAX];
    struct file_stat stat;
    keeper_run_path(&keeper, "keeper.journal", path);
    check_int(file_stat(path, &stat), 0);
    check_int(stat.size, keeper.journal.file.size);
    forget_all();
    memory_load(&keeper);
    check_int(ward_find(&keeper, STR("busy"))->rec.trimmed[0], 19999);
    teardown();
}

/* As on a full disk: a write stops half-way at that size, and the next gives an error. */
static void limit_files(rlim_t size)
{
    struct rlimit limit = {size, RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    check_int(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

TEST(nothing_known_is_lost_when_the_journal_cannot_be_written)
{
    setup();
    (void)journal_rewrite(&keeper.journal);
    add_ward("one", 1);
    add_ward("two", 2);
    uint64_t whole = keeper.journal.file.size;
    limit_files(whole + 100);
    add_ward("three", 3); /* torn */
    check(keeper.journal.behind && timer_armed(&keeper.journal.retry));
    add_ward("four", 4);
    char path[KEEPER_PATH_MAX];
    struct file_stat stat;
    keeper_run_path(&keeper, "keeper.journal", path);
    check_int(file_stat(path, &stat), 0);
    check_int(stat.size, whole); /* no torn record that would hide later ones */
    limit_files(whole / 2);
    (void)journal_rewrite(&keeper.journal); /* the fresh file fails half-way: the old one stays */
    check(keeper.journal.behind && timer_armed(&keeper.journal.retry));
    check_int(file_stat(path, &stat), 0);
    check_int(stat.size, whole);
    limit_files(RLIM_INFINITY);
    (void)journal_rewrite(&keeper.journal);
    check(!keeper.journal.behind && !timer_armed(&keeper.journal.retry));
    add_ward("five", 5);
    struct ward *two = ward_find(&keeper, STR("two"));
    two->rec.running = false;
    child_forget(&keeper, two);
    forget_all();
    memory_load(&keeper);
    check_int(count_wards(), 4);
    check(ward_find(&keeper, STR("three")) && ward_find(&keeper, STR("five")));
    check(!ward_find(&keeper, STR("two")));
    teardown();
}

TEST(a_fresh_journal_that_cannot_take_its_place_leaves_the_old_one)
{
    setup();
    (void)journal_rewrite(&keeper.journal);
    add_ward("one", 1);
    char path[KEEPER_PATH_MAX];
    char aside[KEEPER_PATH_MAX];
    char fresh[KEEPER_PATH_MAX];
    keeper_run_path(&keeper, "keeper.journal", path);
    keeper_run_path(&keeper, "aside", aside);
    keeper_run_path(&keeper, "keeper.journal.new", fresh);
    check_int(file_rename(path, aside), 0);
    check_int(file_mkdir(path, 0700), 0); /* nothing can be renamed over it */
    (void)journal_rewrite(&keeper.journal);
    check(keeper.journal.behind && keeper.journal.file.fd >= 0 && !file_exists(fresh));
    check_int(file_rmdir(path), 0);
    check_int(file_rename(aside, path), 0);
    check_int(file_mkdir(fresh, 0700), 0); /* not even opened */
    add_ward("two", 2);
    (void)journal_rewrite(&keeper.journal);
    check(keeper.journal.behind);
    check_int(file_rmdir(fresh), 0);
    (void)journal_rewrite(&keeper.journal);
    check(!keeper.journal.behind);
    forget_all();
    memory_load(&keeper);
    check_int(count_wards(), 2);
    teardown();
}

TEST(what_is_forgotten_while_the_file_is_made_anew_stays_forgotten)
{
    setup();
    (void)journal_rewrite(&keeper.journal);
    struct ward *ward = add_ward("gone", 1);
    keeper.journal.file.size = 17 * MIB; /* the next record finds it too large */
    ward->rec.running = false;
    child_forget(&keeper, ward);
    check(keeper.journal.file.size < MIB);
    forget_all();
    memory_load(&keeper);
    check_int(count_wards(), 0);
    teardown();
}
