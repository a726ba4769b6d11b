/* SPDX-License-Identifier: Apache-2.0
 *
 * RUN/keeper.journal: what a keeper leaves to the next one, so that it can adopt everything, also
 * when every role died at once. A file of link/records.h, magic "MUKJ"; a later record of the same
 * child or role replaces the earlier one. It lives in memory (RUN is a tmpfs) and says nothing
 * after a reboot.
 *
 * | type   | bytes                  | says                                                  |
 * | ------ | ---------------------- | ----------------------------------------------------- |
 * | CHILD  | struct journal_child   | a child as it is now                                  |
 * | FORGET | its id                 | nobody asks for that child any more                   |
 * | ROLE   | struct journal_role    | the core or the edge as a process                     |
 * | CGROUP | struct cgroup_root     | where the children's control groups are               |
 * | HANDED | struct journal_handed  | a descriptor that stays open over an exec (upgrade)   |
 */
#ifndef LINK_JOURNAL_H
#define LINK_JOURNAL_H

#include "link/keeper.h"
#include "link/order.h"
#include "link/records.h"
#include "os/cgroup.h"
#include "os/proc.h"

enum journal_type {
    JOURNAL_CHILD = 1,
    JOURNAL_FORGET,
    JOURNAL_ROLE,
    JOURNAL_CGROUP,
    JOURNAL_HANDED,
};

/* As they stand in the file: a new field goes to the end and is 0 where an older keeper wrote. */
struct journal_child {
    struct proc_id proc;
    struct proc_exit exit;
    uint64_t spec_hash;
    uint64_t output_max;
    uint64_t trimmed[2];
    uint16_t ports[KEEPER_PORTS_MAX];
    uint8_t running; /* the main process lives */
    uint8_t empty;   /* nothing of its tree is left */
    uint8_t oom;
    uint8_t killing; /* until it is empty */
    char id[KEEPER_NAME_MAX + 1];
    char cgroup[CGROUP_NAME_MAX + 1];
    char output[2][ORDER_PATH_MAX]; /* its output files */
    /* Hashes of the names of the sockets that it was handed as descriptors 3, 4, …; 0 ends. */
    uint64_t listen[ORDER_LISTEN_MAX];
};

struct journal_role {
    uint32_t role; /* enum keeper_role: core or edge */
    struct proc_id proc;
    uint64_t restarts;
};

struct journal_handed {
    uint32_t kind; /* the keeper's own */
    int32_t fd;
    uint32_t role;
    uint32_t flags;
    char name[KEEPER_NAME_MAX + 8];
};

/* Where what is read goes; everything is checked before. */
struct journal_ops {
    void (*child)(void *arg, const struct journal_child *child);
    void (*forget)(void *arg, struct str id);
    void (*role)(void *arg, const struct journal_role *role);
    void (*cgroups)(void *arg, const struct cgroup_root *root);
    void (*handed)(void *arg, const struct journal_handed *handed);
};

#define JOURNAL_BYTES(object) str_make((const char *)(object), sizeof(*(object)))

/* A fresh file with its first record. Further ones: records_add with a journal_type. */
must_check int journal_create(struct records *journal, const char *path, const char *boot_id,
                              const struct cgroup_root *cgroups);
/* 0, RECORDS_E_DAMAGED, RECORDS_E_OTHER (of another boot), -errno: see records_read. */
must_check int journal_read(const char *path, const char *boot_id, const struct journal_ops *ops,
                            void *arg);

#endif
