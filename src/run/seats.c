/* SPDX-License-Identifier: Apache-2.0
 *
 * Few replicas have an override, so a service has an array of those that do, in no order. It is
 * bounded by the numbers there may be.
 */
#include "run/seats.h"

#include "base/num.h"
#include "schema/spec.h"
#include "store/tables.h"

#include <stdio.h>
#include <stdlib.h>

void seats_fini(struct seats *seats)
{
    free(seats->items);
    *seats = (struct seats){0};
}

const struct seat *seats_find(const struct seats *seats, uint32_t number)
{
    for (size_t i = 0; i < seats->count; i++) {
        if (seats->items[i].number == number) {
            return &seats->items[i];
        }
    }
    return NULL;
}

struct seat *seats_get(struct seats *seats, uint32_t number)
{
    for (size_t i = 0; i < seats->count; i++) {
        if (seats->items[i].number == number) {
            return &seats->items[i];
        }
    }
    ensure(number >= 1 && number <= SPEC_REPLICAS_MAX);
    struct seat *items = realloc(seats->items, (seats->count + 1) * sizeof(*items));
    if (!items) {
        return NULL;
    }
    seats->items = items;
    items[seats->count] = (struct seat){.number = number};
    return &items[seats->count++];
}

void seats_field(bool drained, uint32_t number, char ret[SEATS_FIELD_MAX])
{
    snprintf(ret, SEATS_FIELD_MAX, "%s.%u", drained ? "drained" : "weight", number);
}

bool seats_load(struct seats *seats, const struct override_row *row)
{
    struct str what, number;
    uint64_t n = 0, value = 0;
    if (!str_split(row->field, '.', &what, &number)) {
        return false;
    }
    bool drained = str_is(what, "drained");
    struct seat *seat = NULL;
    if ((drained || str_is(what, "weight")) && num_parse_u64(number, &n) == 0 && n >= 1 &&
        n <= SPEC_REPLICAS_MAX && num_parse_u64(row->value, &value) == 0) {
        seat = seats_get(seats, (uint32_t)n);
    }
    if (seat) {
        struct override *override = drained ? &seat->drained : &seat->weight;
        override->set = true;
        override->value = (uint32_t)MIN(value, (uint64_t)SPREAD_WEIGHT_MAX);
        override->wall_ns = row->time;
        str_copy(override->actor, sizeof(override->actor), row->actor);
    }
    return true;
}
