/* SPDX-License-Identifier: Apache-2.0
 *
 * Restarts that go along. A service is restarted by an operator or replaced by a changed file, and
 * those that depend on it with `restart: true` are restarted after it, theirs after them, and so
 * on. A crash takes nobody along.
 *
 * Invariants
 *  1. Who goes along is written in the transaction of the restart or of the file (override
 *     `follow`, with a number): a core that dies in any moment leaves it to the next one.
 *  2. A follower is restarted when what it follows has settled, so it meets the new one; and once,
 *     however long its chain is.
 *  3. Only what lives goes along: a task that is done is not done again.
 *
 * An operator's restart of the follower itself meanwhile takes the place of this one. What never
 * settles (a replacement that does not become ready) keeps its followers waiting, as it keeps the
 * one it is to replace serving; the service's reason says so.
 */
#include "run/follow.h"
#include "core/mutate.h"
#include "run/graph.h"
#include "run/project.h"
#include "store/tables.h"

#include <stdio.h>
#include <stdlib.h>

/* --- who --- */

static int add(struct follow *follow, size_t max, struct str name)
{
    if (!follow->names) {
        follow->names = calloc(max, sizeof(*follow->names));
    }
    if (!follow->names) {
        return -ENOMEM;
    }
    str_copy(follow->names[follow->count++], sizeof(*follow->names), name);
    return 0;
}

int follow_service(struct follow *follow, const struct project *project, struct str service)
{
    const struct project_spec *spec = project->spec;
    size_t count = spec->services_count;
    bool *marks = calloc(2 * count + 1, sizeof(*marks));
    if (!marks) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        marks[i] = str_eq(spec->services[i].name, service);
    }
    int r = graph_followers(spec, marks, marks + count);
    for (size_t i = 0; r == 0 && i < count; i++) {
        r = marks[count + i] ? add(follow, count, spec->services[i].name) : 0;
    }
    free(marks);
    return r;
}

int follow_plan(struct follow *follow, const struct plan *plan)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < plan->item_count; i++) {
        r = plan->items[i].follows ? add(follow, plan->item_count, plan->items[i].service) : 0;
    }
    return r;
}

void follow_fini(struct follow *follow)
{
    free(follow->names);
    *follow = (struct follow){0};
}

/* --- committed, then begun --- */

void follow_put(const struct follow *follow, struct txn *txn, const struct bus_id *id,
                struct str actor, int64_t wall_ns)
{
    char act[24];
    ensure(id && (follow->names || follow->count == 0));
    snprintf(act, sizeof(act), "%lld", (long long)follow->act);
    for (size_t i = 0; i < follow->count && !MUTATE(follow_in_memory); i++) {
        override_put(txn, &(struct override_row){
                              .tenant = str_from(id->tenant),
                              .project = str_from(id->project),
                              .service = str_from(follow->names[i]),
                              .field = STR("follow"),
                              .value = str_from(act),
                              .origin = STR("api"),
                              .actor = actor,
                              .generation = 1,
                              .time = wall_ns,
                          });
    }
}

void follow_look(struct replica *replica, uint8_t state)
{
    bool lives = state == REPLICA_STARTING || state == REPLICA_RUNNING ||
                 state == REPLICA_UNHEALTHY || state == REPLICA_STOPPING;
    replica->follow_due = lives && replica->follow_seen < replica->service->followed_act;
    if (!replica->follow_due) {
        follow_done(replica);
    }
}

static void look_members(struct service *service)
{
    list_for_each (it, &service->members) {
        struct replica *replica = list_entry(it, struct replica, node);
        if (!replica->retiring && !replica->doomed) {
            follow_look(replica, replica->sm.state);
        }
    }
}

void follow_begin(const struct follow *follow, struct project *project)
{
    for (size_t i = 0; i < follow->count; i++) {
        struct service *service = service_find(project, str_from(follow->names[i]));
        if (service && !MUTATE(alone)) {
            service->followed_act = follow->act;
            look_members(service);
        }
    }
}

void follow_end(struct service *service)
{
    service->followed_act = 0;
    look_members(service);
}

/* --- when --- */

/* Something of it is still to be replaced, or is going. One that is replaced counts until its
 * process has ended, whatever was asked of it, and one that has none starts anew in any case: a new
 * core may meet them before it has looked at all that is due. */
static bool is_old(const struct replica *replica)
{
    bool lives = replica->sm.alive || replica->sm.spawning;
    if (replica->retiring || replica->sm.state == REPLICA_PENDING) {
        return lives;
    }
    return replica->restart_due || replica->follow_due || replica->sm.state == REPLICA_STOPPING ||
           (lives && replica_outdated(replica));
}

static bool any_member(struct service *service, bool (*test)(const struct replica *replica))
{
    if (service_wanted(service) == 0) {
        return false; /* it was stopped: nothing to wait for */
    }
    list_for_each (it, &service->members) {
        const struct replica *replica = list_entry(it, struct replica, node);
        if (!replica->doomed && test(replica)) {
            return true;
        }
    }
    return false;
}

static bool is_unsettled(const struct replica *replica)
{
    return is_old(replica) || replica->sm.state == REPLICA_STARTING;
}

/* Is one that it goes along with … */
static bool any_followed(const struct service *service, bool (*test)(const struct replica *replica))
{
    for (size_t i = 0; i < service->spec->depends_on_count; i++) {
        const struct depends_spec *depends = &service->spec->depends_on[i];
        struct service *on =
            depends->restart ? service_find(service->project, depends->service) : NULL;
        if (on && any_member(on, test)) {
            return true;
        }
    }
    return false;
}

bool follow_waits(const struct replica *replica)
{
    return replica->follow_due && any_followed(replica->service, is_unsettled);
}

void follow_done(struct replica *replica)
{
    replica->follow_due = false;
    replica->follow_seen = replica->service->followed_act;
}

void follow_started(struct replica *replica)
{
    if (!replica->follow_due || !any_followed(replica->service, is_old)) {
        follow_done(replica);
    }
}
