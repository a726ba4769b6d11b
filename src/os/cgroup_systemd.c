/* SPDX-License-Identifier: Apache-2.0
 *
 * A scope from systemd: see cgroup_systemd.h.
 *
 * The D-Bus call is made by a child, which loads libsystemd and exits: so the keeper carries
 * neither the library nor a connection. systemd moves us by pid; when /proc/self/cgroup names the
 * scope, it is done. Our own process goes into a leaf ("keeper"), because a group that hands
 * controllers down may hold no process itself.
 *
 * Why ask at all where systemd runs: it owns the tree, and moves or removes what others make in it
 * (systemd.io/CGROUP_DELEGATION). The scope outlives the process that asked, as long as anything is
 * in it: services stay where they are when the keeper is killed.
 */
#include "os/cgroup_systemd.h"
#include "os/cgroup_private.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/libs.h"
#include "os/user.h"
#include <sys/wait.h>
#include <unistd.h>

enum { SCOPE_WAIT_MS = 1000, SCOPE_SOCKET_MAX = 256 };

/* The few functions of sd-bus that are used (sd-bus.h is not needed to build). */
static struct {
    int (*bus_new)(void **bus);
    int (*set_address)(void *bus, const char *address);
    int (*start)(void *bus);
    int (*open_system)(void **bus);
    int (*open_user)(void **bus);
    int (*message_new_method_call)(void *bus, void **msg, const char *destination, const char *path,
                                   const char *interface, const char *member);
    int (*message_append)(void *msg, const char *types, ...);
    int (*call)(void *bus, void *msg, uint64_t usec, void *error, void **reply);
} scope_bus;

static bool scope_load(void)
{
    const struct lib_symbol symbols[] = {
        {"sd_bus_new", (void **)&scope_bus.bus_new},
        {"sd_bus_set_address", (void **)&scope_bus.set_address},
        {"sd_bus_start", (void **)&scope_bus.start},
        {"sd_bus_open_system", (void **)&scope_bus.open_system},
        {"sd_bus_open_user", (void **)&scope_bus.open_user},
        {"sd_bus_message_new_method_call", (void **)&scope_bus.message_new_method_call},
        {"sd_bus_message_append", (void **)&scope_bus.message_append},
        {"sd_bus_call", (void **)&scope_bus.call},
        {NULL, NULL},
    };
    struct problem problem;
    return libs_load(LIB_SYSTEMD, symbols, &problem) == 0;
}

/* Connects to the manager itself, as systemctl does, so that no message bus need run; else over the
 * bus. */
static bool scope_connect(const char *socket, void **ret_bus)
{
    char address[SCOPE_SOCKET_MAX + 16];
    snprintf(address, sizeof(address), "unix:path=%s", socket);
    if (scope_bus.bus_new(ret_bus) >= 0 && scope_bus.set_address(*ret_bus, address) >= 0 &&
        scope_bus.start(*ret_bus) >= 0) {
        return true;
    }
    return (user_own_uid() == 0 ? scope_bus.open_system(ret_bus) : scope_bus.open_user(ret_bus)) >=
           0;
}

/* In the child: the bus and its library end with it, whatever they opened. */
static bool scope_ask(const char *socket, const char *unit, int pid)
{
    void *bus = NULL;
    void *msg = NULL;
    if (!scope_load() || !scope_connect(socket, &bus) ||
        scope_bus.message_new_method_call(
            bus, &msg, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
            "org.freedesktop.systemd1.Manager", "StartTransientUnit") < 0) {
        return false;
    }
    /* ss: name, mode; a(sv): properties; a(sa(sv)): no further units. */
    int result = scope_bus.message_append(
        msg, "ssa(sv)a(sa(sv))", unit, "fail", 4, "Description", "s", "muelle services", "Delegate",
        "b", 1, "PIDs", "au", 1, (uint32_t)pid, "CollectMode", "s", "inactive-or-failed", 0);
    return result >= 0 && scope_bus.call(bus, msg, SCOPE_WAIT_MS * 1000, NULL, NULL) >= 0;
}

/* Our v2 path when its last part is `unit`; else empty. */
static struct str scope_own_path(const char *unit, char *space, size_t size)
{
    int fd = -1;
    if (file_open("/proc/self/cgroup", FILE_READ, 0, &fd) < 0) {
        return STR_NONE;
    }
    int64_t n = file_pread(fd, space, size, 0);
    file_close(&fd);
    struct str rest = str_make(space, n > 0 ? (size_t)n : 0);
    while (rest.len > 0) {
        struct str line;
        str_split(rest, '\n', &line, &rest);
        if (str_starts(line, STR("0::")) && str_ends(line, str_from(unit))) {
            return str_skip(line, 3);
        }
    }
    return STR_NONE;
}

static int scope_enter(struct cgroup_root *root, struct str path)
{
    static const char *const mounts[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
    for (size_t i = 0; i < ARRAY_LEN(mounts); i++) {
        int len = snprintf(root->path, sizeof(root->path), "%s" STR_FMT, mounts[i], STR_ARG(path));
        if (len < 0 || (size_t)len >= sizeof(root->path) || !file_exists(root->path)) {
            continue;
        }
        char leaf[CGROUP_FILE_PATH_MAX];
        if (!cgroup_path(leaf, root->path, STR("keeper"), "")) {
            return -ENAMETOOLONG;
        }
        int result = file_mkdir(leaf, 0755);
        if (result == 0 || result == -EEXIST) {
            result = cgroup_write(root->path, STR("keeper"), "cgroup.procs", "0");
        }
        if (result == 0) {
            root->limits = cgroup_enable(root->path, STR_NONE);
        }
        return result;
    }
    return -ENOENT;
}

int cgroup_systemd_scope(struct cgroup_root *root, const char *instance_id)
{
    /* sd_booted(3): this folder is there exactly when systemd is the init system. */
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    char socket[SCOPE_SOCKET_MAX] = "/run/systemd/private";
    if (user_own_uid() != 0) {
        snprintf(socket, sizeof(socket), "%s/systemd/private", runtime ? runtime : "");
    }
    if (!file_exists("/run/systemd/system") || !file_exists(socket)) {
        return -ENOENT;
    }
    char unit[64];
    snprintf(unit, sizeof(unit), "muelle-%.32s.scope", instance_id);
    int own = getpid();
    int pid = fork();
    if (pid < 0) {
        return -errno;
    }
    if (pid == 0) {
        _exit(scope_ask(socket, unit, own) ? 0 : 1);
    }
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        return -ENOTSUP;
    }
    char space[4096];
    for (int i = 0; i < SCOPE_WAIT_MS; i++) {
        struct str path = scope_own_path(unit, space, sizeof(space));
        if (path.len > 0) {
            return scope_enter(root, path);
        }
        clock_sleep_ns(NS_PER_MS);
    }
    return -ETIMEDOUT;
}
