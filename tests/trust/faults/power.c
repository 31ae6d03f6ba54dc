/* Keeps, beside a folder, a copy of what would be on the disk if the power failed now.
 *
 * Preloaded into a service and its runners (LD_PRELOAD). Only what fsync and fdatasync were asked for
 * counts: of a file its bytes at that moment, of a folder its names. A name that was made, changed or
 * removed counts once its folder is synced. This is the least that POSIX lets a file system keep; real
 * ones keep more.
 *
 * POWER_ROOT    the folder; what lies elsewhere is let alone
 * POWER_KEPT    where the copy is kept: a file named by its inode for each file (bytes) and folder
 *               (lines of inode, kind, name)
 * POWER_FAILS   a file: while it is there, syncing below POWER_ROOT fails with EIO
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int is_below(int file, char *path, size_t size) {
  char link[64];
  const char *root = getenv("POWER_ROOT");
  if (root == NULL) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = readlink(link, path, size - 1);
  if (length < 0) return 0;
  path[length] = 0;
  size_t prefix = strlen(root);
  return strncmp(path, root, prefix) == 0 && (path[prefix] == '/' || path[prefix] == 0);
}

static void keep_bytes(int from, int to) {
  static __thread char chunk[1 << 16];
  off_t place = 0;
  ssize_t count;
  while ((count = pread(from, chunk, sizeof chunk, place)) > 0) {
    if (write(to, chunk, count) != count) abort();
    place += count;
  }
}

static void keep_names(const char *path, int to) {
  DIR *folder = opendir(path);
  if (folder == NULL) return;
  struct dirent *entry;
  while ((entry = readdir(folder)) != NULL)
    if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
      dprintf(to, "%lu %c %s\n", (unsigned long)entry->d_ino, entry->d_type == DT_DIR ? 'd' : 'f',
              entry->d_name);
  closedir(folder);
}

static int keep(int file, long call) {
  char path[4096], kept[4096], aside[4128], again[64];
  struct stat about;
  if (!is_below(file, path, sizeof path) || fstat(file, &about) != 0) return syscall(call, file);
  const char *fails = getenv("POWER_FAILS");
  if (fails != NULL && access(fails, F_OK) == 0) {
    errno = EIO;
    return -1;
  }
  /* one at a time: an older copy must not take the place of a newer one */
  snprintf(kept, sizeof kept, "%s/lock", getenv("POWER_KEPT"));
  int lock = open(kept, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock < 0 || flock(lock, LOCK_EX) != 0) abort();
  snprintf(kept, sizeof kept, "%s/%lu", getenv("POWER_KEPT"), (unsigned long)about.st_ino);
  snprintf(aside, sizeof aside, "%s.%ld", kept, (long)syscall(SYS_gettid));
  int to = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (to < 0) abort();
  if (S_ISDIR(about.st_mode)) {
    keep_names(path, to);
  } else {
    /* it may be open for writing alone */
    snprintf(again, sizeof again, "/proc/self/fd/%d", file);
    int from = open(again, O_RDONLY | O_CLOEXEC);
    if (from < 0) abort();
    keep_bytes(from, to);
    close(from);
  }
  close(to);
  if (rename(aside, kept) != 0) abort();
  close(lock);
  return 0;
}

int fsync(int file) { return keep(file, SYS_fsync); }
int fdatasync(int file) { return keep(file, SYS_fdatasync); }
