/* SPDX-License-Identifier: Apache-2.0
 *
 * Written once per process, at the first request. Valid by spectral and redocly, held by
 * tests/integration/api_openapi.py.
 *
 * Schemas come from schema/derive.c by name ("#/components/schemas/service"); tables that only the
 * API knows (requests, small answers) are collected here, each once. Errors are one response for
 * all endpoints, since all of them are problem documents. Hidden endpoints (pages) are left out.
 *
 * The words are the tables' own, in English; the Spanish ones stand beside as x-description-es,
 * which tools pass over and the dashboard may use.
 *
 *   openapi, info, servers, security, tags
 *   paths       PATH → method → operationId, tags, summary, x-permission, parameters,
 *               requestBody, responses {STATUS, 4XX, 5XX}
 *   components  securitySchemes {token, session} · responses {problem} · schemas {table …}
 */
#include "face/api_openapi.h"
#include "face/api.h"
#include "schema/resource.h"

#define REF "#/components/schemas/"

static void text(struct json_writer *w, const char *key, const char *value)
{
    json_key(w, str_from(key));
    json_cstr(w, value);
}

/* Objects are referred to, never inlined: generators make one type of each. */
static void ref(struct json_writer *w, const char *name)
{
    char path[128];

    snprintf(path, sizeof(path), REF "%s", name);
    json_begin_object(w);
    text(w, "$ref", path);
    json_end_object(w);
}

/* ---- parameters ---- */

/* Always required (OpenAPI 3.1, 4.8.12); what it names is told by its own name. */
static void path_parameter(struct json_writer *w, struct str name)
{
    char about[96];

    snprintf(about, sizeof(about), "Name of the " STR_FMT ".", STR_ARG(name));
    json_begin_object(w);
    json_key(w, STR("name"));
    json_str(w, name);
    text(w, "in", "path");
    json_field(w, "required", bool, true);
    text(w, "description", about);
    json_key(w, STR("schema"));
    json_begin_object(w);
    text(w, "type", "string");
    json_end_object(w);
    json_end_object(w);
}

/* Names of parameters are the names in the path; they have no table of their own. */
static void path_parameters(struct json_writer *w, const char *path)
{
    struct str rest = str_from(path);
    struct str segment = STR_NONE;
    bool more = true;

    while (more) {
        more = str_split(rest, '/', &segment, &rest);
        if (segment.len > 2 && segment.p[0] == '{') {
            path_parameter(w, str_slice(segment, 1, segment.len - 1));
        }
    }
}

/* Requests only: answers are described by schema/derive.c. INT64_MAX is no bound anybody could use.
 */
static void scalar_schema(struct json_writer *w, const struct schema_field *field, uint8_t type,
                          bool bounds)
{
    json_begin_object(w);
    switch (type) {
    case SCHEMA_INT:
        text(w, "type", "integer");
        if (bounds && (field->min || field->max)) {
            json_field(w, "minimum", i64, field->min);
            if (field->max != INT64_MAX) {
                json_field(w, "maximum", i64, field->max);
            }
        }
        break;
    case SCHEMA_BOOL:
        text(w, "type", "boolean");
        break;
    case SCHEMA_TIME:
        text(w, "type", "string");
        text(w, "format", "date-time");
        break;
    case SCHEMA_ENUM:
        text(w, "type", "string");
        json_key(w, STR("enum"));
        json_begin_array(w);
        for (size_t i = 0; field->choices[i]; i++) {
            json_cstr(w, field->choices[i]);
        }
        json_end_array(w);
        break;
    default:
        text(w, "type", "string");
        if (bounds && field->max) {
            json_field(w, "minLength", i64, field->min);
            json_field(w, "maxLength", i64, field->max);
        }
        break;
    }
    json_end_object(w);
}

/* Lists are repeated keys, OpenAPI's default style (form, exploded). */
static void query_parameter(struct json_writer *w, const struct schema_field *field)
{
    json_begin_object(w);
    text(w, "name", field->name);
    text(w, "in", "query");
    json_field(w, "required", bool, (field->flags & SCHEMA_REQUIRED) != 0);
    text(w, "description", field->en);
    json_key(w, STR("schema"));
    if (field->type == SCHEMA_LIST) {
        json_begin_object(w);
        text(w, "type", "array");
        json_field(w, "maxItems", i64, field->max);
        json_key(w, STR("items"));
        scalar_schema(w, field, field->item, false);
        json_end_object(w);
    } else {
        scalar_schema(w, field, field->type, true);
    }
    json_end_object(w);
}

static void header_parameter(struct json_writer *w, const char *name, const char *about)
{
    json_begin_object(w);
    text(w, "name", name);
    text(w, "in", "header");
    json_field(w, "required", bool, false);
    text(w, "description", about);
    json_key(w, STR("schema"));
    json_begin_object(w);
    text(w, "type", "string");
    json_end_object(w);
    json_end_object(w);
}

/* Headers that all endpoints of a kind take come from its flags, so none can be forgotten. */
static void parameters(struct json_writer *w, const struct endpoint *e)
{
    json_key(w, STR("parameters"));
    json_begin_array(w);
    path_parameters(w, e->path);
    for (size_t i = 0; e->query && i < e->query->count; i++) {
        query_parameter(w, &e->query->fields[i]);
    }
    if ((e->flags & ENDPOINT_CHANGES) && !(e->flags & ENDPOINT_SECRET)) {
        header_parameter(w, "Idempotency-Key", "The same key twice does the change once.");
        header_parameter(w, "If-Match", "Only if it is still at this generation.");
    }
    if ((e->flags & ENDPOINT_ETAG) && e->method == HTTP_GET) {
        header_parameter(w, "If-None-Match", "304 when nothing changed.");
    }
    if (e->flags & ENDPOINT_STREAM) {
        header_parameter(w, "Last-Event-ID", "A stream goes on behind it.");
    }
    json_end_array(w);
}

/* ---- bodies and answers ---- */

/* Without a schema it is text. */
static void media(struct json_writer *w, const char *type, const char *schema)
{
    json_key(w, str_from(type));
    json_begin_object(w);
    json_key(w, STR("schema"));
    if (schema) {
        ref(w, schema);
    } else {
        json_begin_object(w);
        text(w, "type", "string");
        json_end_object(w);
    }
    json_end_object(w);
}

/* Written out for each list: JSON schema has no generics. */
static void list_media(struct json_writer *w, const char *item)
{
    json_key(w, STR("application/json"));
    json_begin_object(w);
    json_key(w, STR("schema"));
    json_begin_object(w);
    text(w, "type", "object");
    json_key(w, STR("required"));
    json_begin_array(w);
    json_cstr(w, "items");
    json_cstr(w, "next_cursor");
    json_end_array(w);
    json_key(w, STR("properties"));
    json_begin_object(w);
    json_key(w, STR("items"));
    json_begin_object(w);
    text(w, "type", "array");
    json_key(w, STR("items"));
    ref(w, item);
    json_end_object(w);
    json_key(w, STR("next_cursor"));
    json_raw(w, STR("{\"type\":[\"string\",\"null\"]}"));
    json_end_object(w);
    json_end_object(w);
    json_end_object(w);
}

static void request_body(struct json_writer *w, const struct endpoint *e)
{
    if (!e->body) {
        return;
    }
    json_key(w, STR("requestBody"));
    json_begin_object(w);
    json_field(w, "required", bool, true);
    json_key(w, STR("content"));
    json_begin_object(w);
    media(w, "application/json", e->body->name);
    json_end_object(w);
    json_end_object(w);
}

/* The description of the endpoint serves as that of its answer, which OpenAPI wants. */
static void success(struct json_writer *w, const struct endpoint *e)
{
    char status[8];

    snprintf(status, sizeof(status), "%u", e->status);
    json_key(w, str_from(status));
    json_begin_object(w);
    text(w, "description", e->en);
    if (e->flags & ENDPOINT_ETAG) {
        json_key(w, STR("headers"));
        json_raw(w, STR("{\"ETag\":{\"description\":\"Generation and "
                        "hash.\",\"schema\":{\"type\":\"string\"}}}"));
    }
    if (e->resource || e->type || (e->flags & ENDPOINT_STREAM)) {
        json_key(w, STR("content"));
        json_begin_object(w);
        if (e->type) {
            media(w, e->type, NULL);
        } else if (e->flags & ENDPOINT_LIST) {
            list_media(w, e->resource->name);
        } else if (e->resource) {
            media(w, "application/json", e->resource->name);
        }
        if (e->flags & ENDPOINT_STREAM) {
            media(w, "text/event-stream", NULL);
        }
        json_end_object(w);
    }
    json_end_object(w);
}

/* 4XX and 5XX as ranges: which of them can come is told by `code`, not by the status. */
static void responses(struct json_writer *w, const struct endpoint *e)
{
    json_key(w, STR("responses"));
    json_begin_object(w);
    success(w, e);
    json_key(w, STR("4XX"));
    json_raw(w, STR("{\"$ref\":\"#/components/responses/problem\"}"));
    json_key(w, STR("5XX"));
    json_raw(w, STR("{\"$ref\":\"#/components/responses/problem\"}"));
    json_end_object(w);
}

/* Methods are lower case here; `|0x20` is enough for letters. */
static void operation(struct json_writer *w, const struct endpoint *e)
{
    cleanup(buf_fini) struct buf method = BUF_INIT(16);
    struct str name = http_method_name(e->method);

    for (size_t i = 0; i < name.len; i++) {
        buf_add_char(&method, (char)(name.p[i] | 0x20));
    }
    json_key(w, buf_str(&method));
    json_begin_object(w);
    text(w, "operationId", e->id);
    json_key(w, STR("tags"));
    json_begin_array(w);
    json_cstr(w, e->tag);
    json_end_array(w);
    text(w, "summary", e->en);
    text(w, "description", e->en);
    json_key(w, STR("x-description-es"));
    json_cstr(w, e->es);
    if (e->flags & ENDPOINT_PUBLIC) {
        json_key(w, STR("security"));
        json_raw(w, STR("[]"));
    } else {
        json_key(w, STR("x-permission"));
        json_cstr(w, action_name(e->action));
    }
    parameters(w, e);
    request_body(w, e);
    responses(w, e);
    json_end_object(w);
}

/* ---- the document ---- */

/* Rows of one path may be apart; the document has each path once. */
static bool listed_before(size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (str_is(str_from(api_endpoints[k].path), api_endpoints[i].path) &&
            !(api_endpoints[k].flags & ENDPOINT_HIDDEN)) {
            return true;
        }
    }
    return false;
}

static void paths(struct json_writer *w)
{
    json_key(w, STR("paths"));
    json_begin_object(w);
    for (size_t i = 0; i < api_endpoint_count; i++) {
        if ((api_endpoints[i].flags & ENDPOINT_HIDDEN) || listed_before(i)) {
            continue;
        }
        json_key(w, str_from(api_endpoints[i].path));
        json_begin_object(w);
        for (size_t k = i; k < api_endpoint_count; k++) {
            if (str_is(str_from(api_endpoints[k].path), api_endpoints[i].path)) {
                operation(w, &api_endpoints[k]);
            }
        }
        json_end_object(w);
    }
    json_end_object(w);
}

/* In the order of the alphabet, as redocly wants them; a tag without a row here fails its check. */
static void tags(struct json_writer *w)
{
    static const struct {
        const char *name, *about;
    } list[] = {{"events", "What happened."},
                {"health", "Whether it works, and this description."},
                {"instance", "The instance and its processes."},
                {"logs", "What services print."},
                {"metrics", "Figures."},
                {"projects", "Configurations and what they became."},
                {"routes", "From addresses to replicas."},
                {"services", "Services, replicas, and what can be done to them."},
                {"session", "Logging in from a browser."},
                {"stream", "Everything live."}};

    json_key(w, STR("tags"));
    json_begin_array(w);
    for (size_t i = 0; i < ARRAY_LEN(list); i++) {
        json_begin_object(w);
        text(w, "name", list[i].name);
        text(w, "description", list[i].about);
        json_end_object(w);
    }
    json_end_array(w);
}

/* Tables of the API itself: requests and small answers. Each once, by its address: names are unique
 * (redocly checks). */
static void own_schemas(struct json_writer *w)
{
    const struct schema_table *done[64];
    size_t count = 0;

    for (size_t i = 0; i < api_endpoint_count; i++) {
        const struct schema_table *tables[] = {api_endpoints[i].body, api_endpoints[i].resource};
        for (size_t t = 0; t < ARRAY_LEN(tables); t++) {
            bool known = !tables[t];
            for (size_t k = 0; k < count && !known; k++) {
                known = done[k] == tables[t];
            }
            for (size_t k = 0; schema_resources[k] && !known; k++) {
                known = schema_resources[k] == tables[t];
            }
            if (!known && count < ARRAY_LEN(done)) {
                done[count++] = tables[t];
                json_key(w, str_from(tables[t]->name));
                schema_json_schema(tables[t], REF, w);
            }
        }
    }
}

/* Two ways to be known, either is enough: the token in a header, or in the cookie of the login. */
static void components(struct json_writer *w)
{
    json_key(w, STR("components"));
    json_begin_object(w);
    json_key(w, STR("securitySchemes"));
    json_raw(w, STR("{\"token\":{\"type\":\"http\",\"scheme\":\"bearer\",\"description\":\"The "
                    "instance's token, in RUN/token.\"},\"session\":{\"type\":\"apiKey\",\"in\":"
                    "\"cookie\",\"name\":\"muelle_session\",\"description\":\"The cookie of the "
                    "login.\"}}"));
    json_key(w, STR("responses"));
    json_begin_object(w);
    json_key(w, STR("problem"));
    json_begin_object(w);
    text(w, "description", "What is wrong, where, and what to do (RFC 9457).");
    json_key(w, STR("content"));
    json_begin_object(w);
    media(w, "application/problem+json", "problem");
    json_end_object(w);
    json_end_object(w);
    json_end_object(w);
    json_key(w, STR("schemas"));
    json_begin_object(w);
    schema_openapi_schemas(w);
    own_schemas(w);
    json_end_object(w);
    json_end_object(w);
}

void api_openapi_write(struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);

    json_begin_object(&w);
    text(&w, "openapi", "3.1.0");
    json_key(&w, STR("info"));
    json_begin_object(&w);
    text(&w, "title", "muelle");
    text(&w, "version", MUELLE_VERSION);
    text(&w, "description",
         "The API of a muelle instance. Lists answer items and next_cursor; errors are problem "
         "documents.");
    json_key(&w, STR("license"));
    json_raw(&w, STR("{\"name\":\"Apache-2.0\",\"identifier\":\"Apache-2.0\"}"));
    json_key(&w, STR("contact"));
    json_raw(&w, STR("{\"name\":\"muelle\"}"));
    json_end_object(&w);
    json_key(&w, STR("servers"));
    json_raw(&w, STR("[{\"url\":\"/\",\"description\":\"This instance.\"}]"));
    json_key(&w, STR("security"));
    json_raw(&w, STR("[{\"token\":[]},{\"session\":[]}]"));
    tags(&w);
    paths(&w);
    components(&w);
    json_end_object(&w);
    buf_add_char(out, '\n');
}

/* What no table says: rules that hold for all endpoints. */
static const char markdown_head[] =
    "# The API\n\n"
    "Made by `muelle docs api` from the table of endpoints; a test holds them equal. The whole "
    "description "
    "is `GET /api/openapi.json`\n(OpenAPI 3.1, with every field in English and Spanish).\n\n"
    "## Where and who\n"
    "- **`RUN/core.sock`** (`STATE/run/core.sock`): the owner of the instance and root, by the "
    "peer's uid. No token.\n"
    "- **The admin listener** (`gateway.admin`, usually `http://127.0.0.1:7070`): "
    "`Authorization: Bearer TOKEN`, or the cookie\n  `muelle_session` that the link of `muelle up` "
    "sets. "
    "The token lies in `STATE/run/token`. `Host` must be localhost, `*.localhost` or\n  an "
    "address; a change "
    "with a foreign `Origin` is refused.\n\n"
    "## Rules\n"
    "- Lists answer `{\"items\":[…],\"next_cursor\":null|\"…\"}`; `limit` and `cursor` go on from "
    "there.\n"
    "- Errors are `application/problem+json` (RFC 9457) with `code`, `detail`, `where`, "
    "`expected`, `hint`; "
    "several mistakes stand in\n  `problems`. A core that is still loading answers 503 "
    "`core.starting` with `Retry-After`.\n"
    "- Single resources answer an `ETag`: the generation, a dash, a hash. `If-None-Match` compares "
    "all of it, "
    "`If-Match` only the\n  generation (412 when somebody changed it).\n"
    "- Changes take an `Idempotency-Key`: the same key does the same thing once, for a day; "
    "`Idempotency-Replayed: true` says so. The\n  key with another request is 422, while the first "
    "is at work 409.\n"
    "- Streams are server-sent events; `Last-Event-ID` goes on behind an event without hole or "
    "double. A reader that "
    "takes nothing is\n  closed with a comment and comes again.\n\n"
    "## Live stream\n"
    "`GET /api/v1/stream` sends `hello` (the instance), every `service` and `replica` as whole "
    "objects, `history` (a service's figures of the last minutes, in columns), a `ping`; "
    "then the same when\nsomething changes, `removed` {project, service?, replica?}, `event` (its "
    "id is the sequence "
    "number), `metrics` {time, items} each\nsecond, and `ping` every 15 s.\n\n"
    "## Endpoints\n";

void api_openapi_markdown(struct buf *out)
{
    buf_add_cstr(out, markdown_head);
    buf_add_cstr(out, "| method and path | what | permission |\n| --- | --- | --- |\n");
    for (size_t i = 0; i < api_endpoint_count; i++) {
        const struct endpoint *e = &api_endpoints[i];
        const char *permission = e->flags & ENDPOINT_PUBLIC ? "–" : action_name(e->action);
        buf_printf(out, "| `" STR_FMT " %s` | %s%s | %s |\n", STR_ARG(http_method_name(e->method)),
                   e->path, e->en, e->flags & ENDPOINT_LOCAL ? " Over the local socket only." : "",
                   permission);
    }
}
