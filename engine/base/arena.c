/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WeirArena: a list of blocks filled front to back. A reset keeps the blocks; the next fill walks
 * the same list, so a load that fits once fits for ever without the allocator. */
#include "engine/base/arena.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES     ((size_t) 16 * 1024)
#define BLOCK_ALIGNMENT ((size_t) 64)

typedef struct Block {
  struct Block *next;
  size_t size, used; /* of the bytes that follow the header */
  bool is_alone;     /* one allocation has it all */
} Block;

#define HEADER_BYTES ((sizeof (Block) + BLOCK_ALIGNMENT - 1) & ~(BLOCK_ALIGNMENT - 1))

struct WeirArena {
  Block *first, *current;
};

WeirArena *weir_arena_new (void)
{
  return g_new0 (WeirArena, 1);
}

void weir_arena_free (WeirArena *arena)
{
  if (!arena)
    return;
  for (Block *block = arena->first; block;) {
    Block *next = block->next;
    free (block);
    block = next;
  }
  g_free (arena);
}

void weir_arena_reset (WeirArena *arena)
{
  for (Block *block = arena->first; block; block = block->next)
    *block = (Block){ .next = block->next, .size = block->size };
  arena->current = arena->first;
}

static Block *block_new (size_t n_bytes)
{
  size_t size = n_bytes > BLOCK_BYTES ? n_bytes : BLOCK_BYTES;
  if (size > SIZE_MAX - HEADER_BYTES - BLOCK_ALIGNMENT)
    return NULL;
  size = (size + BLOCK_ALIGNMENT - 1) & ~(BLOCK_ALIGNMENT - 1);
  Block *block = aligned_alloc (BLOCK_ALIGNMENT, HEADER_BYTES + size);
  if (block)
    *block = (Block){ .size = size };
  return block;
}

static void *take (Block *block, size_t n_bytes)
{
  size_t alignment = n_bytes >= BLOCK_ALIGNMENT ? BLOCK_ALIGNMENT : 16;
  size_t start = (block->used + alignment - 1) & ~(alignment - 1);
  if (start > block->size || n_bytes > block->size - start)
    return NULL;
  block->used = start + n_bytes;
  return memset ((char *) block + HEADER_BYTES + start, 0, n_bytes);
}

void *weir_arena_try_alloc (WeirArena *arena, size_t n_bytes)
{
  if (n_bytes == 0)
    n_bytes = 1;
  for (; arena->current; arena->current = arena->current->next) {
    void *memory = take (arena->current, n_bytes);
    if (memory)
      return memory;
    if (!arena->current->next)
      break;
  }
  Block *block = block_new (n_bytes);
  if (!block)
    return NULL;
  if (arena->current)
    arena->current->next = block;
  else
    arena->first = block;
  arena->current = block;
  block->is_alone = n_bytes > BLOCK_BYTES;
  void *memory = take (block, n_bytes);
  block->used = block->is_alone ? block->size : block->used;
  return memory;
}

/* Whether one of the sorted addresses lies in the block. */
static bool holds_any (const Block *block, const uintptr_t *kept, size_t n_kept)
{
  const uintptr_t start = (uintptr_t) block + HEADER_BYTES;
  size_t low = 0, high = n_kept;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (kept[middle] < start)
      low = middle + 1;
    else
      high = middle;
  }
  return low < n_kept && kept[low] - start < block->size;
}

bool weir_arena_release (WeirArena *arena, const void *memory, const uintptr_t *kept, size_t n_kept)
{
  Block *before = NULL, *block = arena->first;
  for (; block && (char *) block + HEADER_BYTES != memory; block = block->next)
    before = block;
  if (!block || !block->is_alone || holds_any (block, kept, n_kept))
    return false;
  if (before)
    before->next = block->next;
  else
    arena->first = block->next;
  if (arena->current == block)
    arena->current = before ? before : arena->first;
  free (block);
  return true;
}

void *weir_arena_alloc (WeirArena *arena, size_t n_bytes)
{
  void *memory = weir_arena_try_alloc (arena, n_bytes);
  if (!memory)
    g_error ("arena: out of memory for %" G_GSIZE_FORMAT " bytes", n_bytes);
  return memory;
}

char *weir_arena_strdup (WeirArena *arena, const char *text)
{
  return text ? weir_arena_memdup (arena, text, strlen (text) + 1) : NULL;
}

void *weir_arena_memdup (WeirArena *arena, const void *bytes, size_t n_bytes)
{
  void *copy = weir_arena_alloc (arena, n_bytes);
  if (n_bytes)
    memcpy (copy, bytes, n_bytes);
  return copy;
}
