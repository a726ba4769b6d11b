/* SPDX-License-Identifier: Apache-2.0
 *
 * The loop's side of the tail: which files there are, what woke us, when the next pass runs, and
 * what its results mean for people (events) and for readers (committed_ns).
 *
 * Happy path: inotify → mark_dirty → schedule → pass_start (entries set aside) → pass_run on the
 * worker → pass_done: results, committed_ns, followers, timers, schedule.
 *
 * Invariants:
 * 1. `dirty` is set by the loop before a pass and cleared when the pass takes the entry: what is
 *    written while the pass runs marks it again. A line may be looked for twice, never forgotten.
 * 2. What a pass may touch is fixed in pass_start (the pass_… fields); news of the bus that comes
 *    meanwhile changes the entry for the next one.
 * 3. While inotify is paused a pass or the pause timer is under way, and each of them ends in
 *    schedule, which resumes it.
 * 4. An entry is freed on the loop with no pass running, and only when its file is gone.
 *
 * How it fails: a pass that fails in one file goes on with the others; the next one comes after
 * TAIL_RETRY_NS instead of TAIL_PAUSE_NS. Each kind of failure of a file is said once.
 */
#include "see/tail.h"

#include "os/clock.h"
#include "os/file.h"
#include "os/loop.h"
#include "os/rolelog.h"
#include "see/retain.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct tail_entry {
    char key[2 * NAME_MAX_SIZE + 32]; /* "shop/web-1.out" */
    struct tail_file file;            /* the worker's during a pass */
    struct tail_result result;
    bool pass_reads; /* what the running pass does with it: set before, constant meanwhile */
    uint64_t pass_ended_at;
    bool pass_removes;
    uint64_t pass_max_bytes; /* of the stream's log */
    int64_t pass_max_age_ns;
    bool gone;         /* the pass removed the output file */
    bool dirty;        /* something was written */
    bool opened;       /* a writer was announced */
    uint64_t ended_at; /* the last one left it so long; 0 = somebody writes */
    bool unsynced;
    uint64_t burst;     /* for the next pass; 0 = as it is */
    uint64_t max_bytes; /* of the stream's log; 0 = the instance's budget alone */
    int64_t max_age_ns;
    int error;            /* said last */
    int64_t remove_at_ns; /* 0 = not to be removed */
    int64_t said_ns;      /* when the last loss was said as an event */
    uint64_t unsaid_dropped;
    bool unsaid_truncated;
};

static void schedule(struct tail *tail);
static void arm_timers(struct tail *tail);

/* --- entries --- */

/* Memory was out for something that was told of: all is looked at again, soon. */
static void look_again(struct tail *tail)
{
    tail->missed = true;
    schedule(tail);
}

static struct tail_entry *entry_get(struct tail *tail, struct str project, struct str file)
{
    char key[sizeof(((struct tail_entry *)0)->key)], path[STREAM_PATH_MAX];
    struct stream_id id;
    if (!stream_from_output(project, file, &id) ||
        snprintf(key, sizeof(key), STR_FMT "/" STR_FMT, STR_ARG(project), STR_ARG(file)) >=
            (int)sizeof(key) ||
        snprintf(path, sizeof(path), "%s/%s", tail->output, key) >= (int)sizeof(path)) {
        return NULL;
    }
    struct tail_entry *entry = map_get(&tail->entries, str_from(key));
    if (entry) {
        return entry;
    }
    entry = calloc(1, sizeof(*entry));
    if (!entry) {
        look_again(tail);
        return NULL;
    }
    (void)str_copy(entry->key, sizeof(entry->key), str_from(key));
    tail_file_init(&entry->file, &id, path);
    int r = map_put(&tail->entries, str_from(entry->key), entry);
    if (r < 0) {
        free(entry);
        if (r == -ENOMEM) { /* else there are too many, and will be */
            look_again(tail);
        }
        return NULL;
    }
    return entry;
}

static void entry_free(struct tail *tail, struct tail_entry *entry)
{
    (void)map_take(&tail->entries, str_from(entry->key));
    tail_file_close(&entry->file);
    free(entry);
}

static struct tail_entry *entry_at(const struct tail *tail, size_t i)
{
    return tail->entries.entries[i].value;
}

static void mark_dirty(struct tail *tail, struct tail_entry *entry)
{
    entry->dirty = true;
    schedule(tail);
}

static void mark_all_dirty(struct tail *tail)
{
    for (size_t i = 0; i < tail->entries.len; i++) {
        entry_at(tail, i)->dirty = true;
    }
    schedule(tail);
}

/* Watches the folder of a project's outputs; true when its files are to be looked at, as nothing
 * told of them. */
static bool watch_project(struct tail *tail, const char *project, bool again,
                          char path[STREAM_PATH_MAX])
{
    if (snprintf(path, STREAM_PATH_MAX, "%s/%s", tail->output, project) >= STREAM_PATH_MAX) {
        return false;
    }
    int added = notify_add(&tail->notify, path);
    if (added == -ENOMEM) {
        look_again(tail);
    }
    return added > 0 || (added == 0 && again);
}

/* Watches the folder of a project's outputs and takes in what lies there; one that is watched only
 * `again`. */
static void scan_project(struct tail *tail, const char *project, bool again)
{
    char path[STREAM_PATH_MAX];
    struct file_dir dir;
    enum file_kind kind;
    const char *name;
    if (!watch_project(tail, project, again, path) || file_dir_open(&dir, path) < 0) {
        return; /* not there (yet): OUTPUT_OPENED or the folder above says when it is */
    }
    while ((name = file_dir_next(&dir, &kind)) != NULL) {
        struct tail_entry *entry = entry_get(tail, str_from(project), str_from(name));
        if (entry && kind == FILE_KIND_REGULAR) {
            mark_dirty(tail, entry);
        }
    }
    file_dir_close(&dir);
}

static void scan_all(struct tail *tail)
{
    struct file_dir dir;
    enum file_kind kind;
    const char *name;
    int added = notify_add(&tail->notify, tail->output);
    if (added < 0 || file_dir_open(&dir, tail->output) < 0) {
        if (added == -ENOMEM) {
            look_again(tail);
        }
        return;
    }
    while ((name = file_dir_next(&dir, &kind)) != NULL) {
        if (kind == FILE_KIND_DIRECTORY) {
            scan_project(tail, name, true);
        }
    }
    file_dir_close(&dir);
}

static void on_changed(struct notify *notify, struct str folder, struct str name)
{
    struct tail *tail = container_of(notify, struct tail, notify);
    struct str project = str_skip(folder, strlen(tail->output));
    if (project.len == 0) { /* STATE/output itself: a project's folder was made */
        char text[NAME_MAX_SIZE];
        if (str_copy(text, sizeof(text), name)) {
            scan_project(tail, text, true);
        }
        return;
    }
    struct tail_entry *entry = entry_get(tail, str_skip(project, 1), name);
    if (entry) {
        mark_dirty(tail, entry);
    }
}

/* The kernel forgot events: every file may have new lines, and folders may have come. */
static void on_lost(struct notify *notify)
{
    struct tail *tail = container_of(notify, struct tail, notify);
    scan_all(tail);
    mark_all_dirty(tail);
}

/* --- the pass: on a worker --- */

static struct tail_entry *pass_at(const struct tail *tail, size_t i)
{
    return *vec_at(&tail->pass, struct tail_entry *, i);
}

static void pass_entry(struct tail *tail, struct tail_entry *entry)
{
    struct tail_file *file = &entry->file;
    if (entry->result.error == 0 && entry->pass_reads) {
        tail_file_read(file, &tail->clock, TAIL_PASS_BYTES, entry->pass_ended_at, &entry->result);
    }
    if (entry->result.error == 0 && tail->pass_syncs) {
        uint64_t before = file->offset;
        entry->result.error = tail_file_sync(file);
        entry->result.more = entry->result.more || file->offset < before;
    }
    if (entry->result.error == 0 && entry->pass_removes) {
        entry->gone = tail_file_remove(file);
    }
}

/* Of a stream that is written: what is too old is sealed first, so that it can go the next time. */
static int trim_entry(struct tail_entry *entry, int64_t min_time, int64_t now, uint64_t *ret_freed)
{
    struct segment_stream *segment = &entry->file.segment;
    int r = 0;
    if (entry->pass_max_age_ns) {
        min_time = MAX(min_time, now - entry->pass_max_age_ns);
    }
    if (segment->head_time && segment->head_time < min_time) {
        r = segment_seal(segment);
    }
    uint64_t max_bytes = entry->pass_max_bytes ? entry->pass_max_bytes : UINT64_MAX;
    return r < 0 ? r : segment_trim(segment, max_bytes, min_time, ret_freed);
}

/* Every stream that somebody writes to; those of sources seal what is too old at this occasion. */
static int list_open(struct tail *tail, int64_t min_time, struct vec *ret)
{
    int r = 0;
    for (size_t i = 0; i < tail->pass.len && r == 0; i++) {
        r = vec_push(ret, &pass_at(tail, i)->file.id);
    }
    list_for_each (it, &tail->sources) {
        struct tail_source *source = list_entry(it, struct tail_source, node);
        int one = source->trim ? source->trim(source, min_time, ret) : 0;
        r = r < 0 ? r : one;
    }
    return r;
}

/* The instance's budget, then each stream's own. What fails is passed over, said by trim_done, and
 * tried again with the next trim. */
static void pass_trim(struct tail *tail)
{
    struct vec open = VEC_INIT(struct stream_id, STREAM_CATALOG_MAX);
    struct retain_result result = {0};
    int64_t now = tail->clock.wall_ns;
    bool known = tail->pass_keeps.max_bytes > 0; /* else the projects are not loaded yet */
    const struct retain retain = {
        .logs = tail->logs,
        .catalog = tail->catalog,
        .open = &open,
        .max_bytes = known ? tail->pass_keeps.max_bytes : UINT64_MAX,
        .min_time = known ? now - tail->pass_keeps.max_age_ns : INT64_MIN,
        .gone = &tail->gone,
    };
    tail->trim_error = list_open(tail, retain.min_time, &open);
    if (tail->trim_error == 0) { /* else one that is written might be taken for left */
        tail->trim_error = retain_trim(&retain, &result);
        tail->stored_bytes = result.stored_bytes;
    }
    for (size_t i = 0; i < tail->pass.len; i++) {
        struct tail_entry *entry = pass_at(tail, i);
        if (entry->file.opened) { /* also to take note of what was removed above */
            int one = trim_entry(entry, retain.min_time, now, &result.freed_bytes);
            tail->trim_error = tail->trim_error < 0 ? tail->trim_error : one;
        }
    }
    vec_fini(&open);
}

static void pass_run(struct work *work)
{
    struct tail *tail = container_of(work, struct tail, work);
    tail->clock.wall_ns = clock_wall_ns();
    /* All are opened before any is read: the first line comes behind the last one of every
     * stream. */
    for (size_t i = 0; i < tail->pass.len; i++) {
        struct tail_entry *entry = pass_at(tail, i);
        entry->result = (struct tail_result){0};
        entry->result.error = tail_file_open(&entry->file, tail->logs, &tail->clock);
    }
    for (size_t i = 0; i < tail->pass.len; i++) {
        pass_entry(tail, pass_at(tail, i));
    }
    list_for_each (it, &tail->sources) {
        struct tail_source *source = list_entry(it, struct tail_source, node);
        source->run(source, &tail->clock);
    }
    if (tail->pass_trims) {
        pass_trim(tail);
    }
}

/* --- its results --- */

static struct bus_id bus_id_of(const struct stream_id *id)
{
    return bus_id_make(str_from(id->tenant), str_from(id->project), str_from(id->service),
                       id->replica);
}

static void say_loss(struct tail *tail, struct tail_entry *entry, const char *kind,
                     const char *message)
{
    struct context ctx = context_system("output");
    struct event event;
    event_draft(&event, &ctx, kind, EVENT_WARNING);
    event.id = bus_id_of(&entry->file.id);
    event_message(&event, "%s", message);
    event_emit(tail->core, &event);
}

static bool is_unsaid(const struct tail_entry *entry)
{
    return entry->unsaid_dropped || entry->unsaid_truncated;
}

/* A loss is an event for people; a service that loses all the time gets one a minute, with the sum
 * of what was lost since the last one. */
static void say_losses(struct tail *tail, struct tail_entry *entry)
{
    const struct stream_id *id = &entry->file.id;
    const char *stream = logs_stream_name(id->stream);
    int64_t now = core_now(tail->core);
    char text[256];
    if (!is_unsaid(entry) || (entry->said_ns && now - entry->said_ns < TAIL_SAY_NS)) {
        return;
    }
    entry->said_ns = now;
    if (entry->unsaid_truncated) {
        (void)snprintf(text, sizeof(text),
                       "%s-%" PRIu32
                       " truncated its own %s; lines that were not read yet are lost.",
                       id->service, id->replica, stream);
        say_loss(tail, entry, "output.truncated", text);
    }
    if (entry->unsaid_dropped) {
        (void)snprintf(text, sizeof(text),
                       "%s-%" PRIu32 " wrote more than could be kept: %" PRIu64
                       " bytes of its %s are missing.",
                       id->service, id->replica, entry->unsaid_dropped, stream);
        say_loss(tail, entry, "output.dropped", text);
    }
    entry->unsaid_dropped = 0;
    entry->unsaid_truncated = false;
}

static void on_say(struct timer *timer, int64_t now_ns)
{
    struct tail *tail = container_of(timer, struct tail, say);
    for (size_t i = 0; i < tail->entries.len; i++) {
        say_losses(tail, entry_at(tail, i));
    }
    arm_timers(tail);
}

static void say_full(struct tail *tail, bool full)
{
    if (full == tail->stats.full) {
        return;
    }
    tail->stats.full = full;
    struct context ctx = context_system("logs");
    struct event event;
    event_draft(&event, &ctx, full ? "logs.full" : "logs.resumed", full ? EVENT_ERROR : EVENT_INFO);
    if (full) {
        tail->stats.full_dropped = tail->stats.dropped_bytes;
        event_message(&event, "The disk is full: logs wait in the services' output files.");
    } else if (tail->stats.full_dropped == tail->stats.dropped_bytes) {
        event_message(&event, "There is room again: logs are stored, no output was lost.");
    } else {
        event_message(&event,
                      "There is room again: logs are stored; %" PRIu64
                      " bytes of output did not find room meanwhile.",
                      tail->stats.dropped_bytes - tail->stats.full_dropped);
    }
    core_log(tail->core, "%s", event.message);
    event_emit(tail->core, &event);
}

static bool is_full(int error)
{
    return error == -ENOSPC || error == -EDQUOT;
}

/* Once per kind of failure of a file; a full disk is said for all of them. */
static void say_error(struct tail *tail, struct tail_entry *entry)
{
    int error = entry->result.error;
    if (error < 0 && error != entry->error && !is_full(error)) {
        rolelog(ROLELOG_ERROR, "core", "the output of %s cannot be stored: %s", entry->key,
                strerror(-error));
    }
    entry->error = error;
}

static void entry_done(struct tail *tail, struct tail_entry *entry, bool *ret_full)
{
    const struct tail_result *result = &entry->result;
    bool failed = result->error < 0;
    /* Something may have been written while the pass ran: then it was marked again. */
    entry->dirty = entry->dirty || result->more || (failed && entry->pass_reads);
    tail->failed = tail->failed || failed;
    *ret_full = *ret_full || is_full(result->error);
    if (tail->pass_syncs && !failed) {
        entry->unsynced = false;
    }
    if (result->lines || result->truncated) {
        entry->unsynced = entry->unsynced || !tail->pass_syncs;
        tail->stats.lines += result->lines;
        tail->stats.bytes += result->bytes;
        tail->untrimmed_bytes += result->bytes;
        tail->stats.dropped_bytes += result->dropped;
        tail->stats.truncations += result->truncated;
        if (vec_push(&tail->changed, &entry->file.id) < 0) {
            core_log(tail->core,
                     "memory is out"); /* followers see these lines with the next ones */
        }
    }
    say_error(tail, entry);
    entry->unsaid_dropped += result->dropped;
    entry->unsaid_truncated = entry->unsaid_truncated || result->truncated;
    say_losses(tail, entry);
}

/* Streams are listed with their first line, not before: an empty one is of no use to who
 * searches. */
static void learn_streams(struct tail *tail)
{
    for (size_t i = 0; i < tail->changed.len; i++) {
        int r = stream_catalog_add(tail->catalog, vec_at(&tail->changed, struct stream_id, i));
        if (r < 0) {
            core_log(tail->core, "a log stream is not listed: %s", strerror(-r));
        }
    }
}

/* Back on the loop: streams that are no more are listed no more, a failure is said once. */
static void trim_done(struct tail *tail)
{
    tail->stats.stored_bytes = tail->stored_bytes;
    for (size_t i = 0; i < tail->gone.len; i++) {
        stream_catalog_remove(tail->catalog, vec_at(&tail->gone, struct stream_id, i));
    }
    vec_fini(&tail->gone);
    if (tail->trim_error < 0 && tail->trim_error != tail->trim_error_said) {
        core_log(tail->core, "not all old logs could be removed from %s: %s", tail->logs,
                 strerror(-tail->trim_error));
    }
    tail->trim_error_said = tail->trim_error;
}

/* One that was announced again while the pass removed it is kept: its new file is read next. */
static void remove_gone(struct tail *tail)
{
    for (size_t i = tail->entries.len; i-- > 0;) {
        struct tail_entry *entry = entry_at(tail, i);
        if (entry->gone && entry->remove_at_ns) {
            entry->said_ns = 0; /* what is not said yet is said now */
            say_losses(tail, entry);
            entry_free(tail, entry);
        } else if (entry->gone) {
            entry->gone = false;
            entry->dirty = true;
        }
    }
}

/* Timers run only while there is something to wait for. */
static void arm_timers(struct tail *tail)
{
    struct loop *loop = tail->core->loop;
    int64_t remove_at = INT64_MAX, say_at = INT64_MAX;
    bool unsynced = false;
    for (size_t i = 0; i < tail->entries.len; i++) {
        const struct tail_entry *entry = entry_at(tail, i);
        unsynced = unsynced || entry->unsynced;
        if (entry->remove_at_ns) {
            remove_at = MIN(remove_at, entry->remove_at_ns);
        }
        if (is_unsaid(entry)) {
            say_at = MIN(say_at, entry->said_ns + TAIL_SAY_NS);
        }
    }
    if (unsynced && !timer_armed(&tail->sync)) {
        loop_timer_after(loop, &tail->sync, TAIL_SYNC_NS);
    }
    if (remove_at != INT64_MAX) {
        loop_timer_set(loop, &tail->remove, remove_at);
    }
    if (say_at != INT64_MAX) {
        loop_timer_set(loop, &tail->say, say_at);
    }
    if (!timer_armed(&tail->trim)) {
        loop_timer_after(loop, &tail->trim, TAIL_TRIM_NS);
    }
}

static void pass_done(struct work *work)
{
    struct tail *tail = container_of(work, struct tail, work);
    int64_t before = tail->committed_ns;
    bool full = false;
    vec_reset(&tail->changed);
    tail->running = tail->failed = false;
    for (size_t i = 0; i < tail->pass.len; i++) {
        entry_done(tail, pass_at(tail, i), &full);
    }
    tail->stats.passes++;
    tail->last_pass_ns = core_now(tail->core);
    tail->committed_ns = tail->clock.last_ns;
    if (tail->pass_trims) {
        trim_done(tail);
    }
    learn_streams(tail);
    list_for_each_safe (it, &tail->sources) {
        struct tail_source *source = list_entry(it, struct tail_source, node);
        source->done(source, before, tail->committed_ns);
        tail->failed = tail->failed || source->error < 0;
        full = full || is_full(source->error);
    }
    say_full(tail, full);
    if (tail->changed.len) {
        tail->ops.committed(tail->ops.arg, tail->changed.items, tail->changed.len);
    }
    remove_gone(tail);
    tail->want_trim = tail->want_trim || tail->untrimmed_bytes > TAIL_TRIM_BYTES;
    arm_timers(tail);
    schedule(tail);
}

/* --- when --- */

/* Takes the entry into the pass if there is something to do with it. */
static bool entry_take(struct tail *tail, struct tail_entry *entry, int64_t now)
{
    bool removes = entry->remove_at_ns && entry->remove_at_ns <= now;
    if (!entry->dirty && !removes && !(tail->pass_syncs && entry->unsynced) && !tail->pass_trims) {
        return false;
    }
    if (vec_push(&tail->pass, &entry) < 0) {
        tail->missed = true;
        return false;
    }
    entry->pass_reads = entry->dirty || removes;
    entry->pass_ended_at = removes ? UINT64_MAX : entry->ended_at;
    entry->pass_removes = removes;
    entry->pass_max_bytes = entry->max_bytes;
    entry->pass_max_age_ns = entry->max_age_ns;
    entry->file.burst = entry->burst ? entry->burst : TAIL_BURST_DEFAULT;
    entry->dirty = false;
    if (removes) { /* if it is in use after all, look again later */
        entry->remove_at_ns = now + TAIL_ORPHAN_NS;
    }
    return true;
}

static void pass_start(struct tail *tail)
{
    int64_t now = core_now(tail->core);
    if (tail->ops.before) {
        tail->ops.before(tail->ops.arg);
    }
    if (tail->missed) {
        tail->missed = false;
        scan_all(tail);
    }
    tail->pass_syncs = tail->want_sync;
    tail->pass_trims = tail->want_trim;
    tail->pass_keeps = tail->core->logging;
    tail->want_sync = tail->want_trim = tail->kicked = false;
    tail->untrimmed_bytes = tail->pass_trims ? 0 : tail->untrimmed_bytes;
    bool work = tail->pass_trims;
    vec_reset(&tail->pass);
    for (size_t i = 0; i < tail->entries.len; i++) {
        work = entry_take(tail, entry_at(tail, i), now) || work;
    }
    list_for_each (it, &tail->sources) {
        struct tail_source *source = list_entry(it, struct tail_source, node);
        work = source->take(source) || work;
    }
    if (!work) {
        tail->last_pass_ns = tail->missed ? now : tail->last_pass_ns;
        schedule(tail);
        return;
    }
    tail->work = (struct work){.run = pass_run, .done = pass_done};
    tail->running = true;
    int r = worker_submit(tail->pool, &tail->work);
    if (r < 0) { /* no thread: as a pass in which everything failed */
        for (size_t i = 0; i < tail->pass.len; i++) {
            pass_at(tail, i)->result = (struct tail_result){.error = r};
        }
        pass_done(&tail->work);
    }
}

static void on_start(struct loop_task *task)
{
    struct tail *tail = container_of(task, struct tail, start_task);
    if (!tail->running && !tail->stopped) {
        pass_start(tail);
    }
}

static bool anything_to_do(const struct tail *tail)
{
    bool any = tail->want_sync || tail->want_trim || tail->kicked || tail->missed;
    for (size_t i = 0; i < tail->entries.len && !any; i++) {
        any = entry_at(tail, i)->dirty;
    }
    return any;
}

/* Decides when the next pass runs: now after quiet, in a while under load or after a failure.
 * Called after every change of what there is to do; it may be called once too often, never once too
 * seldom. */
static void schedule(struct tail *tail)
{
    if (tail->stopped || tail->running || timer_armed(&tail->pause)) {
        notify_pause(&tail->notify); /* what it would say is known: look again */
        return;
    }
    if (!anything_to_do(tail)) {
        notify_resume(&tail->notify);
        return;
    }
    bool later = tail->failed || tail->missed;
    int64_t next = tail->last_pass_ns + (later ? TAIL_RETRY_NS : TAIL_PAUSE_NS);
    if (tail->last_pass_ns && next > core_now(tail->core)) {
        loop_timer_set(tail->core->loop, &tail->pause, next);
    } else {
        loop_defer(tail->core->loop, &tail->start_task);
    }
}

static void on_pause(struct timer *timer, int64_t now_ns)
{
    struct tail *tail = container_of(timer, struct tail, pause);
    notify_resume(&tail->notify);
    loop_defer(tail->core->loop, &tail->start_task);
}

static void on_sync(struct timer *timer, int64_t now_ns)
{
    struct tail *tail = container_of(timer, struct tail, sync);
    tail->want_sync = true;
    schedule(tail);
}

static void on_remove(struct timer *timer, int64_t now_ns)
{
    struct tail *tail = container_of(timer, struct tail, remove);
    loop_defer(tail->core->loop, &tail->start_task);
}

static void trim_soon(struct tail *tail)
{
    tail->want_trim = true;
    schedule(tail);
}

static void on_trim(struct timer *timer, int64_t now_ns)
{
    trim_soon(container_of(timer, struct tail, trim));
}

void tail_kick(struct tail *tail)
{
    tail->kicked = true;
    schedule(tail);
}

void tail_add_source(struct tail *tail, struct tail_source *source)
{
    list_push_back(&tail->sources, &source->node);
}

/* --- news --- */

/* The pass that reads it may come when the next writer has begun: what that one writes is behind
 * this size. */
static uint64_t size_now(const struct tail_entry *entry)
{
    struct file_stat stat;
    return file_stat(entry->file.path, &stat) == 0 ? stat.size : 0;
}

static void output_opened(struct tail *tail, const struct bus_message *message)
{
    struct str path = str_from(message->output.path), folder, project, name;
    char text[NAME_MAX_SIZE];
    if (!str_split(path, '/', &folder, &path) || !str_split(path, '/', &project, &name) ||
        !str_copy(text, sizeof(text), project)) {
        return;
    }
    struct tail_entry *entry = entry_get(tail, project, name);
    if (entry) {
        entry->opened = true;
        entry->ended_at = message->topic == BUS_OUTPUT_CLOSED ? size_now(entry) : 0;
        entry->remove_at_ns = 0;
        entry->burst = message->output.burst_bytes;
        entry->max_bytes = message->output.max_bytes;
        entry->max_age_ns = message->output.max_age_ns;
        scan_project(tail, text, false);
        mark_dirty(tail, entry);
    }
}

static bool belongs_to(const struct tail_entry *entry, const struct bus_id *id)
{
    const struct stream_id *mine = &entry->file.id;
    return !strcmp(mine->project, id->project) && !strcmp(mine->tenant, id->tenant) &&
           (!id->service[0] || !strcmp(mine->service, id->service)) &&
           (!id->replica || mine->replica == id->replica);
}

/* The outputs of what is no more are read to their end and removed, unless they are opened
 * again. */
static void removed(struct tail *tail, const struct bus_id *id)
{
    for (size_t i = 0; i < tail->entries.len; i++) {
        struct tail_entry *entry = entry_at(tail, i);
        if (belongs_to(entry, id)) {
            entry->ended_at = size_now(entry);
            entry->remove_at_ns = core_now(tail->core) + TAIL_REMOVE_NS;
            mark_dirty(tail, entry);
        }
    }
    arm_timers(tail);
}

void tail_message(struct tail *tail, const struct bus_message *message)
{
    switch (message->topic) {
    case BUS_OUTPUT_OPENED:
    case BUS_OUTPUT_CLOSED:
        output_opened(tail, message);
        break;
    case BUS_REPLICA_REMOVED:
    case BUS_SERVICE_REMOVED:
    case BUS_PROJECT_REMOVED:
        removed(tail, &message->id);
        break;
    case BUS_LOGGING_CHANGED:
        trim_soon(tail);
        break;
    case BUS_RESYNC:
        trim_soon(tail);
        on_lost(&tail->notify);
        break;
    default:
        break;
    }
}

/* --- life --- */

int tail_init(struct tail *tail, struct core *core, struct worker_pool *pool)
{
    tail->core = core;
    tail->pool = pool;
    /* What an earlier core stored is visible at once. */
    tail->clock.last_ns = tail->committed_ns = core_wall(core);
    tail->entries = MAP_INIT(TAIL_FILES_MAX);
    tail->pass = VEC_INIT(struct tail_entry *, TAIL_FILES_MAX);
    tail->changed = VEC_INIT(struct stream_id, TAIL_FILES_MAX);
    tail->gone = VEC_INIT(struct stream_id, STREAM_CATALOG_MAX);
    list_init(&tail->sources);
    loop_task_init(&tail->start_task, on_start);
    timer_init(&tail->pause, on_pause);
    timer_init(&tail->sync, on_sync);
    timer_init(&tail->remove, on_remove);
    timer_init(&tail->say, on_say);
    timer_init(&tail->trim, on_trim);
    tail->notify.changed = on_changed;
    tail->notify.lost = on_lost;
    int r = file_mkdir_p(tail->output, 0755);
    if (r == 0) {
        r = file_mkdir_p(tail->logs, 0700);
    }
    return r < 0 ? r : notify_init(&tail->notify, core->loop);
}

int tail_start(struct tail *tail)
{
    scan_all(tail);
    for (size_t i = 0; i < tail->entries.len; i++) {
        struct tail_entry *entry = entry_at(tail, i);
        if (!entry->opened) {
            entry->remove_at_ns = core_now(tail->core) + TAIL_ORPHAN_NS;
        }
    }
    tail->want_trim = true;
    arm_timers(tail);
    schedule(tail);
    return 0;
}

void tail_stop(struct tail *tail)
{
    tail->stopped = true;
    loop_task_cancel(&tail->start_task);
    struct timer *const timers[] = {&tail->pause, &tail->sync, &tail->remove, &tail->say,
                                    &tail->trim};
    for (size_t i = 0; i < ARRAY_LEN(timers); i++) {
        loop_timer_cancel(tail->core->loop, timers[i]);
    }
}

void tail_fini(struct tail *tail)
{
    notify_fini(&tail->notify);
    while (tail->entries.len) {
        entry_free(tail, entry_at(tail, tail->entries.len - 1));
    }
    map_fini(&tail->entries);
    vec_fini(&tail->pass);
    vec_fini(&tail->changed);
    vec_fini(&tail->gone);
}
