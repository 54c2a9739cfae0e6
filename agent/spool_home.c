/*
 * The spool's places: a directory with its lock and its file, or memory. What to do when one of
 * them takes nothing or is damaged.
 *
 * The lock is on the directory itself, so that nothing need be written for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/spool_private.h"

static void report(const struct spool *spool, enum spool_event event, const char *text)
{
    if (spool->report != NULL)
        spool->report(spool->context, event, text);
}

/* Says what failed with a path; r is returned. */
static int describe(struct spool_home *home, int r, const char *path, const char *what)
{
    (void)snprintf(home->tier.error.text, sizeof(home->tier.error.text), "%.200s: %s%s%s", path,
                   what, r < 0 ? ": " : "", r < 0 ? strerrordesc_np(-r) : "");
    return r;
}

/* The directory and its parents, where they are missing. */
static int make_directory(struct spool_home *home)
{
    char path[PATH_MAX];
    struct stat status;
    if (stat(home->directory, &status) == 0)
        return 0;
    (void)snprintf(path, sizeof(path), "%s", home->directory);
    for (char *slash = path; slash != NULL;) {
        slash = strchr(slash + 1, '/');
        if (slash != NULL)
            *slash = '\0';
        if (mkdir(path, 0750) != 0 && errno != EEXIST && errno != EISDIR)
            return describe(home, -errno, path, "cannot make the directory");
        if (slash != NULL)
            *slash = '/';
    }
    return 0;
}

static int lock_directory(struct spool_home *home)
{
    int fd = open(home->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return describe(home, -errno, home->directory, "cannot open the directory");
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
        home->lock = fd;
        return 0;
    }
    int r = -errno;
    (void)close(fd); /* nothing was written */
    if (r == -EWOULDBLOCK)
        return describe(home, SPOOL_LOCKED, home->directory,
                        "another shoal-agent uses this directory");
    return describe(home, r, home->directory, "cannot lock the directory");
}

/* --- damage --- */

/* One damaged file is kept, for people to look at. */
static void set_aside_file(const struct spool_home *home)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    char from[PATH_MAX];
    char to[PATH_MAX + sizeof(SPOOL_ASIDE)];
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        (void)snprintf(from, sizeof(from), "%s%s", home->path, ends[i]);
        (void)snprintf(to, sizeof(to), "%s%s%s", home->path, SPOOL_ASIDE, ends[i]);
        if (rename(from, to) != 0 && errno != ENOENT)
            (void)unlink(from); /* if that fails too, opening it fails next */
    }
}

/* Whether a group there lost something: then it is another one's turn. */
static bool lose_one(struct spool *spool, enum spool_place place)
{
    for (struct spool_stream *stream = spool->index.first; stream != NULL; stream = stream->next)
        for (struct spool_group *group = stream->first; group != NULL; group = group->next)
            if (group->parts[place].first != 0) {
                spool_group_lose(spool, stream, group, place);
                return true;
            }
    return false;
}

static int open_file(struct spool *spool, enum spool_place place)
{
    struct spool_home *home = &spool->homes[place];
    int r = spool_tier_open(&home->tier, home->path, place == SPOOL_STATE);
    if (r != 0)
        spool_tier_close(&home->tier);
    return r;
}

static void replace(struct spool *spool, enum spool_place place)
{
    struct spool_home *home = &spool->homes[place];
    spool_tier_close(&home->tier);
    if (home->path != NULL)
        set_aside_file(home);
    spool->damaged++;
    home->lacks_drops = true;
    report(spool, SPOOL_DAMAGED, home->tier.error.text);
    for (struct spool_stream *stream = spool->index.first; stream != NULL; stream = stream->next)
        stream->rows[place] = 0;
    while (lose_one(spool, place))
        continue;
}

/* --- failing --- */

static void fail(struct spool *spool, struct spool_home *home)
{
    home->retry_ms = spool_now_ms(spool) + SPOOL_RETRY_MS;
    if (!home->is_failing)
        report(spool, SPOOL_UNWRITABLE, home->tier.error.text);
    home->is_failing = true;
}

void spool_home_failed(struct spool *spool, enum spool_place place, int r)
{
    struct spool_home *home = &spool->homes[place];
    spool_tier_rollback(&home->tier);
    if (r == SPOOL_TIER_DAMAGED || r == SPOOL_TIER_NONE) { /* a row that has to be there */
        replace(spool, place);
        r = open_file(spool, place);
    }
    if (r != 0 && r != -ENOMEM)
        fail(spool, home);
}

void spool_home_worked(struct spool *spool, enum spool_place place)
{
    struct spool_home *home = &spool->homes[place];
    if (!home->is_failing)
        return;
    home->is_failing = false;
    report(spool, SPOOL_RECOVERED, home->directory != NULL ? home->directory : "memory");
}

/* --- opening --- */

static int open_and_load(struct spool *spool, enum spool_place place)
{
    int r = open_file(spool, place);
    if (r == 0)
        r = spool_load(spool, place);
    return r;
}

/* Makes and locks the directory where that is not done; opens the file. */
static int open_home(struct spool *spool, enum spool_place place)
{
    struct spool_home *home = &spool->homes[place];
    int r = 0;
    if (home->directory != NULL && home->lock < 0) {
        r = make_directory(home);
        if (r == 0)
            r = lock_directory(home);
        if (r != 0)
            return r;
    }
    r = open_and_load(spool, place);
    if (r != SPOOL_TIER_DAMAGED)
        return r;
    replace(spool, place);
    return open_and_load(spool, place);
}

int spool_home_take_up(struct spool *spool, enum spool_place place)
{
    struct spool_home *home = &spool->homes[place];
    struct stat status;
    if (home->directory == NULL)
        return 0;
    int r = make_directory(home);
    if (r == 0)
        r = lock_directory(home);
    if (r == SPOOL_LOCKED)
        report(spool, SPOOL_IN_USE, home->tier.error.text);
    if (r == 0 && (place != SPOOL_STATE || stat(home->path, &status) == 0))
        r = open_home(spool, place);
    if (r == 0 || r == SPOOL_LOCKED || r == -ENOMEM)
        return r;
    fail(spool, home);
    return 0;
}

void spool_home_rest(struct spool *spool, enum spool_place place)
{
    spool_tier_close(&spool->homes[place].tier);
    for (struct spool_stream *stream = spool->index.first; stream != NULL; stream = stream->next)
        stream->rows[place] = 0;
}

void spool_home_deinit(struct spool *spool, enum spool_place place)
{
    struct spool_home *home = &spool->homes[place];
    spool_tier_close(&home->tier);
    if (home->lock >= 0)
        (void)close(home->lock); /* a directory: nothing was written */
    free(home->directory);
    free(home->path);
}

bool spool_home_is_usable(struct spool *spool, enum spool_place place)
{
    struct spool_home *home = &spool->homes[place];
    if (home->directory == NULL && place != SPOOL_MEMORY)
        return false;
    if (home->is_failing && spool_now_ms(spool) < home->retry_ms)
        return false;
    if (spool_tier_is_open(&home->tier))
        return true;
    int r = open_home(spool, place);
    if (r == 0)
        r = spool_settle(spool);
    if (r == 0)
        return true;
    spool_tier_close(&home->tier);
    if (r != -ENOMEM)
        fail(spool, home);
    return false;
}
