/* SPDX-License-Identifier: Apache-2.0
 *
 * The keeper's journal: see journal.h.
 *
 * 1. At any moment the file at the path is whole: a fresh one takes its place by rename(2).
 * 2. Where it cannot be written (a full disk) the old one stays, nothing is appended to it any
 *    more, and a fresh one is tried every second.
 * 3. What is read is another process's work: texts are checked to end, roles and rungs to exist; a
 *    record that is not right is skipped, an unknown one is a newer keeper's.
 */
#include "link/journal.h"
#include "base/map.h"
#include "base/num.h"
#include "link/order_run.h"
#include "link/role_spawn.h"
#include "os/file.h"
#include "os/outfile.h"

#define JOURNAL_RETRY_NS NS_PER_S

enum {
    JOURNAL_VERSION = 1,
    JOURNAL_REWRITE = 16 * 1024 * 1024,
    JOURNAL_OUTPUT_MAX_DEFAULT = 64 * 1024 * 1024
};

union journal_payload {
    struct journal_child child;
    struct journal_role role;
    struct cgroup_root cgroups;
    struct journal_handed handed;
    char id[KEEPER_NAME_MAX + 1];
};
_Static_assert(sizeof(union journal_payload) <= RECORDS_LEN_MAX, "fits into a record");

struct journal_reader {
    const struct journal_ops *ops;
    void *arg;
};

static struct records_form journal_form(const char *boot_id)
{
    struct records_form form = {
        .magic = {'M', 'U', 'K', 'J'}, .version = JOURNAL_VERSION, .min_reader = JOURNAL_VERSION};
    memcpy(form.boot_id, boot_id, sizeof(form.boot_id));
    return form;
}

/* Nothing is appended any more: a whole new file is due. */
static int journal_fail(struct journal *journal, int error)
{
    char text[JOURNAL_PATH_MAX + 128];
    if (!journal->behind) {
        snprintf(text, sizeof(text), "%s cannot be written: %s; tried again every second",
                 journal->path, strerror(-error));
        journal->say(journal, text);
    }
    journal->behind = true;
    loop_timer_after(journal->loop, &journal->retry, JOURNAL_RETRY_NS);
    return error;
}

static void journal_retry(struct timer *timer, int64_t now_ns)
{
    (void)journal_rewrite(container_of(timer, struct journal, retry));
}

void journal_init(struct journal *journal)
{
    journal->file.fd = -1;
    journal->behind = false;
    timer_init(&journal->retry, journal_retry);
}

void journal_fini(struct journal *journal)
{
    loop_timer_cancel(journal->loop, &journal->retry);
    records_close(&journal->file);
}

void journal_add(struct journal *journal, enum journal_type type, struct str bytes)
{
    if (journal->behind || journal->file.fd < 0) {
        return; /* the fresh file will have it */
    }
    if (journal->file.size > JOURNAL_REWRITE) {
        (void)journal_rewrite(journal); /* it has what this record says */
        return;
    }
    int result = records_add(&journal->file, (uint16_t)type, bytes);
    if (result < 0) {
        (void)journal_fail(journal, result);
    }
}

int journal_rewrite(struct journal *journal)
{
    char fresh[JOURNAL_PATH_MAX + 8];
    struct records out = {.fd = -1};
    struct records_form form = journal_form(journal->boot_id);
    snprintf(fresh, sizeof(fresh), "%s.new", journal->path);
    int result = records_create(&out, fresh, &form);
    result = result < 0 ? result : journal->fill(journal, &out);
    result = result < 0 ? result : file_rename(fresh, journal->path);
    if (result < 0) { /* the old one stays as it is */
        records_close(&out);
        (void)!file_unlink(fresh);
        return journal_fail(journal, result);
    }
    if (journal->behind) {
        journal->say(journal, "keeper.journal is whole again");
    }
    journal->behind = false;
    loop_timer_cancel(journal->loop, &journal->retry);
    records_close(&journal->file);
    journal->file = out;
    return 0;
}

void journal_child_from(const struct order *order, struct journal_child *ret)
{
    str_copy(ret->cgroup, sizeof(ret->cgroup), order_group(order));
    ret->spec_hash = order->spec_hash;
    ret->output_max = order->output_max ? order->output_max : JOURNAL_OUTPUT_MAX_DEFAULT;
    memcpy(ret->ports, order->ports, sizeof(ret->ports));
    for (size_t i = 0; i < ARRAY_LEN(ret->output); i++) {
        if (order->output[i] && order_kept_name(order->output[i]).len == 0) {
            str_copy(ret->output[i], ORDER_PATH_MAX, str_from(order->output[i]));
        }
    }
    for (size_t i = 0; i < order->listen_count; i++) {
        ret->listen[i] = map_hash(0, str_from(order->listen[i]));
    }
}

void journal_child_message(const struct journal_child *child, enum keeper_type type,
                           struct keeper_msg *msg)
{
    keeper_msg_init(msg, type, str_from(child->id));
    msg->a = (uint64_t)child->proc.pid;
    msg->b = child->proc.start_time;
    msg->c = (uint64_t)(uint32_t)child->exit.code;
    msg->d = (child->exit.known ? KEEPER_EXIT_KNOWN : 0u) |
             (child->exit.signaled ? KEEPER_EXIT_SIGNALED : 0u) |
             (child->exit.core_dumped ? KEEPER_EXIT_CORE : 0u) |
             (child->running ? KEEPER_CHILD_RUNNING : 0u) |
             (child->empty ? KEEPER_CHILD_EMPTY : 0u) | (child->oom ? KEEPER_CHILD_OOM : 0u);
    msg->spec_hash = child->spec_hash;
    memcpy(msg->ports, child->ports, sizeof(msg->ports));
    memcpy(msg->trimmed, child->trimmed, sizeof(msg->trimmed));
}

struct proc_tree journal_child_tree(const struct journal_child *child,
                                    const struct cgroup_root *root, const char *instance,
                                    char space[PROC_TREE_MARK_MAX])
{
    snprintf(space, PROC_TREE_MARK_MAX, "MUELLE_ID=%s/%s", instance, child->id);
    return (struct proc_tree){.root = root,
                              .group = str_from(child->cgroup),
                              .mark = str_from(space),
                              .main = child->proc,
                              .running = child->running};
}

bool journal_child_trim(struct journal_child *child)
{
    bool trimmed = false;
    for (size_t i = 0; !child->empty && i < ARRAY_LEN(child->output); i++) {
        uint64_t to = child->output[i][0] ? outfile_trim(child->output[i], child->output_max) : 0;
        trimmed |= to > 0;
        child->trimmed[i] = MAX(child->trimmed[i], to);
    }
    return trimmed;
}

void journal_role_message(const struct journal_role *role, bool up, struct keeper_msg *msg)
{
    keeper_msg_init(msg, KEEPER_ROLE, str_from(role_spawn_name(role->role)));
    msg->role = (uint8_t)role->role;
    msg->a = up ? (uint64_t)role->proc.pid : 0;
    msg->b = role->restarts;
    msg->c = up;
}

static bool journal_text_ok(const char *text, size_t size)
{
    return memchr(text, '\0', size) != NULL;
}

static bool journal_child_ok(const struct journal_child *in)
{
    return journal_text_ok(in->id, sizeof(in->id)) && in->id[0] &&
           journal_text_ok(in->cgroup, sizeof(in->cgroup)) &&
           journal_text_ok(in->output[0], ORDER_PATH_MAX) &&
           journal_text_ok(in->output[1], ORDER_PATH_MAX);
}

static bool journal_cgroups_ok(const struct cgroup_root *in)
{
    bool ok = in->rung <= CGROUP_SYSTEMD && journal_text_ok(in->path, CGROUP_PATH_MAX);
    for (size_t i = 0; i < CGROUP_V1_COUNT; i++) {
        ok = ok && journal_text_ok(in->v1[i], CGROUP_PATH_MAX);
    }
    return ok;
}

/* One record, with zeroes behind it up to the largest there is. */
static void journal_take(void *arg, uint16_t type, struct str bytes)
{
    const struct journal_reader *reader = arg;
    const struct journal_ops *ops = reader->ops;
    const union journal_payload *in = (const void *)bytes.p;
    if (type == JOURNAL_CHILD && journal_child_ok(&in->child)) {
        ops->child(reader->arg, &in->child);
    } else if (type == JOURNAL_FORGET && bytes.len < sizeof(in->id)) {
        ops->forget(reader->arg, bytes);
    } else if (type == JOURNAL_ROLE &&
               (in->role.role == KEEPER_ROLE_CORE || in->role.role == KEEPER_ROLE_EDGE)) {
        ops->role(reader->arg, &in->role);
    } else if (type == JOURNAL_CGROUP && journal_cgroups_ok(&in->cgroups)) {
        ops->cgroups(reader->arg, &in->cgroups);
    } else if (type == JOURNAL_HANDED &&
               journal_text_ok(in->handed.name, sizeof(in->handed.name))) {
        ops->handed(reader->arg, &in->handed);
    }
}

int journal_read(struct journal *journal, const struct journal_ops *ops, void *arg)
{
    struct records_form form = journal_form(journal->boot_id);
    struct journal_reader reader = {ops, arg};
    int result =
        records_read(journal->path, &form, sizeof(union journal_payload), journal_take, &reader);
    if (result == RECORDS_E_DAMAGED) {
        journal->say(journal, "keeper.journal is damaged: what follows there is not used");
    }
    return result;
}
