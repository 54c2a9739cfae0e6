/*
 * What a page may still be reading after it let go of the lock. A page pins the graveyard while it
 * copies pointers, under the lock, and unpins it when it has written, under the lock again. Objects
 * that are dropped meanwhile are buried, and freed when the last pin goes. All calls are made under
 * the owner's lock.
 */
#ifndef SHOAL_COLLECTOR_GRAVEYARD_H
#define SHOAL_COLLECTOR_GRAVEYARD_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* The first member of whatever may be buried: one block of malloc each. All fields are the owner's
 * for as long as the object lives. */
struct shared {
    struct shared *next;
    uint32_t refs;
    uint32_t hash;
};

/* Caller's storage; all zeros is an empty one. */
struct graveyard {
    unsigned pins;
    struct shared *dead;
};

static inline void graveyard_pin(struct graveyard *graveyard)
{
    graveyard->pins++;
}

static inline void graveyard_unpin(struct graveyard *graveyard)
{
    if (--graveyard->pins > 0)
        return;
    while (graveyard->dead != NULL) {
        struct shared *object = graveyard->dead;
        graveyard->dead = object->next;
        free(object);
    }
}

static inline void graveyard_bury(struct graveyard *graveyard, struct shared *object)
{
    if (graveyard->pins == 0) {
        free(object);
        return;
    }
    object->next = graveyard->dead;
    graveyard->dead = object;
}

#endif
