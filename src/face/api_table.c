/* SPDX-License-Identifier: Apache-2.0
 *
 * The endpoints: one row each. Routing, permission, validation, the OpenAPI document and
 * docs/api.md come from this table; there is no other list of what the API can do.
 *
 * A new endpoint: its row, its handler (api_handlers.h), and tables for its query, body and answer
 * when no other has them. Then `muelle docs api` writes the document anew, which a test asks for.
 *
 * Bounds of a row are the whole check: a handler that gets a `limit` knows that it is one to 1000.
 * Permission is an action (core/authorise.h), not a role: who may do what is decided there.
 *
 *   column      who reads it
 *   method, path, id, tag            api_route.c · the document
 *   action                           authorise: what the principal must be allowed to do
 *   flags                            the gates: PUBLIC, LOCAL, CHANGES, STREAM …
 *   status, type, resource           the answer: exchange_answer_json, the document
 *   query, body, body_max            api_check.c: what is not described is refused
 *   handle                           called when all gates are passed
 *   en, es                           the document, docs/api.md
 *
 * Secrets (tokens, environments) are marked in their rows: the document says writeOnly, and neither
 * is ever part of an answer. SECRET endpoints take no idempotency key, since their answer would be
 * stored.
 */
#include "face/api_handlers.h"
#include "schema/resource.h"
#include "schema/spec.h"

#define ROWS(array) .fields = (array), .count = ARRAY_LEN(array)
#define NO_MEMBER   .offset = SCHEMA_NO_MEMBER
#define LIMIT_ROW(most)                                                                            \
    {                                                                                              \
        .name = "limit", .type = SCHEMA_INT, .min = 1, .max = (most), .preset = "100", NO_MEMBER,  \
        .en = "How many items at most.", .es = "Cuántos elementos como máximo."                  \
    }
#define CURSOR_ROW                                                                                 \
    {                                                                                              \
        .name = "cursor", .type = SCHEMA_STRING, .min = 1, .max = 200, NO_MEMBER,                  \
        .en = "Continues a list: next_cursor of the page before.",                                 \
        .es = "Continúa una lista: next_cursor de la página anterior."                           \
    }
#define FOLLOW_ROW                                                                                 \
    {                                                                                              \
        .name = "follow", .type = SCHEMA_BOOL, NO_MEMBER,                                          \
        .en = "With Accept: text/event-stream: go on with what comes.",                            \
        .es = "Con Accept: text/event-stream: sigue con lo que llegue."                            \
    }

/* ---- queries ---- */

/* Lists that lie in memory: 1,000 objects are some megabytes of JSON at most. */
static const struct schema_field list_rows[] = {LIMIT_ROW(1000), CURSOR_ROW};
static const struct schema_table list_query = {.name = "list_query", ROWS(list_rows)};

/* "system" is written by muelle into a service's log and read with it, never alone. */
static const char *const stream_choices[] = {"stdout", "stderr", "access", NULL};
/* Lines are short, so pages may be long. `q` is searched as it stands, without a pattern language:
 * the bound keeps a search from being a way to keep a worker busy. */
static const struct schema_field logs_rows[] = {
    {.name = "service",
     .type = SCHEMA_LIST,
     .item = SCHEMA_STRING,
     .min = 1,
     .max = 32,
     NO_MEMBER,
     .en = "Only these services; may be repeated.",
     .es = "Solo estos servicios; se puede repetir."},
    {.name = "replica",
     .type = SCHEMA_INT,
     .min = 1,
     .max = 100000,
     NO_MEMBER,
     .en = "Only this replica.",
     .es = "Solo esta réplica."},
    {.name = "stream",
     .type = SCHEMA_ENUM,
     .choices = stream_choices,
     NO_MEMBER,
     .en = "Only this stream; access: the gateway's requests, of service edge.",
     .es = "Solo este flujo; access: las peticiones de la entrada, del servicio edge."},
    {.name = "since",
     .type = SCHEMA_TIME,
     NO_MEMBER,
     .en = "Lines of this time and later.",
     .es = "Líneas desde esta hora."},
    {.name = "until",
     .type = SCHEMA_TIME,
     NO_MEMBER,
     .en = "Lines before this time.",
     .es = "Líneas antes de esta hora."},
    {.name = "q",
     .type = SCHEMA_STRING,
     .min = 1,
     .max = 500,
     NO_MEMBER,
     .en = "Lines that contain this text.",
     .es = "Líneas que contienen este texto."},
    {.name = "tail",
     .type = SCHEMA_INT,
     .min = 0,
     .max = 10000,
     NO_MEMBER,
     .en = "The newest lines, so many, instead of the oldest.",
     .es = "Las líneas más nuevas, tantas, en vez de las más viejas."},
    LIMIT_ROW(10000),
    CURSOR_ROW,
    FOLLOW_ROW};
static const struct schema_table logs_query = {.name = "logs_query", ROWS(logs_rows)};

/* `after` and `cursor` are one thing by two names: the former is for who counts, the latter for who
 * follows next_cursor as in any other list. */
static const struct schema_field events_rows[] = {
    {.name = "after",
     .type = SCHEMA_INT,
     .min = 0,
     .max = INT64_MAX,
     NO_MEMBER,
     .en = "Events with a greater sequence number.",
     .es = "Eventos con un número mayor."},
    {.name = "project",
     .type = SCHEMA_STRING,
     .min = 1,
     .max = 63,
     NO_MEMBER,
     .en = "Only of this project, and of the instance itself.",
     .es = "Solo de este proyecto, y de la instancia misma."},
    {.name = "service",
     .type = SCHEMA_STRING,
     .min = 1,
     .max = 63,
     NO_MEMBER,
     .en = "Only of this service.",
     .es = "Solo de este servicio."},
    {.name = "kind",
     .type = SCHEMA_STRING,
     .min = 1,
     .max = 47,
     NO_MEMBER,
     .en = "Only of this kind, such as replica.crashed.",
     .es = "Solo de este tipo, por ejemplo replica.crashed."},
    {.name = "tail",
     .type = SCHEMA_INT,
     .min = 0,
     .max = 1000,
     NO_MEMBER,
     .en = "The newest events, so many.",
     .es = "Los eventos más nuevos, tantos."},
    LIMIT_ROW(1000),
    CURSOR_ROW,
    FOLLOW_ROW};
static const struct schema_table events_query = {.name = "events_query", ROWS(events_rows)};

/* One project or all: a dashboard shows all, `up` its own. */
static const struct schema_field live_rows[] = {{.name = "project",
                                                 .type = SCHEMA_STRING,
                                                 .min = 1,
                                                 .max = 63,
                                                 NO_MEMBER,
                                                 .en = "Only of this project.",
                                                 .es = "Solo de este proyecto."}};
static const struct schema_table live_query = {.name = "live_query", ROWS(live_rows)};

/* Longer than any token: a wrong one is told as wrong, not as too long. */
static const struct schema_field login_rows[] = {{.name = "token",
                                                  .type = SCHEMA_STRING,
                                                  .min = 1,
                                                  .max = 200,
                                                  .flags = SCHEMA_SECRET,
                                                  NO_MEMBER,
                                                  .en = "The instance's token.",
                                                  .es = "El token de la instancia."}};
static const struct schema_table login_query = {.name = "login_query", ROWS(login_rows)};

/* ---- bodies ---- */

/* Environments are as large as the caller's: body_max of the endpoint bounds them as a whole. */
static const struct schema_field apply_rows[] = {
    {.name = "files",
     .type = SCHEMA_LIST,
     .item = SCHEMA_STRING,
     .flags = SCHEMA_REQUIRED,
     .min = 1,
     .max = 16,
     NO_MEMBER,
     .en = "Absolute paths, merged in order.",
     .es = "Rutas absolutas, combinadas en orden."},
    {.name = "name",
     .type = SCHEMA_STRING,
     .max = 63,
     NO_MEMBER,
     .en = "Name of the project; else the file's own.",
     .es = "Nombre del proyecto; si no, el del archivo."},
    {.name = "profiles",
     .type = SCHEMA_LIST,
     .item = SCHEMA_STRING,
     .max = 32,
     NO_MEMBER,
     .en = "Profiles to enable.",
     .es = "Perfiles que activar."},
    {.name = "services",
     .type = SCHEMA_LIST,
     .item = SCHEMA_STRING,
     .max = 256,
     NO_MEMBER,
     .en = "Of the services that are new, start only these and what they depend on; the others "
           "stay stopped.",
     .es = "De los servicios nuevos arranca solo estos y los que necesitan; los demás quedan "
           "parados."},
    {.name = "environment",
     .type = SCHEMA_MAP,
     .item = SCHEMA_STRING,
     .flags = SCHEMA_SECRET,
     NO_MEMBER,
     .en = "Variables of the caller, for interpolation.",
     .es = "Variables de quien llama."},
    {.name = "env_files",
     .type = SCHEMA_LIST,
     .item = SCHEMA_STRING,
     .max = 32,
     NO_MEMBER,
     .en = "Read instead of .env.",
     .es = "Se leen en vez de .env."},
    {.name = "working_dir",
     .type = SCHEMA_STRING,
     .max = 1023,
     NO_MEMBER,
     .en = "Folder of relative paths.",
     .es = "Carpeta de las rutas relativas."},
    {.name = "dry_run",
     .type = SCHEMA_BOOL,
     NO_MEMBER,
     .en = "Only say what would change.",
     .es = "Solo dice qué cambiaría."},
    {.name = "strict",
     .type = SCHEMA_BOOL,
     NO_MEMBER,
     .en = "Keys that cannot be applied are errors.",
     .es = "Las claves sin efecto son errores."}};
static const struct schema_table apply_body = {.name = "apply_request",
                                               .en = "A configuration to apply.",
                                               .es = "Una configuración.",
                                               ROWS(apply_rows)};

static const struct schema_field scale_rows[] = {{.name = "replicas",
                                                  .type = SCHEMA_INT,
                                                  .flags = SCHEMA_REQUIRED,
                                                  .min = 0,
                                                  .max = SPEC_REPLICAS_MAX,
                                                  NO_MEMBER,
                                                  .en = "How many replicas should run.",
                                                  .es = "Cuántas réplicas deben correr."}};
static const struct schema_table scale_body = {.name = "scale_request",
                                               .en = "A number of replicas.",
                                               .es = "Un número de réplicas.",
                                               ROWS(scale_rows)};

#define REPLICA_ROW                                                                                \
    {                                                                                              \
        .name = "replica", .type = SCHEMA_INT, .flags = SCHEMA_REQUIRED, .min = 1,                 \
        .max = SPEC_REPLICAS_MAX, NO_MEMBER, .en = "Number of the replica.",                       \
        .es = "Número de la réplica."                                                            \
    }
static const struct schema_field weight_rows[] = {
    REPLICA_ROW,
    {.name = "weight",
     .type = SCHEMA_INT,
     .flags = SCHEMA_REQUIRED,
     .min = 0,
     .max = SPREAD_WEIGHT_MAX,
     NO_MEMBER,
     .en = "Its part of the requests; 0: only clients whose cookie names it.",
     .es = "Su parte de las peticiones; 0: solo clientes cuya cookie la nombra."}};
static const struct schema_table weight_body = {
    .name = "weight_request", .en = "A weight.", .es = "Un peso.", ROWS(weight_rows)};

static const struct schema_field drain_rows[] = {REPLICA_ROW,
                                                 {.name = "end",
                                                  .type = SCHEMA_BOOL,
                                                  NO_MEMBER,
                                                  .en = "It gets requests again.",
                                                  .es = "Vuelve a recibir peticiones."}};
static const struct schema_table drain_body = {.name = "drain_request",
                                               .en = "A replica to drain.",
                                               .es = "Una réplica que vaciar.",
                                               ROWS(drain_rows)};

static const struct schema_table session_body = {
    .name = "session_request", .en = "A token.", .es = "Un token.", ROWS(login_rows)};

/* As many words as `muelle exec` takes behind the service (CLI_WORDS_MAX). */
static const struct schema_field exec_rows[] = {
    {.name = "command",
     .type = SCHEMA_LIST,
     .item = SCHEMA_STRING,
     .max = 255,
     NO_MEMBER,
     .en = "Program and arguments; empty: the service's own.",
     .es = "Programa y argumentos; vacío: los del servicio."},
    {.name = "environment",
     .type = SCHEMA_MAP,
     .item = SCHEMA_STRING,
     .flags = SCHEMA_SECRET,
     NO_MEMBER,
     .en = "Variables besides the service's.",
     .es = "Variables además de las del servicio."},
    {.name = "working_dir",
     .type = SCHEMA_STRING,
     .max = 1023,
     NO_MEMBER,
     .en = "Folder to run in; else the service's.",
     .es = "Carpeta de trabajo."},
    {.name = "replica",
     .type = SCHEMA_INT,
     .min = 1,
     .max = SPEC_REPLICAS_MAX,
     NO_MEMBER,
     .en = "Whose environment it gets (PORT); else the first one's.",
     .es = "De qué réplica toma el entorno (PORT); si falta, de la primera."}};
static const struct schema_table exec_body = {
    .name = "exec_request", .en = "A command.", .es = "Un comando.", ROWS(exec_rows)};

/* Numbers of the kernel, real-time ones included: the client has received one of them. */
static const struct schema_field signal_rows[] = {{.name = "signal",
                                                   .type = SCHEMA_INT,
                                                   .flags = SCHEMA_REQUIRED,
                                                   .min = 1,
                                                   .max = 64,
                                                   NO_MEMBER,
                                                   .en = "Number of the signal.",
                                                   .es = "Número de la señal."}};
static const struct schema_table signal_body = {
    .name = "signal_request", .en = "A signal.", .es = "Una señal.", ROWS(signal_rows)};

/* ---- answers that are no resource of their own ---- */

/* Answers that are made by hand (api_projects.c, api_services.c): these rows describe them, a test
 * compares real answers with the document. */
static const struct schema_field applied_rows[] = {
    {.name = "project",
     .type = SCHEMA_STRING,
     .flags = SCHEMA_REQUIRED,
     NO_MEMBER,
     .en = "Name of the project.",
     .es = "Nombre del proyecto."},
    {.name = "generation",
     .type = SCHEMA_INT,
     .flags = SCHEMA_REQUIRED,
     NO_MEMBER,
     .en = "Counts its changes.",
     .es = "Cuenta sus cambios."},
    {.name = "plan",
     .type = SCHEMA_LIST,
     .item = SCHEMA_OBJECT,
     .of = &schema_plan_step,
     .flags = SCHEMA_REQUIRED,
     NO_MEMBER,
     .en = "What changes, per service.",
     .es = "Qué cambia, por servicio."},
    {.name = "warnings",
     .type = SCHEMA_LIST,
     .item = SCHEMA_OBJECT,
     .of = &schema_problem,
     .flags = SCHEMA_REQUIRED,
     NO_MEMBER,
     .en = "What is understood but not acted on.",
     .es = "Lo que se entiende pero no tiene efecto."},
    {.name = "load_us",
     .type = SCHEMA_INT,
     NO_MEMBER,
     .en = "Microseconds that reading and checking the files took.",
     .es = "Microsegundos que tomó leer y comprobar los archivos."},
    {.name = "commit_us",
     .type = SCHEMA_INT,
     NO_MEMBER,
     .en = "Microseconds until the change was on disk; 0: nothing changed.",
     .es = "Microsegundos hasta que el cambio estuvo en disco; 0: nada cambió."}};
static const struct schema_table applied_answer = {
    .name = "applied", .en = "What an apply changed.", .es = "Lo que cambió.", ROWS(applied_rows)};

/* Described because monitors are made from the document, too. */
static const struct schema_field health_rows[] = {{.name = "status",
                                                   .type = SCHEMA_STRING,
                                                   .flags = SCHEMA_REQUIRED,
                                                   NO_MEMBER,
                                                   .en = "ok, or starting.",
                                                   .es = "ok, o starting."}};
static const struct schema_table health_answer = {
    .name = "health", .en = "Whether it works.", .es = "Si funciona.", ROWS(health_rows)};

/* Not part of the service: reading it costs milliseconds, and a list of services is asked for
 * often.
 */
static const struct schema_field memory_rows[] = {
    {.name = "project",
     .type = SCHEMA_STRING,
     .flags = SCHEMA_REQUIRED,
     NO_MEMBER,
     .en = "Project.",
     .es = "Proyecto."},
    {.name = "service",
     .type = SCHEMA_STRING,
     .flags = SCHEMA_REQUIRED,
     NO_MEMBER,
     .en = "Service.",
     .es = "Servicio."},
    {.name = "pss_bytes",
     .type = SCHEMA_INT,
     .unit = SCHEMA_UNIT_BYTES,
     .flags = SCHEMA_ZERO_NULL | SCHEMA_REQUIRED,
     NO_MEMBER,
     .en = "Memory of its processes, shared pages in proportion (PSS); null = unknown.",
     .es = "Memoria de sus procesos, con las páginas compartidas en proporción (PSS); "
           "null = desconocida."},
    {.name = "processes",
     .type = SCHEMA_INT,
     .flags = SCHEMA_REQUIRED,
     NO_MEMBER,
     .en = "Processes that were read.",
     .es = "Procesos leídos."},
    {.name = "unreadable",
     .type = SCHEMA_INT,
     .flags = SCHEMA_REQUIRED,
     NO_MEMBER,
     .en = "Processes of another user, which cannot be read.",
     .es = "Procesos de otro usuario, que no se pueden leer."}};
static const struct schema_table memory_answer = {
    .name = "memory",
    .en = "Memory of a service as it is shared.",
    .es = "Memoria de un servicio tal como se comparte.",
    ROWS(memory_rows)};

/* Open: figures may be added, and who reads them looks for those it knows. */
static const struct schema_field figures_rows[] = {{.name = "time",
                                                    .type = SCHEMA_TIME,
                                                    .flags = SCHEMA_REQUIRED,
                                                    NO_MEMBER,
                                                    .en = "When they were taken.",
                                                    .es = "Cuándo se tomaron."},
                                                   {.name = "services",
                                                    .type = SCHEMA_LIST,
                                                    .item = SCHEMA_OBJECT,
                                                    .of = &schema_metrics,
                                                    .flags = SCHEMA_REQUIRED,
                                                    NO_MEMBER,
                                                    .en = "Per service.",
                                                    .es = "Por servicio."},
                                                   {.name = "replicas",
                                                    .type = SCHEMA_LIST,
                                                    .item = SCHEMA_OBJECT,
                                                    .of = &schema_metrics,
                                                    .flags = SCHEMA_REQUIRED,
                                                    NO_MEMBER,
                                                    .en = "Per replica.",
                                                    .es = "Por réplica."}};
static const struct schema_table figures_answer = {.name = "figures",
                                                   .en = "Figures of everything.",
                                                   .es = "Cifras de todo.",
                                                   .flags = SCHEMA_OPEN,
                                                   ROWS(figures_rows)};

/* For answers whose shape is another document's: the configuration has its own JSON schema. */
static const struct schema_table open_answer = {
    .name = "object", .en = "A JSON object.", .es = "Un objeto JSON.", .flags = SCHEMA_OPEN};

/* The five actions differ in their verb alone. They change, so they take keys and preconditions;
 * they answer the service, so they have its tag. */
#define SERVICE_ACTION(verb, body_table, text_en, text_es)                                         \
    {                                                                                              \
        .method = HTTP_POST, .path = "/api/v1/projects/{project}/services/{service}/" #verb,       \
        .id = #verb "Service", .tag = "services", .action = ACTION_OPERATE,                        \
        .flags = ENDPOINT_CHANGES | ENDPOINT_ETAG, .status = 200, .body = (body_table),            \
        .resource = &schema_service, .handle = handle_##verb, .en = (text_en), .es = (text_es)     \
    }

/* In the order of docs/api.md; those of one path side by side. */
const struct endpoint api_endpoints[] = {
    {.method = HTTP_GET,
     .path = "/api/v1/instance",
     .id = "getInstance",
     .tag = "instance",
     .action = ACTION_READ,
     .status = 200,
     .resource = &schema_instance,
     .handle = handle_instance,
     .en = "The instance: its processes, folders and projects.",
     .es = "La instancia: sus procesos, carpetas y proyectos."},
    {.method = HTTP_GET,
     .path = "/api/v1/projects",
     .id = "listProjects",
     .tag = "projects",
     .action = ACTION_READ,
     .flags = ENDPOINT_LIST,
     .status = 200,
     .query = &list_query,
     .resource = &schema_project,
     .handle = handle_projects,
     .en = "All projects.",
     .es = "Todos los proyectos."},
    {.method = HTTP_POST,
     .path = "/api/v1/projects",
     .id = "applyProject",
     .tag = "projects",
     .action = ACTION_APPLY,
     .flags = ENDPOINT_CHANGES,
     .status = 200,
     .body = &apply_body,
     .body_max = API_APPLY_MAX,
     .resource = &applied_answer,
     .handle = handle_apply,
     .en = "Applies configuration files; what did not change is not touched.",
     .es = "Aplica archivos; lo que no cambió no se toca."},
    {.method = HTTP_GET,
     .path = "/api/v1/projects/{project}",
     .id = "getProject",
     .tag = "projects",
     .action = ACTION_READ,
     .flags = ENDPOINT_ETAG,
     .status = 200,
     .resource = &schema_project,
     .handle = handle_project,
     .en = "One project.",
     .es = "Un proyecto."},
    {.method = HTTP_DELETE,
     .path = "/api/v1/projects/{project}",
     .id = "deleteProject",
     .tag = "projects",
     .action = ACTION_DELETE,
     .flags = ENDPOINT_CHANGES,
     .status = 202,
     .handle = handle_down,
     .en = "Stops all its services and forgets it; with the last project the instance ends.",
     .es = "Detiene todos sus servicios y lo olvida; con el último termina la instancia."},
    {.method = HTTP_POST,
     .path = "/api/v1/projects/{project}/reload",
     .id = "reloadProject",
     .tag = "projects",
     .action = ACTION_OPERATE,
     .flags = ENDPOINT_CHANGES,
     .status = 200,
     .resource = &applied_answer,
     .handle = handle_reload,
     .en = "Applies its files again.",
     .es = "Aplica de nuevo sus archivos."},
    {.method = HTTP_GET,
     .path = "/api/v1/projects/{project}/config",
     .id = "getConfig",
     .tag = "projects",
     .action = ACTION_READ,
     .status = 200,
     .resource = &open_answer,
     .handle = handle_config,
     .en = "The project as understood; secrets are hidden.",
     .es = "El proyecto como se entendió; los secretos no se muestran."},
    {.method = HTTP_GET,
     .path = "/api/v1/projects/{project}/services",
     .id = "listServices",
     .tag = "services",
     .action = ACTION_READ,
     .flags = ENDPOINT_LIST,
     .status = 200,
     .query = &list_query,
     .resource = &schema_service,
     .handle = handle_services,
     .en = "Its services.",
     .es = "Sus servicios."},
    {.method = HTTP_GET,
     .path = "/api/v1/projects/{project}/services/{service}",
     .id = "getService",
     .tag = "services",
     .action = ACTION_READ,
     .flags = ENDPOINT_ETAG,
     .status = 200,
     .resource = &schema_service,
     .handle = handle_service,
     .en = "One service, with its spec.",
     .es = "Un servicio, con su especificación."},
    {.method = HTTP_GET,
     .path = "/api/v1/projects/{project}/services/{service}/memory",
     .id = "getServiceMemory",
     .tag = "services",
     .action = ACTION_METRICS,
     .status = 200,
     .resource = &memory_answer,
     .handle = handle_memory,
     .en = "Its memory with shared pages in proportion, read now.",
     .es = "Su memoria con las páginas compartidas en proporción, leída ahora."},
    SERVICE_ACTION(start, NULL, "Starts it.", "Lo arranca."),
    SERVICE_ACTION(stop, NULL, "Stops it; it stays stopped.", "Lo detiene; queda detenido."),
    SERVICE_ACTION(restart, NULL, "Restarts its replicas.", "Reinicia sus réplicas."),
    SERVICE_ACTION(scale, &scale_body, "Sets the number of replicas, as an override.",
                   "Fija el número de réplicas."),
    SERVICE_ACTION(weight, &weight_body, "Sets a replica's weight, as an override.",
                   "Fija el peso de una réplica."),
    SERVICE_ACTION(drain, &drain_body, "Gives a replica no new requests, until `end`.",
                   "Deja de dar peticiones nuevas a una réplica, hasta `end`."),
    SERVICE_ACTION(reset, NULL, "Drops its overrides: back to the file.",
                   "Vuelve a lo que dice el archivo."),
    {.method = HTTP_POST,
     .path = "/api/v1/projects/{project}/services/{service}/exec",
     .id = "execService",
     .tag = "services",
     .action = ACTION_EXEC,
     .flags = ENDPOINT_LOCAL | ENDPOINT_STREAM,
     .status = 200,
     .body = &exec_body,
     .handle = handle_exec,
     .en = "Runs a command in its surroundings, on three descriptors sent along with the request.",
     .es = "Ejecuta un comando en su entorno, con tres descriptores enviados con la petición."},
    {.method = HTTP_POST,
     .path = "/api/v1/commands/{command}/signal",
     .id = "signalCommand",
     .tag = "services",
     .action = ACTION_EXEC,
     .flags = ENDPOINT_LOCAL,
     .status = 204,
     .body = &signal_body,
     .handle = handle_command_signal,
     .en = "Sends a signal to a command that exec started.",
     .es = "Envía una señal a un comando de exec."},
    {.method = HTTP_GET,
     .path = "/api/v1/projects/{project}/replicas",
     .id = "listReplicas",
     .tag = "services",
     .action = ACTION_READ,
     .flags = ENDPOINT_LIST,
     .status = 200,
     .query = &list_query,
     .resource = &schema_replica,
     .handle = handle_replicas,
     .en = "The replicas of its services.",
     .es = "Las réplicas de sus servicios."},
    {.method = HTTP_GET,
     .path = "/api/v1/projects/{project}/logs",
     .id = "readLogs",
     .tag = "logs",
     .action = ACTION_LOGS,
     .flags = ENDPOINT_LIST | ENDPOINT_STREAM,
     .status = 200,
     .query = &logs_query,
     .resource = &schema_log_line,
     .handle = handle_logs,
     .en = "What its services printed: history, search, or a stream.",
     .es = "Lo que imprimieron sus servicios: historia, búsqueda o flujo."},
    {.method = HTTP_GET,
     .path = "/api/v1/projects/{project}/routes",
     .id = "listRoutes",
     .tag = "routes",
     .action = ACTION_READ,
     .flags = ENDPOINT_LIST,
     .status = 200,
     .query = &list_query,
     .resource = &schema_route,
     .handle = handle_routes,
     .en = "Its routes and their endpoints.",
     .es = "Sus rutas y destinos."},
    {.method = HTTP_GET,
     .path = "/api/v1/projects/{project}/certificates",
     .id = "listCertificates",
     .tag = "routes",
     .action = ACTION_READ,
     .flags = ENDPOINT_LIST,
     .status = 200,
     .query = &list_query,
     .resource = &schema_certificate,
     .handle = handle_certificates,
     .en = "The certificates that it serves with, and how long they last.",
     .es = "Los certificados con que sirve, y cuánto duran."},
    {.method = HTTP_GET,
     .path = "/api/v1/events",
     .id = "listEvents",
     .tag = "events",
     .action = ACTION_READ,
     .flags = ENDPOINT_LIST | ENDPOINT_STREAM,
     .status = 200,
     .query = &events_query,
     .resource = &schema_event,
     .handle = handle_events,
     .en = "What happened, in an unbroken sequence.",
     .es = "Lo que pasó, en una secuencia sin huecos."},
    {.method = HTTP_GET,
     .path = "/api/v1/stream",
     .id = "openStream",
     .tag = "stream",
     .action = ACTION_READ,
     .flags = ENDPOINT_STREAM,
     .status = 200,
     .query = &live_query,
     .handle = handle_stream,
     .en = "Everything live: hello, service, replica, history, removed, event, metrics, ping.",
     .es = "Todo en vivo: hello, service, replica, history, removed, event, metrics, ping."},
    {.method = HTTP_POST,
     .path = "/api/v1/session",
     .id = "createSession",
     .tag = "session",
     .flags = ENDPOINT_PUBLIC | ENDPOINT_CHANGES | ENDPOINT_SECRET,
     .status = 204,
     .body = &session_body,
     .handle = handle_session,
     .en = "A session cookie for the token.",
     .es = "Una sesión a cambio del token."},
    {.method = HTTP_DELETE,
     .path = "/api/v1/session",
     .id = "deleteSession",
     .tag = "session",
     .flags = ENDPOINT_PUBLIC | ENDPOINT_CHANGES | ENDPOINT_SECRET,
     .status = 204,
     .handle = handle_session_end,
     .en = "Ends the session.",
     .es = "Termina la sesión."},
    {.method = HTTP_GET,
     .path = "/api/mappings",
     .id = "listMappings",
     .tag = "routes",
     .action = ACTION_READ,
     .flags = ENDPOINT_LIST,
     .status = 200,
     .query = &list_query,
     .resource = &schema_mapping,
     .handle = handle_mappings,
     .en = "Which host port leads to which replica.",
     .es = "Qué puerto lleva a qué réplica."},
    {.method = HTTP_GET,
     .path = "/api/metrics",
     .id = "getMetrics",
     .tag = "metrics",
     .action = ACTION_METRICS,
     .status = 200,
     .resource = &figures_answer,
     .handle = handle_metrics_json,
     .en = "Figures as JSON.",
     .es = "Cifras como JSON."},
    {.method = HTTP_GET,
     .path = "/metrics",
     .id = "getOpenMetrics",
     .tag = "metrics",
     .action = ACTION_METRICS,
     .flags = ENDPOINT_TEXT,
     .status = 200,
     .type = "application/openmetrics-text",
     .handle = handle_metrics,
     .en = "Figures as OpenMetrics.",
     .es = "Cifras como OpenMetrics."},
    {.method = HTTP_GET,
     .path = "/healthz",
     .id = "getHealth",
     .tag = "health",
     .flags = ENDPOINT_PUBLIC,
     .status = 200,
     .resource = &health_answer,
     .handle = handle_healthz,
     .en = "The core is alive.",
     .es = "El núcleo vive."},
    {.method = HTTP_GET,
     .path = "/readyz",
     .id = "getReadiness",
     .tag = "health",
     .flags = ENDPOINT_PUBLIC,
     .status = 200,
     .resource = &health_answer,
     .handle = handle_readyz,
     .en = "Everything is started; else 503.",
     .es = "Todo está arrancado; si no, 503."},
    {.method = HTTP_GET,
     .path = "/api/openapi.json",
     .id = "getOpenApi",
     .tag = "health",
     .flags = ENDPOINT_PUBLIC,
     .status = 200,
     .resource = &open_answer,
     .handle = handle_openapi,
     .en = "This description.",
     .es = "Esta descripción."},
    {.method = HTTP_GET,
     .path = "/login",
     .id = "login",
     .tag = "session",
     .flags = ENDPOINT_PUBLIC | ENDPOINT_HIDDEN,
     .status = 303,
     .query = &login_query,
     .handle = handle_login,
     .en = "The link that up prints.",
     .es = "El enlace que imprime up."},
};
const size_t api_endpoint_count = ARRAY_LEN(api_endpoints);
