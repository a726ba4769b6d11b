/* SPDX-License-Identifier: Apache-2.0
 *
 * struct mailbox: the only way between loops: any thread posts, one loop receives. Intrusive,
 * lock-free (a stack taken whole by one exchange and turned round), one eventfd write per burst,
 * never fails.
 *
 * The sender gives the mail away until it is delivered; it must not be posted twice before that.
 * Bounding the number of mails is the senders' business: each owns those it posts. A mail delivered
 * is the receiver's, who may post it back: that is how a sender learns that its mail is free again.
 */
#ifndef OS_MAILBOX_H
#define OS_MAILBOX_H

#include "os/loop.h"
#include <stdatomic.h>

struct mail {
    struct mail *next;
};

struct mailbox {
    _Atomic(struct mail *) head;
    struct loop *loop;
    struct loop_fd watch;
    void (*deliver)(struct mailbox *box,
                    struct mail *mail); /* on the loop's thread, oldest first */
};

/* 0 or -errno. */
must_check int mailbox_init(struct mailbox *box, struct loop *loop,
                            void (*deliver)(struct mailbox *box, struct mail *mail));
/* On the loop's thread, when nobody posts any more; mails not delivered are dropped. */
void mailbox_fini(struct mailbox *box);
/* From any thread. */
void mailbox_post(struct mailbox *box, struct mail *mail);

#endif
