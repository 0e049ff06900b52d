/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Convolutions of codes on the device against sums on the host: every tile, on odd and prime
 * shapes, with codes at their ends. */
#include "engine/ocl/ocl_int8.h"
#include "tests/ocl/ocl_kit.h"
#include "tests/run_suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static WeirOclDevice *device;
static bool is_few; /* cases: for simulators */

/* Everything of one convolution; addresses of the device count from the memory's base. */
typedef struct Case {
  WeirOclInt8 node;
  uint32_t n_src, n_dst, n_weights, n_numbers;
  uint8_t *src;
  int8_t *weights;
  int32_t *numbers;
} Case;

typedef struct Row {
  uint32_t n_items, groups, src_channels, dst_channels;
  uint32_t src[3], kernel[3], stride[3], dilation[3];
  int32_t pad[3];
  WeirDtype dtype;
  int32_t zero; /* of the source */
} Row;

#define ONES \
  {          \
    1, 1, 1  \
  }

static const Row rows[] = {
  { 2, 1, 3, 7, { 1, 9, 11 }, { 1, 3, 3 }, { 1, 2, 2 }, ONES, { 0, 1, 1 }, WEIR_DTYPE_U8, 128 },
  { 1, 1, 32, 20, { 1, 7, 5 }, { 1, 3, 3 }, ONES, ONES, { 0, 1, 1 }, WEIR_DTYPE_U8, 3 },
  { 3, 1, 13, 17, { 1, 5, 3 }, ONES, ONES, ONES, { 0, 0, 0 }, WEIR_DTYPE_I8, -7 },
  { 1, 1, 12, 8, { 1, 6, 9 }, { 1, 2, 3 }, ONES, { 1, 2, 2 }, { 0, 1, 2 }, WEIR_DTYPE_U8, 255 },
  { 2, 3, 12, 15, { 1, 5, 6 }, { 1, 3, 2 }, { 1, 1, 2 }, ONES, { 0, 0, 1 }, WEIR_DTYPE_I8, 127 },
  { 1, 1, 5, 4, { 4, 3, 5 }, { 2, 3, 1 }, { 2, 1, 1 }, ONES, { 1, 0, 0 }, WEIR_DTYPE_U8, 0 },
  { 1, 2, 32, 8, { 1, 4, 7 }, { 1, 1, 3 }, ONES, ONES, { 0, 0, 1 }, WEIR_DTYPE_U8, 77 },
};

static const Row depthwise_rows[] = {
  { 2, 7, 7, 7, { 1, 9, 11 }, { 1, 3, 3 }, { 1, 2, 2 }, ONES, { 0, 1, 1 }, WEIR_DTYPE_U8, 128 },
  { 1, 20, 20, 20, { 1, 7, 9 }, { 1, 3, 3 }, ONES, ONES, { 0, 1, 1 }, WEIR_DTYPE_U8, 255 },
  { 1, 8, 8, 8, { 1, 7, 13 }, { 1, 2, 5 }, { 1, 1, 3 }, ONES, { 0, 0, 2 }, WEIR_DTYPE_I8, -128 },
  { 1, 4, 4, 4, { 3, 5, 7 }, { 2, 3, 3 }, ONES, { 1, 2, 2 }, { 1, 2, 2 }, WEIR_DTYPE_U8, 9 },
};

static uint32_t next_random (uint32_t *seed)
{
  *seed = *seed * 1664525u + 1013904223u;
  return *seed >> 24;
}

/* Ends of the range among them. */
static void fill_codes (uint8_t *codes, uint32_t n, uint32_t seed)
{
  for (uint32_t i = 0; i < n; i++)
    codes[i] = (uint8_t) (i % 5 == 3 ? 255 : i % 7 == 5 ? 128 : next_random (&seed));
}

static uint32_t product_of (const uint32_t sizes[3])
{
  return sizes[0] * sizes[1] * sizes[2];
}

static void start (Case *c, const Row *row)
{
  WeirOclWindow *window = &c->node.window;
  *c = (Case){ .node = { .window = { .n_items = row->n_items,
                             .groups = row->groups,
                             .src_channels = row->src_channels,
                             .dst_channels = row->dst_channels,
                             .dtype = WEIR_DTYPE_F32 },
                   .src_dtype = row->dtype,
                   .dst_dtype = WEIR_DTYPE_F32,
                   .zero = row->zero + weir_ocl_code_offset (row->dtype),
                   .added_bytes = sizeof (float) } };
  for (uint32_t d = 0; d < 3; d++) {
    window->src[d] = row->src[d];
    window->kernel[d] = row->kernel[d];
    window->stride[d] = row->stride[d];
    window->dilation[d] = row->dilation[d];
    window->pad[d] = row->pad[d];
    uint32_t reach = (row->kernel[d] - 1) * row->dilation[d] + 1;
    window->dst[d] = (row->src[d] + 2 * (uint32_t) row->pad[d] - reach) / row->stride[d] + 1;
  }
  uint32_t n = (row->dst_channels + 3) / 4 * 4;
  c->n_src = row->n_items * product_of (row->src) * row->src_channels;
  c->n_dst = row->n_items * product_of (window->dst) * row->dst_channels;
  c->n_weights = row->dst_channels * (row->src_channels / row->groups) * product_of (row->kernel);
  c->node.rest.n = (cl_int) n;
  c->n_numbers = 3 * n;
  c->src = g_malloc (c->n_src);
  c->weights = g_malloc (c->n_weights);
  c->numbers = g_new0 (int32_t, c->n_numbers);
  fill_codes (c->src, c->n_src, 5);
  fill_codes ((uint8_t *) c->weights, c->n_weights, 11);
}

static void finish (Case *c)
{
  g_free (c->src);
  g_free (c->weights);
  g_free (c->numbers);
}

/* Starts as the source's zero point has them, factor 0.5, bias the channel's number. */
static void fill_numbers (Case *c)
{
  uint32_t n = (uint32_t) c->node.rest.n, n_inner = c->n_weights / c->node.window.dst_channels;
  for (uint32_t i = 0; i < c->node.window.dst_channels; i++) {
    const float factor = 0.5f, bias = (float) i;
    for (uint32_t k = 0; k < n_inner; k++)
      c->numbers[i] -= c->node.zero * c->weights[i * n_inner + k];
    memcpy (&c->numbers[n + i], &factor, sizeof factor);
    memcpy (&c->numbers[2 * n + i], &bias, sizeof bias);
  }
}

static int32_t code_at (const Case *c, int64_t i)
{
  return c->node.src_dtype == WEIR_DTYPE_U8 ? c->src[i] - 128 : (int8_t) c->src[i];
}

/* One sum, from its definition; pads have no part in it. `at`: item, place, channel. */
static int64_t sum_at (const Case *c, const uint32_t at[5])
{
  const WeirOclWindow *w = &c->node.window;
  uint32_t n_inputs = w->src_channels / w->groups, n_taps = product_of (w->kernel);
  uint32_t first = at[4] / (w->dst_channels / w->groups) * n_inputs;
  int64_t sum = 0;
  for (uint32_t tap = 0; tap < n_taps; tap++) {
    uint32_t taps[] = { tap / w->kernel[2] / w->kernel[1], tap / w->kernel[2] % w->kernel[1],
      tap % w->kernel[2] };
    int64_t place = at[0];
    for (uint32_t d = 0; d < 3 && place >= 0; d++) {
      int64_t x = (int64_t) at[1 + d] * w->stride[d] + taps[d] * w->dilation[d] - w->pad[d];
      place = x < 0 || x >= w->src[d] ? -1 : place * w->src[d] + x;
    }
    for (uint32_t i = 0; i < n_inputs && place >= 0; i++)
      sum += (int64_t) (code_at (c, place * w->src_channels + first + i) - c->node.zero) *
             c->weights[(at[4] * n_inputs + i) * n_taps + tap];
  }
  return sum;
}

static void compare (const Case *c, const float *got, const char *what)
{
  const WeirOclWindow *w = &c->node.window;
  for (uint32_t i = 0; i < c->n_dst; i++) {
    uint32_t rest = i / w->dst_channels, line = rest / w->dst[2], plane = line / w->dst[1];
    const uint32_t at[] = { plane / w->dst[0], plane % w->dst[0], line % w->dst[1],
      rest % w->dst[2], i % w->dst_channels };
    double expected = 0.5 * (double) sum_at (c, at) + at[4];
    ck_assert_msg (!((double) got[i] > expected || (double) got[i] < expected),
        "%s: result %u is %g, expected %g", what, i, (double) got[i], expected);
  }
}

static uint32_t align (uint32_t n_bytes)
{
  return (n_bytes + 63) / 64 * 64;
}

/* tile: NULL: the depthwise kernel. The source lies `shift` bytes behind an aligned address. */
static void check (const Row *row, const WeirOclInt8Tile *tile, uint32_t shift, const char *what)
{
  const WeirOclInt8Way *way = tile ? &weir_ocl_int8_way_product : &weir_ocl_int8_way_depthwise;
  g_autoptr (GError) error = NULL;
  Case c;
  start (&c, row);
  fill_numbers (&c);
  uint32_t packed_bytes = (uint32_t) way->n_bytes (&c.node.window);
  uint32_t numbers_bytes = c.n_numbers * (uint32_t) sizeof *c.numbers;
  uint32_t weights_at = align (c.n_src + shift), numbers_at = weights_at + align (packed_bytes),
           dst_at = numbers_at + align (numbers_bytes);
  g_autofree uint8_t *packed = g_malloc (packed_bytes);
  g_autofree float *got = g_new0 (float, c.n_dst);
  const WeirOclInt8Weights weights = { &c.node.window, c.weights };
  way->pack (packed, &weights);
  g_autoptr (WeirOclMemory) memory =
      weir_ocl_memory_new (device, dst_at + c.n_dst * sizeof *got, true, false, &error);
  ocl_must (memory, error);
  ocl_must (weir_ocl_memory_upload (memory, shift, c.src, c.n_src, &error) &&
                weir_ocl_memory_upload (memory, weights_at, packed, packed_bytes, &error) &&
                weir_ocl_memory_upload (memory, numbers_at, c.numbers, numbers_bytes, &error),
      error);
  const WeirOclInt8Places places = { .src = memory->base + shift,
    .dst = memory->base + dst_at,
    .weights = memory->base + weights_at,
    .numbers = memory->base + numbers_at };
  g_autoptr (WeirOclCall) call =
      tile ? weir_ocl_int8_product_new (device, &c.node, tile, &places, &error)
           : way->call_new (device, &c.node, &places, &error);
  ocl_must (call && weir_ocl_queue_run (memory->queue, call, NULL, &error), error);
  ocl_must (weir_ocl_queue_download (memory->queue, got, places.dst, c.n_dst * sizeof *got, &error),
      error);
  compare (&c, got, what);
  finish (&c);
}

static void check_tiles (bool is_cpu)
{
  uint32_t n;
  const WeirOclInt8Tile *tiles = weir_ocl_int8_tiles (is_cpu, &n);
  for (uint32_t i = 0; i < n; i++)
    for (uint32_t k = 0; k < (is_few ? 2 : G_N_ELEMENTS (rows)); k++) {
      bool is_chosen = k == i % 2 || (!is_few && i == k % n); /* each row, each tile */
      g_autofree char *what =
          g_strdup_printf ("tile %u of %s, row %u", i, is_cpu ? "CPUs" : "GPUs", k);
      if (is_chosen)
        check (&rows[k], &tiles[i], 0, what);
    }
}

START_TEST (test_ocl_int8_tiles)
{
  check_tiles (_i);
}
END_TEST

/* Sources that are aligned to words, and to nothing. */
START_TEST (test_ocl_int8_shifted)
{
  uint32_t n;
  const WeirOclInt8Tile *tiles = weir_ocl_int8_tiles (true, &n);
  check (&rows[1], &tiles[0], 4, "behind a word");
  check (&rows[1], &tiles[0], 3, "behind three bytes");
  check (&depthwise_rows[1], NULL, 3, "depthwise behind three bytes");
}
END_TEST

START_TEST (test_ocl_int8_depthwise)
{
  g_autofree char *what = g_strdup_printf ("depthwise row %d", _i);
  check (&depthwise_rows[_i], NULL, 0, what);
}
END_TEST

/* "few": less of it. */
int main (int argc, char **argv)
{
  is_few = argc > 1;
  ocl_kit_start ();
  device = ocl_kit_device;
  Suite *suite = suite_create ("ocl int8");
  TCase *tcase = tcase_create ("ocl int8");
  tcase_set_timeout (tcase, 300);
  tcase_add_loop_test (tcase, test_ocl_int8_tiles, 0, 2);
  tcase_add_test (tcase, test_ocl_int8_shifted);
  tcase_add_loop_test (tcase, test_ocl_int8_depthwise, 0, G_N_ELEMENTS (depthwise_rows));
  suite_add_tcase (suite, tcase);
  return ocl_kit_end (run_suite (suite, CK_NOFORK));
}
