/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of children: places and names. Their life is child.c.
 *
 * 1. An id has at most one place. 2. No place from ward_top on is in use, so that walks end there.
 */
#include "base/map.h"
#include "base/num.h"
#include "keeper/private.h"

struct ward *ward_next(struct keeper *keeper, struct ward *after)
{
    struct ward *end = keeper->wards + keeper->ward_top;
    for (struct ward *ward = after ? after + 1 : keeper->wards; ward < end; ward++) {
        if (ward->used) {
            return ward;
        }
    }
    return NULL;
}

struct ward *ward_find(struct keeper *keeper, struct str id)
{
    uint64_t hash = map_hash(0, id);
    struct ward *ward = NULL;
    while ((ward = ward_next(keeper, ward))) {
        if (ward->hash == hash && str_is(id, ward->rec.id)) {
            break;
        }
    }
    return ward;
}

struct ward *ward_by_pid(struct keeper *keeper, int pid)
{
    struct ward *ward = NULL;
    while ((ward = ward_next(keeper, ward))) {
        if (ward->rec.running && ward->rec.proc.pid == pid) {
            break;
        }
    }
    return ward;
}

struct ward *ward_new(struct keeper *keeper, struct str id)
{
    for (size_t i = 0; i < KEEPER_CHILDREN_MAX; i++) {
        struct ward *ward = &keeper->wards[i];
        if (ward->used) {
            continue;
        }
        memset(ward, 0, sizeof(*ward));
        ward->used = true;
        ward->hash = map_hash(0, id);
        ward->exit_watch.fd = ward->empty_watch.fd = -1;
        str_copy(ward->rec.id, sizeof(ward->rec.id), id);
        keeper->ward_top = MAX(keeper->ward_top, i + 1);
        return ward;
    }
    return NULL;
}

void ward_free(struct keeper *keeper, struct ward *ward)
{
    ensure(ward->exit_watch.fd < 0 && ward->empty_watch.fd < 0);
    ward->used = false;
    while (keeper->ward_top > 0 && !keeper->wards[keeper->ward_top - 1].used) {
        keeper->ward_top--;
    }
}

bool ward_all_empty(struct keeper *keeper)
{
    struct ward *ward = NULL;
    while ((ward = ward_next(keeper, ward))) {
        if (!ward->rec.empty) {
            return false;
        }
    }
    return true;
}

void ward_message(const struct ward *ward, enum keeper_type type, struct keeper_msg *msg)
{
    const struct journal_child *rec = &ward->rec;
    keeper_msg_init(msg, type, str_from(rec->id));
    msg->a = (uint64_t)rec->proc.pid;
    msg->b = rec->proc.start_time;
    msg->c = (uint64_t)(uint32_t)rec->exit.code;
    msg->d = (rec->exit.known ? KEEPER_EXIT_KNOWN : 0u) |
             (rec->exit.signaled ? KEEPER_EXIT_SIGNALED : 0u) |
             (rec->exit.core_dumped ? KEEPER_EXIT_CORE : 0u) |
             (rec->running ? KEEPER_CHILD_RUNNING : 0u) | (rec->empty ? KEEPER_CHILD_EMPTY : 0u) |
             (rec->oom ? KEEPER_CHILD_OOM : 0u);
    msg->spec_hash = rec->spec_hash;
    memcpy(msg->ports, rec->ports, sizeof(msg->ports));
    memcpy(msg->trimmed, rec->trimmed, sizeof(msg->trimmed));
}
