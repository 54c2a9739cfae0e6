/*
 * The time of frames against the true one: single events, then machines whose oscillators, clocks
 * and connections are drawn from a printed seed. SHOAL_TEST_SEED=N runs that one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "agent/utc.h"
#include "agent/utc_kept.h"
#include "common/log.h"
#include "tests/unit/tree.h"

#define S INT64_C(1000000) /* in microseconds */
#define MINUTE (60 * S)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define UTC_US (INT64_C(1700000000) * S) /* when the machine boots */
#define BOOT_ID "8f40038b-0a5a-4890-92ae-3f225166c657"
#define NEXT_ID "9f40038b-0a5a-4890-92ae-3f225166c657"

/* A machine; boot_us is what its oscillator counts, true_us what really went by. */
struct machine {
    struct clock clock;
    int64_t true_us;
    double boot_us;
    double drift_ppm;
    int64_t system_off_us; /* its system clock less the true time */
    bool is_synchronised;
    int64_t collector_off_us;
    bool does_collector_know;
    struct tree tree;
    char proc[128], state[128];
    struct utc *utc;
};

static int64_t boot_us(struct clock *clock)
{
    return (int64_t)((struct machine *)clock)->boot_us;
}

static int64_t utc_us(struct clock *clock)
{
    const struct machine *machine = (struct machine *)clock;
    return UTC_US + machine->true_us + machine->system_off_us;
}

static bool is_synchronised(struct clock *clock, int64_t *error_us_out)
{
    const struct machine *machine = (struct machine *)clock;
    if (machine->is_synchronised)
        *error_us_out = 900;
    return machine->is_synchronised;
}

static void machine_boot(struct machine *machine, const char *id)
{
    char text[64];
    (void)snprintf(text, sizeof(text), "%s\n", id);
    tree_write(&machine->tree, "proc/sys/kernel/random/boot_id", text);
}

static void machine_start(struct machine *machine, bool is_trusted)
{
    const struct utc_options options = {.clock = &machine->clock,
                                        .proc = machine->proc,
                                        .state_directory = machine->state,
                                        .is_clock_trusted = is_trusted,
                                        .seed = (uint64_t)random()};
    utc_free(machine->utc);
    machine->utc = utc_new(&options);
    assert_non_null(machine->utc);
}

static struct machine *machine_new(void)
{
    struct machine *machine = calloc(1, sizeof(*machine));
    assert_non_null(machine);
    machine->clock =
        (struct clock){.boot_us = boot_us, .utc_us = utc_us, .is_synchronised = is_synchronised};
    machine->boot_us = (double)(5 * S);
    machine->does_collector_know = true;
    tree_init(&machine->tree);
    (void)snprintf(machine->proc, sizeof(machine->proc), "%s/proc", machine->tree.root);
    (void)snprintf(machine->state, sizeof(machine->state), "%s/state", machine->tree.root);
    machine_boot(machine, BOOT_ID);
    machine_start(machine, false);
    return machine;
}

static int set_up(void **state)
{
    log_set_level(LOG_LEVEL_ERROR);
    *state = machine_new();
    return 0;
}

static int tear_down(void **state)
{
    struct machine *machine = *state;
    utc_free(machine->utc);
    tree_deinit(&machine->tree);
    free(machine);
    return 0;
}

static void pass(struct machine *machine, int64_t us)
{
    machine->true_us += us;
    machine->boot_us += (double)us * (1 + machine->drift_ppm / 1e6);
}

static int64_t now_ms(const struct machine *machine)
{
    return (int64_t)machine->boot_us / 1000;
}

static void answer(struct machine *machine, uint64_t id, int64_t there_us, int64_t back_us)
{
    struct ack ack = {.has_answer = true,
                      .answer_id = id,
                      .answer_is_synchronised = machine->does_collector_know};
    pass(machine, there_us);
    ack.answer_received_utc_us = UTC_US + machine->true_us + machine->collector_off_us;
    ack.answer_sent_utc_us = ack.answer_received_utc_us;
    pass(machine, back_us);
    utc_answered(machine->utc, &ack);
}

static void probe(struct machine *machine, int64_t there_us, int64_t back_us)
{
    answer(machine, utc_send_probe(machine->utc), there_us, back_us);
}

static struct envelope stamp(const struct machine *machine, int64_t boot_ms)
{
    struct envelope envelope = {0};
    utc_stamp(machine->utc, boot_ms, &envelope);
    return envelope;
}

/* What a frame of now would be off by, in milliseconds. */
static int64_t off_ms(const struct machine *machine)
{
    struct envelope envelope = stamp(machine, now_ms(machine));
    return now_ms(machine) + envelope.utc_offset_ms - (UTC_US + machine->true_us) / 1000;
}

static struct utc_state state_of(const struct machine *machine)
{
    struct utc_state state;
    utc_state(machine->utc, &state);
    return state;
}

static void test_synchronised_clock(void **state)
{
    struct machine *machine = *state;
    machine->is_synchronised = true;
    assert_false(state_of(machine).is_known);
    utc_turn(machine->utc);
    assert_true(state_of(machine).is_known);
    assert_int_equal(state_of(machine).source, CLOCK_SOURCE_SYSTEM);
    assert_in_range(off_ms(machine) + UTC_STEP_MS, 0, 2 * UTC_STEP_MS);
    assert_true(utc_may_send(machine->utc));
}

static void test_trusted_clock(void **state)
{
    struct machine *machine = *state;
    utc_turn(machine->utc);
    assert_false(state_of(machine).is_known);
    utc_trust_clock(machine->utc, true);
    utc_turn(machine->utc);
    assert_true(state_of(machine).is_known);
    assert_int_equal(state_of(machine).source, CLOCK_SOURCE_SYSTEM);
}

/* NTP an hour wrong: what was learned of it is thrown out, and comes back when it is right. */
static void test_collector_counts(void **state)
{
    struct machine *machine = *state;
    machine->is_synchronised = true;
    machine->system_off_us = HOUR;
    utc_turn(machine->utc);
    int64_t before_ms = now_ms(machine);
    pass(machine, MINUTE);
    utc_connected(machine->utc);
    probe(machine, 1000, 1000);
    assert_in_range(off_ms(machine) + 10, 0, 20);
    struct envelope envelope = stamp(machine, before_ms);
    assert_in_range(before_ms + envelope.utc_offset_ms - UTC_US / 1000 + 10, 0, 20);
    assert_int_equal(envelope.source, CLOCK_SOURCE_PROBE);
    assert_in_range(envelope.system_off_ms, 3600000 - 10, 3600000 + 10);
    assert_true(state_of(machine).is_differing);
    machine->system_off_us = 500 * 1000; /* within a second: the kernel's word counts */
    pass(machine, MINUTE);
    utc_turn(machine->utc);
    assert_false(state_of(machine).is_differing);
    assert_in_range(off_ms(machine), 500 - 10, 500 + 10);
    assert_int_equal(stamp(machine, now_ms(machine)).system_off_ms, 0);
}

static void test_collector_that_does_not_know(void **state)
{
    struct machine *machine = *state;
    machine->does_collector_know = false;
    machine->collector_off_us = -1000 * DAY;
    utc_connected(machine->utc);
    probe(machine, 1000, 1000);
    assert_false(state_of(machine).is_known);
    assert_int_equal(state_of(machine).unusable, 1);
    machine->is_synchronised = true;
    pass(machine, MINUTE);
    utc_turn(machine->utc);
    probe(machine, 1000, 1000);
    assert_in_range(off_ms(machine) + 10, 0, 20);
    assert_false(state_of(machine).is_differing);
}

static void test_waits(void **state)
{
    struct machine *machine = *state;
    pass(machine, DAY);
    utc_connected(machine->utc);
    assert_true(utc_is_probe_due(machine->utc));
    assert_false(utc_may_send(machine->utc));
    uint64_t id = utc_send_probe(machine->utc);
    assert_false(utc_is_probe_due(machine->utc));
    assert_true(utc_deadline_ms(machine->utc) > now_ms(machine));
    answer(machine, id, 1000, 1000);
    assert_true(utc_may_send(machine->utc));
    pass(machine, HOUR);
    utc_connected(machine->utc); /* known, but the oscillator may have run off */
    assert_false(utc_may_send(machine->utc));
    (void)utc_send_probe(machine->utc);
    pass(machine, (UTC_ANSWER_MS - 1) * 1000);
    utc_probe_refused(machine->utc); /* nobody there: begins anew */
    int64_t may_ms = now_ms(machine) + UTC_ANSWER_MS;
    while (!utc_may_send(machine->utc)) {
        if (utc_is_probe_due(machine->utc))
            (void)utc_send_probe(machine->utc);
        int64_t deadline_ms = utc_deadline_ms(machine->utc);
        assert_true(deadline_ms > now_ms(machine));
        pass(machine, (deadline_ms - now_ms(machine)) * 1000);
    }
    assert_in_range(now_ms(machine), may_ms, may_ms + 1);
}

static void test_kept_over_a_restart(void **state)
{
    struct machine *machine = *state;
    probe(machine, 1000, 1000);
    pass(machine, HOUR);
    machine->system_off_us = -DAY;
    machine_start(machine, false);
    assert_true(state_of(machine).is_known);
    assert_in_range(off_ms(machine) + 10, 0, 20);
    assert_int_equal(state_of(machine).source, CLOCK_SOURCE_PROBE);
    pass(machine, HOUR);
    machine_start(machine, false);
    assert_in_range(off_ms(machine) + 10, 0, 20);
}

static void test_estimate_is_clamped(void **state)
{
    struct machine *machine = *state;
    probe(machine, 1000, 1000);
    pass(machine, HOUR);
    machine_boot(machine, NEXT_ID);
    machine_start(machine, false); /* keeps the time as it ends */
    int64_t ended_ms = (UTC_US + machine->true_us) / 1000;
    machine->boot_us = 0;
    machine->system_off_us = -20 * 365 * DAY;
    pass(machine, MINUTE);
    utc_turn(machine->utc);
    struct envelope envelope = stamp(machine, now_ms(machine));
    assert_true(envelope.is_estimate);
    assert_in_range(now_ms(machine) + envelope.utc_offset_ms, ended_ms + 60000 - 10,
                    ended_ms + 60000 + 10);
    machine->system_off_us =
        DAY; /* an RTC may well be right: it is not before the last time known */
    pass(machine, MINUTE);
    utc_turn(machine->utc);
    assert_in_range(off_ms(machine), DAY / 1000 - 10, DAY / 1000 + 10);
}

/* The frames of a boot that never learned the time were taken before the one that does began. */
static void test_earlier_boot(void **state)
{
    struct machine *machine = *state;
    machine->system_off_us = DAY;
    utc_turn(machine->utc);
    struct utc_map map = *utc_map(machine->utc);
    int64_t last_ms = now_ms(machine);
    struct envelope envelope = {0};
    utc_stamp_earlier(machine->utc, &map, last_ms, 1000, &envelope);
    assert_int_equal(envelope.utc_offset_ms, map.free_offset_ms);
    pass(machine, HOUR);
    machine_boot(machine, NEXT_ID);
    machine_start(machine, false);
    machine->boot_us = 0;
    int64_t began_ms = (UTC_US + machine->true_us) / 1000;
    pass(machine, MINUTE);
    probe(machine, 1000, 1000);
    utc_stamp_earlier(machine->utc, &map, last_ms, last_ms, &envelope);
    assert_true(envelope.is_estimate);
    assert_in_range(last_ms + envelope.utc_offset_ms, began_ms - 10, began_ms + 10);
    utc_stamp_earlier(machine->utc, utc_map(machine->utc), last_ms, last_ms, &envelope);
    assert_false(envelope.is_estimate); /* one that knows the time needs no help */
}

static void test_map_is_restored(void **state)
{
    struct machine *machine = *state;
    struct utc_map map = {0};
    const struct utc_point point = {
        .boot_ms = 1000, .offset_ms = 5000000, .source = CLOCK_SOURCE_PROBE};
    assert_true(utc_map_learn(&map, &point));
    utc_restore(machine->utc, &map);
    assert_int_equal(stamp(machine, 7).utc_offset_ms, 5000000);
    assert_true(state_of(machine).is_known);
}

static void test_certificate_time(void **state)
{
    struct machine *machine = *state;
    struct mqtt_time time = utc_certificate_time(machine->utc);
    assert_false(time.is_right);
    assert_int_equal(time.utc_ms, 0);
    probe(machine, 1000, 1000);
    time = utc_certificate_time(machine->utc);
    assert_true(time.is_right);
    assert_in_range(time.utc_ms, UTC_US / 1000 - 10, UTC_US / 1000 + 20);
    machine_boot(machine, NEXT_ID);
    machine_start(machine, false);
    machine->boot_us = 0;
    machine->system_off_us = 20 * 365 * DAY; /* believed no more than one in the past */
    pass(machine, HOUR);
    utc_turn(machine->utc);
    time = utc_certificate_time(machine->utc);
    assert_false(time.is_right);
    assert_in_range(time.utc_ms, UTC_US / 1000 + 3600000 - 10, UTC_US / 1000 + 3600000 + 20);
}

static char *kept(const struct machine *machine, char *out, size_t out_bytes)
{
    char path[192];
    (void)snprintf(path, sizeof(path), "%s/" UTC_KEPT_FILE, machine->state);
    FILE *file = fopen(path, "re");
    out[0] = '\0';
    if (file != NULL) {
        size_t n = fread(out, 1, out_bytes - 1, file);
        out[n] = '\0';
        (void)fclose(file);
    }
    return out;
}

/* The first time known, then once a day. */
static void test_is_rarely_written(void **state)
{
    struct machine *machine = *state;
    char last[256], line[256];
    int writes = 0;
    utc_turn(machine->utc);
    assert_string_equal(kept(machine, last, sizeof(last)), "");
    machine->is_synchronised = true;
    for (int64_t us = 0; us < 3 * DAY - HOUR; us += 15 * S) {
        pass(machine, 15 * S);
        utc_turn(machine->utc);
        if (strcmp(kept(machine, line, sizeof(line)), last) != 0)
            writes++;
        (void)snprintf(last, sizeof(last), "%s", line);
    }
    assert_int_equal(writes, 3);
}

/* --- machines drawn from a seed --- */

#define SAMPLE (15 * S)
#define KEPT_MAX (40 * 240) /* frames of 40 hours */

struct world {
    struct machine *machine;
    bool is_connected;
    int64_t until_us;             /* of the connection or outage, true time */
    int64_t waiting[KEPT_MAX][2]; /* boot and true milliseconds of frames that wait */
    size_t n_waiting;
    int64_t worst_ms, worst_live_ms; /* off, of what was sent */
    size_t sent, estimated;
    int64_t path_us; /* the longest way of a probe */
};

static int64_t draw(int64_t from, int64_t to)
{
    return from +
           (int64_t)(((uint64_t)random() << 31 ^ (uint64_t)random()) % (uint64_t)(to - from + 1));
}

static void send_waiting(struct world *world)
{
    for (size_t i = 0; i < world->n_waiting; i++) {
        struct envelope envelope = stamp(world->machine, world->waiting[i][0]);
        int64_t off = llabs(world->waiting[i][0] + envelope.utc_offset_ms - world->waiting[i][1]);
        world->estimated += envelope.is_estimate;
        if (!envelope.is_estimate && off > world->worst_ms)
            world->worst_ms = off;
        if (!envelope.is_estimate && world->n_waiting == 1 && off > world->worst_live_ms)
            world->worst_live_ms = off;
        if (!envelope.is_estimate && off > envelope.uncertainty_ms &&
            world->machine->drift_ppm <= UTC_DRIFT_PPM && !world->machine->is_synchronised)
            fail_msg("off by %lld ms, and certain to %u ms", (long long)off,
                     envelope.uncertainty_ms);
    }
    world->sent += world->n_waiting;
    world->n_waiting = 0;
}

static void sample(struct world *world)
{
    struct machine *machine = world->machine;
    assert_true(world->n_waiting < KEPT_MAX);
    world->waiting[world->n_waiting][0] = now_ms(machine);
    world->waiting[world->n_waiting][1] = (UTC_US + machine->true_us) / 1000;
    world->n_waiting++;
}

static void step(struct world *world)
{
    struct machine *machine = world->machine;
    pass(machine, SAMPLE);
    sample(world);
    utc_turn(machine->utc);
    if (world->is_connected && utc_is_probe_due(machine->utc))
        probe(machine, draw(100, world->path_us), draw(100, world->path_us));
    if (world->is_connected && utc_may_send(machine->utc))
        send_waiting(world);
}

static void connect_now(struct world *world)
{
    world->is_connected = true;
    utc_connected(world->machine->utc);
}

/* Hours without a connection, between connections of hours, for about a week. */
static void live(struct world *world, int64_t outage_us)
{
    int64_t end_us = world->machine->true_us + 5 * DAY;
    while (world->machine->true_us < end_us) {
        bool was_connected = world->is_connected;
        world->until_us = world->machine->true_us +
                          (was_connected ? draw(outage_us / 4, outage_us) : draw(HOUR, 10 * HOUR));
        world->is_connected = false;
        if (!was_connected)
            connect_now(world);
        while (world->machine->true_us < world->until_us)
            step(world);
    }
    if (!world->is_connected)
        connect_now(world);
    step(world);
}

static uint64_t choose_seed(void)
{
    const char *given = getenv("SHOAL_TEST_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    print_message("SHOAL_TEST_SEED=%llu\n", (unsigned long long)seed);
    srandom((unsigned)seed);
    return seed;
}

static struct world *world_new(struct machine *machine)
{
    struct world *world = calloc(1, sizeof(*world));
    assert_non_null(world);
    world->machine = machine;
    world->path_us = 2000;
    return world;
}

/* 50 ppm, and no other clock than the collector's; outages of up to 30 hours. */
static void test_drift(void **state)
{
    struct machine *machine = *state;
    struct world *world = world_new(machine);
    (void)choose_seed();
    for (int sign = -1; sign <= 1; sign += 2) {
        machine->drift_ppm = 50 * sign;
        live(world, 30 * HOUR);
    }
    print_message("of %zu frames the worst is off by %lld ms, live by %lld ms; %zu points\n",
                  world->sent, (long long)world->worst_ms, (long long)world->worst_live_ms,
                  state_of(machine).points);
    assert_int_equal(world->estimated, 0);
    assert_true(world->sent > 20000);
    assert_true(world->worst_live_ms <= 50);
    assert_true(state_of(machine).points <= UTC_POINTS_MAX);
    free(world);
}

/* Each kind of machine, its clocks wrong in each way, never sends what it does not know as known.
 */
static void play(struct machine *machine, bool is_trusted)
{
    struct world *world = world_new(machine);
    machine_start(machine, is_trusted);
    machine->drift_ppm = (double)draw(-50, 50);
    world->path_us = draw(500, 20000);
    machine->system_off_us = draw(-40 * 365 * DAY, 40 * 365 * DAY);
    machine->is_synchronised = draw(0, 3) == 0; /* wrongly */
    int64_t outages = draw(2, 5);
    for (int64_t i = 0; i < outages; i++) {
        int64_t end_us = machine->true_us + draw(10 * MINUTE, 5 * HOUR);
        if (draw(0, 1) == 0)
            machine->system_off_us = draw(-40 * 365 * DAY, 40 * 365 * DAY);
        connect_now(world);
        while (machine->true_us < end_us)
            step(world);
        end_us = machine->true_us + draw(MINUTE, 2 * HOUR);
        world->is_connected = false;
        while (machine->true_us < end_us) {
            if (draw(0, 500) == 0)
                machine->system_off_us = draw(-40 * 365 * DAY, 40 * 365 * DAY);
            if (draw(0, 500) == 0)
                pass(machine, draw(MINUTE, 8 * HOUR)); /* suspended */
            step(world);
        }
    }
    connect_now(world);
    step(world);
    assert_int_equal(world->estimated, 0);
    if (world->worst_ms > 50 || world->n_waiting != 0)
        fail_msg("off by %lld ms, %zu frames held", (long long)world->worst_ms, world->n_waiting);
    free(world);
}

static void test_wrong_clocks(void **state)
{
    struct machine *machine = *state;
    uint64_t seed = choose_seed();
    for (unsigned i = 0; i < 200; i++) {
        srandom((unsigned)seed + i);
        machine_boot(machine, i % 2 == 0 ? BOOT_ID : NEXT_ID);
        machine->boot_us = (double)draw(0, DAY);
        play(machine, i % 3 == 0);
    }
}

int main(void)
{
#define TEST(name_) cmocka_unit_test_setup_teardown(name_, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_synchronised_clock),
        TEST(test_trusted_clock),
        TEST(test_collector_counts),
        TEST(test_collector_that_does_not_know),
        TEST(test_waits),
        TEST(test_kept_over_a_restart),
        TEST(test_estimate_is_clamped),
        TEST(test_earlier_boot),
        TEST(test_map_is_restored),
        TEST(test_certificate_time),
        TEST(test_is_rarely_written),
        TEST(test_drift),
        TEST(test_wrong_clocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
