/* SPDX-License-Identifier: Apache-2.0
 *
 * A small JSON document in an arena: for request bodies (API) and answers (command line), both
 * bounded in size. Keys and strings are decoded; a repeated key is an error (RFC 8259 §4 leaves it
 * open; two readers that pick different ones are a hole).
 *
 * Depth is bounded by the reader (JSON_DEPTH_MAX), size by the arena. Decoded text may hold a NUL:
 * who hands it to the kernel checks (api_check.c). Nothing is changed after jdoc_parse, so any
 * thread may read. Members are a list in the order of the text: looking one up is a search, which
 * is right for objects of some ten members.
 */
#ifndef FACE_JDOC_H
#define FACE_JDOC_H

#include "base/arena.h"
#include "base/json.h"

struct jdoc {
    enum json_type type; /* JSON_OBJECT, ARRAY, STRING, NUMBER, TRUE, FALSE, NULL */
    struct str key;      /* of a member; empty elsewhere */
    struct str text;     /* decoded string, or the number as written */
    struct str raw;      /* the value as it stands in the input (borrowed) */
    struct jdoc *first;  /* members or items */
    struct jdoc *next;
    size_t count; /* of members or items */
};

/* 0; -EINVAL (not JSON, *ret_at = the byte), -ENOMEM. `text` must outlive the document. */
must_check int jdoc_parse(struct arena *arena, struct str text, struct jdoc **ret, size_t *ret_at);

/* Member by name; NULL when absent or when `object` is NULL or no object, so that chains need no
 * checks. */
const struct jdoc *jdoc_get(const struct jdoc *object, const char *key);
/* Values with a fallback for absent, null or of another type. */
struct str jdoc_str(const struct jdoc *object, const char *key);
int64_t jdoc_i64(const struct jdoc *object, const char *key, int64_t otherwise);
double jdoc_double(const struct jdoc *object, const char *key, double otherwise);
bool jdoc_bool(const struct jdoc *object, const char *key, bool otherwise);

#define jdoc_each(item, list)                                                                      \
    for (const struct jdoc *item = (list) ? (list)->first : NULL; item; item = item->next)

#endif
