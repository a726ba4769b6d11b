/* SPDX-License-Identifier: Apache-2.0
 *
 * The objects inside of a service that only container engines act on. Document only: checked,
 * merged and rendered, with no C struct behind them until a driver needs one.
 *
 * Keys and forms are those of the Compose specification (05-services.md, build.md, deploy.md).
 * Where it leaves a shape open, or it changes from version to version, the row is SCHEMA_ANY: kept,
 * not checked. File modes are ANY too: 0440 and "0440" are both written, and a number would lose
 * its zero.
 */
#include "schema/normalise.h"
#include "schema/row.h"
#include "schema/table.h"

#define TEXT_LIST SCHEMA_LIST, TEXTS, DOC_ONLY, .merge = SCHEMA_MERGE_UNIQUE
#define TEXT_MAP  SCHEMA_MAP, TEXTS, DOC_ONLY, .merge = SCHEMA_MERGE_OBJECT

/* Any key restarts (the row `build` is R as a whole): it makes another image. */
static const struct schema_field build_rows[] = {
    {"context", SCHEMA_STRING, DOC_ONLY,
     SAY("Folder or URL to build from.", "Carpeta o URL de partida.")},
    {"dockerfile", SCHEMA_STRING, DOC_ONLY, SAY("The Dockerfile.", "El Dockerfile.")},
    {"dockerfile_inline", SCHEMA_STRING, DOC_ONLY, SAY("Its text.", "Su texto.")},
    {"target", SCHEMA_STRING, DOC_ONLY, SAY("Stage to build.", "Etapa que construir.")},
    {"args", TEXT_MAP, .flags = SCHEMA_OR_LIST | SCHEMA_ITEM_OR_NULL, .normalise = normalise_pairs,
     SAY("Build arguments.", "Argumentos de construcción.")},
    {"labels", TEXT_MAP, .flags = SCHEMA_OR_LIST, .normalise = normalise_pairs,
     SAY("Labels of the image.", "Etiquetas de la imagen.")},
    {"cache_from", TEXT_LIST, SAY("Caches to read.", "Cachés que leer.")},
    {"cache_to", TEXT_LIST, SAY("Caches to write.", "Cachés que escribir.")},
    {"additional_contexts", TEXT_MAP, .flags = SCHEMA_OR_LIST, .normalise = normalise_pairs,
     SAY("Further folders by name.", "Más carpetas por nombre.")},
    {"network", SCHEMA_STRING, DOC_ONLY, SAY("Network while building.", "Red al construir.")},
    {"shm_size", SCHEMA_SIZE, DOC_ONLY, SAY("Size of /dev/shm.", "Tamaño de /dev/shm.")},
    {"extra_hosts", TEXT_LIST, .flags = SCHEMA_OR_MAP, SAY("Further names.", "Más nombres.")},
    {"isolation", SCHEMA_STRING, DOC_ONLY, SAY("Isolation technology.", "Aislamiento.")},
    {"privileged", SCHEMA_BOOL, DOC_ONLY,
     SAY("Build with all privileges.", "Construir con privilegios.")},
    {"entitlements", TEXT_LIST, SAY("Extra rights.", "Derechos adicionales.")},
    {"secrets", SCHEMA_LIST, OBJECTS(table_service_secret), DOC_ONLY, .merge = SCHEMA_MERGE_BY_KEY,
     .flags = SCHEMA_ITEM_OR_STRING, .normalise = normalise_sources, .reference = "secrets",
     SAY("Secrets while building.", "Secretos al construir.")},
    {"ssh", SCHEMA_ANY, DOC_ONLY, SAY("SSH agents.", "Agentes SSH.")},
    {"tags", TEXT_LIST, SAY("Further names of the image.", "Más nombres de la imagen.")},
    {"platforms", TEXT_LIST, SAY("Platforms.", "Plataformas.")},
    {"pull", SCHEMA_BOOL, DOC_ONLY, SAY("Always pull the base.", "Descargar siempre la base.")},
    {"no_cache", SCHEMA_BOOL, DOC_ONLY, SAY("Without caches.", "Sin cachés.")},
    {"ulimits", SCHEMA_MAP, OBJECTS(table_ulimit), DOC_ONLY, .merge = SCHEMA_MERGE_OBJECT,
     .flags = SCHEMA_ITEM_OR_STRING, SAY("Resource limits.", "Límites de recursos.")},
    {"provenance", SCHEMA_ANY, DOC_ONLY, SAY("Provenance attestation.", "Atestación de origen.")},
    {"sbom", SCHEMA_ANY, DOC_ONLY, SAY("Bill of materials.", "Lista de materiales.")},
};
const struct schema_table table_build = {
    TABLE_DOC("build", build_rows),
    SAY("How to build an image.", "Cómo construir una imagen."),
};

/* Of a service in a network; the network itself is in table_config.c. */
static const struct schema_field network_rows[] = {
    {"aliases", TEXT_LIST, SAY("Further names there.", "Más nombres en ella.")},
    {"ipv4_address", SCHEMA_STRING, DOC_ONLY, SAY("IPv4 address.", "Dirección IPv4.")},
    {"ipv6_address", SCHEMA_STRING, DOC_ONLY, SAY("IPv6 address.", "Dirección IPv6.")},
    {"link_local_ips", TEXT_LIST, SAY("Link-local addresses.", "Direcciones locales de enlace.")},
    {"mac_address", SCHEMA_STRING, DOC_ONLY, SAY("Hardware address.", "Dirección MAC.")},
    {"interface_name", SCHEMA_STRING, DOC_ONLY,
     SAY("Name of the interface.", "Nombre de la interfaz.")},
    {"priority", SCHEMA_INT, DOC_ONLY, SAY("Order of connecting.", "Orden de conexión.")},
    {"gw_priority", SCHEMA_INT, DOC_ONLY, SAY("Order as gateway.", "Orden como puerta de enlace.")},
    {"driver_opts", TEXT_MAP, SAY("Driver options.", "Opciones del controlador.")},
};
const struct schema_table table_service_network = {
    TABLE_DOC("service_network", network_rows),
    SAY("How a service is in a network.", "Cómo está un servicio en una red."),
};

/* Secrets and configs have one shape. uid and gid are texts: names and numbers are both written. */
static const struct schema_field secret_rows[] = {
    {"source", SCHEMA_STRING, DOC_ONLY, .flags = SCHEMA_KEY | SCHEMA_REQUIRED,
     SAY("Name of the secret or config.", "Nombre del secreto o configuración.")},
    {"target", SCHEMA_STRING, DOC_ONLY, SAY("File name there.", "Nombre de archivo.")},
    {"uid", SCHEMA_STRING, DOC_ONLY, SAY("Owner.", "Dueño.")},
    {"gid", SCHEMA_STRING, DOC_ONLY, SAY("Group.", "Grupo.")},
    {"mode", SCHEMA_ANY, DOC_ONLY, SAY("Permissions, octal.", "Permisos, en octal.")},
};
const struct schema_table table_service_secret = {
    TABLE_DOC("service_secret", secret_rows),
    SAY("A secret or config that a service may read.",
        "Un secreto o configuración que un servicio puede leer."),
};

static const struct schema_field bind_rows[] = {
    {"propagation", SCHEMA_STRING, DOC_ONLY, SAY("Mount propagation.", "Propagación del montaje.")},
    {"create_host_path", SCHEMA_BOOL, DOC_ONLY, SAY("Create the folder.", "Crear la carpeta.")},
    {"selinux", SCHEMA_STRING, DOC_ONLY, SAY("Relabelling, z or Z.", "Reetiquetado, z o Z.")},
    {"recursive", SCHEMA_STRING, DOC_ONLY, SAY("Submounts.", "Submontajes.")},
};
static const struct schema_table table_bind = {
    TABLE_DOC("bind", bind_rows),
    SAY("Options of a bind mount.", "Opciones de un montaje directo."),
};
static const struct schema_field volume_option_rows[] = {
    {"nocopy", SCHEMA_BOOL, DOC_ONLY,
     SAY("Do not copy the image's files.", "No copiar los archivos.")},
    {"subpath", SCHEMA_STRING, DOC_ONLY, SAY("Folder inside.", "Carpeta interior.")},
    {"labels", TEXT_MAP, .flags = SCHEMA_OR_LIST, .normalise = normalise_pairs,
     SAY("Labels.", "Etiquetas.")},
};
static const struct schema_table table_volume_option = {
    TABLE_DOC("volume_options", volume_option_rows),
    SAY("Options of a volume.", "Opciones de un volumen."),
};
static const struct schema_field tmpfs_rows[] = {
    {"size", SCHEMA_SIZE, DOC_ONLY, SAY("Size at most.", "Tamaño máximo.")},
    {"mode", SCHEMA_ANY, DOC_ONLY, SAY("Permissions, octal.", "Permisos, en octal.")},
};
static const struct schema_table table_tmpfs = {
    TABLE_DOC("tmpfs", tmpfs_rows),
    SAY("Options of a folder in memory.", "Opciones de una carpeta en memoria."),
};
/* `target` tells two mounts apart when files are merged: one place, one mount. */
static const struct schema_field volume_rows[] = {
    {"type", SCHEMA_STRING, DOC_ONLY, .flags = SCHEMA_REQUIRED,
     SAY("volume, bind, tmpfs, npipe, cluster or image.",
         "volume, bind, tmpfs, npipe, cluster o image.")},
    {"source", SCHEMA_STRING, DOC_ONLY, SAY("Volume or folder.", "Volumen o carpeta.")},
    {"target", SCHEMA_STRING, DOC_ONLY, .flags = SCHEMA_KEY,
     SAY("Folder in the container.", "Carpeta en el contenedor.")},
    {"read_only", SCHEMA_BOOL, DOC_ONLY, SAY("Not to be written.", "Sin escritura.")},
    {"consistency", SCHEMA_STRING, DOC_ONLY, SAY("Consistency.", "Consistencia.")},
    {"bind", SCHEMA_OBJECT, DOC_ONLY, .of = &table_bind, .merge = SCHEMA_MERGE_OBJECT,
     SAY("Options of a bind mount.", "Opciones de un montaje directo.")},
    {"volume", SCHEMA_OBJECT, DOC_ONLY, .of = &table_volume_option, .merge = SCHEMA_MERGE_OBJECT,
     SAY("Options of a volume.", "Opciones de un volumen.")},
    {"tmpfs", SCHEMA_OBJECT, DOC_ONLY, .of = &table_tmpfs, .merge = SCHEMA_MERGE_OBJECT,
     SAY("Options of a folder in memory.", "Opciones de una carpeta en memoria.")},
    {"image", SCHEMA_ANY, DOC_ONLY, SAY("Options of an image.", "Opciones de una imagen.")},
};
const struct schema_table table_service_volume = {
    TABLE_DOC("service_volume", volume_rows),
    SAY("A volume or folder in a container.", "Un volumen o carpeta en un contenedor."),
};

/* -1 is "unlimited" in Compose; RLIM_INFINITY is another number on each system. */
static const struct schema_field ulimit_rows[] = {
    {"soft", SCHEMA_INT, DOC_ONLY, .flags = SCHEMA_REQUIRED, BOUNDS(-1, INT64_MAX),
     SAY("Limit that the program may raise; -1 = none.",
         "Límite que el programa puede subir; -1 = ninguno.")},
    {"hard", SCHEMA_INT, DOC_ONLY, .flags = SCHEMA_REQUIRED, BOUNDS(-1, INT64_MAX),
     SAY("How far it may be raised.", "Hasta dónde puede subirlo.")},
};
const struct schema_table table_ulimit = {
    TABLE_DOC("ulimit", ulimit_rows),
    SAY("A soft and a hard limit.", "Un límite blando y uno duro."),
};
