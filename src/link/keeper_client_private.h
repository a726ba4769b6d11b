/* SPDX-License-Identifier: Apache-2.0
 *
 * Between keeper_client.c and keeper_revive.c.
 */
#ifndef LINK_KEEPER_CLIENT_PRIVATE_H
#define LINK_KEEPER_CLIENT_PRIVATE_H

#include "link/keeper_client.h"

/* Starts talking over `fd` (taken over on success): HELLO, then all that is held, then the
 * requests. */
must_check int keeper_client_open(struct keeper_client *client, int fd);
struct revive {
    const char *run_dir;
    const char *state_dir;
    const char *id;
    enum keeper_role role;
};
/* A channel to the keeper: to a new one when its lock is free (and we may), else by its socket.
 * *ret_pidfd is set when one was started. 0 or -errno. */
must_check int keeper_revive(const struct revive *revive, bool may_start, int *ret_fd,
                             int *ret_pidfd);

/* One attempt to have a channel again; arms the timer for the next when it fails. */
void keeper_client_connect(struct keeper_client *client);

/* Takes fd over (-1: nothing happens). */
void keeper_copy_put(struct keeper_client *client, struct str name, int fd, bool child);
void keeper_copy_drop(struct keeper_client *client, struct str name, bool child);
void keeper_copy_free_all(struct keeper_client *client);
/* Sends what a new keeper lacks; false when the channel is full: call again. */
bool keeper_copy_hand_over(struct keeper_client *client,
                           bool (*send)(struct keeper_client *client, const struct keeper_msg *msg,
                                        int fd));

#endif
