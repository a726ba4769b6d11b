/* SPDX-License-Identifier: Apache-2.0
 *
 * `gateway.limits`: what one client may cost; `gateway.http2`: what one HTTP/2 connection may. A
 * key that is not there leaves the edge's default (link/snapshot_gateway.h); 0, where it may be
 * written, is no limit at all.
 *
 * Bounds: below them nobody could be served; above them a limit limits nothing.
 */
#include "base/num.h"
#include "schema/decode.h"
#include "schema/row.h"
#include "schema/spec_parts.h"
#include "schema/table.h"

#define L(member) AT(struct gateway_limits, member)
#define TIME      BOUNDS(100 * NS_PER_MS, 24 * 3600 * NS_PER_S)

/* A 0 that was written is told apart from what was not. */
static void finish_limits(struct schema_pass *pass, const struct value *v, void *object)
{
    struct gateway_limits *limits = object;
    const struct {
        const char *key;
        int64_t *member;
    } keys[] = {
        {"body_rate", &limits->body_rate},
        {"read_rate", &limits->read_rate},
        {"address_connections", &limits->address_connections},
        {"address_rate", &limits->address_rate},
        {"glitches", &limits->glitches},
    };
    (void)pass;
    for (size_t i = 0; v && i < ARRAY_LEN(keys); i++) {
        if (*keys[i].member == 0 && value_is_set(value_get(v, keys[i].key))) {
            *keys[i].member = GATEWAY_NO_LIMIT;
        }
    }
}

static const struct schema_field rows[] = {
    {"header_timeout", SCHEMA_DURATION, L(header_timeout_ns), TIME,
     SAY("For the whole head of a request, and a PROXY header; 10s by default.",
         "Para toda la cabecera de una petición, y una cabecera PROXY; 10s por defecto.")},
    {"header_size", SCHEMA_SIZE, L(header_size), BOUNDS(1024, 16384),
     SAY("Of the whole head of a request; 16k by default, which is the most.",
         "De toda la cabecera de una petición; 16k por defecto, que es lo máximo.")},
    {"idle_timeout", SCHEMA_DURATION, L(idle_timeout_ns), TIME,
     SAY("A connection between two requests; 75s by default.",
         "Una conexión entre dos peticiones; 75s por defecto.")},
    {"connections", SCHEMA_INT, L(connections), BOUNDS(1, 10000000),
     SAY("Clients at a time; by default 16384 for each thread.",
         "Clientes a la vez; por defecto 16384 por hilo.")},
    {"address_connections", SCHEMA_INT, L(address_connections), BOUNDS(0, 10000000),
     SAY("Connections of one address (IPv6: of a /64) at a time; by default half of all, but not "
         "for this machine's own; 0 = no limit. Trusted proxies have none.",
         "Conexiones de una dirección (IPv6: de un /64) a la vez; por defecto la mitad de todas, "
         "salvo las de esta máquina; 0 = sin límite. Los proxys de confianza no lo tienen.")},
    {"address_rate", SCHEMA_INT, L(address_rate), BOUNDS(0, 1000000),
     SAY("New connections of one address a second, as many at once; none by default.",
         "Conexiones nuevas de una dirección por segundo, y otras tantas a la vez; por defecto sin "
         "límite.")},
    {"body_rate", SCHEMA_SIZE, L(body_rate), BOUNDS(0, 1 << 30),
     SAY("Bytes a second that the body of a request must average; 512 by default, 0 = no limit.",
         "Bytes por segundo que el cuerpo de una petición debe promediar; 512 por defecto, 0 = sin "
         "límite.")},
    {"read_rate", SCHEMA_SIZE, L(read_rate), BOUNDS(0, 1 << 30),
     SAY("Bytes a second that a client must take of an answer that waits for it; 512 by default, 0 "
         "= no limit.",
         "Bytes por segundo que un cliente debe leer de una respuesta que le espera; 512 por "
         "defecto, 0 = sin límite.")},
    {"glitches", SCHEMA_INT, L(glitches), BOUNDS(0, 65535),
     SAY("Lawful oddities of one connection before it is ended; 100 by default, 0 = no limit.",
         "Rarezas lícitas de una conexión antes de terminarla; 100 por defecto, 0 = sin límite.")},
};
const struct schema_table table_gateway_limits = {
    TABLE_OF("gateway_limits", rows, struct gateway_limits),
    .finish = finish_limits,
    SAY("What one client may cost; of several projects that say it the strictest counts.",
        "Lo que puede costar un cliente; de varios proyectos que lo digan cuenta el más estricto."),
};

#define H(member) AT(struct gateway_http2, member)

static void finish_http2(struct schema_pass *pass, const struct value *v, void *object)
{
    struct gateway_http2 *http2 = object;
    (void)pass;
    if (v && http2->glitches == 0 && value_is_set(value_get(v, "glitches"))) {
        http2->glitches = GATEWAY_NO_LIMIT;
    }
}

static const struct schema_field http2_rows[] = {
    {"streams", SCHEMA_INT, H(streams), BOUNDS(1, 1000),
     SAY("Requests of one connection at a time; 128 by default. More are refused, and may be asked "
         "again.",
         "Peticiones de una conexión a la vez; 128 por defecto. Las demás se rechazan y se pueden "
         "repetir.")},
    {"window", SCHEMA_SIZE, H(window), BOUNDS(16384, 16 * MIB),
     SAY("Bytes that a peer may send on one stream before they are taken; 256k by default. Also of "
         "connections to services.",
         "Bytes que el otro puede enviar en un flujo antes de que se lean; 256k por defecto. "
         "También en conexiones a servicios.")},
    {"connection_window", SCHEMA_SIZE, H(connection_window), BOUNDS(65536, 256 * MIB),
     SAY("The same for all streams of a connection together; 1m by default.",
         "Lo mismo para todos los flujos de una conexión; 1m por defecto.")},
    {"glitches", SCHEMA_INT, H(glitches), BOUNDS(0, 1000000000),
     SAY("Points for frames that bring nothing: a PING takes 20, a reset 100; requests, content "
         "and "
         "time give them back. Without any the connection ends. 20000 by default, 0 = no limit.",
         "Puntos para tramas que no aportan nada: un PING cuesta 20, una cancelación 100; las "
         "peticiones, el contenido y el tiempo los devuelven. Sin ninguno, la conexión termina. "
         "20000 por defecto, 0 = sin límite.")},
};
const struct schema_table table_gateway_http2 = {
    TABLE_OF("gateway_http2", http2_rows, struct gateway_http2),
    .finish = finish_http2,
    SAY("What one HTTP/2 connection may; of several projects that say it the strictest counts.",
        "Lo que puede una conexión HTTP/2; de varios proyectos que lo digan cuenta el más "
        "estricto."),
};
