/* SPDX-License-Identifier: Apache-2.0
 *
 * The development authority: one per user of this machine, in files, so that trusting it once is
 * enough for all instances. It issues the certificates of https listeners that have none, and those
 * that `muelle cert` is asked for.
 *
 *   DIR/ca.crt  for whoever shall trust it      DIR/ca.key  0600, never leaves the folder
 *
 * Blocks: on a worker, or in the command line.
 */
#ifndef CORE_AUTHORITY_H
#define CORE_AUTHORITY_H

#include "tls/issue.h"

enum { AUTHORITY_DIR_MAX = 512, AUTHORITY_DAYS = 3650, AUTHORITY_LEAF_DAYS = 397 };

struct authority {
    char dir[AUTHORITY_DIR_MAX];
    struct tls_cert *cert;
};

/* Where it lies: MUELLE_CA_DIR, else /var/lib/muelle/ca for root, else XDG_DATA_HOME/muelle/ca,
 * else HOME/.local/share/muelle/ca. Each may be empty. False: nowhere, since all are. */
bool authority_dir(struct str own, struct str data_home, struct str home,
                   char ret[AUTHORITY_DIR_MAX]);
/* Opens it; makes it when it is not there. 0; TLS_E_BAD with the problem; -errno. */
must_check int authority_open(struct authority *authority, const char *dir, int64_t now_s,
                              struct problem *problem);
/* Accepts a zeroed one. */
void authority_close(struct authority *authority);
/* A certificate for these names, with its chain; appended as PEM. 0, -EINVAL (a name that cannot be
 * in one), -ENOMEM. */
struct authority_request {
    const struct str *names;
    size_t count;
    int64_t now_s;
    bool client; /* for a client, not for a server */
};
must_check int authority_issue(const struct authority *authority,
                               const struct authority_request *request, struct buf *cert,
                               struct buf *key);

#endif
