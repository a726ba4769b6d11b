/* SPDX-License-Identifier: Apache-2.0
 *
 * The scope from systemd, with a few lines of D-Bus in systemd's place (a container has none): a
 * mount namespace of the test's own with its /run, the real libsystemd on our side, and real
 * control groups.
 */
#include "harness/test.h"
#include "os/cgroup_systemd.h"
#include "os/file.h"
#include "os/sock.h"
#include "os/thread.h"
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

enum { CALL_MAX = 8192 };

static char id[32], unit[64]; /* of this process alone: others may test beside us */
static const char *mounts[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};

struct manager {
    struct thread thread;
    int listener;
    const char *cgroups; /* where version 2 is mounted */
    bool moves;          /* does what it is asked */
    char call[CALL_MAX];
    size_t call_len;
};

/* More bytes; false at the end. */
static bool receive(int fd, char *p, size_t size, size_t *len)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    int64_t n = -EAGAIN;
    while (n == -EAGAIN && poll(&wait, 1, 10000) == 1) {
        n = sock_recv(fd, p + *len, size - *len);
    }
    *len += (size_t)MAX(n, INT64_C(0));
    return n > 0;
}

static uint32_t number_at(const char *p)
{
    uint32_t n;
    memcpy(&n, p, sizeof(n));
    return n;
}

/* The handshake; false when the client went away. */
static bool greet(int fd)
{
    static const char answer[] = "DATA\r\nOK 0123456789abcdef0123456789abcdef\r\nAGREE_UNIX_FD\r\n";
    char text[1024];
    size_t len = 0;
    while (len < sizeof(text) && str_find(str_make(text, len), STR("BEGIN\r\n")) < 0) {
        if (!receive(fd, text, sizeof(text), &len)) {
            return false;
        }
    }
    return sock_send(fd, answer, sizeof(answer) - 1, false) > 0;
}

static void move_caller(const struct manager *manager)
{
    char path[256], pid[16];
    int fd = -1;
    snprintf(path, sizeof(path), "%s/%s", manager->cgroups, unit);
    check_int(file_mkdir(path, 0755), 0);
    snprintf(path, sizeof(path), "%s/%s/cgroup.procs", manager->cgroups, unit);
    snprintf(pid, sizeof(pid), "%d", getpid());
    check_int(file_open(path, FILE_WRITE, 0, &fd), 0);
    check_int(file_write(fd, pid, strlen(pid)), 0);
    file_close(&fd);
}

static void serve(struct thread *thread)
{
    struct manager *manager = container_of(thread, struct manager, thread);
    struct pollfd wait = {.fd = manager->listener, .events = POLLIN};
    int fd = -1;
    size_t want = 16;
    if (poll(&wait, 1, 10000) != 1 || sock_accept(manager->listener, &fd, NULL) < 0 || !greet(fd)) {
        return;
    }
    while (manager->call_len < want &&
           receive(fd, manager->call, sizeof(manager->call), &manager->call_len)) {
        if (manager->call_len >= 16) {
            want = 16 + ALIGN_UP((size_t)number_at(manager->call + 12), 8) +
                   number_at(manager->call + 4);
        }
    }
    if (manager->moves) {
        move_caller(manager);
    }
    /* A method return (or an error) for that serial, without a body. */
    char reply[24] = {'l', manager->moves ? 2 : 3, 1, 1};
    uint32_t words[] = {0, 1, 8};
    memcpy(reply + 4, words, sizeof(words));
    memcpy(reply + 16, "\5\1u", 4);
    memcpy(reply + 20, manager->call + 8, 4);
    check_int(sock_send(fd, reply, sizeof(reply), false), (int)sizeof(reply));
    sock_close(&fd);
}

/* A /run with systemd's socket in it, for this process only. */
static void begin(struct manager *manager)
{
    struct sock_addr addr = {.family = SOCK_ADDR_UNIX, .path = "/run/systemd/private"};
    snprintf(id, sizeof(id), "test-%d", getpid());
    snprintf(unit, sizeof(unit), "muelle-%s.scope", id);
    for (size_t i = 0; i < ARRAY_LEN(mounts); i++) {
        char path[64];
        snprintf(path, sizeof(path), "%s/cgroup.procs", mounts[i]);
        manager->cgroups = access(path, W_OK) == 0 ? mounts[i] : manager->cgroups;
    }
    if (getuid() != 0 || !manager->cgroups || unshare(CLONE_NEWNS) < 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tmpfs", "/run", "tmpfs", 0, NULL) < 0) {
        test_skip("needs root, control groups and a mount namespace");
    }
    check_int(file_mkdir_p("/run/systemd/system", 0755), 0);
    check_int(sock_listen(&addr, &(struct sock_listen_opts){.mode = 0600}, &manager->listener), 0);
    check_int(thread_start(&manager->thread, "manager", serve), 0);
}

static bool asks_for(const struct manager *manager, const char *text)
{
    return str_find(str_make(manager->call, manager->call_len), str_from(text)) >= 0;
}

static void leave_scope(const struct manager *manager)
{
    char path[256];
    int fd = -1;
    snprintf(path, sizeof(path), "%s/cgroup.procs", manager->cgroups);
    check_int(file_open(path, FILE_WRITE, 0, &fd), 0);
    check_int(file_write(fd, "0", 1), 0);
    file_close(&fd);
    snprintf(path, sizeof(path), "%s/%s/keeper", manager->cgroups, unit);
    (void)!file_rmdir(path);
    snprintf(path, sizeof(path), "%s/%s", manager->cgroups, unit);
    check_int(file_rmdir(path), 0);
}

TEST(a_scope_is_asked_for_and_entered)
{
    static struct manager manager = {.moves = true};
    struct cgroup_root root = {0};
    begin(&manager);
    int result = cgroup_systemd_scope(&root, id);
    thread_join(&manager.thread);
    leave_scope(&manager);
    check_int(result, 0);
    check(asks_for(&manager, "StartTransientUnit"));
    check(asks_for(&manager, unit) && asks_for(&manager, "Delegate"));
    check(str_ends(str_from(root.path), str_from(unit)));
}

TEST(a_manager_that_refuses_is_no_manager)
{
    static struct manager manager;
    struct cgroup_root root = {0};
    begin(&manager);
    check(cgroup_systemd_scope(&root, id) < 0);
    thread_join(&manager.thread);
    check_cstr(root.path, "");
}

TEST(without_systemd_nobody_is_asked)
{
    struct cgroup_root root = {0};
    if (file_exists("/run/systemd/system")) {
        test_skip("systemd runs here");
    }
    check_int(cgroup_systemd_scope(&root, id), -ENOENT);
}
