/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of `traffic:` that balance: hash, sticky, members. table_traffic.c holds their rows.
 *
 * A member's numbers are those of replicas, which exist before they run and after they crashed: a
 * file can speak of the third one without knowing its port.
 */
#include "base/num.h"
#include "base/utf8.h"
#include "schema/decode.h"
#include "schema/normalise.h"
#include "schema/row.h"
#include "schema/spec.h"
#include "schema/table.h"
#include "schema/value.h"

#define HA(member) AT(struct hash_spec, member)
#define ST(member) AT(struct sticky_spec, member)
#define ME(member) AT(struct member_spec, member)

enum { MICRO = 1000000 };

const char *const names_balance[] = {"round_robin", "least_conn", "random",  "power_of_two",
                                     "least_load",  "hash",       "nearest", NULL};
static const char *const names_hash[] = {"ip", "header", "cookie", "query", "path", NULL};

static void finish_hash(struct schema_pass *pass, const struct value *value, void *object)
{
    struct hash_spec *hash = object;
    bool named = hash->by == HASH_HEADER || hash->by == HASH_COOKIE || hash->by == HASH_QUERY;
    if (value && named && hash->name.len == 0) {
        struct problem *problem =
            pass_problem(pass, value->at, "config.missing-key", "the name of the %s is missing",
                         names_hash[hash->by]);
        problem_expected(problem, "'name' beside 'by', as in { by: %s, name: user }",
                         names_hash[hash->by]);
    }
}

static const struct schema_field hash_rows[] = {
    {"by", SCHEMA_ENUM, HA(by), ONE_OF(names_hash), .preset = "ip",
     SAY("What the same goes to the same replica for.",
         "Qué va siempre a la misma réplica si es igual.")},
    {"name", SCHEMA_STRING, HA(name), BOUNDS(1, 64),
     SAY("Name of the header, cookie or query parameter.",
         "Nombre de la cabecera, cookie o parámetro.")},
    {"bound", SCHEMA_INT, HA(bound), .preset = "125", BOUNDS(0, 10000),
     SAY("Requests under way at one replica at most, in percent of the average; what is more goes "
         "to others; 0: no bound.",
         "Peticiones en curso en una réplica como máximo, en tanto por ciento de la media; las "
         "demás van a otras; 0: sin límite.")},
};
const struct schema_table table_hash = {
    TABLE_OF("hash", hash_rows, struct hash_spec),
    .finish = finish_hash,
    SAY("What `balance: hash` goes by.", "Por qué se guía `balance: hash`."),
};

static bool is_token(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.p[i];
        if (c <= ' ' || c >= 0x7f || strchr("()<>@,;:\\\"/[]?={}", c)) {
            return false;
        }
    }
    return true;
}

static void finish_sticky(struct schema_pass *pass, const struct value *value, void *object)
{
    struct sticky_spec *sticky = object;
    const struct value *cookie = value ? value_get(value, "cookie") : NULL;
    sticky->on = value != NULL;
    if (cookie && !is_token(sticky->cookie)) {
        struct problem *problem =
            pass_problem(pass, cookie->at, "config.bad-value", "this is no name of a cookie");
        problem_expected(problem, "letters, digits, '-', '_' and '.'");
    }
}

static const struct schema_field sticky_rows[] = {
    {"cookie", SCHEMA_STRING, ST(cookie), BOUNDS(1, 64),
     SAY("Its name; muelle_SERVICE by default.", "Su nombre; por defecto, muelle_SERVICIO.")},
    {"max_age", SCHEMA_DURATION, ST(max_age_ns), BOUNDS(NS_PER_S, 400 * 86400 * NS_PER_S),
     SAY("How long browsers keep it; until they close by default.",
         "Cuánto la guardan los navegadores; por defecto, hasta cerrarse.")},
    {"secure", SCHEMA_BOOL, ST(secure),
     SAY("Only sent back over https.", "Solo se devuelve por https.")},
};
const struct schema_table table_sticky = {
    TABLE_OF("sticky", sticky_rows, struct sticky_spec),
    .finish = finish_sticky,
    SAY("A signed cookie keeps a client at its replica.",
        "Una cookie firmada mantiene a cada cliente en su réplica."),
};

/* "2" or "1-3". */
static bool read_replicas(struct member_spec *member)
{
    struct str first = member->replicas, last;
    uint64_t low, high;
    if (!str_split(first, '-', &first, &last)) {
        last = first;
    }
    if (num_parse_u64(str_trim_ws(first), &low) < 0 ||
        num_parse_u64(str_trim_ws(last), &high) < 0) {
        return false;
    }
    member->first = (int64_t)low;
    member->last = (int64_t)high;
    return low >= 1 && low <= high && high <= SPEC_REPLICAS_MAX;
}

static bool read_location(struct member_spec *member)
{
    struct str first, second;
    double latitude, longitude;
    if (!str_split(member->location, ',', &first, &second) ||
        num_parse_double(str_trim_ws(first), &latitude) < 0 ||
        num_parse_double(str_trim_ws(second), &longitude) < 0 ||
        !(latitude >= -90 && latitude <= 90 && longitude >= -180 && longitude <= 180)) {
        return false;
    }
    member->located = true;
    member->micro_latitude = (int32_t)(latitude * MICRO);
    member->micro_longitude = (int32_t)(longitude * MICRO);
    return true;
}

static void finish_member(struct schema_pass *pass, const struct value *value, void *object)
{
    struct member_spec *member = object;
    const struct value *location = value ? value_get(value, "location") : NULL;
    if (!read_replicas(member)) {
        struct problem *problem = pass_problem(
            pass, value ? value->at : pass->owner_at, "config.bad-value",
            "'" STR_FMT "' are no numbers of replicas", STR_ARG(utf8_cut(member->replicas, 80)));
        problem_expected(problem, "one as 2, or some as 1-3, from 1 to %d", SPEC_REPLICAS_MAX);
    }
    if (value_is_set(location) && !read_location(member)) {
        struct problem *problem =
            pass_problem(pass, location->at, "config.bad-value", "this is no place on the globe");
        problem_expected(problem, "\"LATITUDE, LONGITUDE\" in degrees, as \"40.42, -3.70\"");
    }
}

static const struct schema_field member_rows[] = {
    {"replicas", SCHEMA_STRING, ME(replicas), .flags = SCHEMA_KEY, .min = 1, .max = 16,
     SAY("Which ones: 2, or 1-3.", "Cuáles: 2, o 1-3.")},
    {"weight", SCHEMA_INT, ME(weight), .preset = "1", BOUNDS(0, SPREAD_WEIGHT_MAX),
     SAY("Their part of the requests; 0: only clients whose cookie names them.",
         "Su parte de las peticiones; 0: solo clientes cuya cookie las nombra.")},
    {"priority", SCHEMA_INT, ME(priority), BOUNDS(0, SPREAD_GROUPS - 1),
     SAY("Those of a higher number are backups: they get what those of the lower numbers cannot "
         "carry.",
         "Las de número mayor son reservas: reciben lo que las de número menor no pueden llevar.")},
    {"location", SCHEMA_STRING, ME(location),
     SAY("Where they are, for `balance: nearest`: latitude and longitude in degrees.",
         "Dónde están, para `balance: nearest`: latitud y longitud en grados.")},
};
const struct schema_table table_member = {
    TABLE_OF("member", member_rows, struct member_spec),
    .finish = finish_member,
    SAY("What some of the replicas are to the balancing.",
        "Qué son algunas de las réplicas para el reparto."),
};
