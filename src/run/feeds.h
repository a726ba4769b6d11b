/* SPDX-License-Identifier: Apache-2.0
 *
 * struct feeds: the output of a replica that writes to a pipe (`logging: pipe`) or a terminal
 * (`tty: true`) instead of a file. The keeper holds the pipe; the core moves what is in it to the
 * same output file that other replicas write to themselves, so that everything behind it (see/) is
 * one way.
 *
 * Promises: while a keeper or a core lives, nothing is lost: without a core the program waits when
 * the pipe is full (64 KiB). When both were killed, the pipe is found again with the program that
 * writes to it; a terminal is not, and its program gets EIO.
 */
#ifndef RUN_FEEDS_H
#define RUN_FEEDS_H

#include "base/def.h"

struct order;
struct replica;
struct run;
struct service_spec;

enum { FEED_BURST_MIN = 8 << 20 };
/* Bytes that may lie unread in its output file (`logging.burst`). Where we are the writer at least
 * FEED_BURST_MIN: the program is made to wait at the half of it, so nothing is dropped, and the log
 * reads and frees in large steps. */
uint64_t feeds_burst(const struct service_spec *spec);
/* Sets where the order's process writes to: the two files, or what the specification wants instead.
 * 0 or -errno. */
must_check int feeds_start(struct run *run, struct replica *replica, struct order *order,
                           const char *out, const char *err);
/* The order is on its way. */
void feeds_sent(struct replica *replica);
/* Takes up what a former core made for a process that still runs, or did not end long ago. */
void feeds_adopt(struct run *run, struct replica *replica, const char *out, const char *err);
/* The process that runs is fed, whatever the specification says now: a new core knows only that. */
bool feeds_open(const struct replica *replica);
/* Moves what is there now. */
void feeds_drain(struct replica *replica);
/* Nothing of the replica's tree is left: moves the last of it, lets go of the rest. */
void feeds_end(struct run *run, struct replica *replica);
/* The replica's memory goes; what the keeper holds stays. */
void feeds_free(struct run *run, struct replica *replica);

#endif
