/* SPDX-License-Identifier: Apache-2.0
 *
 * What os/ does when the kernel says no: every call tells the kernel's errno and leaves nothing
 * behind. Descriptors run out at each place in turn; paths are too long, missing or of another
 * kind; descriptors are closed or of another kind.
 */
#include "harness/test.h"
#include "os/chan.h"
#include "os/entropy.h"
#include "os/feed.h"
#include "os/file.h"
#include "os/lock.h"
#include "os/mailbox.h"
#include "os/notify.h"
#include "os/proc.h"
#include "os/proc_info.h"
#include "os/shm.h"
#include "os/sock.h"
#include "os/watch.h"
#include "os/worker.h"
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static struct loop loop;
static char folder[64];
static char path[128]; /* of a file in it */

static void setup(void)
{
    snprintf(folder, sizeof(folder), "/tmp/muelle-test-XXXXXX");
    check(mkdtemp(folder) != NULL);
    snprintf(path, sizeof(path), "%s/file", folder);
    check_int(loop_init(&loop, 1), 0);
}

static void teardown(void)
{
    loop_fini(&loop);
    check_int(file_remove_tree(folder), 0);
}

/* ---- descriptors run out ---- */

static int close_all(int result, int *fds, size_t count)
{
    for (size_t i = 0; result >= 0 && i < count; i++) {
        file_close(&fds[i]);
    }
    return result;
}

static int try_loop(void)
{
    struct loop other;
    int result = loop_init(&other, 1);
    if (result == 0) {
        loop_fini(&other);
    }
    return result;
}

static int try_signal(void)
{
    struct loop other;
    struct loop_signal signal = {.received = NULL};
    int result = loop_init(&other, 1);
    if (result == 0) {
        result = loop_signal_add(&other, &signal, SIGUSR1);
        check((result == 0) != list_empty(&signal.node));
        loop_fini(&other);
    }
    return result;
}

static int try_mailbox(void)
{
    struct mailbox box;
    int result = mailbox_init(&box, &loop, NULL);
    if (result == 0) {
        mailbox_fini(&box);
    }
    return result;
}

static int try_pool(void)
{
    struct worker_pool pool;
    int result = worker_pool_init(&pool, &loop, 1, 1);
    worker_pool_fini(&pool);
    return result;
}

static void on_changed(struct notify *notify, struct str where, struct str name)
{
}

static void on_notify(struct notify *notify)
{
}

static int try_notify(void)
{
    struct notify notify = {.lost = on_notify, .changed = on_changed};
    int result = notify_init(&notify, &loop);
    notify_fini(&notify);
    return result;
}

static int try_watcher(void)
{
    struct watcher watcher = {0};
    int result = watcher_init(&watcher, &loop, 4, NULL);
    watcher_fini(&watcher);
    return result;
}

static int try_pair(void)
{
    int ends[2];
    return close_all(chan_pair(ends), ends, 2);
}

static int try_chan(void)
{
    char socket[128];
    int fds[3] = {-1, -1, -1};
    snprintf(socket, sizeof(socket), "%s/chan", folder);
    int result = chan_listen(socket, &fds[0]);
    if (result == 0) {
        result = chan_connect(socket, &fds[1]);
    }
    if (result == 0) {
        result = chan_accept(fds[0], &fds[2]);
    }
    for (size_t i = 0; i < 3; i++) {
        file_close(&fds[i]);
    }
    return result;
}

static int try_sock(void)
{
    struct sock_addr addr = sock_addr_loopback(0);
    int fds[3] = {-1, -1, -1};
    int result = sock_listen(&addr, &(struct sock_listen_opts){0}, &fds[0]);
    if (result == 0) {
        result = sock_local_addr(fds[0], &addr);
    }
    if (result == 0) {
        result = sock_connect(&addr, &fds[1]);
    }
    if (result == 0) {
        result = sock_accept(fds[0], &fds[2], NULL);
    }
    for (size_t i = 0; i < 3; i++) {
        sock_close(&fds[i]);
    }
    return result;
}

static int try_sock_unix(void)
{
    struct sock_addr addr = {.family = SOCK_ADDR_UNIX};
    int fd = -1;
    snprintf(addr.path, sizeof(addr.path), "%s/sock", folder);
    int result = sock_listen(&addr, &(struct sock_listen_opts){.replace = true}, &fd);
    return close_all(result, &fd, 1);
}

static int try_probe(void)
{
    struct sock_addr addr = sock_addr_loopback(0);
    return sock_probe_bind(&addr);
}

static int try_port(void)
{
    uint16_t port;
    return sock_pick_port(test_rng(), 20000, 30000, &port);
}

static int try_owner(void)
{
    struct sock_addr addr = sock_addr_loopback(1);
    struct sock_owner owner;
    int result = sock_find_owner(&addr, &owner);
    return result == -ENOENT ? 0 : result; /* nobody listens on port 1 */
}

static int try_pipe(void)
{
    int ends[2];
    return close_all(file_pipe(ends), ends, 2);
}

static int try_open(void)
{
    int fd;
    return close_all(file_open(path, FILE_READ, 0, &fd), &fd, 1);
}

static int try_dup(void)
{
    int fd;
    return close_all(file_dup(0, &fd), &fd, 1);
}

static int try_read_all(void)
{
    cleanup(buf_fini) struct buf out = BUF_INIT(100);
    return file_read_all(path, 100, &out);
}

static int try_replace(void)
{
    return file_replace(path, STR("new"), 0600);
}

static int try_folders(void)
{
    char deep[128];
    snprintf(deep, sizeof(deep), "%s/a/b", folder);
    int result = file_mkdir_p(deep, 0700);
    snprintf(deep, sizeof(deep), "%s/a", folder);
    return result < 0 ? result : file_remove_tree(deep);
}

static int try_sync(void)
{
    return file_sync_dir_of(path);
}

static int try_feed(void)
{
    int fds[2];
    int result = feed_pipe(&fds[0]);
    if (result < 0) {
        return result;
    }
    result = feed_reader(fds[0], &fds[1]);
    file_close(&fds[0]);
    return close_all(result, &fds[1], 1);
}

static int try_terminal(void)
{
    int fds[2];
    return close_all(feed_terminal(getuid(), getgid(), &fds[0], &fds[1]), fds, 2);
}

static int try_shm(void)
{
    int fd;
    return close_all(shm_create("test", 4096, &fd), &fd, 1);
}

static int try_shm_sealed(void)
{
    int fd;
    return close_all(shm_create_sealed("test", STR("content"), &fd), &fd, 1);
}

static int try_bell(void)
{
    int fd;
    return close_all(shm_bell_create(&fd), &fd, 1);
}

static int try_lock(void)
{
    struct lock lock;
    int pid;
    char name[128];
    snprintf(name, sizeof(name), "%s/lock", folder);
    int result = lock_take(&lock, name, &pid);
    if (result == 0) {
        lock_release(&lock);
    }
    return result;
}

static int try_boot_id(void)
{
    char text[PROC_BOOT_ID_LEN + 1];
    return proc_boot_id(text);
}

static int try_pidfd(void)
{
    struct proc_id id;
    int fd = -1;
    int result = proc_own_id(&id);
    if (result == 0) {
        result = proc_open(&id, &fd);
    }
    return close_all(result, &fd, 1);
}

static int try_spawn(void)
{
    const char *argv[] = {"true", NULL};
    const char *envp[] = {"PATH=/usr/bin:/bin", NULL};
    struct proc_spawn spawn = {.cgroup_fd = -1, .argv = argv, .envp = envp};
    struct proc proc;
    const char *step;
    int result = proc_spawn(&spawn, &proc, &step);
    check((result == 0) == (step == NULL));
    if (result == 0) {
        struct proc_exit exit;
        check(proc.id.start_time > 0); /* without it nobody could know the process again */
        while (proc_reap(proc.pidfd, &exit) == -EAGAIN) {
        }
        file_close(&proc.pidfd);
    }
    return result;
}

static const struct {
    const char *name;
    int (*run)(void);
} tries[] = {
    {"loop_init", try_loop},
    {"loop_signal_add", try_signal},
    {"mailbox_init", try_mailbox},
    {"worker_pool_init", try_pool},
    {"notify_init", try_notify},
    {"watcher_init", try_watcher},
    {"chan_pair", try_pair},
    {"chan_listen, connect, accept", try_chan},
    {"sock_listen, connect, accept", try_sock},
    {"sock_listen of a path", try_sock_unix},
    {"sock_probe_bind", try_probe},
    {"sock_pick_port", try_port},
    {"sock_find_owner", try_owner},
    {"file_pipe", try_pipe},
    {"file_open", try_open},
    {"file_dup", try_dup},
    {"file_read_all", try_read_all},
    {"file_replace", try_replace},
    {"file_mkdir_p, file_remove_tree", try_folders},
    {"file_sync_dir_of", try_sync},
    {"feed_pipe, feed_reader", try_feed},
    {"feed_terminal", try_terminal},
    {"shm_create", try_shm},
    {"shm_create_sealed", try_shm_sealed},
    {"shm_bell_create", try_bell},
    {"lock_take", try_lock},
    {"proc_boot_id", try_boot_id},
    {"proc_open", try_pidfd},
    {"proc_spawn", try_spawn},
};

static int first_free(void)
{
    int fd = dup(0);
    check(fd >= 0);
    close(fd);
    return fd;
}

TEST(without_descriptors_each_call_says_so_and_leaves_none_open)
{
    setup();
    check_int(file_replace(path, STR("old"), 0600), 0);
    struct rlimit usual;
    check_int(getrlimit(RLIMIT_NOFILE, &usual), 0);
    int before = first_free();
    for (size_t i = 0; i < ARRAY_LEN(tries); i++) {
        int result = -EMFILE;
        for (int spare = 0; result != 0; spare++) {
            struct rlimit tight = {(rlim_t)(before + spare), usual.rlim_max};
            check_int(setrlimit(RLIMIT_NOFILE, &tight), 0);
            result = tries[i].run();
            check_int(setrlimit(RLIMIT_NOFILE, &usual), 0);
            if (result != 0 && result != -EMFILE) {
                printf("# %s with %d to spare: %d\n", tries[i].name, spare, result);
            }
            check(result == 0 || result == -EMFILE);
            check_int(first_free(), before);
            check(spare < 12);
        }
    }
    teardown();
}

/* ---- descriptors that are none ---- */

TEST(a_closed_descriptor_is_ebadf)
{
    char byte = 'x';
    uint64_t at;
    int64_t birth;
    struct str part = STR("x");
    struct file_stat stat;
    struct sock_addr addr;
    struct sock_cred cred;
    struct proc_exit exit;
    struct shm shm;
    int fd;
    size_t none = 0;
    const void *p;
    check_int(file_dup(-1, &fd), -EBADF);
    check_int(file_set_inherit(-1, true), -EBADF);
    check_int(file_read(-1, &byte, 1), -EBADF);
    check_int(file_pread(-1, &byte, 1, 0), -EBADF);
    check_int(file_write(-1, &byte, 1), -EBADF);
    check_int(file_pwrite(-1, &byte, 1, 0), -EBADF);
    check_int(file_writev(-1, &part, 1), -EBADF);
    check_int(file_sync(-1), -EBADF);
    check_int(file_truncate(-1, 0), -EBADF);
    check_int(file_punch_hole(-1, 0, 1), -EBADF);
    check_int(file_reserve(-1, 0, 1), -EBADF);
    check_int(file_data_start(-1, 0, &at), -EBADF);
    check_int(file_fstat(-1, &stat), -EBADF);
    check_int(file_birth(-1, &birth), -EBADF);
    check_int(file_fchown(-1, 0, 0), -EBADF);
    check_int(file_map(-1, 0, 4096, &p), -EBADF);
    check_int(sock_error(-1), -EBADF);
    check_int(sock_accept(-1, &fd, NULL), -EBADF);
    check_int(sock_recv(-1, &byte, 1), -EBADF);
    check_int(sock_recv_fds(-1, &byte, 1, &fd, &none), -EBADF);
    check_int(sock_send(-1, &byte, 1, false), -EBADF);
    check_int(sock_sendv(-1, &part, 1, false), -EBADF);
    check_int(sock_shutdown_write(-1), -EBADF);
    check_int(sock_local_addr(-1, &addr), -EBADF);
    check_int(sock_peer_addr(-1, &addr), -EBADF);
    check_int(sock_peer_cred(-1, &cred), -EBADF);
    check_int(sock_send_room(-1), 0);
    check_int(chan_accept(-1, &fd), -EBADF);
    check_int(chan_send_blocking(-1, &byte, 1, NULL, 0), -EBADF);
    check_int(proc_signal(-1, 0), -EBADF);
    check(proc_reap(-1, &exit) < 0);
    check_int(shm_check(-1, SHM_SEAL_SIZE), -EPERM);
    check(shm_map(&shm, -1, false) < 0);
    check_int(shm_bell_clear(-1), 0);
    check(feed_store(-1, -1) < 0);
    check(feed_collect(-1, -1) < 0);
    check_int(feed_reader(-1, &fd), -ENOENT);
}

/* ---- paths ---- */

TEST(a_path_that_is_not_there_or_too_long_is_told)
{
    setup();
    static char longer[5000];
    struct file_stat stat;
    struct file_system system;
    struct file_dir dir;
    cleanup(buf_fini) struct buf out = BUF_INIT(8192);
    memset(longer, 'x', sizeof(longer) - 1);
    longer[0] = '/';
    struct {
        const char *path;
        int error;
    } cases[] = {{longer, -ENAMETOOLONG}, {"/nowhere/at/all", -ENOENT}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *p = cases[i].path;
        int fd;
        check_int(file_open(p, FILE_READ, 0, &fd), cases[i].error);
        check_int(file_stat(p, &stat), cases[i].error);
        check_int(file_lstat(p, &stat), cases[i].error);
        check_int(file_mkdir(p, 0700), cases[i].error);
        check_int(file_rmdir(p), cases[i].error);
        check_int(file_unlink(p), cases[i].error);
        check_int(file_rename(p, path), cases[i].error);
        check_int(file_chmod(p, 0600), cases[i].error);
        check_int(file_chown(p, 0, 0), cases[i].error);
        check_int(file_symlink("to", p), cases[i].error);
        check_int(file_real_path(p, &out), cases[i].error);
        check_int(file_dir_open(&dir, p), cases[i].error);
        check_int(file_read_all(p, 10, &out), cases[i].error);
        check_int(file_replace(p, STR("x"), 0600), cases[i].error);
        check_int(file_system_of(p, &system), cases[i].error);
    }
    check_int(file_sync_dir_of("/nowhere/file"), -ENOENT);
    check_int(file_mkdir_p(longer, 0700), -ENAMETOOLONG);
    check_int(file_remove_tree("/nowhere/at/all"), 0); /* it is gone already */
    teardown();
}

TEST(a_file_in_the_place_of_a_folder_is_told)
{
    setup();
    char below[160];
    struct file_dir dir;
    snprintf(below, sizeof(below), "%s/below", path);
    check_int(file_replace(path, STR("x"), 0600), 0);
    check_int(file_mkdir_p(below, 0700), -ENOTDIR);
    check_int(file_mkdir_p(path, 0700), -ENOTDIR);
    check_int(file_dir_open(&dir, path), -ENOTDIR);
    check_int(file_replace(folder, STR("x"), 0600), -EISDIR);
    check_int(file_remove_tree(path), 0); /* a file is a small tree */
    check(!file_exists(path));
    teardown();
}

TEST(a_socket_path_beyond_the_kernels_is_told)
{
    static char longer[200];
    struct sock_addr addr;
    struct notify notify = {.lost = on_notify, .changed = on_changed};
    struct watcher watcher = {0};
    int fd;
    memset(longer, 'x', sizeof(longer) - 1);
    longer[0] = '/';
    check_int(chan_listen(longer, &fd), -ENAMETOOLONG);
    check_int(chan_connect(longer, &fd), -ENAMETOOLONG);
    check_int(chan_connect("/nowhere/sock", &fd), -ENOENT);
    check(chan_listen("/nowhere/sock", &fd) < 0);
    memset(&addr, 0, sizeof(addr));
    check_int(sock_connect(&addr, &fd), -EINVAL); /* no family */
    check_int(sock_probe_bind(&addr), -EINVAL);
    addr.family = SOCK_ADDR_UNIX;
    memset(addr.path, 'x', sizeof(addr.path) - 1);
    check_int(sock_connect(&addr, &fd), -ENOENT);
    setup();
    check_int(notify_init(&notify, &loop), 0);
    check_int(notify_add(&notify, "/nowhere"), -ENOENT);
    check_int(watcher_init(&watcher, &loop, 4, NULL), 0);
    check_int(watcher_add(&watcher, "/nowhere"), -ENOENT);
    notify_fini(&notify);
    watcher_fini(&watcher);
    teardown();
}
