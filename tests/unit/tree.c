#include "tests/unit/tree.h"

#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define PATH_BYTES 1024

void tree_init(struct tree *tree)
{
    (void)snprintf(tree->root, sizeof(tree->root), "/tmp/shoal-test-XXXXXX");
    assert_non_null(mkdtemp(tree->root));
}

static int remove_one(const char *path, const struct stat *stat, int kind, struct FTW *where)
{
    (void)stat;
    (void)kind;
    (void)where;
    return remove(path);
}

void tree_deinit(struct tree *tree)
{
    assert_int_equal(nftw(tree->root, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static void make_parents(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(path, 0755) < 0)
            assert_int_equal(errno, EEXIST);
        *slash = '/';
    }
}

static void write_at(char *path, const char *text)
{
    make_parents(path);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

void tree_write(const struct tree *tree, const char *path, const char *text)
{
    char full[PATH_BYTES];
    (void)snprintf(full, sizeof(full), "%s/%s", tree->root, path);
    write_at(full, text);
}

void tree_replace(const struct tree *tree, const char *path, const char *text)
{
    char full[PATH_BYTES];
    char fresh[PATH_BYTES + 8];
    (void)snprintf(full, sizeof(full), "%s/%s", tree->root, path);
    (void)snprintf(fresh, sizeof(fresh), "%s.new", full);
    write_at(fresh, text);
    assert_int_equal(rename(fresh, full), 0);
}

void tree_remove(const struct tree *tree, const char *path)
{
    char full[PATH_BYTES];
    (void)snprintf(full, sizeof(full), "%s/%s", tree->root, path);
    assert_int_equal(nftw(full, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}
