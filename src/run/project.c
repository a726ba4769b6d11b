/* SPDX-License-Identifier: Apache-2.0
 *
 * The tree of projects, services and replicas: finding, making, freeing. No decisions.
 */
#include "run/project.h"
#include "core/mutate.h"
#include "link/snapshot_types.h"
#include "run/health.h"
#include "run/life.h"
#include "run/model.h"
#include "run/port.h"
#include "run/publish.h"
#include "run/renewal.h"

#include <stdio.h>
#include <stdlib.h>

struct project *project_find(struct run *run, struct str tenant, struct str name)
{
    list_for_each (it, &run->projects) {
        struct project *project = list_entry(it, struct project, node);
        if (str_is(name, project->name) && str_is(tenant, project->tenant)) {
            return project;
        }
    }
    return NULL;
}

struct project *project_new(struct run *run, struct str tenant, struct str name)
{
    size_t count = 0;
    list_for_each (it, &run->projects) {
        count++;
    }
    struct project *project = count < RUN_PROJECTS_MAX ? calloc(1, sizeof(*project)) : NULL;
    if (!project) {
        return NULL;
    }
    str_copy(project->tenant, sizeof(project->tenant), tenant);
    str_copy(project->name, sizeof(project->name), name);
    list_init(&project->services);
    list_push_back(&run->projects, &project->node);
    return project;
}

void project_free(struct run *run, struct project *project)
{
    list_for_each_safe (it, &project->services) {
        service_free(run, list_entry(it, struct service, node));
    }
    list_del(&project->node);
    project_spec_unref(project->spec);
    source_unref(project->source);
    free(project);
}

struct service *service_find(struct project *project, struct str name)
{
    list_for_each (it, &project->services) {
        struct service *service = list_entry(it, struct service, node);
        if (str_is(name, service->name)) {
            return service;
        }
    }
    return NULL;
}

struct service *service_new(struct run *run, struct project *project, struct str name)
{
    struct service *service = calloc(1, sizeof(*service));
    if (!service) {
        return NULL;
    }
    service->project = project;
    str_copy(service->name, sizeof(service->name), name);
    service->id = link_id(str_from(project->tenant), str_from(project->name), name, STR_NONE);
    list_init(&service->members);
    list_push_back(&project->services, &service->node);
    service->driver = run->none;
    return service;
}

void service_free(struct run *run, struct service *service)
{
    list_for_each_safe (it, &service->members) {
        replica_free(run, list_entry(it, struct replica, node));
    }
    list_del(&service->node);
    project_spec_unref(service->project_spec);
    project_spec_unref(service->told_spec);
    source_unref(service->source);
    seats_fini(&service->seats);
    free(service);
}

void replica_id(const struct service *service, uint32_t number, uint8_t slot, char ret[RUN_ID_MAX])
{
    snprintf(ret, RUN_ID_MAX, "%s/%s/%s/%u%s", service->project->tenant, service->project->name,
             service->name, number, slot ? ".b" : "");
}

static void replica_name(struct replica *replica)
{
    const struct service *service = replica->service;
    const struct project *project = service->project;
    replica_id(service, replica->number, replica->slot, replica->id);
    ptrdiff_t slash = str_rfind_char(str_from(replica->id), '/');
    replica->endpoint =
        link_id(str_from(project->tenant), str_from(project->name), str_from(service->name),
                str_skip(str_from(replica->id), (size_t)slash + 1));
}

struct replica *replica_new(struct run *run, struct service *service, uint32_t number, uint8_t slot)
{
    struct replica *replica = calloc(1, sizeof(*replica));
    if (!replica) {
        return NULL;
    }
    replica->service = service;
    replica->number = number;
    replica->slot = slot;
    replica_name(replica);
    replica_init(&replica->sm);
    replica_life_init(replica);
    if (map_put(&run->endpoints,
                str_make((const char *)&replica->endpoint, sizeof(replica->endpoint)),
                replica) < 0) {
        free(replica);
        return NULL;
    }
    struct list *at = &service->members;
    list_for_each (it, &service->members) {
        if (list_entry(it, struct replica, node)->number > number) {
            at = it;
            break;
        }
    }
    list_insert(at, &replica->node);
    replica_use_spec(replica);
    return replica;
}

void replica_free(struct run *run, struct replica *replica)
{
    replica_life_fini(run, replica);
    health_stopped(run, replica);
    replica->service->driver->ops->cancel(replica->service->driver, replica);
    map_take(&run->endpoints,
             str_make((const char *)&replica->endpoint, sizeof(replica->endpoint)));
    port_put(run, replica->port);
    list_del(&replica->node);
    project_spec_unref(replica->project_spec);
    source_unref(replica->source);
    free(replica);
}

struct replica *replica_current(struct service *service, uint32_t number)
{
    list_for_each (it, &service->members) {
        struct replica *replica = list_entry(it, struct replica, node);
        if (replica->number == number && !replica->retiring && !replica->doomed) {
            return replica;
        }
    }
    return NULL;
}

struct replica *replica_by_id(struct run *run, struct str id)
{
    struct str parts[4], rest = id;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        str_split(rest, '/', &parts[i], &rest);
    }
    struct project *project = project_find(run, parts[0], parts[1]);
    struct service *service = project ? service_find(project, parts[2]) : NULL;
    if (!service) {
        return NULL;
    }
    list_for_each (it, &service->members) {
        struct replica *replica = list_entry(it, struct replica, node);
        if (str_is(id, replica->id)) {
            return replica;
        }
    }
    return NULL;
}

static struct replica_policy policy_of(const struct service *service)
{
    const struct service_spec *spec = service->spec;
    struct replica_policy policy = replica_policy_default;
    switch (spec->restart.mode) {
    case RESTART_NO:
        policy.restart = REPLICA_RESTART_NO;
        break;
    case RESTART_ON_FAILURE:
        policy.restart = REPLICA_RESTART_ON_FAILURE;
        break;
    default:
        policy.restart = REPLICA_RESTART_ALWAYS;
        break;
    }
    policy.retries_max = (uint32_t)MIN(MAX(spec->restart.max_attempts, 0), 1000000);
    policy.backoff_initial_ns =
        spec->restart.initial_ns > 0 ? spec->restart.initial_ns : policy.backoff_initial_ns;
    policy.backoff_max_ns = spec->restart.max_ns > 0 ? spec->restart.max_ns : policy.backoff_max_ns;
    policy.backoff_reset_ns =
        spec->restart.reset_ns > 0 ? spec->restart.reset_ns : policy.backoff_reset_ns;
    policy.backoff_factor =
        spec->restart.factor >= 1 ? spec->restart.factor : policy.backoff_factor;
    policy.grace_ns = spec->stop_grace_ns >= 0 ? spec->stop_grace_ns : policy.grace_ns;
    policy.probed =
        publish_probed(spec, service->project_spec) || spec->health.kind == HEALTH_COMMAND;
    if (!publish_has_endpoint(spec, service->project_spec)) {
        policy.drain_ns = 0; /* no request can be on its way to it */
    }
    return policy;
}

void replica_use_spec(struct replica *replica)
{
    struct service *service = replica->service;
    struct project_spec *old = replica->project_spec;
    struct source *old_source = replica->source;
    replica->project_spec = project_spec_ref(service->project_spec);
    replica->source = source_ref(service->source);
    replica->spec = service->spec;
    replica->policy = policy_of(service);
    if (replica_gone(&replica->sm)) {
        replica->spec_hash = service->spec->spec_hash;
    }
    project_spec_unref(old);
    source_unref(old_source);
}

void service_obeyed(const struct service *service, struct replica *replica)
{
    replica->restart_due = false;
    replica->act_seen = MAX(service->started_act, service->restarted_act);
}

void service_obey(const struct service *service, struct replica *replica, uint8_t state)
{
    bool ended = state == REPLICA_COMPLETED || state == REPLICA_CRASHED;
    bool idle = state == REPLICA_PENDING || state == REPLICA_STOPPED; /* starts anew in any case */
    bool restart = replica->act_seen < service->restarted_act && !idle;
    bool start = replica->act_seen < service->started_act && ended;
    replica->restart_due = replica->restart_due || restart || start;
    if (!replica->restart_due) {
        service_obeyed(service, replica);
    }
}

bool replica_outdated(const struct replica *replica)
{
    return replica->spec_hash != replica->service->spec->spec_hash && !MUTATE(ignore_spec_change);
}

uint32_t service_scale(const struct service *service, const struct service_spec *spec)
{
    if (service && service->replicas.set && !MUTATE(lost_override)) {
        return MIN(service->replicas.value, RUN_REPLICAS_MAX);
    }
    return (uint32_t)MIN(MAX(spec->replicas, 0), RUN_REPLICAS_MAX);
}

uint32_t service_wanted(const struct service *service)
{
    return service->removing || service->stopped.set ? 0 : service_scale(service, service->spec);
}

bool service_scaled_to_0(const struct service *service)
{
    return !service->removing && !service->stopped.set &&
           service_scale(service, service->spec) == 0;
}

struct bus_id service_bus_id(const struct service *service)
{
    return bus_id_make(str_from(service->project->tenant), str_from(service->project->name),
                       str_from(service->name), 0);
}

struct bus_id replica_bus_id(const struct replica *replica)
{
    struct bus_id id = service_bus_id(replica->service);
    id.replica = replica->number;
    return id;
}

void service_changed(struct run *run, struct service *service)
{
    bus_publish(run->core->bus,
                &(struct bus_message){.topic = BUS_SERVICE_CHANGED, .id = service_bus_id(service)});
}

/* A service takes its place in the new file over. Replicas whose process may go on take the new
 * policy at once; the others are replaced by reconcile. */
static void service_take(struct run *run, struct service *service, struct source *source,
                         struct project_spec *project_spec, const struct service_spec *spec)
{
    bool changed = !service->spec || service->spec->spec_hash != spec->spec_hash;
    struct project_spec *old = service->project_spec;
    struct source *old_source = service->source;
    service->project_spec = project_spec_ref(project_spec);
    service->source = source_ref(source);
    service->spec = spec;
    service->removing = false;
    service->driver = spec->kind == SERVICE_PROCESS ? run->process : run->none;
    if (changed) {
        service->generation = service->project->generation;
    }
    list_for_each (it, &service->members) {
        struct replica *replica = list_entry(it, struct replica, node);
        if (!replica_outdated(replica) && !replica->retiring) {
            replica_use_spec(replica);
            replica->restart_due = replica->restart_due || MUTATE(restart_unchanged);
        }
    }
    project_spec_unref(old);
    source_unref(old_source);
    service_changed(run, service);
}

static void drop_unborn(struct run *run, struct project *project)
{
    list_for_each_safe (it, &project->services) {
        struct service *service = list_entry(it, struct service, node);
        if (!service->spec) {
            service_free(run, service);
        }
    }
}

int project_take(struct run *run, struct project *project, struct source *source,
                 struct project_spec *spec)
{
    /* All that may fail comes first: a project never has half of its services. */
    for (size_t i = 0; i < spec->services_count; i++) {
        struct str name = spec->services[i].name;
        if (!service_find(project, name) && !service_new(run, project, name)) {
            drop_unborn(run, project);
            return -ENOMEM;
        }
    }
    list_for_each (it, &project->services) {
        struct service *service = list_entry(it, struct service, node);
        if (!project_spec_service(spec, str_from(service->name)) && service->spec) {
            service->removing = true;
            service_changed(run, service);
        }
    }
    for (size_t i = 0; i < spec->services_count; i++) {
        struct service *service = service_find(project, spec->services[i].name);
        ensure(service);          /* each was found or made above */
        list_del(&service->node); /* the order of the file; those that go stand in front */
        list_push_back(&project->services, &service->node);
        service_take(run, service, source, spec, &spec->services[i]);
    }
    struct project_spec *old = project->spec;
    struct source *old_source = project->source;
    project->spec = project_spec_ref(spec);
    project->source = source_ref(source);
    spent_put(&run->spent, old);
    source_unref(old_source);
    renewal_watch(run, project);
    return 0;
}
