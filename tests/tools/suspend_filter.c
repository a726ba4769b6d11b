/* SPDX-License-Identifier: Apache-2.0
 *
 * A filter that suspends at every stage of every request and resumes a moment later, so that all
 * integration tests can run with it (edge_driver --suspend).
 */
#include "suspend_filter.h"

#include "base/num.h"
#include "edge/stream.h"
#include "edge/worker.h"

#include <stdlib.h>

struct pause {
    struct timer timer;
    struct stream *stream;
    enum filter_stage stage;
};
struct pauses {
    struct pause way[STREAM_DIRECTIONS];
};

static void over(struct timer *timer, int64_t now_ns)
{
    struct pause *pause = container_of(timer, struct pause, timer);
    (void)now_ns;
    stream_resume(pause->stream, pause->stage);
}

static struct pauses *pauses_of(struct stream *stream, const struct filter *filter)
{
    void **state = &stream->filter_state[filter->slot];
    if (!*state) {
        struct pauses *pauses = calloc(1, sizeof(*pauses));
        ensure(pauses != NULL);
        for (unsigned i = 0; i < STREAM_DIRECTIONS; i++) {
            timer_init(&pauses->way[i].timer, over);
            pauses->way[i].stream = stream;
        }
        *state = pauses;
    }
    return *state;
}

static enum filter_verdict suspend(struct stream *stream, const struct filter *filter,
                                   enum filter_stage stage)
{
    bool down = stage == FILTER_RESPONSE || stage == FILTER_BODY_DOWN;
    struct pause *pause = &pauses_of(stream, filter)->way[down];
    pause->stage = stage;
    /* Sometimes in the same turn, sometimes some turns later. */
    int64_t delay_ns = rng_chance(&stream->worker->loop.rng, 500) ? 0 : NS_PER_MS / 2;
    loop_timer_after(&stream->worker->loop, &pause->timer, delay_ns);
    return FILTER_SUSPEND;
}

#define AT(name, stage)                                                                            \
    static enum filter_verdict at_##name(struct stream *stream, const struct filter *filter,       \
                                         struct str *piece)                                        \
    {                                                                                              \
        (void)piece;                                                                               \
        return suspend(stream, filter, stage);                                                     \
    }
AT(connection, FILTER_CONNECTION)
AT(headers, FILTER_HEADERS)
AT(route, FILTER_ROUTE)
AT(upstream, FILTER_UPSTREAM)
AT(response, FILTER_RESPONSE)
AT(body_up, FILTER_BODY_UP)
AT(body_down, FILTER_BODY_DOWN)

static enum filter_verdict at_end(struct stream *stream, const struct filter *filter,
                                  struct str *piece)
{
    struct pauses *pauses = stream->filter_state[filter->slot];
    (void)piece;
    for (unsigned i = 0; pauses && i < STREAM_DIRECTIONS; i++) {
        loop_timer_cancel(&stream->worker->loop, &pauses->way[i].timer);
    }
    free(pauses);
    stream->filter_state[filter->slot] = NULL;
    return FILTER_NEXT;
}

const struct filter_ops suspend_filter = {
    .name = "suspend",
    .run =
        {
            [FILTER_CONNECTION] = at_connection,
            [FILTER_HEADERS] = at_headers,
            [FILTER_ROUTE] = at_route,
            [FILTER_UPSTREAM] = at_upstream,
            [FILTER_RESPONSE] = at_response,
            [FILTER_BODY_UP] = at_body_up,
            [FILTER_BODY_DOWN] = at_body_down,
            [FILTER_END] = at_end,
        },
};
