/* SPDX-License-Identifier: Apache-2.0
 *
 * Idempotency keys (draft-ietf-httpapi-idempotency-key-header): a change that is sent twice with
 * the same key happens once; the second sender gets the first one's answer. Keys belong to an actor
 * and live for a day in work.db, where the answer lies before it is sent.
 *
 *   the same request, done           its answer again, with Idempotency-Replayed: true
 *   the same request, under way      409: wait and ask again
 *   another request with that key    422: a mistake of the client
 *   an answer of 500 and more        not kept: the client should try again
 *
 *   1. A key is held (api->once) from the look-up until its exchange is freed, so of two at the
 *      same time one runs. After a crash in between nothing is stored, and the change itself tells
 *      (generations).
 *   2. Another request is one that differs in method, target or body; their hash is kept, not they.
 *   3. Keys of two actors never meet: one must not read the other's answer.
 *
 * As it fails: what cannot be stored is sent all the same, and logged. The change has happened.
 *
 * A row of work.db (store/tables.h): actor and key (together the primary key), tenant, project, the
 * hash of the request in hexadecimal, the status, the time (ns), and the response:
 *
 *   application/json LF          its media type
 *   {"items":…}                  the body, as it was sent
 */
#include "base/map.h"
#include "base/num.h"
#include "face/api_server.h"
#include "store/store.h"
#include "store/tables.h"

enum { KEY_MAX = 200 };
#define KEPT_NS (24 * 3600 * NS_PER_S)

/* 64 bits are enough to tell mistakes apart; who wants to collide with himself may. */
static void hash_request(struct exchange *x)
{
    cleanup(buf_fini) struct buf text = BUF_INIT(API_APPLY_MAX + (64 << 10));

    buf_add(&text, http1_str(&x->head, x->head.method_text));
    buf_add_char(&text, '\n');
    buf_add(&text, http1_str(&x->head, x->head.target));
    buf_add_char(&text, '\n');
    buf_add(&text, x->body);
    snprintf(x->once_hash, sizeof(x->once_hash), "%016llx",
             (unsigned long long)map_hash(0, buf_str(&text)));
}

static struct str actor(const struct exchange *x)
{
    return str_from(x->ctx.principal.name);
}

/* By search: those under way are as many as changes at this moment. */
static bool under_way(const struct exchange *x)
{
    for (struct list *node = x->api->once.next; node != &x->api->once; node = node->next) {
        const struct exchange *other = container_of(node, struct exchange, once_node);
        if (str_eq(other->once_key, x->once_key) && str_eq(actor(other), actor(x))) {
            return true;
        }
    }
    return false;
}

/* The stored form: media type, newline, body. */
static void replay(struct exchange *x, const struct idempotency_row *row)
{
    struct str type = STR_NONE;
    struct str body = STR_NONE;

    if (!str_is(row->request_hash, x->once_hash)) {
        exchange_refuse(x, 422, "idempotency.reused",
                        "this Idempotency-Key was used for another request");
        return;
    }
    str_split(row->response, '\n', &type, &body);
    buf_add(&x->out, body);
    exchange_header(x, STR("Idempotency-Replayed"), STR("true"));
    x->status = (unsigned)row->status;
    x->type = arena_str(&x->arena, type);
    exchange_finish(x);
}

/* The look-up is asynchronous, so what was checked before it (readiness, permission) is some
 * milliseconds old; the handler looks up its things anew. */
static void on_found(void *arg, int status, const struct txn *txn)
{
    struct exchange *x = arg;
    struct idempotency_row row;

    if (status != 0) {
        exchange_answer_error(x, status < 0 ? status : -EIO);
        return;
    }
    if (idempotency_read(txn_rows(txn, 0), &row)) {
        replay(x, &row);
        return;
    }
    x->once_waits = true;
    x->endpoint->handle(x);
}

/* The key is held before the store is asked: two requests in one turn would both find nothing. */
void api_once_begin(struct exchange *x)
{
    struct txn *txn;
    int r;

    if (x->once_key.len > KEY_MAX) {
        exchange_refuse(x, 400, "idempotency.key", "an Idempotency-Key has at most %d characters",
                        KEY_MAX);
        return;
    }
    hash_request(x);
    if (under_way(x)) {
        exchange_header(x, STR("Retry-After"), STR("1"));
        exchange_refuse(x, 409, "idempotency.under-way",
                        "the request with this key is still at work");
        return;
    }
    list_push_back(&x->api->once, &x->once_node);
    txn = txn_new();
    idempotency_select(txn, actor(x), x->once_key);
    r = store_query(x->core->store, txn, on_found, x);
    if (r < 0) {
        exchange_answer_error(x, r);
    }
}

static void on_stored(void *arg, int status, const struct txn *txn)
{
    struct exchange *x = arg;

    if (status < 0) {
        core_log(x->core, "the answer to idempotency key could not be stored: %s",
                 strerror(-status));
    }
    exchange_finish(x);
}

/* Old keys are trimmed with each one that is added: no timer, and a day without changes costs
 * nothing.
 */
void api_once_finish(struct exchange *x)
{
    cleanup(buf_fini) struct buf response = BUF_INIT(API_OUT_MAX);
    struct txn *txn;
    struct resource resource = api_resource(x);

    x->once_waits = false;
    if (x->status >= 500) {
        exchange_finish(x);
        return;
    }
    buf_add(&response, x->type);
    buf_add_char(&response, '\n');
    buf_add(&response, buf_str(&x->out));
    txn = txn_new();
    idempotency_add(
        txn, &(struct idempotency_row){.actor = actor(x),
                                       .key = x->once_key,
                                       .tenant = resource.tenant,
                                       .project = resource.project.p ? resource.project : STR(""),
                                       .request_hash = str_from(x->once_hash),
                                       .response = buf_str(&response),
                                       .status = x->status,
                                       .time = core_wall(x->core)});
    idempotency_trim(txn, core_wall(x->core) - KEPT_NS);
    if (store_commit(x->core->store, txn, on_stored, x) < 0) {
        exchange_finish(x);
    }
}

void api_once_forget(struct exchange *x)
{
    list_del(&x->once_node);
    x->once_waits = false;
}
