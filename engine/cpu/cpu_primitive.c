/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Kernels that run one oneDNN primitive.
 *
 * Packed weights are kept per device by the address of the constant they come from. Plans for other
 * batch sizes ask for the same constants: they get the form that is there if the primitive wants
 * just that, or if it runs in the same implementation with it; only else another form is packed.
 *
 * A residual is added by a binary post-op, which reads it where it lies. Some AMX implementations
 * take no such post-op but a sum onto dst; there the residual is copied to dst first. */
#include "engine/cpu/cpu.h"

#include <stdlib.h>
#include <string.h>

/* Less than this is done by one thread: some 10 µs, where waking others and waiting for them takes
 * 5, and much longer when somebody else has the core. */
#define SHARED_WORK 1e6

struct WeirPacked {
  const void *key;
  float scale;
  WeirDnnlLayout *layout;
  void *data;
  size_t n_bytes;
  uint32_t n_refs;
};

GHashTable *weir_cpu_packed_table_new (void)
{
  return g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify) g_ptr_array_unref);
}

static void packed_free (gpointer p)
{
  WeirPacked *packed = p;
  weir_dnnl_layout_free (packed->layout);
  free (packed->data);
  g_free (packed);
}

static void packed_unref (WeirDevice *device, WeirPacked *packed)
{
  weir_mutex_lock (&device->lock);
  if (--packed->n_refs == 0) {
    GPtrArray *list = g_hash_table_lookup (device->packed, packed->key);
    const void *key = packed->key;
    device->weight_bytes -= packed->n_bytes;
    g_ptr_array_remove_fast (list, packed);
    if (list->len == 0)
      g_hash_table_remove (device->packed, key);
  }
  weir_mutex_unlock (&device->lock);
}

static bool fill_packed (
    WeirDevice *device, const WeirCpuWeights *weights, WeirPacked *packed, GError **error)
{
  int64_t n = 0;
  g_autofree float *data = weights->codes ? NULL : weir_cpu_constant_f32 (weights->constant, &n);
  const void *source = weights->codes ? (const void *) weights->codes : data;
  packed->data = aligned_alloc (64, (packed->n_bytes + 64) & ~(size_t) 63);
  if (!source || !packed->data) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_MEMORY, "no memory for %zu bytes of packed weights",
        packed->n_bytes);
    return false;
  }
  for (int64_t i = 0; i < n; i++)
    data[i] *= weights->scale;
  return weir_dnnl_pack (
      device->dnnl, &weights->shape, source, packed->layout, packed->data, error);
}

/* Called with the device locked. Takes `layout`. */
static WeirPacked *pack (WeirDevice *device, const WeirCpuWeights *weights, WeirDnnlLayout *layout,
    GPtrArray *list, GError **error)
{
  WeirPacked *packed = g_new0 (WeirPacked, 1);
  packed->key = weir_tensor_data (weights->constant);
  packed->scale = weights->scale;
  packed->layout = layout;
  packed->n_bytes = weir_dnnl_layout_bytes (layout);
  if (!fill_packed (device, weights, packed, error)) {
    packed_free (packed);
    return NULL;
  }
  device->weight_bytes += packed->n_bytes;
  g_ptr_array_add (list, packed);
  return packed;
}

/* A packed form that is there and with which the primitive is as fast as with its own choice. It
 * then replaces *primitive. */
static WeirPacked *share (WeirDevice *device, WeirDnnlSpec *dnnl, const GPtrArray *list,
    float scale, const WeirDnnlLayout *wanted, WeirDnnlPrimitive **primitive)
{
  for (uint32_t i = 0; i < list->len; i++) {
    WeirPacked *packed = g_ptr_array_index (list, i);
    if (packed->scale == scale && weir_dnnl_layout_equal (packed->layout, wanted))
      return packed;
  }
  for (uint32_t i = 0; i < list->len; i++) {
    WeirPacked *packed = g_ptr_array_index (list, i);
    if (packed->scale != scale)
      continue;
    dnnl->packed = packed->layout;
    WeirDnnlPrimitive *other = weir_dnnl_primitive_new (device->dnnl, dnnl, NULL);
    dnnl->packed = NULL;
    if (other &&
        strcmp (weir_dnnl_primitive_name (other), weir_dnnl_primitive_name (*primitive)) == 0) {
      weir_dnnl_primitive_free (*primitive);
      *primitive = other;
      return packed;
    }
    weir_dnnl_primitive_free (other);
  }
  return NULL;
}

static WeirPacked *get_packed (WeirDevice *device, WeirDnnlSpec *dnnl,
    const WeirCpuWeights *weights, WeirDnnlPrimitive **primitive, GError **error)
{
  void *key = weir_tensor_data (weights->constant);
  WeirDnnlLayout *wanted = weir_dnnl_primitive_layout (*primitive);
  weir_mutex_lock (&device->lock);
  GPtrArray *list = g_hash_table_lookup (device->packed, key);
  if (!list) {
    list = g_ptr_array_new_with_free_func (packed_free);
    g_hash_table_insert (device->packed, key, list);
  }
  WeirPacked *packed = share (device, dnnl, list, weights->scale, wanted, primitive);
  if (packed)
    weir_dnnl_layout_free (wanted);
  else
    packed = pack (device, weights, wanted, list, error);
  if (packed)
    packed->n_refs++;
  else if (list->len == 0)
    g_hash_table_remove (device->packed, key);
  weir_mutex_unlock (&device->lock);
  return packed;
}

static bool bind (const WeirCpuKernel *kernel, WeirCpuBound *bound, GError **error)
{
  const WeirCpuPrimitive *self = (const WeirCpuPrimitive *) kernel;
  WeirDnnlArgs args = { .src = bound->src[0],
    .dst = bound->dst[0],
    .weights = self->weights          ? self->weights->data
               : self->base.n_src > 1 ? bound->src[1]
                                      : NULL,
    .bias = self->bias,
    .scratch = bound->scratch,
    .scales = self->scales,
    .src_zero = &self->src_zero };
  for (uint32_t i = 0; i < self->n_post; i++)
    args.added[i] = self->post_src[i] == WEIR_NONE ? NULL : bound->src[self->post_src[i]];
  bound->dnnl = weir_dnnl_bind (self->primitive, &args, error);
  return bound->dnnl != NULL;
}

static bool run (const WeirCpuBound *bound, GError **error)
{
  const WeirCpuPrimitive *self = (const WeirCpuPrimitive *) bound->kernel;
  if (self->sum_src != WEIR_NONE)
    memcpy (bound->dst[0], bound->src[self->sum_src], self->dst_bytes);
  return weir_dnnl_run (bound->dnnl, error);
}

static void release (WeirCpuKernel *kernel)
{
  WeirCpuPrimitive *self = (WeirCpuPrimitive *) kernel;
  weir_dnnl_primitive_free (self->primitive);
  if (self->weights)
    packed_unref (kernel->device, self->weights);
  g_free (self->bias);
  g_free (self->scales);
  g_free (self);
}

bool weir_cpu_accepts_post (const WeirStepSpec *spec)
{
  const WeirNode *node = spec->node;
  for (uint32_t i = 0; i < node->n_post; i++) {
    const WeirPostOp *post = &node->post[i];
    if (!weir_dnnl_has_post (post->op))
      return false;
    if (post->op == WEIR_OP_ADD && (post->src >= spec->n_src || spec->src[post->src].buffer ||
                                       !weir_tensor_same_shape (&spec->src[post->src], spec->dst)))
      return false;
  }
  return true;
}

void weir_cpu_propose_post (const WeirStepSpec *spec, WeirFormat dst, WeirFormat *src)
{
  for (uint32_t i = 0; i < spec->node->n_post; i++)
    if (spec->node->post[i].op == WEIR_OP_ADD)
      src[spec->node->post[i].src] = dst;
}

static void fill_post (const WeirStepSpec *spec, WeirDnnlSpec *dnnl, uint32_t *post_src)
{
  for (uint32_t i = 0; i < spec->node->n_post; i++) {
    const WeirPostOp *post = &spec->node->post[i];
    dnnl->post[i] = (WeirDnnlPost){ .op = post->op, .alpha = post->alpha, .beta = post->beta };
    post_src[i] = post->op == WEIR_OP_ADD ? post->src : WEIR_NONE;
    if (post->op == WEIR_OP_ADD)
      dnnl->post[i].added = weir_cpu_dnnl_shape (&spec->src[post->src]);
  }
  dnnl->n_post = spec->node->n_post;
}

/* The only addition, of what dst could hold; WEIR_NONE else. */
static uint32_t find_added (const WeirDnnlSpec *dnnl)
{
  uint32_t added = WEIR_NONE, n_added = 0;
  for (uint32_t i = 0; i < dnnl->n_post; i++)
    if (dnnl->post[i].op == WEIR_OP_ADD) {
      added = i;
      n_added++;
    }
  return n_added == 1 && dnnl->post[added].added.dtype == dnnl->dst.dtype ? added : WEIR_NONE;
}

/* With the residual summed onto dst if only that keeps AMX. */
static WeirDnnlPrimitive *best_primitive (
    WeirDevice *device, WeirDnnlSpec *dnnl, uint32_t added, GError **error)
{
  g_autoptr (WeirDnnlPrimitive) primitive = weir_dnnl_primitive_new (device->dnnl, dnnl, error);
  if (!primitive || added == WEIR_NONE || strstr (weir_dnnl_primitive_name (primitive), "amx"))
    return g_steal_pointer (&primitive);
  dnnl->post[added].is_sum = true;
  g_autoptr (WeirDnnlPrimitive) sum = weir_dnnl_primitive_new (device->dnnl, dnnl, NULL);
  if (sum && strstr (weir_dnnl_primitive_name (sum), "amx"))
    return g_steal_pointer (&sum);
  dnnl->post[added].is_sum = false;
  return g_steal_pointer (&primitive);
}

static void name_error (const WeirStepSpec *spec, GError **error)
{
  g_autofree char *src = weir_tensor_describe (&spec->src[0]);
  g_autofree char *dst = weir_tensor_describe (&spec->dst[0]);
  g_prefix_error (error, "%s of %s to %s: ", weir_op_info (spec->node->op)->name, src, dst);
}

static void remember_post (
    WeirCpuPrimitive *self, const WeirDnnlSpec *dnnl, const uint32_t *post_src)
{
  self->sum_src = WEIR_NONE;
  self->n_post = dnnl->n_post;
  for (uint32_t i = 0; i < dnnl->n_post; i++) {
    self->post_src[i] = dnnl->post[i].is_sum ? WEIR_NONE : post_src[i];
    if (dnnl->post[i].is_sum)
      self->sum_src = post_src[i];
  }
}

/* Multiplications and comparisons of a run. */
static double count_work (const WeirDnnlSpec *dnnl)
{
  double work = 1;
  for (uint32_t i = 0; i < dnnl->dst.rank; i++)
    work *= (double) dnnl->dst.dims[i];
  for (uint32_t i = 0; i < dnnl->n_spatial; i++)
    work *= (double) dnnl->kernel[i];
  if (dnnl->kind == WEIR_DNNL_MATMUL)
    work *= (double) dnnl->src.dims[dnnl->src.rank - 1];
  else if (dnnl->weights.rank) /* [groups,] outputs, inputs, kernel */
    work *= (double) dnnl->weights.dims[dnnl->weights.rank - 1 - dnnl->n_spatial];
  return work;
}

WeirCpuKernel *weir_cpu_primitive_new (WeirDevice *device, const WeirStepSpec *spec,
    WeirDnnlSpec *dnnl, const WeirCpuWeights *weights, float *bias, size_t *scratch_bytes,
    GError **error)
{
  uint32_t post_src[WEIR_DNNL_MAX_POST];
  fill_post (spec, dnnl, post_src);
  return weir_cpu_primitive_build (
      device, spec, dnnl, post_src, weights, bias, scratch_bytes, error);
}

WeirCpuKernel *weir_cpu_primitive_build (WeirDevice *device, const WeirStepSpec *spec,
    WeirDnnlSpec *dnnl, const uint32_t *post_src, const WeirCpuWeights *weights, float *bias,
    size_t *scratch_bytes, GError **error)
{
  WeirCpuPrimitive *self =
      (WeirCpuPrimitive *) weir_cpu_kernel_new (device, spec, sizeof *self, NULL, run);
  self->bias = bias;
  if (dnnl->n_scales)
    self->scales = g_memdup2 (dnnl->scales, dnnl->n_scales * sizeof *dnnl->scales);
  self->src_zero = dnnl->src_zero;
  self->base.bind = bind;
  self->base.free = release;
  dnnl->packs_weights = weights != NULL;
  if (count_work (dnnl) < SHARED_WORK)
    self->base.n_threads = 1;
  WeirCpuThread before = weir_cpu_thread_enter (self->base.n_threads);
  self->primitive = best_primitive (device, dnnl, find_added (dnnl), error);
  remember_post (self, dnnl, post_src);
  if (self->primitive && weights)
    self->weights = get_packed (device, dnnl, weights, &self->primitive, error);
  weir_cpu_thread_leave (before);
  if (!self->primitive || (weights && !self->weights) ||
      !weir_tensor_bytes (&spec->dst[0], &self->dst_bytes)) {
    name_error (spec, error);
    release (&self->base);
    return NULL;
  }
  self->base.name = weir_dnnl_primitive_name (self->primitive);
  *scratch_bytes = weir_dnnl_primitive_scratch_bytes (self->primitive);
  return &self->base;
}
