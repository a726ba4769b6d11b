/* SPDX-License-Identifier: Apache-2.0
 *
 * Verbs that look: ps, status, routes, version. Each asks once, then prints a table for people
 * or, with --json, the contract of docs/cli.md for programs.
 *
 * JSON for programs is made of the members that the contract names, copied as the API wrote them
 * (show_raw): a new member of the API changes no script's input, and null stays null.
 *
 * status answers without the core, too: the keeper knows the roles and how many processes it
 * watches. The exit code is then 1, since nothing can be changed at the moment.
 */
#include "base/num.h"
#include "base/timefmt.h"
#include "face/session.h"
#include "face/show.h"
#include "face/verbs.h"
#include "os/clock.h"
#include "os/file.h"
#include "role.h"

enum { CERTIFICATE_SOON_DAYS = 21, WIDE = 80 };

#define DISK_FULL_BYTES (512 * KIB)

/* ---- shared ---- */

/* One object or array a call, with a newline: readers of lines and of JSON are both served. */
void show_json(const struct session *s, struct buf *out)
{
    buf_add_char(out, '\n');
    term_write(&s->out, buf_str(out));
}

/* The table says itself when rows are missing: a list that ends early looks complete. */
void show_table(const struct session *s, const struct table *table)
{
    cleanup(buf_fini) struct buf out = BUF_INIT(8 * MIB);

    table_render(table, &s->out, &out);
    term_write(&s->out, buf_str(&out));
    if (table->error || buf_error(&out)) {
        say_error(s, "there is more than can be shown; --json prints all");
    }
}

/* Not decoded and written again: numbers and texts stay exactly what the API said. */
void show_raw(struct json_writer *w, const struct jdoc *object, const char *key)
{
    const struct jdoc *value = jdoc_get(object, key);

    json_key(w, str_from(key));
    if (value) {
        json_raw(w, value->raw);
    } else {
        json_null(w);
    }
}

void show_cell(struct table *table, const struct jdoc *object, const char *key)
{
    const struct jdoc *value = jdoc_get(object, key);

    if (value && (value->type == JSON_STRING || value->type == JSON_NUMBER) &&
        value->text.len > 0) {
        table_add(table, TERM_PLAIN, value->text);
    } else {
        table_add(table, TERM_GREY, STR("-"));
    }
}

void show_state_cell(struct table *table, struct str state)
{
    table_addf(table, term_state_style(state), "%s " STR_FMT, term_state_mark(state),
               STR_ARG(state));
}

/* By this machine's clock, which is the server's: both are on one machine. */
void show_age_cell(struct table *table, struct str time)
{
    cleanup(buf_fini) struct buf text = BUF_INIT(64);
    int64_t wall = 0;

    if (timefmt_parse(time, &wall) < 0) {
        table_add(table, TERM_GREY, STR("-"));
        return;
    }
    int64_t age = clock_wall_ns() - wall;
    num_format_age(&text, MAX(age, INT64_C(0)));
    table_add(table, TERM_PLAIN, buf_str(&text));
}

/* Asked of each row, because a list of the API takes no list of names. */
bool show_wanted(const struct cli_args *args, struct str service)
{
    for (unsigned i = 0; i < args->word_count; i++) {
        if (str_is(service, args->words[i])) {
            return true;
        }
    }
    return args->word_count == 0;
}

/* ---- ps ---- */

static void ps_json(const struct session *s, const struct jdoc *items)
{
    static const char *const keys[] = {"project", "service", "replica",  "state",      "health",
                                       "pid",     "port",    "restarts", "started_at", "exit"};
    cleanup(buf_fini) struct buf out = BUF_INIT(64 * MIB);
    struct json_writer w = JSON_WRITER(&out);

    json_begin_array(&w);
    jdoc_each(item, items)
    {
        if (!show_wanted(s->args, jdoc_str(item, "service"))) {
            continue;
        }
        json_begin_object(&w);
        for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
            show_raw(&w, item, keys[i]);
        }
        json_end_object(&w);
    }
    json_end_array(&w);
    show_json(s, &out);
}

/* Why it is so; of a crashed one also what becomes of it. */
static void reason_cell(struct table *table, const struct jdoc *item)
{
    cleanup(buf_fini) struct buf text = BUF_INIT(4 * KIB);
    int64_t retry = 0;
    int64_t restarts = jdoc_i64(item, "restarts", 0);

    buf_add(&text, jdoc_str(item, "reason"));
    if (str_is(jdoc_str(item, "state"), "crashed")) {
        if (timefmt_parse(jdoc_str(item, "retry_at"), &retry) == 0) {
            int64_t left = retry - clock_wall_ns();
            buf_add_cstr(&text, "; starts again in ");
            num_format_age(&text, MAX(left, INT64_C(0)));
        } else if (restarts > 0) {
            buf_printf(&text, "; given up after %lld restart%s", (long long)restarts,
                       restarts == 1 ? "" : "s");
        }
    }
    table_add(table, TERM_DIM, buf_str(&text));
}

/* "none" is no health to show: most replicas would say it. */
static void ps_row(struct table *table, const struct jdoc *item)
{
    show_cell(table, item, "service");
    show_cell(table, item, "replica");
    show_state_cell(table, jdoc_str(item, "state"));
    struct str health = jdoc_str(item, "health");
    table_add(table, term_state_style(health),
              health.len && !str_is(health, "none") ? health : STR("-"));
    show_cell(table, item, "pid");
    show_cell(table, item, "port");
    table_addf(table, TERM_PLAIN, "%lld", (long long)jdoc_i64(item, "restarts", 0));
    show_age_cell(table, jdoc_str(item, "started_at"));
    reason_cell(table, item);
}

/* The first item whose member says so; NULL: there is none. */
static const struct jdoc *find_item(const struct jdoc *items, const char *key, struct str value)
{
    jdoc_each(item, items)
    {
        if (str_eq(jdoc_str(item, key), value)) {
            return item;
        }
    }
    return NULL;
}

/* A service that has no replica: scaled to 0, or never started. */
static void ps_service_row(struct table *table, const struct jdoc *service)
{
    show_cell(table, service, "name");
    table_add(table, TERM_GREY, STR("-"));
    show_state_cell(table, jdoc_str(service, "state"));
    for (unsigned i = 0; i < 5; i++) { /* health, pid, port, restarts, since */
        table_add(table, TERM_GREY, STR("-"));
    }
    reason_cell(table, service);
}

/* What goes first in a narrow terminal is what one can ask for otherwise: ports, restarts, pids. */
static void ps_table(const struct session *s, const struct jdoc *items, const struct jdoc *services)
{
    static const struct table_column columns[] = {{.title = "SERVICE", .shrink = true},
                                                  {.title = "REPLICA", .right = true},
                                                  {.title = "STATE"},
                                                  {.title = "HEALTH", .drop = 4},
                                                  {.title = "PID", .right = true, .drop = 3},
                                                  {.title = "PORT", .right = true, .drop = 1},
                                                  {.title = "RESTARTS", .right = true, .drop = 2},
                                                  {.title = "SINCE", .right = true, .drop = 5},
                                                  {.title = "REASON", .shrink = true}};
    cleanup(table_fini) struct table table;

    table_init(&table, columns, ARRAY_LEN(columns));
    jdoc_each(item, items)
    {
        if (show_wanted(s->args, jdoc_str(item, "service"))) {
            ps_row(&table, item);
        }
    }
    jdoc_each(service, services)
    {
        struct str name = jdoc_str(service, "name");
        if (show_wanted(s->args, name) && !find_item(items, "service", name)) {
            ps_service_row(&table, service);
        }
    }
    show_table(s, &table);
}

/* One a line: names of services, or process ids. */
static void ps_column(const struct session *s, const struct jdoc *items, const char *service,
                      const char *key)
{
    cleanup(buf_fini) struct buf out = BUF_INIT(8 * MIB);

    jdoc_each(item, items)
    {
        const struct jdoc *value = jdoc_get(item, key);
        if (value && value->type != JSON_NULL && show_wanted(s->args, jdoc_str(item, service))) {
            buf_add(&out, value->text);
            buf_add_char(&out, '\n');
        }
    }
    term_write(&s->out, buf_str(&out));
}

static int ps_names(struct session *s)
{
    struct client_answer answer = {0};
    int r = session_list(s, &answer, "/services");

    if (r == 0) {
        ps_column(s, jdoc_get(answer.doc, "items"), "name", "name");
        client_answer_fini(&answer);
    }
    return r;
}

static int ps_show(struct session *s)
{
    struct client_answer answer = {0};
    int r = session_list(s, &answer, "/replicas");

    if (r) {
        return r;
    }
    const struct jdoc *items = jdoc_get(answer.doc, "items");
    if (s->json) {
        ps_json(s, items);
    } else if (cli_has(s->args, "quiet")) {
        ps_column(s, items, "service", "pid");
    } else {
        struct client_answer services = {0};
        r = session_list(s, &services, "/services");
        if (r == 0) {
            ps_table(s, items, jdoc_get(services.doc, "items"));
            client_answer_fini(&services);
        }
    }
    client_answer_fini(&answer);
    return r;
}

int verb_ps(const struct cli_args *args)
{
    struct session s;
    int r = session_open(&s, args);

    r = r ? r : session_need_words(&s);
    r = r ? r : !s.json && cli_has(args, "services") ? ps_names(&s) : ps_show(&s);
    session_fini(&s);
    return r;
}

/* ---- routes ---- */

/* What is done; beside it what the file says, where that is something else. */
static void show_balance(struct table *table, const struct jdoc *route)
{
    struct str wanted = jdoc_str(route, "balance");
    struct str effective = jdoc_str(route, "effective_balance");
    if (str_eq(wanted, effective)) {
        table_add(table, TERM_PLAIN, wanted);
    } else {
        table_addf(table, TERM_CORAL, STR_FMT " (not " STR_FMT ")", STR_ARG(effective),
                   STR_ARG(wanted));
    }
}

static void add_note(struct buf *notes, const char *what)
{
    buf_add(notes, notes->len ? STR(", ") : STR(""));
    buf_add(notes, str_from(what));
}

static void add_count(struct buf *notes, int64_t count, const char *what)
{
    if (count > 0) {
        add_note(notes, "");
        buf_printf(notes, "%lld %s", (long long)count, what);
    }
}

/* Why replicas that are ready get nothing, or less, or not as the file says. */
static void show_notes(struct table *table, const struct jdoc *route, const struct jdoc *service)
{
    cleanup(buf_fini) struct buf notes = BUF_INIT(256);
    struct str breaker = jdoc_str(route, "breaker");
    int64_t ejected = 0, drained = 0, weightless = 0, until = 0;

    jdoc_each(endpoint, jdoc_get(route, "endpoints"))
    {
        bool is_drained = jdoc_bool(endpoint, "drained", false);
        ejected += jdoc_str(endpoint, "ejected_until").len > 0;
        drained += is_drained;
        weightless += !is_drained && jdoc_i64(endpoint, "weight", 1) == 0;
    }
    bool timed = timefmt_parse(jdoc_str(route, "breaker_until"), &until) == 0;
    int64_t left_ns = until - clock_wall_ns();
    if (str_is(breaker, "open")) {
        add_note(&notes, "breaker open");
        if (timed) {
            buf_printf(&notes, " for %lld s", (long long)(MAX(left_ns, 0) / NS_PER_S + 1));
        }
    } else if (str_is(breaker, "half_open")) {
        add_note(&notes, "breaker half open");
    }
    if (str_is(jdoc_str(service, "state"), "crashed")) {
        bool none = jdoc_i64(jdoc_get(service, "replicas"), "ready", 0) == 0;
        add_note(&notes, none ? "keeps crashing" : "a replica keeps crashing");
    }
    if (str_is(jdoc_str(service, "state"), "stopped")) {
        add_note(&notes, "");
        buf_add(&notes,
                jdoc_str(service, "reason").len ? jdoc_str(service, "reason") : STR("stopped"));
    }
    if (!str_eq(jdoc_str(route, "balance"), jdoc_str(route, "effective_balance"))) {
        add_note(&notes, "");
        buf_add(&notes, jdoc_str(route, "balance_reason"));
    }
    add_count(&notes, ejected, "ejected");
    add_count(&notes, drained, "drained");
    add_count(&notes, weightless, "of weight 0");
    table_add(table, TERM_CORAL, buf_str(&notes));
}

static void show_listeners(struct table *table, const struct jdoc *route)
{
    cleanup(buf_fini) struct buf text = BUF_INIT(16 * KIB);

    jdoc_each(address, jdoc_get(route, "listeners"))
    {
        buf_add(&text, text.len ? STR(", ") : STR(""));
        buf_add(&text, address->text);
    }
    table_add(table, text.len ? TERM_PLAIN : TERM_CORAL,
              text.len ? buf_str(&text) : STR("nowhere"));
}

/* How requests are spread shows --json. Of those replicas that are wanted some may not run, and
 * then they are no endpoints. */
static void routes_row(struct table *table, const struct jdoc *route, const struct jdoc *services)
{
    const struct jdoc *service = find_item(services, "name", jdoc_str(route, "service"));
    int64_t desired = jdoc_i64(jdoc_get(service, "replicas"), "desired", 0);
    const struct jdoc *endpoints = jdoc_get(route, "endpoints");
    int64_t ready = 0;
    struct str host = jdoc_str(route, "host");

    jdoc_each(endpoint, endpoints)
    {
        ready += jdoc_bool(endpoint, "ready", false);
    }
    table_add(table, TERM_PLAIN, host.len ? host : STR("*"));
    show_cell(table, route, "path");
    show_cell(table, route, "service");
    show_balance(table, route);
    int64_t there = endpoints ? (int64_t)endpoints->count : 0;
    table_addf(table, ready ? TERM_GREEN : TERM_CORAL, "%lld/%lld", (long long)ready,
               (long long)MAX(there, desired));
    show_cell(table, route, "requests");
    show_listeners(table, route);
    show_notes(table, route, service);
}

/* A listener of a service's own: no route, but an address that leads somewhere. */
static void ports_rows(struct table *table, const struct jdoc *service)
{
    const struct jdoc *replicas = jdoc_get(service, "replicas");
    int64_t ready = jdoc_i64(replicas, "ready", 0);
    jdoc_each(port, jdoc_get(service, "ports"))
    {
        table_add(table, TERM_GREY, STR("-"));
        table_add(table, TERM_GREY, STR("-"));
        show_cell(table, service, "name");
        table_add(table, TERM_GREY, STR("-"));
        table_addf(table, ready ? TERM_GREEN : TERM_CORAL, "%lld/%lld", (long long)ready,
                   (long long)jdoc_i64(replicas, "desired", 0));
        table_add(table, TERM_GREY, STR("-"));
        table_addf(table, TERM_PLAIN, STR_FMT "://" STR_FMT, STR_ARG(jdoc_str(port, "protocol")),
                   STR_ARG(jdoc_str(port, "address")));
        table_add(table, TERM_PLAIN, STR(""));
    }
}

static void routes_table(const struct session *s, const struct jdoc *items,
                         const struct jdoc *services)
{
    static const struct table_column columns[] = {{.title = "HOST", .shrink = true},
                                                  {.title = "PATH", .shrink = true},
                                                  {.title = "SERVICE"},
                                                  {.title = "BALANCE", .drop = 1},
                                                  {.title = "READY", .right = true},
                                                  {.title = "REQUESTS", .right = true, .drop = 2},
                                                  {.title = "LISTEN", .shrink = true, .drop = 3},
                                                  {.title = "NOTE", .shrink = true}};
    cleanup(table_fini) struct table table;

    table_init(&table, columns, ARRAY_LEN(columns));
    jdoc_each(item, items)
    {
        routes_row(&table, item, services);
    }
    jdoc_each(item, services)
    {
        ports_rows(&table, item);
    }
    show_table(s, &table);
    if (s->out.is_tty && s->out.columns >= WIDE) { /* rows alone are for programs */
        cleanup(buf_fini) struct buf out = BUF_INIT(1 * KIB);
        term_style(&out, &s->out, TERM_DIM,
                   STR("REQUESTS: since the instance was started; per second: 'muelle top'\n"));
        term_write(&s->out, buf_str(&out));
    }
}

static int routes_show(struct session *s)
{
    struct client_answer answer = {0};
    int r = session_list(s, &answer, "/routes");

    if (r) {
        return r;
    }
    const struct jdoc *items = jdoc_get(answer.doc, "items");
    if (s->json && items) {
        cleanup(buf_fini) struct buf out = BUF_INIT(64 * MIB);
        buf_add(&out, items->raw);
        show_json(s, &out);
    } else {
        struct client_answer services = {0};
        r = session_list(s, &services, "/services");
        if (r == 0) {
            routes_table(s, items, jdoc_get(services.doc, "items"));
        }
        client_answer_fini(&services);
    }
    client_answer_fini(&answer);
    return r;
}

int verb_routes(const struct cli_args *args)
{
    struct session s;
    int r = session_open(&s, args);

    r = r ? r : routes_show(&s);
    session_fini(&s);
    return r;
}

/* ---- status ---- */

/* What is known without the core: the keeper's word (role.h). The members of the contract that the
 * keeper knows; the others are null or empty, never left out. */
static void status_keeper_json(const struct session *s, const struct role_report *report)
{
    cleanup(buf_fini) struct buf out = BUF_INIT(64 * KIB);
    struct json_writer w = JSON_WRITER(&out);

    json_begin_object(&w);
    json_field(&w, "version", cstr, MUELLE_VERSION);
    json_field(&w, "instance", cstr, report->instance);
    json_key(&w, STR("projects"));
    json_begin_array(&w);
    json_end_array(&w);
    const struct {
        const char *name;
        int pid;
    } roles[] = {
        {"keeper", report->keeper_pid}, {"core", report->core_pid}, {"edge", report->edge_pid}};
    for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
        json_key(&w, str_from(roles[i].name));
        if (roles[i].pid == 0) {
            json_null(&w);
            continue;
        }
        json_begin_object(&w);
        json_field(&w, "pid", i64, roles[i].pid);
        json_end_object(&w);
    }
    json_end_object(&w);
    show_json(s, &out);
}

/* The core is away: 1, since nothing can be changed now; traffic and services go on. The keeper
 * answers from memory and never waits: it is what is left when the store hangs. */
static int status_from_keeper(struct session *s)
{
    cleanup(buf_fini) struct buf out = BUF_INIT(8 * KIB);
    struct role_report report;

    if (role_ask_keeper(s->state_dir, &report) < 0) {
        return session_connect(s, false); /* says that nothing runs */
    }
    if (s->json) {
        status_keeper_json(s, &report);
        return CLI_FAILED;
    }
    term_style(&out, &s->out, TERM_AMBER, STR("◐"));
    buf_printf(&out, " the core is away; services and traffic go on, %u processes are watched\n",
               report.children);
    buf_printf(&out, "  keeper %d · edge %d · instance %s\n", report.keeper_pid, report.edge_pid,
               report.instance);
    term_write(&s->out, buf_str(&out));
    return CLI_FAILED;
}

/* Projects as the API gives them, roles too: members are added there and come along. */
static void status_json(const struct session *s, const struct jdoc *instance,
                        const struct jdoc *projects)
{
    cleanup(buf_fini) struct buf out = BUF_INIT(16 * MIB);
    struct json_writer w = JSON_WRITER(&out);

    json_begin_object(&w);
    show_raw(&w, instance, "version");
    json_key(&w, STR("instance"));
    json_str(&w, jdoc_str(instance, "id"));
    json_key(&w, STR("projects"));
    json_begin_array(&w);
    jdoc_each(item, projects)
    {
        json_raw(&w, item->raw);
    }
    json_end_array(&w);
    show_raw(&w, instance, "keeper");
    show_raw(&w, instance, "core");
    show_raw(&w, instance, "edge");
    show_raw(&w, instance, "sockmap");
    json_end_object(&w);
    show_json(s, &out);
}

/* "3 running, 1 crashed: worker: exited 1 after 3 s" In order of worry, so that the last word is
 * the worst; of the reasons the worst one's. */
void show_summary(const struct session *s, const struct jdoc *services, struct buf *out)
{
    static const char *const order[] = {"running",  "completed", "starting", "pending",
                                        "stopping", "unhealthy", "stopped",  "crashed"};
    struct str why = STR_NONE;
    struct str who = STR_NONE;
    bool any = false;

    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        size_t count = 0;
        jdoc_each(item, services)
        {
            struct str reason = jdoc_str(item, "reason");
            if (!str_is(jdoc_str(item, "state"), order[i])) {
                continue;
            }
            count++;
            if (reason.len > 0) {
                why = reason;
                who = jdoc_str(item, "name");
            }
        }
        if (count > 0) {
            cleanup(buf_fini) struct buf text = BUF_INIT(128);
            buf_printf(&text, "%zu %s", count, order[i]);
            buf_add_cstr(out, any ? ", " : "");
            term_style(out, &s->out, term_state_style(str_from(order[i])), buf_str(&text));
            any = true;
        }
    }
    buf_add_cstr(out, any ? "" : "no services");
    if (why.len > 0) {
        buf_printf(out, ": " STR_FMT ": ", STR_ARG(who));
        term_add_safe(out, why);
    }
}

/* gateway.admin as an address that a browser of this machine can open: wildcards become the
 * loopback address. */
static void add_admin(struct buf *out, struct str admin)
{
    static const char *const any[] = {":", "0.0.0.0:", "[::]:", "*:"};
    ptrdiff_t mark = str_find(admin, STR("://"));
    bool tls = mark >= 0 && str_eq_nocase(str_slice(admin, 0, (size_t)mark), STR("https"));

    if (admin.len == 0 || str_is(admin, "true")) {
        admin = STR("127.0.0.1:7070");
    }
    admin = str_skip(admin, mark < 0 ? 0 : (size_t)mark + 3);
    buf_add_cstr(out, tls ? "https://" : "http://");
    for (size_t i = 0; i < ARRAY_LEN(any); i++) {
        if (str_starts(admin, str_from(any[i]))) {
            buf_add_cstr(out, "127.0.0.1:");
            admin = str_skip(admin, strlen(any[i]));
        }
    }
    buf_add(out, admin);
}

/* The dashboard's link, for whoever may read the token: the page that asks for it names this verb.
 * The token is read from its file, since the API gives it to nobody; who may not read it gets no
 * link. */
static void status_link(struct session *s, struct buf *out)
{
    cleanup(buf_fini) struct buf token = BUF_INIT(256);
    struct client_answer answer = {0};
    char path[SESSION_PATH_MAX];

    snprintf(path, sizeof(path), "%s/token", s->run_dir);
    if (file_read_all(path, 256, &token) < 0 || session_get(s, &answer, "/config")) {
        return;
    }
    const struct jdoc *admin = jdoc_get(jdoc_get(answer.doc, "gateway"), "admin");
    if (!admin || !str_is(admin->text, "false")) {
        buf_add_cstr(out, "  dashboard ");
        add_admin(out, admin ? admin->text : STR_NONE);
        buf_printf(out, "/login?token=" STR_FMT "\n", STR_ARG(str_trim_ws(buf_str(&token))));
    }
    client_answer_fini(&answer);
}

static void name_certificate(struct session *s, const struct jdoc *item, enum term_style style,
                             struct buf *out)
{
    buf_add_cstr(out, "  ");
    term_style(out, &s->out, style, STR("certificate"));
    buf_add_char(out, ' ');
    term_add_safe(out, jdoc_str(item, "file"));
}

/* Only what needs somebody: all others are in the API and the metrics. */
static void status_certificates(struct session *s, struct buf *out)
{
    struct client_answer answer = {0};

    if (session_list(s, &answer, "/certificates")) {
        return;
    }
    jdoc_each(item, jdoc_get(answer.doc, "items"))
    {
        long long days = jdoc_i64(item, "days_left", 0);
        bool kept = jdoc_bool(item, "kept", false);
        if (jdoc_bool(item, "development", false)) {
            continue;
        }
        struct str unstapled = jdoc_str(item, "unstapled");
        if (jdoc_bool(item, "must_staple", false) && unstapled.len > 0) {
            name_certificate(s, item, TERM_AMBER, out);
            buf_printf(out, " demands a stapled OCSP answer and has none: " STR_FMT "\n",
                       STR_ARG(unstapled));
        }
        if (days > CERTIFICATE_SOON_DAYS && !kept) {
            continue;
        }
        name_certificate(s, item, days == 0 ? TERM_CORAL : TERM_AMBER, out);
        buf_printf(out, days == 0 ? " has ended" : " ends in %lld day%s", days,
                   days == 1 ? "" : "s");
        if (kept) {
            buf_printf(out, "; its file is of no use (" STR_FMT "): mend it (muelle check)",
                       STR_ARG(jdoc_str(item, "kept_reason")));
        }
        buf_add_char(out, '\n');
    }
    client_answer_fini(&answer);
}

static void status_project(struct session *s, const struct jdoc *project, struct buf *out)
{
    struct client_answer answer = {0};
    struct str state = jdoc_str(project, "state");

    str_copy(s->project, sizeof(s->project), jdoc_str(project, "name"));
    if (session_list(s, &answer, "/services")) {
        return;
    }
    term_style(out, &s->out, term_state_style(state), str_from(term_state_mark(state)));
    buf_add_char(out, ' ');
    term_style(out, &s->out, TERM_BOLD, str_from(s->project));
    buf_add_cstr(out, "  ");
    show_summary(s, jdoc_get(answer.doc, "items"), out);
    buf_printf(out, "\n  generation %lld, from " STR_FMT "\n",
               (long long)jdoc_i64(project, "generation", 0), STR_ARG(jdoc_str(project, "file")));
    client_answer_fini(&answer);
    status_certificates(s, out);
    status_link(s, out);
}

/* Nothing can be stored: what is asked for is refused, and logs wait. Asked of the file system
 * here: the core could not even store that it is full. */
static void status_disk(const struct session *s, const struct jdoc *instance, struct buf *out)
{
    struct file_system fs;
    char path[SESSION_PATH_MAX];

    if (!str_copy(path, sizeof(path), jdoc_str(instance, "state_dir")) ||
        file_system_of(path, &fs) < 0 || fs.free_bytes >= DISK_FULL_BYTES) {
        return;
    }
    term_style(out, &s->out, TERM_CORAL, STR("✕"));
    buf_printf(out,
               " the disk of the state folder is full: nothing can be changed, logs wait; services "
               "and traffic go on\n  make room at %s\n",
               path);
}

/* Asked for and not to be had: all goes by TCP. */
static void status_sockmap(const struct jdoc *instance, struct buf *out)
{
    struct str state = jdoc_str(instance, "sockmap");
    if (state.len > 0 && !str_is(state, "off") && !str_is(state, "on")) {
        buf_printf(out, "○ gateway.sockmap: " STR_FMT "\n", STR_ARG(state));
    }
}

/* Of an upgrade whose former edge has not ended yet, or that moved connections. */
static void status_edge(const struct jdoc *edge, struct buf *out)
{
    long long moved = (long long)jdoc_i64(edge, "moved", 0);
    long long leaving = (long long)jdoc_i64(edge, "leaving", 0);

    if (leaving > 0) {
        buf_printf(out, "  the edge before this one ends with its last %lld connection%s\n",
                   leaving, leaving == 1 ? "" : "s");
    }
    if (moved > 0) {
        buf_printf(out, "  %lld connection%s went on from edge to edge in upgrades\n", moved,
                   moved == 1 ? "" : "s");
    }
}

/* Projects first, processes last: the question was whether all is well. */
static void status_people(struct session *s, const struct jdoc *instance,
                          const struct jdoc *projects)
{
    cleanup(buf_fini) struct buf out = BUF_INIT(4 * MIB);

    jdoc_each(project, projects)
    {
        status_project(s, project, &out);
    }
    status_disk(s, instance, &out);
    status_sockmap(instance, &out);
    if (!projects || projects->count == 0) {
        buf_add_cstr(&out, "○ no project is applied\n");
    }
    buf_printf(&out,
               "muelle " STR_FMT " · instance " STR_FMT " · keeper %lld · core %lld · edge %lld\n",
               STR_ARG(jdoc_str(instance, "version")), STR_ARG(jdoc_str(instance, "id")),
               (long long)jdoc_i64(jdoc_get(instance, "keeper"), "pid", 0),
               (long long)jdoc_i64(jdoc_get(instance, "core"), "pid", 0),
               (long long)jdoc_i64(jdoc_get(instance, "edge"), "pid", 0));
    status_edge(jdoc_get(instance, "edge"), &out);
    term_write(&s->out, buf_str(&out));
}

static int status_show(struct session *s)
{
    struct client_answer instance = {0};
    struct client_answer projects = {0};
    int r = session_call(s, &(struct client_request){.method = "GET", .target = "/api/v1/instance"},
                         &instance);

    if (r) {
        return r;
    }
    r = session_call(
        s, &(struct client_request){.method = "GET", .target = "/api/v1/projects?limit=1000"},
        &projects);
    if (r == 0) {
        const struct jdoc *items = jdoc_get(projects.doc, "items");
        if (s->json) {
            status_json(s, instance.doc, items);
        } else {
            status_people(s, instance.doc, items);
        }
        client_answer_fini(&projects);
    }
    client_answer_fini(&instance);
    return r;
}

int verb_status(const struct cli_args *args)
{
    struct session s;
    int r = session_init(&s, args);

    if (r == 0) {
        r = session_connect_back(&s) ? status_from_keeper(&s) : status_show(&s);
    }
    session_fini(&s);
    return r;
}

/* ---- version ---- */

int verb_version(const struct cli_args *args)
{
    struct term out;

    term_init(&out, 1, true);
    if (cli_has(args, "json")) {
        term_write(&out, STR("{\"version\":\"" MUELLE_VERSION "\"}\n"));
    } else {
        term_write(&out, STR("muelle " MUELLE_VERSION "\n"));
    }
    return 0;
}
