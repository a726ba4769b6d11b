/* SPDX-License-Identifier: Apache-2.0
 *
 * The same check that an apply makes (source_check), on a source of its own.
 */
#include "run/check.h"

#include "run/source.h"

int run_check(const struct run_check *check, struct problem_list *problems,
              struct problem_list *notices)
{
    struct source *source = source_new();
    if (!source) {
        return -ENOMEM;
    }
    source->working_dir = check->working_dir;
    source->environment = (struct spec_pair *)(uintptr_t)check->environment;
    source->environment_count = check->environment_count;
    const struct source_check all = {
        .spec = check->spec, .files_only = true, .problems = problems, .notices = notices};
    int r = source_check(source, &all);
    source_unref(source);
    return r;
}
