/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Convolutions as products of matrices: kernels/ocl/convolution.cl. */
#include "engine/ocl/ocl_window.h"

#include "engine/base/checked.h"
#include "engine/ocl/ocl_program.h"

#include <math.h>
#include <string.h>

/* As in the kernel. No tile's step is larger: so many rows of zeros follow the weights. */
#define PART_STEP       16u
#define MAX_PARTS       16u
#define MIN_PART_STEPS  4u
#define MAX_PARTS_BYTES ((size_t) 64 << 20)
#define SUM_GROUP       128u
#define PART_BYTES      8.0  /* of an element: it is written and read */
#define SEQUENCE_COST   1.05 /* twice the registers for sums */

static uint32_t outputs_of (const WeirOclWindow *window)
{
  return window->dst_channels / window->groups;
}

static uint32_t inputs_of (const WeirOclWindow *window)
{
  return window->src_channels / window->groups;
}

static uint32_t divide_up (uint32_t a, uint32_t b)
{
  return (a + b - 1) / b;
}

/* What is computed as one: results of one phase. */
typedef struct Rows {
  uint32_t size[3], n_rows, n_phases;
} Rows;

static Rows rows_of (const WeirOclWindow *window)
{
  Rows rows = { .n_rows = window->n_items, .n_phases = 1 };
  for (uint32_t d = 0; d < 3; d++) {
    uint32_t n = window->is_transposed ? window->stride[d] : 1;
    rows.size[d] = divide_up (window->dst[d], n);
    rows.n_rows *= rows.size[d];
    rows.n_phases *= n;
  }
  return rows;
}

static bool fits (const WeirOclTile *tile, const WeirOclFacts *facts)
{
  uint32_t n_items = tile->m / tile->item_m * (tile->n / tile->item_n);
  uint32_t n_bytes = (tile->m + 4 + tile->n) * tile->step * (uint32_t) sizeof (float);
  return n_items <= facts->max_group && n_bytes <= facts->local_bytes;
}

/* True where a row of the window is one piece of memory. */
static bool has_rows_as_taps (const WeirOclWindow *window)
{
  return !window->is_transposed && window->groups == 1 && window->dilation[2] == 1;
}

/* How many steps of `length` elements a sum has. */
static uint32_t steps_of (const WeirOclWindow *window, uint32_t length)
{
  uint32_t n_taps = window->kernel[0] * window->kernel[1], n_elements = inputs_of (window);
  if (has_rows_as_taps (window))
    n_elements *= window->kernel[2];
  else
    n_taps *= window->kernel[2];
  return n_taps * divide_up (n_elements, length);
}

static size_t elements_of (const WeirOclWindow *window)
{
  return (size_t) window->n_items * window->dst[0] * window->dst[1] * window->dst[2] *
         window->dst_channels;
}

static double weight_bytes (const WeirOclWindow *window)
{
  return (double) inputs_of (window) * window->dst_channels * window->kernel[0] *
         window->kernel[1] * window->kernel[2] * (double) weir_dtype_bytes (window->dtype);
}

/* Tiles at the edge count in full, and the last round of groups lasts as long as the others. Parts
 * are stored, read and summed by a kernel more. */
static double cost_of (const WeirOclVariant *variant, const WeirOclWindow *window,
    const WeirOclFamily *family, uint32_t n_cores)
{
  const WeirOclTile *tile = variant->tile;
  Rows rows = rows_of (window);
  uint32_t n_split = variant->is_split ? variant->n_parts : 1;
  uint32_t speed = family->speeds[tile - weir_ocl_tiles];
  if (speed == 0)
    return INFINITY;
  double n_groups = (double) divide_up (rows.n_rows, tile->m) *
                    divide_up (outputs_of (window), tile->n) * window->groups * rows.n_phases *
                    n_split;
  double n_steps = divide_up (steps_of (window, tile->step), n_split);
  double cost = ceil (n_groups / n_cores) * tile->m * tile->n * n_steps * tile->step * 1000 / speed;
  double n_bytes = weight_bytes (window);
  if (variant->n_parts > 1 && !variant->is_split)
    cost *= SEQUENCE_COST;
  if (variant->is_split) {
    cost += family->launch_cost;
    n_bytes += PART_BYTES * variant->n_parts * (double) elements_of (window);
  }
  return cost + family->launch_cost + n_bytes * family->byte_cost / n_cores;
}

/* Parts make sense of sums that are long; whether they pay depends on the result's size, but then
 * they stay for all numbers of items. */
static bool may_have_parts (
    uint32_t n_parts, const WeirOclWindow *window, const WeirOclFacts *facts)
{
  return n_parts == 1 || (facts->kind != WEIR_OCL_CPU && !window->is_transposed &&
                             steps_of (window, PART_STEP) >= n_parts * MIN_PART_STEPS);
}

static bool may_be_split (uint32_t n_parts, const WeirOclWindow *window)
{
  return n_parts > 1 && elements_of (window) <= MAX_PARTS_BYTES / sizeof (float) / n_parts;
}

static void list (const WeirOclFacts *facts, const WeirOclWindow *original, GArray *variants)
{
  WeirOclWindow window = weir_ocl_window_fold (original);
  const WeirOclFamily *family = weir_ocl_family_of (facts);
  uint32_t n_cores = weir_ocl_n_cores (facts, family);
  for (uint32_t i = 0; i < WEIR_OCL_N_TILES; i++)
    for (uint32_t n = 1; n <= MAX_PARTS && fits (&weir_ocl_tiles[i], facts); n *= 2)
      for (uint32_t split = 0; split < 2 && may_have_parts (n, &window, facts); split++) {
        WeirOclVariant each = {
          .way = &weir_ocl_way_product, .tile = &weir_ocl_tiles[i], .n_parts = n, .is_split = split
        };
        each.cost = cost_of (&each, &window, family, n_cores);
        if (!split || may_be_split (n, &window))
          g_array_append_val (variants, each);
      }
}

static void name_variant (const WeirOclVariant *variant, GString *name)
{
  const WeirOclTile *tile = variant->tile;
  g_string_append_printf (
      name, " %ux%u/%ux%ux%u", tile->m, tile->n, tile->item_m, tile->item_n, tile->step);
  if (variant->n_parts > 1)
    g_string_append_printf (
        name, ", %u parts %s", variant->n_parts, variant->is_split ? "at once" : "in sequence");
}

/* Floats; false where they are too many for the kernel to count. */
static bool count_weights (const WeirOclWindow *window, size_t *n)
{
  size_t n_taps = (size_t) window->kernel[0] * window->kernel[1], n_rows;
  return weir_checked_mul (n_taps, window->kernel[2], &n_taps) &&
         weir_checked_mul (n_taps, window->src_channels, &n_rows) && n_rows < INT32_MAX &&
         weir_checked_mul (n_rows + PART_STEP, (outputs_of (window) + 3) / 4 * 4, n) &&
         *n < INT32_MAX;
}

static bool takes (const WeirOclWindow *window)
{
  size_t n_weights;
  return count_weights (window, &n_weights);
}

static size_t n_weights (const WeirOclWindow *window)
{
  size_t n = 0;
  count_weights (window, &n);
  return n;
}

/* [group][tap][input][output], outputs filled up to fours, rows of zeros behind. */
static void pack (float *packed, const float *values, const void *job)
{
  const WeirOclWindow *window = job;
  size_t n_taps = (size_t) window->kernel[0] * window->kernel[1] * window->kernel[2];
  size_t n_inputs = inputs_of (window), n_outputs = outputs_of (window);
  size_t row = (n_outputs + 3) / 4 * 4;
  memset (packed, 0, n_weights (window) * sizeof *packed);
  for (size_t g = 0; g < window->groups; g++)
    for (size_t t = 0; t < n_taps; t++)
      for (size_t c = 0; c < n_inputs; c++)
        for (size_t o = 0; o < n_outputs; o++) {
          size_t pair = window->is_transposed ? (g * n_inputs + c) * n_outputs + o
                                              : (g * n_outputs + o) * n_inputs + c;
          packed[((g * n_taps + t) * n_inputs + c) * row + o] = values[pair * n_taps + t];
        }
}

/* A picture of one row, of which each pixel is a row of the product. */
static bool is_flat (const WeirOclWindow *window)
{
  return window->kernel[2] == 1 && window->stride[2] == 1 && window->pad[2] == 0 &&
         window->src[2] == window->dst[2] && window->n_items == 1 && window->dst[1] == 1 &&
         window->src[1] == 1 && window->kernel[1] == 1 && window->pad[1] == 0 &&
         window->dst[0] == 1 && window->src[0] == 1 && window->kernel[0] == 1 &&
         window->pad[0] == 0;
}

static bool is_dst_aligned (const WeirOclWindow *window, const WeirOclWindowPlaces *places)
{
  return weir_ocl_window_is_aligned (window, places->dst) &&
         weir_ocl_window_is_aligned (window, places->bias) &&
         weir_ocl_window_is_aligned (window, places->added);
}

/* Newly allocated. */
static char *make_options (const WeirOclWindow *window, const WeirOclWindowPlaces *places,
    const WeirOclVariant *variant, cl_float8 *parameters)
{
  const WeirOclTile *tile = variant->tile;
  GString *options = g_string_new (NULL);
  bool has_parts = variant->is_split;
  bool is_wide = inputs_of (window) % 4 == 0 && weir_ocl_window_is_aligned (window, places->src);
  bool is_wide_dst = outputs_of (window) % 4 == 0 && (has_parts || is_dst_aligned (window, places));
  g_string_append_printf (options,
      "-DTILE_M=%u -DTILE_N=%u -DITEM_M=%u -DITEM_N=%u -DSTEP=%u -DVECTOR=%u -DDST_VECTOR=%u",
      tile->m, tile->n, tile->item_m, tile->item_n, tile->step, is_wide ? 4 : 1,
      is_wide_dst ? 4 : 1);
  if (window->is_transposed)
    g_string_append (options, " -DTRANSPOSED");
  else if (is_flat (window))
    g_string_append (options, " -DPOINTWISE");
  if (has_parts)
    g_string_append_printf (
        options, " -DPARTS%s", window->dtype == WEIR_DTYPE_F16 ? " -DWEIR_F16" : "");
  else
    weir_ocl_window_options (window, places, options, parameters);
  if (variant->n_parts > 1 && !has_parts)
    g_string_append (options, " -DSEQUENCE");
  return g_string_free (options, FALSE);
}

static WeirOclGrid make_grid (const WeirOclVariant *variant, const WeirOclWindow *window)
{
  const WeirOclTile *tile = variant->tile;
  Rows rows = rows_of (window);
  size_t n_items = tile->m / tile->item_m * (tile->n / tile->item_n);
  size_t n_tiles =
      (size_t) divide_up (rows.n_rows, tile->m) * divide_up (outputs_of (window), tile->n);
  return weir_ocl_grid (n_tiles * n_items, (size_t) window->groups * rows.n_phases,
      variant->is_split ? variant->n_parts : 1, n_items, 1, 1);
}

static WeirOclCall *make_call (WeirOclDevice *device, const WeirOclVariant *variant,
    const WeirOclWindow *window, const WeirOclWindowPlaces *places, GError **error)
{
  const WeirOclTile *tile = variant->tile;
  uint32_t bytes = (uint32_t) weir_dtype_bytes (window->dtype);
  cl_float8 parameters = { { 0 } };
  g_autofree char *options = make_options (window, places, variant, &parameters);
  cl_program program = weir_ocl_program_get (device, "convolution", options, error);
  if (!program)
    return NULL;
  Rows rows = rows_of (window);
  uint32_t inputs = inputs_of (window), outputs = outputs_of (window);
  cl_int4 src_size = weir_ocl_window_int4 (window->src, window->src_channels),
          dst_size = weir_ocl_window_int4 (window->dst, window->dst_channels),
          rows_size = weir_ocl_window_int4 (rows.size, 0),
          taps = weir_ocl_window_int4 (window->kernel, inputs),
          stride = weir_ocl_window_int4 (window->stride, 1),
          dilation = weir_ocl_window_int4 (window->dilation, 1), pad = weir_ocl_window_pad (window),
          sizes = { { (cl_int) rows.n_rows, (cl_int) outputs, (cl_int) window->groups,
              (cl_int) divide_up (outputs, tile->n) } };
  cl_int part_length = (cl_int) elements_of (window), n_parts = (cl_int) variant->n_parts,
         part_steps = (cl_int) divide_up (steps_of (window, PART_STEP), variant->n_parts);
  src_size.s[2] *= src_size.s[3];
  if (has_rows_as_taps (window)) {
    taps.s[3] *= taps.s[2];
    taps.s[2] = 1;
  }
  return weir_ocl_call_new (device, program, "convolution", make_grid (variant, window), error,
      WEIR_OCL_ADDRESS (places->src, bytes), WEIR_OCL_ADDRESS (places->weights, bytes),
      WEIR_OCL_ADDRESS (places->bias, bytes), WEIR_OCL_ADDRESS (places->added, bytes),
      variant->is_split ? WEIR_OCL_ADDRESS (places->scratch, sizeof (float))
                        : WEIR_OCL_ADDRESS (places->dst, bytes),
      WEIR_OCL_VALUE (src_size), WEIR_OCL_VALUE (dst_size), WEIR_OCL_VALUE (rows_size),
      WEIR_OCL_VALUE (taps), WEIR_OCL_VALUE (stride), WEIR_OCL_VALUE (dilation),
      WEIR_OCL_VALUE (pad), WEIR_OCL_VALUE (sizes), WEIR_OCL_VALUE (n_parts),
      WEIR_OCL_VALUE (part_steps), WEIR_OCL_VALUE (part_length), WEIR_OCL_VALUE (parameters));
}

/* What follows the parts: their sum, with all that is done to it. */
static WeirOclCall *make_sum (WeirOclDevice *device, const WeirOclVariant *variant,
    const WeirOclWindow *window, const WeirOclWindowPlaces *places, GError **error)
{
  uint32_t bytes = (uint32_t) weir_dtype_bytes (window->dtype);
  uint32_t width = window->dst_channels % 4 == 0 && is_dst_aligned (window, places) ? 4 : 1;
  cl_float8 parameters;
  g_autoptr (GString) options = g_string_new (NULL);
  g_string_append_printf (options, "-DVECTOR=%u", width);
  weir_ocl_window_options (window, places, options, &parameters);
  cl_program program = weir_ocl_program_get (device, "parts", options->str, error);
  if (!program)
    return NULL;
  cl_int n = (cl_int) elements_of (window), n_channels = (cl_int) window->dst_channels,
         n_parts = (cl_int) variant->n_parts;
  size_t group = MIN (SUM_GROUP, weir_ocl_device_facts (device)->max_group);
  return weir_ocl_call_new (device, program, "sum_parts",
      weir_ocl_grid (elements_of (window) / width, 0, 0, group, 0, 0), error,
      WEIR_OCL_ADDRESS (places->scratch, sizeof (float)), WEIR_OCL_ADDRESS (places->bias, bytes),
      WEIR_OCL_ADDRESS (places->added, bytes), WEIR_OCL_ADDRESS (places->dst, bytes),
      WEIR_OCL_VALUE (n), WEIR_OCL_VALUE (n_channels), WEIR_OCL_VALUE (n_parts),
      WEIR_OCL_VALUE (parameters));
}

static bool add_calls (WeirOclDevice *device, const WeirOclVariant *variant,
    const WeirOclWindow *original, const WeirOclWindowPlaces *places, GPtrArray *calls,
    GError **error)
{
  WeirOclWindow window = weir_ocl_window_fold (original);
  return weir_ocl_calls_add (calls, make_call (device, variant, &window, places, error)) &&
         (!variant->is_split ||
             weir_ocl_calls_add (calls, make_sum (device, variant, &window, places, error)));
}

static size_t scratch_bytes (const WeirOclVariant *variant, const WeirOclWindow *window)
{
  return variant->is_split ? variant->n_parts * elements_of (window) * sizeof (float) : 0;
}

const WeirOclWay weir_ocl_way_product = { "product", false, takes, list, name_variant, n_weights,
  pack, scratch_bytes, add_calls };
