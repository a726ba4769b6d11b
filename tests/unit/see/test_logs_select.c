/* SPDX-License-Identifier: Apache-2.0
 *
 * Selecting lines out of many streams, against a plain list of all lines.
 */
#include "harness/test.h"

#include "os/file.h"
#include "see/logs_select.h"
#include "store/segment.h"

#include <stdio.h>
#include <stdlib.h>

enum { STREAMS = 7, LINES_MAX = 6000 };

struct model_line {
    int64_t time;
    int stream;
    char text[64];
};

static char folder[64];
static struct stream_id ids[STREAMS];
static struct segment_stream segments[STREAMS];
static struct model_line model[LINES_MAX];
static size_t model_len;

static void set_up(void)
{
    snprintf(folder, sizeof(folder), "/tmp/muelle-test-XXXXXX");
    check(mkdtemp(folder));
    for (int i = 0; i < STREAMS; i++) {
        char path[STREAM_PATH_MAX];
        ids[i] = (struct stream_id){.replica = (uint32_t)i / 2 + 1, .stream = (uint8_t)(i % 2)};
        str_copy(ids[i].tenant, sizeof(ids[i].tenant), STR("default"));
        str_copy(ids[i].project, sizeof(ids[i].project), STR("shop"));
        str_copy(ids[i].service, sizeof(ids[i].service), i < 4 ? STR("web") : STR("db"));
        check_int(stream_folder(&ids[i], folder, path), 0);
        check_int(segment_open(&segments[i], path), 0);
    }
}

static void tear_down(void)
{
    for (int i = 0; i < STREAMS; i++) {
        segment_close(&segments[i]);
    }
    check_int(file_remove_tree(folder), 0);
    model_len = 0;
}

static void add_lines(struct rng *rng, size_t count)
{
    static int64_t now = 1000;
    for (size_t n = 0; n < count && model_len < LINES_MAX; n++) {
        struct model_line *line = &model[model_len++];
        line->stream = (int)rng_below(rng, STREAMS);
        line->time = now += 1 + (int64_t)rng_below(rng, 3);
        snprintf(line->text, sizeof(line->text), "line %d of %s", (int)rng_below(rng, 50),
                 rng_chance(rng, 500) ? "alpha" : "Beta");
        struct segment_record record = {
            .time = line->time, .offset = 1, .source = 1, .bytes = str_from(line->text)};
        check_int(segment_append(&segments[line->stream], &record, 1), 0);
        if (rng_chance(rng, 5)) {
            check_int(segment_seal(&segments[line->stream]), 0);
        }
    }
}

static bool wanted(const struct logs_select *select, const struct model_line *line)
{
    bool stream = false;
    for (size_t i = 0; i < select->id_count; i++) {
        stream = stream || stream_eq(&select->ids[i], &ids[line->stream]);
    }
    return stream && line->time >= select->from && line->time < select->to &&
           strstr(line->text, select->text.len ? select->text.p : "");
}

/* The model's answer: indexes of the lines of the page; true if there are more. */
static bool model_select(const struct logs_select *select, size_t *page, size_t *ret_count)
{
    size_t all = 0, count = 0;
    for (size_t i = 0; i < model_len; i++) {
        all += wanted(select, &model[i]);
    }
    size_t skip = select->newest && all > select->limit ? all - select->limit : 0;
    for (size_t i = 0; i < model_len && count < select->limit; i++) {
        if (!wanted(select, &model[i])) {
            continue;
        }
        if (skip > 0) {
            skip--;
        } else {
            page[count++] = i;
        }
    }
    *ret_count = count;
    return all > count;
}

static void check_select(const struct logs_select *select)
{
    static size_t page[LINES_MAX];
    size_t count = 0;
    struct logs_selection selection;
    logs_selection_init(&selection);
    check_int(logs_select_run(select, &selection), 0);
    bool more = model_select(select, page, &count);
    check_int(selection.lines.len, count);
    check_int(selection.more, more);
    for (size_t i = 0; i < count; i++) {
        const struct logs_line *line = vec_at(&selection.lines, struct logs_line, i);
        check_int(line->wall_ns, model[page[i]].time);
        check_str(line->message, str_from(model[page[i]].text));
        check_int(line->replica, ids[model[page[i]].stream].replica);
    }
    logs_selection_fini(&selection);
}

TEST(any_query_answers_as_a_plain_list_does)
{
    struct rng *rng = test_rng();
    set_up();
    for (size_t round = test_rounds(150); round > 0; round--) {
        static const struct str texts[] = {STR_INIT(""), STR_INIT("alpha"), STR_INIT("line 7 "),
                                           STR_INIT("none")};
        add_lines(rng, rng_below(rng, 60));
        size_t first = rng_below(rng, STREAMS);
        int64_t last = model_len ? model[model_len - 1].time : 1000;
        struct logs_select select = {
            .logs = folder,
            .ids = ids + first,
            .id_count = 1 + rng_below(rng, STREAMS - first),
            .from = rng_chance(rng, 500) ? 0 : (int64_t)rng_below(rng, (uint64_t)last + 1),
            .to = INT64_MAX,
            .text = texts[rng_below(rng, ARRAY_LEN(texts))],
            .newest = rng_chance(rng, 500),
            .limit = 1 + (uint32_t)rng_below(rng, 100),
        };
        if (rng_chance(rng, 500)) {
            select.to = select.from + (int64_t)rng_below(rng, 2000);
        }
        check_select(&select);
    }
    tear_down();
}

TEST(pages_follow_each_other_without_gap_or_repetition)
{
    struct rng *rng = test_rng();
    set_up();
    add_lines(rng, 3000);
    int64_t after = 0;
    size_t seen = 0;
    bool more = true;
    while (more) {
        struct logs_selection selection;
        logs_selection_init(&selection);
        check_int(logs_select_run(&(struct logs_select){.logs = folder,
                                                        .ids = ids,
                                                        .id_count = STREAMS,
                                                        .from = after + 1,
                                                        .to = INT64_MAX,
                                                        .limit = 77},
                                  &selection),
                  0);
        for (size_t i = 0; i < selection.lines.len; i++, seen++) {
            const struct logs_line *line = vec_at(&selection.lines, struct logs_line, i);
            check_int(line->wall_ns, model[seen].time);
            after = line->wall_ns;
        }
        more = selection.more;
        logs_selection_fini(&selection);
    }
    check_int(seen, model_len);
    tear_down();
}

TEST(a_page_is_bounded_in_bytes)
{
    static char text[SEGMENT_RECORD_MAX];
    struct logs_selection selection;
    set_up();
    memset(text, 'x', sizeof(text));
    for (int64_t i = 1; i <= 100; i++) {
        struct segment_record record = {
            .time = i, .offset = 1, .source = 1, .bytes = str_make(text, sizeof(text))};
        check_int(segment_append(&segments[0], &record, 1), 0);
    }
    logs_selection_init(&selection);
    check_int(logs_select_run(&(struct logs_select){.logs = folder,
                                                    .ids = ids,
                                                    .id_count = 1,
                                                    .to = INT64_MAX,
                                                    .limit = 1000,
                                                    .newest = true},
                              &selection),
              0);
    check(selection.more);
    check_int(selection.lines.len, LOGS_PAGE_BYTES_MAX / sizeof(text));
    check_int(vec_at(&selection.lines, struct logs_line, selection.lines.len - 1)->wall_ns, 100);
    logs_selection_fini(&selection);
    tear_down();
}

TEST(a_cancelled_query_ends)
{
    static const bool cancelled = true;
    struct logs_selection selection;
    set_up();
    add_lines(test_rng(), 10);
    logs_selection_init(&selection);
    check_int(logs_select_run(&(struct logs_select){.logs = folder,
                                                    .ids = ids,
                                                    .id_count = STREAMS,
                                                    .to = INT64_MAX,
                                                    .limit = 5,
                                                    .cancelled = &cancelled},
                              &selection),
              -ECANCELED);
    logs_selection_fini(&selection);
    tear_down();
}
