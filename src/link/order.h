/* SPDX-License-Identifier: Apache-2.0
 *
 * struct order: a spawn order, everything the keeper needs to start one process, as a sealed memfd.
 *
 * The writer fills a struct order and packs it; the reader copies the memfd and gets the same
 * struct with pointers into its copy, checked: every string lies inside and ends with NUL, every
 * count is within its bound. Format (packed, native order): u32 magic, u16 version, u16 count, then
 * `count` records of u16 tag, u16 0, u32 length, bytes, padded to 8. Unknown tags from 0x8000 up
 * are skipped, others refused.
 */
#ifndef LINK_ORDER_H
#define LINK_ORDER_H

#include "base/buf.h"

enum { ORDER_VERSION = 1, ORDER_ARGS_MAX = 1024, ORDER_GROUPS_MAX = 64, ORDER_RLIMITS_MAX = 16 };
enum { ORDER_LISTEN_MAX = 16, ORDER_PORTS_MAX = 8, ORDER_PATH_MAX = 480 };
#define ORDER_SIZE_MAX (2 * MIB)

struct order_rlimit {
    int32_t resource;
    int32_t reserved;
    uint64_t soft;
    uint64_t hard;
};

struct order_limits { /* of the group; UINT64_MAX = none (cgroup.h says more) */
    uint64_t memory_bytes;
    uint64_t memory_low_bytes;
    uint64_t cpu_micros_per_s;
    uint64_t cpu_weight;
    uint64_t pids;
};

#define ORDER_KEPT "kept:"
/* The name of the kept descriptor that a stream is, or an empty one: it is a file. */
static inline struct str order_kept_name(const char *path)
{
    struct str name = str_from(path);
    return str_starts(name, STR(ORDER_KEPT)) ? str_skip(name, sizeof(ORDER_KEPT) - 1) : STR_NONE;
}

/* All strings are NUL-terminated and borrowed. NULL or zero = as the keeper has it. */
struct order {
    const char *id;    /* "tenant/project/service/replica": unique among the keeper's children */
    const char **argv; /* NULL-terminated, at least one */
    const char **envp; /* NULL-terminated; all of it: nothing is inherited */
    const char *cwd;
    const char *cgroup; /* name below the instance's group; NULL = id */
    const char
        *output[2]; /* files for stdout, stderr: opened O_APPEND|O_CREAT, owned by uid; equal paths
                       share one open file. NULL = /dev/null. Their folders are made. */
    const char *stdin_path; /* NULL = /dev/null */
    /* "kept:NAME" in any of the three: that kept descriptor (ORDER_KEPT). */
    const char
        *listen[ORDER_LISTEN_MAX]; /* names of kept descriptors, passed from 3 on as LISTEN_FDS */
    unsigned listen_count;
    uint32_t uid, gid;
    uint32_t groups[ORDER_GROUPS_MAX];
    unsigned group_count;
    struct order_rlimit rlimits[ORDER_RLIMITS_MAX];
    unsigned rlimit_count;
    struct order_limits limits;
    uint16_t ports[ORDER_PORTS_MAX];
    uint64_t spec_hash;
    uint64_t output_max; /* bytes kept per output while no core lives; 0 = 64 MiB */
    uint32_t umask;
    int32_t oom_score_adj;
    int32_t nice; /* -20 to 19 */
    bool set_user, set_umask, set_oom_score;
    bool listen_env;      /* set LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES */
    bool listen_blocking; /* take O_NONBLOCK off `listen` */
    bool own_terminal;    /* proc_spawn.own_terminal */
};

#define ORDER_INIT                                                                                 \
    {                                                                                              \
        .limits = { UINT64_MAX, 0, UINT64_MAX, 0, UINT64_MAX }                                     \
    }

/* Packs into a sealed memfd. 0, -EINVAL (something missing or too many), -E2BIG, -errno. */
must_check int order_seal(const struct order *order, int *ret_fd);
/* The packed bytes, for tests and fuzzers. */
must_check int order_pack(const struct order *order, struct buf *out);
/* Reads packed bytes; strings point into `bytes`, pointer arrays into `space` (ORDER_ARGS_MAX*2+2
 * pointers). 0 or -EBADMSG. Allocates nothing. */
must_check int order_unpack(struct str bytes, const char **space, struct order *ret);

/* Where a received order lies: large, the receiver's. */
struct order_space {
    struct order order;
    const char *pointers[ORDER_ARGS_MAX * 2 + 2];
    char bytes[ORDER_SIZE_MAX] __attribute__((aligned(8)));
};
/* Reads the sealed memfd into space->order. 0; -EPERM: not sealed; -EBADMSG; -errno. Allocates
 * nothing. */
must_check int order_receive(int fd, struct order_space *space);

#endif
