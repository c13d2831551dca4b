/* Makes calls on chosen files fail: preloaded into a process, it stands for disks that are full, broken or gone.
 *
 * FAULT_PATH   what the path of a file must contain
 * FAULT_CALL   open (for writing), write, fsync, close, rename, unlink, mkdir or flock
 * FAULT_ERRNO  the error's number
 * FAULT_FROM   the first of these calls that fails, counted from 1
 * FAULT_COUNT  how many fail; 0 for all that follow
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_long calls;

static long number(const char *name, long otherwise) {
    const char *text = getenv(name);
    return text ? strtol(text, NULL, 10) : otherwise;
}

/* Whether this call is to fail; errno is then set. */
static int fails(const char *call, const char *path) {
    const char *wanted_call = getenv("FAULT_CALL"), *wanted_path = getenv("FAULT_PATH");
    if (!wanted_call || !wanted_path || !path || strcmp(call, wanted_call) || !strstr(path, wanted_path)) return 0;
    long count = atomic_fetch_add(&calls, 1) + 1, from = number("FAULT_FROM", 1), most = number("FAULT_COUNT", 0);
    if (count < from || (most && count >= from + most)) return 0;
    errno = (int)number("FAULT_ERRNO", EIO);
    return 1;
}

static int descriptor_fails(const char *call, int descriptor) {
    char link[64], path[4096];
    int before = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = before;
    if (length <= 0) return 0;
    path[length] = 0;
    return fails(call, path);
}

#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define WRITES(flags) (((flags)&O_ACCMODE) != O_RDONLY)
#define MODE(last) \
    mode_t mode = 0; \
    if (flags & (O_CREAT | O_TMPFILE)) { va_list list; va_start(list, last); mode = va_arg(list, mode_t); va_end(list); }

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        MODE(flags) REAL(name); \
        return WRITES(flags) && fails("open", path) ? -1 : real(path, flags, mode); \
    }
#define OPENAT(name) \
    int name(int folder, const char *path, int flags, ...) { \
        MODE(flags) REAL(name); \
        return WRITES(flags) && fails("open", path) ? -1 : real(folder, path, flags, mode); \
    }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)


ssize_t write(int descriptor, const void *data, size_t size) {
    REAL(write);
    return descriptor_fails("write", descriptor) ? -1 : real(descriptor, data, size);
}
ssize_t writev(int descriptor, const struct iovec *parts, int count) {
    REAL(writev);
    return descriptor_fails("write", descriptor) ? -1 : real(descriptor, parts, count);
}
ssize_t pwrite64(int descriptor, const void *data, size_t size, off64_t offset) {
    REAL(pwrite64);
    return descriptor_fails("write", descriptor) ? -1 : real(descriptor, data, size, offset);
}
int fsync(int descriptor) {
    REAL(fsync);
    return descriptor_fails("fsync", descriptor) ? -1 : real(descriptor);
}
int flock(int descriptor, int operation) {
    REAL(flock);
    return descriptor_fails("flock", descriptor) ? -1 : real(descriptor, operation);
}
int close(int descriptor) {
    REAL(close);
    if (!descriptor_fails("close", descriptor)) return real(descriptor);
    int error = errno; /* it is closed all the same, as on Linux */
    real(descriptor);
    errno = error;
    return -1;
}
int rename(const char *from, const char *to) {
    REAL(rename);
    return fails("rename", from) ? -1 : real(from, to);
}
int renameat(int old_folder, const char *from, int new_folder, const char *to) {
    REAL(renameat);
    return fails("rename", from) ? -1 : real(old_folder, from, new_folder, to);
}
int unlink(const char *path) {
    REAL(unlink);
    return fails("unlink", path) ? -1 : real(path);
}
int mkdir(const char *path, mode_t mode) {
    REAL(mkdir);
    return fails("mkdir", path) ? -1 : real(path, mode);
}
