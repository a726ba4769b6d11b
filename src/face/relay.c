/* SPDX-License-Identifier: Apache-2.0
 *
 * See relay.h.
 *
 *   1. Our terminal is raw exactly while the relay is begun; relay_end is the only way out.
 *   2. Bytes keep their order and none is dropped: the keyboard is not read while typed bytes wait,
 *      and the screen is written to until it has taken all.
 *   3. The command's side is closed once it has been handed over. When everybody has closed it,
 *      reading ends with EIO (pty(7)): all has been shown then.
 */
#include "face/relay.h"
#include "os/file.h"
#include "os/tty.h"
#include <errno.h>
#include <signal.h>

static void watch_keys(struct relay *relay, bool on)
{
    if (!on) {
        loop_fd_remove(relay->loop, &relay->keys);
    } else if (relay->keys.fd < 0 && loop_fd_add(relay->loop, &relay->keys, 0, LOOP_READ) < 0) {
        relay->keys.fd = -1; /* without memory: the command goes on, unheard */
    }
}

/* Hands on what waits; the terminal says when it takes more. */
static void pass_typed(struct relay *relay)
{
    struct str typed = str_make(relay->typed, relay->waiting);
    int64_t n = typed.len ? file_writev(relay->terminal.fd, &typed, 1) : 0;

    if (n > 0) {
        relay->waiting -= (size_t)n;
        memmove(relay->typed, relay->typed + n, relay->waiting);
    } else if (n < 0 && n != -EAGAIN) {
        relay->waiting = 0; /* nobody is there to take it */
    }
    uint32_t events = relay->waiting ? LOOP_READ | LOOP_WRITE : LOOP_READ;
    (void)!loop_fd_set(relay->loop, &relay->terminal, events);
    watch_keys(relay, relay->waiting == 0);
}

static void on_keys(struct loop_fd *watch, uint32_t events)
{
    struct relay *relay = container_of(watch, struct relay, keys);
    int64_t n = file_read(0, relay->typed, sizeof(relay->typed));

    if (n <= 0 && n != -EAGAIN && n != -EINTR) {
        watch_keys(relay, false); /* our terminal is gone: SIGHUP tells the command */
        return;
    }
    relay->waiting = n > 0 ? (size_t)n : 0;
    pass_typed(relay);
}

/* False: nothing is there now, or ever again. */
static bool show(struct relay *relay)
{
    char shown[RELAY_WAITING_MAX];
    int64_t n = file_read(relay->terminal.fd, shown, sizeof(shown));

    if (n > 0) {
        return file_write(1, shown, (size_t)n) == 0;
    }
    if (n != -EAGAIN && n != -EINTR) {
        loop_fd_close(relay->loop, &relay->terminal);
        watch_keys(relay, false);
    }
    return false;
}

static void on_terminal(struct loop_fd *watch, uint32_t events)
{
    struct relay *relay = container_of(watch, struct relay, terminal);

    if (events & LOOP_WRITE) {
        pass_typed(relay);
    }
    if (events & (uint32_t)~LOOP_WRITE) {
        (void)show(relay);
    }
}

static void on_resized(struct loop_signal *signal)
{
    struct relay *relay = container_of(signal, struct relay, resized);

    if (relay->terminal.fd >= 0) {
        tty_resize(relay->terminal.fd, 1);
    }
}

int relay_begin(struct relay *relay, struct loop *loop)
{
    int fd;

    if (!tty_is(0) || !tty_is(1)) {
        return RELAY_E_NONE;
    }
    relay->keys.ready = on_keys;
    relay->terminal.ready = on_terminal;
    relay->resized.received = on_resized;
    int r = loop_signal_add(loop, &relay->resized, SIGWINCH);
    if (r < 0) {
        return r;
    }
    relay->loop = loop;
    r = tty_new(1, &fd, &relay->program_fd);
    r = r < 0 ? r : loop_fd_take(loop, &relay->terminal, fd, LOOP_READ);
    if (r == 0 && !tty_raw_begin(0)) {
        r = RELAY_E_NONE; /* in the background */
    }
    if (r) {
        relay_end(relay);
        return r;
    }
    watch_keys(relay, true);
    return 0;
}

void relay_handed_over(struct relay *relay)
{
    file_close(&relay->program_fd);
}

void relay_end(struct relay *relay)
{
    relay_handed_over(relay);
    if (!relay->loop) {
        return;
    }
    while (relay->terminal.fd >= 0 && show(relay)) {
    }
    loop_fd_remove(relay->loop, &relay->keys);
    loop_fd_close(relay->loop, &relay->terminal);
    loop_signal_remove(relay->loop, &relay->resized);
    relay->loop = NULL;
    tty_keys_end(0);
}
