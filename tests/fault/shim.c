/* SPDX-License-Identifier: Apache-2.0 */
/* shim.c - preloaded into the program under test (LD_PRELOAD): lets the n-th of its calls fail.
 *
 *     FAULT_KIND     alloc: memory is refused
 *                    ENOSPC, EIO: writing, syncing, renaming, creating a file or folder, closing fails with that error
 *                    EINTR: the call is interrupted; SHORT: a write takes half of the bytes
 *                    CUT, GROW, SWAP, GONE: the n-th read of FAULT_FILE cuts it in half, lengthens, replaces, unlinks it
 *     FAULT_AT       n, from 1; 0: no call fails, calls are only counted
 *     FAULT_ON       1: every call from the n-th on
 *     FAULT_REPORT   a file of sizeof(struct fault_report) bytes
 *
 * Only calls from the program itself, from libdinopatch and (for memory) from libjansson count. GLib ends the process
 * when memory is short, which is its documented design; libvips and oneDNN have their own ways. Calls from the C
 * library itself (stdio) cannot be seen. Folders are made through GLib, so mkdir counts for every caller. */
#undef _FILE_OFFSET_BITS /* open and open64 are both defined here, under their own names */
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

#define SEEN __attribute__((visibility("default")))
#define CALLER __builtin_return_address(0)

enum kind { NONE, ALLOC, NO_SPACE, IO, INTERRUPTED, SHORT, CUT, GROW, SWAP, GONE };

static struct {
    uintptr_t begin, end;
    char name[48];
    uintptr_t base;
} modules[4];
static int n_modules;
static enum kind kind;
static uint64_t fire_at;
static bool fire_on;
static const char *changed_file;
static struct stat changed_stat;
static struct fault_report *report;
static struct fault_report nowhere;

static int on_module(struct dl_phdr_info *info, size_t size, void *data)
{
    (void)size;
    (void)data;
    const char *slash = strrchr(info->dlpi_name, '/'), *name = slash ? slash + 1 : info->dlpi_name;
    bool program = !*info->dlpi_name; /* the first one has no name */
    bool counts =
        (program && n_modules == 0) || strstr(name, "libdinopatch") || (kind == ALLOC && strstr(name, "libjansson"));
    for (int i = 0; counts && n_modules < 4 && i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type != PT_LOAD || !(p->p_flags & PF_X))
            continue;
        modules[n_modules].base = info->dlpi_addr;
        modules[n_modules].begin = info->dlpi_addr + p->p_vaddr;
        modules[n_modules].end = modules[n_modules].begin + p->p_memsz;
        snprintf(modules[n_modules].name, sizeof modules[n_modules].name, "%s", program ? "program" : name);
        n_modules++;
        break;
    }
    return 0;
}

__attribute__((constructor)) static void begin(void)
{
    static const char *const names[] = {"", "alloc", "ENOSPC", "EIO", "EINTR", "SHORT", "CUT", "GROW", "SWAP", "GONE"};
    const char *wanted = getenv("FAULT_KIND"), *at = getenv("FAULT_AT"), *path = getenv("FAULT_REPORT");
    enum kind found = NONE;
    report = &nowhere;
    for (int i = 1; wanted && i <= GONE; i++)
        if (!strcmp(wanted, names[i]))
            found = (enum kind)i;
    if (path) {
        int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
        void *shared = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (shared != MAP_FAILED)
            report = shared;
        if (fd >= 0)
            syscall(SYS_close, fd);
    }
    changed_file = getenv("FAULT_FILE");
    if (changed_file && stat(changed_file, &changed_stat) != 0)
        changed_file = NULL;
    fire_at = at ? strtoull(at, NULL, 10) : 0;
    fire_on = getenv("FAULT_ON") != NULL;
    kind = found; /* which modules count depends on it */
    dl_iterate_phdr(on_module, NULL);
}

static bool is_ours(const void *caller, int *module)
{
    for (*module = 0; *module < n_modules; ++*module)
        if ((uintptr_t)caller >= modules[*module].begin && (uintptr_t)caller < modules[*module].end)
            return true;
    return false;
}

/* Counts a call; true where it is to fail. */
static bool fires_anyhow(const char *function, const void *caller, int module)
{
    uint64_t call = __atomic_add_fetch(&report->calls, 1, __ATOMIC_RELAXED);
    if (!fire_at || (fire_on ? call < fire_at : call != fire_at))
        return false;
    if (__atomic_add_fetch(&report->fired, 1, __ATOMIC_RELAXED) == 1) {
        if (module < n_modules)
            snprintf(report->where, sizeof report->where, "%s at %s+0x%lx", function, modules[module].name,
                     (unsigned long)((uintptr_t)caller - modules[module].base));
        else
            snprintf(report->where, sizeof report->where, "%s", function);
    }
    return true;
}

static bool fires(const char *function, const void *caller)
{
    int module;
    return is_ours(caller, &module) && fires_anyhow(function, caller, module);
}

/* ---- memory */

#define REFUSED(function) (kind == ALLOC && fires(function, CALLER) && (errno = ENOMEM))

SEEN void *malloc(size_t bytes)
{
    return REFUSED("malloc") ? NULL : __libc_malloc(bytes);
}

SEEN void *calloc(size_t n, size_t bytes)
{
    return REFUSED("calloc") ? NULL : __libc_calloc(n, bytes);
}

SEEN void *realloc(void *memory, size_t bytes)
{
    return REFUSED("realloc") ? NULL : __libc_realloc(memory, bytes);
}

SEEN void *aligned_alloc(size_t alignment, size_t bytes)
{
    return REFUSED("aligned_alloc") ? NULL : __libc_memalign(alignment, bytes);
}

SEEN void *memalign(size_t alignment, size_t bytes);
SEEN void *memalign(size_t alignment, size_t bytes)
{
    return REFUSED("memalign") ? NULL : __libc_memalign(alignment, bytes);
}

SEEN int posix_memalign(void **memory, size_t alignment, size_t bytes)
{
    if (REFUSED("posix_memalign"))
        return ENOMEM;
    *memory = __libc_memalign(alignment, bytes);
    return *memory ? 0 : ENOMEM;
}

static char *copy(const char *text, size_t length)
{
    char *made = __libc_malloc(length + 1);
    if (made) {
        memcpy(made, text, length);
        made[length] = 0;
    }
    return made;
}

SEEN char *strdup(const char *text)
{
    return REFUSED("strdup") ? NULL : copy(text, strlen(text));
}

SEEN char *strndup(const char *text, size_t most)
{
    return REFUSED("strndup") ? NULL : copy(text, strnlen(text, most));
}

/* ---- files: errno of a call that is to fail, 0 of one that is not */

static int fault(const char *function, const void *caller, bool space, bool io, bool interrupt)
{
    if ((kind == NO_SPACE && space && fires(function, caller)))
        return ENOSPC;
    if (kind == IO && io && fires(function, caller))
        return EIO;
    if (kind == INTERRUPTED && interrupt && fires(function, caller))
        return EINTR;
    return 0;
}

#define FAIL(function, space, io, interrupt)                                                                           \
    do {                                                                                                               \
        int code_ = fault(function, CALLER, space, io, interrupt);                                                     \
        if (code_) {                                                                                                   \
            errno = code_;                                                                                             \
            return -1;                                                                                                 \
        }                                                                                                              \
    } while (0)

static int open_now(const char *path, int flags, mode_t mode)
{
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

#define OPEN(name)                                                                                                     \
    SEEN int name(const char *path, int flags, ...);                                                                   \
    SEEN int name(const char *path, int flags, ...)                                                                    \
    {                                                                                                                  \
        mode_t mode = 0;                                                                                               \
        if (flags & O_CREAT) {                                                                                         \
            va_list args;                                                                                              \
            va_start(args, flags);                                                                                     \
            mode = va_arg(args, mode_t);                                                                               \
            va_end(args);                                                                                              \
        }                                                                                                              \
        FAIL("open", flags &O_CREAT, flags &O_CREAT, true);                                                            \
        return open_now(path, flags, mode);                                                                            \
    }
OPEN(open)
OPEN(open64)

#define MAY_BE_SHORT(bytes)                                                                                            \
    do {                                                                                                               \
        FAIL("write", true, true, true);                                                                               \
        if (kind == SHORT && (bytes) > 1 && fires("write", CALLER))                                                    \
            (bytes) = ((bytes) + 1) / 2;                                                                               \
    } while (0)

SEEN ssize_t write(int fd, const void *data, size_t bytes)
{
    if (fd == STDERR_FILENO) /* what the program says of a fault is to be heard */
        return (ssize_t)syscall(SYS_write, fd, data, bytes);
    MAY_BE_SHORT(bytes);
    return (ssize_t)syscall(SYS_write, fd, data, bytes);
}

SEEN ssize_t pwrite(int fd, const void *data, size_t bytes, off_t at)
{
    MAY_BE_SHORT(bytes);
    return (ssize_t)syscall(SYS_pwrite64, fd, data, bytes, at);
}

SEEN ssize_t pwrite64(int fd, const void *data, size_t bytes, off_t at)
{
    MAY_BE_SHORT(bytes);
    return (ssize_t)syscall(SYS_pwrite64, fd, data, bytes, at);
}

SEEN int fsync(int fd)
{
    FAIL("fsync", true, true, true);
    return (int)syscall(SYS_fsync, fd);
}

SEEN int fdatasync(int fd)
{
    FAIL("fdatasync", true, true, true);
    return (int)syscall(SYS_fdatasync, fd);
}

SEEN int ftruncate(int fd, off_t bytes)
{
    FAIL("ftruncate", true, true, true);
    return (int)syscall(SYS_ftruncate, fd, bytes);
}

SEEN int ftruncate64(int fd, off_t bytes)
{
    FAIL("ftruncate", true, true, true);
    return (int)syscall(SYS_ftruncate, fd, bytes);
}

SEEN int rename(const char *from, const char *to)
{
    FAIL("rename", true, true, false);
    return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

SEEN int flock(int fd, int how)
{
    FAIL("flock", false, true, true);
    return (int)syscall(SYS_flock, fd, how);
}

/* The descriptor is gone whatever close says, as on Linux. */
SEEN int close(int fd)
{
    int code = fault("close", CALLER, true, true, true), result = (int)syscall(SYS_close, fd);
    if (code) {
        errno = code;
        return -1;
    }
    return result;
}

SEEN int mkdir(const char *path, mode_t mode)
{
    if ((kind == NO_SPACE || kind == IO) && fires_anyhow("mkdir", NULL, n_modules)) {
        errno = kind == IO ? EIO : ENOSPC;
        return -1;
    }
    return (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

/* ---- a file that changes under its reader: what counts are looks at it, by whomever */

static void change_file(void)
{
    int fd;
    char other[4096];
    switch (kind) {
    case CUT:
        if (truncate(changed_file, changed_stat.st_size / 2) != 0)
            _exit(125);
        break;
    case GROW:
        fd = open_now(changed_file, O_WRONLY | O_APPEND, 0);
        for (int i = 0; i < 1000; i++)
            if (syscall(SYS_write, fd, "more", 4) != 4)
                _exit(125);
        syscall(SYS_close, fd);
        break;
    case SWAP: /* the same size, other bytes, in place */
        fd = open_now(changed_file, O_WRONLY, 0);
        for (off_t at = 0; at + 8 <= changed_stat.st_size; at += 8)
            if (syscall(SYS_pwrite64, fd, "\xff\xff\xff\xff\xff\xff\xff\xff", 8, at) != 8)
                _exit(125);
        syscall(SYS_close, fd);
        break;
    case GONE:
        snprintf(other, sizeof other, "%s.gone", changed_file);
        if (syscall(SYS_renameat2, AT_FDCWD, changed_file, AT_FDCWD, other, 0) != 0)
            _exit(125);
        break;
    default: break;
    }
}

static int stat_now(int fd, struct stat *st)
{
    return (int)syscall(SYS_newfstatat, fd, "", st, AT_EMPTY_PATH);
}

static void look(const char *function, int fd)
{
    struct stat st;
    if (kind < CUT || !changed_file || fd < 0 || stat_now(fd, &st) != 0 || st.st_dev != changed_stat.st_dev
        || st.st_ino != changed_stat.st_ino)
        return;
    if (fires_anyhow(function, NULL, n_modules))
        change_file();
}

/* After the call: what was just found to be unchanged changes now. */
SEEN int fstat(int fd, struct stat *st)
{
    int result = stat_now(fd, st);
    look("fstat", fd);
    return result;
}

SEEN int fstat64(int fd, struct stat64 *st)
{
    int result = (int)syscall(SYS_newfstatat, fd, "", st, AT_EMPTY_PATH);
    look("fstat", fd);
    return result;
}

SEEN ssize_t read(int fd, void *data, size_t bytes)
{
    look("read", fd);
    return (ssize_t)syscall(SYS_read, fd, data, bytes);
}

SEEN ssize_t pread(int fd, void *data, size_t bytes, off_t at)
{
    look("pread", fd);
    return (ssize_t)syscall(SYS_pread64, fd, data, bytes, at);
}

SEEN ssize_t pread64(int fd, void *data, size_t bytes, off_t at)
{
    look("pread", fd);
    return (ssize_t)syscall(SYS_pread64, fd, data, bytes, at);
}

static void *map_now(void *address, size_t bytes, int protection, int flags, int fd, off_t at)
{
    void *mapped = (void *)syscall(SYS_mmap, address, bytes, protection, flags, fd, at);
    if (mapped != MAP_FAILED && fd >= 0)
        look("mmap", fd);
    return mapped;
}

SEEN void *mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t at)
{
    return map_now(address, bytes, protection, flags, fd, at);
}

SEEN void *mmap64(void *address, size_t bytes, int protection, int flags, int fd, off_t at)
{
    return map_now(address, bytes, protection, flags, fd, at);
}
