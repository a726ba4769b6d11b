/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables of the API's resources: replicas, services, projects, the instance.
 *
 * Their rows are a contract: scripts read them (docs/cli.md, docs/api.md), so a row may be added
 * but neither renamed nor given another type. The order is that of the answer and of the CLI's
 * columns.
 *
 * Null says "not known" or "not now": a pid of what does not run, memory without a cgroup. 0 is a
 * figure: no restarts, nothing in flight. Hence ZN (zero is null) on the former alone.
 */
#include "schema/resource.h"
#include "schema/row.h"
#include "schema/status_more.h"
#include "schema/table.h"

enum { ZN = SCHEMA_ZERO_NULL, FILTER = SCHEMA_FILTER, SORT = SCHEMA_SORT };
#define STATUS .class = SCHEMA_STATUS

const char *const names_replica_state[] = {"pending",   "starting",  "running",
                                           "unhealthy", "stopping",  "stopped",
                                           "crashed",   "completed", NULL};
const char *const names_health_state[] = {"none", "starting", "healthy", "unhealthy", NULL};
const char *const names_origin[] = {"file", "api", NULL};

#define PB(member) AT(struct probe_status, member), STATUS
/* Null as a whole until a first probe came back. */
static const struct schema_field probe_rows[] = {
    {"status", SCHEMA_INT, PB(status), .flags = ZN,
     SAY("HTTP status or exit code; null = no answer.",
         "Estado HTTP o código de salida; null = sin respuesta.")},
    {"body", SCHEMA_STRING, PB(body), SAY("Beginning of the answer.", "Comienzo de la respuesta.")},
    {"time", SCHEMA_TIME, PB(time_ns), SAY("When it was.", "Cuándo fue.")},
};
static const struct schema_table table_probe = {
    TABLE_OF("probe", probe_rows, struct probe_status),
    SAY("The last health probe.", "La última prueba de salud."),
};

#define R(member) AT(struct replica_status, member), STATUS
/* The columns are those of `ps`; --json there prints a part of the members, which is fixed in
 * docs/cli.md.
 */
static const struct schema_field replica_rows[] = {
    {"tenant", SCHEMA_STRING, R(tenant), .flags = FILTER, SAY("Tenant.", "Inquilino.")},
    {"project", SCHEMA_STRING, R(project), .flags = FILTER, SAY("Project.", "Proyecto.")},
    {"service", SCHEMA_STRING, R(service), .flags = FILTER | SORT, .column = "SERVICE",
     SAY("Service.", "Servicio.")},
    {"replica", SCHEMA_INT, R(replica), .flags = SORT, .column = "REPLICA",
     SAY("Number of the replica, from 1.", "Número de la réplica, desde 1.")},
    {"state", SCHEMA_ENUM, R(state), ONE_OF(names_replica_state), .flags = FILTER | SORT,
     .column = "STATE", SAY("What it is doing.", "Qué está haciendo.")},
    {"health", SCHEMA_ENUM, R(health), ONE_OF(names_health_state), .flags = FILTER,
     .column = "HEALTH",
     SAY("What its health check says; none = it has none.",
         "Qué dice su prueba de salud; none = no tiene.")},
    {"pid", SCHEMA_INT, R(pid), .flags = ZN, .column = "PID",
     SAY("Its process; null when it does not run.", "Su proceso; null si no se ejecuta.")},
    {"port", SCHEMA_INT, R(port), .flags = ZN, .column = "PORT",
     SAY("The PORT it was given.", "El PORT que recibió.")},
    {"restarts", SCHEMA_INT, R(restarts), .unit = SCHEMA_UNIT_COUNT, .flags = SORT,
     .column = "RESTARTS",
     SAY("How often muelle started it again.", "Cuántas veces lo reinició muelle.")},
    {"started_at", SCHEMA_TIME, R(started_at_ns), .flags = SORT, .column = "UP",
     SAY("When it started last.", "Cuándo arrancó por última vez.")},
    {"exit", SCHEMA_INT, .offset = offsetof(struct replica_status, exit_code),
     .count_offset = offsetof(struct replica_status, exited), STATUS, .flags = SCHEMA_OPTIONAL,
     .column = "EXIT",
     SAY("Last exit code, 128 + signal when it was killed; null = none yet.",
         "Último código de salida, 128 + señal si lo mataron; null = aún ninguno.")},
    {"retry_at", SCHEMA_TIME, R(retry_at_ns), .flags = ZN,
     SAY("When a crashed one is started again; null = it is not waiting for that.",
         "Cuándo se reinicia una que falló; null = no espera reinicio.")},
    {"reason", SCHEMA_STRING, R(reason), .flags = ZN, .column = "REASON",
     SAY("Why it is in this state, for people.", "Por qué está en este estado, para personas.")},
    {"cpu_percent", SCHEMA_DOUBLE, R(cpu_percent), .unit = SCHEMA_UNIT_PERCENT, .flags = SORT,
     .column = "CPU",
     SAY("Processor use; 100 = one processor.", "Uso de procesador; 100 = uno entero.")},
    {"memory_bytes", SCHEMA_INT, R(memory_bytes), .unit = SCHEMA_UNIT_BYTES, .flags = ZN | SORT,
     .column = "MEMORY", SAY("Memory of its whole tree.", "Memoria de todo su árbol.")},
    {"probe", SCHEMA_OBJECT, R(probe), OF(table_probe), .flags = ZN,
     SAY("The last health probe; null = none yet.",
         "La última prueba de salud; null = aún ninguna.")},
};
const struct schema_table schema_replica = {
    TABLE_OF("replica", replica_rows, struct replica_status),
    SAY("One running copy of a service.", "Una copia en ejecución de un servicio."),
};

#define C(member) AT(struct replica_counts, member), STATUS, .unit = SCHEMA_UNIT_COUNT
/* Four numbers, because two questions are asked: is it as wanted, and what is wanted once it runs
 * again.
 */
static const struct schema_field replica_count_rows[] = {
    {"desired", SCHEMA_INT, C(desired),
     SAY("How many there should be now; 0 while it is stopped.",
         "Cuántas debería haber ahora; 0 mientras está parado.")},
    {"configured", SCHEMA_INT, C(configured),
     SAY("How many there are once it is started: by the file, or by an override.",
         "Cuántas hay una vez arrancado: según el archivo o un cambio.")},
    {"running", SCHEMA_INT, C(running), SAY("How many run.", "Cuántas se ejecutan.")},
    {"ready", SCHEMA_INT, C(ready), SAY("How many take requests.", "Cuántas atienden.")},
};
static const struct schema_table table_replica_counts = {
    TABLE_OF("replica_counts", replica_count_rows, struct replica_counts),
    SAY("Numbers of replicas.", "Números de réplicas."),
};

#define P(member) AT(struct port_status, member), STATUS
/* What a listener of `ports:` leads to; target null is the replica's own PORT. */
static const struct schema_field port_rows[] = {
    {"address", SCHEMA_STRING, P(address), SAY("Where it listens.", "Dónde escucha.")},
    {"published", SCHEMA_INT, P(published), .flags = ZN,
     SAY("Port of the host.", "Puerto del equipo.")},
    {"target", SCHEMA_INT, P(target), .flags = ZN,
     SAY("Port of the program; null = its PORT.", "Puerto del programa; null = su PORT.")},
    {"protocol", SCHEMA_STRING, P(protocol), SAY("tcp or tls.", "tcp o tls.")},
};
static const struct schema_table table_port_status = {
    TABLE_OF("service_port", port_rows, struct port_status),
    SAY("A published port.", "Un puerto publicado."),
};

#define O(member) AT(struct override_status, member), STATUS
/* `value` is JSON: which type it has depends on the field. */
static const struct schema_field override_rows[] = {
    {"field", SCHEMA_STRING, O(field), SAY("The key.", "La clave.")},
    {"value", SCHEMA_RAW_JSON, O(value), SAY("Its value.", "Su valor.")},
    {"actor", SCHEMA_STRING, O(actor), SAY("Who set it.", "Quién lo puso.")},
    {"time", SCHEMA_TIME, O(time_ns), SAY("When.", "Cuándo.")},
};
static const struct schema_table table_override = {
    TABLE_OF("override", override_rows, struct override_status),
    SAY("A change made at run time, on top of the file.",
        "Un cambio hecho en ejecución, por encima del archivo."),
};

#define S(member)  AT(struct service_status, member), STATUS
#define SL(member) LIST_AT(struct service_status, member), STATUS
/* `spec` comes only with a single service (DETAIL): it is as long as the file's part about it. */
static const struct schema_field service_rows[] = {
    {"tenant", SCHEMA_STRING, S(tenant), .flags = FILTER, SAY("Tenant.", "Inquilino.")},
    {"project", SCHEMA_STRING, S(project), .flags = FILTER, SAY("Project.", "Proyecto.")},
    {"name", SCHEMA_STRING, S(name), .flags = FILTER | SORT, .column = "SERVICE",
     SAY("Name of the service.", "Nombre del servicio.")},
    {"state", SCHEMA_ENUM, S(state), ONE_OF(names_replica_state), .flags = FILTER | SORT,
     .column = "STATE",
     SAY("The state that matters most among its replicas.",
         "El estado que más importa entre sus réplicas.")},
    {"health", SCHEMA_ENUM, S(health), ONE_OF(names_health_state), .flags = FILTER,
     .column = "HEALTH", SAY("Its health.", "Su salud.")},
    {"reason", SCHEMA_STRING, S(reason), .flags = ZN, .column = "REASON",
     SAY("Why it is in this state, for people.", "Por qué está en este estado, para personas.")},
    {"replicas", SCHEMA_OBJECT, S(replicas), OF(table_replica_counts),
     SAY("Numbers of replicas.", "Números de réplicas.")},
    {"restarts", SCHEMA_INT, S(restarts), .unit = SCHEMA_UNIT_COUNT, .flags = SORT,
     .column = "RESTARTS",
     SAY("Restarts of all its replicas.", "Reinicios de todas sus réplicas.")},
    {"cpu_percent", SCHEMA_DOUBLE, S(cpu_percent), .unit = SCHEMA_UNIT_PERCENT, .flags = SORT,
     .column = "CPU",
     SAY("Processor use; 100 = one processor.", "Uso de procesador; 100 = uno entero.")},
    {"memory_bytes", SCHEMA_INT, S(memory_bytes), .unit = SCHEMA_UNIT_BYTES, .flags = ZN | SORT,
     .column = "MEMORY", SAY("Memory of all its replicas.", "Memoria de todas sus réplicas.")},
    {"pids", SCHEMA_INT, S(pids), .unit = SCHEMA_UNIT_COUNT, .flags = ZN,
     SAY("Processes of all its replicas.", "Procesos de todas sus réplicas.")},
    {"ports", SCHEMA_LIST, OBJECTS(table_port_status), SL(ports),
     SAY("Ports of the host that lead to it.", "Puertos del equipo que llevan a él.")},
    {"urls", SCHEMA_LIST, TEXTS, SL(urls), .column = "URL",
     SAY("Where a browser finds it.", "Dónde lo encuentra un navegador.")},
    {"depends_on", SCHEMA_LIST, TEXTS, SL(depends_on),
     SAY("Services that come first.", "Servicios que van antes.")},
    {"generation", SCHEMA_INT, S(generation),
     SAY("Of the project that it is from.", "La del proyecto del que es.")},
    {"origin", SCHEMA_ENUM, S(origin), ONE_OF(names_origin),
     SAY("Who defined it.", "Quién lo definió.")},
    {"overrides", SCHEMA_LIST, OBJECTS(table_override), SL(overrides),
     SAY("Changes made at run time.", "Cambios hechos en ejecución.")},
    {"started_at", SCHEMA_TIME, S(started_at_ns), .flags = SORT, .column = "UP",
     SAY("When its oldest replica started.", "Cuándo arrancó su réplica más antigua.")},
    {"spec", SCHEMA_RAW_JSON, S(spec), .flags = SCHEMA_DETAIL,
     SAY("Its configuration as understood, secrets hidden.",
         "Su configuración tal como se entendió, sin secretos.")},
};
const struct schema_table schema_service = {
    TABLE_OF("service", service_rows, struct service_status),
    SAY("A service and how it is doing.", "Un servicio y cómo va."),
};

#define N(member) AT(struct service_counts, member), STATUS, .unit = SCHEMA_UNIT_COUNT
/* Of services, not of replicas: what a line about a project can show. */
static const struct schema_field service_count_rows[] = {
    {"total", SCHEMA_INT, N(total), SAY("All.", "Todos.")},
    {"running", SCHEMA_INT, N(running), SAY("Running.", "En ejecución.")},
    {"ready", SCHEMA_INT, N(ready), SAY("Ready.", "Listos.")},
};
static const struct schema_table table_service_counts = {
    TABLE_OF("service_counts", service_count_rows, struct service_counts),
    SAY("Numbers of services.", "Números de servicios."),
};

#define J(member) AT(struct project_status, member), STATUS
/* `file` is the first of them; all stand in the configuration. */
static const struct schema_field project_rows[] = {
    {"tenant", SCHEMA_STRING, J(tenant), .flags = FILTER, SAY("Tenant.", "Inquilino.")},
    {"name", SCHEMA_STRING, J(name), .flags = FILTER | SORT, .column = "PROJECT",
     SAY("Name of the project.", "Nombre del proyecto.")},
    {"generation", SCHEMA_INT, J(generation), .column = "GENERATION",
     SAY("Counts the configurations applied.", "Cuenta las configuraciones aplicadas.")},
    {"origin", SCHEMA_ENUM, J(origin), ONE_OF(names_origin),
     SAY("Who defined it.", "Quién lo definió.")},
    {"file", SCHEMA_STRING, J(file), .flags = ZN, .column = "FILE",
     SAY("Its file.", "Su archivo.")},
    {"state", SCHEMA_STRING, J(state), .flags = FILTER, .column = "STATE",
     SAY("How it is doing as a whole: running, completed, stopped, removing; degraded: a service "
         "is not as it should be, or not yet.",
         "Cómo va en conjunto: running, completed, stopped, removing; degraded: un servicio no "
         "está "
         "como debe, o todavía no.")},
    {"services", SCHEMA_OBJECT, J(services), OF(table_service_counts),
     SAY("Numbers of services.", "Números de servicios.")},
    {"applied_at", SCHEMA_TIME, J(applied_at_ns), .flags = SORT, .column = "APPLIED",
     SAY("When this generation was applied.", "Cuándo se aplicó esta generación.")},
};
const struct schema_table schema_project = {
    TABLE_OF("project", project_rows, struct project_status),
    SAY("A project: one configuration and its services.",
        "Un proyecto: una configuración y sus servicios."),
};

#define RO(member) AT(struct role_status, member), STATUS
/* pid null: the role is away and will be back. */
static const struct schema_field role_rows[] = {
    {"pid", SCHEMA_INT, RO(pid), .flags = ZN, SAY("Its process.", "Su proceso.")},
};
static const struct schema_table table_role = {
    TABLE_OF("role", role_rows, struct role_status),
    SAY("One process of muelle.", "Un proceso de muelle."),
};
static const struct schema_field edge_rows[] = {
    {"pid", SCHEMA_INT, RO(pid), .flags = ZN, SAY("Its process.", "Su proceso.")},
    {"threads", SCHEMA_INT, RO(threads), .unit = SCHEMA_UNIT_COUNT,
     SAY("Its threads.", "Sus hilos.")},
    {"moved", SCHEMA_INT, RO(moved), .unit = SCHEMA_UNIT_COUNT,
     SAY("Connections that went from one edge to the next by upgrades.",
         "Conexiones que pasaron de un edge al siguiente en actualizaciones.")},
    {"leaving", SCHEMA_INT, RO(leaving), .unit = SCHEMA_UNIT_COUNT,
     SAY("Connections that end in the edge before it.",
         "Conexiones que terminan en el edge anterior.")},
};
static const struct schema_table table_edge_role = {
    TABLE_OF("edge_role", edge_rows, struct role_status),
    SAY("The gateway's process.", "El proceso de la pasarela."),
};

#define I(member) AT(struct instance_status, member), STATUS
/* state_dir and run_dir are for people who look for a log or a socket; programs have no business
 * there.
 */
static const struct schema_field instance_rows[] = {
    {"id", SCHEMA_STRING, I(id), SAY("Identity of the instance.", "Identidad de la instancia.")},
    {"version", SCHEMA_STRING, I(version), SAY("Version of muelle.", "Versión de muelle.")},
    {"state_dir", SCHEMA_STRING, I(state_dir),
     SAY("Folder of durable data.", "Carpeta de datos duraderos.")},
    {"run_dir", SCHEMA_STRING, I(run_dir), SAY("Folder of sockets.", "Carpeta de sockets.")},
    {"started_at", SCHEMA_TIME, I(started_at_ns), SAY("When it started.", "Cuándo arrancó.")},
    {"keeper", SCHEMA_OBJECT, I(keeper), OF(table_role),
     SAY("The parent of all.", "El padre de todos.")},
    {"core", SCHEMA_OBJECT, I(core), OF(table_role),
     SAY("The control plane.", "El plano de control.")},
    {"edge", SCHEMA_OBJECT, I(edge), OF(table_edge_role), SAY("The gateway.", "La pasarela.")},
    {"sockmap", SCHEMA_STRING, I(sockmap),
     SAY("The short way to services on this machine: off, on, or why there is none.",
         "El camino corto a los servicios de esta máquina: off, on, o por qué no lo hay.")},
    {"projects", SCHEMA_LIST, TEXTS, LIST_AT(struct instance_status, projects), STATUS,
     SAY("Names of its projects.", "Nombres de sus proyectos.")},
};
const struct schema_table schema_instance = {
    TABLE_OF("instance", instance_rows, struct instance_status),
    SAY("A running muelle.", "Un muelle en ejecución."),
};
