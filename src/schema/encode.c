/* SPDX-License-Identifier: Apache-2.0
 *
 * C structs to JSON and to the cells of CLI tables, by tables. No allocation beyond the output.
 *
 *   1. Every row is written, null where it is unknown: readers of the API need not tell "absent"
 *      from "null". Only rows SCHEMA_DETAIL may be left out, all of them at once.
 *   2. Secret members are asterisks unless the caller asks; in cells always "-".
 *   3. Members are read by memcpy: a row knows an offset, not a type, and the compiler must not be
 *      told otherwise.
 *
 * An enum value without a name is a programmer's error and becomes null or "-": showing what is
 * wrong beats ending the process that shows it.
 */
#include "base/num.h"
#include "base/timefmt.h"
#include "schema/resource.h"

#include <math.h>

static const char *enum_name(const struct schema_field *row, int32_t index)
{
    for (int32_t i = 0; row->choices[i]; i++) {
        if (i == index) {
            return row->choices[i];
        }
    }
    return NULL;
}

/* For embedded objects, which cannot be NULL. */
static bool all_zero(const char *p, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (p[i]) {
            return false;
        }
    }
    return true;
}

static int64_t integer_at(const char *member)
{
    int64_t n;
    memcpy(&n, member, sizeof(n));
    return n;
}

static struct str text_at(const char *member)
{
    struct str s;
    memcpy(&s, member, sizeof(s));
    return s;
}

/* True for a member that is written as null. "Zero means unknown" is a property of the row: 0
 * restarts is a fact, pid 0 is none. */
static bool is_null(const struct schema_field *row, const char *object)
{
    const char *member = object + row->offset;
    bool zero_null = row->flags & SCHEMA_ZERO_NULL;
    if (row->offset == SCHEMA_NO_MEMBER) {
        return true;
    }
    if (row->flags & SCHEMA_OPTIONAL) {
        return object[row->count_offset] == 0;
    }
    switch ((enum schema_type)row->type) {
    case SCHEMA_STRING:
        return text_at(member).p == NULL || (zero_null && text_at(member).len == 0);
    case SCHEMA_RAW_JSON:
        return text_at(member).len == 0;
    case SCHEMA_TIME:
        return integer_at(member) == 0;
    case SCHEMA_INT:
    case SCHEMA_DURATION:
    case SCHEMA_SIZE:
        return zero_null && integer_at(member) == 0;
    /* An embedded object that was never filled in: no probe yet. Such structs have no padding. */
    case SCHEMA_OBJECT:
        return zero_null && all_zero(member, row->of->size);
    default:
        return false;
    }
}

/* RFC 3339 in UTC: it sorts as text and every language reads it. */
static void encode_time(int64_t wall_ns, struct json_writer *w)
{
    struct buf text = BUF_INIT(64);
    timefmt_rfc3339(&text, wall_ns);
    json_str(w, buf_str(&text));
    buf_fini(&text);
}

static void encode_duration(int64_t ns, struct json_writer *w)
{
    struct buf text = BUF_INIT(64);
    num_format_duration(&text, ns);
    json_str(w, buf_str(&text));
    buf_fini(&text);
}

static void encode_scalar(const struct schema_field *row, enum schema_type type, const char *member,
                          struct json_writer *w)
{
    double real;
    int32_t choice;
    switch (type) {
    case SCHEMA_BOOL:
        json_bool(w, *member != 0);
        break;
    case SCHEMA_INT:
    case SCHEMA_SIZE:
        json_i64(w, integer_at(member));
        break;
    case SCHEMA_DOUBLE:
        memcpy(&real, member, sizeof(real));
        json_double(w, real);
        break;
    case SCHEMA_ENUM:
        memcpy(&choice, member, sizeof(choice));
        json_cstr(w, enum_name(row, choice));
        break;
    case SCHEMA_TIME:
        encode_time(integer_at(member), w);
        break;
    case SCHEMA_DURATION:
        encode_duration(integer_at(member), w);
        break;
    case SCHEMA_RAW_JSON:
        json_raw(w, text_at(member));
        break;
    default:
        json_str(w, text_at(member));
        break;
    }
}

static void encode_list(const struct schema_field *row, const char *object, unsigned flags,
                        struct json_writer *w)
{
    const char *items;
    size_t count, size = schema_item_size(row);
    memcpy(&items, object + row->offset, sizeof(items));
    memcpy(&count, object + row->count_offset, sizeof(count));
    json_begin_array(w);
    for (size_t i = 0; i < count; i++) {
        if (row->item == SCHEMA_OBJECT) {
            schema_encode_json(row->of, items + i * size, flags, w);
        } else {
            encode_scalar(row, row->item, items + i * size, w);
        }
    }
    json_end_array(w);
}

/* Null before secret: "there is none" is no secret. */
static void encode_row(const struct schema_field *row, const char *object, unsigned flags,
                       struct json_writer *w)
{
    if (is_null(row, object)) {
        json_null(w);
    } else if ((row->flags & SCHEMA_SECRET) && !(flags & SCHEMA_ENCODE_SECRETS)) {
        json_str(w, STR("********"));
    } else if (row->type == SCHEMA_OBJECT) {
        schema_encode_json(row->of, object + row->offset, flags, w);
    } else if (row->type == SCHEMA_LIST) {
        encode_list(row, object, flags, w);
    } else {
        encode_scalar(row, row->type, object + row->offset, w);
    }
}

void schema_encode_json(const struct schema_table *table, const void *object, unsigned flags,
                        struct json_writer *w)
{
    json_begin_object(w);
    for (size_t i = 0; i < table->count; i++) {
        const struct schema_field *row = &table->fields[i];
        if ((row->flags & SCHEMA_DETAIL) && !(flags & SCHEMA_ENCODE_DETAIL)) {
            continue;
        }
        json_key(w, str_from(row->name));
        encode_row(row, object, flags, w);
    }
    json_end_object(w);
}

/* ------------------------------------------------------------------ cells */

static void cell_number(const struct schema_field *row, int64_t n, struct buf *out)
{
    if (row->unit == SCHEMA_UNIT_BYTES || row->type == SCHEMA_SIZE) {
        num_format_bytes(out, n < 0 ? 0 : (uint64_t)n);
    } else {
        buf_add_i64(out, n);
    }
}

/* One digit behind the point: figures of a second are not exacter than that. */
static void cell_double(const struct schema_field *row, double real, struct buf *out)
{
    if (isnan(real)) {
        buf_add_char(out, '-');
    } else {
        buf_printf(out, "%.1f%s", real, row->unit == SCHEMA_UNIT_PERCENT ? "%" : "");
    }
}

/* Lists of objects show how many there are: a cell has one line. */
static void cell_texts(const struct schema_field *row, const char *object, struct buf *out)
{
    const struct str *items;
    size_t count;
    memcpy(&items, object + row->offset, sizeof(items));
    memcpy(&count, object + row->count_offset, sizeof(count));
    for (size_t i = 0; row->item == SCHEMA_STRING && i < count; i++) {
        buf_add(out, i ? STR(", ") : STR(""));
        buf_add(out, items[i]);
    }
    if (row->item != SCHEMA_STRING) {
        buf_add_u64(out, count);
    } else if (count == 0) {
        buf_add_char(out, '-');
    }
}

/* Never JSON: what has no short form (objects, maps) is "-". */
void schema_encode_cell(const struct schema_field *row, const void *object, int64_t now_ns,
                        struct buf *out)
{
    const char *member = (const char *)object + row->offset;
    double real;
    int32_t choice;
    if (is_null(row, object) || ((row->flags & SCHEMA_SECRET) != 0)) {
        buf_add_char(out, '-');
        return;
    }
    switch ((enum schema_type)row->type) {
    case SCHEMA_BOOL:
        buf_add(out, *member ? STR("yes") : STR("no"));
        break;
    case SCHEMA_ENUM:
        memcpy(&choice, member, sizeof(choice));
        buf_add_cstr(out, enum_name(row, choice) ? enum_name(row, choice) : "-");
        break;
    case SCHEMA_DOUBLE:
        memcpy(&real, member, sizeof(real));
        cell_double(row, real, out);
        break;
    case SCHEMA_TIME:
        num_format_age(out, now_ns > integer_at(member) ? now_ns - integer_at(member) : 0);
        break;
    case SCHEMA_DURATION:
        num_format_duration(out, integer_at(member));
        break;
    case SCHEMA_INT:
    case SCHEMA_SIZE:
        cell_number(row, integer_at(member), out);
        break;
    case SCHEMA_LIST:
        cell_texts(row, object, out);
        break;
    case SCHEMA_STRING:
    case SCHEMA_RAW_JSON:
        buf_add(out, text_at(member));
        break;
    default:
        buf_add_char(out, '-');
        break;
    }
}

/* Counts beyond `max`, so that a caller can tell that its array was too short. */
size_t schema_columns(const struct schema_table *table, const struct schema_field **fields,
                      size_t max)
{
    size_t count = 0;
    for (size_t i = 0; i < table->count; i++) {
        if (table->fields[i].column) {
            if (count < max) {
                fields[count] = &table->fields[i];
            }
            count++;
        }
    }
    return count;
}
