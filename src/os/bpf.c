/* SPDX-License-Identifier: Apache-2.0
 *
 * bpf(2). Every call gets a union that is zero but for what it says: the kernel refuses strange
 * bytes behind what it knows.
 */
#include "os/bpf.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int call(enum bpf_cmd cmd, union bpf_attr *attr)
{
    long r = syscall(SYS_bpf, cmd, attr, sizeof(*attr));
    return r < 0 ? -errno : (int)r;
}

static uint64_t address(const void *p)
{
    return (uint64_t)(uintptr_t)p;
}

static void name_to(char to[BPF_OBJ_NAME_LEN], const char *name)
{
    size_t len = strlen(name);
    memcpy(to, name, len < BPF_OBJ_NAME_LEN ? len : BPF_OBJ_NAME_LEN - 1);
}

static int give(int r, int *ret_fd)
{
    if (r < 0) {
        return r;
    }
    *ret_fd = r; /* the kernel opens them close-on-exec */
    return 0;
}

int bpf_table_new(const struct bpf_table *table, int *ret_fd)
{
    union bpf_attr attr;
    memset(&attr, 0, sizeof(attr));
    attr.map_type = table->type;
    attr.key_size = table->key;
    attr.value_size = table->value;
    attr.max_entries = table->entries;
    attr.map_flags = table->flags;
    name_to(attr.map_name, table->name);
    return give(call(BPF_MAP_CREATE, &attr), ret_fd);
}

static int element(enum bpf_cmd cmd, int fd, const void *key, const void *value)
{
    union bpf_attr attr;
    memset(&attr, 0, sizeof(attr));
    attr.map_fd = (uint32_t)fd;
    attr.key = address(key);
    attr.value = address(value);
    return call(cmd, &attr);
}

int bpf_table_set(int fd, const void *key, const void *value)
{
    return element(BPF_MAP_UPDATE_ELEM, fd, key, value);
}

int bpf_table_get(int fd, const void *key, void *ret_value)
{
    return element(BPF_MAP_LOOKUP_ELEM, fd, key, ret_value);
}

int bpf_table_remove(int fd, const void *key)
{
    return element(BPF_MAP_DELETE_ELEM, fd, key, NULL);
}

int bpf_program_new(const struct bpf_code *code, int *ret_fd)
{
    union bpf_attr attr;
    memset(&attr, 0, sizeof(attr));
    attr.prog_type = code->type;
    attr.expected_attach_type = code->attach;
    attr.insns = address(code->insns);
    attr.insn_cnt = code->count;
    attr.license = address("Apache-2.0");
    name_to(attr.prog_name, code->name);
    return give(call(BPF_PROG_LOAD, &attr), ret_fd);
}

int bpf_link_group(int program, int group_fd, enum bpf_attach_type attach, int *ret_fd)
{
    union bpf_attr attr;
    memset(&attr, 0, sizeof(attr));
    attr.link_create.prog_fd = (uint32_t)program;
    attr.link_create.target_fd = (uint32_t)group_fd;
    attr.link_create.attach_type = attach;
    return give(call(BPF_LINK_CREATE, &attr), ret_fd);
}

int bpf_attach_table(int program, int table, enum bpf_attach_type attach)
{
    union bpf_attr attr;
    memset(&attr, 0, sizeof(attr));
    attr.attach_bpf_fd = (uint32_t)program;
    attr.target_fd = (uint32_t)table;
    attr.attach_type = attach;
    return call(BPF_PROG_ATTACH, &attr);
}
