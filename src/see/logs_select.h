/* SPDX-License-Identifier: Apache-2.0
 *
 * struct logs_selection: the first (or last) `limit` lines of some streams that match a query, in
 * the order of their times. Works on the files alone, on a worker.
 *
 * Streams are read one after another, each only as far as it can contribute, so that memory is
 * bounded by the page (LOGS_PAGE_BYTES_MAX) and one block, whatever the number of streams.
 */
#ifndef SEE_LOGS_SELECT_H
#define SEE_LOGS_SELECT_H

#include "base/vec.h"
#include "see/stream.h"

struct logs_candidate; /* a line that may be on the page */

struct logs_select {
    const char *logs;            /* folder */
    const struct stream_id *ids; /* the streams to look at */
    size_t id_count;
    int64_t from, to; /* from <= time < to */
    struct str text;  /* empty = all */
    bool ignore_case;
    bool newest;
    uint32_t limit;
    const bool *cancelled; /* looked at now and then; may be NULL */
};

struct logs_selection {
    struct vec heap; /* struct logs_candidate *: a heap while selecting, ascending afterwards */
    size_t bytes;
    struct vec lines; /* struct logs_line, into the candidates */
    bool more;
    uint64_t scanned;
};

void logs_selection_init(struct logs_selection *selection);
void logs_selection_fini(struct logs_selection *selection);
/* Fills `ret`, which was initialised and not used before; its lines point into it. 0; -ECANCELED;
 * -errno: then it holds what was found so far, to be freed. */
must_check int logs_select_run(const struct logs_select *select, struct logs_selection *ret);

#endif
