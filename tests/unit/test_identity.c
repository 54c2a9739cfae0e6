/* Interning: what is alike is one, what is dropped goes, what a page pinned stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "collector/identity.h"

#define MANY 5000

static const struct family load = FAMILY(GAUGE, "node_load1", "1m load average.");
static const struct family load_counter = FAMILY(COUNTER, "node_load1", "1m load average.");

struct scene {
    struct graveyard graveyard;
    struct identities *identities;
};

static int set_up(void **state)
{
    static struct scene scene;
    scene = (struct scene){0};
    scene.identities = identities_new(&scene.graveyard);
    *state = &scene;
    return scene.identities == NULL;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    identities_free(scene->identities);
    return 0;
}

static uint32_t take(struct scene *scene, struct identity_family *family, const char *value)
{
    const struct label label = {"cpu", value};
    const struct identity_key key = {
        .family = family, .labels = &label, .n_labels = value != NULL ? 1 : 0};
    uint32_t number = IDENTITY_NONE;
    assert_int_equal(identities_take(scene->identities, &key, &number), 0);
    assert_int_not_equal(number, IDENTITY_NONE);
    return number;
}

static void assert_text(const struct scene *scene, uint32_t number, const char *text)
{
    const struct identity *identity = identities_get(scene->identities, number);
    assert_int_equal(identity->text_bytes, strlen(text));
    assert_memory_equal(identity->text, text, identity->text_bytes);
}

static void test_what_is_alike_is_one(void **state)
{
    struct scene *scene = *state;
    struct identity_family *family = identities_take_family(scene->identities, &load);
    assert_ptr_equal(identities_take_family(scene->identities, &load), family);
    uint32_t zero = take(scene, family, "0");
    assert_int_equal(take(scene, family, "0"), zero);
    uint32_t one = take(scene, family, "1");
    assert_int_not_equal(one, zero);
    uint32_t bare = take(scene, family, NULL);
    assert_text(scene, zero, "node_load1{cpu=\"0\"");
    assert_text(scene, bare, "node_load1");
    assert_true(identities_get(scene->identities, zero)->has_labels);
    assert_false(identities_get(scene->identities, bare)->has_labels);
    assert_int_equal(identities_count(scene->identities), 3);
}

static void test_types_are_told_apart(void **state)
{
    struct scene *scene = *state;
    struct identity_family *gauge = identities_take_family(scene->identities, &load);
    struct identity_family *counter = identities_take_family(scene->identities, &load_counter);
    assert_ptr_not_equal(gauge, counter);
    assert_true(gauge->born < counter->born);
    assert_int_not_equal(take(scene, gauge, "0"), take(scene, counter, "0"));
    assert_true(gauge->number < identities_family_bound(scene->identities));
    assert_true(counter->number < identities_family_bound(scene->identities));
}

static void test_what_nobody_holds_goes(void **state)
{
    struct scene *scene = *state;
    size_t bytes = identities_bytes(scene->identities);
    struct identity_family *family = identities_take_family(scene->identities, &load);
    uint32_t number = take(scene, family, "0");
    identities_share(scene->identities, number);
    identities_drop_family(scene->identities, family); /* the identity holds it still */
    identities_drop(scene->identities, number);
    assert_text(scene, number, "node_load1{cpu=\"0\"");
    assert_int_equal(identities_count(scene->identities), 1);
    identities_drop(scene->identities, number);
    assert_int_equal(identities_count(scene->identities), 0);
    family = identities_take_family(scene->identities, &load);
    assert_int_equal(take(scene, family, "9"), number); /* numbers are used again */
    assert_true(identities_bytes(scene->identities) > bytes);
}

static void test_pinned_objects_outlive_their_drop(void **state)
{
    struct scene *scene = *state;
    struct identity_family *family = identities_take_family(scene->identities, &load);
    uint32_t number = take(scene, family, "0");
    identities_drop_family(scene->identities, family);
    graveyard_pin(&scene->graveyard);
    graveyard_pin(&scene->graveyard);
    const struct identity *identity = identities_get(scene->identities, number);
    identities_drop(scene->identities, number);
    assert_int_equal(identities_count(scene->identities), 0);
    graveyard_unpin(&scene->graveyard);
    assert_non_null(scene->graveyard.dead);
    /* Under the address sanitizer this fails if they were freed. */
    assert_memory_equal(identity->text, "node_load1{cpu=\"0\"", identity->text_bytes);
    assert_string_equal(identity->family->family.name, "node_load1");
    graveyard_unpin(&scene->graveyard);
    assert_null(scene->graveyard.dead);
}

static void test_many(void **state)
{
    struct scene *scene = *state;
    static uint32_t numbers[MANY];
    struct identity_family *family = identities_take_family(scene->identities, &load);
    for (int i = 0; i < MANY; i++) {
        char value[16];
        (void)snprintf(value, sizeof(value), "%d", i);
        numbers[i] = take(scene, family, value);
    }
    assert_int_equal(identities_count(scene->identities), MANY);
    for (int i = 0; i < MANY; i += 2)
        identities_drop(scene->identities, numbers[i]);
    assert_int_equal(identities_count(scene->identities), MANY / 2);
    for (int i = 1; i < MANY; i += 2) {
        char text[64];
        (void)snprintf(text, sizeof(text), "node_load1{cpu=\"%d\"", i);
        assert_text(scene, numbers[i], text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_is_alike_is_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_types_are_told_apart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_nobody_holds_goes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_pinned_objects_outlive_their_drop, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
