/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/private.h"

void keeper_run_path(const struct keeper *keeper, const char *name, char ret[KEEPER_PATH_MAX])
{
    snprintf(ret, KEEPER_PATH_MAX, "%s/%s", keeper->run_dir, name);
}

void keeper_ended(struct keeper *keeper)
{
    if (keeper->stopping) {
        loop_defer(&keeper->loop, &keeper->stop_task);
    }
}
