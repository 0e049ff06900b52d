/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Blobs: constants packed for kernels of our own. Plans for other batch sizes pack the same bytes;
 * a device holds equal ones once. */
#include "engine/cpu/cpu.h"

#include <stdlib.h>

typedef struct Blob {
  uint8_t *data;
  size_t n_bytes;
  uint32_t n_refs;
} Blob;

/* FNV-1a over words. */
static guint hash_blob (gconstpointer p)
{
  const Blob *blob = p;
  uint64_t hash = 14695981039346656037u;
  for (size_t i = 0; i + sizeof (uint64_t) <= blob->n_bytes; i += sizeof (uint64_t)) {
    uint64_t word;
    memcpy (&word, blob->data + i, sizeof word);
    hash = (hash ^ word) * 1099511628211u;
  }
  return (guint) (hash ^ hash >> 32);
}

static gboolean is_equal (gconstpointer p, gconstpointer q)
{
  const Blob *a = p, *b = q;
  return a->n_bytes == b->n_bytes && memcmp (a->data, b->data, a->n_bytes) == 0;
}

static void blob_free (gpointer p)
{
  Blob *blob = p;
  free (blob->data);
  g_free (blob);
}

GHashTable *weir_cpu_blob_table_new (void)
{
  return g_hash_table_new_full (hash_blob, is_equal, blob_free, NULL);
}

const uint8_t *weir_cpu_blob_take (WeirDevice *device, uint8_t *data, size_t n_bytes)
{
  Blob key = { data, n_bytes, 1 };
  weir_mutex_lock (&device->lock);
  Blob *blob = g_hash_table_lookup (device->blobs, &key);
  if (blob) {
    blob->n_refs++;
    free (data);
  } else {
    blob = g_memdup2 (&key, sizeof key);
    g_hash_table_add (device->blobs, blob);
    device->weight_bytes += n_bytes;
  }
  weir_mutex_unlock (&device->lock);
  return blob->data;
}

void weir_cpu_blob_unref (WeirDevice *device, const uint8_t *data, size_t n_bytes)
{
  Blob key = { (uint8_t *) data, n_bytes, 1 };
  weir_mutex_lock (&device->lock);
  Blob *blob = g_hash_table_lookup (device->blobs, &key);
  if (--blob->n_refs == 0) {
    device->weight_bytes -= n_bytes;
    g_hash_table_remove (device->blobs, blob);
  }
  weir_mutex_unlock (&device->lock);
}
