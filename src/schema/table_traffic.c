/* SPDX-License-Identifier: Apache-2.0
 *
 * `traffic:` of a service: what the gateway does about requests to it. Only `socket`, which changes
 * what a process is given, restarts replicas.
 *
 * Presets are values that help a service of which nothing is known: they are used when their part
 * was written (`on`), so that `breaker: {}` is a breaker. Bounds keep a slip of the pen from
 * switching traffic off: a window of 0, a share of 1,000 %.
 */
#include "base/num.h"
#include "base/utf8.h"
#include "schema/decode.h"
#include "schema/normalise.h"
#include "schema/row.h"
#include "schema/spec.h"
#include "schema/table.h"

#define TIME(low_ms) BOUNDS((low_ms)*NS_PER_MS, 24 * 3600 * NS_PER_S)
#define COUNT        BOUNDS(1, 1000000)
#define PERCENT      BOUNDS(1, 100)
#define PART(table_) OF(table_), .merge = SCHEMA_MERGE_OBJECT
#define T(member)    AT(struct timeouts_spec, member)
#define RE(member)   AT(struct retries_spec, member)
#define HE(member)   AT(struct hedge_conf, member)
#define BR(member)   AT(struct breaker_conf, member)
#define OU(member)   AT(struct outlier_conf, member)
#define Q(member)    AT(struct queue_spec, member)
#define CO(member)   AT(struct concurrency_spec, member)
#define MI(member)   AT(struct mirror_spec, member)
#define FA(member)   AT(struct fallback_spec, member)

static const char *const names_retry_when[] = {"connect_failure",
                                               "reset",
                                               "timeout",
                                               "429",
                                               "500",
                                               "502",
                                               "503",
                                               "504",
                                               "cancelled",
                                               "deadline_exceeded",
                                               "internal",
                                               "resource_exhausted",
                                               "unavailable",
                                               NULL};
static const char *const names_retry_method[] = {"GET",    "HEAD", "OPTIONS", "PUT",
                                                 "DELETE", "POST", "PATCH",   NULL};
static const char *const names_concurrency[] = {"gradient", "aimd", NULL};

/* Every part that has an `on` has it first. */
static void finish_part(struct schema_pass *pass, const struct value *value, void *object)
{
    (void)pass;
    *(bool *)object = value != NULL;
}

/* The bits of a list of words; `usual` where there is none. */
static uint32_t words_of(struct schema_pass *pass, const struct value *list,
                         const char *const *names, uint32_t usual)
{
    uint32_t bits = 0;
    if (!list || list->kind != VALUE_LIST) {
        return usual;
    }
    for (size_t i = 0; i < list->count; i++) {
        const struct value *word = list->members[i].value;
        unsigned n = 0;
        while (names[n] &&
               !(word->kind == VALUE_SCALAR && str_eq_nocase(word->text, str_from(names[n])))) {
            n++;
        }
        if (names[n]) {
            bits |= 1U << n;
        } else if (word->kind == VALUE_SCALAR) {
            struct problem *problem = pass_problem(pass, word->at, "config.bad-value",
                                                   "'" STR_FMT "' is none of these words",
                                                   STR_ARG(utf8_cut(word->text, 80)));
            char memory[256];
            struct buf all = BUF_ON(memory);
            for (n = 0; names[n]; n++) {
                buf_add(&all, n ? STR(", ") : STR("some of: "));
                buf_add(&all, str_from(names[n]));
            }
            problem_expected(problem, STR_FMT, STR_ARG(buf_str(&all)));
        }
    }
    return bits;
}

static void finish_retries(struct schema_pass *pass, const struct value *value, void *object)
{
    struct retries_spec *retries = object;
    retries->on = value != NULL;
    retries->when = words_of(pass, value ? value_get(value, "when") : NULL, names_retry_when,
                             RETRY_CONNECT_FAILURE | RETRY_RESET);
    retries->methods =
        words_of(pass, value ? value_get(value, "methods") : NULL, names_retry_method,
                 RETRY_GET | RETRY_HEAD | RETRY_OPTIONS | RETRY_PUT | RETRY_DELETE);
}

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

static bool is_said(const struct value *value, const char *key)
{
    const struct value *said = value ? value_get(value, key) : NULL;
    return said && said->kind == VALUE_SCALAR;
}

static void finish_traffic(struct schema_pass *pass, const struct value *value, void *object)
{
    (void)pass;
    struct traffic_spec *traffic = object;
    traffic->spread.chosen = value && value_is_set(value_get(value, "balance"));
    if (!is_said(value, "hold")) {
        traffic->hold_ns = -1;
    }
    if (!is_said(value, "body_size")) {
        traffic->body_size = -1;
    }
}

static const struct schema_field timeouts_rows[] = {
    {"connect", SCHEMA_DURATION, T(connect_ns), TIME(1),
     SAY("To connect to a replica; 2 s by default.",
         "Para conectar con una réplica; 2 s por defecto.")},
    {"first_byte", SCHEMA_DURATION, T(first_byte_ns), TIME(1),
     SAY("From the request sent to the first byte of the answer, in each try; 60 s by default.",
         "De la petición enviada al primer byte de la respuesta, en cada intento; 60 s por "
         "defecto.")},
    {"idle", SCHEMA_DURATION, T(idle_ns), TIME(1),
     SAY("Between two pieces of a body; 60 s by default.",
         "Entre dos partes de un cuerpo; 60 s por defecto.")},
    {"stream", SCHEMA_DURATION, T(stream_ns), TIME(1),
     SAY("Between two pieces of a stream (server-sent events, gRPC calls); 1 h by default.",
         "Entre dos partes de un flujo (eventos del servidor, llamadas gRPC); 1 h por defecto.")},
    {"total", SCHEMA_DURATION, T(total_ns), TIME(1),
     SAY("The whole request with all its tries; no limit by default. Tunnels are not counted.",
         "La petición entera con todos sus intentos; sin límite por defecto. Los túneles no "
         "cuentan.")},
    {"queue", SCHEMA_DURATION, T(queue_ns), TIME(1),
     SAY("Waiting for a place in the queue; 5 s by default.",
         "Espera de un sitio en la cola; 5 s por defecto.")},
    {"tunnel_idle", SCHEMA_DURATION, T(tunnel_idle_ns), TIME(1),
     SAY("A WebSocket or tcp connection in which nothing moves; 1 h by default.",
         "Una conexión WebSocket o tcp en la que nada se mueve; 1 h por defecto.")},
};
static const struct schema_table table_timeouts = {
    TABLE_OF("timeouts", timeouts_rows, struct timeouts_spec),
    SAY("How long each phase of a request may take.",
        "Cuánto puede durar cada fase de una petición."),
};

static const struct schema_field retries_rows[] = {
    {"attempts", SCHEMA_INT, RE(attempts), BOUNDS(0, 10), .preset = "2",
     SAY("Further tries; 0 for none.", "Intentos de más; 0 para ninguno.")},
    {"when", SCHEMA_LIST, TEXTS, DOC_ONLY,
     SAY("After what: connect_failure, reset, timeout, 429, 500, 502, 503, 504; of gRPC cancelled, "
         "deadline_exceeded, internal, resource_exhausted, unavailable. By default the first two.",
         "Tras qué: connect_failure, reset, timeout, 429, 500, 502, 503, 504; de gRPC cancelled, "
         "deadline_exceeded, internal, resource_exhausted, unavailable. Por defecto, los dos "
         "primeros.")},
    {"methods", SCHEMA_LIST, TEXTS, DOC_ONLY,
     SAY("Which requests may arrive twice; by default GET, HEAD, OPTIONS, PUT and DELETE. One that "
         "was not sent may always be tried again.",
         "Qué peticiones pueden llegar dos veces; por defecto GET, HEAD, OPTIONS, PUT y DELETE. La "
         "que no se envió siempre puede repetirse.")},
    {"header", SCHEMA_STRING, RE(header), BOUNDS(1, 64),
     SAY("An answer with this field may be tried again, whatever its status.",
         "Una respuesta con este campo puede repetirse, sea cual sea su estado.")},
    {"backoff", SCHEMA_DURATION, RE(backoff_ns), .preset = "25ms", BOUNDS(0, 60 * NS_PER_S),
     SAY("Before the second try after an answer or a time-out; doubles, with jitter.",
         "Antes del segundo intento tras una respuesta o un plazo; se dobla, con azar.")},
    {"budget", SCHEMA_INT, RE(budget), .preset = "20", BOUNDS(0, 1000),
     SAY("Second tries at most, in percent of the requests of the window.",
         "Segundos intentos como máximo, en tanto por ciento de las peticiones de la ventana.")},
    {"minimum", SCHEMA_INT, RE(minimum), .preset = "10", BOUNDS(0, 1000000),
     SAY("Second tries a second that are always allowed.",
         "Segundos intentos por segundo que siempre se permiten.")},
    {"window", SCHEMA_DURATION, RE(window_ns), .preset = "10s", TIME(100),
     SAY("The time that the budget looks back.", "El tiempo que mira atrás el presupuesto.")},
    {"buffer", SCHEMA_SIZE, RE(buffer), .preset = "64k", BOUNDS(0, 1024 * 1024),
     SAY("Of a body so much is kept until the answer begins, to be sent again, to a second replica "
         "or a mirror; a longer one goes once. 0: none is.",
         "De un cuerpo se guarda esto hasta que empieza la respuesta, para repetirlo o para otra "
         "réplica o el espejo; uno más largo va una vez. 0: ninguno.")},
};
static const struct schema_table table_retries = {
    TABLE_OF("retries", retries_rows, struct retries_spec),
    .finish = finish_retries,
    SAY("When a request is sent once more.", "Cuándo se repite una petición."),
};

static const struct schema_field hedge_rows[] = {
    {"after", SCHEMA_DURATION, HE(after_ns), TIME(1),
     SAY("No answer for so long: a second replica is asked too.",
         "Sin respuesta tanto tiempo: se pregunta también a otra réplica.")},
    {"percentile", SCHEMA_INT, HE(percentile), BOUNDS(1, 99),
     SAY("Instead: slower than so many percent of the answers (95).",
         "En su lugar: más lenta que tanto por ciento de las respuestas (95).")},
    {"budget", SCHEMA_INT, HE(budget), .preset = "10", PERCENT,
     SAY("Requests at most that are sent twice, in percent.",
         "Peticiones como máximo que se envían dos veces, en tanto por ciento.")},
};
static const struct schema_table table_hedge = {
    TABLE_OF("hedge", hedge_rows, struct hedge_conf),
    .finish = finish_part,
    SAY("Ask a second replica when the first is slow: the first answer wins.",
        "Preguntar a otra réplica si la primera tarda: gana la primera respuesta."),
};

/* Who only bounds something did not ask for a breaker that opens: its rules are off then. */
static void finish_breaker(struct schema_pass *pass, const struct value *value, void *object)
{
    static const char *const bounds[] = {"requests", "connections", "pending"};
    static const char *const rules[] = {"consecutive", "failures", "minimum",
                                        "window",      "open",     "probes"};
    struct breaker_conf *breaker = object;
    bool bounded = false, ruled = false;
    finish_part(pass, value, object);
    for (size_t i = 0; value && i < ARRAY_LEN(bounds); i++) {
        bounded |= value_is_set(value_get(value, bounds[i]));
    }
    for (size_t i = 0; value && i < ARRAY_LEN(rules); i++) {
        ruled |= value_is_set(value_get(value, rules[i]));
    }
    if (bounded && !ruled) {
        breaker->consecutive = 0;
        breaker->failures = 0;
    }
}

static const struct schema_field breaker_rows[] = {
    {"requests", SCHEMA_INT, BR(requests), COUNT,
     SAY("Requests under way at once; more wait in the queue or are refused.",
         "Peticiones en curso a la vez; las demás esperan en la cola o se rechazan.")},
    {"connections", SCHEMA_INT, BR(connections), COUNT,
     SAY("Connections to all replicas together, idle ones and tunnels too; who needs one more "
         "waits in the queue, without one as many as `pending`.",
         "Conexiones con todas las réplicas juntas, también ociosas y túneles; quien necesite otra "
         "espera en la cola; sin ella, tantas como `pending`.")},
    {"pending", SCHEMA_INT, BR(pending), COUNT,
     SAY("Requests that may wait for a replica at once, per thread; 1,024 by default.",
         "Peticiones que pueden esperar una réplica a la vez, por hilo; 1.024 por defecto.")},
    {"consecutive", SCHEMA_INT, BR(consecutive), .preset = "5", BOUNDS(0, 1000000),
     SAY("Failures in a row that open it; 0: they do not count. 0 by default where the breaker "
         "says "
         "nothing but `requests`, `connections` or `pending`.",
         "Fallos seguidos que lo abren; 0: no cuentan. 0 por defecto si solo se escribe "
         "`requests`, `connections` o `pending`.")},
    {"failures", SCHEMA_INT, BR(failures), .preset = "50", BOUNDS(0, 100),
     SAY("Share of failures in the window that opens it, in percent; 0: it does not count, as "
         "`consecutive`.",
         "Parte de fallos en la ventana que lo abre, en tanto por ciento; 0: no cuenta, como en "
         "`consecutive`.")},
    {"minimum", SCHEMA_INT, BR(minimum), .preset = "20", BOUNDS(1, 16000),
     SAY("Requests in the window before the share counts.",
         "Peticiones en la ventana antes de que cuente la parte.")},
    {"window", SCHEMA_DURATION, BR(window_ns), .preset = "10s", TIME(10),
     SAY("The time that the share looks back.", "El tiempo que mira atrás la parte.")},
    {"open", SCHEMA_DURATION, BR(open_ns), .preset = "5s", TIME(1),
     SAY("How long it stays open before requests try the service.",
         "Cuánto queda abierto antes de que unas peticiones prueben el servicio.")},
    {"probes", SCHEMA_INT, BR(probes), .preset = "3", BOUNDS(1, 63),
     SAY("Requests that must work before it closes.",
         "Peticiones que deben salir bien antes de cerrarse.")},
};
static const struct schema_table table_breaker = {
    TABLE_OF("breaker", breaker_rows, struct breaker_conf),
    .finish = finish_breaker,
    SAY("Bounds, and refusing requests to a service that only fails.",
        "Límites, y rechazar peticiones a un servicio que solo falla."),
};

static const struct schema_field outlier_rows[] = {
    {"consecutive", SCHEMA_INT, OU(consecutive), .preset = "5", BOUNDS(0, 1000000),
     SAY("Failures in a row that eject a replica; 0: they do not count.",
         "Fallos seguidos que expulsan una réplica; 0: no cuentan.")},
    {"success", SCHEMA_INT, OU(success), BOUNDS(0, 100),
     SAY("Fewer successes in an interval eject it, in percent; off by default.",
         "Menos éxitos en un intervalo la expulsan, en tanto por ciento; por defecto no.")},
    {"latency", SCHEMA_DOUBLE, OU(latency), BOUNDS(1, 1000),
     SAY("So many times slower than the median of the others ejects it; off by default.",
         "Tantas veces más lenta que la mediana de las otras la expulsa; por defecto no.")},
    {"minimum", SCHEMA_INT, OU(minimum), .preset = "20", COUNT,
     SAY("Requests in an interval before success and latency count.",
         "Peticiones en un intervalo antes de que cuenten éxito y latencia.")},
    {"interval", SCHEMA_DURATION, OU(interval_ns), .preset = "10s", TIME(10),
     SAY("How often replicas are compared.", "Cada cuánto se comparan las réplicas.")},
    {"ejection", SCHEMA_DURATION, OU(ejection_ns), .preset = "30s", TIME(1),
     SAY("The first ejection; each further one is twice as long.",
         "La primera expulsión; cada una más dura el doble.")},
    {"ejection_max", SCHEMA_DURATION, OU(ejection_max_ns), .preset = "5m", TIME(1),
     SAY("The longest one.", "La más larga.")},
    {"share", SCHEMA_INT, OU(share), .preset = "30", PERCENT,
     SAY("Replicas that may be out at once, in percent; always one of two, never all.",
         "Réplicas que pueden faltar a la vez, en tanto por ciento; siempre una de dos, nunca "
         "todas.")},
};
static const struct schema_table table_outlier = {
    TABLE_OF("outlier", outlier_rows, struct outlier_conf),
    .finish = finish_part,
    SAY("Take out replicas that answer worse than the others.",
        "Apartar réplicas que responden peor que las otras."),
};

static const struct schema_field queue_rows[] = {
    {"length", SCHEMA_INT, Q(length), .preset = "256", BOUNDS(1, 65536),
     SAY("Requests that may wait, per thread.", "Peticiones que pueden esperar, por hilo.")},
    {"target", SCHEMA_DURATION, Q(target_ns), .preset = "50ms", BOUNDS(0, 3600 * NS_PER_S),
     SAY("A wait that is never shorter for an `interval` is refused bit by bit (CoDel); 0: never.",
         "Una espera que no baja de esto durante `interval` se rechaza poco a poco (CoDel); 0: "
         "nunca.")},
    {"interval", SCHEMA_DURATION, Q(interval_ns), .preset = "500ms", TIME(1),
     SAY("How long a burst may last.", "Cuánto puede durar una ráfaga.")},
    {"priority_header", SCHEMA_STRING, Q(priority_header), BOUNDS(1, 64),
     SAY("Field with the urgency, as in RFC 9218: u=0 to u=2 go first, u=5 to u=7 last.",
         "Campo con la urgencia, como en RFC 9218: u=0 a u=2 van antes, u=5 a u=7 al final.")},
};
static const struct schema_table table_queue = {
    TABLE_OF("queue", queue_rows, struct queue_spec),
    .finish = finish_part,
    SAY("Where requests wait that are too many at once.",
        "Dónde esperan las peticiones que son demasiadas a la vez."),
};

/* A limit to begin with that was not written lies within the bounds that were. */
static void finish_concurrency(struct schema_pass *pass, const struct value *value, void *object)
{
    struct concurrency_spec *spec = object;
    const struct value *initial = value ? value_get(value, "initial") : NULL;
    finish_part(pass, value, object);
    if (value && spec->least > spec->most) {
        struct problem *problem =
            pass_problem(pass, value->at, "config.bad-value", "'min' (%lld) is above 'max' (%lld)",
                         (long long)spec->least, (long long)spec->most);
        problem_expected(problem, "a 'min' of at most 'max'; without them they are 5 and 1000");
    } else if (value_is_set(initial) &&
               (spec->initial < spec->least || spec->initial > spec->most)) {
        struct problem *problem =
            pass_problem(pass, initial->at, "config.bad-value", "'initial' cannot be %lld",
                         (long long)spec->initial);
        problem_expected(problem, "a number from 'min' (%lld) to 'max' (%lld)",
                         (long long)spec->least, (long long)spec->most);
    }
    spec->initial = MAX(MIN(spec->initial, spec->most), spec->least);
}

static const struct schema_field concurrency_rows[] = {
    {"kind", SCHEMA_ENUM, CO(kind), ONE_OF(names_concurrency), .preset = "gradient",
     SAY("gradient: by latency; aimd: by failures and late answers.",
         "gradient: por latencia; aimd: por fallos y respuestas tardías.")},
    {"initial", SCHEMA_INT, CO(initial), .preset = "20", COUNT,
     SAY("The limit to begin with, per thread.", "El límite inicial, por hilo.")},
    {"min", SCHEMA_INT, CO(least), .preset = "5", COUNT, SAY("Never fewer.", "Nunca menos.")},
    {"max", SCHEMA_INT, CO(most), .preset = "1000", COUNT, SAY("Never more.", "Nunca más.")},
    {"tolerance", SCHEMA_DOUBLE, CO(tolerance), .preset = "2", BOUNDS(1, 3),
     SAY("gradient: so many times slower is still well.",
         "gradient: tantas veces más lento aún está bien.")},
    {"late", SCHEMA_DURATION, CO(late_ns), TIME(1),
     SAY("aimd: a later answer is too late.", "aimd: una respuesta posterior llega tarde.")},
};
static const struct schema_table table_concurrency = {
    TABLE_OF("concurrency", concurrency_rows, struct concurrency_spec),
    .finish = finish_concurrency,
    SAY("Find out by measuring how many requests the service bears at once.",
        "Averiguar midiendo cuántas peticiones soporta el servicio a la vez."),
};

static const struct schema_field fallback_rows[] = {
    {"service", SCHEMA_STRING, FA(service), .reference = "services",
     SAY("Service of this project that answers instead.",
         "Servicio de este proyecto que responde en su lugar.")},
    {"status", SCHEMA_INT, FA(status), .preset = "503", BOUNDS(200, 599),
     SAY("Status of the page.", "Estado de la página.")},
    {"body", SCHEMA_STRING, FA(body), .max = 4096,
     SAY("The page, if there is no service.", "La página, si no hay servicio.")},
    {"content_type", SCHEMA_STRING, FA(content_type), .preset = "text/html; charset=utf-8",
     .max = 128, SAY("Its type.", "Su tipo.")},
};
static const struct schema_table table_fallback = {
    TABLE_OF("fallback", fallback_rows, struct fallback_spec),
    .finish = finish_part,
    SAY("What answers when no replica can.", "Qué responde cuando ninguna réplica puede."),
};

static const struct schema_field mirror_rows[] = {
    {"service", SCHEMA_STRING, MI(service), .flags = SCHEMA_REQUIRED, .reference = "services",
     SAY("Service of this project that gets a copy of the requests; its answers are thrown away.",
         "Servicio de este proyecto que recibe copia de las peticiones; sus respuestas se tiran.")},
    {"share", SCHEMA_INT, MI(share), .preset = "100", PERCENT,
     SAY("How many, in percent.", "Cuántas, en tanto por ciento.")},
};
static const struct schema_table table_mirror = {
    TABLE_OF("mirror", mirror_rows, struct mirror_spec),
    .finish = finish_part,
    SAY("Send copies of requests to another service.",
        "Enviar copias de las peticiones a otro servicio."),
};
static const char *const names_protocol_of_service[] = {"http1", "http2", NULL};
static const char *const names_announce[] = {"none", "v1", "v2", NULL};

#define TR(member) AT(struct traffic_spec, member)
static const struct schema_field traffic_rows[] = {
    {"protocol", SCHEMA_ENUM, TR(protocol), ONE_OF(names_protocol_of_service), .preset = "http1",
     SAY("What the service speaks: http1, or http2 (also for gRPC), where requests share a "
         "connection.",
         "Qué habla el servicio: http1, o http2 (también para gRPC), donde las peticiones "
         "comparten "
         "una conexión.")},
    {"proxy_protocol", SCHEMA_ENUM, TR(announce), ONE_OF(names_announce), .preset = "none",
     SAY("Each connection to it begins with a header of the PROXY protocol that names the client: "
         "v1, v2; HTTP connections are not shared between clients then.",
         "Cada conexión empieza con una cabecera del protocolo PROXY que nombra al cliente: v1, "
         "v2; las conexiones HTTP ya no se comparten entre clientes.")},
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
    {"timeouts", SCHEMA_OBJECT, TR(timeouts), PART(table_timeouts),
     SAY("How long each phase of a request may take.",
         "Cuánto puede durar cada fase de una petición.")},
    {"retries", SCHEMA_OBJECT, TR(retries), PART(table_retries),
     SAY("When a request is sent once more.", "Cuándo se repite una petición.")},
    {"hedge", SCHEMA_OBJECT, TR(hedge), PART(table_hedge),
     SAY("Ask a second replica when the first is slow.",
         "Preguntar a otra réplica si la primera tarda.")},
    {"breaker", SCHEMA_OBJECT, TR(breaker), PART(table_breaker),
     SAY("Refuse requests to a service that only fails.",
         "Rechazar peticiones a un servicio que solo falla.")},
    {"outlier", SCHEMA_OBJECT, TR(outlier), PART(table_outlier),
     SAY("Take out replicas that answer worse than the others.",
         "Apartar réplicas que responden peor que las otras.")},
    {"slow_start", SCHEMA_DURATION, TR(slow_start_ns), TIME(1),
     SAY("A new replica gets a growing part of its requests for so long.",
         "Una réplica nueva recibe una parte creciente de sus peticiones durante este tiempo.")},
    {"queue", SCHEMA_OBJECT, TR(queue), PART(table_queue),
     SAY("Where requests wait that are too many at once.",
         "Dónde esperan las peticiones que son demasiadas a la vez.")},
    {"concurrency", SCHEMA_OBJECT, TR(concurrency), PART(table_concurrency),
     SAY("Find out by measuring how many requests the service bears at once.",
         "Averiguar midiendo cuántas peticiones soporta el servicio a la vez.")},
    {"fallback", SCHEMA_OBJECT, TR(fallback), PART(table_fallback),
     SAY("What answers when no replica can.", "Qué responde cuando ninguna réplica puede.")},
    {"mirror", SCHEMA_OBJECT, TR(mirror), PART(table_mirror),
     SAY("Send copies of requests to another service.",
         "Enviar copias de las peticiones a otro servicio.")},
    {"hold", SCHEMA_DURATION, TR(hold_ns), BOUNDS(0, 3600 * NS_PER_S),
     SAY("How long a request waits for a replica that starts; 10 s by default, 0: not at all.",
         "Cuánto espera una petición a una réplica que arranca; 10 s por defecto, 0: nada.")},
    {"body_size", SCHEMA_SIZE, TR(body_size), BOUNDS(0, 1LL << 50),
     SAY("The largest body of a request, else 413; 10 MiB by default, no limit for calls of gRPC "
         "unless it is written; 0: no limit.",
         "El mayor cuerpo de una petición, si no 413; 10 MiB por defecto, sin límite para llamadas "
         "de gRPC si no se escribe; 0: sin límite.")},
};
const struct schema_table table_traffic = {
    TABLE_OF("traffic", traffic_rows, struct traffic_spec),
    .finish = finish_traffic,
    SAY("What the gateway does about requests to this service.",
        "Qué hace la pasarela con las peticiones a este servicio."),
};
