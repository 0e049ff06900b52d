/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the ways to compute a convolution share. */
#include "engine/ocl/ocl_window.h"

#include "engine/base/checked.h"
#include "engine/ocl/ocl_posts.h"

static const WeirOclWay *const ways[] = { &weir_ocl_way_product, &weir_ocl_way_winograd_2,
  &weir_ocl_way_winograd_4 };

/* Kernels count elements of a tensor in 31 bits. */
static bool has_few_elements (const WeirOclWindow *window, const uint32_t sizes[3], size_t channels)
{
  size_t n = window->n_items;
  for (uint32_t d = 0; d < 3; d++)
    if (!weir_checked_mul (n, sizes[d], &n))
      return false;
  return weir_checked_mul (n, channels, &n) && n > 0 && n < INT32_MAX;
}

/* Windows, counted in elements of a row of the source, reach no further than kernels count. */
static bool has_small_window (const WeirOclWindow *window)
{
  for (uint32_t d = 0; d < 3; d++) {
    uint64_t pad = (uint64_t) ABS ((int64_t) window->pad[d]);
    uint64_t n = (uint64_t) window->kernel[d] * window->dilation[d] + window->src[d] + pad;
    if (MAX (n, window->dst[d] + pad) * window->stride[d] >= (1u << 28) / window->src_channels)
      return false;
  }
  return true;
}

/* Groups of work items in the second dimension: what all devices have at least. */
#define MAX_GROUPS 65535u

/* Each phase of a transposed window and each group of channels is one. */
static bool has_few_groups (const WeirOclWindow *window)
{
  uint64_t n = window->groups;
  for (uint32_t d = 0; d < 3 && n <= MAX_GROUPS; d++)
    n *= window->is_transposed ? window->stride[d] : 1;
  return n <= MAX_GROUPS;
}

bool weir_ocl_window_is_taken (const WeirOclWindow *window)
{
  WeirOclPosts posts;
  uint32_t n_before;
  return (window->dtype == WEIR_DTYPE_F32 || window->dtype == WEIR_DTYPE_F16) &&
         weir_ocl_posts_split (window->posts, window->n_posts, &posts, &n_before) &&
         window->groups > 0 && window->src_channels % window->groups == 0 &&
         window->dst_channels % window->groups == 0 &&
         has_few_elements (window, window->src, window->src_channels) &&
         has_few_elements (window, window->dst, window->dst_channels) &&
         has_small_window (window) && has_few_groups (window) &&
         (weir_ocl_way_depthwise.takes (window) || weir_ocl_way_product.takes (window));
}

void weir_ocl_window_list (const WeirOclFacts *facts, const WeirOclWindow *window, GArray *variants)
{
  if (weir_ocl_way_depthwise.takes (window)) {
    weir_ocl_way_depthwise.list (facts, window, variants);
    return;
  }
  for (uint32_t i = 0; i < G_N_ELEMENTS (ways); i++)
    if (ways[i]->takes (window))
      ways[i]->list (facts, window, variants);
}

/* A window of one element in dimension d, without stride or pads. */
static bool is_idle (const WeirOclWindow *window, uint32_t d)
{
  return window->kernel[d] == 1 && window->stride[d] == 1 && window->pad[d] == 0 &&
         window->src[d] == window->dst[d];
}

WeirOclWindow weir_ocl_window_fold (const WeirOclWindow *window)
{
  WeirOclWindow folded = *window;
  for (uint32_t d = 0; d < 3; d++)
    if (folded.kernel[d] == 1)
      folded.dilation[d] = 1;
  if (!is_idle (&folded, 0))
    return folded;
  folded.n_items *= folded.src[0];
  folded.src[0] = folded.dst[0] = 1;
  if (!is_idle (&folded, 1) || !is_idle (&folded, 2))
    return folded;
  folded.src[2] = folded.dst[2] = folded.n_items * folded.src[1] * folded.src[2];
  folded.n_items = folded.src[1] = folded.dst[1] = 1;
  return folded;
}

bool weir_ocl_window_is_aligned (const WeirOclWindow *window, const void *address)
{
  return (uintptr_t) address % (4 * weir_dtype_bytes (window->dtype)) == 0;
}

cl_int4 weir_ocl_window_int4 (const uint32_t sizes[3], uint32_t last)
{
  return (cl_int4){ { (cl_int) sizes[0], (cl_int) sizes[1], (cl_int) sizes[2], (cl_int) last } };
}

cl_int4 weir_ocl_window_pad (const WeirOclWindow *window)
{
  return (cl_int4){ { window->pad[0], window->pad[1], window->pad[2], 0 } };
}

void weir_ocl_window_options (const WeirOclWindow *window, const WeirOclWindowPlaces *places,
    GString *options, cl_float8 *parameters)
{
  WeirOclPosts posts;
  uint32_t n_before;
  weir_ocl_posts_split (window->posts, window->n_posts, &posts, &n_before);
  if (window->dtype == WEIR_DTYPE_F16)
    g_string_append (options, " -DWEIR_F16");
  if (places->bias)
    g_string_append (options, " -DBIAS");
  if (n_before != WEIR_NONE)
    g_string_append_printf (options, " -DADDED_AFTER=%u", n_before);
  g_string_append (options, posts.options);
  *parameters = posts.parameters;
}
