/* SPDX-License-Identifier: Apache-2.0
 *
 * A socket to an endpoint, with the layers that its service wants.
 */
#include "edge/connect.h"

#include "base/map.h"
#include "edge/conn_tls.h"
#include "edge/upstream.h"
#include "edge/worker.h"
#include "tls/connector.h"

#include <stdlib.h>

int connect_open(struct endpoint *endpoint, struct conn *conn,
                 void (*ready)(struct loop_fd *watch, uint32_t events))
{
    int fd = -1;
    int r = sock_connect(&endpoint->address, &fd);
    if (r == 0) {
        r = conn_open(conn, endpoint->service->worker, fd, ready);
    }
    if (r < 0) {
        sock_close(&fd);
        return r;
    }
    if (endpoint->address.family != SOCK_ADDR_UNIX) {
        sock_set_nodelay(fd, true);
    }
    const struct service *service = endpoint->service;
    if (unlikely(service->spec.tls.on)) {
        /* A connector that could not be made is said when the configuration is applied; here the
         * service cannot be reached. */
        r = service->connector
                ? conn_tls_connect(conn, service->connector, service->server_name, endpoint->id)
                : -EPROTO;
        if (r < 0) {
            conn_close(conn);
        }
    }
    return r;
}

int connect_step(struct conn *conn)
{
    if (likely(!conn->ops)) {
        return 0;
    }
    int r = conn_tls_step(conn);
    return r == CONN_TLS_E_WAIT ? CONNECT_E_WAIT : r;
}

bool connect_is_quiet(struct conn *conn)
{
    if (likely(!conn->ops && !conn->unsure)) {
        return false;
    }
    while (conn->readable) {
        if (conn_recv(conn, conn->worker->in, WORKER_IN_SIZE) != 0 || conn->eof || conn->failed) {
            return false;
        }
    }
    return true;
}

/* --- what a service wants --- */

static uint64_t content_of(const struct snapshot_upstream_tls *tls)
{
    uint64_t content = tls->on + (tls->verify ? 2U : 0U);
    const struct str texts[] = {tls->server_name, tls->ca, tls->cert, tls->key};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        content = map_hash(content + 1, texts[i]);
    }
    return content;
}

void connect_forget(struct service *service)
{
    if (service->connector) {
        tls_connector_fini(service->connector);
        free(service->connector);
        free(service->server_name);
        service->connector = NULL;
        service->server_name = NULL;
    }
}

int connect_learn(struct service *service, const struct snapshot_service *source)
{
    const struct snapshot_upstream_tls *tls = &source->tls;
    bool h2 = source->protocol == SNAPSHOT_PROTOCOL_HTTP2;
    uint64_t content = tls->on ? content_of(tls) + h2 : 0;
    if (content == service->connector_is) {
        return 0;
    }
    struct tls_connector *fresh = tls->on ? calloc(1, sizeof(*fresh)) : NULL;
    char *name = tls->on ? str_dup(tls->server_name) : NULL;
    const struct tls_connector_spec spec = {
        .verify = tls->verify,
        .ca = tls->ca,
        .cert = tls->cert,
        .key = tls->key,
        .h2 = h2,
    };
    int r = !tls->on ? 0 : fresh && name ? tls_connector_init(fresh, &spec) : -ENOMEM;
    if (r < 0) {
        free(fresh);
        free(name);
        return r;
    }
    connect_forget(service);
    list_for_each (node, &service->endpoints) {
        upstream_close_idle(list_entry(node, struct endpoint, node));
    }
    service->connector_is = content;
    if (r > 0) { /* refused: it was checked before, so this is another OpenSSL than the core's */
        free(fresh);
        free(name);
        return 0;
    }
    service->connector = fresh;
    service->server_name = name;
    return 0;
}
