#include "collector/own.h"

#include <pthread.h>
#include <stdlib.h>

#include "common/process.h"

/* What has been noted. */
struct notes {
    struct ingest_totals ingest;
    struct store_totals store;
    struct receiver_totals receiver;
    uint64_t overloaded_requests;
};

struct own {
    struct live *live;
    pthread_mutex_t lock;
    struct notes notes;
};

/* What the samples come from. */
struct facts {
    struct notes notes;
    struct live_totals live;
};

struct metric {
    struct family family;
    double (*get)(const struct facts *facts);
};

#define GET(name_, value_)                                                                         \
    static double get_##name_(const struct facts *facts)                                           \
    {                                                                                              \
        return (double)(facts->value_);                                                            \
    }

GET(frames, notes.ingest.frames)
GET(bytes, notes.ingest.bytes)
GET(commits, notes.ingest.commits)
GET(commit_failures, notes.ingest.commit_failures)
GET(commit_seconds, notes.ingest.commit_seconds)
GET(queue_frames, notes.ingest.queue_frames)
GET(queue_bytes, notes.ingest.queue_bytes)
GET(overloaded, notes.ingest.overloaded)
GET(bad_topics, notes.ingest.bad_topics)
GET(is_storing, notes.ingest.is_storing)
GET(store_bytes, notes.store.bytes)
GET(store_frames, notes.store.frames)
GET(store_wal_bytes, notes.store.wal_bytes)
GET(store_deleted, notes.store.deleted_frames)
GET(store_ballast, notes.store.has_ballast)
GET(has_broker, notes.receiver.is_connected)
GET(connects, notes.receiver.connects)
GET(losses, notes.receiver.losses)
GET(acks, notes.receiver.acks)
GET(acks_dropped, notes.receiver.acks_dropped)
GET(overloaded_requests, notes.overloaded_requests)
GET(nodes, live.nodes)
GET(series, live.series)
GET(identities, live.identities)
GET(live_bytes, live.bytes)
GET(is_rebuilt, live.is_rebuilt)

static const struct metric metrics[] = {
    {FAMILY(COUNTER, "shoal_collector_frames_total", "Frames committed."), get_frames},
    {FAMILY(COUNTER, "shoal_collector_bytes_total", "Bytes of the frames committed."), get_bytes},
    {FAMILY(COUNTER, "shoal_collector_commits_total", "Transactions committed."), get_commits},
    {FAMILY(COUNTER, "shoal_collector_commit_failures_total", "Transactions that failed."),
     get_commit_failures},
    {FAMILY(COUNTER, "shoal_collector_commit_seconds_total", "Time spent in committing."),
     get_commit_seconds},
    {FAMILY(GAUGE, "shoal_collector_queue_frames", "Frames received that wait for a commit."),
     get_queue_frames},
    {FAMILY(GAUGE, "shoal_collector_queue_bytes", "Bytes of the frames that wait for a commit."),
     get_queue_bytes},
    {FAMILY(COUNTER, "shoal_collector_overloaded_frames_total",
            "Frames left unacknowledged because a queue was full."),
     get_overloaded},
    {FAMILY(COUNTER, "shoal_collector_bad_topics_total", "Messages on topics that fit nothing."),
     get_bad_topics},
    {FAMILY(GAUGE, "shoal_collector_storing", "Whether the last commit worked."), get_is_storing},
    {FAMILY(GAUGE, "shoal_collector_store_bytes", "Size of the database and its WAL."),
     get_store_bytes},
    {FAMILY(GAUGE, "shoal_collector_store_frames", "Frames held in the store."), get_store_frames},
    {FAMILY(GAUGE, "shoal_collector_store_wal_bytes", "Size of the database's WAL."),
     get_store_wal_bytes},
    {FAMILY(COUNTER, "shoal_collector_store_deleted_frames_total", "Frames deleted by retention."),
     get_store_deleted},
    {FAMILY(GAUGE, "shoal_collector_store_ballast",
            "Whether the file kept for a full disk is there."),
     get_store_ballast},
    {FAMILY(GAUGE, "shoal_collector_broker_connected", "Whether the broker is connected."),
     get_has_broker},
    {FAMILY(COUNTER, "shoal_collector_broker_connects_total", "Connections made to the broker."),
     get_connects},
    {FAMILY(COUNTER, "shoal_collector_broker_losses_total", "Connections to the broker lost."),
     get_losses},
    {FAMILY(COUNTER, "shoal_collector_acks_total", "Acks sent to nodes."), get_acks},
    {FAMILY(COUNTER, "shoal_collector_acks_dropped_total",
            "Acks not sent, for want of a connection or at a bound."),
     get_acks_dropped},
    {FAMILY(COUNTER, "shoal_collector_overloaded_requests_total",
            "Large pages refused because slow clients held too many bytes."),
     get_overloaded_requests},
    {FAMILY(GAUGE, "shoal_collector_nodes", "Nodes known."), get_nodes},
    {FAMILY(GAUGE, "shoal_collector_series", "Live series of all nodes."), get_series},
    {FAMILY(GAUGE, "shoal_collector_identities",
            "Different names and labels among the live series."),
     get_identities},
    {FAMILY(GAUGE, "shoal_collector_live_bytes", "Memory of the latest values and their names."),
     get_live_bytes},
    {FAMILY(GAUGE, "shoal_collector_rebuilt",
            "Whether all nodes' values were read from the store."),
     get_is_rebuilt},
};

static const struct family rejected_family =
    FAMILY(COUNTER, "shoal_collector_rejected_total", "Frames refused.");
static const struct family build_family =
    FAMILY(GAUGE, "shoal_collector_build_info", "Version of the collector; the value is 1.");

struct own *own_new(struct live *live)
{
    struct own *own = calloc(1, sizeof(*own));
    if (own == NULL)
        return NULL;
    own->live = live;
    own->notes.ingest.is_storing = true;
    if (pthread_mutex_init(&own->lock, NULL) != 0) {
        free(own);
        return NULL;
    }
    return own;
}

void own_free(struct own *own)
{
    if (own == NULL)
        return;
    (void)pthread_mutex_destroy(&own->lock); /* unlocked: cannot fail */
    free(own);
}

void own_note_ingest(struct own *own, const struct ingest_totals *totals)
{
    pthread_mutex_lock(&own->lock);
    own->notes.ingest = *totals;
    pthread_mutex_unlock(&own->lock);
}

void own_note_store(struct own *own, const struct store_totals *totals)
{
    pthread_mutex_lock(&own->lock);
    own->notes.store = *totals;
    pthread_mutex_unlock(&own->lock);
}

void own_note_receiver(struct own *own, const struct receiver_totals *totals)
{
    pthread_mutex_lock(&own->lock);
    own->notes.receiver = *totals;
    pthread_mutex_unlock(&own->lock);
}

void own_note_pages(struct own *own, uint64_t overloaded)
{
    pthread_mutex_lock(&own->lock);
    own->notes.overloaded_requests = overloaded;
    pthread_mutex_unlock(&own->lock);
}

static struct notes take_notes(struct own *own)
{
    pthread_mutex_lock(&own->lock);
    struct notes notes = own->notes;
    pthread_mutex_unlock(&own->lock);
    return notes;
}

void own_state(struct own *own, struct own_state *state_out)
{
    struct notes notes = take_notes(own);
    *state_out = (struct own_state){.has_broker = notes.receiver.is_connected,
                                    .is_storing = notes.ingest.is_storing};
}

void own_read(struct own *own, struct reading *reading)
{
    struct facts facts = {.notes = take_notes(own)};
    live_totals(own->live, &facts.live);
    for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++)
        reading_add(reading, &metrics[i].family, metrics[i].get(&facts), NO_LABELS);
    for (int i = 0; i < REJECT_REASONS; i++)
        reading_add(reading, &rejected_family, (double)facts.notes.ingest.rejected[i],
                    LABELS({"reason", reject_reason_name((enum reject_reason)i)}));
    reading_add(reading, &build_family, 1, LABELS({"version", SHOAL_VERSION}));
    int r = process_read("/proc", reading);
    (void)r; /* in a sandbox without /proc the rest is still worth a page */
}
