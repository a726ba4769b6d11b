/* SPDX-License-Identifier: Apache-2.0
 *
 * What an apply would refuse, asked without an instance: programs, folders, users and certificates
 * of a project that was loaded. Changes nothing. Blocks.
 */
#ifndef RUN_CHECK_H
#define RUN_CHECK_H

#include "base/problem.h"
#include "schema/spec.h"

struct run_check {
    const struct project_spec *spec;
    struct str working_dir;
    const struct spec_pair *environment; /* of the caller */
    size_t environment_count;
};
/* 0 or -errno. */
must_check int run_check(const struct run_check *check, struct problem_list *problems,
                         struct problem_list *notices);

#endif
