/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WeirKnown: a table of results by what they are computed from. */
#include "engine/graph/known.h"

#include "engine/base/checked.h"

#include <string.h>

/* Of all results: as much as one inference computes. */
#define MAX_BYTES ((size_t) 64 << 20)

typedef struct Entry {
  WeirNode node; /* with attributes of its own; src and dst are the node's, not to be read */
  const WeirTensor *src;
  const WeirTensor *dst;
} Entry;

struct WeirKnown {
  WeirArena *arena;
  GHashTable *entries; /* Entry, a set */
  size_t n_bytes;
};

static guint hash_entry (gconstpointer p)
{
  const Entry *entry = p;
  guint hash = (guint) entry->node.op;
  for (uint32_t i = 0; i < entry->node.n_src; i++)
    hash = hash * 31u + g_direct_hash (entry->src[i].buffer) + (guint) entry->src[i].offset_bytes;
  return hash;
}

static bool equal_tensors (const WeirTensor *a, const WeirTensor *b)
{
  return a->dtype == b->dtype && a->layout == b->layout && a->buffer == b->buffer &&
         a->offset_bytes == b->offset_bytes && weir_tensor_same_shape (a, b);
}

static bool equal_attrs (const WeirAttr *a, const WeirAttr *b)
{
  if (a->kind != b->kind || a->n != b->n || strcmp (a->name, b->name) != 0)
    return false;
  switch (a->kind) {
  case WEIR_ATTR_INT:
    return a->i == b->i;
  case WEIR_ATTR_FLOAT:
    return memcmp (&a->f, &b->f, sizeof a->f) == 0;
  case WEIR_ATTR_STRING:
    return strcmp (a->s, b->s) == 0;
  case WEIR_ATTR_INTS:
    return a->n == 0 || memcmp (a->ints, b->ints, a->n * sizeof *a->ints) == 0;
  case WEIR_ATTR_FLOATS:
    return a->n == 0 || memcmp (a->floats, b->floats, a->n * sizeof *a->floats) == 0;
  default:
    return equal_tensors (&a->tensor, &b->tensor);
  }
}

static gboolean equal_entries (gconstpointer p, gconstpointer q)
{
  const Entry *x = p, *y = q;
  const WeirNode *a = &x->node, *b = &y->node;
  bool is_equal = a->op == b->op && a->opset == b->opset && a->n_src == b->n_src &&
                  a->n_dst == b->n_dst && a->n_attrs == b->n_attrs;
  for (uint32_t i = 0; is_equal && i < a->n_attrs; i++)
    is_equal = equal_attrs (&a->attrs[i], &b->attrs[i]);
  for (uint32_t i = 0; is_equal && i < a->n_src; i++)
    is_equal = equal_tensors (&x->src[i], &y->src[i]);
  return is_equal;
}

WeirKnown *weir_known_new (void)
{
  WeirKnown *known = g_new0 (WeirKnown, 1);
  known->arena = weir_arena_new ();
  known->entries = g_hash_table_new (hash_entry, equal_entries);
  return known;
}

void weir_known_free (WeirKnown *known)
{
  if (!known)
    return;
  g_hash_table_unref (known->entries);
  weir_arena_free (known->arena);
  g_free (known);
}

const WeirTensor *weir_known_find (
    const WeirKnown *known, const WeirNode *node, const WeirTensor *src)
{
  const Entry key = { .node = *node, .src = src };
  const Entry *found = g_hash_table_lookup (known->entries, &key);
  return found ? found->dst : NULL;
}

bool weir_known_allocate (WeirKnown *known, const WeirNode *node, WeirTensor *dst)
{
  size_t n_total = known->n_bytes, n_bytes;
  for (uint32_t i = 0; i < node->n_dst; i++)
    if (node->dst[i] != WEIR_NONE &&
        (!weir_tensor_bytes (&dst[i], &n_bytes) || !weir_checked_add (n_total, n_bytes, &n_total)))
      return false;
  if (n_total > MAX_BYTES)
    return false;
  known->n_bytes = n_total;
  for (uint32_t i = 0; i < node->n_dst; i++)
    if (node->dst[i] != WEIR_NONE) {
      weir_tensor_bytes (&dst[i], &n_bytes);
      if (!(dst[i].buffer = weir_arena_try_alloc (known->arena, MAX (n_bytes, 1))))
        return false;
    }
  return true;
}

/* Attributes may be changed in place later; what they point to is never. */
void weir_known_add (
    WeirKnown *known, const WeirNode *node, const WeirTensor *src, const WeirTensor *dst)
{
  WeirArena *arena = known->arena;
  Entry *entry = weir_arena_new_array (arena, Entry, 1);
  entry->node = *node;
  entry->node.attrs =
      weir_arena_memdup (arena, node->attrs, weir_n_bytes (sizeof *node->attrs, node->n_attrs));
  entry->src = weir_arena_memdup (arena, src, weir_n_bytes (sizeof *src, node->n_src));
  entry->dst = weir_arena_memdup (arena, dst, weir_n_bytes (sizeof *dst, node->n_dst));
  g_hash_table_add (known->entries, entry);
}
