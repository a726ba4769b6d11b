/* SPDX-License-Identifier: Apache-2.0
 *
 * An nghttp2 session keeps a buffer of 16 KiB for the frame that it builds, also while it is idle,
 * and that would be most of what an idle connection costs. Between two calls there is nothing in
 * it: nghttp2_session_mem_send hands out what it has built, and it is copied before the next call.
 * So all clients' sessions of a thread share one (those to endpoints do not: theirs begin with the
 * preface in it, and there are few). What does not fit into it (a head of several frames) is
 * built in further buffers, which are the session's own.
 */
#include "base/num.h"
#include "edge/h2.h"
#include "edge/worker.h"

#include <stdlib.h>

enum { FRAME_BUFFER_MIN = 16 * 1024 };

static void *take(size_t size, void *context)
{
    (void)context;
    return malloc(size);
}

static void *take_zeroed(size_t count, size_t size, void *context)
{
    (void)context;
    return calloc(count, size);
}

static void give_back(void *p, void *context)
{
    struct h2 *h2 = context;
    if (p && p == h2->conn->worker->frame) {
        h2->frame_lent = false;
    } else {
        free(p);
    }
}

/* The first buffer of that size that a session asks for is the one that it keeps. */
static void *resize(void *p, size_t size, void *context)
{
    struct h2 *h2 = context;
    char *frame = h2->conn->worker->frame;
    bool client = h2->role->open != NULL;
    if (!p && client && !h2->frame_lent && size >= FRAME_BUFFER_MIN && size <= WORKER_FRAME_SIZE) {
        h2->frame_lent = true;
        return frame;
    }
    if (!p || p != frame) {
        return realloc(p, size);
    }
    char *copy = malloc(size);
    if (copy) {
        memcpy(copy, frame, MIN(size, (size_t)WORKER_FRAME_SIZE));
        h2->frame_lent = false;
    }
    return copy;
}

nghttp2_mem h2_memory(struct h2 *h2)
{
    return (nghttp2_mem){
        .mem_user_data = h2,
        .malloc = take,
        .free = give_back,
        .calloc = take_zeroed,
        .realloc = resize,
    };
}
