/* The cache of udev's files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/inputs/udev.h"
#include "tests/unit/tree.h"

static void test_reads_properties(void **state)
{
    (void)state;
    struct tree tree;
    tree_init(&tree);
    tree_write(&tree, "b8:0",
               "S:disk\nE:ID_MODEL=A=B\nE:ID_MODEL_ENC=x\nE:ID_WWN\nE:ID_PATH=\xFF\n"
               "E:ID_REVISION=1\nE:ID_REVISION=2\nID_FS_TYPE=ext4\n");
    struct udev *udev = udev_new(tree.root);
    assert_non_null(udev);
    const struct udev_device *device = udev_look(udev, "8", "0");
    assert_string_equal(device->properties[UDEV_ID_MODEL], "A=B");
    assert_string_equal(device->properties[UDEV_ID_WWN], "");
    assert_string_equal(device->properties[UDEV_ID_PATH], "\xEF\xBF\xBD");
    assert_string_equal(device->properties[UDEV_ID_REVISION], "2");
    assert_string_equal(device->properties[UDEV_ID_FS_TYPE], "");
    udev_free(udev);
    tree_deinit(&tree);
}

static void test_sees_another_file(void **state)
{
    (void)state;
    struct tree tree;
    tree_init(&tree);
    struct udev *udev = udev_new(tree.root);
    assert_string_equal(udev_look(udev, "8", "0")->properties[UDEV_ID_MODEL], "");
    tree_write(&tree, "b8:0", "E:ID_MODEL=one\nE:ID_WWN=w\n");
    tree_write(&tree, "b8:16", "E:ID_MODEL=other\n");
    assert_string_equal(udev_look(udev, "8", "0")->properties[UDEV_ID_MODEL], "one");
    assert_string_equal(udev_look(udev, "8", "16")->properties[UDEV_ID_MODEL], "other");
    tree_replace(&tree, "b8:0", "E:ID_MODEL=two\n");
    assert_string_equal(udev_look(udev, "8", "0")->properties[UDEV_ID_MODEL], "two");
    assert_string_equal(udev_look(udev, "8", "0")->properties[UDEV_ID_WWN], "");
    tree_remove(&tree, "b8:0");
    assert_string_equal(udev_look(udev, "8", "0")->properties[UDEV_ID_MODEL], "");
    tree_write(&tree, "b8:0", "E:ID_MODEL=three\n");
    assert_string_equal(udev_look(udev, "8", "0")->properties[UDEV_ID_MODEL], "three");
    assert_string_equal(udev_look(udev, "8", "16")->properties[UDEV_ID_MODEL], "other");
    udev_free(udev);
    tree_deinit(&tree);
}

static void test_bounds(void **state)
{
    (void)state;
    char text[2048] = "E:ID_MODEL=";
    struct tree tree;
    tree_init(&tree);
    memset(text + strlen(text), 'x', 1024);
    tree_write(&tree, "b1:2", text);
    struct udev *udev = udev_new(tree.root);
    assert_int_equal(strlen(udev_look(udev, "1", "2")->properties[UDEV_ID_MODEL]), 511);
    const char *number = "1111111111111111111111111111111111111111";
    assert_string_equal(udev_look(udev, number, number)->properties[UDEV_ID_MODEL], "");
    udev_free(udev);
    udev_free(NULL);
    tree_deinit(&tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_properties),
        cmocka_unit_test(test_sees_another_file),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests_name("udev", tests, NULL, NULL);
}
