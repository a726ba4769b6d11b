/* SPDX-License-Identifier: Apache-2.0 */
#include "edge/memory.h"
#include "harness/test.h"

static struct edge_memory nothing(void)
{
    struct edge_memory memory = {.deltas = -1, .counters = -1, .bell_core = -1, .bell_edge = -1};
    for (size_t i = 0; i < ARRAY_LEN(memory.rings); i++) {
        memory.rings[i] = -1;
    }
    return memory;
}

static int shared_memory(size_t size)
{
    int fd = -1;
    check_int(shm_create("t", size, &fd), 0);
    return fd;
}

/* Traffic needs none of it: an edge whose keeper holds nothing counts for itself. */
TEST(without_a_keepers_memory_it_has_its_own)
{
    static struct edge_shared shared;
    struct edge_memory memory = nothing();
    check_int(memory_open(&shared, &memory, 3), 0);
    check(!shared.has_deltas);
    check_int(counters_serving(&shared.counters, NULL), 3);
    check(counters_cell_get(&shared.counters, 15, 1, 2, 3) != NULL);
    for (size_t i = 0; i < 3; i++) {
        check(ring_next(&shared.rings[i]) != NULL);
    }
    memory_close(&shared);
}

/* Memory of another version, or damaged: not understood, so not used; and not written to. */
TEST(memory_that_is_not_understood_is_replaced_and_left_alone)
{
    static struct edge_shared shared;
    struct edge_memory memory = nothing();
    struct shm counters = {0}, ring = {0};
    size_t size = counters_size(COUNTERS_THREADS_MAX, COUNTERS_CELLS_DEFAULT);
    memory.counters = shared_memory(size);
    memory.rings[0] = shared_memory(ring_size(RING_CAPACITY_DEFAULT));
    memory.deltas = shared_memory(4096);
    check_int(shm_map(&counters, memory.counters, true), 0);
    check_int(shm_map(&ring, memory.rings[0], true), 0);
    memset(counters.p, 0x55, 64);
    memset(ring.p, 0x55, 64);
    check_int(memory_open(&shared, &memory, 1), 0);
    check(!shared.has_deltas);
    check(shared.counters_shm.p != counters.p);
    counters_add(&counters_cell_get(&shared.counters, 0, 1, 2, 3)->requests, 1);
    check(ring_next(&shared.rings[0]) != NULL);
    for (size_t i = 0; i < 64; i++) {
        check_int(((unsigned char *)counters.p)[i], 0x55);
        check_int(((unsigned char *)ring.p)[i], 0x55);
    }
    memory_close(&shared);
    shm_unmap(&counters);
    shm_unmap(&ring);
    sock_close(&memory.counters);
    sock_close(&memory.rings[0]);
    sock_close(&memory.deltas);
}

TEST(what_the_keeper_holds_is_taken_on_with_its_counts)
{
    static struct edge_shared shared;
    struct edge_memory memory = nothing();
    struct shm counters = {0};
    struct counters before;
    size_t size = counters_size(COUNTERS_THREADS_MAX, COUNTERS_CELLS_DEFAULT);
    memory.counters = shared_memory(size);
    check_int(shm_map(&counters, memory.counters, true), 0);
    counters_format(counters.p, COUNTERS_THREADS_MAX, COUNTERS_CELLS_DEFAULT);
    check_int(counters_open(counters.p, counters.size, &before), 0);
    counters_add(&counters_cell_get(&before, 0, 1, 2, 3)->requests, 7);
    counters_cell_get(&before, 0, 1, 2, 3)->in_flight = 5;
    check_int(memory_open(&shared, &memory, 2), 0);
    check_int(counters_cell_get(&shared.counters, 0, 1, 2, 3)->requests, 7);
    check_int(counters_cell_get(&shared.counters, 0, 1, 2, 3)->in_flight, 0);
    check_int(counters_serving(&before, NULL), 2);
    memory_close(&shared);
    shm_unmap(&counters);
    sock_close(&memory.counters);
}

TEST(a_descriptor_that_is_no_memory_is_as_good_as_none)
{
    static struct edge_shared shared;
    struct edge_memory memory = nothing();
    memory.counters = 987654;
    memory.deltas = 987654;
    memory.rings[0] = 987654;
    check_int(memory_open(&shared, &memory, 1), 0);
    check(!shared.has_deltas);
    check_int(counters_serving(&shared.counters, NULL), 1);
    check(ring_next(&shared.rings[0]) != NULL);
    memory_close(&shared);
}
