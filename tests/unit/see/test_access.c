/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"

#include "base/json.h"
#include "link/snapshot_types.h"
#include "os/file.h"
#include "see/access.h"
#include "store/segment_files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Is it one valid JSON value? */
static bool is_json(struct str text)
{
    struct json_reader reader = JSON_READER(text);
    enum json_type type;
    while ((type = json_next(&reader)) != JSON_DONE) {
        if (type == JSON_ERROR) {
            return false;
        }
    }
    return true;
}

static void format_json(struct buf *out, const struct ring_access *access,
                        const struct names *names)
{
    struct access_format format;
    access_format_read(&format, STR_NONE);
    access_format_json(out, &format, &(struct access_entry){.access = *access}, names);
}

TEST(a_record_becomes_a_json_object)
{
    struct names names = NAMES_INIT;
    struct buf out = BUF_INIT(4096);
    struct ring_access access = {
        .at_wall_ns = 1500000000,
        .total_us = 1500,
        .status = 200,
        .method = RING_GET,
        .client = {127, 0, 0, 1},
        .bytes_out = 12,
        .client_family = 4,
        .path_len = 4,
        .path = "/a\"b",
        .request_id = "r1",
        .request_id_len = 2,
        .flags = RING_FLAG_HELD,
    };
    format_json(&out, &access, &names);
    check(is_json(buf_str(&out)));
    check(str_find(buf_str(&out), STR("\"path\":\"/a\\\"b\"")) > 0);
    check(str_find(buf_str(&out), STR("\"client\":\"127.0.0.1\"")) > 0);
    check(str_find(buf_str(&out), STR("\"status\":200")) > 0);
    check(str_find(buf_str(&out), STR("\"flags\":[\"held\"]")) > 0);
    buf_fini(&out);
    names_fini(&names);
}

TEST(any_record_the_edge_may_write_becomes_valid_json)
{
    struct names names = NAMES_INIT;
    for (size_t round = test_rounds(3000); round > 0; round--) {
        struct buf out = BUF_INIT(4096);
        struct ring_access access;
        uint8_t *bytes = (uint8_t *)&access;
        for (size_t i = 0; i < sizeof(access); i++) {
            bytes[i] = (uint8_t)rng_u64(test_rng());
        }
        access.at_wall_ns &= INT64_MAX >> 4;
        access.path_len %= RING_PATH_MAX + 1;
        access.host_len %= (uint8_t)(RING_PATH_MAX + 1 - access.path_len);
        access.request_id_len %= RING_REQUEST_ID_MAX + 1;
        access.method %= RING_METHODS;
        format_json(&out, &access, &names);
        check_int(buf_error(&out), 0);
        check(is_json(buf_str(&out)));
        buf_fini(&out);
    }
    names_fini(&names);
}

/* --- the way into the log --- */

static char folder[64];
static struct core core;
static struct tail tail;
static struct tail_clock now;
static struct names names = {0};
static struct vec catalog;
static struct access_log access_log;
static uint64_t committed[ACCESS_RINGS_MAX]; /* per ring: what the edge may write over */
static size_t kicks, told;
static int append_fails_at, appends; /* which append, from 1; 0 = none */
static int append_error = -ENOSPC;

void __wrap_edge_link_commit(struct edge_link *link, uint32_t ring, uint64_t sequence);
void __wrap_edge_link_commit(struct edge_link *link, uint32_t ring, uint64_t sequence)
{
    committed[ring] = sequence;
}

void __wrap_edge_link_unsubscribe(struct edge_reader *reader);
void __wrap_edge_link_unsubscribe(struct edge_reader *reader)
{
}

void __wrap_tail_kick(struct tail *t);
void __wrap_tail_kick(struct tail *t)
{
    kicks++;
}

int __wrap_segment_append(struct segment_stream *stream, const struct segment_record *records,
                          size_t count);
int __real_segment_append(struct segment_stream *stream, const struct segment_record *records,
                          size_t count);
int __wrap_segment_append(struct segment_stream *stream, const struct segment_record *records,
                          size_t count)
{
    return ++appends == append_fails_at ? append_error
                                        : __real_segment_append(stream, records, count);
}

static void tell(void *arg, const struct stream_id *ids, size_t count)
{
    told += count;
}

static void open_log(void)
{
    access_log = (struct access_log){.names = &names, .catalog = &catalog, .logs = folder};
    list_init(&tail.sources);
    check_int(access_init(&access_log, &core, &tail), 0);
}

static void set_up(void)
{
    (void)snprintf(folder, sizeof(folder), "/tmp/muelle-test-XXXXXX");
    check(mkdtemp(folder));
    tail = (struct tail){.ops = {.committed = tell}};
    catalog = VEC_INIT(struct stream_id, STREAM_CATALOG_MAX);
    open_log();
}

static void tear_down(void)
{
    access_fini(&access_log);
    vec_fini(&catalog);
    check_int(file_remove_tree(folder), 0);
}

/* As the edge's ring brings them. */
static void bring(uint64_t epoch, uint64_t from, uint64_t to, uint8_t kind)
{
    static struct ring_record record;
    record.kind = kind;
    record.access = (struct ring_access){.status = 200, .path_len = 1, .path = "/"};
    for (uint64_t sequence = from; sequence < to; sequence++) {
        const struct edge_record one = {
            .ring = 3, .epoch = epoch, .sequence = sequence, .record = &record};
        access_log.reader.records(&access_log.reader, &one, 1);
    }
}

/* One pass of the tail; false: there was nothing to do. */
static bool pass(void)
{
    struct tail_source *source = &access_log.source;
    bool work = source->take(source);
    if (work) {
        source->run(source, &now);
        source->done(source, 0, now.last_ns);
    }
    return work;
}

static size_t stored(void)
{
    const struct stream_id id = stream_access(STR("default"), STR(LOGS_NO_PROJECT));
    char path[STREAM_PATH_MAX];
    struct segment_reader *reader = NULL;
    struct segment_record record;
    size_t count = 0;
    check_int(stream_folder(&id, folder, path), 0);
    check_int(segment_reader_new(path, &(struct segment_query){.to = INT64_MAX}, &reader), 0);
    while (segment_reader_next(reader, &record) == 0) {
        count++;
    }
    segment_reader_free(reader);
    return count;
}

static size_t sealed_files(void)
{
    const struct stream_id id = stream_access(STR("default"), STR(LOGS_NO_PROJECT));
    struct vec files = VEC_INIT(struct segment_file, 16);
    char path[STREAM_PATH_MAX];
    check_int(stream_folder(&id, folder, path), 0);
    check_int(segment_files_list(path, &files), 0);
    size_t count = files.len;
    vec_fini(&files);
    return count;
}

TEST(a_record_is_given_back_to_the_ring_when_it_is_stored)
{
    set_up();
    bring(7, 0, 10, RING_ACCESS);
    check_int(kicks, 10);
    check_int(committed[3], 0);
    check(pass());
    check_int(committed[3], 10);
    check_int(stored(), 10);
    check_int(told, 1);
    check(!pass());
    bring(7, 10, 12, RING_PROBE); /* nothing to store: given back at once */
    check_int(committed[3], 12);
    tear_down();
}

TEST(records_that_come_again_after_a_crash_are_stored_once)
{
    set_up();
    bring(7, 0, 10, RING_ACCESS);
    check(pass());
    access_fini(&access_log);
    open_log();
    bring(7, 5, 15, RING_ACCESS);
    check(pass());
    check_int(access_log.stats.doubled, 5);
    check_int(stored(), 15);
    bring(8, 0, 3, RING_ACCESS); /* another ring begins at 0 */
    check(pass());
    check_int(stored(), 18);
    tear_down();
}

TEST(on_a_full_disk_records_wait_and_none_is_doubled)
{
    set_up();
    append_fails_at = 2;
    bring(7, 0, 1000, RING_ACCESS);
    check(pass());
    uint64_t first = committed[3];
    check(first > 0 && first < 1000 && access_log.source.error == -ENOSPC && tail.kicked);
    check_int(stored(), first);
    while (pass()) {
    }
    check_int(committed[3], 1000);
    check_int(stored(), 1000);
    tear_down();
}

TEST(beyond_its_bound_records_are_dropped_and_counted)
{
    set_up();
    bring(7, 0, ACCESS_PENDING_MAX + 5, RING_ACCESS);
    check_int(access_log.stats.dropped, 5);
    while (pass()) {
    }
    check_int(stored(), ACCESS_PENDING_MAX);
    check_int(access_log.stats.records, ACCESS_PENDING_MAX);
    tear_down();
}

TEST(many_rings_after_each_other_are_known_by_their_epochs)
{
    set_up();
    for (uint64_t epoch = 1; epoch <= ACCESS_EPOCHS_MAX + 10; epoch++) {
        bring(epoch, 0, 2, RING_ACCESS);
        bring(epoch, 0, 2, RING_ACCESS);
        while (pass()) {
        }
    }
    check_int(stored(), (ACCESS_EPOCHS_MAX + 10) * 2);
    access_fini(&access_log);
    open_log();
    bring(1000, 0, 2, RING_ACCESS); /* the oldest is forgotten for it, not the newest */
    bring(ACCESS_EPOCHS_MAX + 10, 0, 2, RING_ACCESS);
    check(pass());
    check_int(stored(), (ACCESS_EPOCHS_MAX + 11) * 2);
    tear_down();
}

/* --- several projects --- */

enum { SHOP = 11, BLOG = 12, ROUTE = 13 };

static void add_name(struct name *name)
{
    struct str key = str_make((const char *)&name->id, sizeof(name->id));
    check_int(map_put(&names.by_id, key, name), 0);
}

static void know_projects(void)
{
    static char long_path[SNAPSHOT_TEXT_MAX];
    static struct name shop = {.id = SHOP, .kind = NAME_SERVICE};
    static struct name blog = {.id = BLOG, .kind = NAME_SERVICE};
    static struct name route = {.id = ROUTE, .kind = NAME_ROUTE};
    memset(long_path, 'p', sizeof(long_path));
    shop.tenant = blog.tenant = route.tenant = STR("default");
    shop.project = shop.service = STR("shop");
    blog.project = blog.service = STR("blog");
    route.host = route.path = str_make(long_path, sizeof(long_path));
    names = NAMES_INIT;
    add_name(&shop);
    add_name(&blog);
    add_name(&route);
}

static void bring_of(uint64_t sequence, uint64_t service, uint64_t route)
{
    struct ring_record record = {.kind = RING_ACCESS};
    record.access = (struct ring_access){.status = 200, .service = service, .route = route};
    const struct edge_record one = {.ring = 3, .epoch = 7, .sequence = sequence, .record = &record};
    access_log.reader.records(&access_log.reader, &one, 1);
}

static void put_file(const char *name)
{
    char path[96];
    int fd = -1;
    (void)snprintf(path, sizeof(path), "%s/default/%s", folder, name);
    check_int(file_open(path, FILE_WRITE | FILE_CREATE, 0600, &fd), 0);
    file_close(&fd);
}

TEST(a_project_whose_folder_cannot_be_made_takes_no_lines_from_others)
{
    char path[96];
    set_up();
    know_projects();
    (void)snprintf(path, sizeof(path), "%s/default", folder);
    check_int(file_mkdir(path, 0700), 0);
    put_file("blog");
    bring_of(0, SHOP, 0);
    bring_of(1, BLOG, 0);
    bring_of(2, SHOP, 0);
    check(pass());
    check_int(access_log.source.error, 0);
    check_int(committed[3], 3);
    check_int(access_log.stats.records, 2);
    check_int(access_log.stats.dropped, 1);
    (void)snprintf(path, sizeof(path), "%s/default/blog", folder);
    check_int(file_unlink(path), 0);
    bring_of(3, BLOG, 0); /* and when it can be made, it is */
    check(pass());
    check_int(access_log.stats.records, 3);
    check_int(access_log.stats.dropped, 1);
    tear_down();
    map_fini(&names.by_id);
}

TEST(a_stream_that_cannot_be_written_is_opened_anew)
{
    set_up();
    append_error = -EIO;
    append_fails_at = 1;
    bring(7, 0, 5, RING_ACCESS);
    check(pass());
    check_int(access_log.source.error, 0);
    check_int(committed[3], 5);
    check_int(access_log.stats.dropped, 5);
    check_int(access_log.streams.len, 0);
    bring(7, 5, 8, RING_ACCESS);
    check(pass());
    check_int(stored(), 3);
    append_error = -ENOSPC;
    tear_down();
}

TEST(a_folder_that_was_removed_is_made_again)
{
    char path[96];
    set_up();
    bring(7, 0, 5, RING_ACCESS);
    check(pass());
    (void)snprintf(path, sizeof(path), "%s/default", folder);
    check_int(file_remove_tree(path), 0);
    bring(7, 5, 8, RING_ACCESS);
    check(pass());
    check_int(stored(), 3);
    tear_down();
}

/* One message that did not fit stopped the access log of all projects for ever. */
TEST(the_longest_host_and_path_of_a_route_fit_into_a_line)
{
    set_up();
    know_projects();
    bring_of(0, SHOP, ROUTE);
    check(pass());
    check_int(access_log.stats.records, 1);
    check_int(committed[3], 1);
    tear_down();
    map_fini(&names.by_id);
}

TEST(lines_of_requests_are_sealed_when_they_are_too_old)
{
    struct vec open = VEC_INIT(struct stream_id, 16);
    set_up();
    now.wall_ns = 1000;
    bring(7, 0, 5, RING_ACCESS);
    check(pass());
    check_int(access_log.source.trim(&access_log.source, 1000, &open), 0);
    check_int(open.len, 1);
    check(!sealed_files());
    check_int(access_log.source.trim(&access_log.source, 1001, &open), 0);
    check(sealed_files());
    check_int(stored(), 5);
    vec_fini(&open);
    tear_down();
}
