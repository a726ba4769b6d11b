/* SPDX-License-Identifier: Apache-2.0
 *
 * Feeding, judging, drawing.
 *
 *   1. Services are told whole each time, so the last word about one is right, whatever was missed.
 *   2. "Ready" needs the end of the first telling (`ping` → synced): before it others may come.
 *   3. "Hopeless" is only said when nobody can still make it: who merely starts slowly is waited
 *      for, and his end belongs into the same report. Three crashes are a loop, one is an accident;
 *      one that lasts longer than the caller's patience is a loop with a long back-off.
 *   4. Order is that of arrival and stays, so that lines do not jump while one reads.
 *
 * A search per event is enough: BOARD_SERVICES_MAX services change some times a second at most.
 *
 *   state of a service                           ready   hopeless
 *   completed, or desired 0                      yes
 *   running, ready >= desired                    yes
 *   running, fewer ready · starting · stopping   no      no: it may still come
 *   pending                                      no      if those it waits for are
 *   crashed                                      no      three times, or for longer than patience
 *   any, and it needs an engine                  no      yes
 */
#include "face/board.h"
#include "base/num.h"
#include <math.h>

enum { CRASHES_HOPELESS = 3, FIGURES_COLUMNS = 110, EVENT_BYTES_MAX = 4 << 20 };

void board_init(struct board *board, struct str project)
{
    *board = (struct board){0};
    str_copy(board->project, sizeof(board->project), project);
}

void board_fini(struct board *board)
{
    free(board->services);
    *board = (struct board){0};
}

void board_reset(struct board *board)
{
    board->count = 0;
    board->synced = board->incomplete = false;
}

static struct board_service *find(struct board *board, struct str name)
{
    for (size_t i = 0; i < board->count; i++) {
        if (str_is(name, board->services[i].name)) {
            return &board->services[i];
        }
    }
    return NULL;
}

/* The service of that name, added when it is new; NULL when memory or the bound is reached.
 * Doubling up to the bound; pointers into the array hold until the next event. */
static struct board_service *find_or_add(struct board *board, struct str name)
{
    struct board_service *service = find(board, name);

    if (service) {
        return service;
    }
    if (board->count == board->cap) {
        size_t cap = MIN(board->cap ? board->cap * 2 : 16, (size_t)BOARD_SERVICES_MAX);
        struct board_service *grown =
            cap > board->cap ? realloc(board->services, cap * sizeof(*grown)) : NULL;
        if (!grown) {
            return NULL;
        }
        board->services = grown;
        board->cap = cap;
    }
    service = &board->services[board->count++];
    *service = (struct board_service){
        .cpu_percent = NAN, .requests_per_s = NAN, .errors_per_s = NAN, .p99_ms = NAN};
    str_copy(service->name, sizeof(service->name), name);
    return service;
}

/* Cut between addresses: half of one would still look like one. */
static void set_urls(struct board_service *service, const struct jdoc *urls)
{
    size_t len = 0;

    service->urls[0] = '\0';
    jdoc_each(url, urls)
    {
        int n = snprintf(service->urls + len, sizeof(service->urls) - len, "%s" STR_FMT,
                         len ? " " : "", STR_ARG(url->text));
        if (n < 0 || (size_t)n >= sizeof(service->urls) - len) {
            service->urls[len] = '\0'; /* whole addresses or none */
            return;
        }
        len += (size_t)n;
    }
}

/* Counted when it is entered: the stream tells the state again with every change of anything else.
 */
static void note_crash(struct board_service *service, struct str state, int64_t now_ns)
{
    if (!str_is(state, "crashed")) {
        service->crashed_since_ns = 0;
    } else if (!str_is(STR("crashed"), service->state)) {
        service->crashes++;
        service->crashed_since_ns = now_ns;
    }
}

/* Figures and reasons change all the time; only state and numbers of replicas are news for a log.
 */
static bool feed_service(struct board *board, const struct jdoc *doc, int64_t now_ns,
                         const struct board_service **ret_changed)
{
    struct board_service *service = find_or_add(board, jdoc_str(doc, "name"));
    const struct jdoc *replicas = jdoc_get(doc, "replicas");
    struct board_service before;

    if (!service) {
        board->incomplete = true;
        return false;
    }
    before = *service;
    note_crash(service, jdoc_str(doc, "state"), now_ns);
    str_copy(service->state, sizeof(service->state), jdoc_str(doc, "state"));
    str_copy(service->reason, sizeof(service->reason), jdoc_str(doc, "reason"));
    set_urls(service, jdoc_get(doc, "urls"));
    service->desired = jdoc_i64(replicas, "desired", 0);
    service->configured = jdoc_i64(replicas, "configured", 0);
    service->running = jdoc_i64(replicas, "running", 0);
    service->ready = jdoc_i64(replicas, "ready", 0);
    service->restarts = jdoc_i64(doc, "restarts", 0);
    *ret_changed = service;
    return !str_is(str_from(before.state), service->state) || before.ready != service->ready ||
           before.desired != service->desired;
}

/* Of services alone: replica is null there. One that the board does not know is on its way. */
static bool feed_metrics(struct board *board, const struct jdoc *items)
{
    jdoc_each(item, items)
    {
        struct board_service *service = find(board, jdoc_str(item, "service"));
        if (!service || jdoc_i64(item, "replica", 0) != 0) {
            continue;
        }
        service->cpu_percent = jdoc_double(item, "cpu_percent", NAN);
        service->memory_bytes = jdoc_i64(item, "memory_bytes", 0);
        service->requests_per_s = jdoc_double(item, "requests_per_s", NAN);
        service->errors_per_s = jdoc_double(item, "errors_per_s", NAN);
        service->p99_ms = jdoc_double(item, "p99_ms", NAN);
    }
    return false;
}

/* A replica that goes is told with its service; only whole services and the project count here. */
static bool feed_removed(struct board *board, const struct jdoc *doc)
{
    struct str name = jdoc_str(doc, "service");

    if (jdoc_i64(doc, "replica", 0) > 0) {
        return false;
    }
    if (name.len == 0) {
        board->removed = true;
        board->count = 0;
        return true;
    }
    struct board_service *service = find(board, name);
    if (!service) {
        return false;
    }
    size_t i = (size_t)(service - board->services);
    memmove(service, service + 1, (board->count - i - 1) * sizeof(*service));
    board->count--;
    return true;
}

bool board_feed(struct board *board, const struct client_event *event, int64_t now_ns,
                const struct board_service **ret_changed)
{
    cleanup(arena_fini) struct arena arena = ARENA_INIT(EVENT_BYTES_MAX);
    const struct board_service *ignored = NULL;
    struct jdoc *doc = NULL;

    ret_changed = ret_changed ? ret_changed : &ignored;
    *ret_changed = NULL;
    if (str_is(event->name, "ping")) {
        board->synced = true;
        return false;
    }
    if (jdoc_parse(&arena, event->data, &doc, NULL) < 0) {
        return false;
    }
    if (str_is(event->name, "metrics")) {
        return feed_metrics(board, jdoc_get(doc, "items"));
    }
    if (!str_is(jdoc_str(doc, "project"), board->project)) {
        return false;
    }
    if (str_is(event->name, "service")) {
        return feed_service(board, doc, now_ns, ret_changed);
    }
    return str_is(event->name, "removed") && feed_removed(board, doc);
}

/* Stopped on purpose (desired 0) and completed are as wanted. "running" is asked besides the
 * number: a service whose replicas are ready may still be stopping old ones. */
bool board_service_ready(const struct board_service *service)
{
    if (str_is(STR("completed"), service->state)) {
        return true;
    }
    return service->desired == 0 ||
           (str_is(STR("running"), service->state) && service->ready >= service->desired);
}

bool board_ready(const struct board *board)
{
    for (size_t i = 0; i < board->count; i++) {
        if (!board_service_ready(&board->services[i])) {
            return false;
        }
    }
    return board->synced && !board->incomplete;
}

/* Engines are no matter of time: nobody will start that container. */
static bool given_up(const struct board_service *service, int64_t now_ns, int64_t patience_ns)
{
    return service->needs_engine || service->crashes >= CRASHES_HOPELESS ||
           (service->crashed_since_ns && now_ns - service->crashed_since_ns > patience_ns);
}

bool board_hopeless(const struct board *board, int64_t now_ns, int64_t patience_ns)
{
    bool any = false;

    for (size_t i = 0; i < board->count; i++) {
        const struct board_service *service = &board->services[i];
        if (board_service_ready(service)) {
            continue;
        }
        if (given_up(service, now_ns, patience_ns)) {
            any = true;
        } else if (!str_is(STR("pending"), service->state)) {
            return false; /* this one may still make it; its fate belongs in the report */
        }
    }
    return any;
}

/* "-" is unknown; 0.0 is a figure. */
static void figure_cell(struct table *table, double value, const char *fmt_unit)
{
    if (isnan(value)) {
        table_add(table, TERM_GREY, STR("-"));
    } else {
        table_addf(table, TERM_PLAIN, "%.1f%s", value, fmt_unit);
    }
}

static void render_figures(struct table *table, const struct board_service *service)
{
    cleanup(buf_fini) struct buf memory = BUF_INIT(64);

    num_format_bytes(&memory, (uint64_t)MAX(service->memory_bytes, INT64_C(0)));
    figure_cell(table, service->cpu_percent, " %");
    table_add(table, TERM_PLAIN, service->memory_bytes > 0 ? buf_str(&memory) : STR("-"));
    figure_cell(table, service->requests_per_s, "");
    figure_cell(table, service->errors_per_s, "");
    figure_cell(table, service->p99_ms, " ms");
}

/* Columns of the table, and in which forms of it they stand. */
enum { SHOWN_LINKS = 1, SHOWN_FIGURES = 2, SHOWN_ALWAYS = SHOWN_LINKS | SHOWN_FIGURES };
static const struct board_column {
    struct table_column column;
    unsigned shown;
} board_columns[] = {
    {{.title = "SERVICE", .shrink = true}, SHOWN_ALWAYS},
    {{.title = "STATE"}, SHOWN_ALWAYS},
    {{.title = "READY", .right = true}, SHOWN_ALWAYS},
    {{.title = "RESTARTS", .right = true, .drop = 2}, SHOWN_LINKS},
    {{.title = "CPU", .right = true}, SHOWN_FIGURES},
    {{.title = "MEMORY", .right = true, .drop = 5}, SHOWN_FIGURES},
    {{.title = "REQ/S", .right = true, .drop = 4}, SHOWN_FIGURES},
    {{.title = "ERR/S", .right = true, .drop = 3}, SHOWN_FIGURES},
    {{.title = "P99", .right = true, .drop = 1}, SHOWN_FIGURES},
    {{.title = "WHERE / WHY", .shrink = true}, SHOWN_LINKS},
};

/* What is well says where it is, what is not says why: one column is enough for both. */
static void render_row(struct table *table, const struct board_service *service, unsigned shown)
{
    struct str state = str_from(service->state);
    bool fine = board_service_ready(service);

    table_add(table, TERM_BOLD, str_from(service->name));
    table_addf(table, term_state_style(state), "%s %s", term_state_mark(state), service->state);
    if (str_is(state, "completed")) {
        table_add(table, TERM_GREY, STR("-"));
    } else {
        table_addf(table, TERM_PLAIN, "%lld/%lld", (long long)service->ready,
                   (long long)service->desired);
    }
    if (shown & SHOWN_LINKS) {
        table_addf(table, service->restarts ? TERM_AMBER : TERM_GREY, "%lld",
                   (long long)service->restarts);
    }
    if (shown & SHOWN_FIGURES) {
        render_figures(table, service);
    }
    if (shown & SHOWN_LINKS) {
        table_add(table, fine ? TERM_BLUE : TERM_PLAIN,
                  str_from(fine && service->urls[0] ? service->urls : service->reason));
    }
}

/* Narrow terminals get one half of the table: states and where they lead, or figures. Both halves
 * cut to nothing would show neither. */
void board_render(const struct board *board, const struct term *term, enum board_focus focus,
                  struct buf *out)
{
    struct table_column columns[ARRAY_LEN(board_columns)];
    bool wide = term->columns >= FIGURES_COLUMNS;
    unsigned shown = focus == BOARD_STATES  ? SHOWN_LINKS
                     : wide                 ? SHOWN_ALWAYS
                     : focus == BOARD_LINKS ? SHOWN_LINKS
                                            : SHOWN_FIGURES;
    cleanup(table_fini) struct table table;
    unsigned count = 0;

    for (size_t i = 0; i < ARRAY_LEN(board_columns); i++) {
        if (board_columns[i].shown & shown) {
            columns[count++] = board_columns[i].column;
        }
    }
    table_init(&table, columns, count);
    for (size_t i = 0; i < board->count; i++) {
        render_row(&table, &board->services[i], shown);
    }
    table_render(&table, term, out);
}

/* Numbers only where one replica is not all there is. */
void board_line(const struct board_service *service, const struct term *term, struct buf *out)
{
    struct str state = str_from(service->state);

    term_style(out, term, term_state_style(state), str_from(term_state_mark(state)));
    buf_printf(out, " %s: %s", service->name, service->state);
    if (service->desired != 1) {
        buf_printf(out, " (%lld/%lld ready)", (long long)service->ready,
                   (long long)service->desired);
    }
    if (service->reason[0] && !board_service_ready(service)) {
        buf_add_cstr(out, ": ");
        term_add_safe(out, str_from(service->reason));
    }
    buf_add_char(out, '\n');
}
