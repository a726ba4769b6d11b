/* SPDX-License-Identifier: Apache-2.0
 *
 * What the keeper's files offer each other; the state they share: state.h. Listed from the bottom
 * up: a file calls only those above it here, so there is no circle.
 */
#ifndef KEEPER_PRIVATE_H
#define KEEPER_PRIVATE_H

#include "keeper/state.h"
#include "os/rolelog.h"

/* --- state.c --- */
/* "RUN/NAME". */
void keeper_run_path(const struct keeper *keeper, const char *name, char ret[KEEPER_PATH_MAX]);
/* Something ended: whoever is stopping goes on (stop.c), later in this turn. */
void keeper_ended(struct keeper *keeper);

/* --- ward.c --- */
struct ward *ward_find(struct keeper *keeper, struct str id);
struct ward *ward_by_pid(struct keeper *keeper, int pid);
/* The next one in use after `after` (NULL: the first), or NULL. */
struct ward *ward_next(struct keeper *keeper, struct ward *after);
#define WARD_EACH(keeper, ward) for (struct ward *ward = NULL; (ward = ward_next(keeper, ward));)
/* A free place with that id, or NULL. */
struct ward *ward_new(struct keeper *keeper, struct str id);
/* The place is free; nothing may be watched. */
void ward_free(struct keeper *keeper, struct ward *ward);
bool ward_all_empty(struct keeper *keeper);

/* --- memory.c --- */
/* Reads what the last keeper wrote; fills wards, role identities, cgroups and handed descriptors.
 * Nothing of another boot. keeper->journal is ready then to be written anew. */
void memory_load(struct keeper *keeper);
void memory_ward(struct keeper *keeper, const struct ward *ward);
void memory_role(struct keeper *keeper, const struct role_slot *slot);

/* --- peer.c --- */
/* On RUN/keeper.sock, or on what is open already (taken over). */
must_check int peer_listen(struct keeper *keeper, int fd);
/* A peer on that channel; NULL (fd closed) when all places are taken. */
struct peer *peer_new(struct keeper *keeper, int fd, enum keeper_role role);
/* Sends; a peer that does not read is dropped. */
void peer_send(struct peer *peer, const struct keeper_msg *msg, int fd);
/* To every greeted peer with that role (NONE: all). */
void peer_tell(struct keeper *keeper, enum keeper_role role, const struct keeper_msg *msg);
/* To all who hold copies but `from`; private: to the core's alone. */
void peer_tell_copies(struct keeper *keeper, const struct peer *from, bool private,
                      const struct keeper_msg *msg, int fd);

/* --- kept.c --- */
bool kept_is_private(struct str name); /* for the core alone */
struct kept *kept_find(struct keeper *keeper, struct str name);
/* The same for link/order_run.h: the descriptor, or -1. */
int kept_fd(void *keeper, struct str name);
/* Takes fd over; tells all peers but `from`. 0 or -ENOSPC. */
must_check int kept_put(struct keeper *keeper, struct str name, int fd, const struct peer *from);
void kept_drop(struct keeper *keeper, struct kept *kept, const struct peer *from);
void kept_send_all(struct keeper *keeper, struct peer *peer);
/* The socket of that address; where it is not held it is taken back from a child that has it, else
 * opened. only_listed: and the snapshot names it. 0, -EPERM, -errno with msg->text. */
must_check int kept_listen(struct keeper *keeper, struct keeper_msg *msg, bool only_listed,
                           int *ret_fd);
/* Drops the streams of commands whose core died between giving them and taking them back. */
void kept_drop_stdio(struct keeper *keeper);
/* Removes the files of unix listeners. */
void kept_unlink(struct keeper *keeper);

/* --- child.c --- */
/* Starts what the order says. 0, or -errno with *ret_step. */
must_check int child_spawn(struct keeper *keeper, const struct order *order, struct ward **ret,
                           const char **ret_step);
must_check int child_signal(struct keeper *keeper, struct ward *ward, int signum, bool tree);
void child_kill(struct keeper *keeper, struct ward *ward);
/* Watches again what the journal told of; a process that is gone is ended or awaited. */
void child_adopt(struct keeper *keeper, struct ward *ward, bool await);
/* The pidfd of an awaited one arrived (taken over). */
void child_adopt_fd(struct keeper *keeper, struct ward *ward, int pidfd);
void child_ended(struct keeper *keeper, struct ward *ward, const struct proc_exit *how);
void child_forget(struct keeper *keeper, struct ward *ward);
void child_sweep(struct timer *timer, int64_t now_ns);
void child_await_over(struct timer *timer, int64_t now_ns);
/* Cuts the oldest bytes of outputs that nobody reads, while no core is there. */
void child_trim(struct timer *timer, int64_t now_ns);

/* --- role.c --- */
void role_init(struct keeper *keeper, enum keeper_role role);
/* Starts it, or takes on the living process that holds its lock. */
void role_start(struct keeper *keeper, enum keeper_role role);
/* Takes on a living process from the journal; false when it is gone. */
bool role_adopt(struct keeper *keeper, enum keeper_role role, const struct proc_id *proc);
void role_stop(struct keeper *keeper, enum keeper_role role);
/* Ends it so that it starts again, from the binary that the keeper runs. Not while stopping. */
void role_restart(struct keeper *keeper, enum keeper_role role);
/* Does that process speak for the role: is it the role, or its guard (link/keeper_guard.c)? Takes
 * on one that holds the role's lock though its place was given to another: the keeper that started
 * it died before it wrote that down. */
bool role_claim(struct keeper *keeper, enum keeper_role role, int pid);

/* --- reexec.c --- */
/* Executes it; returns when that failed, and all goes on. */
void reexec_run(struct keeper *keeper, const char *binary);
/* Takes over the descriptors that the last image named in the journal. 0 or -EBADMSG. */
must_check int reexec_load(struct keeper *keeper);

/* --- stop.c --- */
void stop_init(struct keeper *keeper);
void stop_begin(struct keeper *keeper, bool kill_services);

/* --- dispatch.c --- */
void dispatch(struct keeper *keeper, struct peer *peer, struct keeper_msg *msg, int *fd);

#endif
