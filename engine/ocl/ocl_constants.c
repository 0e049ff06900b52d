/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Constants in the result's layout, and tables. */
#include "engine/ocl/ocl_constants.h"

#include <string.h>

static void pack_plain (float *packed, const float *values, const void *job)
{
  memcpy (packed, values, weir_ocl_n_elements (job) * sizeof *packed);
}

/* [outer, channels, pixels] to [outer, pixels, channels]. */
static void pack_last (float *packed, const float *values, const void *job)
{
  const WeirTensor *tensor = job;
  size_t n_outer = (size_t) tensor->dims[0], n_channels = (size_t) tensor->dims[1];
  size_t n_pixels = weir_ocl_n_elements (tensor) / (n_outer * n_channels);
  for (size_t outer = 0; outer < n_outer; outer++, values += n_channels * n_pixels)
    for (size_t pixel = 0; pixel < n_pixels; pixel++)
      for (size_t channel = 0; channel < n_channels; channel++)
        *packed++ = values[channel * n_pixels + pixel];
}

WeirOclWeights *weir_ocl_constant_ref (
    WeirDevice *device, const WeirTensor *constant, WeirLayout layout, GError **error)
{
  bool is_last = layout == WEIR_LAYOUT_CHANNELS_LAST && constant->rank >= 3;
  char form[48] = "plain"; /* bytes may be shared by constants of other dims */
  if (is_last)
    g_snprintf (form, sizeof form, "last %u %u", (uint32_t) constant->dims[0],
        (uint32_t) constant->dims[1]);
  return weir_ocl_weights_ref (device, constant, form, weir_ocl_n_elements (constant),
      is_last ? pack_last : pack_plain, constant, error);
}

WeirOclMemory *weir_ocl_table_new (
    WeirDevice *device, const void *data, size_t n_bytes, GError **error)
{
  g_autoptr (WeirOclMemory) table = weir_ocl_memory_new (device->ocl, n_bytes, false, false, error);
  if (!table || !weir_ocl_memory_upload (table, 0, data, n_bytes, error))
    return NULL;
  weir_mutex_lock (&device->lock);
  device->weight_bytes += n_bytes;
  weir_mutex_unlock (&device->lock);
  return g_steal_pointer (&table);
}

void weir_ocl_table_free (WeirDevice *device, WeirOclMemory *table)
{
  if (!table)
    return;
  weir_mutex_lock (&device->lock);
  device->weight_bytes -= table->n_bytes;
  weir_mutex_unlock (&device->lock);
  weir_ocl_memory_free (table);
}
