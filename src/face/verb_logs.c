/* SPDX-License-Identifier: Apache-2.0
 *
 * logs and events: history by one request (pages by cursor), then, with -f, the event stream.
 * Output is one line per record; --json prints the records of the contract, one object a line.
 *
 *   1. A stream that broke goes on behind the newest record's id: across a restart of the core no
 *      line is missing and none comes twice.
 *   2. Messages go raw into pipes (they are the service's bytes) and made safe onto terminals (they
 *      may hold anything).
 *   3. A name that is nobody's is an error, but only when nothing was found: what a service printed
 *      is kept after it has left the file.
 *
 * More than TAIL_MAX last lines are found by counting all first: the server bounds a page, and
 * memory here is for one.
 *
 *   logs                    GET …/logs?limit=5000&cursor=… until there is none
 *   logs --tail N           GET …/logs?tail=N; beyond TAIL_MAX all pages twice, counted first
 *   logs -f                 GET …/logs?follow=1 (all that is kept, then what comes), with tail=N behind N
 *   events                  GET /api/v1/events?tail=50
 *   events --tail all       GET /api/v1/events?after=SEQ&limit=1000, page by page
 *   events -f               the same, then ?follow=1&after=SEQ
 */
#include "base/timefmt.h"
#include "face/session.h"
#include "face/show.h"
#include "face/verbs.h"
#include "os/clock.h"
#include "proto/uri.h"
#include <signal.h>

#define REOPEN_NS (15 * NS_PER_S)

enum { TAIL_MAX = 10000, EVENTS_DEFAULT = 50, EVENTS_PAGE = 1000, NAME_WIDTH_MAX = 24 };

struct tail {
    struct session s;
    struct client_stream stream;
    struct loop_signal interrupts[2];
    struct buf out;      /* lines that are not written yet */
    unsigned name_width; /* of the longest prefix so far */
    bool found;          /* something was printed */
    char last_id[32];    /* of the newest record: a stream that broke goes on behind it */
    bool stopped;        /* the reader has seen enough */
    int64_t skip;        /* lines that are passed over before the first that is shown */
    bool broken;         /* the stream ended by itself: the core went away */
    void (*print)(struct tail *tail, const struct jdoc *record);
};

/* Per page or event: a reader in a pipe sees whole lines, and a signal loses none that were shown.
 */
static void flush(struct tail *t)
{
    term_write(&t->s.out, buf_str(&t->out));
    buf_reset(&t->out);
}

/* ---- printing ---- */

/* One colour per service, by its name, so that it stays the same. No red: it is the colour of what
 * is wrong. */
static enum term_style name_style(struct str name)
{
    static const enum term_style styles[] = {TERM_BLUE, TERM_GREEN, TERM_AMBER, TERM_BOLD};
    unsigned sum = 0;

    for (size_t i = 0; i < name.len; i++) {
        sum = sum * 31 + (unsigned char)name.p[i];
    }
    return styles[sum % ARRAY_LEN(styles)];
}

/* The members of the contract, in its order, whatever more the API has. */
static void raw_fields(struct buf *out, const struct jdoc *record, const char *const *keys,
                       size_t count)
{
    struct json_writer w = JSON_WRITER(out);

    json_begin_object(&w);
    for (size_t i = 0; i < count; i++) {
        show_raw(&w, record, keys[i]);
    }
    json_end_object(&w);
    buf_add_char(out, '\n');
}

/* "web-1": the service and its replica. Names are aligned as they come: nobody knows yet which
 * service will print. A very long one is not waited for. */
static void add_prefix(struct tail *t, const struct jdoc *line)
{
    struct str service = jdoc_str(line, "service");
    int64_t replica = jdoc_i64(line, "replica", 0);
    char name[128];
    int len = replica > 0 ? snprintf(name, sizeof(name), STR_FMT "-%lld", STR_ARG(service),
                                     (long long)replica)
                          : snprintf(name, sizeof(name), STR_FMT, STR_ARG(service));
    unsigned width = MIN((unsigned)MAX(len, 0), (unsigned)NAME_WIDTH_MAX);

    t->name_width = MAX(t->name_width, width);
    term_style(&t->out, &t->s.out, name_style(service), str_from(name));
    for (; width < t->name_width; width++) {
        buf_add_char(&t->out, ' ');
    }
    buf_add_cstr(&t->out, " | ");
}

/* A part of a record's line; what the record does not have takes no room. */
static void add_part(struct buf *out, struct str text)
{
    if (text.len) {
        buf_add(out, out->len ? STR(" ") : STR(""));
        buf_add(out, text);
    }
}

static void add_cost(struct buf *out, const struct jdoc *doc)
{
    cleanup(buf_fini) struct buf cost = BUF_INIT(64);

    int64_t bytes = jdoc_i64(doc, "bytes_out", -1);
    if (bytes >= 0) {
        num_format_bytes(&cost, (uint64_t)bytes);
    }
    if (jdoc_get(doc, "duration_ms")) {
        buf_printf(&cost, "%s%.1f ms", cost.len ? " " : "", jdoc_double(doc, "duration_ms", 0));
    }
    add_part(out, buf_str(&cost));
}

/* A request's record in a line: "127.0.0.1 GET shop.localhost/x 200 275 B 3.6 ms web-1",
 * with the code of a problem that the gateway told behind the status; of a connection that is
 * passed on "127.0.0.1 TCP 275 B 3.6 ms db-1" (of tls:// with the name that was asked for). What
 * gateway.access_log.fields leaves out is missing. False: the record has nothing of it. */
static bool add_request(struct buf *out, struct str record)
{
    cleanup(arena_fini) struct arena arena = ARENA_INIT(256 * KIB);
    struct jdoc *doc = NULL;
    size_t at;

    if (jdoc_parse(&arena, record, &doc, &at) < 0) {
        return false;
    }
    struct str host = jdoc_str(doc, "host"), path = jdoc_str(doc, "path");
    bool tcp = str_is(jdoc_str(doc, "protocol"), "TCP");
    add_part(out, jdoc_str(doc, "client"));
    add_part(out, tcp ? STR("TCP") : jdoc_str(doc, "method"));
    if (tcp && path.len) { /* of tls:// the host is in its path: what was asked for */
        host = STR_NONE;
    }
    add_part(out, host.len ? host : path);
    buf_add(out, host.len ? path : STR(""));
    add_part(out, jdoc_get(doc, "status") ? jdoc_get(doc, "status")->text : STR_NONE);
    add_part(out, jdoc_str(doc, "code"));
    add_cost(out, doc);
    add_part(out, jdoc_str(doc, "replica"));
    jdoc_each(flag, jdoc_get(doc, "flags"))
    {
        add_part(out, flag->text);
    }
    return out->len > 0;
}

/* What is printed of a line; `room` may hold it. Programs that want the record take --json or
 * --no-prefix. */
static struct str log_text(const struct tail *t, const struct jdoc *line, struct buf *room)
{
    struct str message = jdoc_str(line, "message");
    bool request = str_is(jdoc_str(line, "stream"), "access") &&
                   !cli_has(t->s.args, "no-prefix"); /* only the messages: as they are */

    return request && add_request(room, message) ? buf_str(room) : message;
}

/* Stands in for print_log while lines are counted. */
static void count_log(struct tail *t, const struct jdoc *line)
{
    t->skip++;
}

static void print_log(struct tail *t, const struct jdoc *line)
{
    static const char *const keys[] = {"time", "service", "replica", "stream", "message"};

    t->found = true;
    if (t->skip > 0) {
        t->skip--;
        return;
    }
    if (t->s.json) {
        raw_fields(&t->out, line, keys, ARRAY_LEN(keys));
        return;
    }
    if (!cli_has(t->s.args, "no-prefix")) {
        add_prefix(t, line);
    }
    if (cli_has(t->s.args, "timestamps")) {
        term_style(&t->out, &t->s.out, TERM_DIM, jdoc_str(line, "time"));
        buf_add_char(&t->out, ' ');
    }
    cleanup(buf_fini) struct buf room = BUF_INIT(256 * KIB);
    struct str text = log_text(t, line, &room);
    if (t->s.out.is_tty) {
        term_add_safe(&t->out, text);
    } else {
        buf_add(&t->out, text);
    }
    buf_add_char(&t->out, '\n');
}

/* Several services are picked here; the API picks one. */
static bool is_wanted_event(const struct tail *t, const struct jdoc *event)
{
    return t->s.args->word_count <= 1 || show_wanted(t->s.args, jdoc_str(event, "service"));
}

/* Seconds are enough for people; the JSON has the time in full. */
static void print_event(struct tail *t, const struct jdoc *event)
{
    struct str severity = jdoc_str(event, "severity");
    struct str cause = jdoc_str(event, "cause");
    enum term_style style = str_is(severity, "error")     ? TERM_CORAL
                            : str_is(severity, "warning") ? TERM_AMBER
                                                          : TERM_PLAIN;

    if (!is_wanted_event(t, event)) {
        return;
    }
    t->found = true;
    if (t->s.json) {
        buf_add(&t->out, event->raw);
        buf_add_char(&t->out, '\n');
        return;
    }
    term_style(&t->out, &t->s.out, TERM_DIM, str_slice(jdoc_str(event, "time"), 0, 19));
    buf_add_cstr(&t->out, "Z  ");
    term_style(&t->out, &t->s.out, style, jdoc_str(event, "kind"));
    buf_add_cstr(&t->out, "  ");
    term_add_safe(&t->out, jdoc_str(event, "message"));
    cleanup(buf_fini) struct buf by = BUF_INIT(1 * KIB);
    buf_printf(&by, "  (" STR_FMT "%s" STR_FMT ")", STR_ARG(jdoc_str(event, "actor")),
               cause.len ? ": " : "", STR_ARG(cause));
    term_style(&t->out, &t->s.out, TERM_DIM, buf_str(&by));
    buf_add_char(&t->out, '\n');
}

/* ---- following ---- */

/* The id is remembered after the record is printed: a break in between shows it twice, never not.
 */
static void on_event(struct client_stream *stream, const struct client_event *event)
{
    struct tail *t = container_of(stream, struct tail, stream);
    cleanup(arena_fini) struct arena arena = ARENA_INIT(16 * MIB);
    struct jdoc *doc = NULL;

    if (!str_is(event->name, "log") && !str_is(event->name, "event")) {
        return;
    }
    if (jdoc_parse(&arena, event->data, &doc, NULL) == 0) {
        t->print(t, doc);
        str_copy(t->last_id, sizeof(t->last_id), event->id);
    }
    flush(t);
}

static void on_ended(struct client_stream *stream, int error)
{
    container_of(stream, struct tail, stream)->broken = true;
}

static void on_interrupt(struct loop_signal *signal)
{
    struct tail *t = signal->signum == SIGINT ? container_of(signal, struct tail, interrupts[0])
                                              : container_of(signal, struct tail, interrupts[1]);

    t->stopped = true;
}

static int watch_signals(struct tail *t)
{
    int r;

    t->interrupts[0] = t->interrupts[1] = (struct loop_signal){.received = on_interrupt};
    r = loop_signal_add(&t->s.loop, &t->interrupts[0], SIGINT);
    r = r < 0 ? r : loop_signal_add(&t->s.loop, &t->interrupts[1], SIGTERM);
    if (r < 0) {
        say_error(&t->s, "cannot watch signals: %s", strerror(-r));
        return CLI_FAILED;
    }
    return 0;
}

static int open_stream(struct tail *t, const char *target)
{
    struct client_answer answer = {0};
    int r;

    t->broken = false;
    t->stream = (struct client_stream){.event = on_event, .ended = on_ended};
    r = client_follow_get(t->s.client, target, t->last_id, &t->stream, &answer);
    if (r == CLIENT_E_STATUS) {
        say_answer(&t->s, &answer);
        r = CLI_FAILED;
    }
    client_answer_fini(&answer);
    return r;
}

/* The core is back within moments after it died; then the stream goes on behind the last record.
 * Looks at the loop in between, so that Ctrl-C is heard while there is no core. */
static int reopen_stream(struct tail *t, const char *target)
{
    int64_t end = clock_mono_ns() + REOPEN_NS;
    int r = -ECONNREFUSED;

    while (r < 0 && clock_mono_ns() < end && !t->stopped) {
        r = loop_turn(&t->s.loop, 50 * NS_PER_MS);
        r = r < 0 ? r : open_stream(t, target);
    }
    if (r < 0 && !t->stopped) {
        say_error(&t->s, "the stream ended: the core is gone");
        return CLI_FAILED;
    }
    return MAX(r, 0);
}

static int follow(struct tail *t, const char *target)
{
    int r = watch_signals(t);

    r = r ? r : open_stream(t, target);
    if (r == -EAGAIN) {
        r = reopen_stream(t, target);
    } else if (r < 0) {
        say_error(&t->s, "cannot follow: %s", strerror(-r));
        return CLI_FAILED;
    }
    while (r == 0 && !t->stopped) {
        r = t->broken ? reopen_stream(t, target) : loop_turn(&t->s.loop, NS_PER_S);
    }
    return r < 0 ? CLI_FAILED : r;
}

/* ---- logs ---- */

/* A time as muelle shows it, whole or cut short: "2026-11-20T23:00:05.1Z", "2026-11-20 23:00",
 * "2026-11-20". What has no zone is UTC, like all times that muelle shows. */
static int parse_time(struct str text, int64_t *ret_wall_ns)
{
    static const struct str rests[] = {STR_INIT(""), STR_INIT("Z"), STR_INIT(":00Z"),
                                       STR_INIT("T00:00:00Z")};

    for (size_t i = 0; i < ARRAY_LEN(rests); i++) {
        cleanup(buf_fini) struct buf whole = BUF_INIT(128);
        buf_add(&whole, text);
        buf_add(&whole, rests[i]);
        if (timefmt_parse(buf_str(&whole), ret_wall_ns) == 0) {
            return 0;
        }
    }
    return -EINVAL;
}

/* A time stays; an age ("10m") becomes the time it means. 0 or CLI_USAGE. Ages are taken from this
 * moment, once: both ends of a range mean the same now. */
static int add_time(const struct session *s, struct buf *query, const char *key, const char *text)
{
    cleanup(buf_fini) struct buf time = BUF_INIT(64);
    int64_t wall = 0;
    int64_t age = 0;

    if (!text) {
        return 0;
    }
    if (parse_time(str_from(text), &wall) < 0) {
        if (num_parse_duration(str_from(text), &age) < 0) {
            say_error(s,
                      "'%s' is no time: use one like 2026-11-20T23:00:00Z or '2026-11-20 23:00' "
                      "(UTC), or an age (10m)",
                      text);
            return CLI_USAGE;
        }
        wall = clock_wall_ns() - age;
    }
    timefmt_rfc3339(&time, wall);
    buf_printf(query, "&%s=", key);
    uri_encode(query, buf_str(&time), false);
    return 0;
}

static void add_param(struct buf *query, const char *key, const char *value)
{
    if (value) {
        buf_printf(query, "&%s=", key);
        uri_encode(query, str_from(value), false);
    }
}

/* How many lines from the end: a number, or "all" (INT64_MAX). -1 and said when it is neither. */
static int64_t tail_count(const struct session *s, int64_t otherwise)
{
    const char *text = cli_value(s->args, "tail");
    uint64_t n = 0;

    if (!text) {
        return otherwise;
    }
    if (str_is(STR("all"), text)) {
        return INT64_MAX;
    }
    if (num_parse_u64(str_from(text), &n) < 0 || n > 100000000) {
        say_error(s, "--tail wants a number or 'all', not '%s'", text);
        return -1;
    }
    return (int64_t)n;
}

/* What a mistyped word of an option would leave without a line. The API would refuse them, too, but
 * with JSON pointers instead of option names. */
static int check_filters(const struct session *s)
{
    static const struct str streams[] = {STR_INIT("stdout"), STR_INIT("stderr"),
                                         STR_INIT("access")};
    const char *stream = cli_value(s->args, "stream"), *replica = cli_value(s->args, "replica");
    bool known = !stream;
    uint64_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(streams); i++) {
        known = known || str_is(streams[i], stream);
    }
    if (!known) {
        say_error(s, "--stream wants stdout, stderr or access, not '%s'", stream);
        return CLI_USAGE;
    }
    if (replica && (num_parse_u64(str_from(replica), &n) < 0 || n == 0)) {
        say_error(s, "--replica wants the number of a replica, from 1, not '%s'", replica);
        return CLI_USAGE;
    }
    return 0;
}

static int logs_query(const struct session *s, struct buf *query)
{
    int r = check_filters(s);

    r = r ? r : add_time(s, query, "since", cli_value(s->args, "since"));
    r = r ? r : add_time(s, query, "until", cli_value(s->args, "until"));
    for (unsigned i = 0; i < s->args->word_count; i++) {
        add_param(query, "service", s->args->words[i]);
    }
    add_param(query, "q", cli_value(s->args, "grep"));
    add_param(query, "replica", cli_value(s->args, "replica"));
    add_param(query, "stream", cli_value(s->args, "stream"));
    return r;
}

/* Everything kept, page by page. A page is printed before the next is asked for: a pipe that closes
 * early ends it early. */
static int logs_all(struct tail *t, struct str query)
{
    char cursor[128] = "";

    for (;;) {
        struct client_answer answer = {0};
        cleanup(buf_fini) struct buf more = BUF_INIT(256);
        add_param(&more, "cursor", cursor[0] ? cursor : NULL);
        int r = session_get(&t->s, &answer, "/logs?limit=5000" STR_FMT "%s", STR_ARG(query),
                            buf_cstr(&more));
        if (r) {
            return r;
        }
        jdoc_each(line, jdoc_get(answer.doc, "items"))
        {
            t->print(t, line);
        }
        flush(t);
        str_copy(cursor, sizeof(cursor), jdoc_str(answer.doc, "next_cursor"));
        client_answer_fini(&answer);
        if (!cursor[0]) {
            return 0;
        }
    }
}

/* The last `count` lines in one request. The server bounds a page: of more than that all are
 * counted first, and those in front passed over then. */
static int logs_tail(struct tail *t, struct str query, int64_t count)
{
    struct client_answer answer = {0};
    int r;

    if (count == INT64_MAX) {
        return logs_all(t, query);
    }
    if (count > TAIL_MAX) {
        t->print = count_log;
        r = logs_all(t, query);
        t->print = print_log;
        t->skip = MAX(t->skip - count, INT64_C(0));
        return r ? r : logs_all(t, query);
    }
    r = session_get(&t->s, &answer, "/logs?tail=%lld" STR_FMT, (long long)count, STR_ARG(query));
    if (r) {
        return r;
    }
    jdoc_each(line, jdoc_get(answer.doc, "items"))
    {
        t->print(t, line);
    }
    flush(t);
    client_answer_fini(&answer);
    return 0;
}

/* `edge` is no service, but has a log: the requests. */
static int need_logs(struct session *s)
{
    int r = 0;

    for (unsigned i = 0; r == 0 && i < s->args->word_count; i++) {
        r = str_is(STR("edge"), s->args->words[i]) ? 0 : session_need_word(s, s->args->words[i]);
    }
    return r;
}

/* Words are checked before following: a stream of nothing would wait for ever for a misspelt name.
 */
static int logs_run(struct tail *t)
{
    cleanup(buf_fini) struct buf query = BUF_INIT(64 * KIB);
    struct session *s = &t->s;
    int64_t count;
    int r = logs_query(s, &query);

    if (r) {
        return r;
    }
    count = tail_count(s, INT64_MAX);
    if (count < 0) {
        return CLI_USAGE;
    }
    if (!cli_has(s->args, "follow")) {
        r = logs_tail(t, buf_str(&query), count);
        /* What a service printed is kept when it has left the file: names are looked at only when
         * nothing came. But a name that is nobody's is a mistake, and no empty log. */
        return r || t->found ? r : need_logs(s);
    }
    r = need_logs(s);
    if (r) {
        return r;
    }
    cleanup(buf_fini) struct buf target = BUF_INIT(64 * KIB);
    buf_add_cstr(&target, "/api/v1/projects/");
    uri_encode(&target, str_from(s->project), false);
    buf_printf(&target, "/logs?follow=1" STR_FMT, STR_ARG(buf_str(&query)));
    if (count > TAIL_MAX && count != INT64_MAX) {
        cleanup(buf_fini) struct buf note = BUF_INIT(1 * KIB);
        buf_printf(&note,
                   "note: with --follow the last %d lines are the most; without --tail all"
                   " that is kept comes first\n",
                   TAIL_MAX);
        term_write(&s->err, buf_str(&note));
    }
    if (count != INT64_MAX) { /* without it: all that is kept, then what comes */
        buf_printf(&target, "&tail=%lld", (long long)MIN(count, (int64_t)TAIL_MAX));
    }
    return follow(t, buf_cstr(&target));
}

int verb_logs(const struct cli_args *args)
{
    struct tail t = {.out = BUF_INIT(64 * MIB), .print = print_log};
    int r = session_open(&t.s, args);

    r = r ? r : logs_run(&t);
    buf_fini(&t.out);
    session_fini(&t.s);
    return r;
}

/* ---- events ---- */

/* One page of events; of those that are wanted the last `most`. Filtered here when several services
 * are named; the page's last number counts all the same. */
static int events_page(struct tail *t, struct str target, int64_t most, int64_t *last,
                       size_t *ret_count)
{
    cleanup(buf_fini) struct buf path = BUF_INIT(8 * KIB);
    struct client_answer answer = {0};
    int64_t wanted = 0;

    buf_add(&path, target);
    int r = session_call(
        &t->s, &(struct client_request){.method = "GET", .target = buf_cstr(&path)}, &answer);
    if (r) {
        return r;
    }
    const struct jdoc *items = jdoc_get(answer.doc, "items");
    jdoc_each(event, items)
    {
        wanted += is_wanted_event(t, event);
    }
    jdoc_each(event, items)
    {
        *last = jdoc_i64(event, "seq", *last);
        if (is_wanted_event(t, event) && wanted-- <= most) {
            t->print(t, event);
        }
    }
    *ret_count = items ? items->count : 0;
    flush(t);
    client_answer_fini(&answer);
    return 0;
}

/* The last `count`, or all of them when that is more than a page. Of several services a page is
 * read and filtered here; beyond a page everything is. */
static int events_history(struct tail *t, struct str query, int64_t count, int64_t *last)
{
    cleanup(buf_fini) struct buf target = BUF_INIT(8 * KIB);
    size_t got = 0;
    int r;

    if (count <= EVENTS_PAGE) {
        bool some = t->s.args->word_count > 1;
        buf_printf(&target, "/api/v1/events?tail=%lld" STR_FMT,
                   (long long)(some ? EVENTS_PAGE : count), STR_ARG(query));
        return events_page(t, buf_str(&target), count, last, &got);
    }
    do {
        buf_reset(&target);
        buf_printf(&target, "/api/v1/events?after=%lld&limit=%d" STR_FMT, (long long)*last,
                   EVENTS_PAGE, STR_ARG(query));
        r = events_page(t, buf_str(&target), EVENTS_PAGE, last, &got);
    } while (r == 0 && got == EVENTS_PAGE);
    return r;
}

/* A kind that no event has may be a slip: which ones are there? */
static void say_kinds(struct session *s, const char *kind)
{
    cleanup(buf_fini) struct buf target = BUF_INIT(8 * KIB);
    cleanup(buf_fini) struct buf out = BUF_INIT(8 * KIB);
    struct client_answer answer = {0};
    struct str kinds[64];
    size_t count = 0;

    buf_printf(&target, "/api/v1/events?tail=%d", EVENTS_PAGE);
    add_param(&target, "project", s->project);
    const struct client_request request = {.method = "GET", .target = buf_cstr(&target)};
    if (session_call(s, &request, &answer)) {
        return;
    }
    jdoc_each(event, jdoc_get(answer.doc, "items"))
    {
        struct str each = jdoc_str(event, "kind");
        size_t i = 0;
        while (i < count && !str_eq(kinds[i], each)) {
            i++;
        }
        if (i == count && count < ARRAY_LEN(kinds)) {
            kinds[count++] = each;
        }
    }
    buf_printf(&out, "note: there is no event of kind '%s'", kind);
    for (size_t i = 0; i < count; i++) {
        buf_printf(&out, "%s" STR_FMT, i ? ", " : "; there are: ", STR_ARG(kinds[i]));
    }
    buf_add_char(&out, '\n');
    term_write(&s->err, buf_str(&out));
    client_answer_fini(&answer);
}

static int events_run(struct tail *t)
{
    cleanup(buf_fini) struct buf query = BUF_INIT(8 * KIB);
    struct session *s = &t->s;
    int64_t count = tail_count(s, EVENTS_DEFAULT);
    int64_t last = 0;

    if (count < 0) {
        return CLI_USAGE;
    }
    add_param(&query, "project", s->project);
    add_param(&query, "service", s->args->word_count == 1 ? s->args->words[0] : NULL);
    add_param(&query, "kind", cli_value(s->args, "kind"));
    int r = events_history(t, buf_str(&query), count, &last);
    if (r == 0 && !t->found) { /* of one that is gone there are events all the same */
        r = session_need_words(s);
        if (r == 0 && cli_value(s->args, "kind") && s->args->word_count == 0) {
            say_kinds(s, cli_value(s->args, "kind"));
        }
    }
    if (r || !cli_has(s->args, "follow")) {
        return r;
    }
    cleanup(buf_fini) struct buf target = BUF_INIT(8 * KIB);
    buf_printf(&target, "/api/v1/events?follow=1&after=%lld" STR_FMT, (long long)last,
               STR_ARG(buf_str(&query)));
    return follow(t, buf_cstr(&target));
}

int verb_events(const struct cli_args *args)
{
    struct tail t = {.out = BUF_INIT(16 * MIB), .print = print_event};
    int r = session_open(&t.s, args);

    r = r ? r : events_run(&t);
    buf_fini(&t.out);
    session_fini(&t.s);
    return r;
}
