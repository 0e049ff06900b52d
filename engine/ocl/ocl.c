/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The OpenCL backend: which operators have kernels, and how a step becomes calls on a queue.
 *
 * An operator without a row in the table below, or whose `propose` declines, is the reference
 * backend's. */
#include "engine/ocl/ocl.h"

#include "engine/ocl/ocl_peak.h"
#include "engine/ocl/ocl_picture.h"

/* Of a GPU: beyond, what a batch costs once is a hundredth of it at most. */
#define BATCH_MAX 64

static const WeirOclOp *const operators[WEIR_N_OPS] = {
  [WEIR_OP_CONV] = &weir_ocl_convolution,
  [WEIR_OP_CONV_TRANSPOSE] = &weir_ocl_convolution,
  [WEIR_OP_MAX_POOL] = &weir_ocl_pool,
  [WEIR_OP_AVERAGE_POOL] = &weir_ocl_pool,
  [WEIR_OP_GLOBAL_AVERAGE_POOL] = &weir_ocl_reduce,
  [WEIR_OP_GLOBAL_MAX_POOL] = &weir_ocl_reduce,
  [WEIR_OP_REDUCE_L1] = &weir_ocl_reduce,
  [WEIR_OP_REDUCE_L2] = &weir_ocl_reduce,
  [WEIR_OP_REDUCE_MAX] = &weir_ocl_reduce,
  [WEIR_OP_REDUCE_MEAN] = &weir_ocl_reduce,
  [WEIR_OP_REDUCE_MIN] = &weir_ocl_reduce,
  [WEIR_OP_REDUCE_SUM] = &weir_ocl_reduce,
  [WEIR_OP_REDUCE_SUM_SQUARE] = &weir_ocl_reduce,
  [WEIR_OP_GEMM] = &weir_ocl_matrix,
  [WEIR_OP_MAT_MUL] = &weir_ocl_matrix,
  [WEIR_OP_ABS] = &weir_ocl_unary,
  [WEIR_OP_AFFINE] = &weir_ocl_unary,
  [WEIR_OP_CEIL] = &weir_ocl_unary,
  [WEIR_OP_CELU] = &weir_ocl_unary,
  [WEIR_OP_CLIP] = &weir_ocl_unary,
  [WEIR_OP_COS] = &weir_ocl_unary,
  [WEIR_OP_ELU] = &weir_ocl_unary,
  [WEIR_OP_ERF] = &weir_ocl_unary,
  [WEIR_OP_EXP] = &weir_ocl_unary,
  [WEIR_OP_FLOOR] = &weir_ocl_unary,
  [WEIR_OP_GELU] = &weir_ocl_unary,
  [WEIR_OP_HARD_SIGMOID] = &weir_ocl_unary,
  [WEIR_OP_HARD_SWISH] = &weir_ocl_unary,
  [WEIR_OP_LEAKY_RELU] = &weir_ocl_unary,
  [WEIR_OP_LOG] = &weir_ocl_unary,
  [WEIR_OP_MISH] = &weir_ocl_unary,
  [WEIR_OP_NEG] = &weir_ocl_unary,
  [WEIR_OP_QUICK_GELU] = &weir_ocl_unary,
  [WEIR_OP_RECIPROCAL] = &weir_ocl_unary,
  [WEIR_OP_RELU] = &weir_ocl_unary,
  [WEIR_OP_ROUND] = &weir_ocl_unary,
  [WEIR_OP_ROUND_TO_CODES] = &weir_ocl_unary,
  [WEIR_OP_ROUND_TO_LEVELS] = &weir_ocl_unary,
  [WEIR_OP_SCALED_TANH] = &weir_ocl_unary,
  [WEIR_OP_SELU] = &weir_ocl_unary,
  [WEIR_OP_SIGMOID] = &weir_ocl_unary,
  [WEIR_OP_SIGN] = &weir_ocl_unary,
  [WEIR_OP_SIN] = &weir_ocl_unary,
  [WEIR_OP_SOFTPLUS] = &weir_ocl_unary,
  [WEIR_OP_SOFTSIGN] = &weir_ocl_unary,
  [WEIR_OP_SQRT] = &weir_ocl_unary,
  [WEIR_OP_SWISH] = &weir_ocl_unary,
  [WEIR_OP_TANH] = &weir_ocl_unary,
  [WEIR_OP_THRESHOLDED_RELU] = &weir_ocl_unary,
  [WEIR_OP_ADD] = &weir_ocl_binary,
  [WEIR_OP_SUB] = &weir_ocl_binary,
  [WEIR_OP_MUL] = &weir_ocl_binary,
  [WEIR_OP_DIV] = &weir_ocl_binary,
  [WEIR_OP_MAX] = &weir_ocl_binary,
  [WEIR_OP_MIN] = &weir_ocl_binary,
  [WEIR_OP_PRELU] = &weir_ocl_binary,
  [WEIR_OP_BATCH_NORMALIZATION] = &weir_ocl_batch_norm,
  [WEIR_OP_IMAGE_SCALER] = &weir_ocl_batch_norm,
  [WEIR_OP_MEAN_VARIANCE_NORMALIZATION] = &weir_ocl_normalise,
  [WEIR_OP_OV_MVN] = &weir_ocl_normalise,
  [WEIR_OP_INSTANCE_NORMALIZATION] = &weir_ocl_normalise,
  [WEIR_OP_GROUP_NORMALIZATION] = &weir_ocl_normalise,
  [WEIR_OP_LAYER_NORMALIZATION] = &weir_ocl_normalise,
  [WEIR_OP_RMS_NORMALIZATION] = &weir_ocl_normalise,
  [WEIR_OP_OV_NORMALIZE_L2] = &weir_ocl_normalise,
  [WEIR_OP_OV_GRN] = &weir_ocl_normalise,
  [WEIR_OP_SOFTMAX] = &weir_ocl_softmax,
  [WEIR_OP_LOG_SOFTMAX] = &weir_ocl_softmax,
  [WEIR_OP_RESIZE] = &weir_ocl_resize,
  [WEIR_OP_OV_INTERPOLATE] = &weir_ocl_resize,
  [WEIR_OP_UPSAMPLE] = &weir_ocl_resize,
  [WEIR_OP_CONCAT] = &weir_ocl_concat,
  [WEIR_OP_SPLIT] = &weir_ocl_split,
  [WEIR_OP_SLICE] = &weir_ocl_slice,
  [WEIR_OP_CROP] = &weir_ocl_slice,
  [WEIR_OP_PAD] = &weir_ocl_pad,
  [WEIR_OP_TILE] = &weir_ocl_tile,
  [WEIR_OP_EXPAND] = &weir_ocl_tile,
  [WEIR_OP_GATHER] = &weir_ocl_gather,
  [WEIR_OP_TRANSPOSE] = &weir_ocl_permute,
  [WEIR_OP_CHANNEL_SHUFFLE] = &weir_ocl_permute,
  [WEIR_OP_DEPTH_TO_SPACE] = &weir_ocl_permute,
  [WEIR_OP_SPACE_TO_DEPTH] = &weir_ocl_permute,
  [WEIR_OP_CHANNEL_GATHER] = &weir_ocl_channel_gather,
  [WEIR_OP_REORDER] = &weir_ocl_reorder,
  [WEIR_OP_QUANTISED_CONV] = &weir_ocl_int8_product,
  [WEIR_OP_Q_LINEAR_CONV] = &weir_ocl_int8_product,
  [WEIR_OP_QUANTISED_MAT_MUL] = &weir_ocl_int8_product,
  [WEIR_OP_Q_LINEAR_MAT_MUL] = &weir_ocl_int8_product,
  [WEIR_OP_Q_GEMM] = &weir_ocl_int8_product,
  [WEIR_OP_QUANTIZE_LINEAR] = &weir_ocl_quantise,
  [WEIR_OP_DEQUANTIZE_LINEAR] = &weir_ocl_dequantise,
  [WEIR_OP_Q_LINEAR_ADD] = &weir_ocl_int8_binary,
  [WEIR_OP_Q_LINEAR_MUL] = &weir_ocl_int8_binary,
  [WEIR_OP_Q_LINEAR_AVERAGE_POOL] = &weir_ocl_int8_mean,
  [WEIR_OP_Q_LINEAR_GLOBAL_AVERAGE_POOL] = &weir_ocl_int8_mean,
  [WEIR_OP_Q_LINEAR_CONCAT] = &weir_ocl_int8_concat,
  [WEIR_OP_Q_LINEAR_SIGMOID] = &weir_ocl_int8_unary,
  [WEIR_OP_Q_LINEAR_LEAKY_RELU] = &weir_ocl_int8_unary,
  [WEIR_OP_LOOKUP] = &weir_ocl_int8_lookup,
};

static WeirPrecision precision_of (const WeirDevice *device)
{
  return device->precision;
}

static void close_device (WeirDevice *device)
{
  if (!device)
    return;
  if (device->weights)
    g_hash_table_unref (device->weights);
  weir_ocl_device_close (device->ocl);
  weir_mutex_clear (&device->lock);
  g_free (device);
}

/* Any device stores halves: all arithmetic on floats is in f32. Any multiplies bytes, some fast. */
static bool choose_precision (WeirDevice *device, WeirPrecision asked, GError **error)
{
  if (asked == WEIR_PRECISION_AUTO)
    asked = WEIR_PRECISION_F32;
  device->precision = asked;
  device->dtype = asked == WEIR_PRECISION_F16 ? WEIR_DTYPE_F16 : WEIR_DTYPE_F32;
  if (asked != WEIR_PRECISION_BF16)
    return true;
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_UNSUPPORTED,
      "precision %s is not possible on %s, expected auto, f32, f16 or int8",
      weir_precision_name (asked), weir_ocl_device_label (device->ocl));
  return false;
}

static const char *describe_library (const WeirOclFacts *facts)
{
  g_autofree char *text =
      g_strdup_printf ("%s, driver %s", facts->platform_version, facts->driver_version);
  return g_intern_string (text);
}

static WeirDevice *open_device (const WeirDeviceOptions *options, GError **error)
{
  WeirDevice *device = g_new0 (WeirDevice, 1);
  weir_mutex_init (&device->lock);
  device->ocl = weir_ocl_device_open (options->match, options->index, options->cache_folder, error);
  if (device->ocl && choose_precision (device, options->precision, error)) {
    device->library = describe_library (weir_ocl_device_facts (device->ocl));
    return device;
  }
  close_device (device);
  return NULL;
}

static bool propose (WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  const WeirOclOp *op = operators[spec->node->op];
  return op && op->propose (device, spec, src, dst);
}

static void *compile (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  *scratch_bytes = 0;
  return operators[spec->node->op]->compile (device, spec, scratch_bytes, error);
}

static void free_plain (WeirOclKernel *kernel)
{
  g_free (kernel);
}

WeirOclKernel *weir_ocl_kernel_new (WeirDevice *device, const WeirStepSpec *spec, size_t n_bytes,
    const char *name, bool (*run) (const WeirOclBound *bound, GError **error))
{
  WeirOclKernel *kernel = g_malloc0 (n_bytes);
  kernel->name = name;
  kernel->device = device;
  kernel->n_src = spec->n_src;
  kernel->n_dst = spec->n_dst;
  kernel->run = run;
  kernel->free = free_plain;
  return kernel;
}

static void release (void *kernel)
{
  if (kernel)
    ((WeirOclKernel *) kernel)->free (kernel);
}

static void unbind (void *data)
{
  WeirOclBound *bound = data;
  if (!bound)
    return;
  g_ptr_array_unref (bound->calls);
  g_free (bound);
}

/* The queue of the slot: that of the memory in which the first address of the device lies. */
static bool find_queue (WeirOclBound *bound, GError **error)
{
  const WeirOclKernel *kernel = bound->kernel;
  WeirOclDevice *device = kernel->device->ocl;
  for (uint32_t i = 0; i < kernel->n_dst + kernel->n_src && !bound->queue; i++) {
    void *address = i < kernel->n_dst ? bound->dst[i] : bound->src[i - kernel->n_dst];
    size_t offset_bytes;
    WeirOclMemory *memory = address ? weir_ocl_memory_find (device, address, &offset_bytes) : NULL;
    bound->queue = memory ? memory->queue : NULL;
  }
  if (bound->queue)
    return true;
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_INTERNAL, "%s: %s: no address is on the device",
      weir_ocl_device_label (device), kernel->name);
  return false;
}

static void free_call (void *call)
{
  weir_ocl_call_free (call);
}

static void *bind (void *data, const WeirBinding *binding, GError **error)
{
  const WeirOclKernel *kernel = data;
  uint32_t n_src = kernel->n_src, n_dst = kernel->n_dst;
  WeirOclBound *bound = g_malloc0 (sizeof *bound + (n_src + n_dst) * sizeof (void *));
  bound->kernel = kernel;
  bound->scratch = binding->scratch;
  bound->src = (void **) (bound + 1);
  bound->dst = bound->src + n_src;
  bound->calls = g_ptr_array_new_with_free_func (free_call);
  for (uint32_t i = 0; i < n_src; i++)
    bound->src[i] = binding->src[i];
  for (uint32_t i = 0; i < n_dst; i++)
    bound->dst[i] = binding->dst[i];
  if (find_queue (bound, error) && (!kernel->bind || kernel->bind (bound, error)))
    return bound;
  unbind (bound);
  return NULL;
}

bool weir_ocl_bound_take (const WeirOclBound *bound, WeirOclCall *call)
{
  return weir_ocl_calls_add (bound->calls, call);
}

bool weir_ocl_run_calls (const WeirOclBound *bound, GError **error)
{
  for (uint32_t i = 0; i < bound->calls->len; i++)
    if (!weir_ocl_queue_run (bound->queue, bound->calls->pdata[i], NULL, error))
      return false;
  return true;
}

static bool run (void *data, GError **error)
{
  const WeirOclBound *bound = data;
  return bound->kernel->run (bound, error);
}

static const char *describe (const void *kernel)
{
  return ((const WeirOclKernel *) kernel)->name;
}

static WeirHealth health (const WeirDevice *device)
{
  return weir_ocl_device_is_lost (device->ocl)  ? WEIR_HEALTH_LOST
         : weir_ocl_device_doubts (device->ocl) ? WEIR_HEALTH_DOUBTFUL
                                                : WEIR_HEALTH_GOOD;
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
  return device->library;
}

static void limits (WeirDevice *device, WeirDeviceLimits *limits)
{
  const WeirOclFacts *facts = weir_ocl_device_facts (device->ocl);
  *limits = (WeirDeviceLimits){ .available_bytes = weir_ocl_memory_left (device->ocl),
    .is_host_memory = !facts->has_own_memory,
    .batch_max = facts->kind == WEIR_OCL_CPU ? 0 : BATCH_MAX };
}

static bool peaks (WeirDevice *device, WeirDevicePeaks *peaks, GError **error)
{
  return weir_ocl_peaks_measure (device->ocl, peaks, error);
}

static void *memory_new (WeirDevice *device, size_t n_bytes, GError **error)
{
  size_t element_bytes =
      device->precision == WEIR_PRECISION_INT8 ? 1 : weir_dtype_bytes (device->dtype);
  if (n_bytes / element_bytes > UINT32_MAX) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_MEMORY,
        "%s: %zu bytes for a batch are more than 2^32 elements, which is as far as kernels count",
        weir_ocl_device_label (device->ocl), n_bytes);
    return NULL;
  }
  return weir_ocl_memory_new (device->ocl, n_bytes, true, false, error);
}

static void *memory_base (void *memory)
{
  return ((WeirOclMemory *) memory)->base;
}

static void memory_free (void *memory)
{
  weir_ocl_memory_free (memory);
}

const WeirBackend weir_backend_ocl = {
  .name = "ocl",
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
  .memory_new = memory_new,
  .memory_base = memory_base,
  .memory_free = memory_free,
  .limits = limits,
  .clock = &weir_ocl_clock,
  .peaks = peaks,
  .pictures = &weir_ocl_pictures,
  .health = health,
  .weight_bytes = weight_bytes,
  .library = library,
};
