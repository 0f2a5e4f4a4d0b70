/*
 * list.h - an intrusive, circular, doubly linked list.
 *
 * The head is a struct link that points at itself when the list is empty. An element embeds a
 * struct link; LIST_ITEM takes the element back from it. Nothing is allocated, nothing is owned.
 */
#ifndef SLV_LIST_H
#define SLV_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct link {
    struct link *prev, *next;
};

#define LIST_ITEM(link_ptr, type, member) \
    ((type *)(void *)((char *)(link_ptr) - offsetof(type, member)))

/* Walks a list; at may be removed while it stands there. */
#define LIST_EACH(at, after, head) \
    for (struct link *at = (head)->next, *after = at->next; at != (head); \
         at = after, after = at->next)

/* Makes an empty list, or a link that is in none. */
static inline void list_init(struct link *head)
{
    head->prev = head->next = head;
}

/* Nothing hangs in the list. */
static inline bool list_empty(const struct link *head)
{
    return head->next == head;
}

/* Puts l at the end. */
static inline void list_add(struct link *head, struct link *l)
{
    l->prev = head->prev;
    l->next = head;
    head->prev->next = l;
    head->prev = l;
}

/* Takes l out of its list; l is then a list of its own, so that this may be called again. */
static inline void list_remove(struct link *l)
{
    l->prev->next = l->next;
    l->next->prev = l->prev;
    list_init(l);
}

#endif
