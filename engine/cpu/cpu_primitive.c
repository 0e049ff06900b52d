/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Kernels that run one oneDNN primitive.
 *
 * Packed weights are kept per device by the address of the constant they come from. Plans for other
 * batch sizes ask for the same constants: they get the form that is there if the primitive wants
 * just that, or if it runs in the same implementation with it; only else another form is packed.
 *
 * A residual that nothing else reads is summed onto in place: the result takes its bytes. Others
 * are added by a binary post-op, which reads them where they lie. oneDNN's fastest implementations
 * take the sum alone; for those on AMX the residual is copied to dst first.
 *
 * Post-ops from the first on that oneDNN does not have are loops of our own over the results. */
#include "engine/cpu/cpu_crew.h"
#include "engine/cpu/cpu_parts.h"
#include "engine/cpu/cpu_row_posts.h"

#include <stdlib.h>
#include <string.h>

#define PARALLEL_ELEMENTS 8192

/* One part's primitive. */
typedef struct Part {
  WeirDnnlPrimitive *primitive;
  WeirPacked *weights; /* NULL: the first part's, if it has any */
  WeirCpuPart begin;
  size_t scratch_bytes; /* where its scratch memory begins */
  size_t result_bytes;  /* where its results stand there, if they are to be copied */
} Part;

typedef struct Kernel {
  WeirCpuKernel base;
  uint32_t n_parts;
  Part *parts;
  float *bias, *scales;
  bool scales_vary; /* one a channel */
  int64_t n_channels;
  int32_t src_zero;
  uint32_t n_post;
  uint32_t post_src[WEIR_DNNL_MAX_POST]; /* index of the added source, WEIR_NONE */
  uint32_t sum_src;                      /* stands in dst before it runs, WEIR_NONE */
  size_t dst_bytes;
  WeirCpuRowPosts rest; /* those behind what oneDNN does */
  WeirDtype dst_dtype;
} Kernel;

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
  bool is_ready = weights->scale == 1 && weights->constant->dtype == WEIR_DTYPE_F32;
  int64_t n = 0;
  g_autofree float *data =
      weights->codes || is_ready ? NULL : weir_cpu_constant_f32 (weights->constant, &n);
  const void *source = weights->codes ? (const void *) weights->codes
                       : is_ready     ? weir_tensor_data (weights->constant)
                                      : data;
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

static void *at (void *address, size_t n_bytes)
{
  return (char *) address + n_bytes;
}

static WeirDnnlBound *bind_part (
    const Kernel *self, const Part *part, const WeirCpuBound *bound, GError **error)
{
  const WeirPacked *weights = part->weights ? part->weights : self->parts[0].weights;
  const WeirCpuPart *begin = &part->begin;
  WeirDnnlArgs args = { .src = at (bound->src[0], begin->src_bytes),
    .dst = begin->n_channels ? at (bound->scratch, part->result_bytes)
                             : at (bound->dst[0], begin->dst_bytes),
    .weights = weights                ? weights->data
               : self->base.n_src > 1 ? bound->src[1]
                                      : NULL,
    .bias = self->bias ? self->bias + begin->first_channel : NULL,
    .scratch = at (bound->scratch, part->scratch_bytes),
    .scales = self->scales_vary ? self->scales + begin->first_channel : self->scales,
    .src_zero = &self->src_zero };
  for (uint32_t i = 0; i < self->n_post; i++)
    if (self->post_src[i] != WEIR_NONE)
      args.added[i] = at (bound->src[self->post_src[i]], part->begin.added_bytes[i]);
  return weir_dnnl_bind (part->primitive, &args, error);
}

static bool bind (const WeirCpuKernel *kernel, WeirCpuBound *bound, GError **error)
{
  const Kernel *self = (const Kernel *) kernel;
  bound->dnnl = g_new0 (WeirDnnlBound *, self->n_parts + 1);
  for (uint32_t k = 0; k < self->n_parts; k++)
    if (!(bound->dnnl[k] = bind_part (self, &self->parts[k], bound, error)))
      return false;
  return true;
}

/* A run of all parts: one of those that failed tells why. */
typedef struct Job {
  const WeirCpuBound *bound;
  GError **error;
} Job;

/* Some channels of every pixel, from where they stand side by side. */
static void place_channels (const Kernel *self, const Part *part, const WeirCpuBound *bound)
{
  size_t size = weir_dtype_bytes (self->dst_dtype);
  size_t n_bytes = (size_t) part->begin.n_channels * size, row = (size_t) self->n_channels * size;
  const char *src = at (bound->scratch, part->result_bytes);
  char *dst = at (bound->dst[0], (size_t) part->begin.first_channel * size);
  for (size_t i = 0; i < self->dst_bytes / row; i++)
    memcpy (dst + i * row, src + i * n_bytes, n_bytes);
}

static void run_part (const void *data, uint32_t k)
{
  const Job *job = data;
  const Kernel *self = (const Kernel *) job->bound->kernel;
  GError *error = NULL;
  if (!weir_dnnl_run (job->bound->dnnl[k], &error)) {
    if (!g_atomic_pointer_compare_and_exchange (job->error, NULL, error))
      g_error_free (error);
  } else if (self->parts[k].begin.n_channels) {
    place_channels (self, &self->parts[k], job->bound);
  }
}

static void run_rest (const void *data, int64_t begin, int64_t end)
{
  const WeirCpuBound *bound = data;
  const Kernel *self = (const Kernel *) bound->kernel;
  weir_cpu_row_posts_apply (&self->rest, self->base.device->kernels, bound, self->dst_dtype, begin,
      (size_t) (end - begin));
}

static bool run (const WeirCpuBound *bound, GError **error)
{
  const Kernel *self = (const Kernel *) bound->kernel;
  GError *failure = NULL;
  Job job = { bound, &failure };
  if (self->sum_src != WEIR_NONE && bound->dst[0] != bound->src[self->sum_src])
    memcpy (bound->dst[0], bound->src[self->sum_src], self->dst_bytes);
  weir_cpu_crew_run (self->n_parts, run_part, &job);
  if (failure)
    g_propagate_error (error, failure);
  else if (self->rest.n)
    weir_cpu_for (self->base.device->n_threads,
        (int64_t) (self->dst_bytes / weir_dtype_bytes (self->dst_dtype)), PARALLEL_ELEMENTS,
        run_rest, bound);
  return !failure;
}

static void drop_parts (Kernel *self)
{
  for (uint32_t k = 0; k < self->n_parts; k++) {
    weir_dnnl_primitive_free (self->parts[k].primitive);
    if (self->parts[k].weights)
      packed_unref (self->base.device, self->parts[k].weights);
  }
  g_clear_pointer (&self->parts, g_free);
  self->n_parts = 0;
}

static void release (WeirCpuKernel *kernel)
{
  Kernel *self = (Kernel *) kernel;
  drop_parts (self);
  g_free (self->bias);
  g_free (self->scales);
  g_free (self);
}

bool weir_cpu_accepts_post (const WeirStepSpec *spec)
{
  const WeirNode *node = spec->node;
  for (uint32_t i = 0; i < node->n_post; i++) {
    const WeirPostOp *post = &node->post[i];
    if (!weir_dnnl_has_post (post->op) && !weir_cpu_has_unary (post->op))
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

/* How many of the post-ops are oneDNN's: those before the first that it does not have. */
static uint32_t count_post (const WeirStepSpec *spec)
{
  uint32_t n = 0;
  while (n < spec->node->n_post && weir_dnnl_has_post (spec->node->post[n].op))
    n++;
  return n;
}

static void fill_post (const WeirStepSpec *spec, WeirDnnlSpec *dnnl, uint32_t *post_src)
{
  uint32_t n = count_post (spec);
  for (uint32_t i = 0; i < n; i++) {
    const WeirPostOp *post = &spec->node->post[i];
    dnnl->post[i] = (WeirDnnlPost){ .op = post->op, .alpha = post->alpha, .beta = post->beta };
    post_src[i] = post->op == WEIR_OP_ADD ? post->src : WEIR_NONE;
    if (post->op == WEIR_OP_ADD)
      dnnl->post[i].added = weir_cpu_dnnl_shape (&spec->src[post->src]);
  }
  dnnl->n_post = n;
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

/* With the residual summed onto dst where that `is_free`, or if only that keeps AMX. */
static WeirDnnlPrimitive *best_primitive (
    WeirDevice *device, WeirDnnlSpec *dnnl, uint32_t added, bool is_free, GError **error)
{
  g_autoptr (WeirDnnlPrimitive) primitive = NULL;
  if (is_free) {
    dnnl->post[added].is_sum = true;
    if ((primitive = weir_dnnl_primitive_new (device->dnnl, dnnl, NULL)))
      return g_steal_pointer (&primitive);
    dnnl->post[added].is_sum = false;
  }
  primitive = weir_dnnl_primitive_new (device->dnnl, dnnl, error);
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

static void remember_post (Kernel *self, const WeirDnnlSpec *dnnl, const uint32_t *post_src)
{
  self->sum_src = WEIR_NONE;
  self->n_post = dnnl->n_post;
  for (uint32_t i = 0; i < dnnl->n_post; i++) {
    self->post_src[i] = dnnl->post[i].is_sum ? WEIR_NONE : post_src[i];
    if (dnnl->post[i].is_sum)
      self->sum_src = post_src[i];
  }
}

WeirCpuKernel *weir_cpu_primitive_new (WeirDevice *device, const WeirStepSpec *spec,
    WeirDnnlSpec *dnnl, const WeirCpuWeights *weights, float *bias, size_t *scratch_bytes,
    GError **error)
{
  uint32_t post_src[WEIR_DNNL_MAX_POST];
  fill_post (spec, dnnl, post_src);
  WeirCpuKernel *kernel =
      weir_cpu_primitive_build (device, spec, dnnl, post_src, weights, bias, scratch_bytes, error);
  if (kernel)
    weir_cpu_row_posts_take (&((Kernel *) kernel)->rest, device, spec, dnnl->n_post);
  return kernel;
}

/* What all parts are made from. */
typedef struct Recipe {
  const WeirDnnlSpec *whole;
  const WeirCpuWeights *weights; /* or NULL */
  const uint32_t *post_src;
  uint32_t added; /* see find_added */
  bool is_free;   /* it may be summed onto in place */
} Recipe;

/* Weights of the channels that a part gives; `view` becomes its constant. They lie side by side. */
static WeirCpuWeights cut_weights (
    const WeirCpuWeights *whole, const WeirCpuPart *part, WeirTensor *view)
{
  WeirCpuWeights weights = *whole;
  if (part->n_channels == 0)
    return weights;
  int64_t first = part->first_channel * whole->shape.strides[0];
  *view = *whole->constant;
  view->offset_bytes += (size_t) first * weir_dtype_bytes (view->dtype);
  view->dims[0] = weights.shape.dims[0] = part->n_channels;
  weights.constant = view;
  if (weights.codes)
    weights.codes += first;
  return weights;
}

/* The first part chooses the implementation, and the weights unless each has its own. */
static WeirDnnlPrimitive *make_first (
    Kernel *self, const Recipe *recipe, Part *part, WeirDnnlSpec *dnnl, GError **error)
{
  WeirDevice *device = self->base.device;
  g_autoptr (WeirDnnlPrimitive) primitive =
      best_primitive (device, dnnl, recipe->added, recipe->is_free, error);
  if (!primitive || !recipe->weights)
    return g_steal_pointer (&primitive);
  WeirTensor view;
  WeirCpuWeights weights = cut_weights (recipe->weights, &part->begin, &view);
  part->weights = get_packed (device, dnnl, &weights, &primitive, error);
  return part->weights ? g_steal_pointer (&primitive) : NULL;
}

/* The others must run as the first does. */
static WeirDnnlPrimitive *make_other (const Kernel *self, WeirDnnlSpec *dnnl)
{
  const Part *first = &self->parts[0];
  dnnl->packed = first->weights ? first->weights->layout : NULL;
  g_autoptr (WeirDnnlPrimitive) primitive =
      weir_dnnl_primitive_new (self->base.device->dnnl, dnnl, NULL);
  if (!primitive || strcmp (weir_dnnl_primitive_name (primitive),
                        weir_dnnl_primitive_name (first->primitive)) != 0)
    return NULL;
  return g_steal_pointer (&primitive);
}

/* True where the first part runs as the whole does. */
static bool keeps_implementation (WeirDevice *device, const WeirDnnlSpec *whole, uint32_t n_parts)
{
  WeirDnnlSpec first;
  weir_cpu_cut_part (whole, n_parts, 0, &first);
  return g_strcmp0 (
             weir_dnnl_choose (device->dnnl, whole), weir_dnnl_choose (device->dnnl, &first)) == 0;
}

static size_t whole_lines (size_t n_bytes)
{
  return (n_bytes + 63) & ~(size_t) 63;
}

static size_t add_scratch (const Kernel *self, Part *part, size_t n_bytes)
{
  part->result_bytes = whole_lines (n_bytes);
  part->scratch_bytes = part->result_bytes;
  if (part->begin.n_channels)
    part->scratch_bytes +=
        whole_lines (self->dst_bytes / (size_t) self->n_channels * (size_t) part->begin.n_channels);
  return part->scratch_bytes + weir_dnnl_primitive_scratch_bytes (part->primitive);
}

/* False: it cannot run in so many parts, or not at all. */
static bool make_parts (
    Kernel *self, const Recipe *recipe, uint32_t n_parts, size_t *scratch_bytes, GError **error)
{
  WeirDnnlSpec first, other;
  self->parts = g_new0 (Part, n_parts);
  self->n_parts = n_parts;
  *scratch_bytes = 0;
  for (uint32_t k = 0; k < n_parts; k++) {
    Part *part = &self->parts[k];
    WeirDnnlSpec *spec = k ? &other : &first;
    part->begin = weir_cpu_cut_part (recipe->whole, n_parts, k, spec);
    for (uint32_t i = 0; k && i < first.n_post; i++)
      other.post[i].is_sum = first.post[i].is_sum;
    part->primitive = k && !part->begin.n_channels ? make_other (self, spec)
                                                   : make_first (self, recipe, part, spec, error);
    if (!part->primitive)
      return false;
    *scratch_bytes = add_scratch (self, part, *scratch_bytes);
  }
  remember_post (self, &first, recipe->post_src);
  return true;
}

static bool make (Kernel *self, const Recipe *recipe, size_t *scratch_bytes, GError **error)
{
  WeirDevice *device = self->base.device;
  uint32_t n_parts = weir_cpu_count_parts (recipe->whole, device->n_threads);
  if (n_parts > 1 && keeps_implementation (device, recipe->whole, n_parts) &&
      make_parts (self, recipe, n_parts, scratch_bytes, NULL))
    return true;
  drop_parts (self);
  return make_parts (self, recipe, 1, scratch_bytes, error);
}

WeirCpuKernel *weir_cpu_primitive_build (WeirDevice *device, const WeirStepSpec *spec,
    WeirDnnlSpec *dnnl, const uint32_t *post_src, const WeirCpuWeights *weights, float *bias,
    size_t *scratch_bytes, GError **error)
{
  Kernel *self = (Kernel *) weir_cpu_kernel_new (device, spec, sizeof *self, NULL, run);
  Recipe recipe = { dnnl, weights, post_src, .added = find_added (dnnl) };
  self->bias = bias;
  self->n_channels = dnnl->dst.dims[1];
  self->scales_vary = dnnl->n_scales > 1;
  if (dnnl->n_scales)
    self->scales = g_memdup2 (dnnl->scales, dnnl->n_scales * sizeof *dnnl->scales);
  self->src_zero = dnnl->src_zero;
  self->dst_dtype = spec->dst[0].dtype;
  self->base.bind = bind;
  self->base.free = release;
  dnnl->packs_weights = weights != NULL;
  recipe.is_free = recipe.added != WEIR_NONE && post_src[recipe.added] < 32 &&
                   (spec->may_overwrite >> post_src[recipe.added] & 1);
  if (!weir_tensor_bytes (&spec->dst[0], &self->dst_bytes) ||
      !make (self, &recipe, scratch_bytes, error)) {
    name_error (spec, error);
    release (&self->base);
    return NULL;
  }
  if (recipe.is_free)
    self->base.overwritten = self->sum_src;
  self->base.name = weir_dnnl_primitive_name (self->parts[0].primitive);
  return &self->base;
}
