/* SPDX-License-Identifier: Apache-2.0
 *
 * Things in shared memory are described by one table (`kinds`): name, size, how to format new
 * memory, how to open formatted memory. At the first word of the keeper each is taken from its
 * copies, or made and given to it.
 *
 * Publishing is a pipeline of one: a snapshot is on its way to the keeper, at most one newer waits
 * behind it. builder → sealed memfd → KEEP "snapshot" → answered → base of the delta log moves →
 * DELTA_SNAPSHOT → bell
 */
#include "core/edge.h"

#include "base/num.h"
#include "core/core.h"
#include "core/mutate.h"
#include "link/counters_older.h"
#include "link/delta.h"
#include "link/keeper_client.h"
#include "link/loads.h"
#include "link/ring.h"
#include "link/snapshot.h"
#include "os/entropy.h"
#include "os/file.h"
#include "os/loop.h"
#include "os/rolelog.h"
#include "os/shm.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    RINGS_MAX = COUNTERS_THREADS_MAX, /* each edge has the first ones of its half */
    BATCH = 64,
    TURN_MAX = 4096,
    NAME_SIZE = 16,
    LOOK_MS = 20
};
#define OPEN_RETRY_NS NS_PER_S

/* Something that the keeper holds. */
struct thing {
    char name[NAME_SIZE];
    int fd; /* our own: the keeper client's copy changes whenever a new keeper gives its own back */
    struct shm shm; /* not for bells */
    struct keeper_request keep;
};

struct snapshot_out {
    int fd; /* -1 = none */
    uint64_t base, sequence;
};

struct edge_link {
    struct core *core;
    struct thing deltas, counters_thing, counters_older, bell_core, bell_edge;
    struct thing ring_things[RINGS_MAX];
    struct delta_log log;
    struct counters counters, older; /* older.header NULL: there are none */
    struct ring rings[RINGS_MAX];    /* header NULL: it is not there */
    unsigned threads_wanted;         /* of an edge */
    bool open;
    int open_error; /* of the last try */
    bool counters_open;
    uint64_t sequence;  /* of the last snapshot */
    uint64_t published; /* of the last one that the keeper took */
    struct snapshot_out sending, waiting;
    struct keeper_request keep_snapshot;
    struct list readers;
    struct loop_fd bell_watch;
    struct loop_task more;
    struct timer look;
    struct timer retry; /* of opening */
    unsigned next_ring;
};

static void kept_answered(struct keeper_request *request, int error, const struct keeper_msg *msg,
                          int *fd)
{
    struct thing *thing = container_of(request, struct thing, keep);
    if (error < 0) {
        rolelog(ROLELOG_WARNING, "core", "the keeper does not hold %s: %s", thing->name,
                strerror(-error));
    }
}

static void thing_keep(struct edge_link *link, struct thing *thing)
{
    thing->keep.answered = kept_answered;
    keeper_client_keep(link->core->keeper, &thing->keep, str_from(thing->name), thing->fd);
}

static void thing_fini(struct edge_link *link, struct thing *thing)
{
    shm_unmap(&thing->shm);
    if (thing->keep.serial) {
        keeper_client_cancel(link->core->keeper, &thing->keep);
    }
    file_close(&thing->fd);
}

/* A descriptor of our own for the keeper's copy. False: there is none. What an attempt that failed
 * half-way has left is given back first. */
static bool thing_copy(struct edge_link *link, struct thing *thing, const char *name)
{
    thing_fini(link, thing);
    str_copy(thing->name, sizeof(thing->name), str_from(name));
    int fd = keeper_client_fd(link->core->keeper, str_from(name));
    return fd >= 0 && file_dup(fd, &thing->fd) == 0;
}

/* The same, mapped. */
static bool thing_find(struct edge_link *link, struct thing *thing, const char *name)
{
    return thing_copy(link, thing, name) && shm_map(&thing->shm, thing->fd, true) == 0;
}

static int thing_create(struct thing *thing, size_t size)
{
    shm_unmap(&thing->shm);
    file_close(&thing->fd);
    int r = shm_create(thing->name, size, &thing->fd);
    return r < 0 ? r : shm_map(&thing->shm, thing->fd, true);
}

static int bell_ensure(struct edge_link *link, struct thing *thing, const char *name)
{
    if (thing_copy(link, thing, name)) {
        return 0;
    }
    int r = shm_bell_create(&thing->fd);
    if (r == 0) {
        thing_keep(link, thing);
    }
    return r;
}

static int deltas_ensure(struct edge_link *link)
{
    struct thing *thing = &link->deltas;
    if (thing_find(link, thing, "deltas") &&
        delta_log_open(thing->shm.p, thing->shm.size, &link->log) == 0) {
        return 0;
    }
    int r = thing_create(thing, delta_log_size(DELTA_CAPACITY_DEFAULT));
    if (r < 0) {
        return r;
    }
    delta_log_format(thing->shm.p, DELTA_CAPACITY_DEFAULT);
    thing_keep(link, thing);
    return delta_log_open(thing->shm.p, thing->shm.size, &link->log);
}

/* Counters of the layout before ours, from before an upgrade: they stay with the keeper under a
 * name of their own and are read on (link/counters_older.c). */
static void find_older_counters(struct edge_link *link)
{
    struct thing *thing = &link->counters_older;
    if (thing_find(link, thing, "counters:older") &&
        counters_open_older(thing->shm.p, thing->shm.size, &link->older) == 0) {
        return;
    }
    if (thing_find(link, thing, "counters") &&
        counters_open_older(thing->shm.p, thing->shm.size, &link->older) == 0) {
        str_copy(thing->name, sizeof(thing->name), STR("counters:older"));
        thing_keep(link, thing);
        return;
    }
    thing_fini(link, thing);
    link->older = (struct counters){0};
}

static int make_counters(struct edge_link *link, struct thing *thing)
{
    int r = thing_create(thing, counters_size(COUNTERS_THREADS_MAX, COUNTERS_CELLS_DEFAULT));
    if (r < 0) {
        return r;
    }
    counters_format(thing->shm.p, COUNTERS_THREADS_MAX, COUNTERS_CELLS_DEFAULT);
    r = counters_open(thing->shm.p, thing->shm.size, &link->counters);
    if (r == 0 && link->older.header) {
        counters_take_probes(&link->counters, &link->older);
    }
    if (r == 0) {
        thing_keep(link, thing);
    }
    return r;
}

static int counters_ensure(struct edge_link *link)
{
    struct thing *thing = &link->counters_thing;
    link->counters_open = false; /* what was mapped is not any more */
    find_older_counters(link);
    if (!thing_find(link, thing, "counters") ||
        counters_open(thing->shm.p, thing->shm.size, &link->counters) < 0) {
        int r = make_counters(link, thing);
        if (r < 0) {
            return r;
        }
    }
    link->counters.older = link->older.header ? &link->older : NULL;
    link->counters_open = true;
    return 0;
}

/* Behind which record the readers stand; the ring's own tail if none of them stores any. */
static void ring_position(struct edge_link *link, unsigned i)
{
    struct ring *ring = &link->rings[i];
    list_for_each (it, &link->readers) {
        struct edge_reader *reader = list_entry(it, struct edge_reader, node);
        if (reader->position) {
            ring_seek(ring, reader->position(reader, i, ring_epoch(ring)));
        }
    }
}

static int ring_ensure(struct edge_link *link, unsigned i)
{
    struct thing *thing = &link->ring_things[i];
    char name[NAME_SIZE];
    snprintf(name, sizeof(name), "ring:%u", i);
    if (!thing_find(link, thing, name) ||
        ring_open(thing->shm.p, thing->shm.size, &link->rings[i]) < 0) {
        uint64_t epoch = 0;
        int r = entropy_fill(&epoch, sizeof(epoch));
        if (r == 0) {
            r = thing_create(thing, ring_size(RING_CAPACITY_DEFAULT));
        }
        if (r < 0) {
            return r;
        }
        ring_format(thing->shm.p, RING_CAPACITY_DEFAULT, epoch);
        thing_keep(link, thing);
        r = ring_open(thing->shm.p, thing->shm.size, &link->rings[i]);
        if (r < 0) {
            return r;
        }
    }
    ring_position(link, i);
    return 0;
}

static int rings_ensure(struct edge_link *link)
{
    int r = 0;
    for (unsigned i = 0; r == 0 && i < RINGS_MAX; i++) {
        if (i % COUNTERS_HALF < link->threads_wanted && !link->rings[i].header) {
            r = ring_ensure(link, i);
        }
    }
    loop_defer(link->core->loop, &link->more);
    return r;
}

int edge_link_set_threads(struct edge_link *link, unsigned threads)
{
    link->threads_wanted = MAX(link->threads_wanted, threads);
    link->core->roles.edge_threads = threads;
    return link->open ? rings_ensure(link) : 0;
}

int edge_link_former(const struct edge_link *link, struct shm *ret_memory, struct snapshot *ret)
{
    int fd = keeper_client_fd(link->core->keeper, STR("snapshot"));
    int r = fd < 0 ? -ENOENT : shm_map(ret_memory, fd, false);
    if (r < 0) {
        return r;
    }
    r = snapshot_open(str_make((const char *)ret_memory->p, ret_memory->size), ret);
    if (r < 0) {
        shm_unmap(ret_memory);
    }
    return r;
}

/* Sequences go on where the last core stopped. */
static void learn_sequence(struct edge_link *link)
{
    struct shm shm = {0};
    struct snapshot snapshot;
    if (edge_link_former(link, &shm, &snapshot) == 0) {
        link->sequence = snapshot.sequence;
        shm_unmap(&shm);
    }
}

static void send_waiting(struct edge_link *link);

static int open_link(struct edge_link *link)
{
    int r;
    if ((r = bell_ensure(link, &link->bell_core, "bell:core")) < 0 ||
        (r = bell_ensure(link, &link->bell_edge, "bell:edge")) < 0 ||
        (r = deltas_ensure(link)) < 0 || (r = counters_ensure(link)) < 0 ||
        (r = rings_ensure(link)) < 0 ||
        (r = loop_fd_add(link->core->loop, &link->bell_watch, link->bell_core.fd, LOOP_READ)) < 0) {
        return r;
    }
    learn_sequence(link);
    link->open = true;
    send_waiting(link);
    return 0;
}

void edge_link_keeper_ready(struct edge_link *link)
{
    if (link->open) {
        return; /* the keeper client has handed everything over */
    }
    int r = open_link(link);
    if (r != link->open_error && r < 0) { /* said once, not every second */
        core_log(link->core, "shared memory for the edge: %s; trying again", strerror(-r));
    } else if (r == 0 && link->open_error < 0) {
        rolelog(ROLELOG_INFO, "core", "shared memory for the edge: it is there");
    }
    link->open_error = r;
    if (r < 0) {
        loop_timer_set(link->core->loop, &link->retry, core_now(link->core) + OPEN_RETRY_NS);
    }
}

static void on_retry(struct timer *timer, int64_t now_ns)
{
    edge_link_keeper_ready(container_of(timer, struct edge_link, retry));
}

bool edge_link_is_fresh(const struct edge_link *link)
{
    return link->open && link->sequence == 0;
}

void edge_link_kept(struct edge_link *link, struct str name, int fd)
{
    /* Everything is looked up at keeper_ready; later copies are of things that we gave. */
}

/* --- publishing --- */

static void snapshot_kept(struct keeper_request *request, int error, const struct keeper_msg *msg,
                          int *fd)
{
    struct edge_link *link = container_of(request, struct edge_link, keep_snapshot);
    if (error < 0) {
        core_log(link->core, "the keeper does not take the snapshot: %s", strerror(-error));
        if (link->waiting.fd < 0) {
            link->waiting = link->sending;
            link->sending.fd = -1;
            return; /* the next publish, or the next keeper, tries again */
        }
    } else {
        struct delta delta = {.kind = DELTA_SNAPSHOT};
        link->published = link->sending.sequence;
        delta_log_set_base(&link->log, link->sending.base);
        if (delta_log_append(&link->log, &delta) != 0) {
            core_log(link->core, "the delta log has no room for the word of a snapshot");
        }
        shm_bell_ring(link->bell_edge.fd);
    }
    file_close(&link->sending.fd);
    send_waiting(link);
}

static void send_waiting(struct edge_link *link)
{
    if (!link->open || link->sending.fd >= 0 || link->waiting.fd < 0) {
        return;
    }
    link->sending = link->waiting;
    link->waiting.fd = -1;
    link->keep_snapshot.answered = snapshot_kept;
    keeper_client_keep(link->core->keeper, &link->keep_snapshot, STR("snapshot"), link->sending.fd);
}

int edge_link_publish(struct edge_link *link, struct snapshot_builder *builder)
{
    if (!link->open) {
        return -ENOTCONN;
    }
    struct buf blob = BUF_INIT(SNAPSHOT_BLOB_MAX);
    struct snapshot_out out = {.fd = -1, .base = delta_log_head(&link->log)};
    int r = snapshot_builder_finish(builder, link->sequence + 1, out.base, &blob);
    if (r == 0) {
        r = shm_create_sealed("muelle-snapshot", buf_str(&blob), &out.fd);
    }
    buf_fini(&blob);
    if (r < 0) {
        return r;
    }
    out.sequence = ++link->sequence;
    file_close(&link->waiting.fd);
    link->waiting = out;
    send_waiting(link);
    return 0;
}

uint64_t edge_link_published(const struct edge_link *link)
{
    return link ? link->published : 0;
}

bool edge_link_is_current(const struct edge_link *link)
{
    return link->open && (link->waiting.fd < 0 || link->sending.fd >= 0);
}

/* Threads of the edge that serves, from that one on; 0: none does, as far as is known. One that has
 * died cannot take back what it has said of itself. */
static uint32_t serving(const struct edge_link *link, uint32_t *ret_first)
{
    const struct counters *counters = edge_link_counters(link);
    return counters && link->core->roles.edge_pid > 0 ? counters_serving(counters, ret_first) : 0;
}

bool edge_link_has_places(const struct edge_link *link)
{
    uint32_t first = 0;
    return serving(link, &first) == 0 ||
           counters_thread_read(&link->counters, first).no_places == 0;
}

bool edge_link_is_taken(const struct edge_link *link)
{
    uint32_t first = 0, threads = serving(link, &first);
    if (threads == 0 || !link->open) {
        return true;
    }
    uint64_t mark = delta_mark(link->published, delta_log_head(&link->log));
    bool taken = link->waiting.fd < 0 && link->sending.fd < 0;
    for (uint32_t i = 0; taken && i < link->counters.threads; i++) {
        uint64_t said = counters_thread_read(&link->counters, i).taken;
        /* In an upgrade the edge that leaves accepts until the next one serves. */
        taken = said == mark || (said == 0 && (i < first || i >= first + threads));
    }
    return taken;
}

const struct delta_log *edge_link_deltas(const struct edge_link *link)
{
    return link && link->open ? &link->log : NULL;
}

int edge_link_delta(struct edge_link *link, struct delta *delta)
{
    if (!link->open) {
        return EDGE_E_FULL;
    }
    /* A snapshot that is not yet with the keeper was built before this delta: the delta is behind
     * its base. */
    int r = delta_log_append(&link->log, delta);
    if (r == DELTA_E_FULL) {
        return EDGE_E_FULL;
    }
    if (r == 0) {
        shm_bell_ring(link->bell_edge.fd);
    }
    return r;
}

void edge_link_load(struct edge_link *link, uint64_t endpoint, unsigned per_mille)
{
    if (link->open && link->log.loads) {
        loads_set(link->log.loads, endpoint, per_mille, core_now(link->core));
    }
}

/* --- reading --- */

static bool deferred_commit(const struct edge_link *link)
{
    list_for_each (it, &link->readers) {
        if (list_entry(it, struct edge_reader, node)->position) {
            return true;
        }
    }
    return false;
}

static void dispatch(struct edge_link *link, const struct edge_record *records, size_t count)
{
    list_for_each_safe (it, &link->readers) {
        struct edge_reader *reader = list_entry(it, struct edge_reader, node);
        reader->records(reader, records, count);
    }
}

/* One batch of one ring. Returns how many records there were; *traffic when some were of
 * requests. */
static size_t read_batch(struct edge_link *link, unsigned i, bool *traffic)
{
    struct ring *ring = &link->rings[i];
    struct ring_record copies[BATCH];
    struct edge_record records[BATCH];
    size_t count = 0;
    size_t seen = 0;
    while (seen < BATCH) {
        uint64_t sequence = 0;
        int r = ring_read(ring, &copies[count], &sequence);
        if (r == RING_E_EMPTY) {
            break;
        }
        seen++;
        if (r == RING_E_BAD) {
            continue; /* it wasted our time, nothing else */
        }
        *traffic = *traffic || copies[count].kind == RING_ACCESS;
        records[count] = (struct edge_record){i, ring_epoch(ring), sequence, &copies[count]};
        count++;
    }
    if (count) {
        dispatch(link, records, count);
    }
    if (seen && !deferred_commit(link)) {
        ring_commit(ring);
    }
    return seen;
}

/* Reads all rings, each in its turn. While there is traffic the edge is not asked to ring: it would
 * do so at each of its turns. We look again a little later instead; the rings hold far more than
 * comes in that time. */
static void read_rings(struct edge_link *link)
{
    size_t total = 0;
    bool traffic = false;
    for (unsigned n = 0; n < RINGS_MAX; n++) {
        unsigned i = (link->next_ring + n) % RINGS_MAX;
        size_t seen;
        if (!link->rings[i].header) {
            continue;
        }
        do {
            seen = read_batch(link, i, &traffic);
            total += seen;
            if (total > TURN_MAX) {
                link->next_ring = (i + 1) % RINGS_MAX;
                loop_defer(link->core->loop, &link->more);
                return;
            }
        } while (seen == BATCH || (!traffic && !ring_sleep(&link->rings[i])));
    }
    if (traffic) {
        loop_timer_after(link->core->loop, &link->look, LOOK_MS * NS_PER_MS);
    }
}

static void on_more(struct loop_task *task)
{
    read_rings(container_of(task, struct edge_link, more));
}

static void on_look(struct timer *timer, int64_t now_ns)
{
    read_rings(container_of(timer, struct edge_link, look));
}

static void on_bell(struct loop_fd *watch, uint32_t events)
{
    struct edge_link *link = container_of(watch, struct edge_link, bell_watch);
    shm_bell_clear(watch->fd);
    read_rings(link);
}

void edge_link_subscribe(struct edge_link *link, struct edge_reader *reader)
{
    list_push_back(&link->readers, &reader->node);
}

void edge_link_unsubscribe(struct edge_reader *reader)
{
    list_del(&reader->node);
}

void edge_link_commit(struct edge_link *link, uint32_t ring, uint64_t sequence)
{
    if (ring < RINGS_MAX && link->rings[ring].header) {
        ring_commit_to(&link->rings[ring], sequence);
    }
}

const struct counters *edge_link_counters(const struct edge_link *link)
{
    return link->counters_open ? &link->counters : NULL;
}

int edge_link_new(struct core *core, struct edge_link **ret_link)
{
    struct edge_link *link = calloc(1, sizeof(*link));
    if (!link) {
        return -ENOMEM;
    }
    link->core = core;
    struct thing *things[] = {&link->deltas, &link->counters_thing, &link->counters_older,
                              &link->bell_core, &link->bell_edge};
    for (size_t i = 0; i < ARRAY_LEN(things); i++) {
        things[i]->fd = -1;
    }
    for (size_t i = 0; i < RINGS_MAX; i++) {
        link->ring_things[i].fd = -1;
    }
    link->sending.fd = -1;
    link->waiting.fd = -1;
    link->threads_wanted = 1;
    list_init(&link->readers);
    loop_fd_init(&link->bell_watch, on_bell);
    loop_task_init(&link->more, on_more);
    timer_init(&link->look, on_look);
    timer_init(&link->retry, on_retry);
    *ret_link = link;
    return 0;
}

void edge_link_free(struct edge_link *link)
{
    if (!link) {
        return;
    }
    loop_task_cancel(&link->more);
    loop_timer_cancel(link->core->loop, &link->look);
    loop_timer_cancel(link->core->loop, &link->retry);
    loop_fd_remove(link->core->loop, &link->bell_watch);
    if (link->keep_snapshot.serial) {
        keeper_client_cancel(link->core->keeper, &link->keep_snapshot);
    }
    file_close(&link->sending.fd);
    file_close(&link->waiting.fd);
    thing_fini(link, &link->deltas);
    thing_fini(link, &link->counters_thing);
    thing_fini(link, &link->counters_older);
    thing_fini(link, &link->bell_core);
    thing_fini(link, &link->bell_edge);
    for (unsigned i = 0; i < RINGS_MAX; i++) {
        thing_fini(link, &link->ring_things[i]);
    }
    free(link);
}
