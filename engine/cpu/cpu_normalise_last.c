/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Normalisations whose statistics are of one channel of one item, channels-last: Instance- and
 * MeanVarianceNormalization, and MVN of OpenVINO IR.
 *
 * Sums run down the pixels, as many side by side as fill a row of WEIR_CPU_ROW elements, in f32 for
 * a block of rows and in double over blocks. */
#include "engine/cpu/cpu_normalise.h"

#include "engine/cpu/cpu_rows.h"

#include <math.h>

#define ROWS_PER_BLOCK 64

typedef struct Kernel {
  WeirCpuKernel base;
  WeirCpuChannelNorm norm;
  int64_t n_items, n_pixels, n_channels, n_row; /* elements of a row: of whole pixels */
} Kernel;

typedef struct Sums {
  float block[WEIR_CPU_ROW], centre[WEIR_CPU_ROW];
  double total[WEIR_CPU_ROW];
} Sums;

static void flush (Sums *sums, size_t n)
{
  for (size_t i = 0; i < n; i++)
    sums->total[i] += (double) sums->block[i];
  memset (sums->block, 0, n * sizeof *sums->block);
}

/* Means over the pixels into sums->total[channel]: of the elements, or of their squared distances
 * from sums->centre. */
static void find_means (const Kernel *self, const float *src, bool squares, Sums *sums)
{
  const WeirTensorKernels *kernels = self->base.device->kernels;
  int64_t n_all = self->n_pixels * self->n_channels;
  memset (sums->block, 0, (size_t) self->n_row * sizeof *sums->block);
  memset (sums->total, 0, (size_t) self->n_row * sizeof *sums->total);
  for (int64_t at = 0, row = 1; at < n_all; at += self->n_row, row++) {
    size_t n = (size_t) MIN (self->n_row, n_all - at);
    if (squares)
      kernels->accumulate_squares (sums->block, src + at, sums->centre, n);
    else
      kernels->accumulate (sums->block, src + at, n);
    if (row % ROWS_PER_BLOCK == 0)
      flush (sums, (size_t) self->n_row);
  }
  flush (sums, (size_t) self->n_row);
  for (int64_t i = self->n_channels; i < self->n_row; i++)
    sums->total[i % self->n_channels] += sums->total[i];
  for (int64_t c = 0; c < self->n_channels; c++)
    sums->total[c] /= (double) self->n_pixels;
}

static void repeat (const Kernel *self, float *values)
{
  for (int64_t i = self->n_channels; i < self->n_row; i++)
    values[i] = values[i - self->n_channels];
}

static void run_item (const Kernel *self, const float *src, float *dst)
{
  const WeirTensorKernels *kernels = self->base.device->kernels;
  const WeirCpuChannelNorm *norm = &self->norm;
  int64_t n_all = self->n_pixels * self->n_channels;
  float scale[WEIR_CPU_ROW], shift[WEIR_CPU_ROW];
  Sums sums;
  find_means (self, src, false, &sums);
  for (int64_t c = 0; c < self->n_channels; c++)
    sums.centre[c] = (float) sums.total[c];
  repeat (self, sums.centre);
  find_means (self, src, true, &sums);
  for (int64_t c = 0; c < self->n_channels; c++) {
    double spread = norm->is_outside ? sqrt (sums.total[c]) + norm->epsilon
                                     : sqrt (sums.total[c] + norm->epsilon);
    double factor = (norm->scale ? (double) norm->scale[c] : 1) / spread;
    scale[c] = (float) factor;
    shift[c] = (float) ((norm->shift ? (double) norm->shift[c] : 0) -
                        (double) sums.centre[c] * (double) scale[c]);
  }
  repeat (self, scale);
  repeat (self, shift);
  for (int64_t at = 0; at < n_all; at += self->n_row)
    kernels->affine (dst + at, src + at, scale, shift, 1, (size_t) MIN (self->n_row, n_all - at));
}

static void run_items (const void *data, int64_t begin, int64_t end)
{
  const WeirCpuBound *bound = data;
  const Kernel *self = (const Kernel *) bound->kernel;
  int64_t n_all = self->n_pixels * self->n_channels;
  for (int64_t i = begin; i < end; i++)
    run_item (self, (const float *) bound->src[0] + i * n_all, (float *) bound->dst[0] + i * n_all);
}

static bool run (const WeirCpuBound *bound, GError **error)
{
  const Kernel *self = (const Kernel *) bound->kernel;
  weir_cpu_for (self->base.device->n_threads, self->n_items, 1, run_items, bound);
  return true;
}

static void release (WeirCpuKernel *kernel)
{
  Kernel *self = (Kernel *) kernel;
  g_free (self->norm.scale);
  g_free (self->norm.shift);
  g_free (self);
}

bool weir_cpu_channel_norm_can (const WeirTensor *src)
{
  return src->layout == WEIR_LAYOUT_CHANNELS_LAST && src->rank >= 3 &&
         src->dims[1] <= WEIR_CPU_ROW / 2;
}

WeirCpuKernel *weir_cpu_channel_norm_new (
    WeirDevice *device, const WeirStepSpec *spec, const WeirCpuChannelNorm *norm)
{
  const WeirTensor *src = &spec->src[0];
  Kernel *self = (Kernel *) weir_cpu_kernel_new (device, spec, sizeof *self, "normalise", run);
  self->base.free = release;
  self->norm = *norm;
  self->n_items = src->dims[0];
  self->n_channels = src->dims[1];
  self->n_pixels = 1;
  for (uint32_t i = 2; i < src->rank; i++)
    self->n_pixels *= src->dims[i];
  self->n_row = MIN (WEIR_CPU_ROW / self->n_channels, self->n_pixels) * self->n_channels;
  return &self->base;
}
