/*
 * What the collector tells of itself: shoal_collector_* and process_*. The writer's and the
 * broker's threads note what they know; pages read it.
 */
#ifndef SHOAL_COLLECTOR_OWN_H
#define SHOAL_COLLECTOR_OWN_H

#include "collector/ingest.h"
#include "collector/receiver.h"

struct own;

/* NULL when out of memory. */
struct own *own_new(struct live *live);
void own_free(struct own *own); /* may be NULL */

void own_note_ingest(struct own *own, const struct ingest_totals *totals);
void own_note_store(struct own *own, const struct store_totals *totals);

void own_note_receiver(struct own *own, const struct receiver_totals *totals);
void own_note_pages(struct own *own, uint64_t overloaded); /* large pages refused ever */

struct own_state {
    bool has_broker, is_storing;
};
void own_state(struct own *own, struct own_state *state_out);

/* Adds to a reading that was begun; the caller ends it. */
void own_read(struct own *own, struct reading *reading);

#endif
