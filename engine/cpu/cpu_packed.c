/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Packed weights of our own kernels, by constant and form. A few dozen a device: a list will do. */
#include "engine/cpu/cpu_packed.h"

#include <stdlib.h>

struct WeirCpuPacked {
  const void *key; /* address of the constant */
  const char *form;
  size_t n_bytes;
  void *data;
  uint32_t n_refs;
};

static void packed_free (WeirCpuPacked *packed)
{
  free (packed->data);
  g_free (packed);
}

/* Called with the device locked. */
static WeirCpuPacked *find (const WeirDevice *device, const void *key, const char *form, size_t n)
{
  for (GSList *at = device->own_packed; at; at = at->next) {
    WeirCpuPacked *packed = at->data;
    if (packed->key == key && packed->n_bytes == n && strcmp (packed->form, form) == 0)
      return packed;
  }
  return NULL;
}

static WeirCpuPacked *make (const WeirTensor *constant, const char *form, size_t n_bytes,
    WeirCpuPackFn pack, const void *job, GError **error)
{
  int64_t n;
  g_autofree float *values = weir_cpu_constant_f32 (constant, &n);
  void *data = aligned_alloc (64, (n_bytes + 64) & ~(size_t) 63);
  if (!values || !data) {
    g_set_error (
        error, WEIR_ERROR, WEIR_ERROR_MEMORY, "no memory for %zu bytes of packed weights", n_bytes);
    free (data);
    return NULL;
  }
  pack (data, values, job);
  WeirCpuPacked *packed = g_new (WeirCpuPacked, 1);
  *packed = (WeirCpuPacked){ weir_tensor_data (constant), form, n_bytes, data, 0 };
  return packed;
}

WeirCpuPacked *weir_cpu_packed_ref (WeirDevice *device, const WeirTensor *constant,
    const char *form, size_t n_bytes, WeirCpuPackFn pack, const void *job, GError **error)
{
  weir_mutex_lock (&device->lock);
  WeirCpuPacked *packed = find (device, weir_tensor_data (constant), form, n_bytes);
  if (!packed && (packed = make (constant, form, n_bytes, pack, job, error))) {
    device->own_packed = g_slist_prepend (device->own_packed, packed);
    device->weight_bytes += n_bytes;
  }
  if (packed)
    packed->n_refs++;
  weir_mutex_unlock (&device->lock);
  return packed;
}

void weir_cpu_packed_unref (WeirDevice *device, WeirCpuPacked *packed)
{
  if (!packed)
    return;
  weir_mutex_lock (&device->lock);
  if (--packed->n_refs == 0) {
    device->own_packed = g_slist_remove (device->own_packed, packed);
    device->weight_bytes -= packed->n_bytes;
    packed_free (packed);
  }
  weir_mutex_unlock (&device->lock);
}

const void *weir_cpu_packed_data (const WeirCpuPacked *packed)
{
  return packed->data;
}
