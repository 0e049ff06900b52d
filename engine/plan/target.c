/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WeirTarget: a graph on a chain of backends, with its constants in every format asked for. */
#include "engine/plan/plan_types.h"

#include <stdlib.h>
#include <string.h>

static uint32_t reorder_src[1] = { 0 }, reorder_dst[1] = { 0 };

const WeirNode weir_reorder_node = {
  .op = WEIR_OP_REORDER,
  .name = "reorder",
  .n_src = 1,
  .n_dst = 1,
  .src = reorder_src,
  .dst = reorder_dst,
};

typedef struct ConstantKey {
  uint32_t value;
  WeirFormat format;
} ConstantKey;

static guint hash_key (gconstpointer p)
{
  const ConstantKey *key = p;
  return key->value * 31u + (guint) key->format.dtype * 4u + (guint) key->format.layout;
}

static gboolean equal_keys (gconstpointer a, gconstpointer b)
{
  const ConstantKey *x = a, *y = b;
  return x->value == y->value && x->format.dtype == y->format.dtype &&
         x->format.layout == y->format.layout;
}

static void free_constant (gpointer p)
{
  WeirTensor *tensor = p;
  free (tensor->buffer);
  g_free (tensor);
}

WeirTarget *weir_target_new (const WeirGraph *graph, const WeirBackend *backend,
    const WeirDeviceOptions *options, GError **error)
{
  g_autoptr (WeirTarget) target = g_new0 (WeirTarget, 1);
  target->graph = graph;
  target->picture = WEIR_NONE;
  weir_mutex_init (&target->lock);
  target->constants = g_hash_table_new_full (hash_key, equal_keys, g_free, free_constant);
  const WeirBackend *chain[] = { backend, backend == &weir_backend_ref ? NULL : &weir_backend_ref };
  for (uint32_t i = 0; i < G_N_ELEMENTS (chain) && chain[i]; i++) {
    WeirDevice *device = chain[i]->open (options, error);
    if (!device)
      return NULL;
    target->backends[i] = chain[i];
    target->devices[i] = device;
    target->n_backends++;
  }
  return g_steal_pointer (&target);
}

void weir_target_free (WeirTarget *target)
{
  if (!target)
    return;
  for (uint32_t i = 0; i < target->n_backends; i++)
    target->backends[i]->close (target->devices[i]);
  g_hash_table_unref (target->constants);
  weir_mutex_clear (&target->lock);
  g_free (target);
}

const struct WeirPictures *weir_target_pictures (const WeirTarget *target, WeirDevice **device)
{
  *device = target->devices[0];
  return target->backends[0]->pictures;
}

void weir_target_set_picture (WeirTarget *target, uint32_t k)
{
  target->picture = target->backends[0]->pictures ? k : WEIR_NONE;
}

WeirPrecision weir_target_precision (const WeirTarget *target)
{
  return target->backends[0]->precision (target->devices[0]);
}

const char *weir_target_library (const WeirTarget *target)
{
  return target->backends[0]->library ? target->backends[0]->library (target->devices[0]) : "";
}

bool weir_target_limits (WeirTarget *target, WeirDeviceLimits *limits)
{
  if (target->backends[0]->limits)
    target->backends[0]->limits (target->devices[0], limits);
  return target->backends[0]->limits != NULL;
}

bool weir_target_peaks (WeirTarget *target, WeirDevicePeaks *peaks, GError **error)
{
  const WeirBackend *backend = target->backends[0];
  return backend->peaks && backend->peaks (target->devices[0], peaks, error);
}

WeirHealth weir_target_health (const WeirTarget *target)
{
  const WeirBackend *backend = target->backends[0];
  return backend->health ? backend->health (target->devices[0]) : WEIR_HEALTH_GOOD;
}

size_t weir_target_weight_bytes (WeirTarget *target)
{
  weir_mutex_lock (&target->lock);
  size_t n_bytes = target->constant_bytes;
  weir_mutex_unlock (&target->lock);
  for (uint32_t i = 0; i < target->n_backends; i++)
    n_bytes += target->backends[i]->weight_bytes (target->devices[i]);
  return n_bytes;
}

void weir_target_enter_thread (WeirTarget *target)
{
  for (uint32_t i = 0; i < target->n_backends; i++)
    if (target->backends[i]->enter_thread)
      target->backends[i]->enter_thread (target->devices[i]);
}

void weir_target_begin_batch (WeirTarget *target)
{
  for (uint32_t i = 0; i < target->n_backends; i++)
    if (target->backends[i]->begin_batch)
      target->backends[i]->begin_batch (target->devices[i]);
}

uint64_t weir_target_end_batch (WeirTarget *target)
{
  uint64_t helped_ns = 0;
  for (uint32_t i = 0; i < target->n_backends; i++)
    if (target->backends[i]->end_batch)
      helped_ns += target->backends[i]->end_batch (target->devices[i]);
  return helped_ns;
}

/* Reorders are for whoever reaches both memories. */
static bool is_concerned (const WeirBackend *backend, const WeirStepSpec *spec)
{
  bool on_device = spec->src_on_device || spec->dst_on_device;
  return spec->node->op != WEIR_OP_REORDER || on_device == (backend->memory_new != NULL);
}

bool weir_target_propose (WeirTarget *target, const WeirStepSpec *spec, WeirFormat *src,
    WeirFormat *dst, uint32_t *backend)
{
  for (uint32_t i = 0; i < target->n_backends; i++) {
    if (!is_concerned (target->backends[i], spec))
      continue;
    for (uint32_t k = 0; k < spec->n_src; k++)
      src[k].on_device = false; /* whoever declined may have left something */
    for (uint32_t k = 0; k < spec->n_dst; k++)
      dst[k].on_device = false;
    if (target->backends[i]->propose (target->devices[i], spec, src, dst)) {
      *backend = i;
      return true;
    }
  }
  return false;
}

bool weir_layouts_agree (const WeirTensor *tensor)
{
  int64_t spatial = 1;
  for (uint32_t i = 2; i < tensor->rank; i++)
    spatial *= tensor->dims[i];
  return tensor->rank < 3 || tensor->dims[1] == 1 || spatial == 1;
}

bool weir_convert (
    const WeirGraph *graph, const WeirTensor *src, const WeirTensor *dst, GError **error)
{
  const WeirBackend *ref = &weir_backend_ref;
  WeirTensor from = *src, to = *dst;
  WeirStepSpec spec = {
    .graph = graph, .node = &weir_reorder_node, .n_src = 1, .n_dst = 1, .src = &from, .dst = &to
  };
  void *src_address = weir_tensor_data (src), *dst_address = weir_tensor_data (dst);
  WeirBinding binding = { .src = &src_address, .dst = &dst_address };
  size_t scratch_bytes = 0;
  from.buffer = to.buffer = NULL;
  WeirDevice *device = ref->open (&(WeirDeviceOptions){ .n_threads = 1 }, error);
  void *kernel = device ? ref->compile (device, &spec, &scratch_bytes, error) : NULL;
  void *bound = kernel ? ref->bind (kernel, &binding, error) : NULL;
  bool ok = bound && ref->run (bound, error);
  if (bound)
    ref->unbind (bound);
  if (kernel)
    ref->release (kernel);
  if (device)
    ref->close (device);
  return ok;
}

static WeirTensor *convert_new (
    WeirTarget *target, const WeirTensor *src, WeirFormat format, GError **error)
{
  WeirTensor dst = *src;
  size_t n_bytes;
  dst.dtype = format.dtype;
  dst.layout = format.layout;
  dst.offset_bytes = 0;
  if (!weir_tensor_bytes (&dst, &n_bytes) ||
      !(dst.buffer = aligned_alloc (64, (n_bytes + 63 + !n_bytes) & ~(size_t) 63))) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_MEMORY, "%s: no memory for a constant",
        target->graph->source);
    return NULL;
  }
  if (!weir_convert (target->graph, src, &dst, error)) {
    free (dst.buffer);
    return NULL;
  }
  target->constant_bytes += n_bytes;
  return g_memdup2 (&dst, sizeof dst);
}

bool weir_target_constant (
    WeirTarget *target, uint32_t value, WeirFormat format, WeirTensor *converted, GError **error)
{
  const WeirTensor *src = &weir_graph_value (target->graph, value)->tensor;
  ConstantKey key = { value, format };
  weir_mutex_lock (&target->lock);
  WeirTensor *found = g_hash_table_lookup (target->constants, &key);
  if (!found && (found = convert_new (target, src, format, error)))
    g_hash_table_insert (target->constants, g_memdup2 (&key, sizeof key), found);
  if (found)
    *converted = *found;
  weir_mutex_unlock (&target->lock);
  return found != NULL;
}
