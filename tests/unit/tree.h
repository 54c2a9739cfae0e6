/* A directory of files for a test, made below the temporary one and removed again. */
#ifndef SHOAL_TESTS_UNIT_TREE_H
#define SHOAL_TESTS_UNIT_TREE_H

struct tree {
    char root[64];
};

void tree_init(struct tree *tree);
void tree_deinit(struct tree *tree);

/* Writes a file in place, with the directories above it. */
void tree_write(const struct tree *tree, const char *path, const char *text);

/* Puts a new file in its place, as rename(2) does. */
void tree_replace(const struct tree *tree, const char *path, const char *text);

/* Removes a file, or a directory with all in it. */
void tree_remove(const struct tree *tree, const char *path);

#endif
