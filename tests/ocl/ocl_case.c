/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Convolutions on the device against plain loops. */
#include "tests/ocl/ocl_case.h"

#include <math.h>
#include <string.h>

#define GAP 4u /* elements behind the result, which nobody writes */

static uint32_t count (uint32_t n, const uint32_t sizes[3])
{
  return n * sizes[0] * sizes[1] * sizes[2];
}

void ocl_row_read (const OclRow *row, bool is_transposed, WeirDtype dtype, WeirOclWindow *window)
{
  *window = (WeirOclWindow){ .is_transposed = is_transposed,
    .n_items = row->n_items,
    .groups = row->groups,
    .src_channels = row->inputs,
    .dst_channels = row->outputs,
    .dtype = dtype,
    .posts = row->posts };
  while (window->n_posts < 4 && row->posts[window->n_posts].op)
    window->n_posts++;
  for (uint32_t d = 0; d < 3; d++) {
    window->src[d] = MAX (row->src[d], 1);
    window->kernel[d] = MAX (row->kernel[d], 1);
    window->stride[d] = MAX (row->stride[d], 1);
    window->dilation[d] = MAX (row->dilation[d], 1);
    window->pad[d] = row->begin[d];
    int32_t extent = (int32_t) ((window->kernel[d] - 1) * window->dilation[d] + 1);
    int32_t n = (int32_t) window->src[d], stride = (int32_t) window->stride[d];
    int32_t pads = row->begin[d] + row->end[d];
    window->dst[d] = (uint32_t) (is_transposed ? (n - 1) * stride + extent - pads
                                               : (n + pads - extent) / stride + 1);
  }
}

/* Random numbers as the device stores them, written to it. */
static float *upload (OclCase *self, uint32_t n, uint32_t *at, const void **address, float scale)
{
  size_t bytes = weir_dtype_bytes (self->window.dtype);
  float *values = g_new (float, n);
  ocl_kit_fill (values, n, *at + n);
  for (uint32_t i = 0; i < n; i++)
    values[i] = ocl_kit_round (values[i] * scale, self->window.dtype);
  ocl_kit_upload (self->memory, *at * bytes, values, n, self->window.dtype);
  *address = self->memory->base + *at * bytes;
  *at += (n + 3) / 4 * 4;
  return values;
}

/* The way's weights in elements of the window's type. */
static uint32_t count_packed (const OclCase *self)
{
  const WeirOclWay *way = self->variant.way;
  bool is_twice = way->has_float_weights && self->window.dtype == WEIR_DTYPE_F16;
  return (uint32_t) way->n_weights (&self->window) * (is_twice ? 2 : 1);
}

static void upload_weights (OclCase *self, uint32_t *at)
{
  const WeirOclWay *way = self->variant.way;
  WeirDtype dtype = way->has_float_weights ? WEIR_DTYPE_F32 : self->window.dtype;
  size_t bytes = weir_dtype_bytes (self->window.dtype);
  uint32_t n = (uint32_t) way->n_weights (&self->window);
  g_autofree float *packed = g_new (float, n);
  self->weights = g_new (float, self->n_weights);
  ocl_kit_fill (self->weights, self->n_weights, 7);
  for (uint32_t i = 0; i < self->n_weights; i++)
    self->weights[i] = ocl_kit_round (self->weights[i], self->window.dtype);
  way->pack (packed, self->weights, &self->window);
  ocl_kit_upload (self->memory, *at * bytes, packed, n, dtype);
  self->places.weights = self->memory->base + *at * bytes;
  *at += (count_packed (self) + 7) / 8 * 8;
}

/* The suggestion; where the way is to be another, the best of its variants. */
static void choose (OclCase *self, const WeirOclWay *way)
{
  const WeirOclFacts *facts = weir_ocl_device_facts (ocl_kit_device);
  const WeirOclVariant alike = { .way = way, .n_parts = 1 };
  g_autoptr (GArray) variants = g_array_new (FALSE, FALSE, sizeof (WeirOclVariant));
  ck_assert (weir_ocl_window_is_taken (&self->window));
  ck_assert (weir_ocl_variant_suggest (facts, &self->window, &self->variant));
  if (!way || self->variant.way == way)
    return;
  weir_ocl_window_list (facts, &self->window, variants);
  const WeirOclVariant *best = weir_ocl_variants_best (variants, &alike);
  ck_assert_ptr_nonnull (best);
  self->variant = *best;
}

void ocl_case_init (OclCase *self, const OclRow *row, bool is_transposed, WeirDtype dtype,
    uint32_t skew, const WeirOclWay *way)
{
  GError *error = NULL;
  *self = (OclCase){ 0 };
  ocl_row_read (row, is_transposed, dtype, &self->window);
  const WeirOclWindow *window = &self->window;
  choose (self, way);
  self->n_src = count (window->n_items * window->src_channels, window->src);
  self->n_dst = count (window->n_items * window->dst_channels, window->dst);
  self->n_weights =
      count (window->src_channels * window->dst_channels / window->groups, window->kernel);
  uint32_t n =
      self->n_src + 2 * self->n_dst + window->dst_channels + count_packed (self) + GAP + 40;
  uint32_t at = 0;
  self->memory =
      weir_ocl_memory_new (ocl_kit_device, n * weir_dtype_bytes (dtype), true, false, &error);
  ocl_must (self->memory, error);
  upload_weights (self, &at);
  at += skew;
  self->src = upload (self, self->n_src, &at, &self->places.src, 0.25f);
  if (row->extras & BIAS)
    self->bias = upload (self, window->dst_channels, &at, &self->places.bias, 1);
  if (row->extras & ADDED)
    self->added = upload (self, self->n_dst, &at, &self->places.added, 1);
  self->dst_at = at;
  self->places.dst = self->memory->base + self->dst_at * weir_dtype_bytes (dtype);
}

void ocl_case_clear (OclCase *self)
{
  weir_ocl_memory_free (self->memory);
  g_free (self->src);
  g_free (self->weights);
  g_free (self->bias);
  g_free (self->added);
}

static double apply (const WeirPostOp *post, double x, double added)
{
  switch (post->op) {
  case WEIR_OP_ADD:
    return x + added;
  case WEIR_OP_RELU:
    return MAX (x, 0);
  case WEIR_OP_LEAKY_RELU:
    return x < 0 ? x * (double) post->alpha : x;
  case WEIR_OP_CLIP:
    return CLAMP (x, (double) post->alpha, (double) post->beta);
  default:
    return x * (double) post->alpha + (double) post->beta;
  }
}

/* Where tap k of place i of the result reads; -1: nowhere. */
static int32_t source_of (const WeirOclWindow *w, uint32_t d, uint32_t i, uint32_t k)
{
  int32_t stride = (int32_t) w->stride[d], step = (int32_t) (k * w->dilation[d]);
  int32_t at =
      w->is_transposed ? (int32_t) i + w->pad[d] - step : (int32_t) i * stride + step - w->pad[d];
  if (w->is_transposed && at % stride)
    return -1;
  at = w->is_transposed ? at / stride : at;
  return at < (int32_t) w->src[d] ? at : -1;
}

static double sum_of (const OclCase *self, uint32_t item, const uint32_t place[3], uint32_t o)
{
  const WeirOclWindow *w = &self->window;
  uint32_t inputs = w->src_channels / w->groups, outputs = w->dst_channels / w->groups;
  uint32_t n_taps = count (1, w->kernel);
  double sum = self->bias ? (double) self->bias[o] : 0;
  for (uint32_t t = 0; t < n_taps; t++) {
    const uint32_t tap[] = { t / w->kernel[2] / w->kernel[1], t / w->kernel[2] % w->kernel[1],
      t % w->kernel[2] };
    int32_t z = source_of (w, 0, place[0], tap[0]), y = source_of (w, 1, place[1], tap[1]),
            x = source_of (w, 2, place[2], tap[2]);
    if (z < 0 || y < 0 || x < 0)
      continue;
    uint32_t pixel = ((item * w->src[0] + (uint32_t) z) * w->src[1] + (uint32_t) y) * w->src[2];
    pixel += (uint32_t) x;
    for (uint32_t c = 0; c < inputs; c++) {
      uint32_t input = o / outputs * inputs + c;
      uint32_t pair = w->is_transposed ? input * outputs + o % outputs : o * inputs + c;
      sum += (double) self->weights[pair * n_taps + t] *
             (double) self->src[pixel * w->src_channels + input];
    }
  }
  return sum;
}

void ocl_case_expect (const OclCase *self, double *results)
{
  const WeirOclWindow *w = &self->window;
  for (uint32_t i = 0; i < self->n_dst; i++) {
    uint32_t pixel = i / w->dst_channels, line = pixel / w->dst[2], plane = line / w->dst[1];
    const uint32_t place[] = { plane % w->dst[0], line % w->dst[1], pixel % w->dst[2] };
    double x = sum_of (self, plane / w->dst[0], place, i % w->dst_channels);
    for (uint32_t k = 0; k < w->n_posts; k++)
      x = apply (&w->posts[k], x, self->added ? (double) self->added[i] : 0);
    results[i] = x;
  }
}

void ocl_case_compare (const OclCase *self, const double *wanted, const char *what, uint32_t row)
{
  g_autofree float *results = g_new (float, self->n_dst + GAP);
  double most = 1e-3, difference = 0;
  uint32_t worst = 0;
  ocl_kit_download (self->memory, self->dst_at * weir_dtype_bytes (self->window.dtype), results,
      self->n_dst + GAP, self->window.dtype);
  for (uint32_t i = 0; i < self->n_dst; i++) {
    double here = fabs ((double) results[i] - wanted[i]);
    most = MAX (most, fabs (wanted[i]));
    if (!(here <= difference)) {
      difference = here;
      worst = i;
    }
  }
  double tolerance = self->window.dtype == WEIR_DTYPE_F16 ? 1e-3 : 1e-5;
  ck_assert_msg (difference <= tolerance * most, "%s %s %u: element %u is %g, expected is %g",
      weir_dtype_name (self->window.dtype), what, row, worst, (double) results[worst],
      wanted[worst]);
  for (uint32_t i = 0; i < GAP; i++)
    ck_assert_msg (results[self->n_dst + i] == 0, "%s %u: written behind the result", what, row);
}

static void free_call (void *call)
{
  weir_ocl_call_free (call);
}

void ocl_case_run (OclCase *self)
{
  GError *error = NULL;
  const WeirOclVariant *variant = &self->variant;
  size_t n_bytes = variant->way->scratch_bytes (variant, &self->window);
  g_autoptr (GPtrArray) calls = g_ptr_array_new_with_free_func (free_call);
  g_autoptr (WeirOclMemory) scratch =
      weir_ocl_memory_new (ocl_kit_device, MAX (n_bytes, 4), false, false, &error);
  ocl_must (scratch, error);
  self->places.scratch = scratch->base;
  ocl_must (variant->way->add_calls (
                ocl_kit_device, variant, &self->window, &self->places, calls, &error),
      error);
  for (uint32_t i = 0; i < calls->len; i++)
    ocl_must (weir_ocl_queue_run (self->memory->queue, calls->pdata[i], NULL, &error), error);
  ocl_must (weir_ocl_queue_take_timings (self->memory->queue, NULL, &error), error); /* waits */
}

void ocl_case_check (const OclRow *row, bool is_transposed, WeirDtype dtype, uint32_t skew,
    const WeirOclWay *way, uint32_t i)
{
  OclCase self;
  ocl_case_init (&self, row, is_transposed, dtype, skew, way);
  g_autofree double *wanted = g_new (double, self.n_dst);
  ocl_case_expect (&self, wanted);
  ocl_case_run (&self);
  ocl_case_compare (&self, wanted, self.variant.way->name, i);
  ocl_case_clear (&self);
}

void ocl_case_check_bytes (const OclCase *self, float *first, bool is_first)
{
  g_autofree float *results = g_new (float, self->n_dst);
  g_autofree char *name = weir_ocl_variant_text (&self->variant);
  ocl_kit_download (self->memory, self->dst_at * weir_dtype_bytes (self->window.dtype), results,
      self->n_dst, self->window.dtype);
  if (is_first)
    memcpy (first, results, self->n_dst * sizeof *first);
  for (uint32_t i = 0; i < self->n_dst; i++)
    ck_assert_msg (memcmp (&results[i], &first[i], sizeof *results) == 0,
        "%s: element %u is %g, elsewhere %g", name, i, (double) results[i], (double) first[i]);
}

bool ocl_has_room (const WeirOclTile *tile)
{
  return tile->m / tile->item_m * (tile->n / tile->item_n) <=
         weir_ocl_device_facts (ocl_kit_device)->max_group;
}

void ocl_case_check_variant (
    OclCase *self, const WeirOclVariant *variant, const double *wanted, float *first, bool is_first)
{
  self->variant = *variant;
  ocl_case_run (self);
  g_autofree char *name = weir_ocl_variant_text (variant);
  ocl_case_compare (self, wanted, name, 0);
  ocl_case_check_bytes (self, first, is_first);
}
