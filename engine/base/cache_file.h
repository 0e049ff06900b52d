/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading of files that anybody may have put where a cache is. */
#pragma once

#include <stddef.h>

/* Opens a regular file; -1 else, with errno set. A device or a pipe does not block. */
int weir_cache_file_open (const char *path, size_t *n_bytes);
/* What there is of n_bytes from `offset`. */
size_t weir_cache_file_read (int fd, char *bytes, size_t n_bytes, size_t offset);
