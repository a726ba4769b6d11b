/* SPDX-License-Identifier: Apache-2.0
 *
 * A person's terminal and that of a command that runs elsewhere, joined: what is typed goes there,
 * what the command shows comes here, and the size follows. So the command has a terminal of its own
 * (job control, its own Ctrl-C), which it could not have of ours: a terminal belongs to one
 * session.
 *
 *   keyboard ── stdin ──▶ relay ──▶ terminal ──▶ command
 *   screen ◀── stdout ──── relay ◀── terminal ◀── command
 *
 * While it is begun our terminal is raw: Ctrl-C is a byte for the command's terminal. Bounded: not
 * more is read from the keyboard than what waits for the command.
 */
#ifndef FACE_RELAY_H
#define FACE_RELAY_H

#include "os/loop.h"

enum { RELAY_WAITING_MAX = 4096 };

struct relay {
    struct loop *loop;
    struct loop_fd keys;     /* our stdin; not watched while bytes wait */
    struct loop_fd terminal; /* the command's, the side that is shown */
    struct loop_signal resized;
    int program_fd; /* the command's side, until relay_handed_over */
    size_t waiting; /* typed and not taken yet */
    char typed[RELAY_WAITING_MAX];
};

#define RELAY_INIT                                                                                 \
    {                                                                                              \
        .keys = {.fd = -1}, .terminal = {.fd = -1}, .program_fd = -1                               \
    }

/* 0: program_fd is a terminal for the command. RELAY_E_NONE: stdin or stdout is no terminal of ours
 * to use, the command may have them as they are. -errno. */
enum { RELAY_E_NONE = 1 };
must_check int relay_begin(struct relay *relay, struct loop *loop);
/* The command has its side: ours is closed, so that its end is seen. */
void relay_handed_over(struct relay *relay);
/* Shows what is left and gives our terminal back: before anything else is said. Nothing when it was
 * not begun, or has ended. */
void relay_end(struct relay *relay);

#endif
