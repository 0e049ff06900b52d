/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WeirArena: many small allocations that end together. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

G_BEGIN_DECLS

/* Thread-safety: one thread at a time. Blocks stay allocated over a reset, so that a reused arena
 * allocates nothing once it has seen its largest load. Small allocations abort when memory is out
 * (GLib's rule); sizes that come from files go through weir_arena_try_alloc. */
typedef struct WeirArena WeirArena;

WeirArena *weir_arena_new (void);
void weir_arena_free (WeirArena *arena); /* NULL is fine */
void weir_arena_reset (WeirArena *arena);

/* Zeroed, aligned to 64 bytes where n_bytes >= 64, else to 16. Never NULL. */
void *weir_arena_alloc (WeirArena *arena, size_t n_bytes);
/* The same, NULL where memory is out. */
void *weir_arena_try_alloc (WeirArena *arena, size_t n_bytes);
char *weir_arena_strdup (WeirArena *arena, const char *text); /* NULL gives NULL */
void *weir_arena_memdup (WeirArena *arena, const void *bytes, size_t n_bytes);

/* Gives back a block that holds nothing but what was allocated at `memory` (over 16 KiB do), and in
 * which none of the `n_kept` addresses lies, sorted. False where it is not such a block. */
bool weir_arena_release (
    WeirArena *arena, const void *memory, const uintptr_t *kept, size_t n_kept);

#define weir_arena_new_array(arena, Type, n) \
  ((Type *) weir_arena_alloc ((arena), weir_n_bytes (sizeof (Type), (n))))

/* n · size, or abort: for counts of our own making. */
static inline size_t
weir_n_bytes (size_t size, size_t n)
{
  size_t n_bytes;
  if (!g_size_checked_mul (&n_bytes, size, n))
    g_error ("arena: size overflow");
  return n_bytes;
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (WeirArena, weir_arena_free)

G_END_DECLS
