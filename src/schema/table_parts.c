/* SPDX-License-Identifier: Apache-2.0
 *
 * The objects inside of a service that muelle acts on: dependencies, health, routes, ports, output,
 * restarts, resources, watching.
 *
 * Some have no struct of their own: the rows of `deploy`, `resources`, `limits` and `develop` write
 * into struct service_spec, since Compose's nesting is history (deploy came with swarm) and readers
 * of a spec want `replicas`, not the way to it. For the same reason `healthcheck` is flat in struct
 * health_spec.
 *
 * Presets that depend on something else are not here but in finish*.c: the times of a health check
 * depend on its kind, the restart mode on the kind of service.
 */
#include "schema/normalise.h"
#include "schema/row.h"
#include "schema/spec.h"
#include "schema/table.h"

enum { R = SCHEMA_RESTART, M = SCHEMA_MUELLE };

const char *const names_depends_condition[] = {"service_started", "service_healthy",
                                               "service_completed_successfully", NULL};
const char *const names_protocol[] = {"tcp", "udp", NULL};
const char *const names_logging_mode[] = {"file", "pipe", NULL};
const char *const names_watch_action[] = {"restart",      "rebuild",   "sync",
                                          "sync+restart", "sync+exec", NULL};

/* Taken out of the document before it is decoded (extend.c); the rows check its shape. */
static const struct schema_field extends_rows[] = {
    {"service", SCHEMA_STRING, DOC_ONLY, .flags = SCHEMA_REQUIRED,
     SAY("Name of the service to start from.", "Nombre del servicio del que se parte.")},
    {"file", SCHEMA_STRING, DOC_ONLY,
     SAY("File it stands in; this one by default.", "Archivo en el que está; por defecto, este.")},
};
const struct schema_table table_extends = {
    TABLE_DOC("extends", extends_rows),
    SAY("A service to start from.", "Un servicio del que se parte."),
};

/* The same (environment.c). `format` is text and not an enum: nothing, null and "" all mean the
 * usual form. */
static const struct schema_field env_file_rows[] = {
    {"path", SCHEMA_STRING, DOC_ONLY, .flags = SCHEMA_REQUIRED, SAY("The file.", "El archivo.")},
    {"required", SCHEMA_BOOL, DOC_ONLY, .preset = "true",
     SAY("Its absence is an error.", "Su ausencia es un error.")},
    {"format", SCHEMA_STRING, DOC_ONLY,
     SAY("raw: values are taken as they stand, without quotes or variables.",
         "raw: los valores se toman tal cual, sin comillas ni variables.")},
};
const struct schema_table table_env_file = {
    TABLE_DOC("env_file", env_file_rows),
    SAY("A file of variables.", "Un archivo de variables."),
};

#define D(member) AT(struct depends_spec, member)
/* `required: false` lets a service be left out by its profiles; it does not make a failure of it
 * bearable.
 */
static const struct schema_field depends_rows[] = {
    {"service", SCHEMA_STRING, D(service), .flags = SCHEMA_KEY,
     SAY("The service that comes first.", "El servicio que va antes.")},
    {"condition", SCHEMA_ENUM, D(condition), ONE_OF(names_depends_condition),
     .preset = "service_started",
     SAY("What it must have reached.", "Lo que debe haber alcanzado.")},
    {"restart", SCHEMA_BOOL, D(restart),
     SAY("Restart this service when muelle restarts that one.",
         "Reiniciar este servicio cuando muelle reinicie aquel.")},
    {"required", SCHEMA_BOOL, D(required), .preset = "true",
     SAY("Its absence is an error; with false its absence or failure is not waited for.",
         "Su ausencia es un error; con false no se espera si falta o falló.")},
};
const struct schema_table table_depends = {
    TABLE_OF("depends_on", depends_rows, struct depends_spec),
    SAY("A service that comes first.", "Un servicio que va antes."),
};

#define H(member) AT(struct health_spec, member)
/* Times are at least a millisecond: a 0 that was written by mistake would be a loop. Their usual
 * values depend on the kind of test (health_times), so they have no preset. */
static const struct schema_field health_rows[] = {
    {"test", SCHEMA_LIST, TEXTS, DOC_ONLY, .flags = SCHEMA_OR_STRING,
     SAY("Command that ends with 0 when it works: text for a shell, or a list after CMD or "
         "CMD-SHELL.",
         "Orden que acaba con 0 si funciona: texto para un shell, o lista tras CMD o CMD-SHELL.")},
    {"http", SCHEMA_STRING, H(http_path), .flags = M,
     SAY("Path that answers 2xx or 3xx when it works.",
         "Ruta que responde 2xx o 3xx si funciona.")},
    {"tcp", SCHEMA_INT, DOC_ONLY, BOUNDS(1, 65535), .flags = M | SCHEMA_OR_BOOL,
     SAY("Port that takes connections when it works; true = the replica's PORT.",
         "Puerto que acepta conexiones si funciona; true = el PORT de la réplica.")},
    {"grpc", SCHEMA_STRING, DOC_ONLY, .flags = M | SCHEMA_OR_BOOL, .max = 127,
     SAY("Service that grpc.health.v1 says is SERVING when it works; true = the server as a whole.",
         "Servicio que grpc.health.v1 da por SERVING si funciona; true = el servidor entero.")},
    {"port", SCHEMA_INT, H(http_port), BOUNDS(1, 65535), .flags = M,
     SAY("Port to probe; the replica's PORT by default.",
         "Puerto que probar; por defecto, el PORT de la réplica.")},
    {"host", SCHEMA_STRING, H(http_host), .flags = M,
     SAY("Host header of the probe.", "Cabecera Host de la prueba.")},
    {"disable", SCHEMA_BOOL, DOC_ONLY, SAY("No health check.", "Sin prueba de salud.")},
    {"interval", SCHEMA_DURATION, H(interval_ns), BOUNDS(1000000, INT64_MAX),
     SAY("Time between probes: 30 s by default, 5 s for http, tcp and grpc.",
         "Tiempo entre pruebas: 30 s por defecto, 5 s para http, tcp y grpc.")},
    {"timeout", SCHEMA_DURATION, H(timeout_ns), BOUNDS(1000000, INT64_MAX),
     SAY("Time a probe may take: 30 s by default, 5 s for http, tcp and grpc.",
         "Tiempo que puede tardar una prueba: 30 s por defecto, 5 s para http, tcp y grpc.")},
    {"retries", SCHEMA_INT, H(retries), BOUNDS(1, 1000), .preset = "3",
     SAY("Failures in a row that make it unhealthy.", "Fallos seguidos que lo dan por enfermo.")},
    {"start_period", SCHEMA_DURATION, H(start_period_ns), BOUNDS(0, INT64_MAX),
     SAY("Time after the start in which failures do not count.",
         "Tiempo tras el arranque en el que los fallos no cuentan.")},
    {"start_interval", SCHEMA_DURATION, H(start_interval_ns), BOUNDS(1000000, INT64_MAX),
     SAY("Time between probes until the first success: 1 s by default; for http, tcp and "
         "grpc 5 ms, growing.",
         "Tiempo entre pruebas hasta el primer éxito: 1 s por defecto; http, tcp y grpc "
         "5 ms, creciente.")},
};
const struct schema_table table_health = {
    TABLE_OF("healthcheck", health_rows, struct health_spec),
    .finish = finish_health,
    SAY("How to find out that a replica works.", "Cómo saber que una réplica funciona."),
};

#define RT(member) AT(struct route_spec, member)
/* Bounds: 253 bytes of a host name (RFC 1035), 2,048 of a path, which no prefix needs. */
static const struct schema_field route_rows[] = {
    {"host", SCHEMA_STRING, RT(host), .max = 253,
     SAY("Host name, \"*.example.org\" for one label more or several; any host by default.",
         "Nombre de equipo, \"*.example.org\" para una etiqueta más o varias; por defecto, "
         "cualquiera.")},
    {"path", SCHEMA_STRING, RT(path), .preset = "/", .max = 2048,
     SAY("Beginning of the path, whole segments.", "Comienzo de la ruta, por segmentos enteros.")},
    {"balance", SCHEMA_ENUM, RT(balance), ONE_OF(names_balance), .preset = "round_robin",
     .normalise = normalise_balance,
     SAY("Which replica is next; that of a service's first route counts for all.",
         "Qué réplica es la siguiente; cuenta la de la primera ruta del servicio.")},
    {"strip_prefix", SCHEMA_BOOL, RT(strip_prefix),
     SAY("Take the path's beginning off before sending on.",
         "Quitar el comienzo de la ruta al reenviar.")},
    {"passthrough", SCHEMA_BOOL, RT(passthrough),
     SAY("Pass TLS connections for this host on unread: the service has the certificate. Of tls:// "
         "listeners.",
         "Pasar sin leer las conexiones TLS para este equipo: el certificado lo tiene el servicio. "
         "De direcciones tls://.")},
    {"websocket", SCHEMA_OBJECT, RT(websocket), OF(table_websocket), .merge = SCHEMA_MERGE_OBJECT,
     SAY("What the gateway does with WebSockets on the route.",
         "Qué hace la pasarela con los WebSockets de la ruta.")},
    {"connect", SCHEMA_BOOL, RT(connect),
     SAY("CONNECT makes a tunnel to the service, and to nowhere else; refused by default.",
         "CONNECT abre un túnel hasta el servicio, y a ningún otro sitio; por defecto se "
         "rechaza.")},
    {"client_certificate", SCHEMA_ENUM, RT(client_certificate), ONE_OF(names_client_certificate),
     SAY("optional: a client's verified certificate is handed on as Client-Cert; required: who "
         "shows none gets a 403. Needs gateway.tls.client_ca.",
         "optional: el certificado verificado del cliente se pasa como Client-Cert; required: a "
         "quien no lo muestre, 403. Requiere gateway.tls.client_ca.")},
};
const struct schema_table table_route = {
    TABLE_OF("route_spec", route_rows, struct route_spec),
    .finish = finish_route,
    SAY("Requests that the gateway sends to a service.",
        "Peticiones que la pasarela envía a un servicio."),
};

#define P(member) AT(struct port_spec, member)
/* `published` is text, since it may be a range. */
static const struct schema_field port_rows[] = {
    {"name", SCHEMA_STRING, DOC_ONLY, .support = SCHEMA_SHOWN,
     SAY("A name for people.", "Un nombre para personas.")},
    {"host_ip", SCHEMA_STRING, P(host_ip), SAY("Address of the host.", "Dirección del equipo.")},
    {"published", SCHEMA_STRING, DOC_ONLY,
     SAY("Port of the host, or a range; a free one by default.",
         "Puerto del equipo, o un intervalo; por defecto, uno libre.")},
    {"target", SCHEMA_INT, P(target), BOUNDS(0, 65535), .flags = SCHEMA_REQUIRED,
     SAY("Port of the program; for a process, the same number as `published` stands for its PORT.",
         "Puerto del programa; en un proceso, el mismo número que `published` equivale a su "
         "PORT.")},
    {"protocol", SCHEMA_ENUM, P(protocol), ONE_OF(names_protocol), .preset = "tcp",
     SAY("tcp or udp.", "tcp o udp.")},
    {"mode", SCHEMA_STRING, DOC_ONLY, .support = SCHEMA_CONTAINER,
     SAY("host or ingress, in a swarm.", "host o ingress, en un enjambre.")},
    {"app_protocol", SCHEMA_STRING, DOC_ONLY, .support = SCHEMA_KEPT,
     SAY("Protocol spoken on it.", "Protocolo que se habla en él.")},
};
const struct schema_table table_port = {
    TABLE_OF("port", port_rows, struct port_spec),
    .finish = finish_port,
    SAY("A port of the host that leads to a service.",
        "Un puerto del equipo que lleva a un servicio."),
};

#define L(member) AT(struct logging_spec, member)
/* burst is the file of unread output, which a service can fill while nobody reads; max_size and
 * max_age are about the stored log. Only `mode` is fixed at the start: it decides what descriptor 1
 * is. */
static const struct schema_field logging_rows[] = {
    {"driver", SCHEMA_STRING, DOC_ONLY, .support = SCHEMA_CONTAINER,
     SAY("Logging driver of the engine.", "Controlador de registro del motor.")},
    {"options", SCHEMA_MAP, TEXTS, DOC_ONLY, .merge = SCHEMA_MERGE_OBJECT,
     .support = SCHEMA_CONTAINER, SAY("Its options.", "Sus opciones.")},
    {"mode", SCHEMA_ENUM, L(mode), ONE_OF(names_logging_mode), .preset = "file", .flags = R | M,
     SAY("file: the output is written to files and never blocks; pipe: through a pipe.",
         "file: la salida va a archivos y nunca bloquea; pipe: por una tubería.")},
    {"burst", SCHEMA_SIZE, L(burst_bytes), .preset = "64m", BOUNDS(65536, INT64_MAX), .flags = M,
     SAY("Unread output kept at most; beyond it the oldest goes, counted.",
         "Salida sin leer que se guarda; más allá se pierde la más antigua, contada.")},
    {"max_size", SCHEMA_SIZE, L(max_bytes), .flags = M,
     SAY("Log of this service kept at most.", "Registro de este servicio que se guarda.")},
    {"max_age", SCHEMA_DURATION, L(max_age_ns), .flags = M,
     SAY("How long its log is kept.", "Cuánto tiempo se guarda su registro.")},
};
const struct schema_table table_logging = {
    TABLE_OF("logging", logging_rows, struct logging_spec),
    SAY("Where the output goes and how much of it is kept.",
        "A dónde va la salida y cuánta se guarda."),
};

#define B(member) AT(struct restart_spec, member)
/* factor below 1 would make a crash loop faster and faster. */
static const struct schema_field backoff_rows[] = {
    {"initial", SCHEMA_DURATION, B(initial_ns), .preset = "100ms", BOUNDS(0, INT64_MAX),
     SAY("Wait before the second restart.", "Espera antes del segundo reinicio.")},
    {"max", SCHEMA_DURATION, B(max_ns), .preset = "30s", BOUNDS(0, INT64_MAX),
     SAY("Longest wait.", "Espera máxima.")},
    {"factor", SCHEMA_DOUBLE, B(factor), .preset = "2", BOUNDS(1, 100),
     SAY("Growth of the wait.", "Crecimiento de la espera.")},
    {"reset", SCHEMA_DURATION, B(reset_ns), .preset = "60s", BOUNDS(0, INT64_MAX),
     SAY("Up for so long, the count starts again.",
         "Si aguanta tanto, la cuenta empieza de nuevo.")},
};
const struct schema_table table_backoff = {
    TABLE_OF("backoff", backoff_rows, struct restart_spec),
    SAY("Waiting between restarts, with jitter.", "Espera entre reinicios, con azar."),
};

#define LIM(member) AT(struct service_spec, limits.member)
/* Compose's place for them; the old keys of the service (cpus, mem_limit, pids_limit) write to the
 * same members. */
static const struct schema_field limits_rows[] = {
    {"cpus", SCHEMA_DOUBLE, LIM(cpus), BOUNDS(0, 4096), .flags = R,
     SAY("Processors at most, as 0.5.", "Procesadores como máximo, por ejemplo 0.5.")},
    {"memory", SCHEMA_SIZE, LIM(memory_bytes), .flags = R,
     SAY("Memory at most.", "Memoria como máximo.")},
    {"pids", SCHEMA_INT, LIM(pids), BOUNDS(0, INT32_MAX), .flags = R,
     SAY("Processes and threads at most.", "Procesos e hilos como máximo.")},
};
static const struct schema_table table_limits = {
    TABLE_DOC("limits", limits_rows),
    .size = sizeof(struct service_spec),
    SAY("What it may use at most.", "Lo que puede usar como máximo."),
};

static const struct schema_field resources_rows[] = {
    {"limits", SCHEMA_OBJECT, AT_PARENT, .of = &table_limits, .merge = SCHEMA_MERGE_OBJECT,
     SAY("What it may use at most.", "Lo que puede usar como máximo.")},
    {"reservations", SCHEMA_ANY, DOC_ONLY, .merge = SCHEMA_MERGE_OBJECT,
     .support = SCHEMA_CONTAINER, SAY("What is kept free for it.", "Lo que se le reserva.")},
};
static const struct schema_table table_resources = {
    TABLE_DOC("resources", resources_rows),
    .size = sizeof(struct service_spec),
    SAY("Limits and reservations.", "Límites y reservas."),
};

#define SWARM DOC_ONLY, .merge = SCHEMA_MERGE_OBJECT, .support = SCHEMA_CONTAINER
/* What swarm alone understands is checked for its name only (SCHEMA_ANY): shapes differ by version.
 */
static const struct schema_field deploy_rows[] = {
    {"replicas", SCHEMA_INT, AT(struct service_spec, replicas), BOUNDS(0, SPEC_REPLICAS_MAX),
     SAY("Number of replicas; 1 by default.", "Número de réplicas; 1 por defecto.")},
    {"resources", SCHEMA_OBJECT, AT_PARENT, .of = &table_resources, .merge = SCHEMA_MERGE_OBJECT,
     SAY("Limits and reservations.", "Límites y reservas.")},
    {"mode", SCHEMA_STRING, SWARM, SAY("replicated or global.", "replicated o global.")},
    {"endpoint_mode", SCHEMA_STRING, SWARM, SAY("vip or dnsrr.", "vip o dnsrr.")},
    {"labels", SCHEMA_MAP, TEXTS, SWARM, .flags = SCHEMA_OR_LIST, .normalise = normalise_pairs,
     SAY("Labels of the service.", "Etiquetas del servicio.")},
    {"placement", SCHEMA_ANY, SWARM, SAY("Which nodes.", "Qué nodos.")},
    {"update_config", SCHEMA_ANY, SWARM, SAY("How to update.", "Cómo actualizar.")},
    {"rollback_config", SCHEMA_ANY, SWARM, SAY("How to go back.", "Cómo volver atrás.")},
    {"restart_policy", SCHEMA_ANY, SWARM,
     SAY("Restarts in a swarm; processes use `restart` and `backoff`.",
         "Reinicios en un enjambre; los procesos usan `restart` y `backoff`.")},
};
const struct schema_table table_deploy = {
    TABLE_DOC("deploy", deploy_rows),
    .size = sizeof(struct service_spec),
    SAY("Replicas, resources and how to update.", "Réplicas, recursos y cómo actualizar."),
};

#define W(member) AT(struct watch_spec, member)
/* Kept and checked, not acted on yet (SCHEMA_KEPT of `develop`). */
static const struct schema_field watch_rows[] = {
    {"path", SCHEMA_STRING, W(path), .flags = SCHEMA_REQUIRED, .normalise = normalise_path,
     SAY("File or folder to watch.", "Archivo o carpeta que vigilar.")},
    {"action", SCHEMA_ENUM, W(action), ONE_OF(names_watch_action), .flags = SCHEMA_REQUIRED,
     SAY("What to do.", "Qué hacer.")},
    {"target", SCHEMA_STRING, W(target),
     SAY("Where to in the container.", "Destino en el contenedor.")},
    {"ignore", SCHEMA_LIST, TEXTS, LIST_AT(struct watch_spec, ignore), .merge = SCHEMA_MERGE_UNIQUE,
     .flags = SCHEMA_OR_STRING, .normalise = normalise_list,
     SAY("Patterns that do not count.", "Patrones que no cuentan.")},
    {"include", SCHEMA_LIST, TEXTS, DOC_ONLY, .merge = SCHEMA_MERGE_UNIQUE,
     .flags = SCHEMA_OR_STRING, .normalise = normalise_list,
     SAY("Patterns that count.", "Patrones que cuentan.")},
    {"exec", SCHEMA_ANY, DOC_ONLY, SAY("Command of sync+exec.", "Orden de sync+exec.")},
    {"initial_sync", SCHEMA_BOOL, DOC_ONLY, SAY("Sync at the start.", "Sincronizar al empezar.")},
};
static const struct schema_table table_watch = {
    TABLE_OF("watch", watch_rows, struct watch_spec),
    SAY("What to do when a file changes.", "Qué hacer cuando cambia un archivo."),
};

static const struct schema_field develop_rows[] = {
    {"watch", SCHEMA_LIST, .item = SCHEMA_OBJECT, .of = &table_watch,
     LIST_AT(struct service_spec, watch), .merge = SCHEMA_MERGE_APPEND,
     SAY("Paths and actions.", "Rutas y acciones.")},
};
const struct schema_table table_develop = {
    TABLE_DOC("develop", develop_rows),
    .size = sizeof(struct service_spec),
    SAY("What to do when files change.", "Qué hacer cuando cambian archivos."),
};
