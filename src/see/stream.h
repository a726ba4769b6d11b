/* SPDX-License-Identifier: Apache-2.0
 *
 * struct stream_id: the name of a log stream, tenant/project/service/replica/stream, and how it is
 * spelled in paths:
 *
 *   STATE/output/PROJECT/SERVICE-REPLICA.out|err             what the service writes
 *   STATE/logs/TENANT/PROJECT/SERVICE/REPLICA.stdout|stderr|access   the segments of it
 *
 * A stream belongs to a replica's number, not to a process or a configuration: what "web-1" says is
 * one stream over restarts, changes and years. Names are checked where a configuration is read
 * (letters, digits, ".", "-", "_"), so a path needs no escapes; a service may hold dashes, hence
 * the last one counts.
 */
#ifndef SEE_STREAM_H
#define SEE_STREAM_H

#include "base/vec.h"
#include "core/bus.h"
#include "see/logs.h"

enum { STREAM_PATH_MAX = 1024 };

struct stream_id {
    char tenant[NAME_MAX_SIZE];
    char project[NAME_MAX_SIZE];
    char service[NAME_MAX_SIZE];
    uint32_t replica; /* 0 for the access log */
    uint8_t stream;   /* enum logs_stream */
};

/* A stream of the access log of a project. */
struct stream_id stream_access(struct str tenant, struct str project);
/* "web-1.out" in the folder of `project`. False: not such a name. */
bool stream_from_output(struct str project, struct str file, struct stream_id *ret);
/* "TENANT/PROJECT/SERVICE/1.stdout" below the logs folder. False: not such a name. */
bool stream_from_folder(struct str path, struct stream_id *ret);
/* The folder of its segments, "LOGS/TENANT/…", which need not be there. 0 or -ENAMETOOLONG. */
must_check int stream_folder(const struct stream_id *id, const char *logs,
                             char ret[STREAM_PATH_MAX]);
bool stream_eq(const struct stream_id *a, const struct stream_id *b);
/* Is it one that the query asks for? (Everything but times and text.) The access log is asked for
 * by its service or its stream, never by "everything": it would drown what the services say. */
bool stream_matches(const struct stream_id *id, const struct logs_query *query);

/* Every stream that has a folder: an array, in no order. */
enum { STREAM_CATALOG_MAX = 65536 };
/* Adds those below the logs folder to `catalog` (of struct stream_id). 0 or -errno. */
must_check int stream_catalog_scan(struct vec *catalog, const char *logs);
/* Adds it if it is new. 0, -ENOBUFS, -ENOMEM. */
must_check int stream_catalog_add(struct vec *catalog, const struct stream_id *id);
/* Takes it out; fine when it is not there. */
void stream_catalog_remove(struct vec *catalog, const struct stream_id *id);

#endif
