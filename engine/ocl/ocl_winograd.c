/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* 3x3 convolutions at stride 1 by Winograd's minimal filtering: kernels/ocl/winograd.cl, and
 * between its two kernels the product of ocl_product.c. F(2x2, 3x3) needs 16 products for 36,
 * F(4x4, 3x3) 36 for 144; what is transformed goes through memory, some tiles at a time. */
#include "engine/ocl/ocl_program.h"
#include "engine/ocl/ocl_window.h"
#include "kernels/winograd.h"

#include <math.h>
#include <string.h>

#define GROUP             64u
#define MAX_CHANNELS      4096u
#define MAX_SCRATCH_BYTES ((size_t) 32 << 20) /* some tiles at a time */
#define MIN_TILES         128u                /* at a time, however large */
/* What the estimate does not know: it has to say so clearly. */
#define CAUTION 1.15

static uint32_t divide_up (uint32_t a, uint32_t b)
{
  return (a + b - 1) / b;
}

static bool takes (const WeirOclWindow *window)
{
  bool is_idle = window->kernel[0] == 1 && window->stride[0] == 1 && window->pad[0] == 0 &&
                 window->src[0] == window->dst[0];
  for (uint32_t d = 1; d < 3; d++)
    is_idle =
        is_idle && window->kernel[d] == 3 && window->stride[d] == 1 && window->dilation[d] == 1;
  return is_idle && window->groups == 1 && !window->is_transposed &&
         MAX (window->src_channels, window->dst_channels) <= MAX_CHANNELS;
}

/* How the window is cut. */
typedef struct Tiles {
  uint32_t results, n_planes;   /* of a tile: in each direction; products */
  uint32_t n_y, n_x, n, n_step; /* of an item; of all; at a time */
  size_t src_bytes, dst_bytes;  /* of a tile's transformed channels */
} Tiles;

static Tiles cut (uint32_t results, const WeirOclWindow *window)
{
  uint32_t n_planes = (results + 2) * (results + 2);
  Tiles tiles = { .results = results,
    .n_planes = n_planes,
    .n_y = divide_up (window->dst[1], results),
    .n_x = divide_up (window->dst[2], results),
    .src_bytes = (size_t) n_planes * window->src_channels * sizeof (float),
    .dst_bytes = (size_t) n_planes * window->dst_channels * sizeof (float) };
  tiles.n = window->n_items * window->dst[0] * tiles.n_y * tiles.n_x;
  size_t n_step = MAX (MAX_SCRATCH_BYTES / (tiles.src_bytes + tiles.dst_bytes), MIN_TILES);
  tiles.n_step = (uint32_t) MIN (n_step, tiles.n);
  return tiles;
}

/* A picture of one row, whose pixels are tiles and whose groups are planes. */
static WeirOclWindow product_of (const Tiles *tiles, const WeirOclWindow *window, uint32_t n_tiles)
{
  return (WeirOclWindow){ .n_items = 1,
    .groups = tiles->n_planes,
    .src_channels = tiles->n_planes * window->src_channels,
    .dst_channels = tiles->n_planes * window->dst_channels,
    .src = { 1, 1, n_tiles },
    .dst = { 1, 1, n_tiles },
    .kernel = { 1, 1, 1 },
    .stride = { 1, 1, 1 },
    .dilation = { 1, 1, 1 },
    .dtype = WEIR_DTYPE_F32 };
}

/* Products, and what else goes through memory: sources and results, and twice what is between. */
static void list (const WeirOclWay *way, uint32_t results, const WeirOclFacts *facts,
    const WeirOclWindow *window, GArray *variants)
{
  const WeirOclFamily *family = weir_ocl_family_of (facts);
  Tiles tiles = cut (results, window);
  WeirOclWindow product = product_of (&tiles, window, tiles.n_step);
  if (!weir_ocl_way_product.takes (&product))
    return;
  g_autoptr (GArray) products = g_array_new (FALSE, FALSE, sizeof (WeirOclVariant));
  weir_ocl_way_product.list (facts, &product, products);
  double n_steps = divide_up (tiles.n, tiles.n_step);
  double n_bytes = 2.0 * tiles.n * (double) (tiles.src_bytes + tiles.dst_bytes) +
                   (double) tiles.n * results * results *
                       (window->src_channels + window->dst_channels) *
                       (double) weir_dtype_bytes (window->dtype);
  double cost = 2 * n_steps * family->launch_cost +
                n_bytes * family->byte_cost / weir_ocl_n_cores (facts, family);
  for (uint32_t i = 0; i < products->len; i++) {
    WeirOclVariant variant = g_array_index (products, WeirOclVariant, i);
    variant.way = way;
    variant.cost = (variant.cost * n_steps + cost) * CAUTION;
    if (variant.n_parts == 1)
      g_array_append_val (variants, variant);
  }
}

static void name_variant (const WeirOclVariant *variant, GString *name)
{
  weir_ocl_way_product.name_variant (variant, name);
}

static size_t n_weights (uint32_t results, const WeirOclWindow *window)
{
  Tiles tiles = cut (results, window);
  WeirOclWindow product = product_of (&tiles, window, 1);
  return weir_ocl_way_product.n_weights (&product);
}

/* G w Gt of one pair of channels, `apart` floats from one plane to the next. */
static void transform_weights (
    uint32_t extent, double g[][3], float *dst, size_t apart, const float *w)
{
  for (uint32_t y = 0; y < extent; y++) {
    double row[3];
    for (uint32_t x = 0; x < 3; x++)
      row[x] = g[y][0] * (double) w[x] + g[y][1] * (double) w[3 + x] + g[y][2] * (double) w[6 + x];
    for (uint32_t x = 0; x < extent; x++)
      dst[(y * extent + x) * apart] =
          (float) (g[x][0] * row[0] + g[x][1] * row[1] + g[x][2] * row[2]);
  }
}

/* As the product wants them: [plane][input][output], outputs filled up to fours. */
static void pack (uint32_t results, float *packed, const float *values, const void *job)
{
  const WeirOclWindow *window = job;
  size_t n_inputs = window->src_channels, n_outputs = window->dst_channels;
  size_t row = (n_outputs + 3) / 4 * 4;
  double g[WEIR_WINOGRAD_EXTENT][3];
  weir_winograd_weight_rows (results, g);
  memset (packed, 0, n_weights (results, window) * sizeof *packed);
  for (size_t o = 0; o < n_outputs; o++)
    for (size_t c = 0; c < n_inputs; c++)
      transform_weights (results + 2, g, packed + c * row + o, n_inputs * row,
          values + (o * n_inputs + c) * WEIR_WINOGRAD_TAPS);
}

static size_t scratch_bytes (uint32_t results, const WeirOclWindow *window)
{
  Tiles tiles = cut (results, window);
  return tiles.n_step * (tiles.src_bytes + tiles.dst_bytes);
}

/* One step: its first tile, how many. */
typedef struct Step {
  const Tiles *tiles;
  const WeirOclWindow *window;
  const WeirOclWindowPlaces *places;
  uint32_t first, n;
  const void *src, *dst; /* transformed */
} Step;

static cl_int4 tiles_of (const Step *step)
{
  return (cl_int4){ { (cl_int) step->tiles->n_y, (cl_int) step->tiles->n_x, (cl_int) step->first,
      (cl_int) step->n } };
}

/* Work items of a GPU have registers for one channel. */
static uint32_t width_of (const WeirOclDevice *device, uint32_t n_channels, bool is_aligned)
{
  bool is_cpu = weir_ocl_device_facts (device)->kind == WEIR_OCL_CPU;
  return is_cpu && n_channels % 4 == 0 && is_aligned ? 4 : 1;
}

static WeirOclCall *make_load (WeirOclDevice *device, const Step *step, GError **error)
{
  const WeirOclWindow *window = step->window;
  uint32_t bytes = (uint32_t) weir_dtype_bytes (window->dtype);
  uint32_t width = width_of (
      device, window->src_channels, weir_ocl_window_is_aligned (window, step->places->src));
  g_autofree char *options = g_strdup_printf ("-DRESULTS=%u -DVECTOR=%u%s", step->tiles->results,
      width, window->dtype == WEIR_DTYPE_F16 ? " -DWEIR_F16" : "");
  cl_program program = weir_ocl_program_get (device, "winograd", options, error);
  if (!program)
    return NULL;
  cl_int4 src_size = { { (cl_int) window->src[1], (cl_int) window->src[2],
              (cl_int) window->src_channels, 0 } },
          tiles = tiles_of (step), pad = { { window->pad[1], window->pad[2], 0, 0 } };
  return weir_ocl_call_new (device, program, "load_tiles",
      weir_ocl_grid ((size_t) step->n * (window->src_channels / width), 0, 0, GROUP, 0, 0), error,
      WEIR_OCL_ADDRESS (step->places->src, bytes), WEIR_OCL_ADDRESS (step->src, sizeof (float)),
      WEIR_OCL_VALUE (src_size), WEIR_OCL_VALUE (tiles), WEIR_OCL_VALUE (pad));
}

static WeirOclCall *make_store (WeirOclDevice *device, const Step *step, GError **error)
{
  const WeirOclWindow *window = step->window;
  const WeirOclWindowPlaces *places = step->places;
  uint32_t bytes = (uint32_t) weir_dtype_bytes (window->dtype);
  bool is_aligned = weir_ocl_window_is_aligned (window, places->dst) &&
                    weir_ocl_window_is_aligned (window, places->bias) &&
                    weir_ocl_window_is_aligned (window, places->added);
  uint32_t width = width_of (device, window->dst_channels, is_aligned);
  cl_float8 parameters;
  g_autoptr (GString) options = g_string_new (NULL);
  g_string_append_printf (options, "-DRESULTS=%u -DVECTOR=%u", step->tiles->results, width);
  weir_ocl_window_options (window, places, options, &parameters);
  cl_program program = weir_ocl_program_get (device, "winograd", options->str, error);
  if (!program)
    return NULL;
  cl_int4 dst_size = { { (cl_int) window->dst[1], (cl_int) window->dst[2],
              (cl_int) window->dst_channels, 0 } },
          tiles = tiles_of (step);
  return weir_ocl_call_new (device, program, "store_tiles",
      weir_ocl_grid ((size_t) step->n * (window->dst_channels / width), 0, 0, GROUP, 0, 0), error,
      WEIR_OCL_ADDRESS (step->dst, sizeof (float)), WEIR_OCL_ADDRESS (places->bias, bytes),
      WEIR_OCL_ADDRESS (places->added, bytes), WEIR_OCL_ADDRESS (places->dst, bytes),
      WEIR_OCL_VALUE (dst_size), WEIR_OCL_VALUE (tiles), WEIR_OCL_VALUE (parameters));
}

static bool add_step (WeirOclDevice *device, const WeirOclVariant *variant, const Step *step,
    GPtrArray *calls, GError **error)
{
  WeirOclWindow product = product_of (step->tiles, step->window, step->n);
  WeirOclWindowPlaces places = {
    .src = step->src, .dst = step->dst, .weights = step->places->weights
  };
  return weir_ocl_calls_add (calls, make_load (device, step, error)) &&
         weir_ocl_way_product.add_calls (device, variant, &product, &places, calls, error) &&
         weir_ocl_calls_add (calls, make_store (device, step, error));
}

static bool add_calls (uint32_t results, WeirOclDevice *device, const WeirOclVariant *variant,
    const WeirOclWindow *original, const WeirOclWindowPlaces *places, GPtrArray *calls,
    GError **error)
{
  WeirOclWindow window = weir_ocl_window_fold (original);
  Tiles tiles = cut (results, &window);
  const uint8_t *scratch = places->scratch;
  Step step = { .tiles = &tiles,
    .window = &window,
    .places = places,
    .src = scratch,
    .dst = scratch + tiles.n_step * tiles.src_bytes };
  for (; step.first < tiles.n; step.first += tiles.n_step) {
    step.n = MIN (tiles.n - step.first, tiles.n_step);
    if (!add_step (device, variant, &step, calls, error))
      return false;
  }
  return true;
}

/* A way has no place for a number of its own. */
#define WAY(results_)                                                                              \
  static void list_##results_ (                                                                    \
      const WeirOclFacts *facts, const WeirOclWindow *window, GArray *variants)                    \
  {                                                                                                \
    list (&weir_ocl_way_winograd_##results_, results_, facts, window, variants);                   \
  }                                                                                                \
  static size_t n_weights_##results_ (const WeirOclWindow *window)                                 \
  {                                                                                                \
    return n_weights (results_, window);                                                           \
  }                                                                                                \
  static void pack_##results_ (float *packed, const float *values, const void *job)                \
  {                                                                                                \
    pack (results_, packed, values, job);                                                          \
  }                                                                                                \
  static size_t scratch_bytes_##results_ (                                                         \
      const WeirOclVariant *variant, const WeirOclWindow *window)                                  \
  {                                                                                                \
    return scratch_bytes (results_, window);                                                       \
  }                                                                                                \
  static bool add_calls_##results_ (WeirOclDevice *device, const WeirOclVariant *variant,          \
      const WeirOclWindow *window, const WeirOclWindowPlaces *places, GPtrArray *calls,            \
      GError **error)                                                                              \
  {                                                                                                \
    return add_calls (results_, device, variant, window, places, calls, error);                    \
  }                                                                                                \
  const WeirOclWay weir_ocl_way_winograd_##results_ = { "winograd " #results_ "x" #results_, true, \
    takes, list_##results_, name_variant, n_weights_##results_, pack_##results_,                   \
    scratch_bytes_##results_, add_calls_##results_ }

WAY (2);
WAY (4);
