/* SPDX-License-Identifier: Apache-2.0
 *
 * The services' output files: opened for appending by the keeper, owned by the service's user;
 * while no core lives to read them, the oldest bytes beyond the budget are freed by punching holes,
 * so that a chatty service cannot fill the disk. How far is told to the core (CHILD.trimmed), which
 * counts it as lost.
 */
#include "base/num.h"
#include "keeper/private.h"
#include "os/file.h"
#include "os/lease.h"
#include <limits.h>

#define OUTPUT_TRIM_NS (1000 * NS_PER_MS)
enum { OUTPUT_STEP = 1024 * 1024, OUTPUT_STEPS_MAX = 64 };

int output_open(const struct order *order, unsigned stream, int *ret_fd)
{
    const char *path = order->output[stream];
    char folder[PATH_MAX];
    str_copy(folder, sizeof(folder), str_from(path));
    char *slash = strrchr(folder, '/');
    if (!slash || slash == folder) {
        return -EINVAL;
    }
    *slash = '\0';
    unsigned flags = FILE_WRITE | FILE_APPEND | FILE_CREATE | FILE_NOFOLLOW;
    int result = lease_open(path, flags, 0640, ret_fd);
    if (result == -ENOENT) {
        result = file_mkdir_p(folder, 0755);
        result = result < 0 ? result : lease_open(path, flags, 0640, ret_fd);
    }
    /* Owned by the service, so that it may open /dev/stdout by name. */
    if (result == 0 && order->set_user && file_fchown(*ret_fd, order->uid, order->gid) < 0) {
        file_close(ret_fd);
        result = -EPERM;
    }
    return result;
}

/* Frees what is beyond the budget; true when something was freed. */
static bool output_trim_one(struct ward *ward, unsigned stream)
{
    int fd = -1;
    if (!ward->output[stream][0] || file_open(ward->output[stream], FILE_WRITE, 0, &fd) < 0) {
        return false;
    }
    struct file_stat stat;
    uint64_t start = 0;
    bool trimmed = false;
    if (file_fstat(fd, &stat) == 0 && stat.size > ward->output_max &&
        stat.allocated > ward->output_max && file_data_start(fd, 0, &start) == 0) {
        uint64_t end = stat.size - ward->output_max;
        for (int i = 0; start < end && i < OUTPUT_STEPS_MAX; i++) {
            uint64_t step = MIN(end - start, (uint64_t)OUTPUT_STEP);
            if (file_punch_hole(fd, start, step) < 0) {
                break;
            }
            start += step;
            ward->trimmed[stream] = MAX(ward->trimmed[stream], start);
            trimmed = true;
        }
    }
    file_close(&fd);
    return trimmed;
}

void output_trim(struct timer *timer, int64_t now_ns)
{
    struct keeper *keeper = container_of(timer, struct keeper, trim_timer);
    if (peer_has_core(keeper)) {
        return; /* the core frees what it has stored */
    }
    for (size_t i = 0; i < keeper->ward_top; i++) {
        struct ward *ward = &keeper->wards[i];
        if (!ward->used || ward->empty) {
            continue;
        }
        bool trimmed = output_trim_one(ward, 0);
        trimmed |= output_trim_one(ward, 1);
        if (trimmed) {
            journal_ward(keeper, ward);
        }
    }
    loop_timer_set(&keeper->loop, timer, now_ns + OUTPUT_TRIM_NS);
}
