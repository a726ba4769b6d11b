/* SPDX-License-Identifier: Apache-2.0
 *
 * The delta log's memory:
 *
 *   0    header (64 bytes): magic u64, capacity u32, reserved u32, head u64, base u64
 *   64   `capacity` slots of DELTA_SLOT bytes: struct delta_slot
 *   …    LOADS words (link/loads.h)
 *
 * A slot's `sequence` is 0 while the slot is written and the delta's sequence afterwards; a reader
 * copies the slot between two looks at it (a seqlock), so a torn copy is never used. Readers trust
 * nothing: an impossible head, enum or text gives DELTA_E_LOST.
 */
#include "link/delta.h"

#include "link/loads.h"
#include "link/wire_state.h"
#include "link/words.h"

#include <string.h>

#define DELTA_MAGIC UINT64_C(0x31544c44454d) /* "MEDLT1" */

struct delta_log_header {
    uint64_t magic;
    uint32_t capacity, reserved;
    uint64_t head, base;
    uint64_t unused[4];
};
struct delta_slot {
    uint64_t sequence;
    struct delta delta;
};

_Static_assert(sizeof(struct delta_log_header) == 64, "the header's layout is fixed");
_Static_assert(sizeof(struct delta_slot) <= DELTA_SLOT, "a delta fits its slot");
_Static_assert(sizeof(struct delta) % 8 == 0, "deltas are copied by words");

enum { CAPACITY_MAX = 1 << 20 };

static struct delta_slot *slot_of(const struct delta_log *log, uint64_t sequence)
{
    return (struct delta_slot *)(void *)(log->slots +
                                         ((sequence - 1) % log->capacity) * DELTA_SLOT);
}

bool delta_of_route(const struct snapshot_route *route, struct delta *ret)
{
    size_t len = route->host.len + route->path.len + 2;
    if (len > sizeof(ret->route) || memchr(route->host.p, '\0', route->host.len) ||
        memchr(route->path.p, '\0', route->path.len)) {
        return false;
    }
    *ret = (struct delta){
        .service = route->service,
        .endpoint = route->id,
        .route_flags = route->flags,
        .tunnel = route->tunnel,
    };
    memcpy(ret->route, route->host.p, route->host.len);
    memcpy(ret->route + route->host.len + 1, route->path.p, route->path.len);
    return true;
}

struct snapshot_route delta_route(const struct delta *delta)
{
    struct str host = str_from(delta->route);
    return (struct snapshot_route){
        .id = delta->endpoint,
        .service = delta->service,
        .host = host,
        .path = str_from(delta->route + host.len + 1),
        .flags = delta->route_flags,
        .tunnel = delta->tunnel,
    };
}

size_t delta_log_size(uint32_t capacity)
{
    return sizeof(struct delta_log_header) + (size_t)capacity * DELTA_SLOT + LOADS_SIZE;
}

void delta_log_format(void *memory, uint32_t capacity)
{
    ensure(capacity > 0 && capacity <= CAPACITY_MAX);
    struct delta_log_header *header = memory;
    header->capacity = capacity;
    header->magic = DELTA_MAGIC;
}

int delta_log_open(void *memory, size_t size, struct delta_log *ret)
{
    struct delta_log_header *header = memory;
    if (size < sizeof(*header) || header->magic != DELTA_MAGIC) {
        return -EINVAL;
    }
    uint32_t capacity = header->capacity; /* once: the other side may change it */
    if (capacity == 0 || capacity > CAPACITY_MAX || delta_log_size(capacity) - LOADS_SIZE > size) {
        return -EINVAL;
    }
    *ret = (struct delta_log){
        .header = header,
        .slots = (uint8_t *)memory + sizeof(*header),
        .capacity = capacity,
    };
    if (delta_log_size(capacity) <= size) {
        ret->loads = (uint64_t *)(void *)(ret->slots + (size_t)capacity * DELTA_SLOT);
    }
    return 0;
}

uint64_t delta_log_head(const struct delta_log *log)
{
    return __atomic_load_n(&log->header->head, __ATOMIC_ACQUIRE);
}

int delta_log_append(struct delta_log *log, struct delta *delta)
{
    uint64_t head = log->header->head;
    if (head - log->header->base >= log->capacity) {
        return DELTA_E_FULL;
    }
    delta->sequence = head + 1;
    struct delta written = *delta;
    written.service_state = (enum snapshot_service_state)wire_state(delta->service_state);
    if (delta->kind == DELTA_SERVICE_STATE) {
        written.state_rest = wire_state_rest(delta->service_state);
    }
    struct delta_slot *slot = slot_of(log, delta->sequence);
    __atomic_store_n(&slot->sequence, 0, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    words_store(&slot->delta, &written, sizeof(written));
    __atomic_store_n(&slot->sequence, delta->sequence, __ATOMIC_RELEASE);
    __atomic_store_n(&log->header->head, delta->sequence, __ATOMIC_RELEASE);
    return 0;
}

void delta_log_set_base(struct delta_log *log, uint64_t base)
{
    /* The memory is shared: an edge gone bad shall not bring the core down. */
    if (base > log->header->base && base <= log->header->head) {
        __atomic_store_n(&log->header->base, base, __ATOMIC_RELEASE);
    }
}

static bool text_ended(const char *text, size_t size)
{
    return memchr(text, '\0', size) != NULL;
}

static bool is_route(const struct delta *delta)
{
    return delta->kind == DELTA_ROUTE_SET || delta->kind == DELTA_ROUTE_REMOVE;
}

static bool route_ok(const struct delta *delta)
{
    const char *path = memchr(delta->route, '\0', sizeof(delta->route));
    size_t left = path ? sizeof(delta->route) - (size_t)(path + 1 - delta->route) : 0;
    return delta->endpoint != 0 && path && memchr(path + 1, '\0', left);
}

static bool delta_ok(const struct delta *delta)
{
    if (is_route(delta)) {
        return route_ok(delta);
    }
    return delta->kind > DELTA_NONE && delta->kind < DELTA_KINDS &&
           text_ended(delta->address, sizeof(delta->address)) &&
           text_ended(delta->replica, sizeof(delta->replica)) &&
           delta->endpoint_state < SNAPSHOT_ENDPOINT_STATES &&
           delta->seat.group < SNAPSHOT_GROUPS &&
           text_ended(delta->seat.sticky, sizeof(delta->seat.sticky));
}

int delta_log_read(const struct delta_log *log, uint64_t *cursor, struct delta *ret)
{
    uint64_t head = delta_log_head(log);
    if (*cursor == head) {
        return DELTA_E_NONE;
    }
    if (*cursor > head || head - *cursor > log->capacity) {
        return DELTA_E_LOST;
    }
    uint64_t sequence = *cursor + 1;
    const struct delta_slot *slot = slot_of(log, sequence);
    uint64_t before = __atomic_load_n(&slot->sequence, __ATOMIC_ACQUIRE);
    words_load(ret, &slot->delta, sizeof(*ret));
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    uint64_t after = __atomic_load_n(&slot->sequence, __ATOMIC_RELAXED);
    if (before != sequence || after != sequence || ret->sequence != sequence || !delta_ok(ret)) {
        return DELTA_E_LOST;
    }
    ret->service_state = wire_state_read((uint32_t)ret->service_state,
                                         ret->kind == DELTA_SERVICE_STATE ? ret->state_rest : 0);
    *cursor = sequence;
    return 0;
}
