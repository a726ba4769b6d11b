/* SPDX-License-Identifier: Apache-2.0
 *
 * struct board: a project's services as the live stream tells them, for `up` and `top`. It is fed
 * the stream's events and answers: is everything ready, who is not and why; and draws itself as a
 * table. Pure: no clock, no terminal; times are the caller's.
 *
 * What is longer than a member is cut: the board is for reading, the API has the whole text.
 *
 *   event      effect                                    news (board_feed says true)
 *   service    the service as a whole                    state, desired or ready changed
 *   removed    a service goes; the project: `removed`    yes
 *   metrics    figures of services that are known        no
 *   ping       `synced`                                  no
 *   others     none: another project, replicas, events   no
 */
#ifndef FACE_BOARD_H
#define FACE_BOARD_H

#include "face/client.h"
#include "face/term.h"

enum { BOARD_SERVICES_MAX = 2000, BOARD_URLS_MAX = 512 };

struct board_service {
    char name[64];             /* whole: names have at most 63 bytes */
    char state[16];            /* the API's word */
    char reason[256];          /* why it is so, for people; cut */
    char urls[BOARD_URLS_MAX]; /* separated by spaces */
    int64_t desired, configured, running, ready, restarts;
    double cpu_percent, requests_per_s, errors_per_s, p99_ms; /* NaN = unknown */
    int64_t memory_bytes;
    unsigned crashes;         /* times it was seen to enter `crashed` */
    int64_t crashed_since_ns; /* 0 = is not crashed; in the caller's time */
    bool needs_engine;        /* a container, and there is no driver for it: never ready */
};

struct board {
    char project[64];
    struct board_service *services; /* in the order of their arrival */
    size_t count;
    size_t cap;      /* grows up to BOARD_SERVICES_MAX */
    bool synced;     /* the first state of all is known */
    bool removed;    /* the project is gone */
    bool incomplete; /* a service found no room: never ready, since nobody watches that one */
};

void board_init(struct board *board, struct str project);
void board_fini(struct board *board);

/* Takes one event of /api/v1/stream. True when a service's state (not just a figure) changed; then
 * *ret_changed (may be NULL) is that service or NULL when one was removed. */
bool board_feed(struct board *board, const struct client_event *event, int64_t now_ns,
                const struct board_service **ret_changed);
/* Forgets what is known, before a new stream tells it again. */
void board_reset(struct board *board);

bool board_service_ready(const struct board_service *service);
/* All are ready (a board without services is ready once it is synced). */
bool board_ready(const struct board *board);
/* Nothing will change for the better: a service that is not ready has crashed again and again, or
 * for longer than `patience_ns`, or needs an engine, and the others are ready or wait for it. */
bool board_hopeless(const struct board *board, int64_t now_ns, int64_t patience_ns);
/* What of the table matters where it does not fit as a whole: where and why, or the figures. */
enum board_focus { BOARD_STATES, BOARD_LINKS, BOARD_FIGURES };
/* The table: BOARD_STATES never shows figures, BOARD_LINKS drops them when the terminal is narrow,
 * BOARD_FIGURES drops the rest. */
void board_render(const struct board *board, const struct term *term, enum board_focus focus,
                  struct buf *out);
/* "web: starting (1/2 ready)", for output that is no terminal. */
void board_line(const struct board_service *service, const struct term *term, struct buf *out);

#endif
