/* SPDX-License-Identifier: Apache-2.0
 *
 * Small programs and tables in the kernel, by its system call alone: no library, nothing allocated.
 * Making any of it wants CAP_BPF and CAP_NET_ADMIN (or root); whoever holds a table's descriptor
 * may write into it without a right (Linux 5.19). Descriptors are close-on-exec; what nobody holds
 * any more is gone.
 */
#ifndef OS_BPF_H
#define OS_BPF_H

#include "base/def.h"

#include <linux/bpf.h>

struct bpf_table {
    const char *name; /* at most 15 characters */
    enum bpf_map_type type;
    uint32_t key, value, entries; /* sizes; how many */
    uint32_t flags;
};

/* 0 or -errno: -EPERM without the right, -EINVAL where the kernel does not know it. */
must_check int bpf_table_new(const struct bpf_table *table, int *ret_fd);
must_check int bpf_table_set(int fd, const void *key, const void *value);
/* -ENOENT: there is none. */
must_check int bpf_table_get(int fd, const void *key, void *ret_value);
must_check int bpf_table_remove(int fd, const void *key);

struct bpf_code {
    const char *name;
    enum bpf_prog_type type;
    enum bpf_attach_type attach;
    const struct bpf_insn *insns;
    uint32_t count;
};

/* Checked by the kernel first. 0 or -errno. */
must_check int bpf_program_new(const struct bpf_code *code, int *ret_fd);
/* For all sockets of a group (version 2) and of those below, as long as *ret_fd is held. */
must_check int bpf_link_group(int program, int group_fd, enum bpf_attach_type attach, int *ret_fd);
/* For all sockets in a table, as long as that is there. */
must_check int bpf_attach_table(int program, int table, enum bpf_attach_type attach);

#endif
