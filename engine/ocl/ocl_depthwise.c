/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Convolutions of each channel on its own: kernels/ocl/depthwise.cl. */
#include "engine/ocl/ocl_window.h"

#include "engine/ocl/ocl_program.h"

#include <math.h>

#define MAX_LINES    16384u
#define MAX_KERNEL_X 7u /* taps in a row of the window that fit in registers with their pixels */
#define MAX_STRIDE_X 2u

/* Results of a work item, and the largest group: the first is taken untuned. */
static const struct {
  uint32_t n_pixels, group;
} shapes[] = { { 4, 128 }, { 4, 64 }, { 4, 256 }, { 2, 128 }, { 2, 64 }, { 8, 128 }, { 8, 64 },
  { 1, 128 } };

static bool takes (const WeirOclWindow *window)
{
  return window->groups == window->src_channels && window->groups == window->dst_channels;
}

static size_t n_taps (const WeirOclWindow *window)
{
  return (size_t) window->kernel[0] * window->kernel[1] * window->kernel[2];
}

static size_t n_weights (const WeirOclWindow *window)
{
  return n_taps (window) * window->groups;
}

static void pack (float *packed, const float *values, const void *job)
{
  const WeirOclWindow *window = job;
  size_t n = n_taps (window);
  for (size_t t = 0; t < n; t++)
    for (size_t c = 0; c < window->groups; c++)
      packed[t * window->groups + c] = values[c * n + t];
}

/* Windows that `depthwise` takes, which reads each element of a row once. */
static bool has_pixels (const WeirOclWindow *window)
{
  return !window->is_transposed && window->src[0] == 1 && window->dst[0] == 1 &&
         window->kernel[0] == 1 && window->pad[0] == 0 && window->dilation[2] == 1 &&
         window->kernel[2] <= MAX_KERNEL_X && window->stride[2] <= MAX_STRIDE_X;
}

static bool is_wide (const WeirOclWindow *window, const WeirOclWindowPlaces *places)
{
  const void *const all[] = { places->src, places->dst, places->weights, places->bias,
    places->added };
  bool is_aligned = window->groups % 4 == 0;
  for (uint32_t i = 0; i < G_N_ELEMENTS (all); i++)
    is_aligned &= weir_ocl_window_is_aligned (window, all[i]);
  return is_aligned;
}

static void list (const WeirOclFacts *facts, const WeirOclWindow *original, GArray *variants)
{
  WeirOclWindow window = weir_ocl_window_fold (original);
  for (uint32_t i = 0; i < G_N_ELEMENTS (shapes); i++) {
    WeirOclVariant variant = { .way = &weir_ocl_way_depthwise,
      .n_parts = 1,
      .n_pixels = shapes[i].n_pixels,
      .group = shapes[i].group,
      .cost = i == 0 ? 1 : INFINITY };
    bool is_other = i == 0 || has_pixels (&window) || shapes[i].n_pixels == shapes[0].n_pixels;
    if (is_other && (i == 0 || variant.group <= facts->max_group))
      g_array_append_val (variants, variant);
  }
}

static void name_variant (const WeirOclVariant *variant, GString *name)
{
  g_string_append_printf (name, " %ux%u", variant->n_pixels, variant->group);
}

/* Newly allocated. */
static char *make_options (const WeirOclVariant *variant, const WeirOclWindow *window,
    const WeirOclWindowPlaces *places, cl_float8 *parameters)
{
  GString *options = g_string_new (NULL);
  g_string_append_printf (options, "-DVECTOR=%u", is_wide (window, places) ? 4 : 1);
  if (has_pixels (window))
    g_string_append_printf (options, " -DPIXELS=%u -DKERNEL_X=%u -DSTRIDE_X=%u", variant->n_pixels,
        window->kernel[2], window->stride[2]);
  if (window->is_transposed)
    g_string_append (options, " -DTRANSPOSED");
  weir_ocl_window_options (window, places, options, parameters);
  return g_string_free (options, FALSE);
}

static WeirOclGrid make_grid (const WeirOclDevice *device, const WeirOclVariant *variant,
    const WeirOclWindow *window, uint32_t width)
{
  uint32_t n_pixels = has_pixels (window) ? variant->n_pixels : 1;
  size_t n_items = (size_t) (window->dst[2] + n_pixels - 1) / n_pixels * (window->groups / width);
  size_t n_lines = (size_t) window->n_items * window->dst[0] * window->dst[1];
  return weir_ocl_row_grid (device, n_items, n_lines, variant->group, MAX_LINES);
}

static WeirOclCall *make_call (WeirOclDevice *device, const WeirOclVariant *variant,
    const WeirOclWindow *original, const WeirOclWindowPlaces *places, GError **error)
{
  WeirOclWindow window = weir_ocl_window_fold (original);
  uint32_t bytes = (uint32_t) weir_dtype_bytes (window.dtype);
  cl_float8 parameters;
  g_autofree char *options = make_options (variant, &window, places, &parameters);
  cl_program program = weir_ocl_program_get (device, "depthwise", options, error);
  if (!program)
    return NULL;
  cl_int4 src_size = weir_ocl_window_int4 (window.src, window.src_channels),
          dst_size = weir_ocl_window_int4 (window.dst, window.dst_channels),
          taps = weir_ocl_window_int4 (window.kernel, 0),
          stride = weir_ocl_window_int4 (window.stride, 0),
          dilation = weir_ocl_window_int4 (window.dilation, 0), pad = weir_ocl_window_pad (&window);
  cl_int n_items = (cl_int) window.n_items;
  WeirOclGrid grid = make_grid (device, variant, &window, is_wide (&window, places) ? 4 : 1);
  return weir_ocl_call_new (device, program, has_pixels (&window) ? "depthwise" : "depthwise_any",
      grid, error, WEIR_OCL_ADDRESS (places->src, bytes), WEIR_OCL_ADDRESS (places->weights, bytes),
      WEIR_OCL_ADDRESS (places->bias, bytes), WEIR_OCL_ADDRESS (places->added, bytes),
      WEIR_OCL_ADDRESS (places->dst, bytes), WEIR_OCL_VALUE (src_size), WEIR_OCL_VALUE (dst_size),
      WEIR_OCL_VALUE (taps), WEIR_OCL_VALUE (stride), WEIR_OCL_VALUE (dilation),
      WEIR_OCL_VALUE (pad), WEIR_OCL_VALUE (n_items), WEIR_OCL_VALUE (parameters));
}

static size_t scratch_bytes (const WeirOclVariant *variant, const WeirOclWindow *window)
{
  return 0;
}

static bool add_calls (WeirOclDevice *device, const WeirOclVariant *variant,
    const WeirOclWindow *window, const WeirOclWindowPlaces *places, GPtrArray *calls,
    GError **error)
{
  return weir_ocl_calls_add (calls, make_call (device, variant, window, places, error));
}

const WeirOclWay weir_ocl_way_depthwise = { "depthwise", false, takes, list, name_variant,
  n_weights, pack, scratch_bytes, add_calls };
