#include "common/config.h"

#include <errno.h>
#include <string.h>

#include "common/arena.h"
#include "common/config_error.h"
#include "common/config_file.h"
#include "common/config_sections.h"
#include "common/config_set.h"

struct loading {
    const struct config_sections *sections;
    struct config_error *error;
};

static int load_file(void *context, const char *path)
{
    const struct loading *loading = context;
    BUFFER_AUTO struct buffer text = {0};
    const struct config_node *root;
    struct arena arena;

    int r = config_file_read(path, CONFIG_FILE_BYTES_MAX, &text, loading->error);
    if (r != 0)
        return r;
    arena_init(&arena, CONFIG_TREE_BYTES_MAX);
    r = config_yaml_parse(&arena, path, text.data, text.size, &root, loading->error);
    if (r == 0)
        r = config_sections_apply(loading->sections, path, root, loading->error);
    arena_deinit(&arena);
    return r;
}

static int load(const struct loading *loading, const char *const *files, size_t n_files)
{
    int r = config_sections_set_defaults(loading->sections, loading->error);

    for (size_t i = 0; r == 0 && i < n_files; i++)
        r = config_file_each(files[i], load_file, (void *)loading, loading->error);
    return r;
}

int config_load(const struct config_section *sections, size_t n_sections, const char *const *files,
                size_t n_files, struct config_error *error)
{
    const struct config_sections all = {.all = sections, .n = n_sections};
    const struct loading loading = {.sections = &all, .error = error};

    int r = load(&loading, files, n_files);
    if (r != 0)
        config_deinit(sections, n_sections);
    return r;
}

void config_deinit(const struct config_section *sections, size_t n_sections)
{
    for (size_t i = 0; i < n_sections; i++) {
        const struct option *option = config_options_of(&sections[i]);
        for (; option->name != NULL; option++)
            config_clear(option, config_field(&sections[i], option));
    }
}

int config_read_secret(const char *path, char *out, size_t out_bytes, struct config_error *error)
{
    BUFFER_AUTO struct buffer text = {0};

    if (*path == '\0') {
        out[0] = '\0';
        return 0;
    }
    int r = config_file_read(path, out_bytes + 1 /* a line end */, &text, error);
    if (r == -ENOMEM)
        return config_fail(error, "%s: out of memory", path);
    if (r != 0)
        return r;
    if (text.size > 0 && text.data[text.size - 1] == '\n')
        text.size--;
    if (text.size > 0 && text.data[text.size - 1] == '\r')
        text.size--;
    if (text.size == 0)
        return config_fail(error, "%s: is empty", path);
    if (memchr(text.data, '\0', text.size) != NULL)
        return config_fail(error, "%s: holds a NUL byte", path);
    if (text.size >= out_bytes)
        return config_fail(error, "%s: longer than %zu bytes", path, out_bytes - 1);
    memcpy(out, text.data, text.size);
    out[text.size] = '\0';
    explicit_bzero(text.data, text.size);
    return 0;
}
