/* SPDX-License-Identifier: Apache-2.0
 *
 * What changed is found by a table of keys, each with a function that compares two specs. Whether a
 * change needs a restart is not decided here: spec_hash says it, so the schema's tables stay the
 * one place for that. The table is for the words. `traffic` and `gateway` have many keys, each of
 * which may change alone: theirs are told apart by what is written.
 */
#include "run/plan.h"
#include "run/graph.h"
#include "schema/load.h"

enum { WRITTEN_MAX = 32, REASON_BYTES_MAX = 2048 };

static const char *const names[PLAN_ACTION_COUNT] = {
    [PLAN_UNCHANGED] = "unchanged", [PLAN_CREATE] = "create", [PLAN_REMOVE] = "remove",
    [PLAN_RESTART] = "restart",     [PLAN_SCALE] = "scale",   [PLAN_UPDATE] = "update",
    [PLAN_FOLLOW] = "follow",
};

const char *plan_action_name(enum plan_action action)
{
    ensure(action < PLAN_ACTION_COUNT);
    return names[action];
}

struct str plan_restart_name(const struct plan_item *item)
{
    switch (item->action) {
    case PLAN_CREATE:
    case PLAN_REMOVE:
        return STR_NONE;
    case PLAN_RESTART:
    case PLAN_FOLLOW:
        return item->idle ? STR("none") : item->start_first ? STR("rolling") : STR("stop_first");
    default:
        return STR("none");
    }
}

static bool strs_eq(const struct str *a, size_t na, const struct str *b, size_t nb)
{
    if (na != nb) {
        return false;
    }
    for (size_t i = 0; i < na; i++) {
        if (!str_eq(a[i], b[i])) {
            return false;
        }
    }
    return true;
}

static bool pairs_eq(const struct spec_pair *a, size_t na, const struct spec_pair *b, size_t nb)
{
    if (na != nb) {
        return false;
    }
    for (size_t i = 0; i < na; i++) {
        if (!str_eq(a[i].name, b[i].name) || !str_eq(a[i].value, b[i].value)) {
            return false;
        }
    }
    return true;
}

static bool same_command(const struct service_spec *a, const struct service_spec *b)
{
    return a->kind == b->kind && strs_eq(a->argv, a->argv_count, b->argv, b->argv_count);
}

static bool same_working_dir(const struct service_spec *a, const struct service_spec *b)
{
    return str_eq(a->working_dir, b->working_dir);
}

static bool same_environment(const struct service_spec *a, const struct service_spec *b)
{
    return pairs_eq(a->environment, a->environment_count, b->environment, b->environment_count);
}

static bool same_user(const struct service_spec *a, const struct service_spec *b)
{
    return str_eq(a->user, b->user) && a->umask == b->umask;
}

static bool same_image(const struct service_spec *a, const struct service_spec *b)
{
    return str_eq(a->image, b->image);
}

static bool same_limits(const struct service_spec *a, const struct service_spec *b)
{
    if (a->ulimits_count != b->ulimits_count) {
        return false;
    }
    for (size_t i = 0; i < a->ulimits_count; i++) {
        const struct ulimit_spec *x = &a->ulimits[i], *y = &b->ulimits[i];
        if (!str_eq(x->name, y->name) || x->soft != y->soft || x->hard != y->hard) {
            return false;
        }
    }
    return a->limits.memory_bytes == b->limits.memory_bytes && a->limits.pids == b->limits.pids &&
           !(a->limits.cpus < b->limits.cpus) && !(a->limits.cpus > b->limits.cpus) &&
           a->oom_score_adj == b->oom_score_adj && a->nice == b->nice;
}

static bool same_port(const struct service_spec *a, const struct service_spec *b)
{
    return a->port == b->port && a->listen_fds == b->listen_fds;
}

static bool same_ports(const struct service_spec *a, const struct service_spec *b)
{
    if (a->ports_count != b->ports_count) {
        return false;
    }
    for (size_t i = 0; i < a->ports_count; i++) {
        const struct port_spec *x = &a->ports[i], *y = &b->ports[i];
        if (!str_eq(x->host_ip, y->host_ip) || x->published != y->published ||
            x->target != y->target || x->published_end != y->published_end ||
            x->protocol != y->protocol) {
            return false;
        }
    }
    return true;
}

static bool same_depends(const struct service_spec *a, const struct service_spec *b)
{
    if (a->depends_on_count != b->depends_on_count) {
        return false;
    }
    for (size_t i = 0; i < a->depends_on_count; i++) {
        const struct depends_spec *x = &a->depends_on[i], *y = &b->depends_on[i];
        if (!str_eq(x->service, y->service) || x->condition != y->condition ||
            x->restart != y->restart || x->required != y->required) {
            return false;
        }
    }
    return true;
}

static bool same_restart(const struct service_spec *a, const struct service_spec *b)
{
    const struct restart_spec *x = &a->restart, *y = &b->restart;
    return x->mode == y->mode && x->max_attempts == y->max_attempts &&
           x->initial_ns == y->initial_ns && x->max_ns == y->max_ns && x->reset_ns == y->reset_ns &&
           !(x->factor < y->factor) && !(x->factor > y->factor) &&
           memcmp(a->success_exit_codes_mask, b->success_exit_codes_mask,
                  sizeof(a->success_exit_codes_mask)) == 0;
}

static bool same_stop(const struct service_spec *a, const struct service_spec *b)
{
    return str_eq(a->stop_signal, b->stop_signal) && a->stop_grace_ns == b->stop_grace_ns;
}

static bool same_health(const struct service_spec *a, const struct service_spec *b)
{
    const struct health_spec *x = &a->health, *y = &b->health;
    return x->kind == y->kind && strs_eq(x->argv, x->argv_count, y->argv, y->argv_count) &&
           str_eq(x->http_path, y->http_path) && x->http_port == y->http_port &&
           str_eq(x->http_host, y->http_host) && x->interval_ns == y->interval_ns &&
           x->timeout_ns == y->timeout_ns && x->start_period_ns == y->start_period_ns &&
           x->start_interval_ns == y->start_interval_ns && x->retries == y->retries;
}

static bool same_websocket(const struct websocket_spec *a, const struct websocket_spec *b)
{
    return a->check == b->check && a->message_max == b->message_max && a->ping_ns == b->ping_ns &&
           a->idle_ns == b->idle_ns && a->connections_max == b->connections_max;
}

static bool same_routes(const struct service_spec *a, const struct service_spec *b)
{
    if (a->routes_hash != 0 && a->routes_hash == b->routes_hash) {
        return true; /* nearly always, and there may be thousands */
    }
    if (a->routes_count != b->routes_count) {
        return false;
    }
    for (size_t i = 0; i < a->routes_count; i++) {
        const struct route_spec *x = &a->routes[i], *y = &b->routes[i];
        if (!str_eq(x->host, y->host) || !str_eq(x->path, y->path) || x->balance != y->balance ||
            x->passthrough != y->passthrough || x->strip_prefix != y->strip_prefix ||
            x->connect != y->connect || x->client_certificate != y->client_certificate ||
            !same_websocket(&x->websocket, &y->websocket)) {
            return false;
        }
    }
    return true;
}

static bool same_spread(const struct service_spec *a, const struct service_spec *b)
{
    const struct upstream_tls_spec *t = &a->traffic.tls, *u = &b->traffic.tls;
    if (t->on != u->on || t->verify != u->verify || !str_eq(t->server_name, u->server_name) ||
        !str_eq(t->ca, u->ca) || !str_eq(t->cert, u->cert) || !str_eq(t->key, u->key)) {
        return false;
    }
    const struct spread_spec *x = &a->traffic.spread, *y = &b->traffic.spread;
    bool same = a->traffic.socket == b->traffic.socket &&
                a->traffic.announce == b->traffic.announce && x->balance == y->balance &&
                x->chosen == y->chosen && x->panic == y->panic && x->hash.by == y->hash.by &&
                str_eq(x->hash.name, y->hash.name) && x->hash.bound == y->hash.bound &&
                x->sticky.on == y->sticky.on && str_eq(x->sticky.cookie, y->sticky.cookie) &&
                x->sticky.max_age_ns == y->sticky.max_age_ns &&
                x->sticky.secure == y->sticky.secure && x->members_count == y->members_count;
    for (size_t i = 0; same && i < x->members_count; i++) {
        const struct member_spec *m = &x->members[i], *n = &y->members[i];
        same = str_eq(m->replicas, n->replicas) && m->weight == n->weight &&
               m->priority == n->priority && str_eq(m->location, n->location);
    }
    return same;
}

static bool same_logging(const struct service_spec *a, const struct service_spec *b)
{
    return a->logging.mode == b->logging.mode && a->logging.burst_bytes == b->logging.burst_bytes &&
           a->logging.max_bytes == b->logging.max_bytes &&
           a->logging.max_age_ns == b->logging.max_age_ns;
}

static bool same_labels(const struct service_spec *a, const struct service_spec *b)
{
    return pairs_eq(a->labels, a->labels_count, b->labels, b->labels_count);
}

static bool same_certificate(const struct certificate_spec *a, const struct certificate_spec *b)
{
    return str_eq(a->cert, b->cert) && str_eq(a->key, b->key) && str_eq(a->chain, b->chain) &&
           str_eq(a->ocsp, b->ocsp);
}

static bool same_tls(const struct gateway_tls_spec *a, const struct gateway_tls_spec *b)
{
    bool same = a->certificates_count == b->certificates_count;
    for (size_t i = 0; same && i < a->certificates_count; i++) {
        same = same_certificate(&a->certificates[i], &b->certificates[i]);
    }
    return same && a->min_version == b->min_version && str_eq(a->client_ca, b->client_ca) &&
           a->client_certificate == b->client_certificate && a->tickets == b->tickets &&
           a->light == b->light && a->ocsp_fetch == b->ocsp_fetch;
}

static bool same_listen(const struct listen_spec *a, const struct listen_spec *b)
{
    return str_eq(a->address, b->address) && str_eq(a->service, b->service) &&
           a->target == b->target && same_certificate(&a->certificate, &b->certificate) &&
           a->redirect_port == b->redirect_port;
}

static const struct {
    struct str key;
    bool (*same)(const struct service_spec *a, const struct service_spec *b);
} keys[] = {
    {STR_INIT("command"), same_command},
    {STR_INIT("working_dir"), same_working_dir},
    {STR_INIT("environment"), same_environment},
    {STR_INIT("user"), same_user},
    {STR_INIT("image"), same_image},
    {STR_INIT("limits"), same_limits},
    {STR_INIT("port"), same_port},
    {STR_INIT("ports"), same_ports},
    {STR_INIT("depends_on"), same_depends},
    {STR_INIT("restart"), same_restart},
    {STR_INIT("stop_signal"), same_stop},
    {STR_INIT("healthcheck"), same_health},
    {STR_INIT("routes"), same_routes},
    {STR_INIT("logging"), same_logging},
    {STR_INIT("labels"), same_labels},
};

static bool may_overlap(const struct service_spec *spec)
{
    return spec->routes_count > 0 && spec->port == 0;
}

bool plan_is_fed(const struct service_spec *spec)
{
    return spec->tty || spec->logging.mode == LOGGING_PIPE;
}

bool plan_start_first(const struct service_spec *old, const struct service_spec *fresh)
{
    return may_overlap(old) && may_overlap(fresh) && plan_is_fed(old) == plan_is_fed(fresh);
}

/* "traffic.queue" for each key that is written differently; the map's own name when what it means
 * differs for another reason (a folder that paths are taken from). */
static int find_written(struct arena *arena, const char *map, const struct value *a,
                        const struct value *b, struct plan_item *item)
{
    struct str found[WRITTEN_MAX], *changes = (struct str *)(uintptr_t)item->changes;
    size_t count = schema_changed_keys(a, b, found, WRITTEN_MAX);
    count = MIN(count, (size_t)WRITTEN_MAX);
    for (size_t i = 0; i < count; i++) {
        struct str change = arena_printf(arena, "%s." STR_FMT, map, STR_ARG(found[i]));
        if (!change.p) {
            return -ENOMEM;
        }
        changes[item->change_count++] = change;
    }
    return count > 0;
}

static int find_changes(struct arena *arena, const struct service_spec *a,
                        const struct service_spec *b, struct plan_item *item)
{
    struct str *changes = arena_array(arena, ARRAY_LEN(keys) + WRITTEN_MAX, sizeof(*changes));
    if (!changes) {
        return -ENOMEM;
    }
    item->changes = changes;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        if (!keys[i].same(a, b)) {
            changes[item->change_count++] = keys[i].key;
        }
    }
    int r = find_written(arena, "traffic", a->traffic_tree, b->traffic_tree, item);
    if (r == 0 && !same_spread(a, b)) {
        changes[item->change_count++] = STR("traffic");
    }
    return MIN(r, 0);
}

/* "1 → 2 replicas; command, environment changed"; `fallback` when nothing that has a name differs.
 */
static struct str changes_text(struct arena *arena, const struct plan_item *item,
                               struct str fallback)
{
    if (item->change_count == 0 && item->from == item->to) {
        return fallback;
    }
    struct buf text = BUF_INIT(REASON_BYTES_MAX);
    if (item->from != item->to) {
        buf_printf(&text, "%u → %u replicas%s", item->from, item->to,
                   item->change_count ? "; " : "");
    }
    for (size_t i = 0; i < item->change_count; i++) {
        buf_printf(&text, "%s" STR_FMT, i ? ", " : "", STR_ARG(item->changes[i]));
    }
    buf_add_cstr(&text, item->change_count ? " changed" : "");
    struct str copy = arena_str(arena, buf_str(&text));
    buf_fini(&text);
    return copy;
}

static int compare(struct arena *arena, const struct service_spec *old,
                   const struct service_spec *fresh, struct plan_item *item)
{
    int r = find_changes(arena, old, fresh, item);
    if (r < 0) {
        return r;
    }
    if (old->spec_hash != fresh->spec_hash) {
        item->action = PLAN_RESTART;
        item->start_first = plan_start_first(old, fresh);
        item->reason = changes_text(arena, item, STR("configuration changed"));
    } else if (item->from != item->to) {
        item->action = PLAN_SCALE;
        item->reason = changes_text(arena, item, STR_NONE);
    } else if (item->change_count > 0) {
        item->action = PLAN_UPDATE;
        item->reason = changes_text(arena, item, STR_NONE);
    } else {
        item->action = PLAN_UNCHANGED;
        item->reason = STR("unchanged");
    }
    return 0;
}

static int plan_wanted(struct arena *arena, const struct project_spec *current,
                       const struct service_spec *wanted, struct plan_item *item,
                       const struct plan_scale *scales)
{
    const struct service_spec *old = current ? project_spec_service(current, wanted->name) : NULL;
    item->service = wanted->name;
    item->to = scales[1].replicas(scales[1].arg, wanted);
    if (!old) {
        item->action = PLAN_CREATE;
        item->reason = STR("new service");
        return 0;
    }
    item->from = scales[0].replicas(scales[0].arg, old);
    item->idle = item->from == 0 || (scales[0].idle && scales[0].idle(scales[0].arg, old));
    return compare(arena, old, wanted, item);
}

static bool same_access_log(const struct access_log_spec *x, const struct access_log_spec *y)
{
    bool same = x->fields_count == y->fields_count;
    for (size_t i = 0; same && i < x->fields_count; i++) {
        same = str_eq(x->fields[i], y->fields[i]);
    }
    return same && x->format == y->format && str_eq(x->file, y->file) && !(x->sample < y->sample) &&
           !(x->sample > y->sample);
}

/* What is the project's own and no service's; listeners that stand for `ports:` are the
 * services'. */
static bool same_gateway(const struct project_spec *a, const struct project_spec *b)
{
    const struct gateway_spec *x = &a->gateway, *y = &b->gateway;
    size_t i = 0;
    while (i < MIN(x->listens_count, y->listens_count) && !x->listens[i].from_ports &&
           !y->listens[i].from_ports && same_listen(&x->listens[i], &y->listens[i])) {
        i++;
    }
    bool ended = (i == x->listens_count || x->listens[i].from_ports) &&
                 (i == y->listens_count || y->listens[i].from_ports);
    bool same = x->admin_names_count == y->admin_names_count;
    for (size_t n = 0; same && n < x->admin_names_count; n++) {
        same = str_eq(x->admin_names[n], y->admin_names[n]);
    }
    return ended && same && same_listen(&x->admin, &y->admin) && x->threads == y->threads &&
           x->upgrade_drain_ns == y->upgrade_drain_ns && x->expose_replica == y->expose_replica &&
           x->sockmap == y->sockmap && same_access_log(&x->access_log, &y->access_log) &&
           same_tls(&x->tls, &y->tls);
}

static int plan_project(struct arena *arena, const struct project_spec *current,
                        const struct project_spec *wanted, struct plan_item *item)
{
    struct str *changes = arena_array(arena, 2 + WRITTEN_MAX, sizeof(*changes));
    if (!changes) {
        return -ENOMEM;
    }
    *item = (struct plan_item){.action = PLAN_UPDATE, .changes = changes};
    int r = find_written(arena, "gateway", current->gateway.tree, wanted->gateway.tree, item);
    if (r < 0) {
        return r;
    }
    if (r == 0 && !same_gateway(current, wanted)) {
        changes[item->change_count++] = STR("gateway");
    }
    if (current->logging.max_bytes != wanted->logging.max_bytes ||
        current->logging.max_age_ns != wanted->logging.max_age_ns) {
        changes[item->change_count++] = STR("logging");
    }
    item->reason = changes_text(arena, item, STR_NONE);
    return 0;
}

static struct str follow_reason(struct arena *arena, const struct service_spec *spec,
                                const struct plan_item *items, const struct project_spec *wanted)
{
    for (size_t i = 0; i < spec->depends_on_count; i++) {
        const struct depends_spec *depends = &spec->depends_on[i];
        const struct service_spec *on = project_spec_service(wanted, depends->service);
        const struct plan_item *item = on ? &items[on - wanted->services] : NULL;
        if (depends->restart && item && (item->action == PLAN_RESTART || item->follows)) {
            return arena_printf(arena, "follows " STR_FMT, STR_ARG(on->name));
        }
    }
    return STR("follows a new service");
}

/* Those that asked to be restarted with what they depend on. */
static int plan_follow(struct arena *arena, const struct project_spec *current,
                       const struct project_spec *wanted, struct plan_item *items)
{
    bool *restarted = arena_array(arena, wanted->services_count + 1, sizeof(*restarted));
    bool *follows = arena_array(arena, wanted->services_count + 1, sizeof(*follows));
    if (!restarted || !follows) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < wanted->services_count; i++) {
        restarted[i] = items[i].action == PLAN_RESTART;
    }
    int r = graph_followers(wanted, restarted, follows);
    for (size_t i = 0; r == 0 && i < wanted->services_count; i++) {
        items[i].follows = follows[i] && items[i].action != PLAN_CREATE;
        items[i].action = items[i].follows && !restarted[i] ? PLAN_FOLLOW : items[i].action;
    }
    for (size_t i = 0; r == 0 && i < wanted->services_count; i++) {
        const struct service_spec *spec = &wanted->services[i];
        if (items[i].follows && !restarted[i]) {
            const struct service_spec *old = project_spec_service(current, spec->name);
            items[i].start_first = plan_start_first(old, spec);
            items[i].reason = changes_text(arena, &items[i], STR_NONE);
            items[i].reason = arena_printf(
                arena, STR_FMT "%s" STR_FMT, STR_ARG(follow_reason(arena, spec, items, wanted)),
                items[i].reason.len ? "; " : "", STR_ARG(items[i].reason));
        }
    }
    return r;
}

static size_t plan_removed(const struct project_spec *current, const struct project_spec *wanted,
                           struct plan_item *items, struct plan_scale now)
{
    size_t count = 0;
    for (size_t i = 0; current && i < current->services_count; i++) {
        const struct service_spec *old = &current->services[i];
        if (wanted && project_spec_service(wanted, old->name)) {
            continue;
        }
        items[count++] = (struct plan_item){
            .service = old->name,
            .action = PLAN_REMOVE,
            .from = now.replicas(now.arg, old),
            .reason = wanted ? STR("no longer in the file") : STR("the project is removed"),
        };
    }
    return count;
}

struct plan *plan_make(struct arena *arena, const struct project_spec *current,
                       const struct project_spec *wanted, struct plan_scale now,
                       struct plan_scale then)
{
    size_t wanted_count = wanted ? wanted->services_count : 0;
    size_t current_count = current ? current->services_count : 0;
    struct plan_scale scales[2] = {now, then};
    int r = 0;
    struct plan *plan = arena_new(arena, struct plan);
    struct plan_item *items = arena_array(arena, wanted_count + current_count + 2, sizeof(*items));
    if (!plan || !items) {
        return NULL;
    }
    for (size_t i = 0; i < wanted_count; i++) {
        if (plan_wanted(arena, current, &wanted->services[i], &items[i], scales) < 0) {
            return NULL;
        }
    }
    if (current && wanted && plan_follow(arena, current, wanted, items) < 0) {
        return NULL;
    }
    plan->items = items;
    plan->item_count = wanted_count + plan_removed(current, wanted, items + wanted_count, now);
    if (current && wanted) {
        r = plan_project(arena, current, wanted, &items[plan->item_count]);
        plan->item_count += r == 0 && items[plan->item_count].change_count > 0;
    }
    for (size_t i = 0; i < plan->item_count; i++) {
        plan->counts[items[i].action]++;
    }
    return r < 0 ? NULL : plan;
}
