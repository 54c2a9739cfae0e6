/* The node's id: what it is made of, and that it stays. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/node.h"

#define MACHINE "0123456789abcdef0123456789abcdef"

struct bed {
    char root[64];
    char state[96];
    char file[128];
    struct node_sources sources;
};

static int set_up(void **state)
{
    struct bed *bed = calloc(1, sizeof(*bed));
    if (bed == NULL)
        return -1;
    (void)snprintf(bed->root, sizeof(bed->root), "/tmp/test_node.XXXXXX");
    if (mkdtemp(bed->root) == NULL)
        return -1;
    (void)snprintf(bed->state, sizeof(bed->state), "%s/state", bed->root);
    (void)snprintf(bed->file, sizeof(bed->file), "%s/" NODE_ID_FILE, bed->state);
    bed->sources = (struct node_sources){.state_directory = bed->state,
                                         .configured = "",
                                         .host_name = "roof",
                                         .machine_id = MACHINE};
    *state = bed;
    return 0;
}

static int tear_down(void **state)
{
    struct bed *bed = *state;
    (void)unlink(bed->file);
    (void)rmdir(bed->file);
    (void)rmdir(bed->state);
    (void)unlink(bed->state);
    int r = rmdir(bed->root);
    free(bed);
    return r;
}

static const char *from_host(const char *name, const char *machine)
{
    static char id[NODE_ID_BYTES_MAX + 1];
    node_id_from_host(id, name, machine);
    assert_true(node_id_is_valid(id));
    return id;
}

static void test_from_host(void **unused)
{
    (void)unused;
    assert_string_equal(from_host("roof", MACHINE), "roof");
    assert_string_equal(from_host("a.example.org", MACHINE), "a.example.org");
    assert_string_equal(from_host("raspberrypi", MACHINE), "raspberrypi-abcdef");
    assert_string_equal(from_host("RaspberryPi", MACHINE), "RaspberryPi-abcdef");
    assert_string_equal(from_host("localhost", MACHINE), "localhost-abcdef");
    assert_string_equal(from_host("raspberrypi", ""), "raspberrypi");
    assert_string_equal(from_host("", MACHINE), "node-abcdef");
    assert_string_equal(from_host("-a b/c+\xc3\xa4", MACHINE), "xa-b-c---");
    assert_string_equal(from_host("_pi", MACHINE), "xpi");
    char longest[80];
    memset(longest, 'a', sizeof(longest));
    longest[79] = '\0';
    assert_int_equal(strlen(from_host(longest, MACHINE)), NODE_ID_BYTES_MAX);
}

static void assert_id(struct bed *bed, int want_result, const char *want)
{
    char id[NODE_ID_BYTES_MAX + 1];
    struct node_trouble trouble;
    assert_int_equal(node_id(&bed->sources, id, &trouble), want_result);
    assert_string_equal(id, want);
}

static void test_stays(void **state)
{
    struct bed *bed = *state;
    assert_id(bed, 0, "roof");
    bed->sources.host_name = "cellar";
    assert_id(bed, 0, "roof");
    bed->sources.configured = "roof";
    assert_id(bed, 0, "roof");
    bed->sources.configured = "attic";
    assert_id(bed, NODE_DIFFERS, "roof");
}

static void test_configured_comes_first(void **state)
{
    struct bed *bed = *state;
    bed->sources.configured = "attic";
    assert_id(bed, 0, "attic");
    bed->sources.configured = "";
    assert_id(bed, 0, "attic");
}

static void test_damaged_file_is_replaced(void **state)
{
    struct bed *bed = *state;
    assert_int_equal(mkdir(bed->state, 0700), 0);
    int fd = open(bed->file, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "a/b\n", 4), 4);
    assert_int_equal(close(fd), 0);
    assert_id(bed, 0, "roof");
    bed->sources.host_name = "cellar";
    assert_id(bed, 0, "roof");
}

static void assert_not_kept(struct bed *bed, int want_error, const char *want_path)
{
    char id[NODE_ID_BYTES_MAX + 1];
    struct node_trouble trouble;
    assert_int_equal(node_id(&bed->sources, id, &trouble), NODE_NOT_KEPT);
    assert_string_equal(id, "roof");
    assert_int_equal(trouble.error, want_error);
    assert_string_equal(trouble.path, want_path);
}

static void test_directory_cannot_be_made(void **state)
{
    struct bed *bed = *state;
    bed->sources.state_directory = "/proc/nowhere/state";
    assert_not_kept(bed, -ENOENT, "/proc/nowhere/state");
}

static void test_directory_is_a_file(void **state)
{
    struct bed *bed = *state;
    int fd = open(bed->state, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    assert_not_kept(bed, -ENOTDIR, bed->state);
}

static void test_file_is_a_directory(void **state)
{
    struct bed *bed = *state;
    assert_int_equal(mkdir(bed->state, 0700), 0);
    assert_int_equal(mkdir(bed->file, 0700), 0);
    assert_not_kept(bed, -EISDIR, bed->file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_from_host),
        cmocka_unit_test_setup_teardown(test_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_configured_comes_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_damaged_file_is_replaced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_directory_cannot_be_made, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_directory_is_a_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_file_is_a_directory, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
