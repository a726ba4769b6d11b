/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "os/file.h"
#include <stdlib.h>
#include <sys/stat.h>

static char folder[128];

static const char *path_of(const char *name)
{
    static char path[4][256];
    static unsigned next;
    if (!folder[0]) {
        snprintf(folder, sizeof(folder), "/tmp/muelle-test-XXXXXX");
        check(mkdtemp(folder) != NULL);
    }
    char *space = path[next++ % 4];
    snprintf(space, sizeof(path[0]), "%s/%s", folder, name);
    return space;
}

static void clean(void)
{
    check_int(file_remove_tree(folder), 0);
    check(!file_exists(folder));
}

TEST(punched_holes_free_the_front_and_keep_offsets)
{
    const char *path = path_of("out");
    int fd = -1;
    check_int(file_open(path, FILE_READ | FILE_WRITE | FILE_APPEND | FILE_CREATE, 0600, &fd), 0);
    static char block[256 * 1024];
    memset(block, 'x', sizeof(block));
    for (int i = 0; i < 4; i++) {
        check_int(file_write(fd, block, sizeof(block)), 0);
    }
    struct file_stat before;
    check_int(file_fstat(fd, &before), 0);
    int result = file_punch_hole(fd, 0, 512 * 1024);
    if (result == -EOPNOTSUPP) {
        test_skip("this file system has no holes");
    }
    check_int(result, 0);
    struct file_stat after;
    check_int(file_fstat(fd, &after), 0);
    check_int(after.size, 1024 * 1024);
    check(after.allocated <= before.allocated - 512 * 1024);
    uint64_t start = 0;
    check_int(file_data_start(fd, 0, &start), 0);
    check_int(start, 512 * 1024);
    check_int(file_write(fd, "tail", 4), 0);
    char text[5] = "";
    check_int(file_pread(fd, text, 4, 1024 * 1024), 4);
    check_cstr(text, "tail");
    file_close(&fd);
    clean();
}

TEST(a_reserve_does_not_change_the_size)
{
    int fd = -1;
    check_int(file_open(path_of("r"), FILE_WRITE | FILE_CREATE, 0600, &fd), 0);
    int result = file_reserve(fd, 0, 1024 * 1024);
    struct file_stat stat;
    check_int(file_fstat(fd, &stat), 0);
    check(result == 0 || result == -EOPNOTSUPP);
    check_int(stat.size, 0);
    check(result < 0 || stat.allocated >= 1024 * 1024);
    file_close(&fd);
    clean();
}

TEST(replace_leaves_the_new_content_and_no_temporary_file)
{
    const char *path = path_of("instance.json");
    check_int(file_replace(path, STR("one"), 0600), 0);
    check_int(file_replace(path, STR("two"), 0640), 0);
    struct buf text = BUF_INIT(64);
    check_int(file_read_all(path, 64, &text), 0);
    check_str(buf_str(&text), STR("two"));
    struct file_stat stat;
    check_int(file_stat(path, &stat), 0);
    check_int(stat.mode, 0640);
    struct file_dir dir;
    check_int(file_dir_open(&dir, folder), 0);
    unsigned names = 0;
    while (file_dir_next(&dir, NULL)) {
        names++;
    }
    file_dir_close(&dir);
    check_int(names, 1);
    buf_fini(&text);
    clean();
}

TEST(reading_a_file_beyond_the_bound_is_refused)
{
    const char *path = path_of("big");
    check_int(file_replace(path, STR("12345"), 0600), 0);
    struct buf text = BUF_INIT(64);
    check_int(file_read_all(path, 4, &text), -EFBIG);
    buf_reset(&text);
    check_int(file_read_all(path, 5, &text), 0);
    check_str(buf_str(&text), STR("12345"));
    buf_fini(&text);
    clean();
}

TEST(only_a_regular_file_is_read_where_waiting_would_be_wrong)
{
    struct buf text = BUF_INIT(64);
    const char *path = path_of("plain");
    check_int(file_replace(path, STR("12345"), 0600), 0);
    check_int(file_read_regular(path, 5, &text), 0);
    check_str(buf_str(&text), STR("12345"));
    path = path_of("pipe");
    check_int(mkfifo(path, 0600), 0);
    check_int(file_read_regular(path, 5, &text), -ENOTSUP);
    check_int(file_read_regular("/dev/zero", 5, &text), -ENOTSUP);
    check_int(file_read_regular(folder, 5, &text), -EISDIR);
    check_int(file_read_regular(path_of("nothing"), 5, &text), -ENOENT);
    buf_fini(&text);
    clean();
}

TEST(mkdir_p_makes_parents_and_is_content_with_what_is_there)
{
    const char *path = path_of("a/b/c");
    check_int(file_mkdir_p(path, 0700), 0);
    check_int(file_mkdir_p(path, 0700), 0);
    check_int(file_replace(path_of("a/b/file"), STR(""), 0600), 0);
    check_int(file_mkdir_p(path_of("a/b/file/d"), 0700), -ENOTDIR);
    clean();
}

TEST(remove_tree_does_not_follow_links)
{
    check_int(file_mkdir_p(path_of("keep"), 0700), 0);
    check_int(file_replace(path_of("keep/precious"), STR("x"), 0600), 0);
    check_int(file_mkdir_p(path_of("gone/deep"), 0700), 0);
    check_int(file_symlink(path_of("keep"), path_of("gone/deep/link")), 0);
    check_int(file_remove_tree(path_of("gone")), 0);
    check(!file_exists(path_of("gone")));
    check(file_exists(path_of("keep/precious")));
    clean();
}

TEST(the_file_system_is_named_and_proc_is_not_a_network)
{
    struct file_system fs;
    check_int(file_system_of("/tmp", &fs), 0);
    check(!fs.network);
    check(fs.total_bytes > 0);
    check_int(file_system_of("/nowhere/at/all", &fs), -ENOENT);
}
