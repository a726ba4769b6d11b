/* SPDX-License-Identifier: Apache-2.0
 *
 * The table: entries in a ring, their texts behind each other in a buffer of half as much again
 * that is moved together when its end is reached, and slots from a hash to the latest entry that
 * has it.
 *
 * 1. The reader keeps whatever we keep: it evicts only beyond `limit`, we do so no later.
 * 2. Indices count from the newest entry, so it does not matter if the reader keeps more.
 */
#include "proto/hpack.h"

#include "base/num.h"

#include <stdlib.h>

enum {
    ENTRIES_MAX = 64, /* powers of two */
    SLOTS = 128,
    STATIC_LAST = 61, /* of the static table (RFC 7541, appendix A) */
    OVERHEAD = 32,    /* that the RFC counts for an entry */
    NAME_MAX = 128,   /* longer ones are not kept */
    INDEXED = 0x80,
    KEPT = 0x40,
    SIZE = 0x20,
    NEVER = 0x10,
};

struct hpack_entry {
    uint32_t hash;
    uint32_t at;
    uint32_t value_len;
    uint16_t name_len;
    uint16_t id;
};

struct hpack_table {
    uint32_t size, text_from, text_to, text_cap;
    uint32_t next, count; /* number of the next entry, entries that are there */
    uint32_t places;      /* for entries: a power of two */
    uint8_t slots[SLOTS]; /* place in `entries` and 1 */
    uint16_t seen[SLOTS]; /* part of the hash of what was seen last */
    char *text;           /* behind the entries */
    struct hpack_entry entries[];
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
    *writer = (struct hpack_writer){.max = max, .limit = max, .least = max};
}

void hpack_fini(struct hpack_writer *writer)
{
    free(writer->table);
    writer->table = NULL;
}

/* --- the table --- */

static struct hpack_entry *entry_of(struct hpack_table *table, uint32_t number)
{
    return &table->entries[number % table->places];
}

static uint32_t size_of(const struct hpack_entry *entry)
{
    return entry->name_len + entry->value_len + OVERHEAD;
}

static void evict(struct hpack_table *table, uint32_t size)
{
    while (table->count > 0 && table->size > size) {
        const struct hpack_entry *oldest = entry_of(table, table->next - table->count);
        table->size -= size_of(oldest);
        table->text_from = oldest->at + oldest->name_len + oldest->value_len;
        table->count--;
    }
}

void hpack_limit(struct hpack_writer *writer, uint32_t size)
{
    uint32_t limit = MIN(size, writer->max);
    writer->limit = limit;
    writer->least = MIN(writer->least, limit);
    writer->tell = true;
    if (writer->table) {
        evict(writer->table, limit);
    }
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

static bool is_entry(const struct hpack_table *table, const struct hpack_entry *entry,
                     const struct hpack_field *field)
{
    return entry->id == field->id && entry->value_len == field->value.len &&
           entry->name_len == field->name.len &&
           (field->id != HTTP_H_OTHER ||
            memcmp(table->text + entry->at, field->name.p, field->name.len) == 0) &&
           (field->value.len == 0 || memcmp(table->text + entry->at + entry->name_len,
                                            field->value.p, field->value.len) == 0);
}

/* Its index, or 0. */
static uint32_t look_up(const struct hpack_table *table, uint32_t hash,
                        const struct hpack_field *field)
{
    uint32_t place = table->slots[hash % SLOTS];
    if (place == 0) {
        return 0;
    }
    const struct hpack_entry *entry = &table->entries[place - 1];
    uint32_t age = (table->next - place) % table->places; /* 0: the newest */
    if (age >= table->count || entry->hash != hash || !is_entry(table, entry, field)) {
        return 0;
    }
    return STATIC_LAST + 1 + age;
}

static struct hpack_table *table_new(uint32_t max)
{
    uint32_t places = 1;
    while (places < ENTRIES_MAX && places < max / OVERHEAD) {
        places *= 2;
    }
    size_t entries = places * sizeof(struct hpack_entry);
    size_t text = max + max / 2;
    struct hpack_table *table = calloc(1, sizeof(*table) + entries + text);
    if (table) {
        table->places = places;
        table->text_cap = (uint32_t)text;
        table->text = (char *)&table->entries[places];
    }
    return table;
}

/* Texts are moved together once in so many bytes as the table has. */
static void make_room(struct hpack_table *table, uint32_t len)
{
    if (table->count == 0) {
        table->text_from = table->text_to = 0;
    }
    if (table->text_to + len > table->text_cap) {
        uint32_t from = table->text_from;
        memmove(table->text, table->text + from, table->text_to - from);
        table->text_from = 0;
        table->text_to -= from;
        for (uint32_t i = 0; i < table->count; i++) {
            entry_of(table, table->next - 1 - i)->at -= from;
        }
    }
}

static void keep(struct hpack_writer *writer, uint32_t hash, const struct hpack_field *field)
{
    struct hpack_table *table = writer->table;
    uint32_t len = (uint32_t)(field->name.len + field->value.len);
    evict(table, writer->limit - len - OVERHEAD);
    if (table->count == table->places) {
        evict(table, table->size - 1);
    }
    make_room(table, len);
    struct hpack_entry *entry = entry_of(table, table->next);
    *entry = (struct hpack_entry){
        .hash = hash,
        .at = table->text_to,
        .value_len = (uint32_t)field->value.len,
        .name_len = (uint16_t)field->name.len,
        .id = field->id,
    };
    char *p = table->text + table->text_to;
    memcpy(p, field->name.p, field->name.len);
    if (field->value.len > 0) {
        memcpy(p + field->name.len, field->value.p, field->value.len);
    }
    table->text_to += len;
    table->size += len + OVERHEAD;
    table->slots[hash % SLOTS] = (uint8_t)(table->next % table->places + 1);
    table->next++;
    table->count++;
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
        p = put_text(p, field->name);
    }
    return put_text(p, field->value);
}

char *hpack_begin(struct hpack_writer *writer, char *p)
{
    if (likely(!writer->tell)) {
        return p;
    }
    if (writer->least < writer->limit) {
        p = put_number(p, SIZE, 5, writer->least);
    }
    p = put_number(p, SIZE, 5, writer->limit);
    writer->least = writer->limit;
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
static bool seen_before(struct hpack_table *table, uint64_t hash)
{
    uint16_t *seen = &table->seen[(uint32_t)hash % SLOTS];
    uint16_t mark = (uint16_t)(hash >> 40 | 1);
    bool before = *seen == mark;
    *seen = mark;
    return before;
}

/* By the table, which keeps it perhaps. */
static char *put_kept(struct hpack_writer *writer, char *p, const struct hpack_field *field)
{
    struct hpack_table *table = writer->table;
    if (unlikely(!table)) {
        table = writer->table = table_new(writer->max);
    }
    size_t len = field->name.len + field->value.len;
    if (!table || len + OVERHEAD > writer->limit) {
        return put_literal(p, 0, 4, field);
    }
    uint64_t hash = field->id + 1U;
    if (field->id == HTTP_H_OTHER) {
        hash = hash_text(hash, field->name);
    }
    hash = hash_text(hash, field->value);
    uint32_t index = look_up(table, (uint32_t)hash, field);
    if (likely(index > 0)) {
        return put_number(p, INDEXED, 7, index);
    }
    if (!seen_before(table, hash)) {
        return put_literal(p, 0, 4, field);
    }
    p = put_literal(p, KEPT, 6, field);
    keep(writer, (uint32_t)hash, field);
    return p;
}

static struct str pseudo_name(unsigned id)
{
    static const struct str names[] = {STR_INIT(":authority"), STR_INIT(":method"),
                                       STR_INIT(":path"),      STR_INIT(":protocol"),
                                       STR_INIT(":scheme"),    STR_INIT(":status")};
    return names[id - HPACK_AUTHORITY];
}

/* A name that has no id, in lower case, straight into the head. */
static char *put_long(char *p, const struct hpack_field *field)
{
    *p++ = 0;
    p = put_number(p, 0, 7, (uint32_t)field->name.len);
    for (size_t i = 0; i < field->name.len; i++) {
        char c = field->name.p[i];
        *p++ = c >= 'A' && c <= 'Z' ? (char)(c | 32) : c;
    }
    return put_text(p, field->value);
}

char *hpack_add(struct hpack_writer *writer, char *p, const struct hpack_field *given)
{
    struct hpack_field field = *given;
    char low[NAME_MAX];
    if (field.id == HTTP_H_OTHER) {
        if (field.name.len > NAME_MAX) {
            return put_long(p, &field);
        }
        for (size_t i = 0; i < field.name.len; i++) {
            char c = field.name.p[i];
            low[i] = c >= 'A' && c <= 'Z' ? (char)(c | 32) : c;
        }
        field.name.p = low;
    } else if (field.id < HTTP_H_COUNT) {
        field.name = http_header_name((enum http_header_id)field.id);
    } else {
        unsigned index = find_static(&field);
        if (index) {
            return put_number(p, INDEXED, 7, index);
        }
        field.name = pseudo_name(field.id);
    }
    switch (known[field.id].how) {
    case HOW_KEPT:
        return put_kept(writer, p, &field);
    case HOW_SECRET:
        return put_literal(p, NEVER, 4, &field);
    default:
        return put_literal(p, 0, 4, &field);
    }
}
