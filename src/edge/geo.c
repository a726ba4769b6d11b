/* SPDX-License-Identifier: Apache-2.0
 *
 * libmaxminddb, loaded when a configuration names a database. A look-up walks the mapped tree and
 * allocates nothing (about 1 µs). The file must not be changed in place: a new one is renamed over
 * it, and read with the next configuration.
 */
#include "edge/geo.h"

#include "os/libs.h"

#include <maxminddb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

struct geo {
    MMDB_s db;
};

static int (*db_open)(const char *path, uint32_t flags, MMDB_s *db);
static void (*db_close)(MMDB_s *db);
static MMDB_lookup_result_s (*db_lookup)(const MMDB_s *db, const struct sockaddr *address,
                                         int *error);
static int (*db_value)(MMDB_entry_s *start, MMDB_entry_data_s *data, const char *const *path);

static int load(struct problem *problem)
{
    static const struct lib_symbol symbols[] = {{"MMDB_open", (void **)&db_open},
                                                {"MMDB_close", (void **)&db_close},
                                                {"MMDB_lookup_sockaddr", (void **)&db_lookup},
                                                {"MMDB_aget_value", (void **)&db_value},
                                                {NULL, NULL}};
    return libs_load(LIB_MAXMINDDB, symbols, problem);
}

int geo_open(struct str path, struct geo **ret, struct problem *problem)
{
    char name[4096];
    int r = load(problem);
    if (r < 0) {
        return r;
    }
    struct geo *geo = calloc(1, sizeof(*geo));
    if (!geo) {
        return -ENOMEM;
    }
    bool fits = str_copy(name, sizeof(name), path);
    int error = fits ? db_open(name, MMDB_MODE_MMAP, &geo->db) : MMDB_FILE_OPEN_ERROR;
    int cause = fits ? errno : ENAMETOOLONG;
    if (error != MMDB_SUCCESS) {
        free(geo);
        problem_set(problem, "gateway.geo", "gateway.geo_database '%s': %s", name,
                    error == MMDB_FILE_OPEN_ERROR ? strerror(cause) : "not a database of places");
        problem_expected(problem, "a file in MaxMind's format (.mmdb) that the edge may read");
        return error == MMDB_FILE_OPEN_ERROR ? -ENOENT : -EINVAL;
    }
    *ret = geo;
    return 0;
}

void geo_close(struct geo *geo)
{
    if (geo) {
        db_close(&geo->db);
        free(geo);
    }
}

static bool number_at(MMDB_entry_s *entry, const char *what, double *ret)
{
    const char *const path[] = {"location", what, NULL};
    MMDB_entry_data_s data;
    if (db_value(entry, &data, path) != MMDB_SUCCESS || !data.has_data ||
        data.type != MMDB_DATA_TYPE_DOUBLE) {
        return false;
    }
    *ret = data.double_value;
    return true;
}

struct pick_place geo_place(const struct geo *geo, uint8_t family, const uint8_t ip[16])
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    struct pick_place nowhere = {0};
    double latitude, longitude;
    int error = 0;
    if (!geo || family == 0) {
        return nowhere;
    }
    memcpy(&v4.sin_addr, ip, 4);
    memcpy(&v6.sin6_addr, ip, 16);
    const void *address = family == 4 ? (const void *)&v4 : (const void *)&v6;
    MMDB_lookup_result_s found = db_lookup(&geo->db, address, &error);
    if (error != MMDB_SUCCESS || !found.found_entry ||
        !number_at(&found.entry, "latitude", &latitude) ||
        !number_at(&found.entry, "longitude", &longitude)) {
        return nowhere;
    }
    return pick_place_of(latitude, longitude);
}
