/* SPDX-License-Identifier: Apache-2.0
 *
 * What the keeper writes into its journal (link/journal.h), and knowing what the last one wrote.
 *
 * 1. Who changes a ward or a role calls memory_* before anybody is told.
 * 2. A fresh file says all that the tables say, so what is forgotten must be out of them first.
 * 3. Reading fills tables only: nothing is opened, watched or killed before all is read (child.c,
 *    role.c adopt then).
 *
 * A journal that cannot be read, or is of another boot, is no journal: the instance begins anew.
 */
#include "keeper/private.h"

void memory_ward(struct keeper *keeper, const struct ward *ward)
{
    journal_add(&keeper->journal, JOURNAL_CHILD, JOURNAL_BYTES(&ward->rec));
}

void memory_role(struct keeper *keeper, const struct role_slot *slot)
{
    journal_add(&keeper->journal, JOURNAL_ROLE, JOURNAL_BYTES(&slot->rec));
}

static int memory_fill(struct journal *journal, struct records *out)
{
    struct keeper *keeper = container_of(journal, struct keeper, journal);
    int result = records_add(out, JOURNAL_CGROUP, JOURNAL_BYTES(&keeper->cgroups));
    for (enum keeper_role i = KEEPER_ROLE_CORE; result == 0 && i <= KEEPER_ROLE_EDGE; i++) {
        if (keeper->roles[i].rec.proc.pid > 0) {
            result = records_add(out, JOURNAL_ROLE, JOURNAL_BYTES(&keeper->roles[i].rec));
        }
    }
    WARD_EACH (keeper, ward) {
        result = result < 0 ? result : records_add(out, JOURNAL_CHILD, JOURNAL_BYTES(&ward->rec));
    }
    for (size_t i = 0; result == 0 && i < keeper->handed_count; i++) {
        result = records_add(out, JOURNAL_HANDED, JOURNAL_BYTES(&keeper->handed[i]));
    }
    return result;
}

static void memory_on_child(void *keeper, const struct journal_child *child)
{
    struct ward *ward = ward_find(keeper, str_from(child->id));
    ward = ward ? ward : ward_new(keeper, str_from(child->id));
    if (ward) {
        ward->rec = *child;
    }
}

static void memory_on_forget(void *keeper, struct str id)
{
    struct ward *ward = ward_find(keeper, id);
    if (ward) {
        ward_free(keeper, ward);
    }
}

static void memory_on_role(void *arg, const struct journal_role *role)
{
    struct keeper *keeper = arg;
    keeper->roles[role->role].rec = *role;
}

static void memory_on_cgroups(void *arg, const struct cgroup_root *root)
{
    struct keeper *keeper = arg;
    keeper->cgroups = *root;
}

static void memory_on_handed(void *arg, const struct journal_handed *handed)
{
    struct keeper *keeper = arg;
    if (keeper->handed_count < KEEPER_HANDED_MAX) {
        keeper->handed[keeper->handed_count++] = *handed;
    }
}

static void memory_say(struct journal *journal, const char *text)
{
    rolelog(ROLELOG_ERROR, "keeper", "%s", text);
}

void memory_load(struct keeper *keeper)
{
    static const struct journal_ops ops = {memory_on_child, memory_on_forget, memory_on_role,
                                           memory_on_cgroups, memory_on_handed};
    struct journal *journal = &keeper->journal;
    journal->loop = &keeper->loop;
    journal->fill = memory_fill;
    journal->say = memory_say;
    journal_init(journal);
    keeper_run_path(keeper, "keeper.journal", journal->path);
    (void)journal_read(journal, &ops, keeper);
}
