/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One node through the table of a backend, as a plan would do it. */
#include "tests/ops/step.h"

#include "engine/base/half.h"
#include "engine/error.h"

#include <math.h>
#include <string.h>

static bool allocate (WeirTensor *tensor, WeirArena *arena)
{
  size_t n_bytes;
  if (!weir_tensor_bytes (tensor, &n_bytes))
    return false;
  tensor->buffer = weir_arena_try_alloc (arena, MAX (n_bytes, 64));
  tensor->offset_bytes = 0;
  return tensor->buffer != NULL;
}

bool step_convert (const WeirTensor *src, WeirDtype dtype, WeirLayout layout, WeirTensor *dst,
    WeirArena *arena, GError **error)
{
  uint32_t id = 0;
  WeirNode node = { .op = WEIR_OP_REORDER,
    .opset = 13,
    .name = "convert",
    .n_src = 1,
    .n_dst = 1,
    .src = &id,
    .dst = &id };
  WeirGraph graph = { .source = "test" };
  *dst = *src;
  dst->dtype = dtype;
  dst->layout = layout;
  if (!allocate (dst, arena)) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_MEMORY, "no memory");
    return false;
  }
  return weir_ref_evaluate (&graph, &node, src, dst, error);
}

typedef struct Step {
  const StepTarget *target;
  WeirDevice *device;
  WeirStepSpec spec;
  void **src, **dst; /* addresses */
  WeirFormat *src_format, *dst_format;
  WeirArena *arena;
} Step;

static bool convert_src (Step *step, const WeirTensor *src, const bool *is_constant, GError **error)
{
  for (uint32_t i = 0; i < step->spec.n_src; i++) {
    WeirTensor *wanted = &step->spec.src[i];
    if (src[i].dtype == WEIR_DTYPE_NONE)
      continue;
    if (is_constant[i] && step->src_format[i].dtype == WEIR_DTYPE_NONE)
      *wanted = src[i]; /* the backend packs it in its own way */
    else if (!step_convert (&src[i], step->src_format[i].dtype, step->src_format[i].layout, wanted,
                 step->arena, error))
      return false;
    step->src[i] = weir_tensor_data (wanted);
    if (!is_constant[i])
      wanted->buffer = NULL;
  }
  for (uint32_t i = 0; i < step->spec.n_dst; i++) {
    WeirTensor *dst = &step->spec.dst[i];
    if (step->spec.node->dst[i] == WEIR_NONE)
      continue;
    dst->dtype = step->dst_format[i].dtype;
    dst->layout = step->dst_format[i].layout;
    if (!allocate (dst, step->arena)) {
      g_set_error (error, WEIR_ERROR, WEIR_ERROR_MEMORY, "no memory");
      return false;
    }
    step->dst[i] = weir_tensor_data (dst);
    dst->buffer = NULL;
  }
  return true;
}

static bool execute (Step *step, GError **error)
{
  const WeirBackend *backend = step->target->backend;
  size_t scratch_bytes = 0;
  void *kernel = backend->compile (step->device, &step->spec, &scratch_bytes, error);
  if (!kernel)
    return false;
  WeirBinding binding = { step->src, step->dst,
    weir_arena_alloc (step->arena, MAX (scratch_bytes, 64)) };
  void *bound = backend->bind (kernel, &binding, error);
  /* Twice: a bound step has no memory of its last run. */
  bool is_done = bound && backend->run (bound, error) && backend->run (bound, error);
  if (bound)
    backend->unbind (bound);
  backend->release (kernel);
  return is_done;
}

StepResult step_run (const StepTarget *target, WeirDevice *device, const WeirGraph *graph,
    const WeirNode *node, const WeirTensor *src, const bool *is_constant, WeirTensor *dst,
    WeirArena *arena, GError **error)
{
  Step step = { target, device, { graph, node, node->n_src, node->n_dst }, .arena = arena };
  step.spec.src = weir_arena_new_array (arena, WeirTensor, node->n_src + 1);
  step.spec.dst = weir_arena_new_array (arena, WeirTensor, node->n_dst + 1);
  step.src = weir_arena_new_array (arena, void *, node->n_src + 1);
  step.dst = weir_arena_new_array (arena, void *, node->n_dst + 1);
  step.src_format = weir_arena_new_array (arena, WeirFormat, node->n_src + 1);
  step.dst_format = weir_arena_new_array (arena, WeirFormat, node->n_dst + 1);
  for (uint32_t i = 0; i < node->n_src; i++) {
    step.spec.src[i] = src[i];
    if (!is_constant[i])
      step.spec.src[i].buffer = NULL;
  }
  for (uint32_t i = 0; i < node->n_dst; i++) {
    step.spec.dst[i] = dst[i];
    step.spec.dst[i].buffer = NULL;
  }
  if (!target->backend->propose (device, &step.spec, step.src_format, step.dst_format))
    return STEP_REFUSED;
  if (!convert_src (&step, src, is_constant, error) || !execute (&step, error))
    return STEP_FAILED;
  for (uint32_t i = 0; i < node->n_dst; i++) {
    WeirTensor produced = step.spec.dst[i];
    produced.buffer = step.dst[i];
    if (step.dst[i] &&
        !step_convert (&produced, dst[i].dtype, WEIR_LAYOUT_PLAIN, &dst[i], arena, error))
      return STEP_FAILED;
  }
  return STEP_DONE;
}

double step_element (const WeirTensor *tensor, int64_t i)
{
  const void *data = weir_tensor_data (tensor);
  switch (tensor->dtype) {
  case WEIR_DTYPE_F32:
    return (double) ((const float *) data)[i];
  case WEIR_DTYPE_F64:
    return ((const double *) data)[i];
  case WEIR_DTYPE_F16:
    return (double) weir_f16_to_f32 (((const uint16_t *) data)[i]);
  case WEIR_DTYPE_BF16:
    return (double) weir_bf16_to_f32 (((const uint16_t *) data)[i]);
  case WEIR_DTYPE_U8:
  case WEIR_DTYPE_BOOL:
    return ((const uint8_t *) data)[i];
  case WEIR_DTYPE_I8:
    return ((const int8_t *) data)[i];
  case WEIR_DTYPE_U16:
    return ((const uint16_t *) data)[i];
  case WEIR_DTYPE_I16:
    return ((const int16_t *) data)[i];
  case WEIR_DTYPE_U32:
    return ((const uint32_t *) data)[i];
  case WEIR_DTYPE_I32:
    return ((const int32_t *) data)[i];
  case WEIR_DTYPE_U64:
    return (double) ((const uint64_t *) data)[i];
  case WEIR_DTYPE_I64:
    return (double) ((const int64_t *) data)[i];
  default:
    return (double) NAN;
  }
}

static bool is_floating (WeirDtype dtype)
{
  return dtype == WEIR_DTYPE_F32 || dtype == WEIR_DTYPE_F16 || dtype == WEIR_DTYPE_BF16 ||
         dtype == WEIR_DTYPE_F64;
}

static bool is_close (double a, double b, double rtol, double atol)
{
  if (isnan (a) || isnan (b) || isinf (a) || isinf (b))
    return (isnan (a) && isnan (b)) || a == b;
  return fabs (a - b) <= rtol * fabs (b) + atol;
}

char *step_compare (const WeirTensor *actual, const WeirTensor *expected, double rtol, double atol)
{
  int64_t n;
  bool is_float = is_floating (expected->dtype) && is_floating (actual->dtype);
  if (!weir_tensor_same_shape (actual, expected) || !weir_tensor_n_elements (expected, &n) ||
      (!is_float && actual->dtype != expected->dtype)) {
    g_autofree char *a = weir_tensor_describe (actual);
    g_autofree char *b = weir_tensor_describe (expected);
    return g_strdup_printf ("is %s, expected %s", a, b);
  }
  size_t size = weir_dtype_bytes (expected->dtype);
  const char *from = weir_tensor_data (actual), *to = weir_tensor_data (expected);
  for (int64_t i = 0; i < n; i++) {
    double a = step_element (actual, i), b = step_element (expected, i);
    bool is_same = is_float ? is_close (a, b, rtol, atol)
                            : memcmp (from + (size_t) i * size, to + (size_t) i * size, size) == 0;
    if (!is_same)
      return g_strdup_printf ("element %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT
                              " is %.9g, expected %.9g",
          i, n, a, b);
  }
  return NULL;
}
