/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a journal: see journal.h. It is another process's work: texts are checked to end, roles
 * and rungs to exist; a record that is not right is skipped, an unknown one is a newer keeper's.
 */
#include "link/journal.h"

enum { JOURNAL_VERSION = 1 };

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

int journal_create(struct records *journal, const char *path, const char *boot_id,
                   const struct cgroup_root *cgroups)
{
    struct records_form form = journal_form(boot_id);
    int result = records_create(journal, path, &form);
    if (result < 0) {
        return result;
    }
    result = records_add(journal, JOURNAL_CGROUP, JOURNAL_BYTES(cgroups));
    if (result < 0) {
        records_close(journal);
    }
    return result;
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

int journal_read(const char *path, const char *boot_id, const struct journal_ops *ops, void *arg)
{
    struct records_form form = journal_form(boot_id);
    struct journal_reader reader = {ops, arg};
    return records_read(path, &form, sizeof(union journal_payload), journal_take, &reader);
}
