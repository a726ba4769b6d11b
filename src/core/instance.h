/* SPDX-License-Identifier: Apache-2.0
 *
 * struct instance: who this instance is. STATE/instance.json holds it; it is written once, by
 * whoever needs it first (the command line before it starts a keeper, else the core), under an
 * exclusive create, so that two who start at once agree.
 */
#ifndef CORE_INSTANCE_H
#define CORE_INSTANCE_H

#include "base/encode.h"
#include "base/problem.h"
#include <sys/types.h>

enum { INSTANCE_ID_LEN = 12 };

/* Constant after the start. */
struct instance {
    char id[INSTANCE_ID_LEN + 1]; /* the "id" of the file: the last 12 digits of the UUID */
    char uuid[UUID_TEXT_LEN + 1];
    char version[32];        /* of this program */
    char state_dir[256];     /* absolute */
    char run_dir[96];        /* absolute; short, because socket paths end at 107 bytes */
    int64_t started_wall_ns; /* of this core */
    uid_t owner;             /* the uid that we run as */
};

/* Reads STATE/instance.json, or makes it (and the folder, mode 0700). Fills id, uuid, version and
 * state_dir. 0, or -errno with the problem filled: a network folder, no rights, a damaged file. */
must_check int instance_open(struct instance *instance, const char *state_dir,
                             struct problem *problem);

#endif
