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
#include "os/loop.h"
#include "os/proc_tree.h"

enum { JOURNAL_PATH_MAX = 256 };
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

/* What an order says of its child; not its id, process, or state. */
void journal_child_from(const struct order *order, struct journal_child *ret);
/* The same as a message: STARTED, CHILD, EXITED, EMPTY. */
void journal_child_message(const struct journal_child *child, enum keeper_type type,
                           struct keeper_msg *msg);
void journal_role_message(const struct journal_role *role, bool up, struct keeper_msg *msg);
/* The tree of a child of that instance; `space` is for the entry of the environment that marks it:
 * "MUELLE_ID=INSTANCE/id". */
struct proc_tree journal_child_tree(const struct journal_child *child,
                                    const struct cgroup_root *root, const char *instance,
                                    char space[PROC_TREE_MARK_MAX]);
/* Cuts the oldest bytes of its outputs. False: there was nothing to cut, or it has ended. */
bool journal_child_trim(struct journal_child *child);

/* --- writing: a file that is made anew when it has grown, and when it could not be written --- */

struct journal {
    struct loop *loop;
    char path[JOURNAL_PATH_MAX];
    char boot_id[PROC_BOOT_ID_LEN + 1];
    struct records file;
    bool behind;        /* the file lacks something: a fresh one is due … */
    struct timer retry; /* … every second */
    /* Writes all that there is to say (records_add). 0 or -errno. */
    int (*fill)(struct journal *journal, struct records *out);
    void (*say)(struct journal *journal, const char *text); /* for the log */
};

/* loop, path, boot_id, fill and say are set. Nothing is written yet. */
void journal_init(struct journal *journal);
void journal_fini(struct journal *journal);
/* One more record. Nothing while it is behind: the fresh file will have it. */
void journal_add(struct journal *journal, enum journal_type type, struct str bytes);
/* Writes everything anew. 0, or -errno: the old file stays as it is, and it is tried again. */
int journal_rewrite(struct journal *journal);

/* --- reading --- */

/* Where what is read goes; everything is checked before. */
struct journal_ops {
    void (*child)(void *arg, const struct journal_child *child);
    void (*forget)(void *arg, struct str id);
    void (*role)(void *arg, const struct journal_role *role);
    void (*cgroups)(void *arg, const struct cgroup_root *root);
    void (*handed)(void *arg, const struct journal_handed *handed);
};

#define JOURNAL_BYTES(object) str_make((const char *)(object), sizeof(*(object)))

/* 0, RECORDS_E_DAMAGED (said), RECORDS_E_OTHER (of another boot), -errno: see records_read. */
int journal_read(struct journal *journal, const struct journal_ops *ops, void *arg);

#endif
