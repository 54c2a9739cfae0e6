/*
 * filesystem: space and inodes of the mounted file systems, from /proc/1/mounts (fstab(5)) and
 * statfs(2). The mounts are those of process 1, so that an agent in a sandbox with mounts of its
 * own tells of the machine's.
 */
#include "agent/filter.h"
#include "agent/inputs/mount_stat.h"
#include "agent/procfs.h"
#include "agent/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOUNTS_MAX 20000
#define TYPE_BYTES 256

struct filesystem_config {
    char *mount_points_exclude;
    char *fs_types_exclude;
    char *mount_points_include;
    char *fs_types_include;
    int64_t mount_timeout_ms;
};

/* Texts in the file's buffer. */
struct mount {
    const char *device;
    const char *point; /* without the directory under which the machine's root is seen */
    const char *type;
    const char *options;
    bool is_plain; /* the texts are good for labels as they are */
};

struct filesystem_state {
    const struct filesystem_config *config;
    const struct input_host *host;
    struct procfs_file init_mounts;
    struct procfs_file own_mounts; /* where process 1 may not be looked at */
    struct filter points;
    struct filter types;
    struct mount_stat *stat;
    struct mount *mounts;
    size_t n_mounts;
    size_t room;
};

static const struct option options[] = {
    {.name = "mount_points_exclude",
     .type = OPTION_TEXT,
     .offset = offsetof(struct filesystem_config, mount_points_exclude),
     .default_text = "^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|"
                     "var/lib/containers/storage/.+)($|/)",
     .check = filter_check,
     .help = "Regular expression of the mount points to leave out; empty: none."},
    {.name = "mount_points_include",
     .type = OPTION_TEXT,
     .offset = offsetof(struct filesystem_config, mount_points_include),
     .default_text = "",
     .check = filter_check,
     .help = "Regular expression of the mount points to take; empty: all."},
    {.name = "fs_types_exclude",
     .type = OPTION_TEXT,
     .offset = offsetof(struct filesystem_config, fs_types_exclude),
     .default_text = "^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|"
                     "hugetlbfs|iso9660|mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|"
                     "securityfs|selinuxfs|squashfs|sysfs|tracefs)$",
     .check = filter_check,
     .help = "Regular expression of the types of file systems to leave out; empty: none."},
    {.name = "fs_types_include",
     .type = OPTION_TEXT,
     .offset = offsetof(struct filesystem_config, fs_types_include),
     .default_text = "",
     .check = filter_check,
     .help = "Regular expression of the types of file systems to take; empty: all."},
    {.name = "mount_timeout",
     .type = OPTION_DURATION,
     .offset = offsetof(struct filesystem_config, mount_timeout_ms),
     .default_text = "5s",
     .min = 10,
     .max = 60000,
     .help = "How long a file system may take to answer before it counts as broken."},
    OPTIONS_END,
};

static const struct family error_family =
    FAMILY(GAUGE, "node_filesystem_device_error",
           "Whether an error occurred while getting statistics for the given device.");
static const struct family size_family =
    FAMILY(GAUGE, "node_filesystem_size_bytes", "Filesystem size in bytes.");
static const struct family free_family =
    FAMILY(GAUGE, "node_filesystem_free_bytes", "Filesystem free space in bytes.");
static const struct family avail_family = FAMILY(
    GAUGE, "node_filesystem_avail_bytes", "Filesystem space available to non-root users in bytes.");
static const struct family files_family =
    FAMILY(GAUGE, "node_filesystem_files", "Filesystem total file nodes.");
static const struct family files_free_family =
    FAMILY(GAUGE, "node_filesystem_files_free", "Filesystem total free file nodes.");
static const struct family readonly_family =
    FAMILY(GAUGE, "node_filesystem_readonly", "Filesystem read-only status.");

static void filesystem_close(void *opaque)
{
    struct filesystem_state *state = opaque;
    procfs_deinit(&state->init_mounts);
    procfs_deinit(&state->own_mounts);
    filter_deinit(&state->points);
    filter_deinit(&state->types);
    mount_stat_free(state->stat);
    free(state->mounts);
    free(state);
}

static int open_parts(struct filesystem_state *state, struct input_error *error)
{
    const struct filesystem_config *config = state->config;
    int r = filter_init(&state->points, config->mount_points_include, config->mount_points_exclude,
                        error);
    if (r == 0)
        r = filter_init(&state->types, config->fs_types_include, config->fs_types_exclude, error);
    if (r < 0)
        return r;
    state->stat = mount_stat_new();
    if (state->stat == NULL || procfs_init(&state->init_mounts, "%s/1/mounts", state->host->proc) ||
        procfs_init(&state->own_mounts, "%s/self/mounts", state->host->proc))
        return input_fail(error, -ENOMEM, "out of memory");
    return 0;
}

static int filesystem_open(const void *config, const struct input_host *host, void **state_out,
                           struct input_error *error)
{
    struct filesystem_state *state = calloc(1, sizeof(*state));
    if (state == NULL)
        return input_fail(error, -ENOMEM, "out of memory");
    state->config = config;
    state->host = host;
    int r = open_parts(state, error);
    if (r < 0) {
        filesystem_close(state);
        return r;
    }
    *state_out = state;
    return 0;
}

static bool is_octal(char c)
{
    return c >= '0' && c <= '7';
}

/* The kernel writes blanks and backslashes as \040 and the like. */
static void unescape(char *text)
{
    char *to = text;
    for (const char *from = text; *from != '\0'; from++) {
        if (*from == '\\' && is_octal(from[1]) && is_octal(from[2]) && is_octal(from[3])) {
            *to++ = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
            from += 3;
        } else {
            *to++ = *from;
        }
    }
    *to = '\0';
}

static const char *strip_rootfs(const char *point, const char *rootfs)
{
    size_t n = strlen(rootfs);
    if (n == 0 || strncmp(point, rootfs, n) != 0)
        return point;
    if (point[n] == '\0')
        return "/";
    return point[n] == '/' ? point + n : point;
}

/* A mount's texts as labels. */
struct mount_labels {
    char device[LABEL_VALUE_BYTES_MAX + 1];
    char point[LABEL_VALUE_BYTES_MAX + 1];
    char type[TYPE_BYTES]; /* a user chooses what stands behind "fuse." */
};

static void make_labels(struct mount_labels *labels, const struct mount *mount)
{
    utf8_repair(labels->device, sizeof(labels->device), mount->device);
    utf8_repair(labels->point, sizeof(labels->point), mount->point);
    utf8_repair(labels->type, sizeof(labels->type), mount->type);
}

/* Whether two mounts would be one series. Names that differ may be the same as labels. */
static bool is_same(const struct mount *a, const struct mount *b)
{
    struct mount_labels labels_a;
    struct mount_labels labels_b;
    if (a->is_plain && b->is_plain)
        return strcmp(a->point, b->point) == 0 && strcmp(a->device, b->device) == 0 &&
               strcmp(a->type, b->type) == 0;
    make_labels(&labels_a, a);
    make_labels(&labels_b, b);
    return strcmp(labels_a.point, labels_b.point) == 0 &&
           strcmp(labels_a.device, labels_b.device) == 0 &&
           strcmp(labels_a.type, labels_b.type) == 0;
}

/* The mount of the same device, point and type that was listed before. Such a mount lies under the
 * later one, which is what statfs() sees, and there is one series for both. */
static struct mount *find_same(struct filesystem_state *state, const struct mount *mount)
{
    for (size_t i = 0; i < state->n_mounts; i++)
        if (is_same(&state->mounts[i], mount))
            return &state->mounts[i];
    return NULL;
}

static int keep_mount(struct filesystem_state *state, const struct mount *mount,
                      struct input_error *error)
{
    struct mount *same = find_same(state, mount);
    if (same != NULL) {
        *same = *mount;
        return 0;
    }
    if (state->n_mounts == MOUNTS_MAX)
        return input_fail(error, -E2BIG, "over %d mounts", MOUNTS_MAX);
    if (state->mounts == NULL || state->n_mounts == state->room) {
        size_t room = state->room * 2 + 32;
        struct mount *mounts = realloc(state->mounts, room * sizeof(*mounts));
        if (mounts == NULL)
            return input_fail(error, -ENOMEM, "out of memory");
        state->mounts = mounts;
        state->room = room;
    }
    state->mounts[state->n_mounts++] = *mount;
    return 0;
}

/* "DEVICE POINT TYPE OPTIONS 0 0" */
static int take_line(struct filesystem_state *state, struct procfs_file *file, char *line,
                     struct input_error *error)
{
    struct mount mount = {.device = procfs_field(&line)};
    char *point = mount.device == NULL ? NULL : procfs_field(&line);
    mount.type = point == NULL ? NULL : procfs_field(&line);
    mount.options = mount.type == NULL ? NULL : procfs_field(&line);
    if (mount.options == NULL)
        return procfs_bad(file, error, "no device, mount point, type and options");
    unescape(point);
    mount.point = strip_rootfs(point, state->host->rootfs);
    if (!filter_takes(&state->types, mount.type) || !filter_takes(&state->points, mount.point))
        return 0;
    mount.is_plain = text_is_valid(mount.device, LABEL_VALUE_BYTES_MAX) &&
                     text_is_valid(mount.point, LABEL_VALUE_BYTES_MAX) &&
                     text_is_valid(mount.type, TYPE_BYTES - 1);
    return keep_mount(state, &mount, error);
}

static int list_mounts(struct filesystem_state *state, struct input_error *error)
{
    struct procfs_file *file = &state->init_mounts;
    int r = procfs_read(file, error);
    if (r == INPUT_ABSENT || r == -EACCES || r == -EPERM) {
        file = &state->own_mounts;
        error->text[0] = '\0';
        r = procfs_read(file, error);
    }
    char *line;
    state->n_mounts = 0;
    while (r == 0 && (line = procfs_line(file)) != NULL)
        r = take_line(state, file, line, error);
    return r;
}

static bool is_readonly(const struct mount *mount)
{
    const char *at = mount->options;
    while (*at != '\0') {
        size_t n = strcspn(at, ",");
        if (n == 2 && strncmp(at, "ro", 2) == 0)
            return true;
        at += n + (at[n] == ',');
    }
    return false;
}

static void add_mount(struct filesystem_state *state, struct reading *reading,
                      const struct mount *mount)
{
    struct mount_labels texts;
    char path[PROCFS_PATH_BYTES_MAX];
    struct statfs stat;
    make_labels(&texts, mount);
    const struct label labels[] = {
        {"device", texts.device}, {"fstype", texts.type}, {"mountpoint", texts.point}};
    size_t n = sizeof(labels) / sizeof(labels[0]);
    int length = snprintf(path, sizeof(path), "%s%s", state->host->rootfs, mount->point);
    bool has_failed = length < 0 || (size_t)length >= sizeof(path) ||
                      mount_stat_read(state->stat, path, mount->type,
                                      state->config->mount_timeout_ms, &stat) != 0;
    reading_add(reading, &error_family, has_failed, labels, n);
    if (has_failed)
        return;
    double block_bytes = (double)stat.f_bsize;
    reading_add(reading, &size_family, (double)stat.f_blocks * block_bytes, labels, n);
    reading_add(reading, &free_family, (double)stat.f_bfree * block_bytes, labels, n);
    reading_add(reading, &avail_family, (double)stat.f_bavail * block_bytes, labels, n);
    reading_add(reading, &files_family, (double)stat.f_files, labels, n);
    reading_add(reading, &files_free_family, (double)stat.f_ffree, labels, n);
    reading_add(reading, &readonly_family, is_readonly(mount), labels, n);
}

static int filesystem_read(void *opaque, struct reading *reading, struct input_error *error)
{
    struct filesystem_state *state = opaque;
    int r = list_mounts(state, error);
    if (r != 0)
        return r;
    for (size_t i = 0; i < state->n_mounts; i++)
        add_mount(state, reading, &state->mounts[i]);
    return 0;
}

const struct input input_filesystem = {
    .name = "filesystem",
    .job = "node",
    .help = "Space and inodes of the mounted file systems.",
    .is_on = true,
    .may_block = true,
    .node_collector = "filesystem",
    .options = options,
    .config_bytes = sizeof(struct filesystem_config),
    .open = filesystem_open,
    .close = filesystem_close,
    .read = filesystem_read,
};
