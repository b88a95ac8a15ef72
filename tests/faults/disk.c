/* Tells what a program does to the files of one folder, in order, so that a power cut can be imagined at any moment.
 *
 * Loaded with LD_PRELOAD. PERCH_DISK_FOLDER is the folder, PERCH_DISK_TRACE the file to tell to. Each record is a
 * header (struct record) and its bytes: a path, or what was written. Nothing is really synced, as that is imagined too.
 *
 * PERCH_DISK_FAILS=ERRNO:PER_MILLE:SEED lets some writes, syncs and cuts fail, all but those of the file "marks".
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define MOST 4096
enum { OPEN = 1, WRITE, TRUNCATE, SYNC, CLOSE, UNLINK, RENAME };
struct record { int32_t what, fd; int64_t offset; int64_t length; };

static const char *folder;
static size_t folder_length;
static int trace = -1;
static char watched[MOST];
static int error_number, error_rate;
static unsigned error_seed;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_openat)(int, const char *, int, ...);
static int (*real_close)(int);
static int (*real_ftruncate)(int, off_t);
static int (*real_unlink)(const char *);
static int (*real_rename)(const char *, const char *);
static int (*real_fsync)(int);

static void find(void) {
    if (real_write) return;
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_openat = dlsym(RTLD_NEXT, "openat64");
    real_close = dlsym(RTLD_NEXT, "close");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
    real_unlink = dlsym(RTLD_NEXT, "unlink");
    real_rename = dlsym(RTLD_NEXT, "rename");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_write = dlsym(RTLD_NEXT, "write");
    folder = getenv("PERCH_DISK_FOLDER");
    folder_length = folder ? strlen(folder) : 0;
    const char *wanted = getenv("PERCH_DISK_FAILS"), *path = getenv("PERCH_DISK_TRACE");
    if (wanted && sscanf(wanted, "%d:%d:%u", &error_number, &error_rate, &error_seed) != 3) abort();
    if (path) trace = real_openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static int fails(int fd) {
    if (!error_rate || watched[fd] != 1 || (int)(rand_r(&error_seed) % 1000) >= error_rate) return 0;
    errno = error_number;
    return 1;
}

static void tell(int what, int fd, int64_t offset, const void *bytes, size_t length) {
    struct record head = {what, fd, offset, (int64_t)length};
    struct iovec pieces[2] = {{&head, sizeof head}, {(void *)bytes, length}};
    if (trace < 0 || writev(trace, pieces, 2) != (ssize_t)(sizeof head + length)) abort();
}

static int ours(const char *path) { return trace >= 0 && folder && strncmp(path, folder, folder_length) == 0; }
static int is_watched(int fd) { return fd >= 0 && fd < MOST && watched[fd]; }

static int opened(int base, const char *path, int flags, mode_t mode) {
    find();
    int fd = real_openat(base, path, flags, mode);
    if (fd >= 0 && fd < MOST && ours(path)) {
        pthread_mutex_lock(&turn);
        const char *name = strrchr(path, '/');
        watched[fd] = name && strcmp(name, "/marks") == 0 ? 2 : 1;
        tell(OPEN, fd, flags & O_TRUNC ? 1 : 0, path, strlen(path));
        pthread_mutex_unlock(&turn);
    }
    return fd;
}

#define MODE(flags, last) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | O_TMPFILE)) { va_list rest; va_start(rest, last); mode = va_arg(rest, int); va_end(rest); }

int open(const char *path, int flags, ...) { MODE(flags, flags) return opened(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags, flags) return opened(AT_FDCWD, path, flags, mode); }
int openat(int base, const char *path, int flags, ...) { MODE(flags, flags) return opened(base, path, flags, mode); }
int openat64(int base, const char *path, int flags, ...) { MODE(flags, flags) return opened(base, path, flags, mode); }

static ssize_t written(int fd, const void *bytes, size_t length, off_t offset) {
    find();
    if (!is_watched(fd)) return real_pwrite(fd, bytes, length, offset);
    pthread_mutex_lock(&turn);
    ssize_t done = fails(fd) ? -1 : real_pwrite(fd, bytes, length, offset);
    if (done > 0) tell(WRITE, fd, offset, bytes, (size_t)done);
    pthread_mutex_unlock(&turn);
    return done;
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) { return written(fd, bytes, length, offset); }
ssize_t pwrite64(int fd, const void *bytes, size_t length, off_t offset) { return written(fd, bytes, length, offset); }

ssize_t write(int fd, const void *bytes, size_t length) {
    find();
    if (!is_watched(fd)) return real_write(fd, bytes, length);
    pthread_mutex_lock(&turn);
    ssize_t done = fails(fd) ? -1 : real_write(fd, bytes, length);
    if (done > 0) tell(WRITE, fd, lseek(fd, 0, SEEK_CUR) - done, bytes, (size_t)done);
    pthread_mutex_unlock(&turn);
    return done;
}

static int truncated(int fd, off_t length) {
    find();
    if (is_watched(fd) && fails(fd)) return -1;
    int failed = real_ftruncate(fd, length);
    if (!failed && is_watched(fd)) tell(TRUNCATE, fd, length, "", 0);
    return failed;
}

int ftruncate(int fd, off_t length) { return truncated(fd, length); }
int ftruncate64(int fd, off_t length) { return truncated(fd, length); }

static int allocated(int fd, off_t offset, off_t length) {
    struct stat now;
    if (fstat(fd, &now)) return errno;
    if (now.st_size < offset + length && truncated(fd, offset + length)) return errno;
    return 0;
}

int posix_fallocate(int fd, off_t offset, off_t length) { return allocated(fd, offset, length); }
int posix_fallocate64(int fd, off_t offset, off_t length) { return allocated(fd, offset, length); }
int fallocate(int fd, int mode, off_t offset, off_t length) { (void)mode; return allocated(fd, offset, length) ? -1 : 0; }
int fallocate64(int fd, int mode, off_t offset, off_t length) { return fallocate(fd, mode, offset, length); }

static int synced(int fd) {
    find();
    if (!is_watched(fd)) return real_fsync(fd);
    if (fails(fd)) return -1;
    tell(SYNC, fd, 0, "", 0);
    return 0;
}

int fsync(int fd) { return synced(fd); }
int fdatasync(int fd) { return synced(fd); }

int close(int fd) {
    find();
    if (is_watched(fd)) {
        watched[fd] = 0;
        tell(CLOSE, fd, 0, "", 0);
    }
    return real_close(fd);
}

int unlink(const char *path) {
    find();
    int failed = real_unlink(path);
    if (!failed && ours(path)) tell(UNLINK, -1, 0, path, strlen(path));
    return failed;
}

int rename(const char *from, const char *to) {
    find();
    int failed = real_rename(from, to);
    if (!failed && ours(to)) {
        char both[8192];
        int length = snprintf(both, sizeof both, "%s%c%s", from, 0, to);
        tell(RENAME, -1, 0, both, (size_t)length);
    }
    return failed;
}
