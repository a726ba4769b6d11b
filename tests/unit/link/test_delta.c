/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "link/delta.h"
#include "link/loads.h"

#include <stdlib.h>

static struct delta_log new_log(uint32_t capacity)
{
    struct delta_log log;
    size_t size = ALIGN_UP(delta_log_size(capacity), 64);
    void *memory = aligned_alloc(64, size);
    check(memory != NULL);
    memset(memory, 0, size);
    delta_log_format(memory, capacity);
    check_int(delta_log_open(memory, size, &log), 0);
    return log;
}

static int append(struct delta_log *log, uint64_t endpoint)
{
    struct delta delta = {
        .kind = DELTA_ENDPOINT_SET, .endpoint = endpoint, .address = "127.0.0.1:1"};
    return delta_log_append(log, &delta);
}

TEST(deltas_are_read_in_order)
{
    struct delta_log log = new_log(8);
    uint64_t cursor = 0;
    struct delta delta;
    check_int(delta_log_read(&log, &cursor, &delta), DELTA_E_NONE);
    for (uint64_t i = 1; i <= 5; i++) {
        check_int(append(&log, i * 10), 0);
    }
    for (uint64_t i = 1; i <= 5; i++) {
        check_int(delta_log_read(&log, &cursor, &delta), 0);
        check_int(delta.sequence, i);
        check_int(delta.endpoint, i * 10);
        check_cstr(delta.address, "127.0.0.1:1");
    }
    check_int(delta_log_read(&log, &cursor, &delta), DELTA_E_NONE);
    free(log.header);
}

TEST(a_full_log_asks_for_a_snapshot_and_goes_on_after_it)
{
    struct delta_log log = new_log(4);
    for (uint64_t i = 1; i <= 4; i++) {
        check_int(append(&log, i), 0);
    }
    check_int(append(&log, 5), DELTA_E_FULL);
    delta_log_set_base(&log, 99); /* memory that the other side has written to: not followed */
    check_int(append(&log, 5), DELTA_E_FULL);
    delta_log_set_base(&log, 2);
    check_int(append(&log, 5), 0);
    check_int(append(&log, 6), 0);
    check_int(append(&log, 7), DELTA_E_FULL);
    uint64_t behind = 1;
    struct delta delta;
    check_int(delta_log_read(&log, &behind, &delta), DELTA_E_LOST);
    uint64_t cursor = 2;
    check_int(delta_log_read(&log, &cursor, &delta), 0);
    check_int(delta.endpoint, 3);
    free(log.header);
}

TEST(a_reader_trusts_nothing)
{
    struct rng *rng = test_rng();
    for (size_t round = 0; round < test_rounds(2000); round++) {
        struct delta_log log = new_log(4);
        for (uint64_t i = 1; i <= 3; i++) {
            check_int(append(&log, i), 0);
        }
        uint8_t *bytes = (void *)log.header;
        for (size_t i = rng_below(rng, 20); i > 0; i--) {
            bytes[16 + rng_below(rng, delta_log_size(4) - LOADS_SIZE - 16)] = (uint8_t)rng_u64(rng);
        }
        uint64_t cursor = 0;
        struct delta delta;
        for (int i = 0; i < 5 && delta_log_read(&log, &cursor, &delta) == 0; i++) {
            bool route = delta.kind == DELTA_ROUTE_SET || delta.kind == DELTA_ROUTE_REMOVE;
            check(delta.kind < DELTA_KINDS);
            check(route ? delta_route(&delta).path.len < DELTA_ROUTE_MAX
                        : strlen(delta.address) < DELTA_ADDRESS_MAX);
        }
        free(log.header);
    }
}

/* The slot's delta, as a reader finds it that knows nothing of what came later. */
static struct delta *written(const struct delta_log *log, uint64_t sequence)
{
    return (struct delta *)(void *)(log->slots + (sequence - 1) * DELTA_SLOT + sizeof(uint64_t));
}

TEST(a_state_that_older_readers_do_not_know_is_written_as_one_that_they_do)
{
    struct delta_log log = new_log(8);
    uint64_t cursor = 0;
    for (int state = 0; state < SNAPSHOT_SERVICE_STATES; state++) {
        struct delta read, delta = {.kind = DELTA_SERVICE_STATE,
                                    .service = 7,
                                    .service_state = (enum snapshot_service_state)state};
        check_int(delta_log_append(&log, &delta), 0);
        check_int(delta.service_state, state); /* the caller's stays */
        check(written(&log, cursor + 1)->service_state <= SNAPSHOT_SERVICE_CRASHED);
        check_int(delta_log_read(&log, &cursor, &read), 0);
        check_int(read.service_state, state);
    }
    struct delta later, weighed = {.kind = DELTA_ENDPOINT_SET,
                                   .weight = 3,
                                   .service_state = SNAPSHOT_SERVICE_STOPPED};
    check_int(delta_log_append(&log, &weighed), 0);
    check_int(delta_log_read(&log, &cursor, &later), 0);
    check_int(later.service_state, SNAPSHOT_SERVICE_STOPPED); /* a weight is no drain */
    check_int(later.weight, 3);
    struct delta stopped = {.kind = DELTA_SERVICE_STATE};
    check_int(delta_log_append(&log, &stopped), 0);
    written(&log, cursor + 1)->service_state = (enum snapshot_service_state)77; /* a newer core */
    check_int(delta_log_read(&log, &cursor, &later), 0);
    check_int(later.service_state, SNAPSHOT_SERVICE_STOPPED);
    free(log.header);
}

TEST(a_route_goes_through_the_log_whole)
{
    struct delta_log log = new_log(4);
    struct delta delta;
    struct snapshot_route route = {.id = 7,
                                   .service = 3,
                                   .host = STR("*.shop.example"),
                                   .path = STR("/api"),
                                   .flags = SNAPSHOT_ROUTE_CONNECT,
                                   .tunnel = {1 << 20, 2, 3, 4}};
    check(delta_of_route(&route, &delta));
    delta.kind = DELTA_ROUTE_SET;
    check_int(delta_log_append(&log, &delta), 0);
    uint64_t cursor = 0;
    struct delta back;
    check_int(delta_log_read(&log, &cursor, &back), 0);
    struct snapshot_route read = delta_route(&back);
    check(read.id == 7 && read.service == 3 && read.flags == SNAPSHOT_ROUTE_CONNECT);
    check_str(read.host, route.host);
    check_str(read.path, route.path);
    check_int(read.tunnel.message_max, 1 << 20);
    check(read.tunnel.ping_ms == 2 && read.tunnel.idle_ms == 3 && read.tunnel.connections_max == 4);
    /* Texts that have no end are not understood. */
    memset(delta.route, 'x', sizeof(delta.route));
    check_int(delta_log_append(&log, &delta), 0);
    check_int(delta_log_read(&log, &cursor, &back), DELTA_E_LOST);
    char memory[DELTA_ROUTE_MAX];
    memset(memory, 'p', sizeof(memory));
    route.path = str_make(memory, sizeof(memory) - route.host.len - 2);
    check(delta_of_route(&route, &delta));
    route.path = str_make(memory, route.path.len + 1);
    check(!delta_of_route(&route, &delta));
    free(log.header);
}

TEST(memory_that_is_no_log_is_refused)
{
    struct delta_log log = new_log(4);
    struct delta_log again;
    check_int(delta_log_open(log.header, delta_log_size(4) - LOADS_SIZE - 1, &again), -EINVAL);
    memset(log.header, 0, 8);
    check_int(delta_log_open(log.header, delta_log_size(4), &again), -EINVAL);
    free(log.header);
}
