/* SPDX-License-Identifier: Apache-2.0
 *
 * Can the file of `gateway.geo_database` be read? Said when a configuration is checked or applied;
 * nothing is refused for it, because replicas can be taken in turn, and the file may still come.
 */
#ifndef RUN_PLACES_FILE_H
#define RUN_PLACES_FILE_H

#include "base/problem.h"
#include "schema/spec.h"

/* Adds to `notices` if not. 0 or -ENOMEM. Blocks. */
must_check int places_file_doubt(const struct project_spec *spec, struct problem_list *notices);

#endif
