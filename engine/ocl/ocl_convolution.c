/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Conv and ConvTranspose on the device: pictures channels-last, 1 to 3 spatial dims, constant
 * weights. How they are computed is up to the ways of ocl_window.h. */
#include "engine/ocl/ocl_convolution.h"

#include "engine/graph/geometry.h"
#include "engine/ocl/ocl_variant.h"

/* Sizes, strides and pads beyond are none of a network; kernels count in 31 bits. */
#define MAX_SIZE (1 << 24)

typedef struct Kernel {
  WeirOclKernel base;
  WeirOclVariant variant;
  WeirOclWindow window;
  WeirPostOp posts[WEIR_MAX_POST_OPS];
  WeirOclWeights *weights, *bias;
  uint32_t added; /* source; WEIR_NONE */
} Kernel;

static bool has_bias (const WeirStepSpec *spec)
{
  return spec->n_src > 2 && spec->src[2].dtype != WEIR_DTYPE_NONE;
}

static bool is_constant_float (const WeirTensor *tensor)
{
  return tensor->buffer && weir_dtype_is_floating (tensor->dtype);
}

/* The source that a post-op adds; WEIR_NONE. */
static uint32_t added_of (const WeirNode *node)
{
  for (uint32_t i = 0; i < node->n_post; i++)
    if (node->post[i].op == WEIR_OP_ADD)
      return node->post[i].src;
  return WEIR_NONE;
}

static bool fill_dims (const WeirStepSpec *spec, const WeirWindow *from, WeirOclWindow *window)
{
  for (uint32_t d = 0; d < 3; d++)
    window->src[d] = window->dst[d] = window->kernel[d] = window->stride[d] = window->dilation[d] =
        1;
  for (uint32_t i = 0; i < from->n_spatial; i++) {
    uint32_t d = 3 - from->n_spatial + i;
    int64_t n_src = spec->src[0].dims[2 + i], n_dst = spec->dst[0].dims[2 + i];
    if (n_src > MAX_SIZE || n_dst > MAX_SIZE || from->stride[i] > MAX_SIZE ||
        from->kernel[i] > MAX_SIZE || from->dilation[i] > MAX_SIZE / from->kernel[i] ||
        ABS (from->pad_begin[i]) > MAX_SIZE)
      return false;
    window->src[d] = (uint32_t) n_src;
    window->dst[d] = (uint32_t) n_dst;
    window->kernel[d] = (uint32_t) from->kernel[i];
    window->stride[d] = (uint32_t) from->stride[i];
    window->dilation[d] = (uint32_t) from->dilation[i];
    window->pad[d] = (int32_t) from->pad_begin[i];
  }
  return true;
}

bool weir_ocl_convolution_window (
    const WeirStepSpec *spec, const WeirTensor *weights, WeirDtype dtype, WeirOclWindow *window)
{
  const WeirTensor *src = &spec->src[0], *dst = &spec->dst[0];
  bool is_transposed = spec->node->op == WEIR_OP_CONV_TRANSPOSE;
  WeirWindow resolved;
  bool has_window =
      is_transposed
          ? weir_window_resolve_transposed (spec->graph, spec->node, src, weights, &resolved, NULL)
          : weir_window_resolve (spec->graph, spec->node, src, weights, &resolved, NULL);
  *window = (WeirOclWindow){ .is_transposed = is_transposed,
    .n_items = (uint32_t) src->dims[0],
    .groups = (uint32_t) weir_node_int (spec->node, "group", 1),
    .src_channels = (uint32_t) src->dims[1],
    .dst_channels = (uint32_t) dst->dims[1],
    .dtype = dtype,
    .posts = spec->node->post,
    .n_posts = spec->node->n_post };
  return has_window && fill_dims (spec, &resolved, window);
}

static bool propose (WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  uint32_t rank = spec->src[0].rank, added = added_of (spec->node);
  WeirOclWindow window;
  if (rank < 3 || rank > 5 || spec->src[0].buffer || !weir_ocl_takes (&spec->src[0]) ||
      !weir_ocl_takes (&spec->dst[0]) || !is_constant_float (&spec->src[1]) ||
      (has_bias (spec) && !is_constant_float (&spec->src[2])) ||
      (added != WEIR_NONE && spec->src[added].buffer) ||
      !weir_ocl_convolution_window (spec, &spec->src[1], device->dtype, &window) ||
      !weir_ocl_window_is_taken (&window))
    return false;
  for (uint32_t i = 1; i < spec->n_src; i++)
    src[i] = weir_ocl_format_packed ();
  src[0] = dst[0] = weir_ocl_format (device, rank);
  if (added != WEIR_NONE)
    src[added] = dst[0];
  return true;
}

static bool bind (const WeirOclBound *bound, GError **error)
{
  const Kernel *self = (const Kernel *) bound->kernel;
  WeirOclWindowPlaces places = { .src = bound->src[0],
    .dst = bound->dst[0],
    .weights = weir_ocl_weights_address (self->weights),
    .bias = self->bias ? weir_ocl_weights_address (self->bias) : NULL,
    .scratch = bound->scratch,
    .added = self->added == WEIR_NONE ? NULL : bound->src[self->added] };
  return self->variant.way->add_calls (
      self->base.device->ocl, &self->variant, &self->window, &places, bound->calls, error);
}

static void release (WeirOclKernel *kernel)
{
  Kernel *self = (Kernel *) kernel;
  weir_ocl_weights_unref (kernel->device, self->weights);
  weir_ocl_weights_unref (kernel->device, self->bias);
  g_free (self);
}

static void pack_bias (float *packed, const float *values, const void *job)
{
  const WeirOclWindow *window = job;
  memcpy (packed, values, window->dst_channels * sizeof *packed);
}

static bool take_weights (Kernel *self, const WeirStepSpec *spec, GError **error)
{
  WeirDevice *device = self->base.device;
  const WeirOclWindow *window = &self->window;
  const WeirOclWay *way = self->variant.way;
  /* constants may share their bytes, as a Reshape of weights does */
  g_autofree char *form = g_strdup_printf ("%s, %u channels, %u groups, %ux%ux%u%s", way->name,
      window->dst_channels, window->groups, window->kernel[0], window->kernel[1], window->kernel[2],
      window->is_transposed ? ", transposed" : "");
  self->weights =
      weir_ocl_weights_ref_as (device, way->has_float_weights ? WEIR_DTYPE_F32 : device->dtype,
          &spec->src[1], form, way->n_weights (window), way->pack, window, error);
  if (self->weights && has_bias (spec))
    self->bias = weir_ocl_weights_ref (
        device, &spec->src[2], "bias", window->dst_channels, pack_bias, window, error);
  return self->weights && (self->bias || !has_bias (spec));
}

/* Window and variant, and the name that tells them. */
static bool choose (Kernel *self, const WeirStepSpec *spec, GError **error)
{
  WeirDevice *device = self->base.device;
  bool is_tuned;
  if (!weir_ocl_convolution_window (spec, &spec->src[1], device->dtype, &self->window)) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_INTERNAL, "a convolution that was not proposed");
    return false;
  }
  memcpy (self->posts, spec->node->post, sizeof self->posts);
  self->window.posts = self->posts;
  if (!weir_ocl_device_choose (device->ocl, &self->window, &self->variant, &is_tuned, error))
    return false;
  g_autofree char *text = weir_ocl_variant_text (&self->variant);
  g_autofree char *name = g_strconcat (text, is_tuned ? " (tuned)" : NULL, NULL);
  self->base.name = g_intern_string (name);
  return true;
}

static WeirOclKernel *compile (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  Kernel *self =
      (Kernel *) weir_ocl_kernel_new (device, spec, sizeof *self, NULL, weir_ocl_run_calls);
  self->base.free = release;
  self->base.bind = bind;
  self->added = added_of (spec->node);
  if (choose (self, spec, error) && take_weights (self, spec, error)) {
    *scratch_bytes = self->variant.way->scratch_bytes (&self->variant, &self->window);
    return &self->base;
  }
  release (&self->base);
  return NULL;
}

const WeirOclOp weir_ocl_convolution = { propose, compile };
