/* SPDX-License-Identifier: Apache-2.0
 *
 * Asked with the rights of who checks; that the edge has fewer, only the edge can tell
 * (balance_reason).
 */
#include "run/places_file.h"

#include "os/file.h"
#include "schema/load.h"

#include <stdlib.h>

int places_file_doubt(const struct project_spec *spec, struct problem_list *notices)
{
    struct str name = spec->gateway.geo_database;
    if (name.len == 0) {
        return 0;
    }
    char *path = str_dup(name);
    int fd = -1;
    int r = path ? file_open(path, FILE_READ | FILE_NONBLOCK, 0, &fd) : -ENOMEM;
    free(path);
    file_close(&fd);
    if (r == 0 || r == -ENOMEM) {
        return r;
    }
    struct problem *problem = problem_list_add(notices);
    problem_set(problem, "geo.file", "the database of places cannot be read: " STR_FMT ": %s",
                STR_ARG(name), strerror(-r));
    problem->status = 200;
    (void)schema_where(spec, problem, "/gateway/geo_database");
    problem_hint(problem, "put it there and reload; until then 'balance: nearest' takes replicas "
                          "in turn");
    return 0;
}
