/* SPDX-License-Identifier: Apache-2.0
 *
 * What a page of the gateway says, and how: HTML for people in their language, an RFC 9457 problem
 * for programs. Nothing here knows streams; reply.c decides what is said and to whom.
 */
#ifndef EDGE_PAGE_H
#define EDGE_PAGE_H

#include "base/buf.h"

/* The same in each language. Words that come from elsewhere (a parser's) have no `es`: a Spanish
 * page shows them as English. Begins in small letters, ASCII ones: it stands behind "Service x:",
 * or is made the beginning of a sentence. */
struct said {
    const char *en, *es;
};
#define SAID(en_, es_)                                                                             \
    ((struct said){                                                                                \
        .en = (en_),                                                                               \
        .es = (es_),                                                                               \
    })

struct page_text {
    unsigned status;
    const char *code;      /* of the problem */
    struct said reason;    /* one sentence without its full stop */
    struct said hint;      /* what to do, whole sentences; may be none */
    struct str service;    /* whom it is about; may be none */
    struct str request_id; /* may be none */
};

/* Does this Accept-Language (RFC 9110 §12.5.4) like Spanish better than English? */
bool page_in_spanish(struct str header);
void page_write_html(struct buf *out, const struct page_text *text, bool spanish);
void page_write_problem(struct buf *out, const struct page_text *text);

#endif
