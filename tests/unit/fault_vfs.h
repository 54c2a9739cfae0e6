/*
 * A file system under SQLite that fails when it is told to: the default VFS with a counter of
 * writes and syncs. For tests of what happens when the disk does not take anything.
 */
#ifndef SHOAL_TESTS_FAULT_VFS_H
#define SHOAL_TESTS_FAULT_VFS_H

#include <sqlite3.h>
#include <stdbool.h>
#include <string.h>

struct fault {
    sqlite3_vfs vfs;
    sqlite3_vfs *real;
    int countdown; /* the operation at which failing begins; 0: never */
    int failures;  /* how many fail from then on */
    int result;    /* SQLITE_FULL, SQLITE_IOERR_WRITE, ... */
    int operations;
    bool skips_sync; /* a sync that works does nothing: for loops over many of them */
};

/* SQLite gives each file room for its own struct: ours is followed by the real one's. */
struct fault_file {
    sqlite3_file base;
    sqlite3_io_methods methods;
    struct fault *fault;
    sqlite3_file *real;
};

static inline int fault_now(struct fault *fault)
{
    fault->operations++;
    if (fault->countdown == 0 || fault->operations < fault->countdown)
        return SQLITE_OK;
    if (fault->operations >= fault->countdown + fault->failures)
        return SQLITE_OK;
    return fault->result;
}

static inline sqlite3_file *fault_real(sqlite3_file *file)
{
    return ((struct fault_file *)file)->real;
}

static inline int fault_close(sqlite3_file *file)
{
    return fault_real(file)->pMethods->xClose(fault_real(file));
}

static inline int fault_read(sqlite3_file *file, void *to, int n, sqlite3_int64 at)
{
    return fault_real(file)->pMethods->xRead(fault_real(file), to, n, at);
}

static inline int fault_write(sqlite3_file *file, const void *from, int n, sqlite3_int64 at)
{
    int result = fault_now(((struct fault_file *)file)->fault);
    if (result != SQLITE_OK)
        return result;
    return fault_real(file)->pMethods->xWrite(fault_real(file), from, n, at);
}

static inline int fault_sync(sqlite3_file *file, int flags)
{
    int result = fault_now(((struct fault_file *)file)->fault);
    if (result != SQLITE_OK)
        return result == SQLITE_FULL ? SQLITE_IOERR_FSYNC : result;
    if (((struct fault_file *)file)->fault->skips_sync)
        return SQLITE_OK;
    return fault_real(file)->pMethods->xSync(fault_real(file), flags);
}

static inline int fault_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    return fault_real(file)->pMethods->xTruncate(fault_real(file), size);
}

static inline int fault_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return fault_real(file)->pMethods->xFileSize(fault_real(file), size);
}

static inline int fault_lock(sqlite3_file *file, int level)
{
    return fault_real(file)->pMethods->xLock(fault_real(file), level);
}

static inline int fault_unlock(sqlite3_file *file, int level)
{
    return fault_real(file)->pMethods->xUnlock(fault_real(file), level);
}

static inline int fault_reserved(sqlite3_file *file, int *out)
{
    return fault_real(file)->pMethods->xCheckReservedLock(fault_real(file), out);
}

static inline int fault_control(sqlite3_file *file, int operation, void *argument)
{
    return fault_real(file)->pMethods->xFileControl(fault_real(file), operation, argument);
}

static inline int fault_sector(sqlite3_file *file)
{
    return fault_real(file)->pMethods->xSectorSize(fault_real(file));
}

static inline int fault_device(sqlite3_file *file)
{
    return fault_real(file)->pMethods->xDeviceCharacteristics(fault_real(file));
}

static inline int fault_shm_map(sqlite3_file *file, int page, int size, int extend,
                                void volatile **out)
{
    return fault_real(file)->pMethods->xShmMap(fault_real(file), page, size, extend, out);
}

static inline int fault_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
    return fault_real(file)->pMethods->xShmLock(fault_real(file), offset, n, flags);
}

static inline void fault_shm_barrier(sqlite3_file *file)
{
    fault_real(file)->pMethods->xShmBarrier(fault_real(file));
}

static inline int fault_shm_unmap(sqlite3_file *file, int is_delete)
{
    return fault_real(file)->pMethods->xShmUnmap(fault_real(file), is_delete);
}

static inline int fault_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags,
                             int *flags_out)
{
    struct fault *fault = vfs->pAppData;
    struct fault_file *ours = (struct fault_file *)file;
    *ours = (struct fault_file){.fault = fault, .real = (sqlite3_file *)(ours + 1)};
    int result = fault->real->xOpen(fault->real, name, ours->real, flags, flags_out);
    if (result != SQLITE_OK)
        return result;
    ours->methods = (sqlite3_io_methods){
        .iVersion = 2,
        .xClose = fault_close,
        .xRead = fault_read,
        .xWrite = fault_write,
        .xTruncate = fault_truncate,
        .xSync = fault_sync,
        .xFileSize = fault_size,
        .xLock = fault_lock,
        .xUnlock = fault_unlock,
        .xCheckReservedLock = fault_reserved,
        .xFileControl = fault_control,
        .xSectorSize = fault_sector,
        .xDeviceCharacteristics = fault_device,
        .xShmMap = fault_shm_map,
        .xShmLock = fault_shm_lock,
        .xShmBarrier = fault_shm_barrier,
        .xShmUnmap = fault_shm_unmap,
    };
    ours->base.pMethods = &ours->methods;
    return SQLITE_OK;
}

/* From now on every database is opened through it, until fault_deinit. */
static inline void fault_init(struct fault *fault)
{
    *fault = (struct fault){.real = sqlite3_vfs_find(NULL), .failures = 1, .result = SQLITE_FULL};
    fault->vfs = *fault->real;
    fault->vfs.zName = "fault";
    fault->vfs.pAppData = fault;
    fault->vfs.szOsFile = (int)sizeof(struct fault_file) + fault->real->szOsFile;
    fault->vfs.xOpen = fault_open;
    (void)sqlite3_vfs_register(&fault->vfs, 1);
}

static inline void fault_deinit(struct fault *fault)
{
    (void)sqlite3_vfs_unregister(&fault->vfs);
    (void)sqlite3_vfs_register(fault->real, 1);
}

/* The nth write or sync from now on fails, and `failures` after it. */
static inline void fault_arm(struct fault *fault, int nth, int failures, int result)
{
    fault->operations = 0;
    fault->countdown = nth;
    fault->failures = failures;
    fault->result = result;
}

#endif
