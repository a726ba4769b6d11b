/* SPDX-License-Identifier: Apache-2.0
 *
 * What stands between a request and its handler, in this order; the first that does not hold
 * answers:
 *
 *   host → path → endpoint → method → who → may they → origin → ready → what they accept → body's
 *   type and size → (body) → query → JSON → tables → idempotency key → handler
 *
 *   1. All but the last line needs no body, so that a stranger cannot make us read one. A refusal
 *      before the body was read ends the connection: its bytes are still to come.
 *   2. Host comes first: with a wrong one we may be talking to a page of another site (DNS
 *      rebinding), which must learn nothing, not even what paths there are.
 *   3. The path is looked at before the principal: 404 and 405 tell no secret, since the table of
 *      endpoints is public. What a path names is looked up by the handler, behind the permission.
 *   4. The head is copied into the arena, because the connection's buffer moves on under it.
 *
 * As it fails: no memory for one request closes this client only.
 *
 *   gate       refuses with                     because
 *   host       421 access.host                  DNS rebinding: see api_access.h
 *   path       400 http.path                    an escape that is none, or a NUL
 *              404 http.not-found               no endpoint and no page
 *              405 http.method                  with Allow; OPTIONS gets that as its answer
 *   local      403 access.local                 descriptors cannot come over TCP
 *   who, may   401 access.unknown               with WWW-Authenticate: a credential may help
 *              403 access.denied                it will not
 *   origin     403 access.origin                another site's page
 *   ready      503 core.starting                with Retry-After
 *   accept     406 http.accept
 *   body       415 http.content-type            JSON alone: a form of another site cannot send it
 *              413 request.too-large            by Content-Length, or while it comes in chunks
 *   (reading)  400 http.malformed               and what proto/http1 says: 408, 414, 431, 501, 505
 *   JSON       400 request.json                 with the byte
 *   tables     400 request.…                    all problems of query and body at once
 *   key        409, 422 idempotency.…           see api_once.c
 */
#include "base/num.h"
#include "core/core.h"
#include "face/api_check.h"
#include "face/api_handlers.h"
#include "face/api_route.h"
#include "face/api_server.h"
#include "os/file.h"
#include "proto/accept.h"
#include "run/run.h"
#include "see/see.h"

/* ---- exchanges ---- */

/* Nobody until it is identified: an early refusal is written with a context that may do nothing. */
struct exchange *exchange_new(struct api_conn *conn)
{
    struct exchange *x = calloc(1, sizeof(*x));

    if (!x) {
        return NULL;
    }
    x->api = conn->api;
    x->core = conn->api->core;
    x->conn = conn;
    x->arena = ARENA_INIT(API_ARENA_MAX);
    x->out = BUF_INIT(API_OUT_MAX);
    x->headers = BUF_INIT(16 << 10);
    x->over_edge = conn->edge;
    x->ctx = context_token(false, STR_NONE, "");
    for (size_t i = 0; i < API_FDS_MAX; i++) {
        x->fds[i] = -1;
    }
    list_init(&x->once_node);
    timer_init(&x->alive, exchange_sign_of_life);
    list_push_back(&conn->api->exchanges, &x->node);
    conn->x = x;
    return x;
}

void exchange_free(struct exchange *x)
{
    if (x->conn) {
        x->conn->x = NULL;
    }
    api_once_forget(x);
    loop_timer_cancel(x->api->loop, &x->alive);
    for (size_t i = 0; i < API_FDS_MAX; i++) {
        file_close(&x->fds[i]);
    }
    list_del(&x->node);
    buf_fini(&x->out);
    buf_fini(&x->headers);
    arena_fini(&x->arena);
    free(x);
}

/* Not kept alive: where its body ends is not known, or not waited for. */
void exchange_refuse_early(struct exchange *x, unsigned status, const char *code, const char *what)
{
    x->keep_alive = false;
    exchange_refuse(x, status, code, "%s", what);
}

/* ---- context ---- */

struct run *api_run(const struct exchange *x)
{
    return run_get(x->core);
}

struct see *api_see(const struct exchange *x)
{
    return see_get(x->core);
}

struct resource api_resource(const struct exchange *x)
{
    bool project =
        x->endpoint && str_starts(str_from(x->endpoint->path), STR("/api/v1/projects/{"));
    struct resource resource = {.tenant = str_from(x->ctx.tenant)};

    if (project) {
        resource.project = x->params[0];
        resource.service = x->params[1];
    }
    return resource;
}

/* RFC 7239 and its older kin: either says that the words of the request are another one's. */
static bool is_forwarded(const struct http1_head *head)
{
    return http_set_has(&head->present, HTTP_H_FORWARDED) ||
           http_set_has(&head->present, HTTP_H_X_FORWARDED_FOR);
}

/* Over the local socket X-Forwarded-For says that somebody passes on what others said: then the
 * peer's uid is theirs, not the sender's. */
static struct access_facts gather_facts(const struct exchange *x)
{
    const struct http1_head *head = &x->head;
    bool forwarded = is_forwarded(head);
    struct str proto = http1_get(head, HTTP_H_X_FORWARDED_PROTO);

    return (struct access_facts){
        .local = !x->over_edge,
        .forwarded = forwarded,
        .uid = x->conn->uid,
        .host = http1_str(head, head->host),
        .named = x->over_edge &&
                 run_is_admin_name(api_run(x), access_host_of(http1_str(head, head->host))),
        .scheme = proto.len > 0 ? proto : STR("http"),
        .origin = http1_get(head, HTTP_H_ORIGIN),
        .fetch_site = http1_get(head, HTTP_H_SEC_FETCH_SITE),
        .authorization = http1_get(head, HTTP_H_AUTHORIZATION),
        .cookie = http1_get(head, HTTP_H_COOKIE),
        .token = str_from(x->api->token),
    };
}

/* The client's own id when it is a plain word, else one of ours. A token (RFC 9110 §5.6.2) cannot
 * break the log line or header that it is written into. */
static void choose_request_id(struct exchange *x, char *ret, size_t size)
{
    struct str given = http1_get(&x->head, HTTP_H_X_REQUEST_ID);

    if (given.len > 0 && given.len < size && http_is_token(given)) {
        str_copy(ret, size, given);
        return;
    }
    snprintf(ret, size, "%s-%d-%llu", x->core->instance.id, x->core->roles.core_pid,
             (unsigned long long)++x->api->request_serial);
}

/* `cause` is what events name as the reason of a change: the request itself. */
static void identify(struct exchange *x, const struct access_facts *facts)
{
    char id[NAME_MAX_SIZE];
    char cause[128];

    choose_request_id(x, id, sizeof(id));
    snprintf(cause, sizeof(cause), "api: " STR_FMT " " STR_FMT,
             STR_ARG(http1_str(&x->head, x->head.method_text)), STR_ARG(x->path));
    x->ctx = access_identify(facts, str_from(id), cause);
}

/* ---- the checks ---- */

/* Each returns true when the exchange was answered. */

/* No endpoint: a page of the dashboard, 404, or (another method would do) 405 and OPTIONS. */
static bool refuse_path(struct exchange *x, const struct route_match *match)
{
    bool page = (x->head.method == HTTP_GET || x->head.method == HTTP_HEAD) && match->allow == 0;

    if (page && handle_asset(x)) {
        return true;
    }
    if (match->allow == 0) {
        exchange_refuse(x, 404, "http.not-found", "nothing is at " STR_FMT, STR_ARG(x->path));
        return true;
    }
    cleanup(buf_fini) struct buf allow = BUF_INIT(128);
    api_route_allow(match->allow, &allow);
    exchange_header(x, STR("Allow"), buf_str(&allow));
    if (x->head.method == HTTP_OPTIONS) {
        exchange_answer_empty(x, 204);
        return true;
    }
    exchange_refuse(x, 405, "http.method", "this path takes %s", buf_cstr(&allow));
    return true;
}

/* A path that cannot be decoded is the client's mistake; no memory for it is ours. */
static bool find_endpoint(struct exchange *x)
{
    struct route_match match;
    int r = api_route((enum http_method)x->head.method, x->path, &x->arena, &match);

    if (r < 0) {
        exchange_refuse(x, r == -ENOMEM ? 503 : 400, "http.path", "the path cannot be decoded");
        return true;
    }
    if (!match.endpoint) {
        return refuse_path(x, &match);
    }
    x->endpoint = match.endpoint;
    memcpy(x->params, match.params, sizeof(x->params));
    return false;
}

bool api_ready(const struct exchange *x)
{
    return x->core->ready && !x->core->stopping && run_ready(api_run(x));
}

/* A core that has just started has not read its store yet: an empty list would be a lie. */
static bool check_ready(struct exchange *x)
{
    if ((x->endpoint->flags & ENDPOINT_PUBLIC) || api_ready(x)) {
        return false;
    }
    exchange_refuse(x, 503, "core.starting", "the core is starting; try again in a moment");
    return true;
}

static void refuse_access(struct exchange *x, const struct decision *decision)
{
    bool unknown = decision->status == 401;
    struct problem problem;

    problem_set(&problem, unknown ? "access.unknown" : "access.denied", "%s", decision->reason);
    problem.status = (uint16_t)decision->status;
    if (unknown) {
        exchange_header(x, STR("WWW-Authenticate"), STR("Bearer realm=\"muelle\""));
        problem_hint(&problem,
                     "send 'Authorization: Bearer TOKEN' with the token of the file "
                     "run/token in the state folder, or open the link of 'muelle status'");
    }
    exchange_answer_problem(x, &problem);
}

/* Origin is looked at for every method that may change something, also with a token in hand: the
 * token may be a cookie, which a browser sends for any page. */
static bool check_access(struct exchange *x, const struct access_facts *facts)
{
    const struct endpoint *endpoint = x->endpoint;
    bool local = facts->local && !facts->forwarded;

    if ((endpoint->flags & ENDPOINT_LOCAL) && !local) {
        exchange_refuse(x, 403, "access.local", "this works over the local socket only");
        return true;
    }
    if (!(endpoint->flags & ENDPOINT_PUBLIC)) {
        struct decision decision =
            authorise(&x->ctx, endpoint->action, api_resource(x), x->core->instance.owner);
        if (!decision.allowed) {
            refuse_access(x, &decision);
            return true;
        }
    }
    if (x->head.method != HTTP_GET && x->head.method != HTTP_HEAD &&
        !access_origin_allowed(facts)) {
        exchange_refuse(x, 403, "access.origin", "another site may not change things here");
        return true;
    }
    return false;
}

/* What the endpoint can answer with, against Accept. */
static bool check_accept(struct exchange *x)
{
    const struct endpoint *endpoint = x->endpoint;
    struct str accept = http1_get(&x->head, HTTP_H_ACCEPT);
    struct str type = endpoint->type ? str_from(endpoint->type) : STR("application/json");
    bool fine = accept_type(accept, type) > 0 ||
                ((endpoint->flags & ENDPOINT_STREAM) &&
                 accept_type(accept, STR("text/event-stream")) > 0) ||
                (endpoint->type && accept_type(accept, STR("text/plain")) > 0) ||
                (endpoint->flags & ENDPOINT_HIDDEN);

    if (!fine) {
        exchange_refuse(x, 406, "http.accept", "this answers " STR_FMT "%s", STR_ARG(type),
                        endpoint->flags & ENDPOINT_STREAM ? " or text/event-stream" : "");
        return true;
    }
    return false;
}

static bool check_body_head(struct exchange *x)
{
    const struct endpoint *endpoint = x->endpoint;
    struct http1_head *head = &x->head;
    struct str type = http1_get(head, HTTP_H_CONTENT_TYPE);
    struct str parameters = STR_NONE;
    uint32_t most = endpoint->body_max ? endpoint->body_max : API_BODY_MAX;
    bool has_body = head->framing != HTTP1_BODY_NONE;

    if (!has_body) {
        return false;
    }
    str_split(type, ';', &type, &parameters);
    if (endpoint->body && !str_eq_nocase(str_trim(type), STR("application/json"))) {
        exchange_header(x, STR("Accept"), STR("application/json"));
        exchange_refuse(x, 415, "http.content-type", "the body must be application/json");
        return true;
    }
    if (head->framing == HTTP1_BODY_LENGTH && head->content_length > most) {
        exchange_refuse(x, 413, "request.too-large", "the body is larger than %u bytes", most);
        return true;
    }
    x->conn->body.max = most;
    /* RFC 9110 §10.1.1: nobody waits for it once body bytes have come. */
    if (head->expect_continue && x->conn->in.len == 0) {
        buf_add(&x->conn->out, STR("HTTP/1.1 100 Continue\r\n\r\n"));
    }
    return false;
}

/* The head's bytes leave the connection's buffer, so the exchange keeps a copy that its slices
 * point into. */
static bool take_head(struct exchange *x, struct api_conn *conn)
{
    struct str copy = arena_str(&x->arena, str_slice(buf_str(&conn->in), 0, conn->head.len));

    if (!copy.p) {
        return false;
    }
    x->head = conn->head;
    x->head.base = copy.p;
    buf_consume(&conn->in, conn->head.len);
    x->path = http1_str(&x->head, x->head.path);
    x->query = x->head.has_query ? http1_str(&x->head, x->head.query) : STR_NONE;
    x->keep_alive = x->head.keep_alive;
    return true;
}

/* From here they are the exchange's: closed with it, unless a handler sets one to -1. */
static void take_fds(struct exchange *x, struct api_conn *conn)
{
    for (size_t i = 0; i < conn->fd_count; i++) {
        x->fds[i] = conn->fds[i];
        conn->fds[i] = -1;
    }
    conn->fd_count = 0;
}

void api_request_begin(struct api_conn *conn)
{
    struct exchange *x = exchange_new(conn);
    struct access_facts facts;
    bool answered;

    if (!x || !take_head(x, conn)) {
        if (x) {
            exchange_free(x);
        }
        conn->state = CONN_CLOSING; /* no memory for one request: this client only */
        return;
    }
    take_fds(x, conn);
    facts = gather_facts(x);
    identify(x, &facts);
    /* A refusal now leaves the body unread, so the connection cannot go on. */
    bool keep_alive = x->keep_alive;
    x->keep_alive = keep_alive && x->head.framing == HTTP1_BODY_NONE;
    if (!access_host_allowed(&facts)) {
        exchange_refuse(x, 421, "access.host",
                        "this host name is not known here; use localhost, an address or "
                        "*.localhost, or add it to "
                        "gateway.admin_names");
        return;
    }
    answered = find_endpoint(x) || check_access(x, &facts) || check_ready(x) || check_accept(x) ||
               check_body_head(x);
    if (!answered) {
        x->keep_alive = keep_alive;
    }
}

/* ---- with the body ---- */

/* The place is a byte: a body has no lines that a person wrote. */
static bool parse_json(struct exchange *x)
{
    struct problem problem;
    size_t at = 0;
    int r = jdoc_parse(&x->arena, x->body, &x->json, &at);

    if (r == 0) {
        return true;
    }
    if (r == -ENOMEM) {
        exchange_answer_error(x, r);
        return false;
    }
    problem_set(&problem, "request.json", "the body is not valid JSON");
    problem_where(&problem, "byte %zu", at);
    problem_hint(&problem, "each member may stand once; strings must be valid UTF-8");
    problem.status = 400;
    exchange_answer_problem(x, &problem);
    return false;
}

/* No body where one is wanted is an empty object, so that what is missing is told by name. */
static bool check_tables(struct exchange *x)
{
    const struct endpoint *endpoint = x->endpoint;
    struct problem_list *problems = arena_new(&x->arena, struct problem_list);
    int r = problems ? api_parse_query(endpoint->query, x->query, &x->arena, &x->options, problems)
                     : -ENOMEM;

    if (r < 0) {
        exchange_answer_error(x, r);
        return false;
    }
    if (endpoint->body) {
        static const struct jdoc empty = {.type = JSON_OBJECT};
        api_check(endpoint->body, x->json ? x->json : &empty, problems);
    }
    if (problems->count > 0) {
        exchange_answer_problems(x, problems);
        return false;
    }
    return true;
}

void api_request_run(struct exchange *x, struct str body)
{
    const struct endpoint *endpoint = x->endpoint;
    struct str key = http1_get(&x->head, HTTP_H_IDEMPOTENCY_KEY);

    x->body = arena_str(&x->arena, body);
    if (!x->body.p && body.len > 0) {
        exchange_answer_error(x, -ENOMEM);
        return;
    }
    if (endpoint->body && body.len > 0 && !parse_json(x)) {
        return;
    }
    if (!check_tables(x)) {
        return;
    }
    if (key.len > 0 && (endpoint->flags & ENDPOINT_CHANGES) &&
        !(endpoint->flags & ENDPOINT_SECRET)) {
        x->once_key = key;
        api_once_begin(x);
        return;
    }
    endpoint->handle(x);
}

/* ---- options ---- */

struct str exchange_option(const struct exchange *x, const char *name)
{
    return jdoc_str(x->options, name);
}

int64_t exchange_option_i64(const struct exchange *x, const char *name, int64_t otherwise)
{
    return jdoc_i64(x->options, name, otherwise);
}

bool exchange_option_bool(const struct exchange *x, const char *name)
{
    return jdoc_bool(x->options, name, false);
}
