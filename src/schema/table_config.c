/* SPDX-License-Identifier: Apache-2.0
 *
 * The top level of a configuration file: the project, its gateway, and the named things that
 * services refer to.
 *
 * Networks, volumes, configs and secrets are Compose's, for containers: SCHEMA_KEPT, which advise.c
 * says when a project has processes only. Secrets and configs share a table, as in Compose.
 * `logging` at the top is muelle's own: the budget of the whole instance, where that of a service
 * is below the service.
 *
 * `gateway.admin` and `gateway.listen` have no preset: whether they are given decides what is done
 * (finish_gateway, derive_listens), and a preset would look like a wish of the file.
 */
#include "base/num.h"
#include "schema/normalise.h"
#include "schema/resource.h"
#include "schema/row.h"
#include "schema/spec.h"
#include "schema/table.h"

enum { M = SCHEMA_MUELLE };

const char *const names_listen_kind[] = {"http", "https", "tcp", "tls", NULL};

static const struct schema_field listen_rows[] = {
    {"address", SCHEMA_STRING, AT(struct listen_spec, address), .flags = SCHEMA_REQUIRED,
     SAY("http://host:port, https://, tcp:// or tls://; without a host: all addresses.",
         "http://equipo:puerto, https://, tcp:// o tls://; sin equipo: todas las direcciones.")},
    {"service", SCHEMA_STRING, AT(struct listen_spec, service), .reference = "services",
     SAY("tcp: the service that gets the connections; tls: of names without a route.",
         "tcp: el servicio que recibe las conexiones; tls: las de nombres sin ruta.")},
    {"target", SCHEMA_INT, AT(struct listen_spec, target), BOUNDS(1, 65535),
     SAY("tcp and tls: its port; the replica's PORT by default.",
         "tcp y tls: su puerto; por defecto, el PORT de la réplica.")},
    {"tls", SCHEMA_OBJECT, AT(struct listen_spec, certificate), OF(table_certificate),
     .merge = SCHEMA_MERGE_OBJECT,
     SAY("https: a certificate of its own; else those of gateway.tls.",
         "https: certificado propio; si no, los de gateway.tls.")},
    {"redirect", SCHEMA_STRING, AT(struct listen_spec, redirect), .max = 11,
     SAY("http: answer everything with a redirect to https: \"https\" (port 443), or "
         "\"https:8443\".",
         "http: responder a todo con una redirección a https: \"https\" (puerto 443), o "
         "\"https:8443\".")},
    {"proxy_protocol", SCHEMA_BOOL, AT(struct listen_spec, proxy_protocol),
     SAY("Each connection begins with a header of the PROXY protocol, version 1 or 2; without one "
         "it is closed.",
         "Cada conexión empieza con una cabecera del protocolo PROXY, versión 1 o 2; sin ella se "
         "cierra.")},
};
const struct schema_table table_listen = {
    TABLE_OF("listen", listen_rows, struct listen_spec),
    .finish = finish_listen,
    SAY("An address that the gateway listens on.", "Una dirección en la que escucha la pasarela."),
};

#define G(member) AT(struct gateway_spec, member)
/* `admin` has no member: address, false and true are told apart by finish_gateway. `threads` is
 * read by the edge when it starts, since its threads share nothing that could be divided anew. */
static const struct schema_field gateway_rows[] = {
    {"listen", SCHEMA_LIST, OBJECTS(table_listen), LIST_AT(struct gateway_spec, listens),
     .merge = SCHEMA_MERGE_UNIQUE, .flags = SCHEMA_OR_STRING | SCHEMA_ITEM_OR_STRING,
     .normalise = normalise_listen,
     SAY("Addresses; http://127.0.0.1:8080 by default when there are routes; [] for none.",
         "Direcciones; http://127.0.0.1:8080 por defecto si hay rutas; [] para ninguna.")},
    {"admin", SCHEMA_STRING, DOC_ONLY, .flags = SCHEMA_OR_BOOL,
     SAY("Address of dashboard and API, http:// or https:// (with what `tls` says); "
         "http://127.0.0.1:7070 by default, false for none.",
         "Dirección del panel y la API, http:// o https:// (con lo que diga `tls`); "
         "http://127.0.0.1:7070 por defecto, false para ninguna.")},
    {"admin_names", SCHEMA_LIST, TEXTS, LIST_AT(struct gateway_spec, admin_names),
     .merge = SCHEMA_MERGE_UNIQUE,
     SAY("Host names under which the admin listener may be asked, besides localhost, *.localhost "
         "and addresses.",
         "Nombres con los que se puede llamar al panel, además de localhost, *.localhost y "
         "direcciones.")},
    {"tls", SCHEMA_OBJECT, G(tls), OF(table_gateway_tls), .merge = SCHEMA_MERGE_OBJECT,
     SAY("How https listeners speak TLS.", "Cómo hablan TLS las direcciones https.")},
    {"threads", SCHEMA_INT, G(threads), BOUNDS(0, GATEWAY_THREADS_MAX),
     SAY("Threads of the gateway; 0 = chosen by muelle. A change waits for the edge's next start.",
         "Hilos de la pasarela; 0 = los elige muelle. Un cambio espera al próximo arranque del "
         "edge.")},
    {"trusted_proxies", SCHEMA_LIST, TEXTS, LIST_AT(struct gateway_spec, trusted_proxies),
     .merge = SCHEMA_MERGE_UNIQUE,
     SAY("Addresses and networks (10.0.0.0/8, ::1) whose X-Forwarded-*, Forwarded and PROXY "
         "headers "
         "are believed; nobody's by default.",
         "Direcciones y redes (10.0.0.0/8, ::1) cuyas cabeceras X-Forwarded-*, Forwarded y PROXY "
         "se "
         "creen; por defecto, las de nadie.")},
    {"limits", SCHEMA_OBJECT, G(limits), .of = &table_gateway_limits, .merge = SCHEMA_MERGE_OBJECT,
     SAY("What one client may cost.", "Lo que puede costar un cliente.")},
    {"http2", SCHEMA_OBJECT, G(http2), OF(table_gateway_http2), .merge = SCHEMA_MERGE_OBJECT,
     SAY("What one HTTP/2 connection may.", "Lo que puede una conexión HTTP/2.")},
    {"sockmap", SCHEMA_BOOL, G(sockmap),
     SAY("Lay bytes directly into the sockets of services on this machine (BPF); needs root, or "
         "CAP_BPF and CAP_NET_ADMIN. Where it cannot be had, TCP is spoken.",
         "Dejar los bytes directamente en los sockets de los servicios de esta máquina (BPF); "
         "requiere root, o CAP_BPF y CAP_NET_ADMIN. Donde no se puede, se habla TCP.")},
    {"upgrade_drain", SCHEMA_DURATION, G(upgrade_drain_ns), .preset = "1h",
     BOUNDS(NS_PER_S, 24 * 3600 * NS_PER_S),
     SAY("At an upgrade, how long connections that cannot move (TLS, HTTP/2, requests under way, "
         "WebSockets whose frames are read) "
         "may end in the old edge.",
         "En una actualización, cuánto pueden durar en el edge anterior las conexiones que no se "
         "pueden mover.")},
    {"expose_replica", SCHEMA_BOOL, G(expose_replica),
     SAY("Name the replica in the answer's X-Muelle-Replica.",
         "Nombrar la réplica en X-Muelle-Replica de la respuesta.")},
    {"geo_database", SCHEMA_STRING, G(geo_database), .normalise = normalise_path,
     SAY("File of places in MaxMind's format (.mmdb), for `balance: nearest`; the edge must be "
         "able "
         "to read it.",
         "Archivo de lugares en formato MaxMind (.mmdb), para `balance: nearest`; el edge debe "
         "poder leerlo.")},
    {"access_log", SCHEMA_OBJECT, G(access_log), OF(table_access_log), .merge = SCHEMA_MERGE_OBJECT,
     SAY("What is written of requests to this project's services.",
         "Qué se escribe de las peticiones a los servicios de este proyecto.")},
};
const struct schema_table table_gateway = {
    TABLE_OF("gateway", gateway_rows, struct gateway_spec),
    .finish = finish_gateway,
    SAY("The gateway in front of all services.", "La pasarela delante de todos los servicios."),
};

#define K(member) AT(struct retention_spec, member)
/* Bounds: one segment, and one minute; less would delete what is being written. */
static const struct schema_field retention_rows[] = {
    {"max_size", SCHEMA_SIZE, K(max_bytes), .preset = "2g", BOUNDS(1024 * 1024, INT64_MAX),
     SAY("Sealed log on disk; beyond it the oldest of all services goes.",
         "Registro sellado en disco; más allá se borra el más antiguo de todos los servicios.")},
    {"max_age", SCHEMA_DURATION, K(max_age_ns), .preset = "30d", BOUNDS(60 * NS_PER_S, INT64_MAX),
     SAY("How long log is kept.", "Cuánto tiempo se guarda el registro.")},
};
static const struct schema_table table_retention = {
    TABLE_OF("retention", retention_rows, struct retention_spec),
    SAY("How much log the instance keeps; of several projects the largest counts.",
        "Cuánto registro guarda la instancia; de varios proyectos cuenta el mayor."),
};

#define TEXT_MAP SCHEMA_MAP, TEXTS, DOC_ONLY, .merge = SCHEMA_MERGE_OBJECT
static const struct schema_field external_rows[] = {
    {"name", SCHEMA_STRING, DOC_ONLY,
     SAY("Its name outside, in old files.", "Su nombre fuera, en archivos antiguos.")},
};
static const struct schema_table table_external = {
    TABLE_DOC("external", external_rows),
    SAY("A thing that exists already.", "Algo que ya existe."),
};

#define EXTERNAL                                                                                   \
    {                                                                                              \
        "external", SCHEMA_OBJECT, DOC_ONLY,                                                       \
            .of = &table_external, .flags = SCHEMA_OR_BOOL,                                        \
            SAY("It exists already; muelle does not make it.", "Ya existe; muelle no lo crea.")    \
    }
#define LABELS                                                                                     \
    {                                                                                              \
        "labels", TEXT_MAP, .flags = SCHEMA_OR_LIST, .normalise = normalise_pairs,                 \
                            SAY("Labels.", "Etiquetas.")                                           \
    }
#define NAME                                                                                       \
    {                                                                                              \
        "name", SCHEMA_STRING, DOC_ONLY,                                                           \
            SAY("Name outside of the project.", "Nombre fuera del proyecto.")                      \
    }
#define DRIVER                                                                                     \
    {                                                                                              \
        "driver", SCHEMA_STRING, DOC_ONLY, SAY("Driver.", "Controlador.")                          \
    }
#define DRIVER_OPTS                                                                                \
    {                                                                                              \
        "driver_opts", TEXT_MAP, SAY("Its options.", "Sus opciones.")                              \
    }

/* Document only, like all that follows: for engines, and for Compose reading the same file. */
static const struct schema_field network_rows[] = {
    NAME,
    DRIVER,
    DRIVER_OPTS,
    EXTERNAL,
    LABELS,
    {"attachable", SCHEMA_BOOL, DOC_ONLY,
     SAY("Containers may join.", "Pueden unirse contenedores.")},
    {"internal", SCHEMA_BOOL, DOC_ONLY, SAY("Without a way out.", "Sin salida.")},
    {"enable_ipv4", SCHEMA_BOOL, DOC_ONLY, SAY("With IPv4.", "Con IPv4.")},
    {"enable_ipv6", SCHEMA_BOOL, DOC_ONLY, SAY("With IPv6.", "Con IPv6.")},
    {"ipam", SCHEMA_ANY, DOC_ONLY, .merge = SCHEMA_MERGE_OBJECT,
     SAY("Address management.", "Gestión de direcciones.")},
};
static const struct schema_table table_network = {
    TABLE_DOC("network", network_rows),
    SAY("A network of containers.", "Una red de contenedores."),
};

static const struct schema_field volume_rows[] = {NAME, DRIVER, DRIVER_OPTS, EXTERNAL, LABELS};
static const struct schema_table table_volume = {
    TABLE_DOC("volume", volume_rows),
    SAY("A named volume.", "Un volumen con nombre."),
};

/* `content` is hidden in every rendering; `file` and `environment` only say where it lies. */
static const struct schema_field secret_rows[] = {
    NAME,
    {"file", SCHEMA_STRING, DOC_ONLY, .normalise = normalise_path,
     SAY("File that holds it.", "Archivo que lo contiene.")},
    {"environment", SCHEMA_STRING, DOC_ONLY,
     SAY("Variable that holds it.", "Variable que lo contiene.")},
    {"content", SCHEMA_STRING, DOC_ONLY, .flags = SCHEMA_SECRET, SAY("Its text.", "Su texto.")},
    EXTERNAL,
    LABELS,
    DRIVER,
    DRIVER_OPTS,
    {"template_driver", SCHEMA_STRING, DOC_ONLY,
     SAY("Template driver.", "Controlador de plantillas.")},
};
static const struct schema_table table_secret = {
    TABLE_DOC("secret", secret_rows),
    SAY("A secret or configuration file.", "Un secreto o archivo de configuración."),
};

/* Taken out and resolved by extend.c; the rows check its shape. */
static const struct schema_field include_rows[] = {
    {"path", SCHEMA_LIST, TEXTS, DOC_ONLY, .flags = SCHEMA_REQUIRED | SCHEMA_OR_STRING,
     SAY("Files, merged into one project.", "Archivos, combinados en un proyecto.")},
    {"project_directory", SCHEMA_STRING, DOC_ONLY,
     SAY("Folder that its relative paths mean.",
         "Carpeta a la que se refieren sus rutas relativas.")},
    {"env_file", SCHEMA_LIST, TEXTS, DOC_ONLY, .flags = SCHEMA_OR_STRING,
     SAY("Variables for it.", "Variables para él.")},
};
const struct schema_table table_include = {
    TABLE_DOC("include", include_rows),
    SAY("Another project that becomes part of this one.",
        "Otro proyecto que pasa a formar parte de este."),
};

#define NAMED(table)                                                                               \
    SCHEMA_MAP, .item = SCHEMA_OBJECT, .of = &(table), DOC_ONLY, .merge = SCHEMA_MERGE_OBJECT,     \
                .flags = SCHEMA_ITEM_OR_NULL, .support = SCHEMA_KEPT, .normalise = normalise_empty
/* In the order of rendering: what one reads first stands first. */
static const struct schema_field rows[] = {
    {"version", SCHEMA_STRING, DOC_ONLY, .support = SCHEMA_KEPT,
     SAY("Of old Compose files; has no meaning.",
         "De archivos Compose antiguos; no significa nada.")},
    {"name", SCHEMA_STRING, DOC_ONLY, .flags = SCHEMA_IMMUTABLE,
     SAY("Name of the project; that of the folder by default.",
         "Nombre del proyecto; por defecto, el de la carpeta.")},
    {"include", SCHEMA_LIST, .item = SCHEMA_OBJECT, .of = &table_include, DOC_ONLY,
     .merge = SCHEMA_MERGE_APPEND, .flags = SCHEMA_ITEM_OR_STRING, .normalise = normalise_include,
     SAY("Other projects that become part of this one.",
         "Otros proyectos que pasan a formar parte de este.")},
    {"gateway", SCHEMA_OBJECT, AT(struct project_spec, gateway), OF(table_gateway),
     .merge = SCHEMA_MERGE_OBJECT, .flags = M,
     SAY("The gateway in front of all services.", "La pasarela delante de todos los servicios.")},
    {"logging", SCHEMA_OBJECT, AT(struct project_spec, logging), OF(table_retention),
     .merge = SCHEMA_MERGE_OBJECT, .flags = M,
     SAY("How much log the instance keeps.", "Cuánto registro guarda la instancia.")},
    {"services", SCHEMA_MAP, OBJECTS(table_service), LIST_AT(struct project_spec, services),
     .merge = SCHEMA_MERGE_OBJECT, SAY("What runs, by name.", "Lo que se ejecuta, por nombre.")},
    {"networks", NAMED(table_network),
     SAY("Networks of containers, by name.", "Redes de contenedores, por nombre.")},
    {"volumes", NAMED(table_volume), SAY("Volumes, by name.", "Volúmenes, por nombre.")},
    {"configs", NAMED(table_secret),
     SAY("Configuration files, by name.", "Archivos de configuración, por nombre.")},
    {"secrets", NAMED(table_secret), SAY("Secrets, by name.", "Secretos, por nombre.")},
    {"models", SCHEMA_ANY, DOC_ONLY, .merge = SCHEMA_MERGE_OBJECT, .support = SCHEMA_KEPT,
     SAY("Language models, by name.", "Modelos de lenguaje, por nombre.")},
};

const struct schema_table schema_config = {
    TABLE_OF("config", rows, struct project_spec),
    SAY("A project.", "Un proyecto."),
};
