/* SPDX-License-Identifier: Apache-2.0
 *
 * What is said to the keeper: fixed-size messages over SEQPACKET (os/chan.h), descriptors beside
 * them.
 *
 * Version 1. Every message is one `struct keeper_msg` (native order: both ends are on one machine).
 * A request carries a serial; its answer the same serial and `error` (0 or -errno). News has serial
 * 0. A message of another size or version closes the channel.
 *
 * | type      | to the keeper                           | answer, or news from it (n)              |
 * | --------- | --------------------------------------- | ---------------------------------------- |
 * | HELLO     | role, a: flags                          | role granted, a: pid, b: version, c: rung |
 * | LISTEN    | name: address                           | fd; a: 1 = it was open already           |
 * | KEEP      | name, fd; a: 1 = not over another       | –                                        |
 * | GET       | name                                    | fd, or -ENOENT                           |
 * | DROP      | name                                    | –; n to the others                       |
 * | KEPT      |                                         | n: name, fd: a copy to hold              |
 * | SPAWN     | name: id, fd: sealed order (order.h)    | STARTED as CHILD, fd: pidfd; or text     |
 * | EXITED    |                                         | n: as CHILD                              |
 * | SIGNAL    | name: id, a: signal, b: 1 = whole tree  | –                                        |
 * | KILL_TREE | name: id                                | –, then n EMPTY when nothing is left     |
 * | EMPTY     |                                         | n: as CHILD                              |
 * | FORGET    | name: id (ended and empty only)         | –                                        |
 * | CHILDREN  | a: index to start at                    | a page of n CHILD, then a: next or 0     |
 * | CHILD     |                                         | n: name: id, a: pid, b: start time,      |
 * |           |                                         | c: exit code, d: flags, fd: pidfd        |
 * | ADOPT     | name: id, fd: pidfd (handed over)       | –                                        |
 * | ROLE      | role: end it so that it starts again    | n: role, a: pid, b: restarts, c: 1 = up  |
 * | ROLE_STOP | role                                    | –, then n ROLE                           |
 * | REEXEC    | name: the binary to become              | before it becomes that                   |
 * | SHUTDOWN  | a: 1 = kill the services too            | –, then the channel ends                 |
 * | SOCKMAP   | a: 1 = make it, 0 = drop its link       | –, n KEPT; or text (keeper_sockmap.h)    |
 *
 * The edge may KEEP with a = 1 only. Who may what: the table in keeper/dispatch.c.
 */
#ifndef LINK_KEEPER_H
#define LINK_KEEPER_H

#include "base/str.h"
enum { KEEPER_VERSION = 1, KEEPER_NAME_MAX = 256, KEEPER_MSG_SIZE = 512, KEEPER_TEXT_MAX = 160 };
enum { KEEPER_PORTS_MAX = 8, KEEPER_CHILDREN_MAX = 4096, KEEPER_KEPT_MAX = 256 };
enum { KEEPER_CLIENTS_MAX = 16 };
#define KEEPER_STDIO    "stdio:"  /* names of a command's streams: the core's alone, gone with it */
#define KEEPER_OUTPUT   "output:" /* names of a service's pipes and terminals: the core's alone */
#define KEEPER_HANDOVER "handover:"          /* + pid: the way to an edge that leaves its place */
#define KEEPER_MAGIC    UINT32_C(0x4b4c554d) /* "MULK" */

enum keeper_role {
    KEEPER_ROLE_NONE,
    KEEPER_ROLE_CORE,
    KEEPER_ROLE_EDGE,
    KEEPER_ROLE_TOOL,
    KEEPER_ROLE_COUNT
};

enum keeper_type {
    KEEPER_HELLO = 1,
    KEEPER_LISTEN,
    KEEPER_KEEP,
    KEEPER_GET,
    KEEPER_DROP,
    KEEPER_KEPT,
    KEEPER_SPAWN,
    KEEPER_STARTED,
    KEEPER_EXITED,
    KEEPER_SIGNAL,
    KEEPER_KILL_TREE,
    KEEPER_EMPTY,
    KEEPER_FORGET,
    KEEPER_CHILDREN,
    KEEPER_CHILD,
    KEEPER_ADOPT,
    KEEPER_ROLE,
    KEEPER_ROLE_STOP,
    KEEPER_SHUTDOWN,
    KEEPER_REEXEC,
    KEEPER_SOCKMAP_MAKE,
    KEEPER_TYPE_COUNT,
};

enum { KEEPER_HELLO_COPIES = 1 }; /* HELLO flag: send KEPT for all that is and will be kept */
/* EXITED and CHILD flags (d). */
enum {
    KEEPER_EXIT_KNOWN = 1,
    KEEPER_EXIT_SIGNALED = 2,
    KEEPER_EXIT_CORE = 4,
    KEEPER_CHILD_RUNNING = 8,
    KEEPER_CHILD_EMPTY = 16, /* nothing of its tree is left */
    KEEPER_CHILD_OOM = 32,   /* the kernel's out-of-memory killer took part of it */
};

struct keeper_msg {
    uint32_t magic;
    uint16_t version;
    uint16_t type; /* enum keeper_type */
    uint32_t serial;
    int32_t error;
    uint8_t role; /* enum keeper_role */
    uint8_t reserved[3];
    uint32_t name_len;
    uint64_t a, b, c, d;
    uint64_t spec_hash;               /* STARTED, CHILD */
    uint64_t trimmed[2];              /* CHILD: bytes of stdout, stderr freed while no core lived */
    uint16_t ports[KEEPER_PORTS_MAX]; /* STARTED, CHILD */
    char name[KEEPER_NAME_MAX];       /* not terminated */
    char text[KEEPER_MSG_SIZE - KEEPER_NAME_MAX -
              96]; /* of an error: which step failed; NUL-terminated */
};
_Static_assert(sizeof(struct keeper_msg) == KEEPER_MSG_SIZE, "fixed size");

static inline struct str keeper_msg_name(const struct keeper_msg *msg)
{
    return str_make(msg->name, msg->name_len);
}
void keeper_msg_init(struct keeper_msg *msg, enum keeper_type type, struct str name);
/* Is this a message that may be looked at? Checks size, magic, version, type, name_len; ends
 * `text`. */
bool keeper_msg_valid(struct keeper_msg *msg, size_t len);

#endif
