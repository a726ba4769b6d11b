/* SPDX-License-Identifier: Apache-2.0
 *
 * Mailboxes: see mailbox.h.
 *
 * Posting pushes onto a stack with compare-and-swap; only the push onto an empty stack rings the
 * eventfd. The receiver takes the whole stack with one exchange and turns it round, so order is
 * kept per sender, and no wake-up is lost: whoever finds the stack empty rings after its push.
 *
 * Invariants: 1. the receiver empties the eventfd before it takes the stack: a ring in between
 *                wakes it once too often, never once too seldom;
 *             2. release (push) and acquire (take) make what a sender wrote into its mail visible
 *                to the receiver: mails need no lock of their own;
 *             3. nobody pops single mails, so a mail that comes back at its old address (ABA) harms
 *                nothing.
 */
#include "os/mailbox.h"
#include <sys/eventfd.h>
#include <unistd.h>

static void mailbox_ready(struct loop_fd *watch, uint32_t events)
{
    struct mailbox *box = container_of(watch, struct mailbox, watch);
    uint64_t count;
    (void)!read(watch->fd, &count, sizeof(count));
    struct mail *stack = atomic_exchange_explicit(&box->head, NULL, memory_order_acquire);
    struct mail *queue = NULL;
    while (stack) {
        struct mail *next = stack->next;
        stack->next = queue;
        queue = stack;
        stack = next;
    }
    while (queue && box->loop) { /* mailbox_fini inside `deliver` drops the rest */
        struct mail *mail = queue;
        queue = mail->next;
        mail->next = NULL;
        box->deliver(box, mail);
    }
}

int mailbox_init(struct mailbox *box, struct loop *loop,
                 void (*deliver)(struct mailbox *box, struct mail *mail))
{
    atomic_init(&box->head, NULL);
    box->loop = loop;
    box->deliver = deliver;
    loop_fd_init(&box->watch, mailbox_ready);
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    int result = loop_fd_add(loop, &box->watch, fd, LOOP_READ);
    if (result < 0) {
        close(fd);
    }
    return result;
}

void mailbox_fini(struct mailbox *box)
{
    int fd = box->watch.fd;
    if (box->loop && fd >= 0) {
        loop_fd_remove(box->loop, &box->watch);
        close(fd);
    }
    box->loop = NULL;
}

void mailbox_post(struct mailbox *box, struct mail *mail)
{
    int fd = box->watch.fd; /* before the push: after it the receiver may be gone with the box */
    struct mail *head = atomic_load_explicit(&box->head, memory_order_relaxed);
    do {
        mail->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&box->head, &head, mail, memory_order_release,
                                                    memory_order_relaxed));
    if (!head) {
        uint64_t one = 1;
        (void)!write(fd, &one, sizeof(one));
    }
}
