/* SPDX-License-Identifier: Apache-2.0
 *
 * From rings to lines. On the loop records are only copied; formatting and writing happen in the
 * tail's pass, so that these lines get their times in the same order as all others.
 *
 * Invariants:
 * 1. Items are stored in their order, batch by batch: `stored` of `taken` are through. Places of a
 *    ring are given back in order too, so an item that waits holds back all behind it.
 * 2. Hence only what passes by itself may wait (is_passing: room, memory, descriptors). Everything
 *    else is one project's trouble and costs that project's lines, which are dropped and counted.
 * 3. Between batches no stream holds lines: `count` is 0, `taken` of each place is its `next`.
 * 4. A stream whose file failed is closed, and opened anew by its next record: a folder that was
 *    removed under us comes back.
 */
#include "see/access.h"

#include "os/rolelog.h"
#include "see/access_file.h"
#include "store/segment.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    MESSAGE_MAX = SEGMENT_RECORD_MAX, /* a route's host and path alone may have 4,096 bytes each */
    BATCH = 256,
    LOOK_BACK = 65536,
    KEEP_ITEMS = 512,
};

/* How far a ring's records are in a stream. */
struct access_place {
    uint64_t epoch;
    uint64_t next;  /* sequence that is not stored yet */
    uint64_t taken; /* that is not in the batch yet; between batches as `next` */
};

struct access_stream {
    struct stream_id id;
    char key[2 * NAME_MAX_SIZE];
    struct segment_stream segment;
    struct access_place places[ACCESS_EPOCHS_MAX];
    size_t place_count;
    /* lines that wait for the end of the batch */
    struct segment_record records[BATCH];
    char *texts[BATCH];
    size_t count;
    struct str setting; /* what `format` was made of; a copy */
    struct access_format format;
    struct access_file file;
    uint64_t used; /* log->batches of its last record */
    bool changed;
    bool broken; /* its file failed: to be closed behind the batch */
};

/* --- the loop's side --- */

/* It comes right in front of the record that it belongs to, perhaps in the batch before. */
static void remember_more(struct access_log *log, const struct edge_record *record)
{
    if (record->ring < ACCESS_RINGS_MAX) {
        log->more[record->ring] = record->record->more;
        log->more_sequence[record->ring] = record->sequence + 1;
    }
}

static void take_more(struct access_log *log, struct access_item *item)
{
    if (item->ring < ACCESS_RINGS_MAX && item->sequence &&
        log->more_sequence[item->ring] == item->sequence) {
        item->entry.more = log->more[item->ring];
        item->entry.has_more = true;
    }
}

static void on_records(struct edge_reader *reader, const struct edge_record *records, size_t count)
{
    struct access_log *log = container_of(reader, struct access_log, reader);
    for (size_t i = 0; i < count; i++) {
        if (records[i].record->kind == RING_MORE) {
            remember_more(log, &records[i]);
        }
        if (records[i].record->kind != RING_ACCESS) {
            continue;
        }
        struct access_item item = {
            records[i].ring,
            records[i].epoch,
            records[i].sequence,
            {.access = records[i].record->access, .code = records[i].record->code}};
        take_more(log, &item);
        if (vec_push(&log->pending, &item) < 0) {
            log->stats.dropped++;
        }
    }
    if (log->pending.len) {
        tail_kick(log->tail);
    } else if (count && log->taken.len == 0) { /* probes only: nothing has to wait */
        edge_link_commit(log->core->edge, records[count - 1].ring, records[count - 1].sequence + 1);
    }
}

/* Records that are met again are recognised by what is stored: read from the ring's own tail on.
 * Nothing is remembered apart from the lines themselves, so nothing can disagree with them. */
static uint64_t position(struct edge_reader *reader, uint32_t ring, uint64_t epoch)
{
    return 0;
}

static bool take(struct tail_source *source)
{
    struct access_log *log = container_of(source, struct access_log, source);
    if (log->taken.len == 0) {
        struct vec empty = log->taken;
        log->taken = log->pending;
        log->pending = empty;
    }
    log->stored = 0;
    log->error = 0;
    return log->taken.len > 0;
}

/* Once per kind of trouble: it is the same for thousands of records. */
static void say_refused(struct access_log *log)
{
    if (log->refused < 0 && log->refused != log->refused_said) {
        rolelog(ROLELOG_ERROR, "core",
                "access records are dropped, as they cannot be stored below %s: %s", log->logs,
                strerror(-log->refused));
    }
    log->refused_said = log->refused;
    if (log->unwritten < 0 && log->unwritten != log->unwritten_said) {
        core_log(log->core,
                 "the file of an access log (gateway.access_log.file) cannot be written: %s",
                 strerror(-log->unwritten));
    }
    log->unwritten_said = log->unwritten;
}

/* Frees the places of what is stored: the last record of each ring says how far. */
static void commit_rings(struct access_log *log)
{
    uint64_t next[ACCESS_RINGS_MAX] = {0};
    for (size_t i = 0; i < log->stored; i++) {
        const struct access_item *item = vec_at(&log->taken, struct access_item, i);
        if (item->ring < ACCESS_RINGS_MAX) {
            next[item->ring] = item->sequence + 1;
        }
    }
    for (uint32_t i = 0; i < ACCESS_RINGS_MAX; i++) {
        if (next[i]) {
            edge_link_commit(log->core->edge, i, next[i]);
        }
    }
}

static void say_changed(struct access_log *log)
{
    for (size_t i = 0; i < log->streams.len; i++) {
        struct access_stream *stream = log->streams.entries[i].value;
        if (stream->changed) {
            stream->changed = false;
            if (stream_catalog_add(log->catalog, &stream->id) == 0) {
                log->tail->ops.committed(log->tail->ops.arg, &stream->id, 1);
            }
        }
    }
}

static void done(struct tail_source *source, int64_t from_ns, int64_t to_ns)
{
    struct access_log *log = container_of(source, struct access_log, source);
    commit_rings(log);
    log->stats.records = log->work.records;
    log->stats.admin = log->work.admin;
    log->stats.doubled = log->work.doubled;
    log->stats.dropped += log->work.dropped;
    log->stats.unwritten = log->work.unwritten;
    log->work.dropped = 0;
    say_refused(log);
    size_t left = log->taken.len - log->stored;
    if (left) { /* not stored: the next pass tries again, after a rest */
        struct access_item *items = log->taken.items;
        memmove(items, items + log->stored, left * sizeof(*items));
    }
    log->taken.len = left;
    if (left == 0 && log->taken.cap > KEEP_ITEMS) { /* after a burst: an idle core is small */
        vec_fini(&log->taken);
    }
    say_changed(log);
    if (left || log->pending.len) {
        log->tail->kicked = true;
    }
}

/* --- the worker's side --- */

/* Does it pass by itself, so that waiting is right? */
static bool is_passing(int error)
{
    return error == -ENOSPC || error == -EDQUOT || error == -ENOMEM || error == -EMFILE ||
           error == -ENFILE;
}

static void drop_records(struct access_log *log, size_t count, int error)
{
    log->work.dropped += count;
    log->refused = error;
}

/* What a crash left stored but not committed: the newest records of each ring. */
static int load_places(struct access_stream *stream, const char *folder)
{
    struct segment_reader *reader = NULL;
    struct segment_record record;
    const struct segment_query query = {.to = INT64_MAX, .backward = true};
    int r = segment_reader_new(folder, &query, &reader);
    for (size_t n = 0; r == 0 && n < LOOK_BACK; n++) {
        r = segment_reader_next(reader, &record);
        size_t i = 0;
        while (r == 0 && i < stream->place_count && stream->places[i].epoch != record.source) {
            i++;
        }
        if (r == 0 && i == stream->place_count && i < ACCESS_EPOCHS_MAX) {
            stream->places[stream->place_count++] =
                (struct access_place){record.source, record.offset, record.offset};
        }
    }
    segment_reader_free(reader);
    for (size_t i = 0; i < stream->place_count / 2; i++) { /* oldest first: those are forgotten */
        struct access_place *other = &stream->places[stream->place_count - 1 - i];
        struct access_place place = stream->places[i];
        stream->places[i] = *other;
        *other = place;
    }
    return r == SEGMENT_E_END ? 0 : r;
}

static int open_stream(struct access_log *log, struct access_stream *stream,
                       struct tail_clock *clock)
{
    char folder[STREAM_PATH_MAX];
    int r = stream_folder(&stream->id, log->logs, folder);
    if (r == 0) {
        r = segment_open(&stream->segment, folder);
    }
    if (r == 0) {
        clock->last_ns = MAX(clock->last_ns, stream->segment.last_time);
        r = load_places(stream, folder);
    }
    return r;
}

static void stream_free(struct access_stream *stream)
{
    segment_close(&stream->segment);
    access_file_fini(&stream->file);
    free((void *)stream->setting.p);
    for (size_t i = 0; i < stream->count; i++) {
        free(stream->texts[i]);
    }
    free(stream);
}

static void stream_close(struct access_log *log, struct access_stream *stream)
{
    (void)map_take(&log->streams, str_from(stream->key));
    stream_free(stream);
}

/* Room for one more: the stream that had no record for longest is closed, and opened again when it
 * gets one. A batch is smaller than the table, so there is one without lines. */
static void close_idle(struct access_log *log)
{
    struct access_stream *oldest = NULL;
    for (size_t i = 0; i < log->streams.len; i++) {
        struct access_stream *stream = log->streams.entries[i].value;
        if (stream->count == 0 && !stream->changed && (!oldest || stream->used < oldest->used)) {
            oldest = stream;
        }
    }
    if (oldest) {
        stream_close(log, oldest);
    }
}

/* The project's `access_log`, when it is not what it was. */
static void read_setting(struct access_stream *stream, struct str setting)
{
    if (str_eq(stream->setting, setting)) {
        return;
    }
    char *copy = malloc(setting.len + 1);
    if (!copy) {
        return; /* the next record tries again */
    }
    (void)str_copy(copy, setting.len + 1, setting);
    free((void *)stream->setting.p);
    stream->setting = str_make(copy, setting.len);
    access_format_read(&stream->format, setting);
    access_file_set(&stream->file, stream->format.file);
}

/* The stream of a record's project; NULL with log->error set. */
static struct access_stream *stream_of(struct access_log *log, const struct ring_access *access,
                                       struct tail_clock *clock)
{
    const struct name *service = names_get(log->names, access->service);
    struct str tenant = service ? service->tenant : STR("default");
    struct str project = service ? service->project : STR(LOGS_NO_PROJECT);
    char key[2 * NAME_MAX_SIZE];
    (void)snprintf(key, sizeof(key), STR_FMT "/" STR_FMT, STR_ARG(tenant), STR_ARG(project));
    struct access_stream *stream = map_get(&log->streams, str_from(key));
    /* Asked once a batch: a folder that was removed under us is made again. */
    if (stream && stream->used != log->batches && !segment_is_there(&stream->segment)) {
        stream_close(log, stream);
        stream = NULL;
    }
    struct str setting = service ? service->access : STR_NONE;
    if (stream) {
        stream->used = log->batches;
        read_setting(stream, setting);
        return stream;
    }
    if (log->streams.len == ACCESS_PROJECTS_MAX) {
        close_idle(log);
    }
    stream = calloc(1, sizeof(*stream));
    log->error = stream ? 0 : -ENOMEM;
    if (stream) {
        stream->id = stream_access(tenant, project);
        stream->segment = SEGMENT_STREAM_INIT;
        stream->file = ACCESS_FILE_INIT;
        access_format_read(&stream->format, STR_NONE);
        read_setting(stream, setting);
        stream->used = log->batches;
        (void)str_copy(stream->key, sizeof(stream->key), str_from(key));
        log->error = open_stream(log, stream, clock);
    }
    if (stream && log->error == 0) {
        log->error = map_put(&log->streams, str_from(stream->key), stream);
    }
    if (stream && log->error < 0) {
        stream_free(stream);
        stream = NULL;
    }
    return stream;
}

static struct access_place *place_of(struct access_stream *stream, uint64_t epoch)
{
    for (size_t i = 0; i < stream->place_count; i++) {
        if (stream->places[i].epoch == epoch) {
            return &stream->places[i];
        }
    }
    /* A ring that was made anew: the oldest of many is forgotten. */
    size_t i = MIN(stream->place_count, (size_t)ACCESS_EPOCHS_MAX - 1);
    if (stream->place_count == ACCESS_EPOCHS_MAX) {
        memmove(stream->places, stream->places + 1, i * sizeof(stream->places[0]));
    }
    stream->place_count = i + 1;
    stream->places[i] = (struct access_place){.epoch = epoch};
    return &stream->places[i];
}

/* The copy in the project's file; of lines that are stored. */
static void write_file(struct access_log *log, struct access_stream *stream, bool stored)
{
    uint64_t before = stream->file.lost;
    if (!stored) {
        buf_reset(&stream->file.lines);
    }
    access_file_write(&stream->file, stream->count);
    log->work.unwritten += stream->file.lost - before;
    log->unwritten = stream->file.error < 0 ? stream->file.error : log->unwritten;
}

/* Writes the lines that wait; only an error that passes by itself is returned, and then they are
 * made again by the next try. */
static int flush_stream(struct access_log *log, struct access_stream *stream)
{
    int r = stream->count ? segment_append(&stream->segment, stream->records, stream->count) : 0;
    bool waits = r < 0 && is_passing(r);
    if (r < 0 && !waits) {
        drop_records(log, stream->count, r);
        stream->broken = true;
    } else if (r == 0) {
        log->work.records += stream->count;
        stream->changed = stream->changed || stream->count > 0;
    }
    for (size_t i = 0; i < stream->count; i++) {
        if (!waits) {
            place_of(stream, stream->records[i].source)->next = stream->records[i].offset;
        }
        free(stream->texts[i]);
    }
    write_file(log, stream, r == 0);
    stream->count = 0;
    for (size_t i = 0; i < stream->place_count; i++) {
        stream->places[i].taken = stream->places[i].next;
    }
    return waits ? r : 0;
}

static int flush_all(struct access_log *log)
{
    int r = 0;
    for (size_t i = 0; i < log->streams.len; i++) {
        int one = flush_stream(log, log->streams.entries[i].value);
        r = r < 0 ? r : one;
    }
    return r;
}

static int add_line(struct access_log *log, struct access_stream *stream,
                    const struct access_item *item, struct tail_clock *clock)
{
    struct buf text = BUF_INIT(MESSAGE_MAX);
    access_format_json(&text, &stream->format, &item->entry, log->names);
    if (buf_error(&text) < 0) {
        buf_fini(&text);
        return -ENOMEM;
    }
    if (stream->file.path[0]) {
        access_format_line(&stream->file.lines, &stream->format, &item->entry, log->names);
        buf_add_char(&stream->file.lines, '\n');
    }
    size_t len = text.len;
    char *bytes = buf_take(&text);
    clock->last_ns = MAX(clock->last_ns + 1, clock->wall_ns);
    stream->texts[stream->count] = bytes;
    stream->records[stream->count++] = (struct segment_record){
        .time = clock->last_ns,
        .offset = item->sequence + 1,
        .source = item->epoch,
        .bytes = str_make(bytes, len),
    };
    return 0;
}

static int store_item(struct access_log *log, const struct access_item *item,
                      struct tail_clock *clock)
{
    if (item->entry.access.flags & RING_FLAG_ADMIN) {
        log->work.admin++;
        return 0;
    }
    struct access_stream *stream = stream_of(log, &item->entry.access, clock);
    if (!stream && is_passing(log->error)) {
        return log->error;
    }
    if (!stream) {
        drop_records(log, 1, log->error);
        return 0;
    }
    struct access_place *place = place_of(stream, item->epoch);
    if (item->sequence < place->taken) {
        log->work.doubled++;
        return 0;
    }
    int r = add_line(log, stream, item, clock);
    place->taken = r == 0 ? item->sequence + 1 : place->taken;
    return r;
}

static void close_broken(struct access_log *log)
{
    for (size_t i = log->streams.len; i-- > 0;) {
        struct access_stream *stream = log->streams.entries[i].value;
        if (stream->broken) {
            stream_close(log, stream);
        }
    }
}

/* Batch by batch; what of a batch is not stored is tried again as a whole, and what of it is stored
 * already is then recognised like after a crash. */
static void run(struct tail_source *source, struct tail_clock *clock)
{
    struct access_log *log = container_of(source, struct access_log, source);
    log->refused = 0;
    log->unwritten = 0;
    while (log->stored < log->taken.len && log->error == 0) {
        size_t end = MIN(log->stored + BATCH, log->taken.len);
        int r = 0;
        log->batches++;
        for (size_t i = log->stored; i < end && r == 0; i++) {
            r = store_item(log, vec_at(&log->taken, struct access_item, i), clock);
        }
        int flushed = flush_all(log);
        close_broken(log);
        log->error = r < 0 ? r : flushed;
        if (log->error == 0) {
            log->stored = end;
        }
    }
    source->error = log->error;
}

/* Lines of requests hold addresses of people: they go when their time is over, also from a head
 * that is not full yet. */
static int trim(struct tail_source *source, int64_t min_time, struct vec *open)
{
    struct access_log *log = container_of(source, struct access_log, source);
    int r = 0;
    for (size_t i = 0; i < log->streams.len; i++) {
        struct access_stream *stream = log->streams.entries[i].value;
        bool old = stream->segment.head_time && stream->segment.head_time < min_time;
        int one = vec_push(open, &stream->id);
        one = one == 0 && old ? segment_seal(&stream->segment) : one;
        r = r < 0 ? r : one;
    }
    return r;
}

/* --- life --- */

int access_init(struct access_log *log, struct core *core, struct tail *tail)
{
    log->core = core;
    log->tail = tail;
    log->reader = (struct edge_reader){.records = on_records, .position = position};
    log->source = (struct tail_source){.take = take, .run = run, .done = done, .trim = trim};
    log->pending = VEC_INIT(struct access_item, ACCESS_PENDING_MAX);
    log->taken = VEC_INIT(struct access_item, ACCESS_PENDING_MAX);
    log->streams = MAP_INIT(ACCESS_PROJECTS_MAX);
    list_init(&log->reader.node);
    tail_add_source(tail, &log->source);
    return 0;
}

void access_start(struct access_log *log)
{
    edge_link_subscribe(log->core->edge, &log->reader);
}

void access_fini(struct access_log *log)
{
    if (!log->core) {
        return;
    }
    edge_link_unsubscribe(&log->reader);
    vec_fini(&log->pending);
    vec_fini(&log->taken);
    for (size_t i = 0; i < log->streams.len; i++) {
        stream_free(log->streams.entries[i].value);
    }
    map_fini(&log->streams);
}
