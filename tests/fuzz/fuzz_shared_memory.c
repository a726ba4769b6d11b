/* SPDX-License-Identifier: Apache-2.0
 *
 * Delta log, ring and counters while the other side writes nonsense: the input is a program of
 * honest operations and of bytes thrown anywhere into the memory. Whatever is handed out must be
 * within its bounds, and nothing is read or written beside the memory.
 */
#include "fuzz.h"
#include "link/counters_probe.h"
#include "link/delta.h"
#include "link/ring.h"

#include <stdlib.h>

enum { CAPACITY = 4, THREADS = 2, CELLS = 3, STEPS_MAX = 400 };

struct memory {
    char *p;
    size_t size;
};

static struct memory new_memory(size_t size)
{
    struct memory memory = {aligned_alloc(64, ALIGN_UP(size, 64)), size};
    fuzz_check(memory.p);
    memset(memory.p, 0, ALIGN_UP(size, 64));
    return memory;
}

/* A byte anywhere, also over the header: then it must be opened anew. */
static void damage(const struct memory *memory, struct str *in)
{
    size_t at = fuzz_byte(in) | (size_t)fuzz_byte(in) << 8;
    at = fuzz_byte(in) & 1 ? at % MIN(memory->size, (size_t)256) : at * 61 % memory->size;
    memory->p[at] = (char)fuzz_byte(in);
}

static void append(struct delta_log *log, struct str *in)
{
    const struct snapshot_route route = {
        .id = fuzz_byte(in) % 3, .service = 1, .host = str_slice(*in, 0, 5), .path = STR("/a")};
    struct delta delta = {.kind = fuzz_byte(in) % DELTA_KINDS, .address = "a"};
    bool is_route = delta.kind == DELTA_ROUTE_SET || delta.kind == DELTA_ROUTE_REMOVE;
    enum delta_kind kind = delta.kind;
    if (is_route && !delta_of_route(&route, &delta)) {
        return; /* a NUL in its name */
    }
    delta.kind = kind;
    (void)!delta_log_append(log, &delta);
}

static void check_delta(const struct delta *delta)
{
    fuzz_check(delta->kind > DELTA_NONE && delta->kind < DELTA_KINDS);
    if (delta->kind == DELTA_ROUTE_SET || delta->kind == DELTA_ROUTE_REMOVE) {
        struct snapshot_route route = delta_route(delta);
        fuzz_check(route.id && route.host.len + route.path.len + 2 <= sizeof(delta->route));
        return;
    }
    fuzz_check(strnlen(delta->address, DELTA_ADDRESS_MAX) < DELTA_ADDRESS_MAX);
    fuzz_check(strnlen(delta->replica, DELTA_REPLICA_MAX) < DELTA_REPLICA_MAX);
    fuzz_check(delta->endpoint_state < SNAPSHOT_ENDPOINT_STATES);
}

static void step_delta(const struct memory *memory, struct str *in, uint64_t *cursor)
{
    struct delta_log log;
    struct delta delta;
    unsigned what = fuzz_byte(in) % 4;
    if (delta_log_open(memory->p, memory->size, &log) < 0 || log.capacity > CAPACITY) {
        return;
    }
    if (what < 2) {
        append(&log, in);
    } else if (what == 2) {
        delta_log_set_base(&log, fuzz_byte(in));
    }
    int r = delta_log_read(&log, cursor, &delta);
    if (r == 0) {
        fuzz_check(delta.sequence == *cursor);
        check_delta(&delta);
    } else if (r == DELTA_E_LOST) {
        *cursor = delta_log_head(&log);
    }
}

static void produce(const struct memory *memory, struct str *in)
{
    struct ring ring;
    if (ring_open(memory->p, memory->size, &ring) < 0) {
        return;
    }
    bool two = ring_has_two(&ring);
    struct ring_record *record = ring_next(&ring);
    fuzz_check(record || !two);
    if (record) {
        *record = (struct ring_record){.kind = (uint16_t)(1 + fuzz_byte(in) % (RING_KINDS - 1))};
        ring_publish(&ring);
    }
    (void)ring_should_wake(&ring);
    (void)ring_dropped(&ring);
    (void)ring_epoch(&ring);
}

static void check_record(const struct ring_record *record)
{
    if (record->kind == RING_ACCESS) {
        fuzz_check(record->access.path_len + record->access.host_len <= RING_PATH_MAX);
        fuzz_check(record->access.request_id_len <= RING_REQUEST_ID_MAX);
        fuzz_check(record->access.status < 600 && ring_method_name(record->access.method)[0]);
        const char *name = ring_code_name(record->code);
        fuzz_check(!name || str_starts(str_from(name), STR("edge.")));
    } else if (record->kind == RING_MORE) {
        const struct ring_more *more = &record->more;
        fuzz_check(more->host_len + more->agent_len + more->referer_len <= RING_MORE_MAX);
    } else {
        fuzz_check(record->kind == RING_PROBE && record->probe.body_len <= RING_BODY_MAX);
    }
}

static void consume(const struct memory *memory, struct str *in)
{
    struct ring ring;
    struct ring_record record;
    uint64_t sequence;
    if (ring_open(memory->p, memory->size, &ring) < 0) {
        return;
    }
    ring_seek(&ring, fuzz_byte(in));
    for (int i = 0; i < 8; i++) {
        int r = ring_read(&ring, &record, &sequence);
        if (r == RING_E_EMPTY) {
            (void)ring_sleep(&ring);
            break;
        }
        if (r == 0) {
            check_record(&record);
        }
    }
    ring_commit_to(&ring, fuzz_byte(in));
    ring_commit(&ring);
}

static void write_counters(const struct counters *counters, struct str *in)
{
    uint32_t thread = fuzz_byte(in) % counters->threads;
    struct counters_cell *cell =
        counters_cell_get(counters, thread, fuzz_byte(in), 1, fuzz_byte(in) & 3);
    const struct counters_pool pool = counters_pool_of(counters, thread);
    counters_observe(&pool, &cell->durations[fuzz_byte(in) % COUNTERS_DURATIONS],
                     UINT32_C(1) << (fuzz_byte(in) & 31));
    struct counters_probe *probe = counters_probe_get(counters, 1 + (fuzz_byte(in) & 3));
    if (probe) {
        counters_probe_begin(probe);
        probe->body_len = fuzz_byte(in);
        counters_probe_end(probe);
    }
    counters_carry(&counters_carried_of(counters, thread)->requests, fuzz_byte(in));
}

static bool is_odd(void *context, uint64_t id)
{
    return id & 1;
}

static void give_back(const struct counters *counters, struct str *in)
{
    const struct counters_living living = {is_odd, is_odd, is_odd, NULL};
    uint32_t thread = fuzz_byte(in) % counters->threads;
    uint64_t count;
    uint32_t freed = counters_reclaim(counters, thread, &living);
    fuzz_check(freed < counters->cells && (freed == 0 || !counters_full(counters, thread)));
    (void)counters_settled(counters, &count);
    counters_serve(counters, thread, 1);
    fuzz_check(counters_serving(counters, NULL) == 1);
    fuzz_check(counters_tables(counters) == counters->threads);
    struct counters_carried lost = counters_lost(counters), found;
    counters_begun(counters, 1, lost);
    fuzz_check(counters_found(counters, 1, &found) && found.requests == lost.requests);
}

static void step_counters(const struct memory *memory, struct str *in)
{
    struct counters counters;
    struct counters_cell cell;
    struct counters_probe probe;
    if (counters_open(memory->p, memory->size, &counters) < 0) {
        return;
    }
    switch (fuzz_byte(in) & 3) {
    case 0:
        counters_clear(&counters, 0, COUNTERS_THREADS_MAX);
        break;
    case 1:
        write_counters(&counters, in);
        break;
    case 2:
        give_back(&counters, in);
        break;
    default:
        for (uint32_t i = 0; i < CELLS + 1; i++) {
            uint64_t counts[COUNTERS_OCTAVE];
            if (counters_cell_read(&counters, 0, i, &cell)) {
                fuzz_check(!counters_octave_read(&(struct counters_place){&counters, 0, i},
                                                 &cell.durations[i % COUNTERS_DURATIONS],
                                                 i % COUNTERS_OCTAVES, counts) ||
                           counts[0] < UINT64_MAX);
            }
            if (counters_probe_read(&counters, i, &probe)) {
                fuzz_check(probe.body_len <= COUNTERS_PROBE_BODY_MAX && probe.endpoint);
            }
        }
        (void)counters_thread_read(&counters, 0);
        fuzz_check(counters_bucket_low(fuzz_byte(in) % COUNTERS_BUCKETS) < UINT64_C(1) << 32);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = str_make((const char *)data, size);
    struct memory deltas = new_memory(delta_log_size(CAPACITY));
    struct memory ring = new_memory(ring_size(CAPACITY));
    struct memory counters = new_memory(counters_size(THREADS, CELLS));
    uint64_t cursor = 0;
    delta_log_format(deltas.p, CAPACITY);
    ring_format(ring.p, CAPACITY, 1);
    counters_format(counters.p, THREADS, CELLS);
    for (int steps = 0; in.len > 0 && steps < STEPS_MAX; steps++) {
        unsigned op = fuzz_byte(&in) % 7;
        switch (op) {
        case 0:
            damage(&deltas, &in);
            break;
        case 1:
            damage(&ring, &in);
            break;
        case 2:
            damage(&counters, &in);
            break;
        case 3:
            step_delta(&deltas, &in, &cursor);
            break;
        case 4:
            produce(&ring, &in);
            break;
        case 5:
            consume(&ring, &in);
            break;
        default:
            step_counters(&counters, &in);
        }
    }
    free(deltas.p);
    free(ring.p);
    free(counters.p);
    return 0;
}
