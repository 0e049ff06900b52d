/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* open and pread with what can happen to them. */
#include "engine/base/cache_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int weir_cache_file_open (const char *path, size_t *n_bytes)
{
  struct stat info;
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0 || (fstat (fd, &info) == 0 && S_ISREG (info.st_mode))) {
    *n_bytes = fd < 0 ? 0 : (size_t) info.st_size;
    return fd;
  }
  close (fd);
  errno = EINVAL;
  return -1;
}

size_t weir_cache_file_read (int fd, char *bytes, size_t n_bytes, size_t offset)
{
  size_t n_read = 0;
  ssize_t n = 1;
  while (n_read < n_bytes &&
         (n = pread (fd, bytes + n_read, n_bytes - n_read, (off_t) (offset + n_read))) > 0)
    n_read += (size_t) n;
  return n_read;
}
