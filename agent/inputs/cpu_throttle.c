/*
 * The counters of Intel's thermal monitoring. Most machines have none, and then nothing is looked
 * for but when a CPU comes or goes.
 */
#include "agent/inputs/cpu_throttle.h"

#include "agent/procfs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_TEXT_BYTES 24
#define TOPOLOGY_FORMAT "%s/devices/system/cpu/cpu%u/topology/%s"

enum throttle_kind { THROTTLE_CORE, THROTTLE_PACKAGE };

/* One core or package that has a counter. */
struct throttle_place {
    enum throttle_kind kind;
    unsigned cpu; /* whose file is read */
    char core[NUMBER_TEXT_BYTES];
    char package[NUMBER_TEXT_BYTES];
};

struct cpu_throttle {
    char *sys;
    unsigned *seen; /* CPUs online, as told since the last read */
    size_t n_seen;
    size_t room_seen;
    unsigned *known; /* CPUs by which the places were found */
    size_t n_known;
    size_t room_known;
    struct throttle_place *places;
    size_t n_places;
    bool has_failed;
};

static const char *const files[] = {
    [THROTTLE_CORE] = "core_throttle_count",
    [THROTTLE_PACKAGE] = "package_throttle_count",
};

static const struct family core_family = FAMILY(
    COUNTER, "node_cpu_core_throttles_total", "Number of times this CPU core has been throttled.");
static const struct family package_family =
    FAMILY(COUNTER, "node_cpu_package_throttles_total",
           "Number of times this CPU package has been throttled.");

struct cpu_throttle *cpu_throttle_new(const char *sys)
{
    struct cpu_throttle *throttle = calloc(1, sizeof(*throttle));
    if (throttle == NULL)
        return NULL;
    throttle->sys = strdup(sys);
    if (throttle->sys != NULL)
        return throttle;
    free(throttle);
    return NULL;
}

void cpu_throttle_free(struct cpu_throttle *throttle)
{
    if (throttle == NULL)
        return;
    free(throttle->sys);
    free(throttle->seen);
    free(throttle->known);
    free(throttle->places);
    free(throttle);
}

void cpu_throttle_see(struct cpu_throttle *throttle, unsigned cpu)
{
    if (throttle->n_seen == throttle->room_seen) {
        size_t room = throttle->room_seen * 2 + 16;
        unsigned *seen = realloc(throttle->seen, room * sizeof(*seen));
        if (seen == NULL) {
            throttle->has_failed = true;
            return;
        }
        throttle->seen = seen;
        throttle->room_seen = room;
    }
    throttle->seen[throttle->n_seen++] = cpu;
}

static bool is_known(const struct cpu_throttle *throttle, enum throttle_kind kind, const char *core,
                     const char *package)
{
    for (size_t i = 0; i < throttle->n_places; i++) {
        const struct throttle_place *place = &throttle->places[i];
        if (place->kind == kind && strcmp(place->package, package) == 0 &&
            strcmp(place->core, core) == 0)
            return true;
    }
    return false;
}

static int count_of(const struct cpu_throttle *throttle, enum throttle_kind kind, unsigned cpu,
                    uint64_t *count_out)
{
    return procfs_value_u64(count_out, "%s/devices/system/cpu/cpu%u/thermal_throttle/%s",
                            throttle->sys, cpu, files[kind]);
}

static int add_place(struct cpu_throttle *throttle, enum throttle_kind kind, unsigned cpu,
                     uint64_t core, uint64_t package)
{
    struct throttle_place place = {.kind = kind, .cpu = cpu};
    uint64_t count;
    if (kind == THROTTLE_CORE)
        (void)snprintf(place.core, sizeof(place.core), "%" PRIu64, core);
    (void)snprintf(place.package, sizeof(place.package), "%" PRIu64, package);
    if (is_known(throttle, kind, place.core, place.package) ||
        count_of(throttle, kind, cpu, &count) < 0)
        return 0;
    struct throttle_place *places =
        realloc(throttle->places, (throttle->n_places + 1) * sizeof(*places));
    if (places == NULL)
        return -ENOMEM;
    places[throttle->n_places++] = place;
    throttle->places = places;
    return 0;
}

static int find_places_of(struct cpu_throttle *throttle, unsigned cpu)
{
    uint64_t core;
    uint64_t package;
    if (procfs_value_u64(&package, TOPOLOGY_FORMAT, throttle->sys, cpu, "physical_package_id") <
            0 ||
        procfs_value_u64(&core, TOPOLOGY_FORMAT, throttle->sys, cpu, "core_id") < 0)
        return 0; /* "-1" where the firmware does not say */
    int r = add_place(throttle, THROTTLE_CORE, cpu, core, package);
    return r < 0 ? r : add_place(throttle, THROTTLE_PACKAGE, cpu, core, package);
}

/* What was seen becomes what is known, and the other way round. */
static void swap_lists(struct cpu_throttle *throttle)
{
    unsigned *list = throttle->known;
    size_t room = throttle->room_known;
    throttle->known = throttle->seen;
    throttle->room_known = throttle->room_seen;
    throttle->n_known = throttle->n_seen;
    throttle->seen = list;
    throttle->room_seen = room;
    throttle->n_seen = 0;
}

static int find_places(struct cpu_throttle *throttle)
{
    bool is_same = throttle->n_seen == throttle->n_known &&
                   (throttle->n_seen == 0 || memcmp(throttle->seen, throttle->known,
                                                    throttle->n_seen * sizeof(unsigned)) == 0);
    swap_lists(throttle);
    if (is_same)
        return 0;
    throttle->n_places = 0;
    int r = 0;
    for (size_t i = 0; r == 0 && i < throttle->n_known; i++)
        r = find_places_of(throttle, throttle->known[i]);
    if (r < 0)
        throttle->n_known = 0; /* look again the next time */
    return r;
}

int cpu_throttle_read(struct cpu_throttle *throttle, struct reading *reading)
{
    int r = throttle->has_failed ? -ENOMEM : find_places(throttle);
    throttle->has_failed = false;
    throttle->n_seen = 0;
    for (size_t i = 0; r == 0 && i < throttle->n_places; i++) {
        const struct throttle_place *place = &throttle->places[i];
        uint64_t count;
        if (count_of(throttle, place->kind, place->cpu, &count) < 0)
            continue; /* just gone offline */
        if (place->kind == THROTTLE_CORE)
            reading_add(reading, &core_family, (double)count,
                        LABELS({"core", place->core}, {"package", place->package}));
        else
            reading_add(reading, &package_family, (double)count,
                        LABELS({"package", place->package}));
    }
    return r;
}
