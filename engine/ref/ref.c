/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The reference backend: every operator, scalar and obvious, in f32 and plain layout. It is the
 * oracle of the other backends, their fallback, and the evaluator of shape inference. */
#include "engine/ref/ref.h"

#include <string.h>

static const WeirRefFn fns[WEIR_N_OPS] = {
#define WEIR_OP(id, name, min_src, max_src, min_dst, max_dst, kind, shape, ref) \
  [WEIR_OP_##id] = weir_ref_##ref,
#include "engine/graph/ops.def"
#undef WEIR_OP
};

struct WeirDevice {
  WeirDeviceOptions options;
};

typedef struct Kernel {
  const WeirGraph *graph;
  const WeirNode *node;
  uint32_t n_src, n_dst;
  WeirTensor *src, *dst;
} Kernel;

typedef struct Bound {
  const Kernel *kernel;
  WeirTensor *src, *dst;
  void *scratch;
} Bound;

/* Bytes of scratch that an operator needs; most need none. */
static size_t (*const scratch_fns[WEIR_N_OPS]) (const WeirShapeJob *job) = {
  [WEIR_OP_RESIZE] = weir_ref_resize_scratch,
  [WEIR_OP_UPSAMPLE] = weir_ref_resize_scratch,
  [WEIR_OP_DET] = weir_ref_det_scratch,
  [WEIR_OP_OV_INTERPOLATE] = weir_ref_resize_scratch,
  [WEIR_OP_OV_PROPOSAL] = weir_ref_ov_proposal_scratch,
  [WEIR_OP_OV_DETECTION_OUTPUT] = weir_ref_ov_detection_output_scratch,
  [WEIR_OP_CONV_INTEGER] = weir_ref_quantised_scratch,
  [WEIR_OP_MAT_MUL_INTEGER] = weir_ref_quantised_scratch,
  [WEIR_OP_Q_LINEAR_CONV] = weir_ref_quantised_scratch,
  [WEIR_OP_Q_LINEAR_MAT_MUL] = weir_ref_quantised_scratch,
  [WEIR_OP_Q_GEMM] = weir_ref_quantised_scratch,
  [WEIR_OP_Q_LINEAR_GLOBAL_AVERAGE_POOL] = weir_ref_quantised_scratch,
  [WEIR_OP_Q_LINEAR_AVERAGE_POOL] = weir_ref_quantised_scratch,
  [WEIR_OP_Q_LINEAR_SIGMOID] = weir_ref_quantised_scratch,
  [WEIR_OP_Q_LINEAR_LEAKY_RELU] = weir_ref_quantised_scratch,
  [WEIR_OP_Q_LINEAR_SOFTMAX] = weir_ref_quantised_scratch,
  [WEIR_OP_QUANTISED_CONV] = weir_ref_quantised_scratch,
  [WEIR_OP_QUANTISED_MAT_MUL] = weir_ref_quantised_scratch,
  [WEIR_OP_DEFORM_CONV] = weir_ref_deform_scratch,
  [WEIR_OP_TOP_K] = weir_ref_top_k_scratch,
  [WEIR_OP_OV_TOP_K] = weir_ref_top_k_scratch,
};

static size_t scratch_bytes (const WeirShapeJob *job)
{
  return scratch_fns[job->node->op] ? scratch_fns[job->node->op](job) : 0;
}

/* Those that apply post-ops before they quantise their result. */
static bool applies_post (WeirOp op)
{
  return op == WEIR_OP_QUANTISED_CONV || op == WEIR_OP_QUANTISED_MAT_MUL;
}

static bool compute (const WeirShapeJob *job, void *scratch, GError **error)
{
  if (!fns[job->node->op](job, scratch, error))
    return false;
  if (job->node->n_post && !applies_post (job->node->op))
    weir_ref_apply_post (job);
  return true;
}

static WeirPrecision precision (const WeirDevice *device)
{
  bool is_int8 = device->options.precision == WEIR_PRECISION_INT8;
  return is_int8 ? WEIR_PRECISION_INT8 : WEIR_PRECISION_F32;
}

static WeirDevice *open_device (const WeirDeviceOptions *options, GError **error)
{
  WeirDevice *device = g_new0 (WeirDevice, 1);
  device->options = *options;
  return device;
}

static void close_device (WeirDevice *device)
{
  g_free (device);
}

static WeirFormat find_format (const WeirTensor *tensor, bool is_reorder)
{
  WeirFormat format = { tensor->dtype, WEIR_LAYOUT_PLAIN };
  if (is_reorder)
    format.layout = tensor->layout;
  else if (weir_dtype_is_floating (tensor->dtype))
    format.dtype = WEIR_DTYPE_F32;
  return format;
}

static bool propose (WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  bool is_reorder = spec->node->op == WEIR_OP_REORDER;
  for (uint32_t i = 0; i < spec->n_src; i++)
    src[i] = find_format (&spec->src[i], is_reorder);
  for (uint32_t i = 0; i < spec->n_dst; i++)
    dst[i] = find_format (&spec->dst[i], is_reorder);
  return true;
}

static void *compile (
    WeirDevice *device, const WeirStepSpec *spec, size_t *n_scratch_bytes, GError **error)
{
  Kernel *kernel = g_new0 (Kernel, 1);
  kernel->graph = spec->graph;
  kernel->node = spec->node;
  kernel->n_src = spec->n_src;
  kernel->n_dst = spec->n_dst;
  kernel->src = g_memdup2 (spec->src, spec->n_src * sizeof *spec->src);
  kernel->dst = g_memdup2 (spec->dst, spec->n_dst * sizeof *spec->dst);
  WeirShapeJob job = { kernel->graph, kernel->node, kernel->src, kernel->dst, NULL };
  *n_scratch_bytes = scratch_bytes (&job);
  return kernel;
}

static void release (void *data)
{
  Kernel *kernel = data;
  g_free (kernel->src);
  g_free (kernel->dst);
  g_free (kernel);
}

/* What the binding does not give stays what the spec gave: constants that `compile` saw. */
static WeirTensor *bind_tensors (const WeirTensor *tensors, uint32_t n, void *const *addresses)
{
  WeirTensor *bound = g_memdup2 (tensors, n * sizeof *tensors);
  for (uint32_t i = 0; i < n; i++)
    if (addresses[i]) {
      bound[i].buffer = addresses[i];
      bound[i].offset_bytes = 0;
    }
  return bound;
}

static void *bind (void *data, const WeirBinding *binding, GError **error)
{
  Bound *bound = g_new0 (Bound, 1);
  bound->kernel = data;
  bound->src = bind_tensors (bound->kernel->src, bound->kernel->n_src, binding->src);
  bound->dst = bind_tensors (bound->kernel->dst, bound->kernel->n_dst, binding->dst);
  bound->scratch = binding->scratch;
  return bound;
}

static bool run (void *data, GError **error)
{
  const Bound *bound = data;
  WeirShapeJob job = { bound->kernel->graph, bound->kernel->node, bound->src, bound->dst, NULL };
  return compute (&job, bound->scratch, error);
}

static void unbind (void *data)
{
  Bound *bound = data;
  g_free (bound->src);
  g_free (bound->dst);
  g_free (bound);
}

static const char *describe (const void *kernel)
{
  return "ref";
}

static size_t weight_bytes (const WeirDevice *device)
{
  return 0;
}

const WeirBackend weir_backend_ref = {
  .name = "ref",
  .precision = precision,
  .open = open_device,
  .close = close_device,
  .propose = propose,
  .compile = compile,
  .release = release,
  .bind = bind,
  .run = run,
  .unbind = unbind,
  .describe = describe,
  .weight_bytes = weight_bytes,
};

/* Operators that take floating types of any width as they are. */
static bool takes_any_type (const WeirNode *node)
{
  WeirOpKind kind = weir_op_info (node->op)->kind;
  return kind == WEIR_OP_KIND_VIEW || kind == WEIR_OP_KIND_MOVE || node->op == WEIR_OP_CAST ||
         node->op == WEIR_OP_CAST_LIKE || node->op == WEIR_OP_SIZE ||
         node->op == WEIR_OP_CONSTANT || node->op == WEIR_OP_CONSTANT_OF_SHAPE ||
         node->op == WEIR_OP_SHAPE;
}

static bool memory_error (const WeirShapeJob *job, GError **error)
{
  return weir_node_error (
      job->graph, job->node, WEIR_ERROR_MEMORY, error, "no memory to evaluate it");
}

/* The tensor in a form that operators take, in a buffer of its own where it has to change: f32 for
 * other floating types, aligned elements for constants that lie anywhere in a mapped file. */
static bool adapt (WeirTensor *tensor, bool widens, bool is_src, GPtrArray *buffers)
{
  WeirTensor original = *tensor;
  size_t n_bytes, size = weir_dtype_bytes (tensor->dtype);
  bool is_wide =
      widens && weir_dtype_is_floating (tensor->dtype) && tensor->dtype != WEIR_DTYPE_F32;
  if (!tensor->buffer || (!is_wide && (uintptr_t) weir_tensor_data (tensor) % size == 0))
    return true;
  tensor->dtype = is_wide ? WEIR_DTYPE_F32 : original.dtype;
  if (!weir_tensor_bytes (&original, &n_bytes))
    return false;
  /* Up to twice the size as f32, and behind that an aligned copy of the original. */
  char *buffer = n_bytes <= G_MAXSIZE / 4 ? g_try_malloc (MAX (n_bytes * 3, 1)) : NULL;
  if (!buffer)
    return false;
  g_ptr_array_add (buffers, buffer);
  tensor->buffer = buffer;
  tensor->offset_bytes = 0;
  if (is_src) {
    WeirRefRow to = { tensor->dtype, buffer, 0, 1 };
    WeirRefRow from = { original.dtype, buffer + 2 * n_bytes, 0, 1 };
    memcpy (from.data, weir_tensor_data (&original), n_bytes);
    weir_ref_convert (from, to, weir_ref_n (&original));
  }
  return true;
}

static void restore (const WeirTensor *adapted, const WeirTensor *dst)
{
  WeirRefRow from = { adapted->dtype, weir_tensor_data (adapted), 0, 1 };
  WeirRefRow to = { dst->dtype, weir_tensor_data (dst), 0, 1 };
  if (dst->buffer && adapted->buffer != dst->buffer)
    weir_ref_convert (from, to, weir_ref_n (dst));
}

static bool compute_adapted (const WeirShapeJob *job, GError **error)
{
  bool widens = !takes_any_type (job->node) || job->node->n_post;
  const WeirNode *node = job->node;
  g_autoptr (GPtrArray) buffers = g_ptr_array_new_with_free_func (g_free);
  g_autofree WeirTensor *src = g_memdup2 (job->src, node->n_src * sizeof *src);
  g_autofree WeirTensor *dst = g_memdup2 (job->dst, node->n_dst * sizeof *dst);
  for (uint32_t i = 0; i < node->n_src; i++)
    if (!adapt (&src[i], widens, true, buffers))
      return memory_error (job, error);
  for (uint32_t i = 0; i < node->n_dst; i++)
    if (!adapt (&dst[i], widens, false, buffers))
      return memory_error (job, error);
  WeirShapeJob adapted = { job->graph, node, src, dst, NULL };
  size_t n_bytes = scratch_bytes (&adapted);
  g_autofree void *scratch = g_try_malloc (MAX (n_bytes, 1));
  if (!scratch)
    return memory_error (job, error);
  if (!compute (&adapted, scratch, error))
    return false;
  for (uint32_t i = 0; i < node->n_dst; i++)
    restore (&dst[i], &job->dst[i]);
  return true;
}

bool weir_ref_evaluate (const WeirGraph *graph, const WeirNode *node, const WeirTensor *src,
    WeirTensor *dst, GError **error)
{
  WeirShapeJob job = { graph, node, src, dst, NULL };
  return compute_adapted (&job, error);
}
