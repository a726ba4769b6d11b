/* SPDX-License-Identifier: Apache-2.0
 *
 * Figures of processes from /proc. Names, arguments and environments are the processes' own: bytes,
 * not text to trust.
 */
#ifndef OS_PROC_INFO_H
#define OS_PROC_INFO_H

#include "base/buf.h"

struct proc_stat {
    char name[16];
    char state; /* R S D Z T … */
    int parent;
    int session;
    uint64_t cpu_ns;
    uint64_t
        rss_bytes; /* as the kernel's per-CPU counters have it: a few hundred KiB off either way */
    uint64_t start_time;
    uint32_t threads;
    int exit_status; /* of a zombie, as wait(2) gives it; 0 when we may not know */
};
must_check int proc_stat(int pid, struct proc_stat *ret);
/* Proportional share of memory: a walk of its page tables, so on demand only. */
must_check int proc_pss(int pid, uint64_t *ret_bytes);
/* Arguments separated by spaces. 0 or -errno. */
must_check int proc_command(int pid, struct buf *out);
/* Does the environment it was started with hold this "NAME=value"? 1, 0 or -errno. */
must_check int proc_has_env(int pid, struct str entry);
/* Calls `each` for every process; stops when it returns false. */
must_check int proc_each(bool (*each)(int pid, void *arg), void *arg);
/* Path of a program as a child in the folder `cwd` (empty: this process's) would find it by its
 * PATH. 0, -ENOENT, or buf_error. */
must_check int proc_find_program(struct str name, const char *path_env, struct str cwd,
                                 struct buf *out);
/* The running binary, also when it was replaced on disk meanwhile ("/proc/self/exe"). */
const char *proc_own_binary(void);

#endif
