/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Convolutions of codes as products of matrices: kernels/ocl/int8_product.cl and its tiles. */
#include "engine/base/checked.h"
#include "engine/ocl/ocl_int8.h"

#include <math.h>
#include <string.h>

#define STEP_MAX 16u /* largest of the tables' steps: so many rows of zeros follow the weights */
#define WORD     4u  /* codes */

/* As in int8_product.cl. */
typedef struct Shape {
  cl_int src[4], dst[4], window[4];
  cl_int stride[3], dilation[3], pad[3];
  cl_int n_rows, n_columns, n_groups, n_tiles, fill, flip;
} Shape;

/* Relative speeds from what work items read of local memory for what they multiply, as in
 * ocl_product.c: none has been measured on a GPU. */
static const WeirOclInt8Tile gpu_tiles[] = {
  { 128, 128, 8, 8, 8, 950 },
  { 128, 64, 8, 8, 8, 1000 },
  { 64, 64, 8, 8, 8, 950 },
  { 64, 32, 8, 4, 8, 700 },
  { 32, 32, 4, 4, 8, 550 },
  { 64, 16, 4, 4, 16, 500 },
};

static const WeirOclInt8Tile cpu_tiles[] = {
  { 64, 16, 8, 4, 8, 1000 },
  { 32, 32, 4, 4, 8, 1000 },
};

const WeirOclInt8Tile *weir_ocl_int8_tiles (bool is_cpu, uint32_t *n)
{
  *n = is_cpu ? G_N_ELEMENTS (cpu_tiles) : G_N_ELEMENTS (gpu_tiles);
  return is_cpu ? cpu_tiles : gpu_tiles;
}

static uint32_t divide_up (uint32_t a, uint32_t b)
{
  return (a + b - 1) / b;
}

static uint32_t outputs_of (const WeirOclWindow *window)
{
  return window->dst_channels / window->groups;
}

static uint32_t inputs_of (const WeirOclWindow *window)
{
  return window->src_channels / window->groups;
}

/* Taps by dimension, and the bytes of one: a row of the window where that is one piece of memory.
 */
typedef struct Taps {
  uint32_t size[3], n, n_bytes, n_words;
} Taps;

static Taps taps_of (const WeirOclWindow *window)
{
  bool is_row = window->groups == 1 && window->dilation[2] == 1;
  Taps taps = { .size = { window->kernel[0], window->kernel[1], is_row ? 1 : window->kernel[2] } };
  taps.n = taps.size[0] * taps.size[1] * taps.size[2];
  taps.n_bytes = inputs_of (window) * (is_row ? window->kernel[2] : 1);
  taps.n_words = divide_up (taps.n_bytes, WORD);
  return taps;
}

static uint32_t columns_of (const WeirOclWindow *window)
{
  return divide_up (outputs_of (window), 4) * 4;
}

static size_t n_bytes (const WeirOclWindow *window)
{
  Taps taps = taps_of (window);
  size_t n;
  bool is_countable = weir_checked_mul (taps.n, taps.n_words, &n) &&
                      weir_checked_mul (n, window->groups, &n) && n < INT32_MAX - STEP_MAX &&
                      weir_checked_mul (n + STEP_MAX, columns_of (window), &n) && n < INT32_MAX;
  return is_countable ? n * WORD : 0;
}

/* [group][tap][word][column], outputs filled up to fours, words with zeros, rows of zeros behind.
 */
static void pack (uint8_t *packed, const void *data)
{
  const WeirOclInt8Weights *weights = data;
  const WeirOclWindow *window = weights->window;
  Taps taps = taps_of (window);
  size_t n_inputs = inputs_of (window), n_outputs = outputs_of (window), n = columns_of (window),
         n_pixels = (size_t) window->kernel[0] * window->kernel[1] * window->kernel[2],
         n_tap_pixels = n_pixels / taps.n;
  memset (packed, 0, n_bytes (window));
  for (size_t o = 0; o < window->dst_channels; o++)
    for (size_t t = 0; t < taps.n; t++)
      for (size_t byte = 0; byte < taps.n_bytes; byte++) {
        size_t pixel = t * n_tap_pixels + byte / n_inputs, c = byte % n_inputs;
        size_t row = (o / n_outputs * taps.n + t) * taps.n_words + byte / WORD;
        packed[(row * n + o % n_outputs) * WORD + byte % WORD] =
            (uint8_t) weights->codes[(o * n_inputs + c) * n_pixels + pixel];
      }
}

static bool fits (const WeirOclInt8Tile *tile, const WeirOclFacts *facts)
{
  uint32_t n_items = tile->m / tile->item_m * (tile->n / tile->item_n);
  return n_items <= facts->max_group &&
         (tile->m + 4 + tile->n) * tile->step * sizeof (cl_int) <= facts->local_bytes;
}

static uint32_t rows_of (const WeirOclWindow *window)
{
  return window->n_items * window->dst[0] * window->dst[1] * window->dst[2];
}

/* Tiles at the edge count in full, and the last round of groups lasts as long as the others. */
static double cost_of (
    const WeirOclInt8Tile *tile, const WeirOclWindow *window, const WeirOclFacts *facts)
{
  Taps taps = taps_of (window);
  double n_groups = (double) divide_up (rows_of (window), tile->m) *
                    divide_up (outputs_of (window), tile->n) * window->groups;
  double n_steps = (double) taps.n * divide_up (taps.n_words, tile->step) * tile->step;
  return ceil (n_groups / MAX (facts->n_units, 1)) * tile->m * tile->n * n_steps / tile->speed;
}

/* NULL: none fits the device. */
static const WeirOclInt8Tile *choose (const WeirOclWindow *window, const WeirOclFacts *facts)
{
  uint32_t n;
  const WeirOclInt8Tile *tiles = weir_ocl_int8_tiles (facts->kind == WEIR_OCL_CPU, &n),
                        *best = NULL;
  for (uint32_t i = 0; i < n; i++)
    if (fits (&tiles[i], facts) &&
        (!best || cost_of (&tiles[i], window, facts) < cost_of (best, window, facts)))
      best = &tiles[i];
  return best;
}

/* How products of four are added up; compilers have Khronos' in newer versions of the language
 * only. */
const char *weir_ocl_dot_options (const WeirOclFacts *facts)
{
  static const struct {
    const char *extension, *version, *options;
  } rows[] = {
    { " cl_khr_integer_dot_product ", "OpenCL 3", " -DDOT_KHR -cl-std=CL3.0" },
    { " cl_arm_integer_dot_product_int8 ", "OpenCL ", " -DDOT_ARM" },
  };
  for (uint32_t i = 0; i < G_N_ELEMENTS (rows); i++)
    if (strstr (facts->extensions, rows[i].extension) &&
        g_str_has_prefix (facts->version, rows[i].version))
      return rows[i].options;
  return facts->capability >= 61 ? " -DDOT_NVIDIA" : "";
}

static bool is_aligned (const void *address, size_t n)
{
  return (uintptr_t) address % n == 0;
}

/* Newly allocated. */
static char *make_options (const WeirOclInt8 *node, const WeirOclWindow *window,
    const WeirOclInt8Tile *tile, const WeirOclInt8Places *places, const WeirOclFacts *facts)
{
  uint32_t inputs = inputs_of (window), width = 1;
  if (inputs % 16 == 0 && is_aligned (places->src, 16))
    width = 16;
  else if (inputs % WORD == 0 && is_aligned (places->src, WORD))
    width = WORD;
  bool is_wide_dst = outputs_of (window) % 4 == 0 &&
                     is_aligned (places->dst, 4 * weir_dtype_bytes (node->dst_dtype));
  return g_strdup_printf ("-DTILE_M=%u -DTILE_N=%u -DITEM_M=%u -DITEM_N=%u -DSTEP=%u -DVECTOR=%u "
                          "-DDST_VECTOR=%u%s%s",
      tile->m, tile->n, tile->item_m, tile->item_n, tile->step, width, is_wide_dst ? 4 : 1,
      weir_ocl_dot_options (facts), node->options);
}

static Shape make_shape (
    const WeirOclInt8 *node, const WeirOclWindow *window, const WeirOclInt8Tile *tile)
{
  Taps taps = taps_of (window);
  Shape shape = { .n_rows = (cl_int) rows_of (window),
    .n_columns = (cl_int) outputs_of (window),
    .n_groups = (cl_int) window->groups,
    .n_tiles = (cl_int) divide_up (outputs_of (window), tile->n),
    .fill = (cl_int) (0x01010101u * (uint8_t) node->zero),
    .flip = node->src_dtype == WEIR_DTYPE_U8 ? (cl_int) 0x80808080u : 0 };
  for (uint32_t d = 0; d < 3; d++) {
    shape.src[d] = (cl_int) window->src[d];
    shape.dst[d] = (cl_int) window->dst[d];
    shape.window[d] = (cl_int) taps.size[d];
    shape.stride[d] = (cl_int) window->stride[d];
    shape.dilation[d] = (cl_int) window->dilation[d];
    shape.pad[d] = window->pad[d];
  }
  shape.src[2] *= (cl_int) window->src_channels;
  shape.src[3] = (cl_int) window->src_channels;
  shape.dst[3] = (cl_int) window->dst_channels;
  shape.window[3] = (cl_int) taps.n_bytes;
  return shape;
}

WeirOclCall *weir_ocl_int8_product_new (WeirOclDevice *device, const WeirOclInt8 *node,
    const WeirOclInt8Tile *tile, const WeirOclInt8Places *places, GError **error)
{
  WeirOclWindow window = weir_ocl_window_fold (&node->window);
  Shape shape = make_shape (node, &window, tile);
  g_autofree char *options =
      make_options (node, &window, tile, places, weir_ocl_device_facts (device));
  cl_program program = weir_ocl_program_get (device, "int8_product", options, error);
  if (!program)
    return NULL;
  size_t n_items = tile->m / tile->item_m * (tile->n / tile->item_n);
  size_t n_tiles = (size_t) divide_up (rows_of (&window), tile->m) * (size_t) shape.n_tiles;
  return weir_ocl_call_new (device, program, "int8_product",
      weir_ocl_grid (n_tiles * n_items, window.groups, 0, n_items, 1, 0), error,
      WEIR_OCL_ADDRESS (places->src, 1), WEIR_OCL_ADDRESS (places->weights, sizeof (cl_int)),
      WEIR_OCL_ADDRESS (places->numbers, sizeof (cl_int)),
      WEIR_OCL_ADDRESS (places->added, node->added_bytes),
      WEIR_OCL_ADDRESS (places->dst, (uint32_t) weir_dtype_bytes (node->dst_dtype)),
      WEIR_OCL_VALUE (shape), WEIR_OCL_VALUE (node->rest), WEIR_OCL_VALUE (node->parameters));
}

static WeirOclCall *call_new (
    WeirOclDevice *device, const WeirOclInt8 *node, const WeirOclInt8Places *places, GError **error)
{
  WeirOclWindow window = weir_ocl_window_fold (&node->window);
  const WeirOclInt8Tile *tile = choose (&window, weir_ocl_device_facts (device));
  if (tile)
    return weir_ocl_int8_product_new (device, node, tile, places, error);
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_UNSUPPORTED,
      "%s: convolution in 8 bits: expected are groups of 64 work items and 3 KB of local memory",
      weir_ocl_device_label (device));
  return NULL;
}

const WeirOclInt8Way weir_ocl_int8_way_product = { "int8 product", n_bytes, pack, call_new };
