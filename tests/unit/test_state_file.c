#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/state_file.h"
#include "tests/unit/tree.h"

static void test_write_and_read(void **state)
{
    (void)state;
    struct tree tree;
    char path[128], text[16];
    tree_init(&tree);
    (void)snprintf(path, sizeof(path), "%s/made", tree.root);
    int directory = state_file_directory(path);
    assert_true(directory >= 0);
    assert_int_equal(state_file_read(directory, "file", text, sizeof(text)), -ENOENT);
    assert_int_equal(state_file_write(directory, "file", "one"), 0);
    assert_int_equal(state_file_write(directory, "file", "two"), 0);
    assert_int_equal(state_file_read(directory, "file", text, sizeof(text)), 0);
    assert_string_equal(text, "two");
    assert_int_not_equal(faccessat(directory, "file.new", F_OK, 0), 0);
    assert_int_equal(state_file_write(directory, "file", "a line too long to be read"), 0);
    assert_int_equal(state_file_read(directory, "file", text, sizeof(text)), 0);
    assert_string_equal(text, "a line too long");
    assert_int_equal(close(directory), 0);
    directory = state_file_directory(path); /* it is there already */
    assert_true(directory >= 0);
    assert_int_equal(close(directory), 0);
    tree_deinit(&tree);
}

static void test_failures(void **state)
{
    (void)state;
    struct tree tree;
    char path[128], text[16], name[STATE_FILE_NAME_BYTES_MAX + 2];
    tree_init(&tree);
    (void)snprintf(path, sizeof(path), "%s/a/b", tree.root);
    assert_int_equal(state_file_directory(path), -ENOENT);
    tree_write(&tree, "a", "a file");
    assert_int_equal(state_file_directory(path), -ENOTDIR);
    memset(name, 'x', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    tree_write(&tree, "directory/x", "");
    (void)snprintf(path, sizeof(path), "%s/directory", tree.root);
    int directory = state_file_directory(path);
    assert_true(directory >= 0);
    assert_int_equal(state_file_write(directory, name, "text"), -EINVAL);
    tree_write(&tree, "directory/taken/x", "");
    assert_int_equal(state_file_write(directory, "taken", "text"), -EISDIR);
    assert_int_equal(state_file_read(directory, "taken", text, sizeof(text)), -EISDIR);
    assert_int_equal(close(directory), 0);
    assert_int_equal(state_file_write(directory, "file", "text"), -EBADF);
    tree_deinit(&tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write_and_read),
        cmocka_unit_test(test_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
