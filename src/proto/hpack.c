/* SPDX-License-Identifier: Apache-2.0
 *
 * The table is of the reader's kind (hpack_ring.h). The reader keeps whatever we keep: it pushes
 * out only beyond the size that it allows, we do so no later (`max` may be less, and is not told);
 * and indices count from the newest entry, so it does not matter if it has more. Beside it
 * `memory`: slots from a hash to the latest entry that has it, and parts of hashes of what was
 * seen.
 */
#include "proto/hpack.h"

#include "base/num.h"

#include <stdlib.h>

enum {
    SLOTS = 128,
    STATIC_LAST = 61, /* of the static table (RFC 7541, appendix A) */
    NAME_MAX = 128,   /* longer ones are not kept */
    INDEXED = 0x80,
    KEPT = 0x40,
    SIZE = 0x20,
    NEVER = 0x10,
};

struct hpack_memory {
    uint8_t slots[SLOTS];      /* the number of an entry, its lowest bits */
    uint8_t latest[HPACK_IDS]; /* the same of the one that was used last, by the name's id */
    uint16_t seen[SLOTS];      /* part of the hash of what was seen last */
};

/* How a field is written when it is not in the table. */
enum how { HOW_KEPT, HOW_PASSING, HOW_SECRET };

static const struct {
    uint8_t index; /* of the name in the static table; 0 = none */
    uint8_t how;
} known[HPACK_IDS] = {
    [HPACK_AUTHORITY] = {1, HOW_KEPT},
    [HPACK_METHOD] = {2, HOW_KEPT},
    [HPACK_PATH] = {4, HOW_PASSING},
    [HPACK_PROTOCOL] = {0, HOW_KEPT},
    [HPACK_SCHEME] = {6, HOW_KEPT},
    [HPACK_STATUS] = {8, HOW_KEPT},
    [HTTP_H_ACCEPT] = {19, HOW_KEPT},
    [HTTP_H_ACCEPT_ENCODING] = {16, HOW_KEPT},
    [HTTP_H_ACCEPT_LANGUAGE] = {17, HOW_KEPT},
    [HTTP_H_ACCEPT_RANGES] = {18, HOW_KEPT},
    [HTTP_H_ACCESS_CONTROL_ALLOW_ORIGIN] = {20, HOW_KEPT},
    [HTTP_H_AGE] = {21, HOW_PASSING},
    [HTTP_H_ALLOW] = {22, HOW_KEPT},
    [HTTP_H_AUTHORIZATION] = {23, HOW_SECRET},
    [HTTP_H_CACHE_CONTROL] = {24, HOW_KEPT},
    [HTTP_H_CLIENT_CERT] = {0, HOW_PASSING},
    [HTTP_H_CONTENT_DISPOSITION] = {25, HOW_PASSING},
    [HTTP_H_CONTENT_ENCODING] = {26, HOW_KEPT},
    [HTTP_H_CONTENT_LANGUAGE] = {27, HOW_KEPT},
    [HTTP_H_CONTENT_LENGTH] = {28, HOW_PASSING},
    [HTTP_H_CONTENT_LOCATION] = {29, HOW_PASSING},
    [HTTP_H_CONTENT_RANGE] = {30, HOW_PASSING},
    [HTTP_H_CONTENT_TYPE] = {31, HOW_KEPT},
    [HTTP_H_COOKIE] = {32, HOW_SECRET},
    [HTTP_H_DATE] = {33, HOW_KEPT},
    [HTTP_H_ETAG] = {34, HOW_PASSING},
    [HTTP_H_EXPECT] = {35, HOW_KEPT},
    [HTTP_H_EXPIRES] = {36, HOW_KEPT},
    [HTTP_H_IDEMPOTENCY_KEY] = {0, HOW_PASSING},
    [HTTP_H_IF_MATCH] = {39, HOW_PASSING},
    [HTTP_H_IF_MODIFIED_SINCE] = {40, HOW_PASSING},
    [HTTP_H_IF_NONE_MATCH] = {41, HOW_PASSING},
    [HTTP_H_IF_RANGE] = {42, HOW_PASSING},
    [HTTP_H_IF_UNMODIFIED_SINCE] = {43, HOW_PASSING},
    [HTTP_H_LAST_MODIFIED] = {44, HOW_KEPT},
    [HTTP_H_LINK] = {45, HOW_KEPT},
    [HTTP_H_LOCATION] = {46, HOW_PASSING},
    [HTTP_H_MAX_FORWARDS] = {47, HOW_KEPT},
    [HTTP_H_PROXY_AUTHENTICATE] = {48, HOW_KEPT},
    [HTTP_H_PROXY_AUTHORIZATION] = {49, HOW_SECRET},
    [HTTP_H_RANGE] = {50, HOW_PASSING},
    [HTTP_H_REFERER] = {51, HOW_KEPT},
    [HTTP_H_RETRY_AFTER] = {53, HOW_KEPT},
    [HTTP_H_SEC_WEBSOCKET_KEY] = {0, HOW_PASSING},
    [HTTP_H_SERVER] = {54, HOW_KEPT},
    [HTTP_H_SET_COOKIE] = {55, HOW_SECRET},
    [HTTP_H_STRICT_TRANSPORT_SECURITY] = {56, HOW_KEPT},
    [HTTP_H_TRACEPARENT] = {0, HOW_PASSING},
    [HTTP_H_USER_AGENT] = {58, HOW_KEPT},
    [HTTP_H_VARY] = {59, HOW_KEPT},
    [HTTP_H_VIA] = {60, HOW_KEPT},
    [HTTP_H_WWW_AUTHENTICATE] = {61, HOW_KEPT},
    [HTTP_H_X_REQUEST_ID] = {0, HOW_PASSING},
};

/* Whole fields of the static table, by value: those of an id follow each other. */
struct whole {
    struct str value;
    uint8_t index;
};
static const struct whole methods[] = {{STR_INIT("GET"), 2}, {STR_INIT("POST"), 3}};
static const struct whole paths[] = {{STR_INIT("/"), 4}};
static const struct whole schemes[] = {{STR_INIT("http"), 6}, {STR_INIT("https"), 7}};
static const struct whole statuses[] = {
    {STR_INIT("200"), 8},  {STR_INIT("204"), 9},  {STR_INIT("206"), 10}, {STR_INIT("304"), 11},
    {STR_INIT("400"), 12}, {STR_INIT("404"), 13}, {STR_INIT("500"), 14},
};

void hpack_init(struct hpack_writer *writer, uint32_t max)
{
    ensure(max <= HPACK_TABLE_MAX);
    *writer = (struct hpack_writer){.max = max, .least = max};
    hpack_ring_init(&writer->ring);
    hpack_ring_limit(&writer->ring, max);
}

void hpack_fini(struct hpack_writer *writer)
{
    hpack_ring_fini(&writer->ring);
    free(writer->memory);
    writer->memory = NULL;
}

struct str hpack_pseudo_name(unsigned id)
{
    static const struct str names[] = {STR_INIT(":authority"), STR_INIT(":method"),
                                       STR_INIT(":path"),      STR_INIT(":protocol"),
                                       STR_INIT(":scheme"),    STR_INIT(":status")};
    return names[id - HPACK_AUTHORITY];
}

/* --- the table --- */

void hpack_limit(struct hpack_writer *writer, uint32_t size)
{
    uint32_t limit = MIN(size, writer->max);
    writer->least = MIN(writer->least, limit);
    writer->tell = true;
    hpack_ring_limit(&writer->ring, limit);
}

static uint64_t load(const char *p, size_t len)
{
    uint64_t word = 0;
    memcpy(&word, p, len);
    return word;
}

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ (hash >> 32);
}

static uint64_t hash_text(uint64_t hash, struct str text)
{
    size_t at = 0;
    for (; text.len - at >= 8; at += 8) {
        hash = mix(hash, load(text.p + at, 8));
    }
    if (at == text.len) {
        return hash;
    }
    /* The tail together with bytes in front of it, where there are any. */
    return text.len >= 8 ? mix(hash, load(text.p + text.len - 8, 8))
                         : mix(hash, load(text.p, text.len));
}

/* What an id does not say: OTHER's in lower case. */
static struct str name_of(const struct hpack_field *field)
{
    return field->id == HTTP_H_OTHER  ? field->name
           : field->id < HTTP_H_COUNT ? http_header_name((enum http_header_id)field->id)
                                      : hpack_pseudo_name(field->id);
}

static bool is_entry(const char *line, const struct hpack_kept *entry,
                     const struct hpack_field *field)
{
    if (entry->id != field->id || entry->value_len != field->value.len ||
        (field->id == HTTP_H_OTHER && !str_eq(str_make(line, entry->name_len), field->name))) {
        return false;
    }
    return field->value.len == 0 ||
           memcmp(line + entry->name_len + 2, field->value.p, field->value.len) == 0;
}

/* Most come as the last time: that costs no hash. Its age, or -1. */
static int guess(const struct hpack_writer *writer, const struct hpack_field *field)
{
    const struct hpack_ring *ring = &writer->ring;
    uint8_t age = (uint8_t)(ring->next - 1 - writer->memory->latest[field->id]);
    const struct hpack_kept *entry = hpack_ring_get(ring, age);
    return entry && is_entry(hpack_ring_line(ring, entry), entry, field) ? age : -1;
}

/* A byte of a hash that its slot does not tell. */
static uint8_t mark_of(uint64_t hash)
{
    return (uint8_t)(hash >> 24);
}

/* Its index, or 0. */
static uint32_t look_up(struct hpack_writer *writer, uint64_t hash, const struct hpack_field *field)
{
    const struct hpack_ring *ring = &writer->ring;
    uint8_t number = writer->memory->slots[hash % SLOTS];
    uint8_t age = (uint8_t)(ring->next - 1 - number); /* 0: newest */
    const struct hpack_kept *entry = hpack_ring_get(ring, age);
    if (!entry || entry->mark != mark_of(hash) ||
        !is_entry(hpack_ring_line(ring, entry), entry, field)) {
        return 0;
    }
    writer->memory->latest[field->id] = number;
    return STATIC_LAST + 1U + age;
}

/* False: it is too large, or there is no memory. */
static bool keep(struct hpack_writer *writer, uint64_t hash, const struct hpack_field *field)
{
    struct hpack_ring *ring = &writer->ring;
    struct hpack_kept *entry;
    uint8_t number = (uint8_t)ring->next;
    struct str name = name_of(field);
    if (name.len + field->value.len + HPACK_OVERHEAD > ring->limit ||
        hpack_ring_add(ring, name, field->value, &entry) != 0) {
        return false;
    }
    entry->id = field->id;
    entry->mark = mark_of(hash);
    writer->memory->slots[hash % SLOTS] = number;
    writer->memory->latest[field->id] = number;
    return true;
}

/* --- writing --- */

static char *put_number(char *p, unsigned first, unsigned bits, uint32_t number)
{
    uint32_t most = (1U << bits) - 1;
    if (number < most) {
        *p++ = (char)(first | number);
        return p;
    }
    *p++ = (char)(first | most);
    for (number -= most; number >= 128; number >>= 7) {
        *p++ = (char)(number | 128);
    }
    *p++ = (char)number;
    return p;
}

static char *put_text(char *p, struct str text)
{
    p = put_number(p, 0, 7, (uint32_t)text.len);
    if (text.len > 0) {
        memcpy(p, text.p, text.len);
    }
    return p + text.len;
}

static char *put_literal(char *p, unsigned first, unsigned bits, const struct hpack_field *field)
{
    unsigned index = known[field->id].index;
    p = put_number(p, first, bits, index);
    if (index == 0) {
        p = put_text(p, name_of(field));
    }
    return put_text(p, field->value);
}

char *hpack_begin(struct hpack_writer *writer, char *p)
{
    if (likely(!writer->tell)) {
        return p;
    }
    uint32_t limit = writer->ring.limit;
    if (writer->least < limit) {
        p = put_number(p, SIZE, 5, writer->least);
    }
    p = put_number(p, SIZE, 5, limit);
    writer->least = limit;
    writer->tell = false;
    return p;
}

static unsigned find_whole(const struct whole *all, size_t count, struct str value)
{
    for (size_t i = 0; i < count; i++) {
        if (str_eq(all[i].value, value)) {
            return all[i].index;
        }
    }
    return 0;
}

static unsigned find_static(const struct hpack_field *field)
{
    switch (field->id) {
    case HPACK_METHOD:
        return find_whole(methods, ARRAY_LEN(methods), field->value);
    case HPACK_PATH:
        return find_whole(paths, ARRAY_LEN(paths), field->value);
    case HPACK_SCHEME:
        return find_whole(schemes, ARRAY_LEN(schemes), field->value);
    case HPACK_STATUS:
        return find_whole(statuses, ARRAY_LEN(statuses), field->value);
    default:
        return 0;
    }
}

/* Has it been here before, as far as is remembered? */
static bool seen_before(struct hpack_memory *memory, uint64_t hash)
{
    uint16_t *seen = &memory->seen[hash % SLOTS];
    uint16_t mark = (uint16_t)(hash >> 40 | 1);
    bool before = *seen == mark;
    *seen = mark;
    return before;
}

/* By the table, which keeps it perhaps. */
static char *put_kept(struct hpack_writer *writer, char *p, const struct hpack_field *field)
{
    if (unlikely(!writer->memory)) {
        writer->memory = calloc(1, sizeof(*writer->memory));
    }
    if (unlikely(!writer->memory)) {
        return put_literal(p, 0, 4, field);
    }
    int age = guess(writer, field);
    if (likely(age >= 0)) {
        return put_number(p, INDEXED, 7, STATIC_LAST + 1U + (unsigned)age);
    }
    uint64_t hash = field->id + 1U;
    if (field->id == HTTP_H_OTHER) {
        hash = hash_text(hash, field->name);
    }
    hash = hash_text(hash, field->value);
    uint32_t index = look_up(writer, hash, field);
    if (likely(index > 0)) {
        return put_number(p, INDEXED, 7, index);
    }
    if (!seen_before(writer->memory, hash) || !keep(writer, hash, field)) {
        return put_literal(p, 0, 4, field);
    }
    return put_literal(p, KEPT, 6, field);
}

/* A name that has no id, in lower case, straight into the head. */
static char *put_long(char *p, const struct hpack_field *field)
{
    *p++ = field->secret ? NEVER : 0;
    p = put_number(p, 0, 7, (uint32_t)field->name.len);
    for (size_t i = 0; i < field->name.len; i++) {
        char c = field->name.p[i];
        *p++ = c >= 'A' && c <= 'Z' ? (char)(c | 32) : c;
    }
    return put_text(p, field->value);
}

static char *put_other(struct hpack_writer *writer, char *p, const struct hpack_field *given)
{
    struct hpack_field field = *given;
    char low[NAME_MAX];
    if (field.name.len > NAME_MAX) {
        return put_long(p, &field);
    }
    for (size_t i = 0; i < field.name.len; i++) {
        char c = field.name.p[i];
        low[i] = c >= 'A' && c <= 'Z' ? (char)(c | 32) : c;
    }
    field.name.p = low;
    return field.secret ? put_literal(p, NEVER, 4, &field) : put_kept(writer, p, &field);
}

char *hpack_add(struct hpack_writer *writer, char *p, const struct hpack_field *field)
{
    if (unlikely(field->id == HTTP_H_OTHER)) {
        return put_other(writer, p, field);
    }
    if (unlikely(field->secret)) {
        return put_literal(p, NEVER, 4, field);
    }
    if (field->id >= HTTP_H_COUNT) {
        unsigned index = find_static(field);
        if (index) {
            return put_number(p, INDEXED, 7, index);
        }
    }
    switch (known[field->id].how) {
    case HOW_KEPT:
        return put_kept(writer, p, field);
    case HOW_SECRET:
        return put_literal(p, NEVER, 4, field);
    default:
        return put_literal(p, 0, 4, field);
    }
}
