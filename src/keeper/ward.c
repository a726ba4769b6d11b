/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of children: places and names. Their life is child.c.
 *
 * 1. An id has at most one place.
 * 2. No place from ward_top on is in use, so that walks end there.
 * 3. Places do not move while they are used: loop watches lie in them, and CHILDREN counts them.
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
    WARD_EACH (keeper, ward) {
        if (ward->hash == hash && str_is(id, ward->rec.id)) {
            return ward;
        }
    }
    return NULL;
}

struct ward *ward_by_pid(struct keeper *keeper, int pid)
{
    WARD_EACH (keeper, ward) {
        if (ward->rec.running && ward->rec.proc.pid == pid) {
            return ward;
        }
    }
    return NULL;
}

struct ward *ward_new(struct keeper *keeper, struct str id)
{
    size_t i = 0;
    while (i < KEEPER_CHILDREN_MAX && keeper->wards[i].used) {
        i++;
    }
    if (i == KEEPER_CHILDREN_MAX) {
        return NULL;
    }
    struct ward *ward = &keeper->wards[i];
    *ward = (struct ward){.used = true, .keeper = keeper, .hash = map_hash(0, id)};
    ward->exit_watch.fd = ward->empty_watch.fd = -1;
    str_copy(ward->rec.id, sizeof(ward->rec.id), id);
    keeper->ward_top = MAX(keeper->ward_top, i + 1);
    return ward;
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
    WARD_EACH (keeper, ward) {
        if (!ward->rec.empty) {
            return false;
        }
    }
    return true;
}
