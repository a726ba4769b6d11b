/* SPDX-License-Identifier: Apache-2.0
 *
 * Can the file of `gateway.access_log` be written? Said when a configuration is checked or applied;
 * nothing is refused for it, because the log of muelle has every line, and the folder may still
 * come. Changes nothing. Blocks.
 */
#ifndef RUN_LOG_FILE_H
#define RUN_LOG_FILE_H

#include "base/problem.h"
#include "schema/spec.h"

/* Adds to `notices` if not. 0 or -ENOMEM. */
must_check int log_file_doubt(const struct project_spec *spec, struct problem_list *notices);

#endif
