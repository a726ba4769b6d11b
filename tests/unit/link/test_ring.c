/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "link/ring.h"

#include <pthread.h>
#include <stdlib.h>

static void *new_memory(uint32_t capacity)
{
    void *memory = aligned_alloc(64, ring_size(capacity));
    check(memory != NULL);
    memset(memory, 0, ring_size(capacity));
    ring_format(memory, capacity, 42);
    return memory;
}

static bool put(struct ring *ring, uint64_t mark)
{
    struct ring_record *record = ring_next(ring);
    if (!record) {
        return false;
    }
    *record = (struct ring_record){.kind = RING_ACCESS};
    record->access.bytes_in = mark;
    record->access.status = 200;
    ring_publish(ring);
    return true;
}

TEST(records_come_out_as_they_went_in_until_the_ring_is_full)
{
    void *memory = new_memory(4);
    struct ring in;
    struct ring out;
    check_int(ring_open(memory, ring_size(4), &in), 0);
    check_int(ring_open(memory, ring_size(4), &out), 0);
    for (uint64_t i = 0; i < 4; i++) {
        check(put(&in, i));
    }
    check(!put(&in, 4));
    check_int(ring_dropped(&in), 1);
    struct ring_record record;
    uint64_t sequence;
    for (uint64_t i = 0; i < 4; i++) {
        check_int(ring_read(&out, &record, &sequence), 0);
        check_int(sequence, i);
        check_int(record.access.bytes_in, i);
    }
    check_int(ring_read(&out, &record, &sequence), RING_E_EMPTY);
    check(!put(&in, 4)); /* not committed yet */
    ring_commit(&out);
    check(put(&in, 5));
    free(memory);
}

TEST(what_was_not_committed_is_read_again_unless_it_was_stored)
{
    void *memory = new_memory(8);
    struct ring in;
    struct ring out;
    struct ring_record record;
    uint64_t sequence;
    check_int(ring_open(memory, ring_size(8), &in), 0);
    for (uint64_t i = 0; i < 5; i++) {
        check(put(&in, i));
    }
    check_int(ring_open(memory, ring_size(8), &out), 0);
    check_int(ring_read(&out, &record, &sequence), 0);
    check_int(ring_open(memory, ring_size(8), &out), 0);
    check_int(ring_read(&out, &record, &sequence), 0);
    check_int(record.access.bytes_in, 0);
    ring_seek(&out, 3);
    check_int(ring_read(&out, &record, &sequence), 0);
    check_int(record.access.bytes_in, 3);
    ring_seek(&out, 99); /* another ring's number */
    check_int(ring_read(&out, &record, &sequence), 0);
    check_int(record.access.bytes_in, 3);
    free(memory);
}

TEST(the_bell_is_rung_only_for_a_sleeper)
{
    void *memory = new_memory(8);
    struct ring in;
    struct ring out;
    check_int(ring_open(memory, ring_size(8), &in), 0);
    check_int(ring_open(memory, ring_size(8), &out), 0);
    check(put(&in, 1));
    check(!ring_should_wake(&in));
    check(!ring_sleep(&out)); /* there is one already */
    struct ring_record record;
    uint64_t sequence;
    check_int(ring_read(&out, &record, &sequence), 0);
    check(ring_sleep(&out));
    check(put(&in, 2));
    check(ring_should_wake(&in));
    check(!ring_should_wake(&in));
    free(memory);
}

TEST(arbitrary_memory_never_hurts_either_side)
{
    struct rng *rng = test_rng();
    for (size_t round = 0; round < test_rounds(3000); round++) {
        uint8_t *memory = new_memory(4);
        struct ring in;
        struct ring out;
        check_int(ring_open(memory, ring_size(4), &in), 0);
        check_int(ring_open(memory, ring_size(4), &out), 0);
        for (uint64_t i = 0; i < rng_below(rng, 5); i++) {
            check(put(&in, i));
        }
        for (size_t i = rng_below(rng, 30); i > 0; i--) {
            memory[64 + rng_below(rng, ring_size(4) - 64)] = (uint8_t)rng_u64(rng);
        }
        struct ring_record record;
        uint64_t sequence;
        int r = 0;
        for (int i = 0; i < 10 && r != RING_E_EMPTY; i++) {
            r = ring_read(&out, &record, &sequence);
            if (r == 0 && record.kind == RING_ACCESS) {
                check(record.access.path_len <= RING_PATH_MAX);
                check(record.access.request_id_len <= RING_REQUEST_ID_MAX);
            }
        }
        ring_commit(&out);
        (void)put(&in, 9);
        free(memory);
    }
}

/* The tail (at 128) is the reader's; one in front of the head is nonsense, and no room. */
TEST(room_for_two_is_room_for_one_whatever_the_reader_says)
{
    for (uint64_t tail = 0; tail < 8; tail++) {
        char *memory = new_memory(4);
        struct ring in;
        check_int(ring_open(memory, ring_size(4), &in), 0);
        for (uint64_t i = 0; i < 4; i++) {
            check(put(&in, i));
        }
        memcpy(memory + 128, &tail, sizeof(tail));
        bool two = ring_has_two(&in);
        check(two == (tail >= 2 && tail <= 4));
        check(!two || ring_next(&in));
        free(memory);
    }
}

enum { RACE_RECORDS = 100000 };

static void *produce(void *memory)
{
    struct ring in;
    check_int(ring_open(memory, ring_size(64), &in), 0);
    for (uint64_t i = 0; i < RACE_RECORDS;) {
        i += put(&in, i) ? 1 : 0;
    }
    return NULL;
}

TEST(two_threads_lose_and_reorder_nothing)
{
    void *memory = new_memory(64);
    struct ring out;
    pthread_t thread;
    check_int(ring_open(memory, ring_size(64), &out), 0);
    check_int(pthread_create(&thread, NULL, produce, memory), 0);
    for (uint64_t want = 0; want < RACE_RECORDS;) {
        struct ring_record record;
        uint64_t sequence;
        int r = ring_read(&out, &record, &sequence);
        if (r == 0) {
            check_int(sequence, want);
            check_int(record.access.bytes_in, want);
            want++;
            ring_commit(&out);
        }
    }
    pthread_join(thread, NULL);
    free(memory);
}
