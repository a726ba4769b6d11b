/* SPDX-License-Identifier: Apache-2.0
 *
 * Segments against a model (an array), over random appends, seals, trims, reopenings and torn
 * tails.
 */
#include "harness/test.h"

#include "base/vec.h"
#include "os/clock.h"
#include "os/file.h"
#include "store/segment_files.h"

#include <unistd.h>

static char folder[96];

static void make_folder(void)
{
    (void)snprintf(folder, sizeof(folder), "/tmp/muelle-test-XXXXXX");
    check(mkdtemp(folder));
}

static void remove_folder(void)
{
    check_int(file_remove_tree(folder), 0);
}

static const char *path_of(const char *name)
{
    static char path[SEGMENT_PATH_SIZE];
    check_int(segment_path(path, folder, name), 0);
    return path;
}

/* Record i of the model: everything about it follows from its number. */
static struct segment_record make_record(size_t i, char text[256])
{
    static const char *const words[] = {
        "GET /index", "Needle", "error: ", "", "\xff\xfe", "needle"};
    size_t len = 0;
    for (size_t n = 0; n < i % 4; n++) {
        const char *word = words[(i * 7 + n * 3) % ARRAY_LEN(words)];
        len += (size_t)snprintf(text + len, 256 - len, "%s %zu ", word, i);
    }
    return (struct segment_record){
        .time = 1000 + (int64_t)i * 10,
        .offset = (i + 1) * 100 + i % 3,
        .source = 1 + i / 500,
        .flags = (uint8_t)(i % 5 == 0),
        .bytes = str_make(text, len),
    };
}

static void check_record(const struct segment_record *got, size_t i)
{
    char text[256];
    struct segment_record want = make_record(i, text);
    check_int(got->time, want.time);
    check_int(got->offset, want.offset);
    check_int(got->source, want.source);
    check_int(got->flags, want.flags);
    check_str(got->bytes, want.bytes);
}

/* Appends the model's records [from, to). */
static void append(struct segment_stream *stream, size_t from, size_t to)
{
    enum { BATCH = 100 };
    static char texts[BATCH][256];
    struct segment_record records[BATCH];
    while (from < to) {
        size_t count = MIN(to - from, (size_t)BATCH);
        for (size_t n = 0; n < count; n++) {
            records[n] = make_record(from + n, texts[n]);
        }
        check_int(segment_append(stream, records, count), 0);
        from += count;
    }
}

static bool model_matches(size_t i, const struct segment_query *query)
{
    char text[256], folded[256];
    struct segment_record record = make_record(i, text);
    struct str bytes = record.bytes;
    if (query->ignore_case) {
        segment_fold(bytes.p, bytes.len, folded);
        bytes.p = folded;
    }
    return record.time >= query->from && record.time < query->to &&
           str_find(bytes, query->text) >= 0;
}

/* What a reader finds is what the model's [first, end) says. `query->text` is lower case. */
static void check_query(const struct segment_query *query, size_t first, size_t end)
{
    struct segment_reader *reader = NULL;
    struct segment_record record;
    check_int(segment_reader_new(folder, query, &reader), 0);
    for (size_t n = first; n < end; n++) {
        size_t i = query->backward ? first + end - 1 - n : n;
        if (model_matches(i, query)) {
            check_int(segment_reader_next(reader, &record), 0);
            check_record(&record, i);
        }
    }
    check_int(segment_reader_next(reader, &record), SEGMENT_E_END);
    check_int(segment_reader_damaged(reader), 0);
    segment_reader_free(reader);
}

static void check_all(size_t first, size_t end)
{
    check_query(&(struct segment_query){.to = INT64_MAX}, first, end);
}

static struct segment_query random_query(struct rng *rng, size_t end)
{
    static const struct str texts[] = {STR_INIT(""), STR_INIT("needle"), STR_INIT("index 1"),
                                       STR_INIT("nowhere")};
    struct segment_query query = {.to = INT64_MAX, .text = texts[rng_below(rng, ARRAY_LEN(texts))]};
    query.ignore_case = rng_chance(rng, 500);
    query.backward = rng_chance(rng, 500);
    if (rng_chance(rng, 500)) {
        query.from = 1000 + (int64_t)rng_below(rng, end * 10 + 1);
        query.to = query.from + (int64_t)rng_below(rng, 3000);
    }
    return query;
}

TEST(records_come_back_in_order_from_head_and_sealed_files)
{
    struct segment_stream stream;
    make_folder();
    check_int(segment_open(&stream, folder), 0);
    check_all(0, 0);
    append(&stream, 0, 3000);
    check_all(0, 3000);
    check_int(segment_seal(&stream), 0);
    check(stream.sealed_bytes > 0);
    check_all(0, 3000);
    append(&stream, 3000, 4000);
    check_all(0, 4000);
    segment_close(&stream);
    remove_folder();
}

TEST(any_history_reads_like_the_model)
{
    for (size_t round = test_rounds(8); round > 0; round--) {
        struct rng *rng = test_rng();
        struct segment_stream stream;
        size_t end = 0;
        make_folder();
        check_int(segment_open(&stream, folder), 0);
        for (int step = 0; step < 60; step++) {
            size_t more = rng_below(rng, 400);
            switch (rng_below(rng, 4)) {
            case 0:
                check_int(segment_seal(&stream), 0);
                break;
            case 1:
                segment_close(&stream);
                check_int(segment_open(&stream, folder), 0);
                check_int(stream.cut_bytes, 0);
                check_int(stream.offset, end ? end * 100 + (end - 1) % 3 : 0);
                check_int(stream.last_time, end ? 1000 + ((int64_t)end - 1) * 10 : 0);
                break;
            default:
                append(&stream, end, end + more);
                end += more;
            }
            struct segment_query query = random_query(rng, end);
            check_query(&query, 0, end);
        }
        segment_close(&stream);
        remove_folder();
    }
}

TEST(a_head_torn_at_any_byte_keeps_its_whole_records_and_goes_on)
{
    enum { RECORDS = 12 };
    struct segment_stream stream;
    struct buf whole = BUF_INIT(MIB);
    size_t ends[RECORDS + 1];
    make_folder();
    check_int(segment_open(&stream, folder), 0);
    ends[0] = (size_t)stream.head_len;
    for (size_t i = 0; i < RECORDS; i++) {
        append(&stream, i, i + 1);
        ends[i + 1] = (size_t)stream.head_len;
    }
    segment_close(&stream);
    check_int(file_read_all(path_of(SEGMENT_HEAD_NAME), whole.max, &whole), 0);
    for (size_t cut = SEGMENT_HEAD_HEADER; cut <= whole.len; cut++) {
        size_t kept = 0;
        while (kept < RECORDS && ends[kept + 1] <= cut) {
            kept++;
        }
        /* With and without garbage where the rest was. */
        struct buf torn = BUF_INIT(MIB);
        buf_add_mem(&torn, whole.p, cut);
        if (cut % 2) {
            buf_add(&torn, STR("\xa5 garbage \xff\xff\xff\xff\xff\xff\xff\xff garbage garbage"));
        }
        check_int(file_replace(path_of(SEGMENT_HEAD_NAME), buf_str(&torn), 0600), 0);
        check_int(segment_open(&stream, folder), 0);
        check_int(stream.head_len, ends[kept]);
        check_int(stream.cut_bytes, torn.len - ends[kept]);
        check_int(stream.offset, kept ? kept * 100 + (kept - 1) % 3 : 0);
        append(&stream, kept, RECORDS + 3);
        segment_close(&stream);
        check_all(0, RECORDS + 3);
        buf_fini(&torn);
    }
    buf_fini(&whole);
    remove_folder();
}

TEST(a_sealing_that_a_crash_cut_short_neither_loses_nor_doubles)
{
    struct segment_stream stream;
    struct buf head = BUF_INIT(16 * MIB);
    make_folder();
    check_int(segment_open(&stream, folder), 0);
    append(&stream, 0, 2000);
    check_int(file_read_all(path_of(SEGMENT_HEAD_NAME), head.max, &head), 0);
    check_int(segment_seal(&stream), 0);
    segment_close(&stream);
    /* The crash came behind the rename: the old head is still there. */
    check_int(file_replace(path_of(SEGMENT_HEAD_NAME), buf_str(&head), 0600), 0);
    check_int(file_replace(path_of(SEGMENT_TMP_NAME), STR("half"), 0600), 0);
    check_all(0, 2000);
    check_int(segment_open(&stream, folder), 0);
    check_all(0, 2000);
    check(!file_exists(path_of(SEGMENT_TMP_NAME)));
    check_int(stream.head_time, 0);
    append(&stream, 2000, 2100);
    check_all(0, 2100);
    segment_close(&stream);
    buf_fini(&head);
    remove_folder();
}

/* No room for a new head (here: its temporary name is a folder): the old one goes on, and what was
 * sealed of it must not be met twice, now or after the next start. */
TEST(a_sealing_that_finds_no_room_for_a_new_head_does_not_double)
{
    struct segment_stream stream;
    char in_the_way[SEGMENT_PATH_SIZE];
    make_folder();
    check_int(segment_open(&stream, folder), 0);
    append(&stream, 0, 2000);
    snprintf(in_the_way, sizeof(in_the_way), "%s/" SEGMENT_HEAD_NAME ".%d.tmp", folder, getpid());
    check_int(file_mkdir_p(in_the_way, 0700), 0);
    check(segment_seal(&stream) < 0);
    append(&stream, 2000, 2100);
    check_all(0, 2100);
    check_int(stream.sealed_bytes, 0);
    check_int(file_rmdir(in_the_way), 0);
    check_int(segment_seal(&stream), 0);
    append(&stream, 2100, 2200);
    check_all(0, 2200);
    segment_close(&stream);
    check_int(segment_open(&stream, folder), 0);
    check_all(0, 2200);
    segment_close(&stream);
    remove_folder();
}

TEST(a_damaged_block_is_skipped_and_counted)
{
    struct segment_stream stream;
    struct vec files = VEC_INIT(struct segment_file, 10);
    char name[SEGMENT_NAME_SIZE];
    struct segment_reader *reader = NULL;
    struct segment_record record;
    size_t seen = 0;
    make_folder();
    check_int(segment_open(&stream, folder), 0);
    append(&stream, 0, 30000);
    check_int(segment_seal(&stream), 0);
    segment_close(&stream);
    check_int(segment_files_list(folder, &files), 0);
    check_int(files.len, 1);
    segment_file_name(name, files.items);
    int fd = -1;
    check_int(file_open(path_of(name), FILE_WRITE, 0, &fd), 0);
    check_int(file_pwrite(fd, "XXXX", 4, 500), 0);
    file_close(&fd);
    check_int(segment_reader_new(folder, &(struct segment_query){.to = INT64_MAX}, &reader), 0);
    while (segment_reader_next(reader, &record) == 0) {
        check_record(&record, (size_t)(record.time - 1000) / 10);
        seen++;
    }
    check_int(segment_reader_damaged(reader), 1);
    check(seen > 10000 && seen < 30000);
    segment_reader_free(reader);
    vec_fini(&files);
    remove_folder();
}

TEST(trimming_removes_the_oldest_by_bytes_and_by_age)
{
    struct segment_stream stream;
    uint64_t freed = 0;
    make_folder();
    check_int(segment_open(&stream, folder), 0);
    for (size_t i = 0; i < 5; i++) {
        append(&stream, i * 1000, (i + 1) * 1000);
        check_int(segment_seal(&stream), 0);
    }
    uint64_t before = stream.sealed_bytes;
    check_int(segment_trim(&stream, before, 0, &freed), 0);
    check_int(freed, 0);
    check_int(segment_trim(&stream, before - 1, 0, &freed), 0);
    check_int(freed, before - stream.sealed_bytes);
    check_all(1000, 5000);
    check_int(stream.first_time, 1000 + 1000 * 10);
    check_int(segment_trim(&stream, before, 1000 + 3500 * 10, &freed), 0);
    check_all(3000, 5000);
    check_int(segment_trim(&stream, 0, 0, &freed), 0);
    check_int(freed, before);
    check_all(0, 0);
    check_int(stream.first_time, 0);
    segment_close(&stream);
    /* Where the source goes on is known although all records are gone. */
    check_int(segment_open(&stream, folder), 0);
    check_int(stream.offset, 5000 * 100 + 4999 % 3);
    check_int(stream.last_time, 1000 + 4999 * 10);
    append(&stream, 5000, 5001);
    check_all(5000, 5001);
    segment_close(&stream);
    remove_folder();
}

TEST(a_full_head_is_sealed_by_the_append_that_finds_it)
{
    struct segment_stream stream;
    make_folder();
    check_int(segment_open(&stream, folder), 0);
    append(&stream, 0, 100000);
    check(stream.sealed_bytes > 0);
    check(stream.head_len < SEGMENT_HEAD_MAX);
    check_all(0, 100000);
    segment_close(&stream);
    remove_folder();
}

static void append_bytes(struct segment_stream *stream, size_t len)
{
    static char text[SEGMENT_RECORD_MAX];
    const struct segment_record record = {
        .time = stream->last_time + 1, .source = 1, .bytes = str_make(text, len)};
    check_int(segment_append(stream, &record, 1), 0);
}

TEST(a_sealing_that_failed_is_not_repeated_by_each_append)
{
    struct segment_stream stream;
    make_folder();
    check_int(segment_open(&stream, folder), 0);
    check_int(file_mkdir(path_of(SEGMENT_TMP_NAME), 0700), 0); /* in the way of sealing */
    while (stream.head_len <= SEGMENT_HEAD_MAX) {
        append_bytes(&stream, SEGMENT_RECORD_MAX);
    }
    append_bytes(&stream, 10); /* tries, and goes on in the head */
    uint64_t failed_at = stream.head_len;
    check_int(file_rmdir(path_of(SEGMENT_TMP_NAME)), 0);
    append_bytes(&stream, 10);
    check_int(stream.sealed_bytes, 0);
    while (stream.head_len < failed_at + SEGMENT_HEAD_MAX / 4) {
        append_bytes(&stream, SEGMENT_RECORD_MAX);
    }
    append_bytes(&stream, 10);
    check(stream.sealed_bytes > 0 && stream.head_len < SEGMENT_RECORD_MAX);
    segment_close(&stream);
    remove_folder();
}

TEST(syncing_moves_what_is_safe_to_the_end)
{
    struct segment_stream stream;
    make_folder();
    check_int(segment_open(&stream, folder), 0);
    append(&stream, 0, 10);
    check_int(stream.synced_offset, 0);
    check_int(segment_sync(&stream), 0);
    check_int(stream.synced_offset, stream.offset);
    check_int(stream.synced_len, stream.head_len);
    segment_close(&stream);
    remove_folder();
}

TEST(a_record_that_decodes_encodes_to_the_same_bytes)
{
    struct rng *rng = test_rng();
    for (size_t round = test_rounds(2000); round > 0; round--) {
        struct buf out = BUF_INIT(KIB), again = BUF_INIT(KIB);
        char text[256];
        struct segment_record record = make_record(rng_below(rng, 100000), text), back;
        size_t size = 0;
        segment_record_encode(&out, &record);
        check_int(segment_record_decode(buf_str(&out), true, &back, &size), 0);
        check_int(size, out.len);
        segment_record_encode(&again, &back);
        check_str(buf_str(&again), buf_str(&out));
        for (size_t cut = 0; cut < out.len; cut++) {
            check_int(segment_record_decode(str_make(out.p, cut), true, &back, &size),
                      SEGMENT_E_BAD);
        }
        out.p[rng_below(rng, out.len)] ^= (char)(1 + rng_below(rng, 255));
        check_int(segment_record_decode(buf_str(&out), true, &back, &size), SEGMENT_E_BAD);
        buf_fini(&out);
        buf_fini(&again);
    }
}

/* Random bytes in every part, with the checksums made right again, must never read out of
 * bounds. */
TEST(a_block_of_any_bytes_decodes_or_is_refused)
{
    struct rng *rng = test_rng();
    struct segment_block block = SEGMENT_BLOCK_INIT, back = SEGMENT_BLOCK_INIT;
    struct buf frames = BUF_INIT(MIB);
    struct segment_entry entry = {0};
    char text[256];
    for (size_t i = 0; i < 700; i++) {
        struct segment_record record = make_record(i, text);
        check_int(segment_block_add(&block, &record), 0);
    }
    check_int(segment_block_encode(&block, &frames, &entry), 0);
    check_int(segment_block_decode(&back, &entry, buf_str(&frames), false), 0);
    for (size_t i = 0; i < 700; i++) {
        struct segment_record record = segment_block_at(&back, i);
        check_record(&record, i);
    }
    for (size_t round = test_rounds(3000); round > 0; round--) {
        size_t at = rng_below(rng, frames.len);
        char was = frames.p[at];
        struct segment_entry wrong = entry;
        frames.p[at] = (char)rng_u64(rng);
        wrong.records = rng_chance(rng, 200) ? (uint32_t)rng_below(rng, 9000) : entry.records;
        wrong.bytes_raw -= (uint32_t)rng_below(rng, 2);
        int r = segment_columns_decode(&back, &wrong, buf_str(&frames));
        check(r == 0 || r == SEGMENT_E_BAD);
        frames.p[at] = was;
    }
    segment_block_fini(&block);
    segment_block_fini(&back);
    buf_fini(&frames);
}

/* A figure for people, not a test of time: how fast a search reads. */
TEST(a_search_reads_all_that_it_has_to)
{
    struct segment_stream stream;
    struct segment_reader *reader = NULL;
    struct segment_record record;
    make_folder();
    check_int(segment_open(&stream, folder), 0);
    append(&stream, 0, 200000);
    check_int(segment_seal(&stream), 0);
    segment_close(&stream);
    int64_t start = clock_mono_ns();
    check_int(segment_reader_new(folder,
                                 &(struct segment_query){.to = INT64_MAX, .text = STR("not there")},
                                 &reader),
              0);
    check_int(segment_reader_next(reader, &record), SEGMENT_E_END);
    double s = (double)(clock_mono_ns() - start) / 1e9,
           mb = (double)segment_reader_scanned(reader) / 1e6;
    printf("# %.1f MB in %.3f s: %.0f MB/s\n", mb, s, mb / s);
    check(mb > 3);
    segment_reader_free(reader);
    remove_folder();
}

TEST(folding_makes_ascii_letters_lower_and_leaves_the_rest)
{
    char bytes[256 + 7], folded[256 + 7];
    for (size_t shift = 0; shift < 8; shift++) {
        for (size_t i = 0; i < 256; i++) {
            bytes[i] = (char)(i + shift * 31);
        }
        segment_fold(bytes, 256 - shift, folded);
        for (size_t i = 0; i < 256 - shift; i++) {
            char want = bytes[i] >= 'A' && bytes[i] <= 'Z' ? (char)(bytes[i] + 32) : bytes[i];
            check_int(folded[i], want);
        }
    }
}
