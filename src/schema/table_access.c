/* SPDX-License-Identifier: Apache-2.0
 *
 * `gateway.access_log`: what is written of requests to a project's services, and where. Lines in
 * muelle's own log are JSON whatever the format, so that people and programs can ask for them.
 */
#include "base/utf8.h"
#include "schema/normalise.h"
#include "schema/pass.h"
#include "schema/row.h"
#include "schema/spec.h"
#include "schema/table.h"

const char *const names_access_format[] = {"json", "combined", "common", "off", NULL};
const char *const names_access_field[] = {"time",        "method",
                                          "host",        "path",
                                          "route",       "status",
                                          "duration_ms", "wait_ms",
                                          "connect_ms",  "first_byte_ms",
                                          "bytes_in",    "bytes_out",
                                          "service",     "replica",
                                          "client",      "client_port",
                                          "protocol",    "upstream_protocol",
                                          "tls",         "grpc_status",
                                          "close_code",  "retries",
                                          "request_id",  "flags",
                                          "code",        "user_agent",
                                          "referer",     NULL};

#define A(member) AT(struct access_log_spec, member)
static const struct schema_field access_log_rows[] = {
    {"format", SCHEMA_ENUM, A(format), ONE_OF(names_access_format), .preset = "json",
     SAY("Of the lines in `file`; with off nothing is kept of any request.",
         "De las líneas de `file`; con off no se guarda nada de ninguna petición.")},
    {"file", SCHEMA_STRING, A(file), .max = 1024, .normalise = normalise_log_file,
     SAY("A file that gets the lines, too; or stdout, stderr: those of muelle itself.",
         "Un archivo que también recibe las líneas; o stdout, stderr: los del propio muelle.")},
    {"fields", SCHEMA_LIST, TEXTS, LIST_AT(struct access_log_spec, fields), .max = 64,
     SAY("Members of a JSON line, in this order; all but user_agent and referer by default.",
         "Miembros de una línea JSON, en este orden; por defecto todos menos user_agent y "
         "referer.")},
    {"sample", SCHEMA_DOUBLE, A(sample), .preset = "1", BOUNDS(0, 1),
     SAY("Share of the requests answered below 400 that are kept; all others always are.",
         "Parte de las peticiones con respuesta menor que 400 que se guardan; las demás, "
         "siempre.")},
};
const struct schema_table table_access_log = {
    TABLE_OF("access_log", access_log_rows, struct access_log_spec),
    .finish = finish_access_log,
    SAY("What is written of requests.", "Qué se escribe de las peticiones."),
};

int access_field_find(struct str name)
{
    for (int i = 0; names_access_field[i]; i++) {
        if (str_is(name, names_access_field[i])) {
            return i;
        }
    }
    return -1;
}

bool access_log_wants_more(const struct access_log_spec *spec)
{
    bool more = spec->format == ACCESS_COMBINED;
    for (size_t i = 0; i < spec->fields_count; i++) {
        int field = access_field_find(spec->fields[i]);
        more = more || field == ACCESS_USER_AGENT || field == ACCESS_REFERER;
    }
    return more;
}

void finish_access_log(struct schema_pass *pass, const struct value *v, void *object)
{
    const struct access_log_spec *spec = object;
    for (size_t i = 0; i < spec->fields_count; i++) {
        if (access_field_find(spec->fields[i]) >= 0) {
            continue;
        }
        struct problem *problem =
            pass_problem(pass, value_item_at(value_get(v, "fields"), i), "config.bad-access-field",
                         "lines of requests have no member '" STR_FMT "'",
                         STR_ARG(utf8_cut(spec->fields[i], 80)));
        problem_expected(problem, "time, method, host, path, route, status, duration_ms, client, "
                                  "user_agent … (docs/gateway.md has all)");
    }
}
