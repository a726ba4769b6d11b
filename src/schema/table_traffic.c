/* SPDX-License-Identifier: Apache-2.0
 *
 * `traffic:` of a service: what the gateway does about requests to it. Only `socket`, which changes
 * what a process is given, restarts replicas.
 */
#include "schema/decode.h"
#include "schema/normalise.h"
#include "schema/row.h"
#include "schema/spec.h"
#include "schema/table.h"
#include "schema/value.h"

#define PART(table_) OF(table_), .merge = SCHEMA_MERGE_OBJECT
#define TR(member)   AT(struct traffic_spec, member)

static const char *const names_socket[] = {"tcp", "listen_fds", "path", NULL};

#define UT(member) AT(struct upstream_tls_spec, member)
static const struct schema_field upstream_tls_rows[] = {
    {"verify", SCHEMA_BOOL, UT(verify), .preset = "true",
     SAY("The replica's certificate must be trusted, and for `server_name`.",
         "El certificado de la réplica debe ser de confianza y para `server_name`.")},
    {"server_name", SCHEMA_STRING, UT(server_name), .preset = "localhost", BOUNDS(1, 253),
     SAY("Name that is sent and that the certificate must be for.",
         "Nombre que se envía y para el que debe ser el certificado.")},
    {"ca", SCHEMA_STRING, UT(ca), .normalise = normalise_path,
     SAY("Authorities that are trusted, PEM; the machine's by default.",
         "Autoridades de confianza, PEM; por defecto, las de la máquina.")},
    {"cert", SCHEMA_STRING, UT(cert), .normalise = normalise_path,
     SAY("Certificate that is shown when the replica asks, PEM.",
         "Certificado que se muestra si la réplica lo pide, PEM.")},
    {"key", SCHEMA_STRING, UT(key), .normalise = normalise_path,
     SAY("Its private key, PEM.", "Su clave privada, PEM.")},
};

static void finish_upstream_tls(struct schema_pass *pass, const struct value *value, void *object)
{
    struct upstream_tls_spec *tls = object;
    tls->on = value != NULL;
    if (value && (tls->cert.len > 0) != (tls->key.len > 0)) {
        struct problem *problem = pass_problem(pass, value->at, "config.missing-key",
                                               "a certificate and its key belong together");
        problem_expected(problem, "both 'cert' and 'key', or neither");
    }
}

static const struct schema_table table_upstream_tls = {
    TABLE_OF("upstream_tls", upstream_tls_rows, struct upstream_tls_spec),
    .finish = finish_upstream_tls,
    SAY("Replicas are reached by TLS.", "A las réplicas se llega por TLS."),
};

static void finish_traffic(struct schema_pass *pass, const struct value *value, void *object)
{
    (void)pass;
    struct traffic_spec *traffic = object;
    traffic->spread.chosen = value && value_is_set(value_get(value, "balance"));
}

static const char *const names_protocol_of_service[] = {"http1", "http2", NULL};

static const struct schema_field traffic_rows[] = {
    {"protocol", SCHEMA_ENUM, TR(protocol), ONE_OF(names_protocol_of_service), .preset = "http1",
     SAY("What the service speaks: http1, or http2 (also for gRPC), where requests share a "
         "connection.",
         "Qué habla el servicio: http1, o http2 (también para gRPC), donde las peticiones "
         "comparten "
         "una conexión.")},
    {"tls", SCHEMA_OBJECT, TR(tls), PART(table_upstream_tls),
     SAY("Replicas are reached by TLS; {} for the usual.",
         "A las réplicas se llega por TLS; {} para lo normal.")},
    {"balance", SCHEMA_ENUM, TR(spread.balance), ONE_OF(names_balance),
     .normalise = normalise_balance,
     SAY("Which replica is next; that of the first route by default.",
         "Qué réplica es la siguiente; por defecto, lo que diga la primera ruta.")},
    {"hash", SCHEMA_OBJECT, TR(spread.hash), PART(table_hash),
     SAY("What `balance: hash` goes by.", "Por qué se guía `balance: hash`.")},
    {"sticky", SCHEMA_OBJECT, TR(spread.sticky), PART(table_sticky),
     SAY("A signed cookie keeps a client at its replica.",
         "Una cookie firmada mantiene a cada cliente en su réplica.")},
    {"members", SCHEMA_MAP, OBJECTS(table_member), LIST_AT(struct traffic_spec, spread.members),
     .merge = SCHEMA_MERGE_OBJECT,
     SAY("Weight, priority and place of replicas, by their numbers.",
         "Peso, prioridad y lugar de las réplicas, por sus números.")},
    {"panic", SCHEMA_INT, TR(spread.panic), BOUNDS(0, 100),
     SAY("Fewer healthy replicas than that, in percent: all get requests, whatever their probes "
         "say; 0 by default: never.",
         "Con menos réplicas sanas, en tanto por ciento, todas reciben peticiones, digan lo que "
         "digan sus pruebas; 0 por defecto: nunca.")},
    {"socket", SCHEMA_ENUM, TR(socket), ONE_OF(names_socket), .preset = "tcp",
     .flags = SCHEMA_RESTART,
     SAY("How the gateway reaches it: tcp (its PORT), or a unix socket, which costs a third less: "
         "listen_fds hands one open socket to all replicas, path lets the program make its own at "
         "MUELLE_SOCKET.",
         "Cómo llega la pasarela: tcp (su PORT), o un socket unix, que cuesta un tercio menos: "
         "listen_fds entrega un socket abierto a todas las réplicas; con path el programa crea el "
         "suyo en MUELLE_SOCKET.")},
};
const struct schema_table table_traffic = {
    TABLE_OF("traffic", traffic_rows, struct traffic_spec),
    .finish = finish_traffic,
    SAY("What the gateway does about requests to this service.",
        "Qué hace la pasarela con las peticiones a este servicio."),
};
