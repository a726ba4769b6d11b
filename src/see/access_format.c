/* SPDX-License-Identifier: Apache-2.0
 *
 * One function a member, in a table by enum access_field: a member that is not known of a request
 * (no route, no TLS, no gRPC) is left out, so that lines are short and a program need not know what
 * "-" means.
 *
 * Lines of the older formats escape as Apache and nginx do: quote, backslash, and all that is no
 * printable ASCII as \\xHH. A client cannot end a line, nor a field.
 */
#include "see/access_format.h"

#include "base/ip.h"
#include "base/json.h"
#include "base/timefmt.h"

/* A line and what it may ask. */
struct line {
    const struct ring_access *access;
    const struct access_entry *entry;
    const struct name *service, *endpoint, *route;
};

static double ms(uint32_t us)
{
    return (double)us / 1000.0;
}

static struct str host_of(const struct line *line)
{
    const struct ring_access *access = line->access;
    if (access->host_len) {
        return str_make(access->path + access->path_len, access->host_len);
    }
    if (line->entry->has_more && line->entry->more.host_len) {
        return str_make(line->entry->more.text, line->entry->more.host_len);
    }
    return line->route ? line->route->host : STR_NONE;
}

static struct str agent_of(const struct access_entry *entry)
{
    const struct ring_more *more = &entry->more;
    return entry->has_more ? str_make(more->text + more->host_len, more->agent_len) : STR_NONE;
}

static struct str referer_of(const struct access_entry *entry)
{
    const struct ring_more *more = &entry->more;
    size_t at = (size_t)more->host_len + more->agent_len;
    return entry->has_more ? str_make(more->text + at, more->referer_len) : STR_NONE;
}

static void client_text(struct buf *out, const struct ring_access *access)
{
    if (access->client_family == 4) {
        buf_printf(out, "%u.%u.%u.%u", access->client[0], access->client[1], access->client[2],
                   access->client[3]);
    } else if (access->client_family == 6) {
        struct ip ip = {.family = 6};
        memcpy(ip.bytes, access->client, sizeof(ip.bytes));
        ip_format(out, &ip);
    } else {
        buf_add(out, STR("unix"));
    }
}

static const char *protocol_of(const struct ring_access *access)
{
    static const char *const names[] = {[RING_HTTP2] = "HTTP/2.0", [RING_HTTP3] = "HTTP/3.0"};
    unsigned protocol = access->layers & RING_HTTP;
    if (access->flags & RING_FLAG_TCP) {
        return "TCP";
    }
    if (protocol < ARRAY_LEN(names) && names[protocol]) {
        return names[protocol];
    }
    return access->flags & RING_FLAG_HTTP10 ? "HTTP/1.0" : "HTTP/1.1";
}

/* --- members --- */

static void add_time(struct json_writer *json, const struct line *line)
{
    cleanup(buf_fini) struct buf text = BUF_INIT(64);
    timefmt_rfc3339(&text, line->access->at_wall_ns);
    json_field(json, "time", str, buf_str(&text));
}

/* A connection of a tcp or tls listener has no request: no method, path, status, id. */
static bool is_connection(const struct line *line)
{
    return line->access->flags & RING_FLAG_TCP;
}

static void add_method(struct json_writer *json, const struct line *line)
{
    if (!is_connection(line)) {
        json_field(json, "method", cstr, ring_method_name(line->access->method));
    }
}

static void add_host(struct json_writer *json, const struct line *line)
{
    struct str host = host_of(line);
    if (host.len) {
        json_field(json, "host", str, host);
    }
}

static void add_path(struct json_writer *json, const struct line *line)
{
    if (!is_connection(line) || line->access->path_len > 0) { /* of tls: the name it asked for */
        json_field(json, "path", str, str_make(line->access->path, line->access->path_len));
    }
}

static void add_route(struct json_writer *json, const struct line *line)
{
    if (line->route) {
        json_field(json, "route", str, line->route->path.len ? line->route->path : STR("/"));
    }
}

static void add_status(struct json_writer *json, const struct line *line)
{
    if (!is_connection(line)) {
        json_field(json, "status", u64, line->access->status);
    }
}

static void add_duration(struct json_writer *json, const struct line *line)
{
    json_field(json, "duration_ms", double, ms(line->access->total_us));
}

static void add_wait(struct json_writer *json, const struct line *line)
{
    json_field(json, "wait_ms", double, ms(line->access->wait_us));
}

static void add_connect(struct json_writer *json, const struct line *line)
{
    json_field(json, "connect_ms", double, ms(line->access->connect_us));
}

static void add_first_byte(struct json_writer *json, const struct line *line)
{
    json_field(json, "first_byte_ms", double, ms(line->access->first_byte_us));
}

static void add_bytes_in(struct json_writer *json, const struct line *line)
{
    json_field(json, "bytes_in", u64, line->access->bytes_in);
}

static void add_bytes_out(struct json_writer *json, const struct line *line)
{
    json_field(json, "bytes_out", u64, line->access->bytes_out);
}

static void add_service(struct json_writer *json, const struct line *line)
{
    if (line->service) {
        json_field(json, "service", str, line->service->service);
    }
}

static void add_replica(struct json_writer *json, const struct line *line)
{
    if (line->endpoint) {
        json_field(json, "replica", str, line->endpoint->replica);
    }
}

static void add_client(struct json_writer *json, const struct line *line)
{
    cleanup(buf_fini) struct buf text = BUF_INIT(64);
    client_text(&text, line->access);
    json_field(json, "client", str, buf_str(&text));
}

static void add_client_port(struct json_writer *json, const struct line *line)
{
    if (line->access->client_port) {
        json_field(json, "client_port", u64, line->access->client_port);
    }
}

static void add_protocol(struct json_writer *json, const struct line *line)
{
    json_field(json, "protocol", cstr, protocol_of(line->access));
}

/* Usually that is HTTP/1.1, and left out. */
static void add_upstream_protocol(struct json_writer *json, const struct line *line)
{
    if (line->access->layers & RING_UPSTREAM_HTTP2) {
        json_field(json, "upstream_protocol", cstr, "HTTP/2.0");
    }
}

static void add_tls(struct json_writer *json, const struct line *line)
{
    unsigned version = line->access->layers & RING_TLS;
    if (version == RING_TLS_12 || version == RING_TLS_13) {
        json_field(json, "tls", cstr, version == RING_TLS_13 ? "TLSv1.3" : "TLSv1.2");
        json_field(json, "tls_resumed", bool, (line->access->layers & RING_TLS_RESUMED) != 0);
    }
}

static void add_grpc_status(struct json_writer *json, const struct line *line)
{
    unsigned code = line->access->close_code;
    if (code > 0 && code < 1000) {
        json_field(json, "grpc_status", u64, code - 1);
    }
}

static void add_close_code(struct json_writer *json, const struct line *line)
{
    if (line->access->close_code >= 1000) {
        json_field(json, "close_code", u64, line->access->close_code);
    }
}

static void add_retries(struct json_writer *json, const struct line *line)
{
    json_field(json, "retries", u64, line->access->retries);
}

static void add_request_id(struct json_writer *json, const struct line *line)
{
    if (!is_connection(line)) {
        json_field(json, "request_id", str,
                   str_make(line->access->request_id, line->access->request_id_len));
    }
}

static void add_flags(struct json_writer *json, const struct line *line)
{
    static const struct {
        uint16_t bit;
        const char *name;
    } table[] = {
        {RING_FLAG_HTTP10, "http10"},
        {RING_FLAG_TUNNEL, "tunnel"},
        {RING_FLAG_CLIENT_ABORT, "client_abort"},
        {RING_FLAG_UPSTREAM_ABORT, "upstream_abort"},
        {RING_FLAG_HELD, "held"},
        {RING_FLAG_LOCAL, "local"},
        {RING_FLAG_PATH_CUT, "path_cut"},
        {RING_FLAG_TCP, "tcp"},
        {RING_FLAG_NOT_REPEATED, "not_repeated"},
        {RING_FLAG_FALLBACK, "fallback"},
    };
    json_key(json, STR("flags"));
    json_begin_array(json);
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        if (line->access->flags & table[i].bit) {
            json_cstr(json, table[i].name);
        }
    }
    json_end_array(json);
}

static void add_code(struct json_writer *json, const struct line *line)
{
    const char *name = ring_code_name(line->entry->code);
    if (name && (line->access->flags & RING_FLAG_LOCAL)) {
        json_field(json, "code", cstr, name);
    }
}

static void add_user_agent(struct json_writer *json, const struct line *line)
{
    struct str agent = agent_of(line->entry);
    if (agent.len) {
        json_field(json, "user_agent", str, agent);
    }
}

static void add_referer(struct json_writer *json, const struct line *line)
{
    struct str referer = referer_of(line->entry);
    if (referer.len) {
        json_field(json, "referer", str, referer);
    }
}

static void (*const members[ACCESS_FIELDS])(struct json_writer *json, const struct line *line) = {
    [ACCESS_TIME] = add_time,
    [ACCESS_METHOD] = add_method,
    [ACCESS_HOST] = add_host,
    [ACCESS_PATH] = add_path,
    [ACCESS_ROUTE] = add_route,
    [ACCESS_STATUS] = add_status,
    [ACCESS_DURATION] = add_duration,
    [ACCESS_WAIT] = add_wait,
    [ACCESS_CONNECT] = add_connect,
    [ACCESS_FIRST_BYTE] = add_first_byte,
    [ACCESS_BYTES_IN] = add_bytes_in,
    [ACCESS_BYTES_OUT] = add_bytes_out,
    [ACCESS_SERVICE] = add_service,
    [ACCESS_REPLICA] = add_replica,
    [ACCESS_CLIENT] = add_client,
    [ACCESS_CLIENT_PORT] = add_client_port,
    [ACCESS_PROTOCOL] = add_protocol,
    [ACCESS_UPSTREAM_PROTOCOL] = add_upstream_protocol,
    [ACCESS_TLS] = add_tls,
    [ACCESS_GRPC_STATUS] = add_grpc_status,
    [ACCESS_CLOSE_CODE] = add_close_code,
    [ACCESS_RETRIES] = add_retries,
    [ACCESS_REQUEST_ID] = add_request_id,
    [ACCESS_FLAGS] = add_flags,
    [ACCESS_CODE] = add_code,
    [ACCESS_USER_AGENT] = add_user_agent,
    [ACCESS_REFERER] = add_referer,
};

/* --- formats --- */

static struct line line_of(const struct access_entry *entry, const struct names *names)
{
    const struct name *route = names_get(names, entry->access.route);
    return (struct line){
        .access = &entry->access,
        .entry = entry,
        .service = names_get(names, entry->access.service),
        .endpoint = names_get(names, entry->access.endpoint),
        .route = route && route->kind == NAME_ROUTE ? route : NULL,
    };
}

void access_format_json(struct buf *out, const struct access_format *format,
                        const struct access_entry *entry, const struct names *names)
{
    struct json_writer json = JSON_WRITER(out);
    struct line line = line_of(entry, names);
    json_begin_object(&json);
    for (size_t i = 0; i < format->count; i++) {
        members[format->fields[i]](&json, &line);
    }
    json_end_object(&json);
}

static void add_escaped(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c < 0x20 || c > 0x7e || c == '"' || c == '\\') {
            buf_printf(out, "\\x%02X", c);
        } else {
            buf_add_char(out, (char)c);
        }
    }
}

static void add_quoted(struct buf *out, struct str text)
{
    buf_add(out, STR(" \""));
    add_escaped(out, text.len ? text : STR("-"));
    buf_add_char(out, '"');
}

/* 127.0.0.1 - - [20/Nov/2026:23:00:05 +0000] "GET /x HTTP/1.1" 200 12 "referer" "agent" */
static void add_common(struct buf *out, const struct access_entry *entry, bool combined)
{
    const struct ring_access *access = &entry->access;
    client_text(out, access);
    buf_add(out, STR(" - - ["));
    timefmt_log(out, access->at_wall_ns);
    bool request = !(access->flags & RING_FLAG_TCP);
    buf_printf(out, "] \"%s ", request ? ring_method_name(access->method) : "TCP");
    add_escaped(out, access->path_len ? str_make(access->path, access->path_len) : STR("-"));
    buf_printf(out, " %s\" ", request ? protocol_of(access) : "-");
    if (request) {
        buf_printf(out, "%u ", access->status);
    } else {
        buf_add(out, STR("- "));
    }
    buf_add_u64(out, access->bytes_out);
    if (combined) {
        add_quoted(out, referer_of(entry));
        add_quoted(out, agent_of(entry));
    }
}

void access_format_line(struct buf *out, const struct access_format *format,
                        const struct access_entry *entry, const struct names *names)
{
    if (format->format == ACCESS_JSON) {
        access_format_json(out, format, entry, names);
    } else {
        add_common(out, entry, format->format == ACCESS_COMBINED);
    }
}

/* --- from the configuration --- */

static void usual_fields(struct access_format *format)
{
    for (format->count = 0; format->count < ACCESS_USER_AGENT; format->count++) {
        format->fields[format->count] = (uint8_t)format->count;
    }
}

static void add_field(struct access_format *format, struct str name)
{
    int field = access_field_find(name);
    bool there = field < 0 || format->count == ACCESS_FIELDS;
    for (size_t i = 0; i < format->count; i++) {
        there = there || format->fields[i] == field;
    }
    if (!there) {
        format->fields[format->count++] = (uint8_t)field;
    }
}

void access_format_read(struct access_format *ret, struct str text)
{
    struct str name, file, fields = STR_NONE, one;
    *ret = (struct access_format){.format = ACCESS_JSON};
    (void)str_split(text, '\n', &name, &file);
    struct str rest = file;
    (void)str_split(rest, '\n', &file, &fields);
    for (int i = 0; names_access_format[i]; i++) {
        if (str_is(name, names_access_format[i])) {
            ret->format = (enum access_kind)i;
        }
    }
    if (file.len <= ACCESS_FILE_MAX) {
        (void)str_copy(ret->file, sizeof(ret->file), file);
    }
    while (fields.len) {
        rest = fields;
        fields = STR_NONE;
        (void)str_split(rest, ',', &one, &fields);
        add_field(ret, one);
    }
    if (ret->count == 0) {
        usual_fields(ret);
    }
}
