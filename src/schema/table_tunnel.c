/* SPDX-License-Identifier: Apache-2.0
 *
 * `websocket:` of a route: what the gateway does with WebSockets on it. Nothing of it restarts a
 * replica; what is open keeps what it began with, but for its idle time-out.
 *
 * Frames are read only where something asks for it: `check`, or a key that cannot be had without.
 * Bounds: a message limit below a control frame's size, or a ping more often than ten times a
 * second, is a slip of the pen.
 */
#include "base/num.h"
#include "schema/decode.h"
#include "schema/row.h"
#include "schema/spec_parts.h"
#include "schema/table.h"

#define W(member)    AT(struct websocket_spec, member)
#define TIME(low_ms) BOUNDS((low_ms)*NS_PER_MS, 24 * 3600 * NS_PER_S)

static const char *const names_check[] = {"off", "frames", NULL};

static void finish_websocket(struct schema_pass *pass, const struct value *v, void *object)
{
    struct websocket_spec *spec = object;
    const struct value *check = v ? value_get(v, "check") : NULL;
    bool needs = spec->message_max > 0 || spec->ping_ns > 0;
    if (!value_is_set(check)) {
        spec->check = needs ? WEBSOCKET_CHECK_FRAMES : WEBSOCKET_CHECK_OFF;
    } else if (needs && spec->check == WEBSOCKET_CHECK_OFF) {
        struct problem *problem =
            pass_problem(pass, check->at, "config.contradiction",
                         "max_message and ping_interval cannot act while frames are not read");
        problem_expected(problem, "'check: frames', or neither of the two");
    }
}

static const struct schema_field rows[] = {
    {"check", SCHEMA_ENUM, W(check), ONE_OF(names_check),
     SAY("frames: handshake and frames are checked both ways by RFC 6455; off: bytes pass unread. "
         "off by default, frames with max_message or ping_interval.",
         "frames: se comprueban el saludo y las tramas en ambos sentidos según RFC 6455; off: los "
         "bytes pasan sin leer. Por defecto off; frames con max_message o ping_interval.")},
    {"max_message", SCHEMA_SIZE, W(message_max), BOUNDS(125, INT64_MAX),
     SAY("A longer message, as it is on the wire, ends the connection with 1009.",
         "Un mensaje más largo, tal como viaja, termina la conexión con 1009.")},
    {"ping_interval", SCHEMA_DURATION, W(ping_ns), TIME(100),
     SAY("A client that is silent for so long is asked; who does not answer within the same time "
         "is gone.",
         "Al cliente callado este tiempo se le pregunta; si no responde en otro tanto, se fue.")},
    {"idle_timeout", SCHEMA_DURATION, W(idle_ns), TIME(100),
     SAY("Ends when nothing moves for so long; answers to pings count as life. By default the "
         "service's.",
         "Termina si nada se mueve en este tiempo; las respuestas a los pings cuentan como vida. "
         "Por defecto, el del servicio.")},
    {"max_connections", SCHEMA_INT, W(connections_max), BOUNDS(1, 1000000),
     SAY("Open connections of the route at most; more get 503.",
         "Conexiones abiertas de la ruta como máximo; las demás reciben 503.")},
};
const struct schema_table table_websocket = {
    TABLE_OF("websocket", rows, struct websocket_spec),
    .finish = finish_websocket,
    SAY("What the gateway does with WebSockets on the route.",
        "Qué hace la pasarela con los WebSockets de la ruta."),
};
