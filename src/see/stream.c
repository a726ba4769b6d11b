/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of streams, read from paths and written into them, and the catalog: the list of all streams
 * that have a folder. A name that cannot be one of ours (another suffix, a number too large, a part
 * too long) is no stream: files that a person puts there are left alone.
 */
#include "see/stream.h"

#include "base/num.h"
#include "os/file.h"

#include <stdio.h>

static const char *const names[LOGS_STREAMS] = {"stdout", "stderr", "access"};

const char *logs_stream_name(uint8_t stream)
{
    return stream < LOGS_STREAMS ? names[stream] : "unknown";
}

struct stream_id stream_access(struct str tenant, struct str project)
{
    struct stream_id id = {.stream = LOGS_ACCESS};
    (void)str_copy(id.tenant, sizeof(id.tenant), tenant);
    (void)str_copy(id.project, sizeof(id.project), project);
    (void)str_copy(id.service, sizeof(id.service), STR(LOGS_ACCESS_SERVICE));
    return id;
}

static bool parse_replica(struct str text, uint32_t *ret)
{
    uint64_t n;
    if (num_parse_u64(text, &n) != 0 || n > UINT32_MAX) {
        return false;
    }
    *ret = (uint32_t)n;
    return true;
}

/* The tenant is not part of an output's path: there is one, until there are more. */
bool stream_from_output(struct str project, struct str file, struct stream_id *ret)
{
    *ret = (struct stream_id){.stream = str_ends(file, STR(".err")) ? LOGS_STDERR : LOGS_STDOUT};
    if (ret->stream == LOGS_STDOUT && !str_ends(file, STR(".out"))) {
        return false;
    }
    struct str name = str_slice(file, 0, file.len - 4);
    ptrdiff_t dash = str_rfind_char(name, '-');
    return dash > 0 && parse_replica(str_skip(name, (size_t)dash + 1), &ret->replica) &&
           str_copy(ret->tenant, sizeof(ret->tenant), STR("default")) &&
           str_copy(ret->project, sizeof(ret->project), project) &&
           str_copy(ret->service, sizeof(ret->service), str_slice(name, 0, (size_t)dash));
}

bool stream_from_folder(struct str path, struct stream_id *ret)
{
    struct str tenant, project, service, replica, stream;
    *ret = (struct stream_id){.stream = LOGS_STREAMS};
    if (!str_split(path, '/', &tenant, &path) || !str_split(path, '/', &project, &path) ||
        !str_split(path, '/', &service, &path) || !str_split(path, '.', &replica, &stream)) {
        return false;
    }
    for (uint8_t i = 0; i < LOGS_STREAMS; i++) {
        if (str_is(stream, names[i])) {
            ret->stream = i;
        }
    }
    return ret->stream < LOGS_STREAMS && parse_replica(replica, &ret->replica) &&
           str_copy(ret->tenant, sizeof(ret->tenant), tenant) &&
           str_copy(ret->project, sizeof(ret->project), project) &&
           str_copy(ret->service, sizeof(ret->service), service);
}

int stream_folder(const struct stream_id *id, const char *logs, char ret[STREAM_PATH_MAX])
{
    int n = snprintf(ret, STREAM_PATH_MAX, "%s/%s/%s/%s/%u.%s", logs, id->tenant, id->project,
                     id->service, id->replica, logs_stream_name(id->stream));
    return n < STREAM_PATH_MAX ? 0 : -ENAMETOOLONG;
}

bool stream_eq(const struct stream_id *a, const struct stream_id *b)
{
    return a->replica == b->replica && a->stream == b->stream && !strcmp(a->service, b->service) &&
           !strcmp(a->project, b->project) && !strcmp(a->tenant, b->tenant);
}

static bool service_matches(const struct stream_id *id, const struct logs_query *query)
{
    for (size_t i = 0; i < query->service_count; i++) {
        if (str_is(query->services[i], id->service)) {
            return true;
        }
    }
    return false;
}

bool stream_matches(const struct stream_id *id, const struct logs_query *query)
{
    if (!str_is(query->tenant.len ? query->tenant : STR("default"), id->tenant)) {
        return false;
    }
    bool unrouted = query->unrouted && strcmp(id->project, LOGS_NO_PROJECT) == 0;
    if (query->project.len && !str_is(query->project, id->project) && !unrouted) {
        return false;
    }
    if (query->replica && query->replica != id->replica) {
        return false;
    }
    if (query->stream != LOGS_ALL_STREAMS && query->stream != id->stream) {
        return false;
    }
    if (query->service_count) {
        return service_matches(id, query);
    }
    /* Who asks for everything means what the services said; requests would drown it. */
    return id->stream != LOGS_ACCESS || query->stream == LOGS_ACCESS;
}

/* A walk: it happens when a pass brought lines, and comparing a number first makes it short. */
int stream_catalog_add(struct vec *catalog, const struct stream_id *id)
{
    for (size_t i = 0; i < catalog->len; i++) {
        if (stream_eq(vec_at(catalog, struct stream_id, i), id)) {
            return 0;
        }
    }
    return vec_push(catalog, id);
}

void stream_catalog_remove(struct vec *catalog, const struct stream_id *id)
{
    for (size_t i = catalog->len; i-- > 0;) {
        if (stream_eq(vec_at(catalog, struct stream_id, i), id)) {
            vec_remove(catalog, i);
        }
    }
}

enum { LEVELS = 4, RELATIVE_MAX = 4 * NAME_MAX_SIZE };

/* Folders below LOGS/`relative`, down to the level of streams. */
static int scan_level(struct vec *catalog, const char *logs, const char *relative, int level)
{
    char path[STREAM_PATH_MAX], below[RELATIVE_MAX];
    struct file_dir dir;
    struct stream_id id;
    enum file_kind kind;
    const char *name;
    if (snprintf(path, sizeof(path), "%s/%s", logs, relative) >= (int)sizeof(path)) {
        return -ENAMETOOLONG;
    }
    int r = file_dir_open(&dir, path);
    if (r < 0) {
        return r == -ENOENT ? 0 : r;
    }
    while (r == 0 && (name = file_dir_next(&dir, &kind)) != NULL) {
        int n = snprintf(below, sizeof(below), "%s%s%s", relative, *relative ? "/" : "", name);
        if (kind != FILE_KIND_DIRECTORY || n >= (int)sizeof(below)) {
            continue;
        }
        if (level < LEVELS) {
            r = scan_level(catalog, logs, below, level + 1);
        } else if (stream_from_folder(str_from(below), &id)) {
            r = vec_push(catalog, &id);
        }
    }
    file_dir_close(&dir);
    return r;
}

int stream_catalog_scan(struct vec *catalog, const char *logs)
{
    return scan_level(catalog, logs, "", 1);
}
