/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cuts a Winograd convolution into units and runs them on the variant for this CPU. */
#include "kernels/winograd.h"

#include "kernels/kernels.h"
#include "kernels/winograd_points.h"

#include <string.h>

#define EXTENT WEIR_WINOGRAD_EXTENT
#define PLANES WEIR_WINOGRAD_PLANES

/* Transformed tiles and sums of a unit: they share the second-level cache with the weights and the
 * pictures. Twice or half of it is 2 % slower over the layers of the shared models; with large
 * weights, that every unit reads anew, six times is faster alone, but slower within a network. */
#define UNIT_BYTES    393216
#define STEP_CHANNELS 64 /* sums of so many are transformed while they are in the cache */
#define LINE_FLOATS   16
#define MIN_TILES     14 /* rows that share a load of the weights */
/* Of each panel of weights, fetched while the plane before is multiplied: the CPU's own prefetching
 * begins anew with each. All of a panel is slower where its rows are many. */
#define PREFETCH_FLOATS 256

#ifdef WEIR_HAVE_AVX2
void weir_winograd_load_avx2 (const WeirWinogradLoad *task);
void weir_winograd_store_avx2 (const WeirWinogradStore *task);
#endif
#ifdef WEIR_HAVE_AVX512
void weir_winograd_load_avx512 (const WeirWinogradLoad *task);
void weir_winograd_store_avx512 (const WeirWinogradStore *task);
void weir_winograd_load_avx512_bf16 (const WeirWinogradLoad *task);
void weir_winograd_store_avx512_bf16 (const WeirWinogradStore *task);
#endif

bool weir_winograd_variant (unsigned isa, const WeirWinograd *shape, WeirWinogradKernels *kernels)
{
  *kernels = (WeirWinogradKernels){ .multiply = weir_gemm_variant (isa) };
#ifdef WEIR_HAVE_AVX512
  if (isa == WEIR_ISA_AVX512) {
    kernels->load = shape->src_is_bf16 ? weir_winograd_load_avx512_bf16 : weir_winograd_load_avx512;
    kernels->store =
        shape->dst_is_bf16 ? weir_winograd_store_avx512_bf16 : weir_winograd_store_avx512;
  }
#endif
#ifdef WEIR_HAVE_AVX2
  if (isa == WEIR_ISA_AVX2 && !shape->src_is_bf16 && !shape->dst_is_bf16) {
    kernels->load = weir_winograd_load_avx2;
    kernels->store = weir_winograd_store_avx2;
  }
#endif
  return kernels->load && kernels->multiply;
}

bool weir_winograd_kernels (const WeirWinograd *shape, WeirWinogradKernels *kernels)
{
  return weir_winograd_variant (WEIR_ISA_AVX512, shape, kernels) ||
         weir_winograd_variant (WEIR_ISA_AVX2, shape, kernels);
}

/* --- plan --- */

static size_t least_of (size_t a, size_t b)
{
  return a < b ? a : b;
}

static size_t most_of (size_t a, size_t b)
{
  return a > b ? a : b;
}

static size_t divide_up (size_t n, size_t by)
{
  return (n + by - 1) / by;
}

static size_t whole_lines (size_t n_floats)
{
  return divide_up (n_floats, LINE_FLOATS) * LINE_FLOATS;
}

/* An odd number of lines: planes whose lines share a set of the first-level cache push each other
 * out of it, for a tile writes one line of each. */
static size_t plane_floats (size_t n_floats)
{
  return n_floats + (n_floats / LINE_FLOATS % 2 ? 0 : LINE_FLOATS);
}

/* Weights are read once by each cut of the tiles: few tiles are cut by channels. */
static void choose_units (WeirWinogradPlan *plan, size_t n_parts)
{
  size_t src_floats = whole_lines (plan->shape.src_channels);
  size_t dst_floats = whole_lines (plan->shape.dst_channels), n_panels = dst_floats / LINE_FLOATS;
  plan->step_channels = least_of (STEP_CHANNELS, dst_floats);
  size_t tile_bytes = PLANES * sizeof (float) * (src_floats + plan->step_channels);
  size_t n_tiles = most_of (UNIT_BYTES / tile_bytes, MIN_TILES);
  size_t n_blocks = divide_up (plan->n_tiles, n_tiles);
  plan->n_groups = 1;
  if (n_blocks < n_parts && plan->n_tiles >= n_parts * MIN_TILES)
    n_blocks = n_parts;
  else if (n_blocks < n_parts)
    plan->n_groups = least_of (divide_up (n_parts, n_blocks), n_panels);
  plan->unit_tiles = divide_up (plan->n_tiles, n_blocks);
  plan->unit_channels = divide_up (n_panels, plan->n_groups) * LINE_FLOATS;
  plan->step_channels = least_of (plan->step_channels, plan->unit_channels);
  plan->n_groups = divide_up (dst_floats, plan->unit_channels);
  plan->n_units = divide_up (plan->n_tiles, plan->unit_tiles) * plan->n_groups;
}

void weir_winograd_plan (WeirWinogradPlan *plan, const WeirWinograd *shape,
    const WeirWinogradKernels *kernels, size_t n_parts)
{
  size_t src_floats = whole_lines (shape->src_channels);
  *plan = (WeirWinogradPlan){ .shape = *shape, .kernels = *kernels };
  plan->tiles_y = divide_up (shape->dst_height, WEIR_WINOGRAD_RESULTS);
  plan->tiles_x = divide_up (shape->dst_width, WEIR_WINOGRAD_RESULTS);
  plan->n_tiles = shape->n_items * plan->tiles_y * plan->tiles_x;
  plan->n_weight_floats =
      PLANES * weir_gemm_packed_floats (shape->src_channels, shape->dst_channels);
  choose_units (plan, n_parts);
  plan->load_plane = plane_floats (plan->unit_tiles * src_floats);
  plan->store_plane = plane_floats (plan->unit_tiles * plan->step_channels);
  plan->n_bias_floats = whole_lines (shape->dst_channels);
  plan->scratch_bytes =
      (src_floats + PLANES * (plan->load_plane + plan->store_plane)) * sizeof (float);
}

WeirWinogradPlace weir_winograd_place (const WeirWinogradPlan *plan, size_t tile)
{
  const WeirWinograd *shape = &plan->shape;
  WeirWinogradPlace place = { .item = tile / plan->tiles_x / plan->tiles_y,
    .y = tile / plan->tiles_x % plan->tiles_y * WEIR_WINOGRAD_RESULTS,
    .x = tile % plan->tiles_x * WEIR_WINOGRAD_RESULTS };
  place.n_rows = least_of (shape->dst_height - place.y, WEIR_WINOGRAD_RESULTS);
  place.n_columns = least_of (shape->dst_width - place.x, WEIR_WINOGRAD_RESULTS);
  return place;
}

WeirWinogradUnit weir_winograd_unit (const WeirWinogradPlan *plan, size_t i)
{
  size_t tile = i / plan->n_groups * plan->unit_tiles,
         channel = i % plan->n_groups * plan->unit_channels;
  return (WeirWinogradUnit){ tile, least_of (plan->unit_tiles, plan->n_tiles - tile), channel,
    least_of (plan->unit_channels, plan->shape.dst_channels - channel) };
}

/* --- weights --- */

/* Row i: the polynomial of three weights at point i, divided by the products of the distances to
 * the other points. */
void weir_winograd_weight_rows (size_t n_results, double g[WEIR_WINOGRAD_EXTENT][3])
{
  static const double small[] = { 0, 1, -1 },
                      large[] = { 0, WINOGRAD_A, -WINOGRAD_A, WINOGRAD_B, -WINOGRAD_B };
  const double *points = n_results == 2 ? small : large;
  size_t n_points = n_results + 1;
  for (size_t i = 0; i < n_points; i++) {
    double factor = 1;
    for (size_t k = 0; k < n_points; k++)
      if (k != i)
        factor *= points[i] - points[k];
    for (size_t k = 0; k < 3; k++)
      g[i][k] = (k == 0 ? 1 : k == 1 ? points[i] : points[i] * points[i]) / factor;
  }
  g[n_points][0] = g[n_points][1] = 0;
  g[n_points][2] = 1;
}

/* Row i of G w Gᵀ for a panel's width of pairs of channels: nine weights, n floats apart. */
static void transform_weights (
    double g[EXTENT][3], size_t i, float *restrict dst, const float *restrict w, size_t n)
{
  double row[3][WEIR_GEMM_PANEL];
  for (size_t x = 0; x < 3; x++)
    for (size_t e = 0; e < WEIR_GEMM_PANEL; e++)
      row[x][e] = g[i][0] * (double) w[x * n + e] + g[i][1] * (double) w[(3 + x) * n + e] +
                  g[i][2] * (double) w[(6 + x) * n + e];
  for (size_t k = 0; k < EXTENT; k++)
    for (size_t e = 0; e < WEIR_GEMM_PANEL; e++)
      dst[k * n + e] = (float) (g[k][0] * row[0][e] + g[k][1] * row[1][e] + g[k][2] * row[2][e]);
}

void weir_winograd_pack (
    const WeirWinogradPlan *plan, float *packed, const float *weights, float *buffer)
{
  size_t n_src = plan->shape.src_channels, n_dst = plan->shape.dst_channels;
  size_t n = plan->n_weight_floats / PLANES;
  double g[EXTENT][3];
  weir_winograd_weight_rows (WEIR_WINOGRAD_RESULTS, g);
  for (size_t tap = 0; tap < WEIR_WINOGRAD_TAPS; tap++)
    weir_gemm_pack (buffer + tap * n, weights + tap, WEIR_WINOGRAD_TAPS, WEIR_WINOGRAD_TAPS * n_src,
        n_src, n_dst);
  for (size_t i = 0; i < EXTENT; i++)
    for (size_t e = 0; e < n; e += WEIR_GEMM_PANEL)
      transform_weights (g, i, packed + i * EXTENT * n + e, buffer + e, n);
}

/* --- run --- */

static size_t element_bytes (bool is_bf16)
{
  return is_bf16 ? sizeof (uint16_t) : sizeof (float);
}

/* The source of a tile that reaches over an end of the picture. */
static void fill_pixels (const WeirWinogradJob *job, const WeirWinogradPlace *place,
    const void *zeros, const void **pixels)
{
  const WeirWinograd *shape = &job->plan->shape;
  size_t pixel_bytes = shape->src_channels * element_bytes (shape->src_is_bf16);
  const char *item =
      (const char *) job->src + place->item * shape->src_height * shape->src_width * pixel_bytes;
  for (size_t i = 0; i < PLANES; i++) {
    size_t y = place->y + i / EXTENT, x = place->x + i % EXTENT; /* from the pad on */
    bool is_inside = y >= shape->pad_y && y - shape->pad_y < shape->src_height &&
                     x >= shape->pad_x && x - shape->pad_x < shape->src_width;
    pixels[i] =
        is_inside ? item + ((y - shape->pad_y) * shape->src_width + x - shape->pad_x) * pixel_bytes
                  : zeros;
  }
}

static void load_tiles (
    const WeirWinogradJob *job, const WeirWinogradUnit *unit, const float *zeros, float *dst)
{
  const WeirWinogradPlan *plan = job->plan;
  const WeirWinograd *shape = &plan->shape;
  size_t pixel_bytes = shape->src_channels * element_bytes (shape->src_is_bf16);
  WeirWinogradLoad task = { .src_row = shape->src_width * shape->src_channels,
    .src_apart = shape->src_channels,
    .n_channels = shape->src_channels,
    .plane = plan->load_plane };
  for (size_t i = 0; i < unit->n_tiles; i++) {
    WeirWinogradPlace place = weir_winograd_place (plan, unit->first_tile + i);
    bool is_inside = place.y >= shape->pad_y && place.x >= shape->pad_x &&
                     place.y - shape->pad_y + EXTENT <= shape->src_height &&
                     place.x - shape->pad_x + EXTENT <= shape->src_width;
    task.dst = dst + i * whole_lines (shape->src_channels);
    task.src = NULL;
    if (is_inside)
      task.src = (const char *) job->src +
                 ((place.item * shape->src_height + place.y - shape->pad_y) * shape->src_width +
                     place.x - shape->pad_x) *
                     pixel_bytes;
    else
      fill_pixels (job, &place, zeros, task.pixels);
    plan->kernels.load (&task);
  }
}

static void prefetch_panels (const float *weights, size_t n_inner, size_t n_columns)
{
  size_t n_floats = least_of (n_inner * WEIR_GEMM_PANEL, PREFETCH_FLOATS);
  for (size_t c = 0; c < n_columns; c += WEIR_GEMM_PANEL)
    for (size_t i = 0; i < n_floats; i += LINE_FLOATS)
      __builtin_prefetch (weights + c * n_inner + i, 0, 2);
}

/* The products of n channels of the results, rounded up to half a vector; the store leaves out
 * those beyond the last one, whatever they are. */
static void multiply_tiles (const WeirWinogradJob *job, const WeirWinogradUnit *unit,
    size_t channel, size_t n, const float *src, float *dst)
{
  const WeirWinogradPlan *plan = job->plan;
  size_t n_inner = plan->shape.src_channels, weight_plane = plan->n_weight_floats / PLANES;
  const float *weights = job->weights + channel * n_inner;
  WeirGemm task = { .a_row = whole_lines (n_inner),
    .dst_row = plan->step_channels,
    .n_rows = unit->n_tiles,
    .n_inner = n_inner,
    .n_columns = divide_up (n, LINE_FLOATS / 2) * (LINE_FLOATS / 2) };
  for (size_t i = 0; i < PLANES; i++) {
    task.a = src + i * plan->load_plane;
    task.b = weights + i * weight_plane;
    if (i + 1 < PLANES)
      prefetch_panels (weights + (i + 1) * weight_plane, n_inner, task.n_columns);
    task.dst = dst + i * plan->store_plane;
    plan->kernels.multiply (&task);
  }
}

static void store_tiles (const WeirWinogradJob *job, const WeirWinogradUnit *unit, size_t channel,
    size_t n, const float *src)
{
  const WeirWinogradPlan *plan = job->plan;
  const WeirWinograd *shape = &plan->shape;
  WeirWinogradStore task = { .plane = plan->store_plane,
    .bias = job->bias + channel,
    .dst_row = shape->dst_width * shape->dst_channels,
    .dst_apart = shape->dst_channels,
    .n_channels = n,
    .activation = &shape->activation };
  for (size_t i = 0; i < unit->n_tiles; i++) {
    WeirWinogradPlace place = weir_winograd_place (plan, unit->first_tile + i);
    size_t pixel = (place.item * shape->dst_height + place.y) * shape->dst_width + place.x;
    size_t at = (pixel * shape->dst_channels + channel) * element_bytes (shape->dst_is_bf16);
    task.src = src + i * plan->step_channels;
    task.dst = (char *) job->dst + at;
    task.added = shape->adds ? (const char *) job->added + at : NULL;
    task.n_rows = place.n_rows;
    task.n_columns = place.n_columns;
    plan->kernels.store (&task);
  }
}

void weir_winograd_run (const WeirWinogradJob *job, void *scratch, const WeirWinogradUnit *unit)
{
  const WeirWinogradPlan *plan = job->plan;
  size_t n_zeros = whole_lines (plan->shape.src_channels);
  float *zeros = scratch, *loaded = zeros + n_zeros, *sums = loaded + PLANES * plan->load_plane;
  memset (zeros, 0, n_zeros * sizeof *zeros);
  load_tiles (job, unit, zeros, loaded);
  for (size_t c = 0; c < unit->n_channels; c += plan->step_channels) {
    size_t n = least_of (plan->step_channels, unit->n_channels - c);
    multiply_tiles (job, unit, unit->first_channel + c, n, loaded, sums);
    store_tiles (job, unit, unit->first_channel + c, n, sums);
  }
}
