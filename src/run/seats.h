/* SPDX-License-Identifier: Apache-2.0
 *
 * Overrides: what was changed at run time and is kept in the store. Those of single replicas
 * (weight, drained) are seats of their service. Private to run/.
 */
#ifndef RUN_SEATS_H
#define RUN_SEATS_H

#include "core/bus.h"

struct override_row; /* store/tables.h */

struct override {
    bool set;
    uint32_t value;
    char actor[NAME_MAX_SIZE];
    int64_t wall_ns;
};

struct seat {
    uint32_t number; /* of the replica */
    struct override weight, drained;
};
struct seats {
    struct seat *items;
    size_t count;
};

void seats_fini(struct seats *seats);
/* NULL: there is none. */
const struct seat *seats_find(const struct seats *seats, uint32_t number);
/* The same, made if need be; NULL when memory is out. */
struct seat *seats_get(struct seats *seats, uint32_t number);
/* A row of the store: false if it is of something else. */
bool seats_load(struct seats *seats, const struct override_row *row);
/* The field's name in the store and the API: "weight.2", "drained.2". */
enum { SEATS_FIELD_MAX = 24 };
void seats_field(bool drained, uint32_t number, char ret[SEATS_FIELD_MAX]);

#endif
