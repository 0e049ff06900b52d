/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The CPU backend: oneDNN for convolutions, pools and matrices, own loops for the rest.
 *
 * Activations of rank 3 and more are channels-last, in f32 or bf16. An operator without a row in
 * the table below, or whose `propose` declines, is the reference backend's. */
#include "engine/cpu/cpu.h"

#include "engine/cpu/cpu_crew.h"
#include "kernels/kernels.h"

static const WeirCpuOp *const operators[WEIR_N_OPS] = {
  [WEIR_OP_CONV] = &weir_cpu_convolution,
  [WEIR_OP_CONV_TRANSPOSE] = &weir_cpu_convolution,
  [WEIR_OP_MAX_POOL] = &weir_cpu_pool,
  [WEIR_OP_AVERAGE_POOL] = &weir_cpu_pool,
  [WEIR_OP_GLOBAL_AVERAGE_POOL] = &weir_cpu_global_pool,
  [WEIR_OP_GLOBAL_MAX_POOL] = &weir_cpu_global_pool,
  [WEIR_OP_REDUCE_MEAN] = &weir_cpu_global_pool,
  [WEIR_OP_GEMM] = &weir_cpu_matrix,
  [WEIR_OP_MAT_MUL] = &weir_cpu_matrix,
  [WEIR_OP_ABS] = &weir_cpu_unary,
  [WEIR_OP_AFFINE] = &weir_cpu_unary,
  [WEIR_OP_CEIL] = &weir_cpu_unary,
  [WEIR_OP_CELU] = &weir_cpu_unary,
  [WEIR_OP_CLIP] = &weir_cpu_unary,
  [WEIR_OP_ELU] = &weir_cpu_unary,
  [WEIR_OP_ERF] = &weir_cpu_unary,
  [WEIR_OP_EXP] = &weir_cpu_unary,
  [WEIR_OP_FLOOR] = &weir_cpu_unary,
  [WEIR_OP_GELU] = &weir_cpu_unary,
  [WEIR_OP_HARD_SIGMOID] = &weir_cpu_unary,
  [WEIR_OP_HARD_SWISH] = &weir_cpu_unary,
  [WEIR_OP_LEAKY_RELU] = &weir_cpu_unary,
  [WEIR_OP_MISH] = &weir_cpu_unary,
  [WEIR_OP_NEG] = &weir_cpu_unary,
  [WEIR_OP_RECIPROCAL] = &weir_cpu_unary,
  [WEIR_OP_RELU] = &weir_cpu_unary,
  [WEIR_OP_ROUND] = &weir_cpu_unary,
  [WEIR_OP_ROUND_TO_CODES] = &weir_cpu_unary,
  [WEIR_OP_ROUND_TO_LEVELS] = &weir_cpu_unary,
  [WEIR_OP_SCALED_TANH] = &weir_cpu_unary,
  [WEIR_OP_SELU] = &weir_cpu_unary,
  [WEIR_OP_SIGMOID] = &weir_cpu_unary,
  [WEIR_OP_SIGN] = &weir_cpu_unary,
  [WEIR_OP_SOFTSIGN] = &weir_cpu_unary,
  [WEIR_OP_SQRT] = &weir_cpu_unary,
  [WEIR_OP_QUICK_GELU] = &weir_cpu_unary,
  [WEIR_OP_SWISH] = &weir_cpu_unary,
  [WEIR_OP_TANH] = &weir_cpu_unary,
  [WEIR_OP_THRESHOLDED_RELU] = &weir_cpu_unary,
  [WEIR_OP_ADD] = &weir_cpu_binary,
  [WEIR_OP_SUB] = &weir_cpu_binary,
  [WEIR_OP_MUL] = &weir_cpu_binary,
  [WEIR_OP_DIV] = &weir_cpu_binary,
  [WEIR_OP_PRELU] = &weir_cpu_binary,
  [WEIR_OP_BATCH_NORMALIZATION] = &weir_cpu_batch_norm,
  [WEIR_OP_IMAGE_SCALER] = &weir_cpu_image_scaler,
  [WEIR_OP_MEAN_VARIANCE_NORMALIZATION] = &weir_cpu_normalise,
  [WEIR_OP_OV_MVN] = &weir_cpu_normalise,
  [WEIR_OP_INSTANCE_NORMALIZATION] = &weir_cpu_normalise,
  [WEIR_OP_GROUP_NORMALIZATION] = &weir_cpu_normalise,
  [WEIR_OP_LAYER_NORMALIZATION] = &weir_cpu_normalise,
  [WEIR_OP_RMS_NORMALIZATION] = &weir_cpu_normalise,
  [WEIR_OP_SOFTMAX] = &weir_cpu_softmax,
  [WEIR_OP_LOG_SOFTMAX] = &weir_cpu_softmax,
  [WEIR_OP_RESIZE] = &weir_cpu_resize,
  [WEIR_OP_OV_FAKE_QUANTIZE] = &weir_cpu_fake_quantize,
  [WEIR_OP_OV_INTERPOLATE] = &weir_cpu_resize,
  [WEIR_OP_UPSAMPLE] = &weir_cpu_resize,
  [WEIR_OP_CONCAT] = &weir_cpu_concat,
  [WEIR_OP_SPLIT] = &weir_cpu_split,
  [WEIR_OP_SLICE] = &weir_cpu_slice,
  [WEIR_OP_CROP] = &weir_cpu_slice,
  [WEIR_OP_PAD] = &weir_cpu_pad,
  [WEIR_OP_TRANSPOSE] = &weir_cpu_permute,
  [WEIR_OP_CHANNEL_SHUFFLE] = &weir_cpu_permute,
  [WEIR_OP_CHANNEL_GATHER] = &weir_cpu_channel_gather,
  [WEIR_OP_DEPTH_TO_SPACE] = &weir_cpu_permute,
  [WEIR_OP_SPACE_TO_DEPTH] = &weir_cpu_permute,
  [WEIR_OP_TILE] = &weir_cpu_repeat,
  [WEIR_OP_EXPAND] = &weir_cpu_repeat,
  [WEIR_OP_REORDER] = &weir_cpu_reorder,
  [WEIR_OP_QUANTISED_CONV] = &weir_cpu_quantised_convolution,
  [WEIR_OP_Q_LINEAR_CONV] = &weir_cpu_quantised_convolution,
  [WEIR_OP_QUANTISED_MAT_MUL] = &weir_cpu_quantised_matrix,
  [WEIR_OP_Q_LINEAR_MAT_MUL] = &weir_cpu_quantised_matrix,
  [WEIR_OP_Q_GEMM] = &weir_cpu_quantised_matrix,
  [WEIR_OP_QUANTIZE_LINEAR] = &weir_cpu_quantise,
  [WEIR_OP_DEQUANTIZE_LINEAR] = &weir_cpu_dequantise,
  [WEIR_OP_Q_LINEAR_ADD] = &weir_cpu_quantised_binary,
  [WEIR_OP_Q_LINEAR_MUL] = &weir_cpu_quantised_binary,
  [WEIR_OP_Q_LINEAR_GLOBAL_AVERAGE_POOL] = &weir_cpu_quantised_global_pool,
  [WEIR_OP_Q_LINEAR_CONCAT] = &weir_cpu_quantised_concat,
  [WEIR_OP_Q_LINEAR_SIGMOID] = &weir_cpu_quantised_unary,
  [WEIR_OP_Q_LINEAR_LEAKY_RELU] = &weir_cpu_quantised_unary,
  [WEIR_OP_LOOKUP] = &weir_cpu_lookup,
  [WEIR_OP_Q_LINEAR_AVERAGE_POOL] = &weir_cpu_widened,
  [WEIR_OP_Q_LINEAR_SOFTMAX] = &weir_cpu_widened,
  [WEIR_OP_CONV_INTEGER] = &weir_cpu_widened,
  [WEIR_OP_MAT_MUL_INTEGER] = &weir_cpu_widened,
  [WEIR_OP_DYNAMIC_QUANTIZE_LINEAR] = &weir_cpu_dynamic_quantise,
  [WEIR_OP_CAST] = &weir_cpu_cast,
};

static WeirPrecision precision_of (const WeirDevice *device)
{
  return device->precision;
}

static void close_device (WeirDevice *device)
{
  if (!device)
    return;
  weir_dnnl_free (device->dnnl);
  g_hash_table_unref (device->packed);
  g_hash_table_unref (device->blobs);
  g_free (device->is_tail);
  weir_mutex_clear (&device->lock);
  weir_cpu_crew_unref ();
  g_free (device);
}

/* Whether oneDNN has a bf16 convolution here: natively, or emulated with AVX-512. */
static bool can_bf16 (WeirDnnl *dnnl)
{
  WeirTensor picture = { .dtype = WEIR_DTYPE_BF16,
    .layout = WEIR_LAYOUT_CHANNELS_LAST,
    .rank = 4,
    .dims = { 1, 16, 8, 8 } };
  WeirTensor weights = { .dtype = WEIR_DTYPE_BF16, .rank = 4, .dims = { 16, 16, 1, 1 } };
  WeirDnnlSpec spec = { .kind = WEIR_DNNL_CONVOLUTION,
    .src = weir_cpu_dnnl_shape (&picture),
    .weights = weir_cpu_dnnl_shape (&weights),
    .dst = weir_cpu_dnnl_shape (&picture),
    .packs_weights = true,
    .n_spatial = 2,
    .kernel = { 1, 1 },
    .stride = { 1, 1 },
    .dilation = { 1, 1 } };
  g_autoptr (WeirDnnlPrimitive) primitive = weir_dnnl_primitive_new (dnnl, &spec, NULL);
  return primitive != NULL;
}

static bool choose_precision (WeirDevice *device, WeirPrecision asked, GError **error)
{
  if (asked == WEIR_PRECISION_AUTO)
    asked = weir_cpu_has_bf16 () ? WEIR_PRECISION_BF16 : WEIR_PRECISION_F32;
  bool is_bf16 = asked == WEIR_PRECISION_BF16;
  if (asked == WEIR_PRECISION_F16 || (is_bf16 && !can_bf16 (device->dnnl))) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_UNSUPPORTED,
        "precision %s is not possible on this CPU, expected auto, f32%s or int8",
        weir_precision_name (asked), can_bf16 (device->dnnl) ? ", bf16" : "");
    return false;
  }
  device->precision = asked;
  device->dtype = is_bf16 ? WEIR_DTYPE_BF16 : WEIR_DTYPE_F32;
  return true;
}

static WeirDevice *open_device (const WeirDeviceOptions *options, GError **error)
{
  WeirDevice *device = g_new0 (WeirDevice, 1);
  weir_mutex_init (&device->lock);
  weir_cpu_crew_ref ();
  device->packed = weir_cpu_packed_table_new ();
  device->blobs = weir_cpu_blob_table_new ();
  device->n_threads = MAX (options->n_threads, 1);
  device->kernels = weir_tensor_kernels ();
  device->dnnl = weir_dnnl_new (error);
  if (device->dnnl && choose_precision (device, options->precision, error))
    return device;
  close_device (device);
  return NULL;
}

static bool propose (WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  const WeirCpuOp *op = operators[spec->node->op];
  return op && op->propose (device, spec, src, dst);
}

static void *compile (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  *scratch_bytes = 0;
  WeirCpuThread before = weir_cpu_thread_enter ();
  void *kernel = operators[spec->node->op]->compile (device, spec, scratch_bytes, error);
  weir_cpu_thread_leave (before);
  return kernel;
}

static void free_plain (WeirCpuKernel *kernel)
{
  g_free (kernel);
}

WeirCpuKernel *weir_cpu_kernel_new (WeirDevice *device, const WeirStepSpec *spec, size_t n_bytes,
    const char *name, bool (*run) (const WeirCpuBound *bound, GError **error))
{
  WeirCpuKernel *kernel = g_malloc0 (n_bytes);
  kernel->name = name;
  kernel->device = device;
  kernel->n_src = spec->n_src;
  kernel->n_dst = spec->n_dst;
  kernel->overwritten = WEIR_NONE;
  kernel->run = run;
  kernel->free = free_plain;
  return kernel;
}

static void release (void *kernel)
{
  if (kernel)
    ((WeirCpuKernel *) kernel)->free (kernel);
}

void weir_cpu_unbind (WeirCpuBound *bound)
{
  if (!bound)
    return;
  weir_cpu_unbind (bound->inner);
  for (uint32_t k = 0; bound->dnnl && bound->dnnl[k]; k++)
    weir_dnnl_unbind (bound->dnnl[k]);
  g_free (bound->dnnl);
  g_free (bound);
}

WeirCpuBound *weir_cpu_bind (
    const WeirCpuKernel *kernel, const WeirBinding *binding, GError **error)
{
  uint32_t n_src = kernel->n_src, n_dst = kernel->n_dst;
  WeirCpuBound *bound = g_malloc0 (sizeof *bound + (n_src + n_dst) * sizeof (void *));
  bound->kernel = kernel;
  bound->scratch = binding->scratch;
  bound->src = (void **) (bound + 1);
  bound->dst = bound->src + n_src;
  for (uint32_t i = 0; i < n_src; i++)
    bound->src[i] = binding->src[i];
  for (uint32_t i = 0; i < n_dst; i++)
    bound->dst[i] = binding->dst[i];
  if (!kernel->bind || kernel->bind (kernel, bound, error))
    return bound;
  weir_cpu_unbind (bound);
  return NULL;
}

static void *bind (void *kernel, const WeirBinding *binding, GError **error)
{
  return weir_cpu_bind (kernel, binding, error);
}

static void unbind (void *bound)
{
  weir_cpu_unbind (bound);
}

static bool run (void *data, GError **error)
{
  const WeirCpuBound *bound = data;
  WeirCpuThread before = weir_cpu_thread_enter ();
  bool ok = bound->kernel->run (bound, error);
  weir_cpu_thread_leave (before);
  return ok;
}

static const char *describe (const void *kernel)
{
  return ((const WeirCpuKernel *) kernel)->name;
}

static uint32_t overwrites (const void *kernel)
{
  return ((const WeirCpuKernel *) kernel)->overwritten;
}

static bool may_join (const void *first, const WeirStepSpec *second)
{
  return weir_cpu_may_join_strips (first, second) || weir_cpu_may_join_stem (first, second);
}

static void *join (void *first, void *second, size_t *scratch_bytes)
{
  WeirCpuAffine affine;
  return weir_cpu_affine_rows (first, &affine)
             ? weir_cpu_join_stem (first, second, scratch_bytes)
             : weir_cpu_join_strips (first, second, scratch_bytes);
}

static void begin_batch (WeirDevice *device)
{
  weir_cpu_crew_begin ();
}

static uint64_t end_batch (WeirDevice *device)
{
  return weir_cpu_crew_end ();
}

static size_t weight_bytes (const WeirDevice *device)
{
  WeirMutex *lock = (WeirMutex *) &device->lock;
  weir_mutex_lock (lock);
  size_t n_bytes = device->weight_bytes;
  weir_mutex_unlock (lock);
  return n_bytes;
}

static const char *library (const WeirDevice *device)
{
  return weir_dnnl_version ();
}

const WeirBackend weir_backend_cpu = {
  .name = "cpu",
  .precision = precision_of,
  .open = open_device,
  .close = close_device,
  .propose = propose,
  .compile = compile,
  .release = release,
  .bind = bind,
  .run = run,
  .unbind = unbind,
  .describe = describe,
  .overwrites = overwrites,
  .may_join = may_join,
  .join = join,
  .begin_batch = begin_batch,
  .end_batch = end_batch,
  .weight_bytes = weight_bytes,
  .library = library,
};
