/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"

#include "os/file.h"
#include "see/retain.h"
#include "store/segment.h"

#include <errno.h>
#include <stdlib.h>

static char folder[64];
static struct vec catalog = {.max = 100, .item_size = sizeof(struct stream_id)};
static struct vec open_streams = {.max = 100, .item_size = sizeof(struct stream_id)};

/* A stream with sealed files that end at the given times. */
static void add_stream(const char *service, const int64_t *ends, size_t count)
{
    struct stream_id id = {"default", "shop", "", 1, LOGS_STDOUT};
    struct segment_stream stream;
    char path[STREAM_PATH_MAX];
    str_copy(id.service, sizeof(id.service), str_from(service));
    check_int(stream_folder(&id, folder, path), 0);
    check_int(segment_open(&stream, path), 0);
    for (size_t i = 0; i < count; i++) {
        struct segment_record record = {.time = ends[i], .source = 1, .bytes = STR("some line")};
        check_int(segment_append(&stream, &record, 1), 0);
        check_int(segment_seal(&stream), 0);
    }
    segment_close(&stream);
    check_int(stream_catalog_add(&catalog, &id), 0);
}

static size_t lines_of(size_t stream)
{
    char path[STREAM_PATH_MAX];
    struct segment_reader *reader = NULL;
    struct segment_record record;
    size_t count = 0;
    check_int(stream_folder(vec_at(&catalog, struct stream_id, stream), folder, path), 0);
    check_int(segment_reader_new(path, &(struct segment_query){.to = INT64_MAX}, &reader), 0);
    while (segment_reader_next(reader, &record) == 0) {
        count++;
    }
    segment_reader_free(reader);
    return count;
}

TEST(the_oldest_files_go_first_whatever_stream_they_are_of)
{
    struct retain_result result;
    struct retain retain = {folder, &catalog, &open_streams, UINT64_MAX, 0, NULL};
    snprintf(folder, sizeof(folder), "/tmp/muelle-test-XXXXXX");
    check(mkdtemp(folder));
    add_stream("quiet", (const int64_t[]){15}, 1);
    add_stream("chatty", (const int64_t[]){10, 20, 30, 40}, 4);
    check_int(retain_trim(&retain, &result), 0);
    check_int(result.files, 0);
    uint64_t all = result.stored_bytes;
    check(all > 0);
    retain.max_bytes = all - 1; /* one has to go: 10 */
    check_int(retain_trim(&retain, &result), 0);
    check_int(result.files, 1);
    check_int(lines_of(0), 1);
    check_int(lines_of(1), 3);
    retain.max_bytes = result.stored_bytes - 1; /* and another: 15, of the other stream */
    check_int(retain_trim(&retain, &result), 0);
    check_int(lines_of(0), 0);
    check_int(lines_of(1), 3);
    retain.max_bytes = UINT64_MAX;
    retain.min_time = 31; /* by age */
    check_int(retain_trim(&retain, &result), 0);
    check_int(result.files, 2);
    check_int(result.streams, 0); /* their heads are new */
    check_int(lines_of(1), 1);
    check_int(file_remove_tree(folder), 0);
    vec_fini(&catalog);
}

TEST(a_stream_that_nobody_writes_goes_when_all_of_it_is_old)
{
    struct retain_result result;
    struct vec gone = VEC_INIT(struct stream_id, 4);
    const struct retain retain = {folder, &catalog, &open_streams, UINT64_MAX, INT64_MAX, &gone};
    snprintf(folder, sizeof(folder), "/tmp/muelle-test-XXXXXX");
    check(mkdtemp(folder));
    add_stream("gone", (const int64_t[]){10}, 1);
    add_stream("here", (const int64_t[]){10}, 1);
    check_int(vec_push(&open_streams, vec_at(&catalog, struct stream_id, 1)), 0);
    check_int(retain_trim(&retain, &result), 0);
    check_int(result.streams, 1);
    check_int(gone.len, 1);
    check(stream_eq(vec_at(&gone, struct stream_id, 0), vec_at(&catalog, struct stream_id, 0)));
    vec_fini(&gone);
    char path[STREAM_PATH_MAX];
    check_int(stream_folder(vec_at(&catalog, struct stream_id, 0), folder, path), 0);
    check(!file_exists(path));
    check_int(stream_folder(vec_at(&catalog, struct stream_id, 1), folder, path), 0);
    check(file_exists(path));
    check_int(file_remove_tree(folder), 0);
    vec_fini(&catalog);
    vec_fini(&open_streams);
}

/* What is no folder where one should be stood in the way of all others' trimming. */
TEST(a_stream_that_cannot_be_listed_does_not_keep_others_from_being_trimmed)
{
    struct retain_result result;
    const struct retain retain = {folder, &catalog, &open_streams, 0, 0, NULL};
    const struct stream_id broken = {"default", "shop", "broken", 1, LOGS_STDOUT};
    char path[STREAM_PATH_MAX];
    int fd = -1;
    snprintf(folder, sizeof(folder), "/tmp/muelle-test-XXXXXX");
    check(mkdtemp(folder));
    check_int(stream_catalog_add(&catalog, &broken), 0);
    add_stream("web", (const int64_t[]){10, 20}, 2);
    snprintf(path, sizeof(path), "%s/default/shop/broken", folder);
    check_int(file_open(path, FILE_WRITE | FILE_CREATE, 0600, &fd), 0);
    file_close(&fd);
    check_int(retain_trim(&retain, &result), -ENOTDIR);
    check_int(result.files, 2);
    check_int(result.stored_bytes, 0);
    check_int(file_remove_tree(folder), 0);
    vec_fini(&catalog);
}
