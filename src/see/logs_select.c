/* SPDX-License-Identifier: Apache-2.0
 *
 * Selecting with a bounded heap: its top is the line that has to go first when the page is too
 * large. A stream is left as soon as its next line would be the next to go.
 *
 * 1. The heap holds the best lines of all that was read so far, at most `limit` of them and (but
 *    for a single one) LOGS_PAGE_BYTES_MAX bytes.
 * 2. Within a stream lines come in the order in which they are wanted, so the first one that is
 *    beyond the heap's worst ends the stream.
 * 3. `more` is set whenever a line that matches was left out.
 *
 * Why one stream after another and not a merge of all: a merge holds a block of each stream in
 * memory, and there may be ten thousand; the heap holds one page.
 */
#include "see/logs_select.h"

#include "store/segment.h"

#include <stdlib.h>

struct logs_candidate {
    int64_t key; /* the time, or its negative when the newest are wanted: the largest goes first */
    struct logs_line line;
    char bytes[];
};

void logs_selection_init(struct logs_selection *selection)
{
    *selection = (struct logs_selection){
        .heap = VEC_INIT(struct logs_candidate *, LOGS_LIMIT_MAX + 1),
        .lines = VEC_INIT(struct logs_line, LOGS_LIMIT_MAX + 1),
    };
}

void logs_selection_fini(struct logs_selection *selection)
{
    for (size_t i = 0; i < selection->heap.len; i++) {
        free(*vec_at(&selection->heap, struct logs_candidate *, i));
    }
    vec_fini(&selection->heap);
    vec_fini(&selection->lines);
}

static struct logs_candidate **heap_of(struct logs_selection *selection)
{
    return selection->heap.items;
}

static void swap(struct logs_candidate **a, struct logs_candidate **b)
{
    struct logs_candidate *c = *a;
    *a = *b;
    *b = c;
}

static void sift_up(struct logs_candidate **heap, size_t i)
{
    while (i > 0 && heap[(i - 1) / 2]->key < heap[i]->key) {
        swap(&heap[i], &heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
}

static void sift_down(struct logs_candidate **heap, size_t len, size_t i)
{
    for (;;) {
        size_t largest = i;
        for (size_t child = 2 * i + 1; child < len && child <= 2 * i + 2; child++) {
            if (heap[child]->key > heap[largest]->key) {
                largest = child;
            }
        }
        if (largest == i) {
            return;
        }
        swap(&heap[i], &heap[largest]);
        i = largest;
    }
}

/* `more`, since what goes did match: a next page will find it again. */
static void drop_top(struct logs_selection *selection)
{
    struct logs_candidate **heap = heap_of(selection);
    selection->bytes -= heap[0]->line.message.len;
    free(heap[0]);
    selection->heap.len--;
    heap[0] = heap[selection->heap.len];
    sift_down(heap, selection->heap.len, 0);
    selection->more = true;
}

static struct logs_candidate *new_candidate(const struct stream_id *id,
                                            const struct segment_record *record, int64_t key)
{
    struct logs_candidate *candidate = malloc(sizeof(*candidate) + record->bytes.len);
    if (!candidate) {
        return NULL;
    }
    if (record->bytes.len) {
        memcpy(candidate->bytes, record->bytes.p, record->bytes.len);
    }
    candidate->key = key;
    candidate->line = (struct logs_line){
        .wall_ns = record->time,
        .project = str_from(id->project),
        .service = str_from(id->service),
        .replica = id->replica,
        .stream = id->stream,
        .flags = record->flags,
        .offset = record->offset,
        .message = str_make(candidate->bytes, record->bytes.len),
    };
    return candidate;
}

/* Would the line be dropped at once? Times are unique over all streams (see/README.md), so ">"
 * leaves no tie to be decided by chance. */
static bool is_beyond(const struct logs_select *select, struct logs_selection *selection,
                      int64_t key, size_t bytes)
{
    bool full = selection->heap.len >= select->limit ||
                (selection->heap.len && selection->bytes + bytes > LOGS_PAGE_BYTES_MAX);
    return full && key > heap_of(selection)[0]->key;
}

/* In, and whatever is too much then out again: the line itself may be what goes. */
static int take_record(const struct logs_select *select, struct logs_selection *selection,
                       const struct stream_id *id, const struct segment_record *record)
{
    int64_t key = select->newest ? -record->time : record->time;
    struct logs_candidate *candidate = new_candidate(id, record, key);
    int r = candidate ? vec_push(&selection->heap, &candidate) : -ENOMEM;
    if (r < 0) {
        free(candidate);
        return r;
    }
    selection->bytes += record->bytes.len;
    sift_up(heap_of(selection), selection->heap.len - 1);
    while (selection->heap.len > select->limit ||
           (selection->heap.len > 1 && selection->bytes > LOGS_PAGE_BYTES_MAX)) {
        drop_top(selection);
    }
    return 0;
}

static int select_stream(const struct logs_select *select, struct logs_selection *selection,
                         const struct stream_id *id)
{
    char folder[STREAM_PATH_MAX];
    struct segment_reader *reader = NULL;
    struct segment_record record;
    const struct segment_query query = {
        .from = select->from,
        .to = select->to,
        .text = select->text,
        .ignore_case = select->ignore_case,
        .backward = select->newest,
        .cancelled = select->cancelled,
    };
    int r = stream_folder(id, select->logs, folder);
    if (r == 0) {
        r = segment_reader_new(folder, &query, &reader);
    }
    while (r == 0 && (r = segment_reader_next(reader, &record)) == 0) {
        int64_t key = select->newest ? -record.time : record.time;
        if (is_beyond(select, selection, key, record.bytes.len)) {
            selection->more = true;
            break;
        }
        r = take_record(select, selection, id, &record);
    }
    if (reader) {
        selection->scanned += segment_reader_scanned(reader);
    }
    segment_reader_free(reader);
    return r == SEGMENT_E_END ? 0 : r;
}

static int by_time(const void *a, const void *b)
{
    const struct logs_candidate *const *x = a, *const *y = b;
    return ((*x)->line.wall_ns > (*y)->line.wall_ns) - ((*x)->line.wall_ns < (*y)->line.wall_ns);
}

int logs_select_run(const struct logs_select *select, struct logs_selection *ret)
{
    int r = 0;
    ensure(select->limit > 0 && select->limit <= LOGS_LIMIT_MAX);
    for (size_t i = 0; i < select->id_count && r == 0; i++) {
        r = select_stream(select, ret, &select->ids[i]);
    }
    if (ret->heap.len > 1) {
        qsort(ret->heap.items, ret->heap.len, sizeof(struct logs_candidate *), by_time);
    }
    for (size_t i = 0; i < ret->heap.len && r == 0; i++) {
        r = vec_push(&ret->lines, &heap_of(ret)[i]->line);
    }
    return r;
}
