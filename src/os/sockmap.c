/* SPDX-License-Identifier: Apache-2.0
 *
 * Two programs of a few instructions, written out: there is no compiler for them to be had where
 * muelle is built, and none is missed.
 *
 *   opened  a socket was accepted: IPv4 over loopback, in our network, on one of `ports` →
 *           it is put into `sockets` by its ports
 *   said    a socket that is in `sockets` sends:
 *           its own connection has a turn  → it answers: as long as the turn has room, short way
 *           the other end's has one        → it asks: a new turn begins, short way
 *           none                           → TCP
 *
 * 1. Once an answer went by TCP all of it does: what comes by the short way later would overtake.
 * 2. Who is not found at the other end is spoken to by TCP. Any of it may be gone at any moment.
 */
#include "os/sockmap.h"

#include "base/num.h"
#include "os/bpf.h"
#include "os/file.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

enum {
    SOCKETS_MAX = 2 * SOCKMAP_CONNECTIONS_MAX,
    PORTS_MAX = 4096,
    LOOPBACK = 0x0100007f, /* 127.0.0.1 as it lies in memory */
    /* Where keys lie on a program's stack: {here, there} of its own socket, and of the other. */
    OWN = -8,
    OTHER = -16,
};
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "LOOPBACK");

/* --- instructions --- */

#define OP(op, to, from, offset, value)                                                            \
    (struct bpf_insn)                                                                              \
    {                                                                                              \
        .code = (op), .dst_reg = (to), .src_reg = (from), .off = (offset), .imm = (value)          \
    }
#define MOVE(to, from)            OP(BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0)
#define SET(to, value)            OP(BPF_ALU64 | BPF_MOV | BPF_K, to, 0, 0, value)
#define ADD(to, value)            OP(BPF_ALU64 | BPF_ADD | BPF_K, to, 0, 0, value)
#define ADD_REG(to, from)         OP(BPF_ALU64 | BPF_ADD | BPF_X, to, from, 0, 0)
#define TO_HOST(to)               OP(BPF_ALU | BPF_END | BPF_TO_BE, to, 0, 0, 32)
#define LOAD(to, from, offset)    OP(BPF_LDX | BPF_MEM | BPF_W, to, from, (int16_t)(offset), 0)
#define STORE(to, offset, from)   OP(BPF_STX | BPF_MEM | BPF_W, to, from, offset, 0)
#define STORE_IT(to, offset, it)  OP(BPF_ST | BPF_MEM | BPF_W, to, 0, offset, it)
#define IF_NOT(reg, value, skip)  OP(BPF_JMP | BPF_JNE | BPF_K, reg, 0, skip, value)
#define IF_IS(reg, value, skip)   OP(BPF_JMP | BPF_JEQ | BPF_K, reg, 0, skip, value)
#define IF_MORE(reg, value, skip) OP(BPF_JMP | BPF_JGT | BPF_K, reg, 0, skip, value)
#define IF_OTHER(reg, reg2, skip) OP(BPF_JMP | BPF_JNE | BPF_X, reg, reg2, skip, 0)
#define GOTO(skip)                OP(BPF_JMP | BPF_JA, 0, 0, skip, 0)
#define CALL(helper)              OP(BPF_JMP | BPF_CALL, 0, 0, 0, helper)
#define EXIT                      OP(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
/* These are two instructions each. */
#define TABLE(to, fd) OP(BPF_LD | BPF_DW | BPF_IMM, to, BPF_PSEUDO_MAP_FD, 0, fd), OP(0, 0, 0, 0, 0)
#define SET_LONG(to, value)                                                                        \
    OP(BPF_LD | BPF_DW | BPF_IMM, to, 0, 0, (int32_t)(uint32_t)(value)),                           \
        OP(0, 0, 0, 0, (int32_t)(uint32_t)((value) >> 32))

enum { R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, STACK };
enum { WENT_ON = 1 };

#define OF_OPENED(field) offsetof(struct bpf_sock_ops, field)
#define OF_SAID(field)   offsetof(struct sk_msg_md, field)

static int load_opened(const int *fds, uint64_t network, int *ret_fd)
{
    const struct bpf_insn insns[] = {
        /*  0 */ MOVE(R6, R1),
        /*  1 */ LOAD(R2, R6, OF_OPENED(op)),
        /*  2 */ IF_NOT(R2, BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB, 29),
        /*  3 */ LOAD(R2, R6, OF_OPENED(family)),
        /*  4 */ IF_NOT(R2, AF_INET, 27),
        /*  5 */ LOAD(R2, R6, OF_OPENED(local_ip4)),
        /*  6 */ IF_NOT(R2, LOOPBACK, 25),
        /*  7 */ LOAD(R2, R6, OF_OPENED(remote_ip4)),
        /*  8 */ IF_NOT(R2, LOOPBACK, 23),
        /*  9 */ MOVE(R1, R6),
        /* 10 */ CALL(BPF_FUNC_get_netns_cookie),
        /* 11 */ SET_LONG(R1, network),
        /* 13 */ IF_OTHER(R0, R1, 18),
        /* 14 */ LOAD(R2, R6, OF_OPENED(local_port)),
        /* 15 */ STORE(STACK, OWN, R2),
        /* 16 */ LOAD(R2, R6, OF_OPENED(remote_port)),
        /* 17 */ TO_HOST(R2),
        /* 18 */ STORE(STACK, OWN + 4, R2),
        /* 19 */ TABLE(R1, fds[SOCKMAP_PORTS]),
        /* 21 */ MOVE(R2, STACK),
        /* 22 */ ADD(R2, OWN),
        /* 23 */ CALL(BPF_FUNC_map_lookup_elem),
        /* 24 */ IF_IS(R0, 0, 7),
        /* 25 */ MOVE(R1, R6),
        /* 26 */ TABLE(R2, fds[SOCKMAP_SOCKETS]),
        /* 28 */ MOVE(R3, STACK),
        /* 29 */ ADD(R3, OWN),
        /* 30 */ SET(R4, BPF_ANY),
        /* 31 */ CALL(BPF_FUNC_sock_hash_update),
        /* 32 */ SET(R0, WENT_ON),
        /* 33 */ EXIT,
    };
    const struct bpf_code code = {
        .name = "muelle_opened",
        .type = BPF_PROG_TYPE_SOCK_OPS,
        .attach = BPF_CGROUP_SOCK_OPS,
        .insns = insns,
        .count = ARRAY_LEN(insns),
    };
    return bpf_program_new(&code, ret_fd);
}

static int load_said(const int *fds, int *ret_fd)
{
    const struct bpf_insn insns[] = {
        /*  0 */ MOVE(R6, R1),
        /*  1 */ LOAD(R2, R6, OF_SAID(local_port)),
        /*  2 */ STORE(STACK, OWN, R2),
        /*  3 */ STORE(STACK, OTHER + 4, R2),
        /*  4 */ LOAD(R2, R6, OF_SAID(remote_port)),
        /*  5 */ TO_HOST(R2),
        /*  6 */ STORE(STACK, OWN + 4, R2),
        /*  7 */ STORE(STACK, OTHER, R2),
        /*  8 */ TABLE(R1, fds[SOCKMAP_TURNS]),
        /* 10 */ MOVE(R2, STACK),
        /* 11 */ ADD(R2, OTHER),
        /* 12 */ CALL(BPF_FUNC_map_lookup_elem),
        /* 13 */ IF_IS(R0, 0, 8), /* to "asks" */
                                  /* It answers: the turn is known by the ports of who asked. */
        /* 14 */ LOAD(R1, R0, 0),
        /* 15 */ LOAD(R2, R6, OF_SAID(size)),
        /* 16 */ ADD_REG(R1, R2),
        /* 17 */ IF_MORE(R1, SOCKMAP_TURN_MAX, 2),
        /* 18 */ STORE(R0, 0, R1),
        /* 19 */ GOTO(9), /* to "short way" */
        /* 20 */ STORE_IT(R0, 0, SOCKMAP_TURN_MAX + 1),
        /* 21 */ GOTO(14), /* to the end */
                           /* asks */
        /* 22 */ TABLE(R1, fds[SOCKMAP_TURNS]),
        /* 24 */ MOVE(R2, STACK),
        /* 25 */ ADD(R2, OWN),
        /* 26 */ CALL(BPF_FUNC_map_lookup_elem),
        /* 27 */ IF_IS(R0, 0, 8), /* to the end */
        /* 28 */ STORE_IT(R0, 0, 0),
        /* short way */
        /* 29 */ MOVE(R1, R6),
        /* 30 */ TABLE(R2, fds[SOCKMAP_SOCKETS]),
        /* 32 */ MOVE(R3, STACK),
        /* 33 */ ADD(R3, OTHER),
        /* 34 */ SET(R4, BPF_F_INGRESS),
        /* 35 */ CALL(BPF_FUNC_msg_redirect_hash),
        /* The end; what found nobody goes by TCP. */
        /* 36 */ SET(R0, SK_PASS),
        /* 37 */ EXIT,
    };
    const struct bpf_code code = {
        .name = "muelle_said",
        .type = BPF_PROG_TYPE_SK_MSG,
        .attach = BPF_SK_MSG_VERDICT,
        .insns = insns,
        .count = ARRAY_LEN(insns),
    };
    return bpf_program_new(&code, ret_fd);
}

/* --- making it --- */

static const struct bpf_table tables[] = {
    [SOCKMAP_SOCKETS] = {"muelle_sockets", BPF_MAP_TYPE_SOCKHASH, 8, 4, SOCKETS_MAX, 0},
    /* An edge that was killed leaves its turns: the oldest make room. */
    [SOCKMAP_TURNS] = {"muelle_turns", BPF_MAP_TYPE_LRU_HASH, 8, 4, SOCKMAP_CONNECTIONS_MAX, 0},
    [SOCKMAP_PORTS] = {"muelle_ports", BPF_MAP_TYPE_HASH, 4, 4, PORTS_MAX, BPF_F_NO_PREALLOC},
};

/* Cookie of the network namespace we are in. */
static int own_network(uint64_t *ret)
{
    socklen_t size = sizeof(*ret);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int r = fd < 0 || getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, ret, &size) < 0 ? -errno : 0;
    file_close(&fd);
    return r;
}

static int attach_opened(const char *group, int *fds)
{
    uint64_t network = 0;
    int program = -1;
    int r = own_network(&network);
    int group_fd = open(group, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    r = r == 0 && group_fd < 0 ? -errno : r;
    r = r < 0 ? r : load_opened(fds, network, &program);
    r = r < 0 ? r : bpf_link_group(program, group_fd, BPF_CGROUP_SOCK_OPS, &fds[SOCKMAP_LINK]);
    file_close(&program);
    file_close(&group_fd);
    return r;
}

static int attach_said(int *fds)
{
    int program = -1;
    int r = load_said(fds, &program);
    r = r < 0 ? r : bpf_attach_table(program, fds[SOCKMAP_SOCKETS], BPF_SK_MSG_VERDICT);
    file_close(&program);
    return r;
}

/* Tables, and the program that belongs to them. */
static int make_tables(int *fds, const char **ret_step)
{
    int r = 0;
    *ret_step = "make the tables";
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(tables); i++) {
        fds[i] = -1;
        r = bpf_table_new(&tables[i], &fds[i]);
    }
    if (r == 0) {
        *ret_step = "load the program for messages";
        r = attach_said(fds);
    }
    return r;
}

int sockmap_new(const char *group, int fds[SOCKMAP_PARTS], const char **ret_step)
{
    int fresh[SOCKMAP_PARTS] = {-1, -1, -1, -1};
    bool tables_too = false;
    for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
        tables_too |= fds[i] < 0;
    }
    int r = 0;
    if (tables_too) {
        r = make_tables(fresh, ret_step);
    } else {
        memcpy(fresh, fds, sizeof(fresh));
    }
    if (r == 0 && (tables_too || fds[SOCKMAP_LINK] < 0)) {
        *ret_step = "load the program for connections";
        r = attach_opened(group, fresh);
    }
    for (size_t i = 0; i < SOCKMAP_PARTS; i++) {
        if (r == 0) {
            fds[i] = fresh[i];
        } else if (fresh[i] != fds[i]) {
            file_close(&fresh[i]);
        }
    }
    return r;
}

/* --- using it --- */

struct key {
    uint32_t here, there;
};

int sockmap_serve(const int *fds, uint16_t port)
{
    const uint32_t key = port;
    const uint32_t yes = 1;
    return bpf_table_set(fds[SOCKMAP_PORTS], &key, &yes);
}

int sockmap_join(const int *fds, int fd, struct sockmap_ends ends)
{
    const struct key key = {ends.here, ends.there};
    const uint32_t socket = (uint32_t)fd;
    const uint32_t nothing = 0;
    int r = bpf_table_set(fds[SOCKMAP_TURNS], &key, &nothing);
    r = r < 0 ? r : bpf_table_set(fds[SOCKMAP_SOCKETS], &key, &socket);
    if (r < 0) {
        (void)!bpf_table_remove(fds[SOCKMAP_TURNS], &key);
    }
    return r;
}

void sockmap_leave(const int *fds, struct sockmap_ends ends)
{
    const struct key key = {ends.here, ends.there};
    (void)!bpf_table_remove(fds[SOCKMAP_TURNS], &key);
    (void)!bpf_table_remove(fds[SOCKMAP_SOCKETS], &key);
}

void sockmap_part(const int *fds, struct sockmap_ends ends)
{
    const struct key other = {ends.there, ends.here};
    sockmap_leave(fds, ends);
    (void)!bpf_table_remove(fds[SOCKMAP_SOCKETS], &other);
}
