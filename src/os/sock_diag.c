/* SPDX-License-Identifier: Apache-2.0
 *
 * Who owns a socket: NETLINK_SOCK_DIAG (sock_diag(7)) gives its inode and uid, /proc/PID/fd whose
 * it is. See sock.h.
 *
 * The kernel answers a dump in several messages until NLMSG_DONE; it filters by state only, so
 * ports and addresses are compared here. Listeners of both families are asked: one on [::] holds
 * the port for IPv4 too. How it fails: of a process of another user the uid is known and the pid is
 * not; the problem then says whose rights would show it.
 */
#include "os/file.h"
#include "os/proc.h"
#include "os/sock_private.h"
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <unistd.h>

struct sock_diag_hit {
    uint32_t inode;
    uint32_t uid;
};

enum { SOCK_DIAG_LISTEN = 1 << 10, SOCK_DIAG_ALL = 0xfff, SOCK_DIAG_BUFFER = 16384 };

struct sock_diag_query {
    int family;
    uint32_t states;
    bool (*match)(const struct inet_diag_msg *msg, const void *arg);
    const void *arg;
};

/* Handles the answers in `space`: 1 found, 0 go on, -ENOENT at the end, -errno. */
static int sock_diag_scan(const struct sock_diag_query *query, const uint8_t *space, size_t len,
                          struct sock_diag_hit *ret)
{
    for (size_t at = 0; at + sizeof(struct nlmsghdr) <= len;) {
        const struct nlmsghdr *head = (const void *)(space + at);
        if (head->nlmsg_len < sizeof(*head) || head->nlmsg_len > len - at) {
            return -EIO;
        }
        at += NLMSG_ALIGN(head->nlmsg_len);
        if (head->nlmsg_type == NLMSG_DONE) {
            return -ENOENT;
        }
        if (head->nlmsg_type == NLMSG_ERROR) {
            const struct nlmsgerr *error = NLMSG_DATA(head);
            return error->error < 0 ? error->error : -EIO;
        }
        const struct inet_diag_msg *msg = NLMSG_DATA(head);
        if (head->nlmsg_len >= NLMSG_LENGTH(sizeof(*msg)) && query->match(msg, query->arg)) {
            *ret = (struct sock_diag_hit){msg->idiag_inode, msg->idiag_uid};
            return 1;
        }
    }
    return 0;
}

/* The first socket that matches. 0, -ENOENT, -errno. */
static int sock_diag_find(const struct sock_diag_query *query, struct sock_diag_hit *ret)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (fd < 0) {
        return -errno;
    }
    struct {
        struct nlmsghdr head;
        struct inet_diag_req_v2 req;
    } ask = {
        .head = {.nlmsg_len = sizeof(ask),
                 .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .req = {.sdiag_family = (uint8_t)query->family,
                .sdiag_protocol = IPPROTO_TCP,
                .idiag_states = query->states},
    };
    int result = send(fd, &ask, sizeof(ask), 0) < 0 ? -errno : 0;
    uint8_t space[SOCK_DIAG_BUFFER] __attribute__((aligned(8)));
    while (result == 0) {
        ssize_t n = recv(fd, space, sizeof(space), 0);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        result = n < 0 ? -errno : sock_diag_scan(query, space, (size_t)n, ret);
    }
    close(fd);
    return result > 0 ? 0 : result;
}

static bool sock_diag_match_port(const struct inet_diag_msg *msg, const void *arg)
{
    /* Any listener of the port is in the way of at least one of the forms an address is asked for
     * in; the addresses are compared unless one of both is the wildcard. */
    static const uint8_t zero[16];
    const struct sock_addr *addr = arg;
    if (ntohs(msg->id.idiag_sport) != addr->port) {
        return false;
    }
    size_t len = msg->idiag_family == AF_INET ? 4 : 16;
    size_t own_len = addr->family == SOCK_ADDR_IP4 ? 4 : 16;
    bool any = memcmp(msg->id.idiag_src, zero, len) == 0 || memcmp(addr->ip, zero, own_len) == 0;
    return any || (len == own_len && memcmp(msg->id.idiag_src, addr->ip, len) == 0);
}

struct sock_diag_holder {
    char link[32]; /* "socket:[1234]" */
    int pid;
};

/* Does the process have the socket among its descriptors? Stops the walk when it has: of several
 * that share it (a parent and its workers) the first in /proc is told, mostly the parent. */
static bool sock_diag_check_process(int pid, void *arg)
{
    struct sock_diag_holder *holder = arg;
    char folder[64];
    snprintf(folder, sizeof(folder), "/proc/%d/fd", pid);
    struct file_dir dir;
    if (file_dir_open(&dir, folder) < 0) {
        return true; /* another user's, or gone */
    }
    const char *name;
    while (holder->pid == 0 && (name = file_dir_next(&dir, NULL))) {
        char path[96];
        char target[64];
        snprintf(path, sizeof(path), "%s/%.20s", folder, name);
        ssize_t n = readlink(path, target, sizeof(target));
        if (n > 0 && str_is(str_make(target, (size_t)n), holder->link)) {
            holder->pid = pid;
        }
    }
    file_dir_close(&dir);
    return holder->pid == 0;
}

int sock_find_owner(const struct sock_addr *addr, struct sock_owner *ret)
{
    *ret = (struct sock_owner){0};
    if (addr->family == SOCK_ADDR_UNIX) {
        return -ENOENT;
    }
    struct sock_diag_query query = {AF_INET, SOCK_DIAG_LISTEN, sock_diag_match_port, addr};
    struct sock_diag_hit hit;
    int result = sock_diag_find(&query, &hit);
    if (result == -ENOENT) {
        query.family = AF_INET6;
        result = sock_diag_find(&query, &hit);
    }
    if (result < 0) {
        return result;
    }
    ret->uid = hit.uid;
    struct sock_diag_holder holder = {.pid = 0};
    snprintf(holder.link, sizeof(holder.link), "socket:[%u]", hit.inode);
    result = proc_each(sock_diag_check_process, &holder);
    if (result < 0 || holder.pid == 0) {
        return result;
    }
    ret->pid = holder.pid;
    struct proc_stat stat;
    if (proc_stat(holder.pid, &stat) == 0) {
        str_copy(ret->name, sizeof(ret->name), str_trim(str_from(stat.name)));
    }
    char space[4096];
    struct buf command = BUF_ON(space);
    if (proc_command(holder.pid, &command) == 0) {
        str_copy(ret->command, sizeof(ret->command), buf_str(&command));
    }
    return 0;
}

void sock_listen_problem(struct problem *problem, const struct sock_addr *addr, int error)
{
    char space[SOCK_ADDR_TEXT_MAX * 2]; /* nothing is allocated: the keeper asks */
    struct buf text = BUF_ON(space);
    sock_addr_format(&text, addr);
    const char *address = buf_cstr(&text);
    struct sock_owner owner;
    if (error != -EADDRINUSE) {
        problem_set(problem, "listen.failed", "cannot listen on %s: %s", address, strerror(-error));
        if (error == -EACCES && addr->port < 1024) {
            problem_hint(problem, "ports below 1024 need root; use a port from 1024 up");
        }
    } else if (sock_find_owner(addr, &owner) < 0) {
        problem_set(problem, "listen.in-use", "%s is taken", address);
    } else if (owner.pid == 0) {
        problem_set(problem, "listen.in-use", "%s is taken by a process of user %u", address,
                    owner.uid);
        problem_hint(problem, "run as that user or as root to see which one");
    } else {
        problem_set(problem, "listen.in-use", "%s is taken by %s (pid %d): %s", address, owner.name,
                    owner.pid, owner.command);
        problem_hint(problem, "stop that process or choose another port");
    }
    problem->status = 409;
}

struct sock_diag_pair {
    const struct sock_addr *near;
    const struct sock_addr *far;
};

static bool sock_diag_match_pair(const struct inet_diag_msg *msg, const void *arg)
{
    const struct sock_diag_pair *pair = arg;
    size_t len = msg->idiag_family == AF_INET ? 4 : 16;
    return ntohs(msg->id.idiag_sport) == pair->near->port &&
           ntohs(msg->id.idiag_dport) == pair->far->port &&
           memcmp(msg->id.idiag_src, pair->near->ip, len) == 0 &&
           memcmp(msg->id.idiag_dst, pair->far->ip, len) == 0;
}

int sock_peer_uid(const struct sock_addr *peer, const struct sock_addr *local, uint32_t *ret_uid)
{
    struct sock_diag_pair pair = {peer, local};
    struct sock_diag_query query = {peer->family == SOCK_ADDR_IP4 ? AF_INET : AF_INET6,
                                    SOCK_DIAG_ALL, sock_diag_match_pair, &pair};
    struct sock_diag_hit hit = {0};
    int result = sock_diag_find(&query, &hit);
    if (result == 0) {
        *ret_uid = hit.uid;
    }
    return result;
}
