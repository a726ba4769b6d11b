/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/private.h"
#include <stdarg.h>

void keeper_log(const struct keeper *keeper, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    fprintf(stderr, "muelle: keeper: %s\n", text);
}

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
