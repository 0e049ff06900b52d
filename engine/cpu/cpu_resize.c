/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Resize and Upsample, nearest and linear, over one or two spatial dims, channels-last: a pixel of
 * the result is a copy of one source pixel, or a blend of four whose places and weights stand in a
 * table per axis. Rows of the result that repeat the row above are copied from it. */
#include "engine/cpu/cpu.h"

#include "engine/cpu/cpu_rows.h"
#include "engine/graph/resize_taps.h"

#define PARALLEL_ELEMENTS 8192

typedef struct Kernel {
  WeirCpuKernel base;
  WeirDtype dtype;
  bool is_linear;
  int64_t n_items, n_channels, src_height, src_width, height, width;
  WeirResizeTap *rows, *columns;
} Kernel;

static bool resolve (const WeirStepSpec *spec, WeirResize *resize)
{
  WeirShapeJob job = {
    .graph = spec->graph, .node = spec->node, .src = spec->src, .dst = spec->dst
  };
  return weir_resize_has_taps (&job, resize);
}

static bool propose (WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  WeirResize resize;
  bool is_8_bit = spec->src[0].dtype == WEIR_DTYPE_U8 || spec->src[0].dtype == WEIR_DTYPE_I8;
  if ((!is_8_bit && !weir_cpu_is_float (spec->src[0].dtype)) || spec->node->n_post ||
      !weir_cpu_has_elements (&spec->src[0]) || !weir_cpu_has_elements (&spec->dst[0]) ||
      !resolve (spec, &resize) || (is_8_bit && resize.mode != WEIR_RESIZE_NEAREST))
    return false;
  for (uint32_t i = 1; i < spec->n_src; i++)
    src[i] = weir_cpu_format_as_is ();
  src[0] = dst[0] = weir_cpu_format_last (spec->src[0].dtype, spec->src[0].rank);
  return true;
}

static WeirResizeTap *taps_new (const WeirResize *resize, const WeirStepSpec *spec, uint32_t axis)
{
  int64_t n_src = spec->src[0].dims[axis], n_dst = spec->dst[0].dims[axis];
  WeirResizeTap *taps = g_new0 (WeirResizeTap, (size_t) n_dst);
  weir_resize_fill_taps (resize, axis, n_src, n_dst, taps);
  return taps;
}

static const char *pixel (const Kernel *self, const void *src, int64_t item, int64_t y, int64_t x)
{
  int64_t at = ((item * self->src_height + y) * self->src_width + x) * self->n_channels;
  return (const char *) src + (size_t) at * weir_dtype_bytes (self->dtype);
}

static void blend_pixel (const Kernel *self, const char *const corners[4], const WeirResizeTap *row,
    const WeirResizeTap *column, char *dst)
{
  const WeirTensorKernels *kernels = self->base.device->kernels;
  float buffers[4][WEIR_CPU_ROW], result[WEIR_CPU_ROW];
  float weights[4] = { (1.0f - row->weight) * (1.0f - column->weight),
    (1.0f - row->weight) * column->weight, row->weight * (1.0f - column->weight),
    row->weight * column->weight };
  for (int64_t begin = 0; begin < self->n_channels; begin += WEIR_CPU_ROW) {
    size_t n = (size_t) MIN (self->n_channels - begin, WEIR_CPU_ROW);
    const float *rows[4];
    for (uint32_t i = 0; i < 4; i++)
      rows[i] = weir_cpu_row_load (kernels, self->dtype, corners[i], begin, 1, n, buffers[i]);
    if (self->dtype == WEIR_DTYPE_F32) {
      kernels->blend ((float *) dst + begin, rows, weights, n);
    } else {
      kernels->blend (result, rows, weights, n);
      weir_cpu_row_store (kernels, self->dtype, dst, begin, n, result);
    }
  }
}

static void fill_row (const Kernel *self, const void *src, int64_t item, int64_t y, char *dst)
{
  size_t pixel_bytes = (size_t) self->n_channels * weir_dtype_bytes (self->dtype);
  const WeirResizeTap *row = &self->rows[y];
  for (int64_t x = 0; x < self->width; x++, dst += pixel_bytes) {
    const WeirResizeTap *column = &self->columns[x];
    if (!self->is_linear) {
      memcpy (dst, pixel (self, src, item, row->first, column->first), pixel_bytes);
      continue;
    }
    const char *corners[4] = { pixel (self, src, item, row->first, column->first),
      pixel (self, src, item, row->first, column->second),
      pixel (self, src, item, row->second, column->first),
      pixel (self, src, item, row->second, column->second) };
    blend_pixel (self, corners, row, column, dst);
  }
}

static bool same_tap (const WeirResizeTap *a, const WeirResizeTap *b)
{
  return a->first == b->first && a->second == b->second && !(a->weight < b->weight) &&
         !(a->weight > b->weight);
}

static void run_rows (const void *data, int64_t begin, int64_t end)
{
  const WeirCpuBound *bound = data;
  const Kernel *self = (const Kernel *) bound->kernel;
  size_t row_bytes = (size_t) (self->width * self->n_channels) * weir_dtype_bytes (self->dtype);
  char *dst = (char *) bound->dst[0] + (size_t) begin * row_bytes;
  for (int64_t i = begin; i < end; i++, dst += row_bytes) {
    int64_t y = i % self->height;
    if (i > begin && y > 0 && same_tap (&self->rows[y], &self->rows[y - 1]))
      memcpy (dst, dst - row_bytes, row_bytes);
    else
      fill_row (self, bound->src[0], i / self->height, y, dst);
  }
}

static bool run (const WeirCpuBound *bound, GError **error)
{
  const Kernel *self = (const Kernel *) bound->kernel;
  weir_cpu_for (self->base.device->n_threads, self->n_items * self->height,
      PARALLEL_ELEMENTS / (self->width * self->n_channels) + 1, run_rows, bound);
  return true;
}

static void release (WeirCpuKernel *kernel)
{
  Kernel *self = (Kernel *) kernel;
  g_free (self->rows);
  g_free (self->columns);
  g_free (self);
}

static WeirCpuKernel *compile (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  const WeirTensor *src = &spec->src[0], *dst = &spec->dst[0];
  uint32_t last = src->rank - 1;
  WeirResize resize;
  if (!resolve (spec, &resize)) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_INTERNAL, "a resize that was not proposed");
    return NULL;
  }
  Kernel *self = (Kernel *) weir_cpu_kernel_new (device, spec, sizeof *self, "resize", run);
  self->base.free = release;
  self->dtype = src->dtype;
  self->is_linear = resize.mode == WEIR_RESIZE_LINEAR;
  self->n_items = src->dims[0];
  self->n_channels = src->dims[1];
  self->src_height = last == 3 ? src->dims[2] : 1;
  self->height = last == 3 ? dst->dims[2] : 1;
  self->src_width = src->dims[last];
  self->width = dst->dims[last];
  self->rows = last == 3 ? taps_new (&resize, spec, 2) : g_new0 (WeirResizeTap, 1);
  self->columns = taps_new (&resize, spec, last);
  return &self->base;
}

const WeirCpuOp weir_cpu_resize = { propose, compile };
