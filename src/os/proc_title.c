/* SPDX-License-Identifier: Apache-2.0
 *
 * Process titles: what ps shows is the memory in which the kernel laid argv and, behind it, the
 * environment. The environment is copied away, then the whole stretch is ours to write.
 *
 * The copies stay for the life of the process: `environ` and argv point at them, and nobody knows
 * who keeps such a pointer. How it fails: without memory there is no title, and nothing else is
 * changed.
 */
#include "base/str.h"
#include "os/proc.h"
#include <sys/prctl.h>
#include <unistd.h>

static char *proc_title_start;
static size_t proc_title_size;

static char *proc_title_env; /* the strings of the copied environment */

void proc_title_init(int argc, char **argv)
{
    if (argc < 1 || proc_title_start) {
        return;
    }
    char *end = argv[0];
    for (int i = 0; i < argc; i++) {
        if (argv[i] == end) {
            end = argv[i] + strlen(argv[i]) + 1;
        }
    }
    size_t count = 0;
    size_t bytes = 0;
    for (char **env = environ; env && *env; env++, count++) {
        bytes += strlen(*env) + 1;
        if (*env == end) {
            end = *env + strlen(*env) + 1;
        }
    }
    /* Kept for the life of the process. Also argv: the role goes on reading its arguments. */
    char **env_copy = calloc(count + 1, sizeof(char *));
    proc_title_env = malloc(bytes + 1);
    bool complete = env_copy && proc_title_env;
    for (size_t i = 0, at = 0; complete && i < count; i++) {
        size_t size = strlen(environ[i]) + 1;
        env_copy[i] = memcpy(proc_title_env + at, environ[i], size);
        at += size;
    }
    for (int i = 0; complete && i < argc; i++) {
        char *copy = str_dup(str_from(argv[i]));
        complete = copy != NULL;
        if (complete && i == 0) {
            proc_title_start = argv[0];
        }
        argv[i] = complete ? copy : argv[i];
    }
    if (!complete) {
        proc_title_start = NULL; /* no title then */
        return;
    }
    environ = env_copy;
    proc_title_size = (size_t)(end - proc_title_start);
}

void proc_title_set(const char *fmt, ...)
{
    char title[256];
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(title, sizeof(title), fmt, args);
    va_end(args);
    if (len < 0) {
        return;
    }
    if (proc_title_start) {
        memset(proc_title_start, 0, proc_title_size);
        str_copy(proc_title_start, proc_title_size, str_from(title));
    }
    prctl(PR_SET_NAME, title, 0, 0, 0); /* cut to 15 bytes by the kernel */
}
