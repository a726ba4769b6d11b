/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables of the API's resources: routes, mappings, events, log lines, plans, figures, problems.
 *
 * Rows STORED are columns of work.db as well (schema_sql_columns); a test holds that the migrations
 * make the same table. Problems have a table too, so that OpenAPI describes RFC 9457's document
 * with our members; they are written by face/api_answer.c, which knows what is empty.
 */
#include "base/problem.h"
#include "schema/resource.h"
#include "schema/row.h"
#include "schema/status_more.h"
#include "schema/status_tls.h"
#include "schema/table.h"

enum { ZN = SCHEMA_ZERO_NULL, FILTER = SCHEMA_FILTER, SORT = SCHEMA_SORT };
#define STATUS .class = SCHEMA_STATUS
#define STORED .class = SCHEMA_STORED

const char *const names_log_stream[] = {"stdout", "stderr", "system", "access", NULL};
const char *const names_severity[] = {"info", "warning", "error", NULL};

#define E(member) AT(struct endpoint_status, member), STATUS
/* Counted by the edge in memory that the keeper holds, so they survive the edge. */
static const struct schema_field endpoint_rows[] = {
    {"replica", SCHEMA_INT, E(replica), SAY("Number of the replica.", "Número de la réplica.")},
    {"address", SCHEMA_STRING, E(address), SAY("Where it listens.", "Dónde escucha.")},
    {"ready", SCHEMA_BOOL, E(ready), SAY("It takes requests.", "Atiende peticiones.")},
    {"drained", SCHEMA_BOOL, E(drained),
     SAY("It gets no new requests, by an operator.",
         "No recibe peticiones nuevas, por orden de alguien.")},
    {"weight", SCHEMA_INT, E(weight), SAY("Its share.", "Su parte.")},
    {"priority", SCHEMA_INT, E(priority),
     SAY("Its group: those above 0 are backups.", "Su grupo: los mayores que 0 son reservas.")},
    {"requests", SCHEMA_INT, E(requests), .unit = SCHEMA_UNIT_COUNT,
     SAY("Requests so far.", "Peticiones hasta ahora.")},
    {"errors", SCHEMA_INT, E(errors), .unit = SCHEMA_UNIT_COUNT,
     SAY("Failed ones among them.", "Las que fallaron.")},
    {"in_flight", SCHEMA_INT, E(in_flight), .unit = SCHEMA_UNIT_COUNT,
     SAY("Requests under way.", "Peticiones en curso.")},
    {"ejected_until", SCHEMA_TIME, E(ejected_until_ns), .flags = ZN,
     SAY("It answered badly and gets no requests until then; null: it does.",
         "Respondió mal y no recibe peticiones hasta entonces; null: sí recibe.")},
    {"ejections", SCHEMA_INT, E(ejections), .unit = SCHEMA_UNIT_COUNT,
     SAY("How often that has happened.", "Cuántas veces ha ocurrido.")},
    {"unbalanced", SCHEMA_INT, E(unbalanced), .unit = SCHEMA_UNIT_COUNT,
     SAY("Requests that were given in turn, since what the balancing goes by was missing.",
         "Peticiones repartidas por turno por faltar el dato en que se basa el reparto.")},
};
const struct schema_table schema_endpoint = {
    TABLE_OF("endpoint", endpoint_rows, struct endpoint_status),
    SAY("A replica as the gateway sees it.", "Una réplica vista por la pasarela."),
};

#define R(member) AT(struct route_status, member), STATUS
/* One row of the gateway's table, with what it leads to at this moment. */
static const struct schema_field route_rows[] = {
    {"project", SCHEMA_STRING, R(project), .flags = FILTER, SAY("Project.", "Proyecto.")},
    {"host", SCHEMA_STRING, R(host), .flags = FILTER | SORT, .column = "HOST",
     SAY("Host name; empty = any.", "Nombre de equipo; vacío = cualquiera.")},
    {"path", SCHEMA_STRING, R(path), .flags = SORT, .column = "PATH",
     SAY("Beginning of the path.", "Comienzo de la ruta.")},
    {"service", SCHEMA_STRING, R(service), .flags = FILTER | SORT, .column = "SERVICE",
     SAY("Who answers.", "Quién responde.")},
    {"listeners", SCHEMA_LIST, TEXTS, LIST_AT(struct route_status, listeners), STATUS,
     SAY("Listeners of the gateway that serve it.", "Dónde la escucha la pasarela.")},
    {"balance", SCHEMA_ENUM, R(balance), ONE_OF(names_balance), .column = "BALANCE",
     SAY("Which replica is next.", "Qué réplica es la siguiente.")},
    {"effective_balance", SCHEMA_ENUM, R(effective), ONE_OF(names_balance),
     SAY("What is done at this moment: round_robin while a signal is missing.",
         "Lo que se hace ahora: round_robin mientras falte un dato.")},
    {"balance_reason", SCHEMA_STRING, R(reason), .flags = ZN,
     SAY("Why it is not what the file says; null: it is.",
         "Por qué no es lo que dice el archivo; null: lo es.")},
    {"breaker", SCHEMA_STRING, R(breaker), .flags = ZN,
     SAY("closed, open or half_open; null: the service has none that opens.",
         "closed, open o half_open; null: el servicio no tiene ninguno que abra.")},
    {"breaker_until", SCHEMA_TIME, R(breaker_until_ns), .flags = ZN,
     SAY("When an open one lets the first requests through.",
         "Cuándo uno abierto deja pasar las primeras peticiones.")},
    {"breaker_opened", SCHEMA_INT, R(opened), .unit = SCHEMA_UNIT_COUNT,
     SAY("How often it has opened.", "Cuántas veces se ha abierto.")},
    {"refused", SCHEMA_INT, R(refused), .unit = SCHEMA_UNIT_COUNT,
     SAY("Requests that the service's policy turned away.",
         "Peticiones que rechazó la política del servicio.")},
    {"under_way", SCHEMA_INT, R(under_way), .unit = SCHEMA_UNIT_COUNT,
     SAY("Requests that have a place at this moment, if their number is bounded.",
         "Peticiones que tienen sitio ahora, si su número está limitado.")},
    {"concurrency_limit", SCHEMA_INT, R(limit), .unit = SCHEMA_UNIT_COUNT, .flags = ZN,
     SAY("How many of them `concurrency` lets through at once at this moment; null: as many as "
         "come.",
         "Cuántas deja pasar `concurrency` a la vez ahora; null: todas las que lleguen.")},
    {"connections", SCHEMA_INT, R(connections), .unit = SCHEMA_UNIT_COUNT,
     SAY("Connections to its replicas, of a service with a policy.",
         "Conexiones con sus réplicas, de un servicio con política.")},
    {"not_mirrored", SCHEMA_INT, R(not_mirrored), .unit = SCHEMA_UNIT_COUNT,
     SAY("Requests whose copy was left out.", "Peticiones cuya copia se omitió.")},
    {"strip_prefix", SCHEMA_BOOL, R(strip_prefix),
     SAY("The path's beginning is taken off.", "Se quita el comienzo de la ruta.")},
    {"passthrough", SCHEMA_BOOL, R(passthrough),
     SAY("TLS connections are passed on unread.", "Las conexiones TLS pasan sin leerse.")},
    {"requests", SCHEMA_INT, R(requests), .unit = SCHEMA_UNIT_COUNT,
     SAY("All that took it since the instance was started.",
         "Todas las que la tomaron desde que arrancó la instancia.")},
    {"endpoints", SCHEMA_LIST, OBJECTS(schema_endpoint), LIST_AT(struct route_status, endpoints),
     STATUS, SAY("Its replicas.", "Sus réplicas.")},
};
const struct schema_table schema_route = {
    TABLE_OF("route", route_rows, struct route_status),
    SAY("Requests that the gateway sends to a service.",
        "Peticiones que la pasarela envía a un servicio."),
};

#define K(member) AT(struct certificate_status, member), STATUS
static const struct schema_field certificate_status_rows[] = {
    {"project", SCHEMA_STRING, K(project), .flags = FILTER, SAY("Project.", "Proyecto.")},
    {"file", SCHEMA_STRING, K(file), .flags = ZN, .column = "FILE",
     SAY("Where it was read; null: the development authority issued it.",
         "De dónde se leyó; null: lo emitió la autoridad de desarrollo.")},
    {"names", SCHEMA_STRING, K(names), .column = "NAMES",
     SAY("Host names that it is for, with blanks between them.",
         "Nombres para los que vale, separados por espacios.")},
    {"listen", SCHEMA_STRING, K(listen), .flags = ZN,
     SAY("The only listener that shows it; null: all https listeners.",
         "La única dirección que lo muestra; null: todas las https.")},
    {"valid_from", SCHEMA_TIME, K(from_ns), SAY("Since when.", "Desde cuándo.")},
    {"valid_until", SCHEMA_TIME, K(until_ns), .flags = SORT, .column = "UNTIL",
     SAY("Until when.", "Hasta cuándo.")},
    {"days_left", SCHEMA_INT, K(days_left), .unit = SCHEMA_UNIT_COUNT, .column = "DAYS",
     SAY("Days until then, begun ones too; 0: it has ended.",
         "Días que faltan, contando el empezado; 0: ha terminado.")},
    {"development", SCHEMA_BOOL, K(development),
     SAY("Of the development authority: renewed by itself.",
         "De la autoridad de desarrollo: se renueva solo.")},
    {"kept", SCHEMA_BOOL, K(kept),
     SAY("Its file is of no use: the one that served before serves on.",
         "Su archivo no sirve: sigue el que se servía antes.")},
    {"kept_reason", SCHEMA_STRING, K(kept_reason), .flags = ZN,
     SAY("What is wrong with its file; null: nothing.",
         "Qué tiene de malo su archivo; null: nada.")},
    {"must_staple", SCHEMA_BOOL, K(must_staple),
     SAY("Clients want an OCSP answer with it.", "Los clientes exigen una respuesta OCSP.")},
    {"stapled_until", SCHEMA_TIME, K(stapled_until_ns), .flags = ZN,
     SAY("Until when the stapled OCSP answer holds; null: none is.",
         "Hasta cuándo vale la respuesta OCSP adjunta; null: no hay.")},
    {"unstapled", SCHEMA_STRING, K(unstapled), .flags = ZN,
     SAY("Why no OCSP answer is stapled, though it names a responder or demands one; null: one is, "
         "or none is wanted.",
         "Por qué no se adjunta ninguna respuesta OCSP, aunque nombre un servidor o la exija; "
         "null: "
         "se adjunta, o no hace falta.")},
};
const struct schema_table schema_certificate = {
    TABLE_OF("served_certificate", certificate_status_rows, struct certificate_status),
    SAY("A certificate that the gateway serves with.", "Un certificado con que sirve la pasarela."),
};

#define V(member) AT(struct event_row, member), STORED
static const struct schema_field event_rows[] = {
    {"seq", SCHEMA_INT, V(seq), .flags = SCHEMA_KEY | SORT, .column = "SEQ",
     SAY("Number in the order of events.", "Número en el orden de los sucesos.")},
    {"time", SCHEMA_TIME, V(time_ns), .flags = SORT, .column = "TIME", SAY("When.", "Cuándo.")},
    {"kind", SCHEMA_STRING, V(kind), .flags = FILTER, .column = "KIND",
     SAY("What happened, as replica.started.", "Qué ocurrió, como replica.started.")},
    {"severity", SCHEMA_ENUM, V(severity), ONE_OF(names_severity), .flags = FILTER,
     SAY("How serious it is.", "Cómo de grave es.")},
    {"tenant", SCHEMA_STRING, V(tenant), .flags = FILTER, SAY("Tenant.", "Inquilino.")},
    {"project", SCHEMA_STRING, V(project), .flags = FILTER | ZN, SAY("Project.", "Proyecto.")},
    {"service", SCHEMA_STRING, V(service), .flags = FILTER | ZN, .column = "SERVICE",
     SAY("Service.", "Servicio.")},
    {"replica", SCHEMA_INT, V(replica), .flags = ZN, .column = "REPLICA",
     SAY("Replica.", "Réplica.")},
    {"actor", SCHEMA_STRING, V(actor), .column = "ACTOR", SAY("Who did it.", "Quién lo hizo.")},
    {"cause", SCHEMA_STRING, V(cause), .flags = ZN,
     SAY("Request or event that led to it.", "Petición o suceso que lo causó.")},
    {"message", SCHEMA_STRING, V(message), .column = "MESSAGE", SAY("In words.", "En palabras.")},
    {"data", SCHEMA_RAW_JSON, V(data), .flags = ZN, SAY("Details.", "Detalles.")},
};
const struct schema_table schema_event = {
    TABLE_OF("event", event_rows, struct event_row),
    SAY("Something that happened.", "Algo que ocurrió."),
};

#define L(member) AT(struct log_line, member), STATUS
static const struct schema_field log_rows[] = {
    {"time", SCHEMA_TIME, L(time_ns), SAY("When it was read.", "Cuándo se leyó.")},
    {"project", SCHEMA_STRING, L(project), SAY("Project.", "Proyecto.")},
    {"service", SCHEMA_STRING, L(service), .flags = FILTER, SAY("Service.", "Servicio.")},
    {"replica", SCHEMA_INT, L(replica), .flags = FILTER | ZN,
     SAY("Replica; null = the gateway's access log.", "Réplica; null = registro de accesos.")},
    {"stream", SCHEMA_ENUM, L(stream), ONE_OF(names_log_stream), .flags = FILTER,
     SAY("stdout, stderr, muelle's own words, or the access log.",
         "stdout, stderr, palabras del propio muelle o el registro de accesos.")},
    {"message", SCHEMA_STRING, L(message), SAY("The line.", "La línea.")},
    {"offset", SCHEMA_INT, L(offset), .unit = SCHEMA_UNIT_BYTES,
     SAY("Bytes that the stream held before it.", "Bytes anteriores en el flujo.")},
};
const struct schema_table schema_log_line = {
    TABLE_OF("log_line", log_rows, struct log_line),
    SAY("One line of output.", "Una línea de salida."),
};

#define M(member) AT(struct mapping_row, member), STATUS
static const struct schema_field mapping_rows[] = {
    {"listen", SCHEMA_STRING, M(listen), .column = "LISTEN",
     SAY("Where the gateway listens.", "Dónde escucha la pasarela.")},
    {"host", SCHEMA_STRING, M(host), .column = "HOST",
     SAY("Host name; empty = any.", "Nombre de equipo; vacío = cualquiera.")},
    {"path", SCHEMA_STRING, M(path), .column = "PATH",
     SAY("Beginning of the path.", "Comienzo de la ruta.")},
    {"project", SCHEMA_STRING, M(project), .flags = FILTER, SAY("Project.", "Proyecto.")},
    {"service", SCHEMA_STRING, M(service), .flags = FILTER, .column = "SERVICE",
     SAY("Service.", "Servicio.")},
    {"replica", SCHEMA_INT, M(replica), .flags = ZN, .column = "REPLICA",
     SAY("Replica.", "Réplica.")},
    {"address", SCHEMA_STRING, M(address), .flags = ZN, .column = "ADDRESS",
     SAY("Where the replica listens.", "Dónde escucha la réplica.")},
    {"pid", SCHEMA_INT, M(pid), .flags = ZN, .column = "PID", SAY("Its process.", "Su proceso.")},
    {"ready", SCHEMA_BOOL, M(ready), .column = "READY",
     SAY("It takes requests.", "Atiende peticiones.")},
};
const struct schema_table schema_mapping = {
    TABLE_OF("mapping", mapping_rows, struct mapping_row),
    SAY("Port of the host to service to replica.", "De puerto del equipo a servicio y réplica."),
};

#define P(member) AT(struct plan_step, member), STATUS
static const struct schema_field plan_rows[] = {
    {"service", SCHEMA_STRING, P(service), .column = "SERVICE",
     SAY("Service; null for the project itself.", "Servicio; null para el propio proyecto.")},
    {"action", SCHEMA_STRING, P(action), .column = "ACTION",
     SAY("create, remove, restart, scale, update, follow or unchanged.",
         "create, remove, restart, scale, update, follow o unchanged.")},
    {"restart", SCHEMA_STRING, P(restart), .flags = ZN,
     SAY("What becomes of its processes: none (they go on), rolling (each goes when the next one "
         "is "
         "ready), stop_first; null: it is new, or goes.",
         "Qué pasa con sus procesos: none (siguen), rolling (cada uno termina cuando el siguiente "
         "está listo), stop_first; null: es nuevo o se retira.")},
    {"reason", SCHEMA_STRING, P(reason), .column = "REASON",
     SAY("Why: all that is different.", "Por qué: todo lo que difiere.")},
    {"changes", SCHEMA_LIST, TEXTS, LIST_AT(struct plan_step, changes), STATUS, .column = "CHANGES",
     SAY("Keys that differ.", "Claves que difieren.")},
};
const struct schema_table schema_plan_step = {
    TABLE_OF("plan_step", plan_rows, struct plan_step),
    SAY("What applying a configuration does to a service.",
        "Qué hace a un servicio aplicar una configuración."),
};

#define X(member) AT(struct metrics_row, member), STATUS
static const struct schema_field metrics_rows[] = {
    {"project", SCHEMA_STRING, X(project), SAY("Project.", "Proyecto.")},
    {"service", SCHEMA_STRING, X(service), .column = "SERVICE", SAY("Service.", "Servicio.")},
    {"replica", SCHEMA_INT, X(replica), .flags = ZN, .column = "REPLICA",
     SAY("Replica; null = all of the service.", "Réplica; null = todo el servicio.")},
    {"cpu_percent", SCHEMA_DOUBLE, X(cpu_percent), .unit = SCHEMA_UNIT_PERCENT, .column = "CPU",
     SAY("Processor use.", "Uso de procesador.")},
    {"memory_bytes", SCHEMA_INT, X(memory_bytes), .unit = SCHEMA_UNIT_BYTES, .flags = ZN,
     .column = "MEMORY", SAY("Memory.", "Memoria.")},
    {"requests_per_s", SCHEMA_DOUBLE, X(requests_per_s), .unit = SCHEMA_UNIT_PER_SECOND,
     .column = "REQ/S", SAY("Requests a second.", "Peticiones por segundo.")},
    {"errors_per_s", SCHEMA_DOUBLE, X(errors_per_s), .unit = SCHEMA_UNIT_PER_SECOND,
     .column = "ERR/S", SAY("Failed requests a second.", "Peticiones fallidas por segundo.")},
    {"p50_ms", SCHEMA_DOUBLE, X(p50_ms), .unit = SCHEMA_UNIT_MILLISECONDS, .column = "P50",
     SAY("Half of the answers took at most this.",
         "La mitad de las respuestas tardó como mucho esto.")},
    {"p99_ms", SCHEMA_DOUBLE, X(p99_ms), .unit = SCHEMA_UNIT_MILLISECONDS, .column = "P99",
     SAY("99 of 100 answers took at most this.",
         "99 de cada 100 respuestas tardaron como mucho esto.")},
};
const struct schema_table schema_metrics = {
    TABLE_OF("metrics", metrics_rows, struct metrics_row),
    SAY("Figures of one second.", "Cifras de un segundo."),
};

/* RFC 9457; document only: the API writes struct problem itself. */
static const struct schema_field problem_rows[] = {
    {"type", SCHEMA_STRING, DOC_ONLY, STATUS,
     SAY("URI of the kind of problem.", "URI del tipo de problema.")},
    {"title", SCHEMA_STRING, DOC_ONLY, STATUS, SAY("What is wrong.", "Qué está mal.")},
    {"status", SCHEMA_INT, DOC_ONLY, STATUS, SAY("HTTP status.", "Estado HTTP.")},
    {"detail", SCHEMA_STRING, DOC_ONLY, STATUS, SAY("In more words.", "Con más palabras.")},
    {"instance", SCHEMA_STRING, DOC_ONLY, STATUS,
     SAY("Identity of this case.", "Identidad de este caso.")},
    {"code", SCHEMA_STRING, DOC_ONLY, STATUS, SAY("Stable short name.", "Nombre corto estable.")},
    {"where", SCHEMA_STRING, DOC_ONLY, STATUS, .flags = ZN,
     SAY("file:line:column or JSON pointer.", "archivo:línea:columna o puntero JSON.")},
    {"expected", SCHEMA_STRING, DOC_ONLY, STATUS, .flags = ZN,
     SAY("What belongs there.", "Qué debería ir ahí.")},
    {"hint", SCHEMA_STRING, DOC_ONLY, STATUS, .flags = ZN,
     SAY("What to do next.", "Qué hacer ahora.")},
};
const struct schema_table schema_problem = {
    TABLE_DOC("problem", problem_rows),
    .flags = SCHEMA_OPEN,
    SAY("What went wrong (RFC 9457).", "Qué falló (RFC 9457)."),
};

const struct schema_table *const schema_resources[] = {
    &schema_instance,  &schema_project,
    &schema_service,   &schema_replica,
    &schema_route,     &schema_certificate,
    &schema_endpoint,  &schema_event,
    &schema_log_line,  &schema_mapping,
    &schema_plan_step, &schema_metrics,
    &schema_problem,   NULL,
};
