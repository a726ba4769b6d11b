/* SPDX-License-Identifier: Apache-2.0
 *
 * top: the board with its figures, drawn over itself once a second from the live stream. Into a
 * pipe each drawing follows the one before; --json prints the stream's own `metrics` events, --once
 * the first.
 *
 * It ends with q, Ctrl-C or the project (0), or when the core goes (1): unlike up it has nothing to
 * wait for, and old figures that stand still look like a quiet system.
 */
#include "face/board.h"
#include "face/session.h"
#include "face/show.h"
#include "face/verbs.h"
#include "os/file.h"
#include "os/tty.h"
#include "proto/uri.h"
#include <signal.h>

struct top {
    struct session s;
    struct board board;
    struct live live;
    struct client_stream stream;
    struct loop_signal interrupt, terminate, resize;
    struct loop_fd keys;
    bool ended;    /* the reader has seen enough */
    bool broken;   /* the stream ended by itself: the core went away */
    bool measured; /* figures have come */
};

/* Into a pipe no sequence moves the cursor: drawings follow one another. */
static void draw(struct top *t)
{
    cleanup(buf_fini) struct buf out = BUF_INIT(4 * MIB);

    board_render(&t->board, &t->s.out, BOARD_FIGURES, &out);
    if (t->s.out.is_tty && !cli_has(t->s.args, "once")) {
        live_draw(&t->live, buf_str(&out));
    } else {
        term_write(&t->s.out, buf_str(&out));
    }
}

/* Drawn with the figures, once a second; states between them wait for that. */
static void on_event(struct client_stream *stream, const struct client_event *event)
{
    struct top *t = container_of(stream, struct top, stream);

    board_feed(&t->board, event, t->s.loop.now_ns, NULL);
    if (!str_is(event->name, "metrics") || !t->board.synced) {
        return;
    }
    t->measured = true;
    if (t->s.json) {
        cleanup(buf_fini) struct buf out = BUF_INIT(8 * MIB);
        buf_add(&out, event->data);
        show_json(&t->s, &out);
    } else {
        draw(t);
    }
}

static void on_ended(struct client_stream *stream, int error)
{
    container_of(stream, struct top, stream)->broken = true;
}

static void on_interrupt(struct loop_signal *signal)
{
    container_of(signal, struct top, interrupt)->ended = true;
}

static void on_terminate(struct loop_signal *signal)
{
    container_of(signal, struct top, terminate)->ended = true;
}

static void on_resize(struct loop_signal *signal)
{
    term_measure(&container_of(signal, struct top, resize)->s.out);
}

static void on_key(struct loop_fd *watch, uint32_t events)
{
    struct top *t = container_of(watch, struct top, keys);
    char key = 'q'; /* also when the terminal is gone */

    if (file_read(0, &key, 1) < 1 || key == 'q' || key == 'Q') {
        t->ended = true;
    }
}

/* q ends it, as in top. Where keys cannot be read Ctrl-C is left. */
static void watch_keys(struct top *t)
{
    if (tty_keys_begin(0) && loop_fd_add(&t->s.loop, &t->keys, 0, LOOP_READ) < 0) {
        tty_keys_end(0);
    }
}

static int watch_signals(struct top *t)
{
    int r;

    t->interrupt.received = on_interrupt;
    t->terminate.received = on_terminate;
    t->resize.received = on_resize;
    r = loop_signal_add(&t->s.loop, &t->interrupt, SIGINT);
    r = r < 0 ? r : loop_signal_add(&t->s.loop, &t->terminate, SIGTERM);
    return r < 0 ? r : loop_signal_add(&t->s.loop, &t->resize, SIGWINCH);
}

/* Signals are watched when the stream is there: until then Ctrl-C simply ends the process. */
static int top_run(struct top *t)
{
    cleanup(buf_fini) struct buf target = BUF_INIT(1 * KIB);
    struct client_answer answer = {0};
    bool once = cli_has(t->s.args, "once") || t->s.json;
    int r;

    t->stream = (struct client_stream){.event = on_event, .ended = on_ended};
    buf_add_cstr(&target, "/api/v1/stream?project=");
    uri_encode(&target, str_from(t->s.project), false);
    r = session_follow(&t->s, t->s.client,
                       &(struct client_request){.method = "GET",
                                                .target = buf_cstr(&target),
                                                .accept = "text/event-stream"},
                       &t->stream, &answer);
    if (r == CLIENT_E_STATUS) {
        say_answer(&t->s, &answer);
    }
    client_answer_fini(&answer);
    if (r < 0) {
        say_error(&t->s, "cannot follow: %s", strerror(-r));
    }
    if (r) {
        return CLI_FAILED;
    }
    r = watch_signals(t);
    if (r < 0) {
        say_error(&t->s, "cannot watch signals: %s", strerror(-r));
        return CLI_FAILED;
    }
    if (!once && t->s.out.is_tty) {
        watch_keys(t);
    }
    while (r >= 0 && !t->ended && !t->broken && !t->board.removed && !(once && t->measured)) {
        r = loop_turn(&t->s.loop, -1);
    }
    if (r < 0 || (t->broken && !t->board.removed)) {
        live_end(&t->live);
        say_error(&t->s, "the stream ended: the core is gone; 'muelle status' shows what runs");
        return CLI_FAILED;
    }
    return 0;
}

int verb_top(const struct cli_args *args)
{
    struct top t = {.live = {0}};
    int r = session_open(&t.s, args);

    t.live.term = &t.s.out;
    if (r == 0) {
        board_init(&t.board, str_from(t.s.project));
        loop_fd_init(&t.keys, on_key);
        r = top_run(&t);
        loop_fd_remove(&t.s.loop, &t.keys);
        tty_keys_end(0);
        live_end(&t.live);
        board_fini(&t.board);
    }
    session_fini(&t.s);
    return r;
}
