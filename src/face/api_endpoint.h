/* SPDX-License-Identifier: Apache-2.0
 *
 * The row of the endpoint table (api_table.c), from which routing, permission, validation, OpenAPI
 * and docs/api.md come. Constant data. Private to face/.
 */
#ifndef FACE_API_ENDPOINT_H
#define FACE_API_ENDPOINT_H

#include "core/authorise.h"
#include "proto/http1.h"
#include "schema/field.h"

struct exchange;

/* Parameters of a path; bytes of a body, unless its row says more; of a configuration with its
 * environment. */
enum { API_PARAMS_MAX = 3, API_BODY_MAX = 64 << 10, API_APPLY_MAX = 4 << 20 };

/* What an endpoint is like; each flag is read by the gates (api_request.c) and by the document
 * (api_openapi.c), never by its own handler. */
enum endpoint_flag {
    ENDPOINT_PUBLIC = 1 << 0,  /* needs no principal: health, login, the dashboard's files */
    ENDPOINT_LIST = 1 << 1,    /* answers {"items":[…],"next_cursor":…} */
    ENDPOINT_STREAM = 1 << 2,  /* answers text/event-stream when the client accepts it */
    ENDPOINT_ETAG = 1 << 3,    /* answers an ETag */
    ENDPOINT_CHANGES = 1 << 4, /* takes Idempotency-Key and If-Match; Origin is checked */
    ENDPOINT_HIDDEN = 1 << 5,  /* not in the OpenAPI document: pages, not API */
    ENDPOINT_TEXT = 1 << 6,    /* answers no JSON (`type` says what) */
    ENDPOINT_LOCAL = 1 << 7,   /* only over the local socket: descriptors travel along */
    ENDPOINT_SECRET = 1 << 8,  /* its answer is never stored */
};

/* One row: from it come routing, permission, validation, OpenAPI and docs/api.md. Rows with the
 * same path stand together; each path of {parameters} has at most API_PARAMS_MAX. */
struct endpoint {
    enum http_method method;
    const char *path; /* "/api/v1/projects/{project}": a segment in braces is a parameter */
    const char *id;   /* operationId */
    const char *tag;
    enum action action; /* ignored when PUBLIC */
    uint16_t flags;
    uint16_t status;                     /* of success */
    const char *type;                    /* media type of a TEXT answer */
    const struct schema_table *query;    /* parameters; NULL = none */
    const struct schema_table *body;     /* request; NULL = none */
    const struct schema_table *resource; /* of the answer, or of its items */
    uint32_t body_max;                   /* 0 = API_BODY_MAX */
    void (*handle)(struct exchange *x);
    const char *en, *es;
};

extern const struct endpoint api_endpoints[];
extern const size_t api_endpoint_count;

#endif
