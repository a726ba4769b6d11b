/* SPDX-License-Identifier: Apache-2.0
 *
 * struct geo: where an address is on the globe, from a database in MaxMind's format (.mmdb) with
 * `location.latitude` and `location.longitude`, mapped. Opened by thread 0, read by all.
 */
#ifndef EDGE_GEO_H
#define EDGE_GEO_H

#include "base/problem.h"
#include "traffic/pick.h"

struct geo;

/* 0; -ENOENT (no library, no file), -EINVAL (no database) with the problem; -ENOMEM. */
must_check int geo_open(struct str path, struct geo **ret, struct problem *problem);
/* Accepts NULL. */
void geo_close(struct geo *geo);
/* Unknown without a database, for family 0 (a unix socket), and for addresses it does not name. */
struct pick_place geo_place(const struct geo *geo, uint8_t family, const uint8_t ip[16]);

#endif
