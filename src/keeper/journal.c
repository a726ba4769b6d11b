/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing RUN/keeper.journal (link/journal.h) and knowing what the last keeper wrote.
 *
 * 1. At any moment the file at the path is whole: a fresh one takes its place by rename(2).
 * 2. Where it cannot be written (a full disk) the old one stays, nothing is appended to it any
 *    more, and a fresh one is tried every second: `journal_behind`.
 * 3. It is never synced: it says nothing after a reboot.
 */
#include "base/num.h"
#include "keeper/private.h"
#include "os/file.h"

#define JOURNAL_RETRY_NS NS_PER_S

enum { JOURNAL_REWRITE = 16 * 1024 * 1024 };

/* Nothing is appended any more: a whole new file is due. */
static int journal_fail(struct keeper *keeper, int error)
{
    if (!keeper->journal_behind) {
        keeper_log(keeper, "keeper.journal in %s cannot be written: %s; tried again every second",
                   keeper->run_dir, strerror(-error));
    }
    keeper->journal_behind = true;
    loop_timer_after(&keeper->loop, &keeper->journal_timer, JOURNAL_RETRY_NS);
    return error;
}

/* Appends, or starts a fresh file when this one has grown large. */
static void journal_add(struct keeper *keeper, enum journal_type type, struct str bytes)
{
    if (keeper->journal_behind || keeper->journal.fd < 0) {
        return; /* the fresh file will have it */
    }
    if (keeper->journal.size > JOURNAL_REWRITE) {
        (void)journal_rewrite(keeper); /* it has what this record says */
        return;
    }
    int result = records_add(&keeper->journal, (uint16_t)type, bytes);
    if (result < 0) {
        (void)journal_fail(keeper, result);
    }
}

void journal_ward(struct keeper *keeper, const struct ward *ward)
{
    journal_add(keeper, JOURNAL_CHILD, JOURNAL_BYTES(&ward->rec));
}

void journal_forget(struct keeper *keeper, const struct ward *ward)
{
    journal_add(keeper, JOURNAL_FORGET, str_from(ward->rec.id));
}

void journal_role(struct keeper *keeper, const struct role_slot *slot)
{
    journal_add(keeper, JOURNAL_ROLE, JOURNAL_BYTES(&slot->rec));
}

static int journal_write_all(struct keeper *keeper, struct records *out)
{
    int result = 0;
    struct ward *ward = NULL;
    for (enum keeper_role i = KEEPER_ROLE_CORE; result == 0 && i <= KEEPER_ROLE_EDGE; i++) {
        if (keeper->roles[i].rec.proc.pid > 0) {
            result = records_add(out, JOURNAL_ROLE, JOURNAL_BYTES(&keeper->roles[i].rec));
        }
    }
    while (result == 0 && (ward = ward_next(keeper, ward))) {
        result = records_add(out, JOURNAL_CHILD, JOURNAL_BYTES(&ward->rec));
    }
    for (size_t i = 0; result == 0 && i < keeper->handed_count; i++) {
        result = records_add(out, JOURNAL_HANDED, JOURNAL_BYTES(&keeper->handed[i]));
    }
    return result;
}

int journal_rewrite(struct keeper *keeper)
{
    char path[KEEPER_PATH_MAX];
    char fresh[KEEPER_PATH_MAX];
    struct records out = {.fd = -1};
    keeper_run_path(keeper, "keeper.journal", path);
    keeper_run_path(keeper, "keeper.journal.new", fresh);
    int result = journal_create(&out, fresh, keeper->boot_id, &keeper->cgroups);
    result = result < 0 ? result : journal_write_all(keeper, &out);
    result = result < 0 ? result : file_rename(fresh, path);
    if (result < 0) { /* the old one stays as it is */
        records_close(&out);
        (void)!file_unlink(fresh);
        return journal_fail(keeper, result);
    }
    if (keeper->journal_behind) {
        keeper_log(keeper, "keeper.journal is whole again");
    }
    keeper->journal_behind = false;
    loop_timer_cancel(&keeper->loop, &keeper->journal_timer);
    records_close(&keeper->journal);
    keeper->journal = out;
    return 0;
}

void journal_retry(struct timer *timer, int64_t now_ns)
{
    (void)journal_rewrite(container_of(timer, struct keeper, journal_timer));
}

static void journal_on_child(void *keeper, const struct journal_child *child)
{
    struct ward *ward = ward_find(keeper, str_from(child->id));
    ward = ward ? ward : ward_new(keeper, str_from(child->id));
    if (ward) {
        ward->rec = *child;
    }
}

static void journal_on_forget(void *keeper, struct str id)
{
    struct ward *ward = ward_find(keeper, id);
    if (ward) {
        ward_free(keeper, ward);
    }
}

static void journal_on_role(void *arg, const struct journal_role *role)
{
    struct keeper *keeper = arg;
    keeper->roles[role->role].rec = *role;
}

static void journal_on_cgroups(void *arg, const struct cgroup_root *root)
{
    struct keeper *keeper = arg;
    keeper->cgroups = *root;
}

static void journal_on_handed(void *arg, const struct journal_handed *handed)
{
    struct keeper *keeper = arg;
    if (keeper->handed_count < KEEPER_HANDED_MAX) {
        keeper->handed[keeper->handed_count++] = *handed;
    }
}

void journal_load(struct keeper *keeper)
{
    static const struct journal_ops ops = {journal_on_child, journal_on_forget, journal_on_role,
                                           journal_on_cgroups, journal_on_handed};
    char path[KEEPER_PATH_MAX];
    keeper_run_path(keeper, "keeper.journal", path);
    if (journal_read(path, keeper->boot_id, &ops, keeper) == RECORDS_E_DAMAGED) {
        keeper_log(keeper, "keeper.journal is damaged: what follows there is not used");
    }
}
