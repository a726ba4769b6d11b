/* SPDX-License-Identifier: Apache-2.0
 *
 * muelle: one binary, its first argument picks the role. The processes of an instance are rows of
 * this table; everything else is the command line.
 */
#include "core/core.h"
#include "edge/edge.h"
#include "face/face.h"
#include "keeper/keeper.h"
#include "link/keeper_guard.h"
#include "os/proc.h"
#include "run/run.h"
#include "see/see.h"

/* The capability rooms of the core, in the order of their start. */
static const struct room_ops *const rooms[] = {&run_room, &see_room, &face_room, NULL};

static int core_role(int argc, char **argv)
{
    return core_main(argc, argv, rooms);
}

static const struct {
    const char *name;
    int (*main)(int argc, char **argv); /* gets what stands behind the role's name */
} roles[] = {
    {"keeper", keeper_main},
    {"core", core_role},
    {"edge", edge_main},
    {"guard", keeper_guard_main},
};

int main(int argc, char **argv)
{
    proc_limits_save();
    for (size_t i = 0; argc >= 2 && i < ARRAY_LEN(roles); i++) {
        if (strcmp(argv[1], roles[i].name) == 0) {
            /* Only roles have a title: it overwrites the arguments that ps shows. */
            proc_title_init(argc, argv);
            return roles[i].main(argc - 1, argv + 1);
        }
    }
    return face_cli_main(argc, argv);
}
