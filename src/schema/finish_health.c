/* SPDX-License-Identifier: Apache-2.0
 *
 * Commands as words, and health checks: what needs more than one row of `healthcheck`.
 *
 * Words: as Compose splits a command (shlex of Python's POSIX mode): blanks separate, single quotes
 * keep all, double quotes keep all but \" and \\, a backslash outside takes the next character
 * literally. No variable, no glob, no operator: a command that needs a shell names one. `$PORT`
 * passes through (spec_expand), quoted or not.
 *
 * Health: one of four tests counts (test, http, tcp, grpc); none means that running is enough.
 * Commands are run by the core's order, the others by the edge, which is why their usual times
 * differ: 30 s as in Compose, 5 s where a probe costs no process.
 */
#include "base/num.h"
#include "schema/decode.h"
#include "schema/table.h"

/* ------------------------------------------------------------------ words of a command */

struct word_reader {
    struct str text;
    size_t at;
    struct buf word;
    bool unclosed;
    bool failed; /* a word is not whole: no memory */
};

static void read_quoted(struct word_reader *r)
{
    char quote = r->text.p[r->at++];
    while (r->at < r->text.len && r->text.p[r->at] != quote) {
        char c = r->text.p[r->at++];
        if (quote == '"' && c == '\\' && r->at < r->text.len &&
            (r->text.p[r->at] == '"' || r->text.p[r->at] == '\\')) {
            c = r->text.p[r->at++];
        }
        buf_add_char(&r->word, c);
    }
    r->unclosed |= r->at >= r->text.len;
    r->at++;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* False at the end. */
static bool next_word(struct word_reader *r)
{
    buf_reset(&r->word);
    while (r->at < r->text.len && is_blank(r->text.p[r->at])) {
        r->at++;
    }
    if (r->at >= r->text.len) {
        return false;
    }
    while (r->at < r->text.len && !is_blank(r->text.p[r->at])) {
        char c = r->text.p[r->at];
        if (c == '"' || c == '\'') {
            read_quoted(r);
            continue;
        }
        if (c == '\\' && r->at + 1 < r->text.len) {
            c = r->text.p[++r->at];
        }
        buf_add_char(&r->word, c);
        r->at++;
    }
    r->failed |= buf_error(&r->word) != 0;
    return true;
}

static const struct str *words_of_text(struct schema_pass *pass, const struct value *v,
                                       size_t *ret_count)
{
    struct word_reader r = {.text = v->text, .word = BUF_INIT(VALUE_FILE_MAX)};
    size_t count = 0;
    while (next_word(&r)) {
        count++;
    }
    if (r.unclosed) {
        struct problem *problem = pass_problem(pass, v->at, "config.bad-command",
                                               "a quote in this command is never closed");
        problem_hint(problem, "or write the command as a list: [program, argument]");
        buf_fini(&r.word);
        return NULL;
    }
    struct str *words = pass_alloc(pass, count, sizeof(*words));
    r.at = 0;
    for (size_t i = 0; words && i < count && next_word(&r); i++) {
        words[i] = pass_str(pass, buf_str(&r.word));
    }
    if (r.failed) {
        pass->error = -ENOMEM; /* half a command must not run */
    }
    buf_fini(&r.word);
    *ret_count = words ? count : 0;
    return words;
}

const struct str *decode_words(struct schema_pass *pass, const struct value *v, size_t *ret_count)
{
    *ret_count = 0;
    if (v->kind == VALUE_SCALAR) {
        return words_of_text(pass, v, ret_count);
    }
    struct str *words =
        v->kind == VALUE_LIST && v->count ? pass_alloc(pass, v->count, sizeof(*words)) : NULL;
    for (size_t i = 0; words && i < v->count; i++) {
        words[i] = v->members[i].value->text;
    }
    *ret_count = words ? v->count : 0;
    return words;
}

/* ------------------------------------------------------------------ health */

/* CMD is exec'd, CMD-SHELL and plain text go through /bin/sh -c: Docker's HEALTHCHECK. */
static void use_command(struct schema_pass *pass, struct health_spec *health,
                        const struct value *test)
{
    static const struct str shell[] = {STR_INIT("/bin/sh"), STR_INIT("-c")};
    struct str how =
        test->kind == VALUE_LIST && test->count ? test->members[0].value->text : STR("CMD-SHELL");
    const struct value *text =
        test->kind == VALUE_LIST && test->count > 1 ? test->members[1].value : test;
    if (str_is(how, "NONE")) {
        return;
    }
    health->kind = HEALTH_COMMAND;
    if (str_is(how, "CMD") && test->count > 1) {
        size_t count;
        const struct str *words = decode_words(pass, test, &count);
        health->argv = words ? words + 1 : NULL;
        health->argv_count = count ? count - 1 : 0;
        return;
    }
    struct str *argv = pass_alloc(pass, 3, sizeof(*argv));
    bool one_text = test->kind == VALUE_SCALAR || test->count == 2;
    if (!str_is(how, "CMD-SHELL") || !one_text || !argv) {
        struct problem *problem =
            pass_problem(pass, test->at, "config.bad-health-test", "this is no health test");
        problem_expected(
            problem, "text for a shell, [CMD, program, argument …], [CMD-SHELL, text] or [NONE]");
        health->kind = HEALTH_NONE;
        return;
    }
    memcpy(argv, shell, sizeof(shell));
    argv[2] = text->text;
    health->argv = argv;
    health->argv_count = 3;
}

/* It becomes a header line of the probe. */
static void check_host(struct schema_pass *pass, const struct value *host)
{
    bool fine = true;
    for (size_t i = 0; host && fine && i < host->text.len; i++) {
        fine = (unsigned char)host->text.p[i] > 0x20 && (unsigned char)host->text.p[i] < 0x7f;
    }
    if (!fine) {
        problem_expected(
            pass_problem(pass, host->at, "config.bad-host", "this cannot stand in a Host header"),
            "a name such as shop.localhost, with a port if need be");
    }
}

static void use_tcp(struct health_spec *health, const struct value *tcp)
{
    int64_t port;
    health->kind = HEALTH_TCP;
    if (num_parse_i64(tcp->text, &port) == 0) {
        health->http_port = port;
    } else if (!decode_truth(tcp, false)) {
        health->kind = HEALTH_NONE;
    }
}

static void use_grpc(struct health_spec *health, const struct value *grpc)
{
    bool whole = str_is(grpc->text, "true");
    health->kind = str_is(grpc->text, "false") ? HEALTH_NONE : HEALTH_GRPC;
    health->http_path = whole ? STR_NONE : grpc->text;
}

/* 0 is "not written": the rows have bounds that leave no other 0. */
static void health_times(struct health_spec *health)
{
    bool by_gateway = health->kind >= HEALTH_HTTP; /* and those behind it */
    int64_t usual = by_gateway ? 5 * NS_PER_S : 30 * NS_PER_S;
    health->interval_ns = health->interval_ns ? health->interval_ns : usual;
    health->timeout_ns = health->timeout_ns ? health->timeout_ns : usual;
    if (!health->start_interval_ns && !by_gateway) { /* the gateway's steps grow by themselves */
        health->start_interval_ns = NS_PER_S;
    }
}

void finish_health(struct schema_pass *pass, const struct value *v, void *object)
{
    struct health_spec *health = object;
    const struct value *test = value_get(v, "test"), *tcp = value_get(v, "tcp");
    const struct value *disable = value_get(v, "disable"), *http = value_get(v, "http");
    const struct value *grpc = value_get(v, "grpc");
    if (value_is_set(test) + value_is_set(tcp) + value_is_set(http) + value_is_set(grpc) > 1) {
        struct problem *problem = pass_problem(pass, v->at, "config.many-health-tests",
                                               "more than one kind of health test");
        problem_expected(problem, "one of: test, http, tcp, grpc");
    } else if (value_is_set(http)) {
        health->kind = HEALTH_HTTP;
        (void)finish_path(pass, http, "a path such as /healthz", " #");
        check_host(pass, value_get(v, "host"));
    } else if (value_is_set(grpc)) {
        use_grpc(health, grpc);
        check_host(pass, value_get(v, "host"));
    } else if (value_is_set(tcp)) {
        use_tcp(health, tcp);
    } else if (value_is_set(test)) {
        use_command(pass, health, test);
    }
    if (decode_truth(disable, false)) {
        health->kind = HEALTH_NONE;
    }
    health_times(health);
}
