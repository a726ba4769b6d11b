/* SPDX-License-Identifier: Apache-2.0
 *
 * Intrusive doubly linked circular list. The head is a struct list too; a node that is in no list
 * points at itself (list_init), so list_del is safe to call twice.
 *
 * Intrusive, because whoever waits here (a request, a timer, a connection) is in few lists, known
 * when it is written: putting it in cannot fail, and taking it out needs no search. A node's memory
 * may be freed as soon as it is out; a list says nothing about who owns its nodes.
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include "base/def.h"

struct list {
    struct list *next;
    struct list *prev;
};

#define LIST_INIT(name)                                                                            \
    {                                                                                              \
        &(name), &(name)                                                                           \
    }

static inline void list_init(struct list *node)
{
    node->next = node;
    node->prev = node;
}

static inline bool list_empty(const struct list *head)
{
    return head->next == head;
}

/* Puts `node` in front of `at`; in front of the head is the end of the list. */
static inline void list_insert(struct list *at, struct list *node)
{
    node->next = at;
    node->prev = at->prev;
    at->prev->next = node;
    at->prev = node;
}

static inline void list_push_back(struct list *head, struct list *node)
{
    list_insert(head, node);
}

static inline void list_push_front(struct list *head, struct list *node)
{
    list_insert(head->next, node);
}

static inline void list_del(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

/* Takes the first node out; NULL when the list is empty. */
static inline struct list *list_pop_front(struct list *head)
{
    struct list *node = head->next;
    if (node == head) {
        return NULL;
    }
    list_del(node);
    return node;
}

/* Moves all nodes of `from` to the end of `head`. */
static inline void list_splice_back(struct list *head, struct list *from)
{
    if (list_empty(from)) {
        return;
    }
    from->next->prev = head->prev;
    head->prev->next = from->next;
    from->prev->next = head;
    head->prev = from->prev;
    list_init(from);
}

#define list_entry(node, type, member) container_of(node, type, member)

#define list_for_each(it, head) for (struct list *it = (head)->next; it != (head); it = it->next)

/* `it` may be deleted (and freed) inside the loop, and nothing else: with the node behind it gone,
 * the walk would never see the head again. Who may lose any node pops from a list of its own. */
#define list_for_each_safe(it, head)                                                               \
    for (struct list *it = (head)->next, *it##_next = it->next; it != (head);                      \
         it = it##_next, it##_next = it->next)

#endif
