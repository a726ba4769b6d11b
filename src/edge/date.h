/* SPDX-License-Identifier: Apache-2.0
 *
 * struct date: the Date of answers (RFC 9110 §6.6.1), written once a second. Zeroed at first.
 */
#ifndef EDGE_DATE_H
#define EDGE_DATE_H

#include "base/num.h"
#include "base/timefmt.h"

enum { DATE_LEN = 29, DATE_LINE_LEN = 6 + DATE_LEN + 2 };

struct date {
    int64_t second;
    char line[DATE_LINE_LEN + 1]; /* "Date: …\r\n" */
};

/* The line of an HTTP/1 head, DATE_LINE_LEN bytes. Until the next call. */
static inline const char *date_line(struct date *date, int64_t wall_ns)
{
    int64_t second = wall_ns / NS_PER_S;
    if (unlikely(second != date->second)) {
        struct buf out = {.p = date->line, .cap = sizeof(date->line), .max = sizeof(date->line)};
        buf_add(&out, STR("Date: "));
        timefmt_http(&out, wall_ns);
        buf_add(&out, STR("\r\n"));
        date->second = second;
    }
    return date->line;
}

static inline struct str date_text(struct date *date, int64_t wall_ns)
{
    return str_make(date_line(date, wall_ns) + 6, DATE_LEN);
}

#endif
