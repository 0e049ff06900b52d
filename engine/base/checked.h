/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Arithmetic on sizes that come from files: every function is false where the result overflows. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool
weir_checked_mul (size_t a, size_t b, size_t *result)
{
  return !__builtin_mul_overflow (a, b, result);
}

static inline bool
weir_checked_add (size_t a, size_t b, size_t *result)
{
  return !__builtin_add_overflow (a, b, result);
}

static inline bool
weir_checked_mul_i64 (int64_t a, int64_t b, int64_t *result)
{
  return !__builtin_mul_overflow (a, b, result);
}

static inline bool
weir_checked_add_i64 (int64_t a, int64_t b, int64_t *result)
{
  return !__builtin_add_overflow (a, b, result);
}

/* Rounds up to a multiple of a power of two. */
static inline bool
weir_checked_align (size_t size, size_t alignment, size_t *result)
{
  return weir_checked_add (size, alignment - 1, result) && (*result &= ~(alignment - 1), true);
}
