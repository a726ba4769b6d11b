/* SPDX-License-Identifier: Apache-2.0
 *
 * A request over a unix socket costs a third less than over TCP on loopback. Two ways to have one:
 *
 * listen_fds   The keeper opens one socket for all replicas of the service and hands it over
 *              (LISTEN_FDS). It outlives every process: who connects while one is replaced waits
 *              in its queue. Only root and the edge's user may connect.
 * path         The program makes its own at the path in MUELLE_SOCKET and SOCKET_PATH, in a folder
 *              that belongs to it. Root's edge is somebody else: the folder hands its group on to
 *              what is made in it (set-group-id), so the edge's group may connect, if the program
 *              leaves the group its rights (umask 002, unless `umask` says otherwise).
 *
 * RUN/s/ID            the socket that is handed over; ID: the service's, in hexadecimal
 * RUN/s/ID/socket     the program's own; ID: the endpoint's, which a replacement does not share
 */
#include "run/socket.h"

#include "core/core.h"
#include "os/file.h"
#include "os/user.h"
#include "run/listen.h"
#include "run/source.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

static int32_t kind_of(const struct replica *replica)
{
    return replica->spec ? replica->spec->traffic.socket : SOCKET_TCP;
}

/* "" when the run folder's name leaves no room. */
static void path_of(const struct run *run, uint64_t id, const char *rest,
                    char ret[SOCKET_PATH_SIZE])
{
    struct buf path = {
        .p = ret, .cap = SOCKET_PATH_SIZE - 1, .max = SOCKET_PATH_SIZE - 1, .fixed = true};
    buf_printf(&path, "%s/s/%016llx%s", run->core->instance.run_dir, (unsigned long long)id, rest);
    ret[buf_error(&path) < 0 ? 0 : path.len] = '\0';
}

void socket_path(const struct run *run, const struct replica *replica, char ret[SOCKET_PATH_SIZE])
{
    ret[0] = '\0';
    if (kind_of(replica) == SOCKET_PATH) {
        path_of(run, replica->endpoint, "/socket", ret);
    } else if (kind_of(replica) == SOCKET_LISTEN_FDS) {
        path_of(run, replica->service->id, "", ret);
    }
}

void socket_address(const struct run *run, const struct replica *replica,
                    char ret[SOCKET_ADDRESS_SIZE])
{
    char path[SOCKET_PATH_SIZE];
    socket_path(run, replica, path);
    if (path[0]) {
        snprintf(ret, SOCKET_ADDRESS_SIZE, "unix:%s", path);
    } else {
        snprintf(ret, SOCKET_ADDRESS_SIZE, "127.0.0.1:%u", replica->port);
    }
}

/* Who the edge is where it gives root up (link/role_spawn.c). */
static bool edge_user(struct user *ret)
{
    struct problem problem;
    const char *name = getenv("MUELLE_EDGE_USER");
    return user_own_uid() == 0 && user_find(str_from(name ? name : "nobody"), ret, &problem) == 0;
}

static int make_top(const struct run *run)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/s", run->core->instance.run_dir);
    int r = file_mkdir_p(path, 0700);
    return r < 0 ? r : file_chmod(path, user_own_uid() == 0 ? 0711 : 0700);
}

/* The program's folder: its own, with the edge's group; what a former process left goes. */
static int make_folder(const struct run *run, const struct replica *replica)
{
    char path[SOCKET_PATH_SIZE];
    struct user edge;
    const struct user *user = source_user(replica->source, replica->project_spec, replica->spec);
    path_of(run, replica->endpoint, "", path);
    int r = file_remove_tree(path);
    r = r == -ENOENT ? 0 : r;
    if (r == 0) {
        r = file_mkdir(path, 0700);
    }
    if (r == 0 && edge_user(&edge)) {
        r = file_chown(path, user ? user->uid : 0, edge.gid);
        r = r < 0 ? r : file_chmod(path, 02710);
    } else if (r == 0 && user) {
        r = file_chown(path, user->uid, user->gid);
    }
    return r;
}

int socket_prepare(struct run *run, struct replica *replica)
{
    char address[SOCKET_ADDRESS_SIZE];
    char path[SOCKET_PATH_SIZE];
    if (kind_of(replica) == SOCKET_TCP) {
        return 0;
    }
    socket_path(run, replica, path);
    int r = path[0] ? make_top(run) : -ENAMETOOLONG;
    if (r == 0 && kind_of(replica) == SOCKET_PATH) {
        return make_folder(run, replica);
    }
    socket_address(run, replica, address);
    return r < 0 ? r : listen_reserve(run, address, replica->service->id);
}

void socket_opened(struct run *run, const char *address)
{
    static const char prefix[] = "unix:";
    struct user edge;
    if (strncmp(address, prefix, sizeof(prefix) - 1) == 0 && edge_user(&edge) &&
        file_chown(address + sizeof(prefix) - 1, edge.uid, edge.gid) < 0) {
        core_log(run->core, "the edge cannot be let into %s", address);
    }
}

bool socket_umask(const struct replica *replica, uint32_t *ret)
{
    bool ours = kind_of(replica) == SOCKET_PATH && user_own_uid() == 0 &&
                replica->spec->umask == SPEC_UMASK_INHERIT;
    *ret = 002;
    return ours;
}

void socket_forget(const struct run *run, const struct replica *replica)
{
    char path[SOCKET_PATH_SIZE];
    if (kind_of(replica) == SOCKET_PATH) {
        path_of(run, replica->endpoint, "", path);
        (void)!file_remove_tree(path);
    }
}
