/* SPDX-License-Identifier: Apache-2.0
 *
 * 1. A cookie says what only this instance can make: the MAC of the replica's name under a key of
 *    the state folder. So a client finds its replica again after a restart of anything, and cannot
 *    choose one. The edge gets the result and never the key.
 * 2. Numbers, not processes: what holds for replica 2 holds for its next process too.
 */
#include "run/publish_spread.h"

#include "base/encode.h"
#include "base/num.h"
#include "core/core.h"
#include "core/edge.h"
#include "core/keys.h"
#include "link/counters.h"
#include "os/file.h"
#include "os/rolelog.h"
#include "run/project.h"

#include <stdio.h>

enum { TAG_BYTES = 16 };

_Static_assert((int)BALANCE_NEAREST == (int)SNAPSHOT_NEAREST &&
                   (int)BALANCE_LEAST_LOAD == (int)SNAPSHOT_LEAST_LOAD &&
                   (int)HASH_PATH == (int)SNAPSHOT_HASH_PATH &&
                   (int)SPREAD_GROUPS == (int)SNAPSHOT_GROUPS &&
                   (int)SPREAD_WEIGHT_MAX == (int)SNAPSHOT_WEIGHT_MAX,
               "what a file can say is what the edge can do");

enum snapshot_balance publish_balance(const struct service_spec *spec)
{
    const struct spread_spec *spread = &spec->traffic.spread;
    int32_t balance = spread->chosen           ? spread->balance
                      : spec->routes_count > 0 ? spec->routes[0].balance
                                               : BALANCE_ROUND_ROBIN;
    return (enum snapshot_balance)balance;
}

/* What the file says of that replica; the last one that speaks of it counts. */
static const struct member_spec *member_of(const struct service *service, uint32_t number)
{
    const struct spread_spec *spread = &service->spec->traffic.spread;
    const struct member_spec *found = NULL;
    for (size_t i = 0; i < spread->members_count; i++) {
        const struct member_spec *member = &spread->members[i];
        found = number >= member->first && number <= member->last ? member : found;
    }
    return found;
}

void publish_spread(const struct service *service, struct snapshot_service *item,
                    char cookie[PUBLISH_COOKIE_MAX])
{
    const struct spread_spec *spread = &service->spec->traffic.spread;
    item->balance = publish_balance(service->spec);
    item->spread = (struct snapshot_spread){
        .hash = (enum snapshot_hash)spread->hash.by,
        .hash_name = spread->hash.name,
        .hash_bound = spread->hash.bound > 0 ? (uint32_t)spread->hash.bound : UINT32_MAX,
        .sticky_max_age = (uint32_t)(spread->sticky.max_age_ns / NS_PER_S),
        .sticky_secure = spread->sticky.secure,
        .panic = (uint32_t)spread->panic,
    };
    for (uint32_t n = 1; n <= service_scale(service, service->spec); n++) {
        const struct member_spec *member = member_of(service, n);
        item->spread.totals[member ? member->priority : 0]++;
    }
    if (spread->sticky.on) {
        snprintf(cookie, PUBLISH_COOKIE_MAX, "muelle_%s", service->name);
        item->spread.sticky = spread->sticky.cookie.len ? spread->sticky.cookie : str_from(cookie);
    }
}

/* Without a key there is no cookie, and it is said once. */
static bool sticky_key(struct core *core)
{
    if (!core->sticky_key_asked) {
        core->sticky_key_asked = true;
        int r = keys_get(core->instance.state_dir, "sticky", core->sticky_key);
        core->sticky_key_known = r == 0;
        if (r < 0) {
            rolelog(ROLELOG_ERROR, "core", "no sticky cookies: %s/keys/sticky: %s",
                    core->instance.state_dir, strerror(-r));
        }
    }
    return core->sticky_key_known;
}

static void set_tag(struct run *run, const struct replica *replica, struct snapshot_seat *seat)
{
    const struct service *service = replica->service;
    char name[3 * NAME_MAX_SIZE + 32];
    uint8_t mac[KEYS_MAC_LEN];
    struct buf text = BUF_INIT(64);
    int len = snprintf(name, sizeof(name), "sticky %s/%s/%s/%u", service->project->tenant,
                       service->project->name, service->name, replica->number);
    if (sticky_key(run->core) &&
        keys_mac(run->core->sticky_key, str_make(name, (size_t)len), mac) == 0) {
        encode_base64url(&text, str_make((const char *)mac, TAG_BYTES));
        (void)str_copy(seat->sticky, sizeof(seat->sticky), buf_str(&text));
    }
    buf_fini(&text);
}

struct snapshot_seat publish_seat(struct run *run, const struct replica *replica)
{
    const struct member_spec *member = member_of(replica->service, replica->number);
    struct snapshot_seat seat = {0};
    if (member) {
        seat.group = (uint32_t)member->priority;
        seat.located = member->located;
        seat.latitude = member->micro_latitude;
        seat.longitude = member->micro_longitude;
    }
    if (replica->service->spec->traffic.spread.sticky.on) {
        set_tag(run, replica, &seat);
    }
    return seat;
}

uint32_t publish_weight(const struct replica *replica)
{
    const struct seat *seat = seats_find(&replica->service->seats, replica->number);
    const struct member_spec *member = member_of(replica->service, replica->number);
    return seat && seat->weight.set ? seat->weight.value : member ? (uint32_t)member->weight : 1;
}

uint32_t publish_weight_wire(const struct replica *replica)
{
    uint32_t weight = publish_weight(replica);
    return weight ? weight : (uint32_t)SNAPSHOT_WEIGHT_NONE;
}

uint32_t publish_priority(const struct replica *replica)
{
    const struct member_spec *member = member_of(replica->service, replica->number);
    return member ? (uint32_t)member->priority : 0;
}

bool publish_drained(const struct replica *replica)
{
    const struct seat *seat = seats_find(&replica->service->seats, replica->number);
    return seat && seat->drained.set;
}

static bool any_located(const struct service *service)
{
    const struct spread_spec *spread = &service->spec->traffic.spread;
    bool located = false;
    for (size_t i = 0; i < spread->members_count; i++) {
        located = located || spread->members[i].located;
    }
    return located;
}

static bool any_load(const struct service *service)
{
    list_for_each (it, &service->members) {
        if (list_entry(it, struct replica, node)->load_known) {
            return true;
        }
    }
    return false;
}

static struct str places_of(const struct run *run)
{
    list_for_each (it, &run->projects) {
        const struct project *project = list_entry(it, struct project, node);
        if (project->spec && project->spec->gateway.geo_database.len > 0) {
            return project->spec->gateway.geo_database;
        }
    }
    return STR_NONE;
}

static bool find_places(const struct run *run, struct file_stat *ret)
{
    char path[4096];
    return str_copy(path, sizeof(path), places_of(run)) && path[0] && file_stat(path, ret) == 0;
}

uint64_t publish_places_digest(const struct run *run)
{
    struct file_stat stat;
    if (!find_places(run, &stat)) {
        return 0;
    }
    /* What the edge could not use it tries again with each snapshot. */
    uint64_t again =
        edge_link_has_places(run->core->edge) ? 0 : edge_link_published(run->core->edge);
    const uint64_t words[] = {stat.device, stat.inode, stat.size, (uint64_t)stat.mtime_ns, again};
    return map_hash(0, str_make((const char *)words, sizeof(words)));
}

static const char *no_places(const struct run *run, const struct service *service)
{
    struct file_stat stat;
    if (places_of(run).len == 0) {
        return "no gateway.geo_database is given";
    }
    if (!find_places(run, &stat)) {
        return "the file of gateway.geo_database is not there";
    }
    if (!edge_link_has_places(run->core->edge)) {
        return "the edge cannot use the file of gateway.geo_database: see muelle.log in the state "
               "folder";
    }
    return any_located(service) ? NULL : "no member has a location";
}

const char *publish_fallback(const struct run *run, const struct service *service)
{
    enum snapshot_balance balance = publish_balance(service->spec);
    if (balance == SNAPSHOT_NEAREST) {
        return no_places(run, service);
    }
    return balance == SNAPSHOT_LEAST_LOAD && !any_load(service)
               ? "no replica's use of CPU and memory is known yet"
               : NULL;
}
