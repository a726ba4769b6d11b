/* SPDX-License-Identifier: Apache-2.0
 *
 * Control groups: one group per replica holds its whole tree, so that stopping it leaves nothing.
 *
 * Four rungs, the best one that works here is taken:
 *   SYSTEMD  a transient scope with Delegate=yes asked of systemd over D-Bus; below it as UNIFIED
 *   UNIFIED  a writable v2 tree (ours by delegation or by being root)
 *   HYBRID   v1 controllers (limits, memory figures) + a v2 tree without controllers (kill, freeze,
 * events) NONE     no group at all: the keeper is subreaper, MUELLE_ID in /proc/PID/environ marks
 * the tree cgroup_promise says what the rung cannot do, for `doctor` and `stop`.
 *
 * Names are relative ("shop/web/1"); characters other than letters, digits, ".", "-", "_" and "/"
 * become "_". A part that the kernel's own files could be called ("memory.max", "tasks"), or that
 * begins with "_", gets another "_" in front.
 */
#ifndef OS_CGROUP_H
#define OS_CGROUP_H

#include "base/problem.h"

enum cgroup_rung { CGROUP_NONE, CGROUP_HYBRID, CGROUP_UNIFIED, CGROUP_SYSTEMD };
enum cgroup_v1 {
    CGROUP_V1_MEMORY,
    CGROUP_V1_CPU,
    CGROUP_V1_PIDS,
    CGROUP_V1_CPUACCT,
    CGROUP_V1_COUNT
};
enum { CGROUP_PATH_MAX = 384, CGROUP_NAME_MAX = 200 };

/* Plain bytes: the keeper finds it, writes it into its journal and tells the core. */
struct cgroup_root {
    uint8_t rung;
    bool limits;                /* memory, cpu and pids limits work */
    char path[CGROUP_PATH_MAX]; /* v2 folder of the instance; empty with NONE */
    char v1[CGROUP_V1_COUNT]
           [CGROUP_PATH_MAX]; /* HYBRID: folder of the instance per controller, or empty */
};

#define CGROUP_UNLIMITED UINT64_MAX
struct cgroup_limits {
    uint64_t memory_bytes; /* CGROUP_UNLIMITED = no limit */
    uint64_t memory_low_bytes;
    uint64_t cpu_micros_per_s; /* 1,500,000 = one and a half CPUs */
    uint64_t cpu_weight;       /* 1..10000, 0 = leave */
    uint64_t pids;
};
#define CGROUP_LIMITS_NONE                                                                         \
    {                                                                                              \
        CGROUP_UNLIMITED, 0, CGROUP_UNLIMITED, 0, CGROUP_UNLIMITED                                 \
    }

/* What the kernel counts, each since the group was made. A figure that is not known is 0; three
 * have a flag, as their 0 would be taken for a fact. */
struct cgroup_stats {
    bool memory_known, cpu_known, pids_known;
    uint64_t memory_bytes; /* without the page cache that can be dropped */
    uint64_t memory_peak_bytes;
    uint64_t cpu_ns;
    uint64_t throttled_ns;
    uint64_t pids;
    uint64_t oom_kills;
};

/* Finds the best rung and makes the instance's folder. Never fails: NONE is a rung. `floor` names
 * the best rung to try (tests ask for less). */
void cgroup_root_find(struct cgroup_root *root, const char *instance_id, enum cgroup_rung best);
/* Removes the instance's folders when they are empty. */
void cgroup_root_remove(const struct cgroup_root *root);
const char *cgroup_rung_name(enum cgroup_rung rung);
/* The rung of that name; the best one for NULL and for what is none. */
enum cgroup_rung cgroup_rung_parse(const char *name);
/* What this rung cannot promise, as a sentence; NULL when it promises all. */
const char *cgroup_promise(const struct cgroup_root *root);

/* Makes the group (fine when it is there) and sets limits (NULL: none). 0 or -errno; -EOPNOTSUPP:
 * the rung cannot limit. A failure leaves what was made so far: the next try or cgroup_remove deals
 * with it. Nothing with NONE. */
must_check int cgroup_create(const struct cgroup_root *root, struct str name,
                             const struct cgroup_limits *limits);
must_check int cgroup_set_limits(const struct cgroup_root *root, struct str name,
                                 const struct cgroup_limits *limits);
/* The v2 folder's descriptor for proc_spawn, -1 with NONE. */
must_check int cgroup_open(const struct cgroup_root *root, struct str name, int *ret_fd);
/* Descriptors of the v1 cgroup.procs files a new process must join; returns how many (0 without
 * HYBRID). */
size_t cgroup_open_v1(const struct cgroup_root *root, struct str name, int fds[CGROUP_V1_COUNT]);
/* Watch it for LOOP_PRI: it fires when the group becomes empty or is filled. -ENOTSUP with NONE. */
must_check int cgroup_open_events(const struct cgroup_root *root, struct str name, int *ret_fd);
/* 1 empty (or gone), 0 populated, -errno. */
must_check int cgroup_is_empty(const struct cgroup_root *root, struct str name);
/* SIGKILL to all in it and below: cgroup.kill, or freeze, kill each, thaw. Returns 0 or -errno;
 * empty only later. */
must_check int cgroup_kill(const struct cgroup_root *root, struct str name);
/* A signal to all in it. Returns how many got it, or -errno. */
must_check int cgroup_signal(const struct cgroup_root *root, struct str name, int signum);
must_check int cgroup_freeze(const struct cgroup_root *root, struct str name, bool freeze);
/* Up to `max` pids; returns how many there are, or -errno. */
must_check int cgroup_pids(const struct cgroup_root *root, struct str name, int *pids, size_t max);
must_check int cgroup_stats(const struct cgroup_root *root, struct str name,
                            struct cgroup_stats *ret);
/* Removes it and the empty groups below. 0, -EBUSY while populated, -errno. */
must_check int cgroup_remove(const struct cgroup_root *root, struct str name);

/* For NONE: all processes whose environment holds MARK ("MUELLE_ID=…") or whose ancestor is one of
 * those, and the process root_pid and its session (0 = none). Fills up to `max` pids; returns how
 * many, or -errno. */
must_check int cgroup_find_marked(struct str mark, int root_pid, int *pids, size_t max);

#endif
