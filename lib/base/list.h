/* SPDX-License-Identifier: ISC */
/* list.h - intrusive doubly linked lists: the node is a member of the thing listed */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/attributes.h"

struct list {
	struct list *prev, *next;	/* of a head: last and first; an empty head points to itself */
};

static inline void list_init(struct list *head)
{
	head->prev = head->next = head;
}

static inline bool list_is_empty(const struct list *head)
{
	return head->next == head;
}

static inline void list_insert_before(struct list *at, struct list *node)
{
	node->prev = at->prev;
	node->next = at;
	at->prev->next = node;
	at->prev = node;
}

static inline void list_push_back(struct list *head, struct list *node)
{
	list_insert_before(head, node);
}

static inline void list_push_front(struct list *head, struct list *node)
{
	list_insert_before(head->next, node);
}

/* list_remove - take node out; it then is a list of its own, so removing twice is harmless. */
static inline void list_remove(struct list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

/* list_pop_front - take the first node out, or NULL. */
static inline struct list *list_pop_front(struct list *head)
{
	struct list *node = head->next;

	if (node == head)
		return NULL;
	list_remove(node);
	return node;
}

/* LIST_EACH - walk; LIST_EACH_SAFE allows removing the current node. */
#define LIST_EACH(node, head) \
	for (struct list *node = (head)->next; node != (head); node = node->next)
#define LIST_EACH_SAFE(node, after, head)                                        \
	for (struct list *node = (head)->next, *after = node->next; node != (head); \
	     node = after, after = node->next)

#endif
