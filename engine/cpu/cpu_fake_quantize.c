/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* FakeQuantize with constant ranges, one for the tensor or one for each channel: rows of f32
 * through the tensor kernels, in the order of operations of the reference, since networks sit on
 * ties. */
#include "engine/cpu/cpu.h"

#include "engine/cpu/cpu_rows.h"
#include "engine/graph/geometry.h"

#define PARALLEL_ELEMENTS 8192
#define MAX_LEVELS        (1 << 22) /* that the kernel can round */
#define N_ENDS            4

/* Rows are of the elements of a channel, or (is_last) of the channels of a pixel; with one range
 * for all, of one element, and parts of them are taken as a whole. */
typedef struct Kernel {
  WeirCpuKernel base;
  WeirDtype dtype;
  bool is_flat, is_last;
  int64_t n_rows, row_length, n_channels;
  float *ends[N_ENDS]; /* [n_channels] */
  float n_steps;
} Kernel;

/* One number, or one for each index of axis 1. */
static bool is_range (const WeirTensor *range, const WeirTensor *src, bool *per_channel)
{
  int64_t n;
  if (!range->buffer || !weir_dtype_is_floating (range->dtype) || range->rank > src->rank ||
      !weir_tensor_n_elements (range, &n))
    return false;
  if (n == 1)
    return true;
  uint32_t lead = src->rank - range->rank;
  *per_channel = true;
  return lead <= 1 && src->rank >= 2 && range->dims[1 - lead] == n && n == src->dims[1];
}

static bool propose (WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  bool per_channel = false;
  if (spec->node->n_post || !weir_cpu_is_float (spec->src[0].dtype) ||
      !weir_cpu_has_elements (&spec->src[0]) ||
      !weir_tensor_same_shape (&spec->src[0], &spec->dst[0]) ||
      weir_node_int (spec->node, "levels", 256) > MAX_LEVELS)
    return false;
  for (uint32_t i = 1; i < spec->n_src; i++) {
    if (!is_range (&spec->src[i], &spec->src[0], &per_channel))
      return false;
    src[i] = weir_cpu_format_as_is ();
  }
  src[0] = dst[0] = weir_cpu_format_of (&spec->src[0]);
  return true;
}

/* n elements from `at` on, the first of which uses the range of `channel`. */
static void quantise (const WeirCpuBound *bound, int64_t at, int64_t n_left, int64_t channel)
{
  const Kernel *self = (const Kernel *) bound->kernel;
  const WeirTensorKernels *kernels = self->base.device->kernels;
  float x[WEIR_CPU_ROW], y[WEIR_CPU_ROW];
  while (n_left > 0) {
    size_t n = (size_t) MIN (n_left, WEIR_CPU_ROW);
    const float *values = weir_cpu_row_load (kernels, self->dtype, bound->src[0], at, 1, n, x);
    WeirFakeRange range = { self->ends[0] + channel, self->ends[1] + channel,
      self->ends[2] + channel, self->ends[3] + channel, self->n_steps };
    kernels->fake_quantize (y, values, &range, self->is_last, n);
    weir_cpu_row_store (kernels, self->dtype, bound->dst[0], at, n, y);
    at += (int64_t) n;
    n_left -= (int64_t) n;
    channel += self->is_last ? (int64_t) n : 0;
  }
}

static void run_flat (const void *data, int64_t begin, int64_t end)
{
  quantise (data, begin, end - begin, 0);
}

static void run_rows (const void *data, int64_t begin, int64_t end)
{
  const WeirCpuBound *bound = data;
  const Kernel *self = (const Kernel *) bound->kernel;
  for (int64_t row = begin; row < end; row++)
    quantise (bound, row * self->row_length, self->row_length,
        self->is_last ? 0 : row % self->n_channels);
}

static bool run (const WeirCpuBound *bound, GError **error)
{
  const Kernel *self = (const Kernel *) bound->kernel;
  weir_cpu_for (self->base.device->n_threads, self->n_rows,
      PARALLEL_ELEMENTS / self->row_length + 1, self->is_flat ? run_flat : run_rows, bound);
  return true;
}

static void free_kernel (WeirCpuKernel *kernel)
{
  Kernel *self = (Kernel *) kernel;
  for (int i = 0; i < N_ENDS; i++)
    g_free (self->ends[i]);
  g_free (self);
}

/* A range's end for every channel. */
static float *spread (const WeirTensor *range, int64_t n_channels)
{
  int64_t n;
  g_autofree float *given = weir_cpu_constant_f32 (range, &n);
  float *ends = g_new (float, (size_t) n_channels);
  for (int64_t c = 0; c < n_channels; c++)
    ends[c] = given[n == 1 ? 0 : c];
  return ends;
}

static void set_rows (Kernel *self, const WeirTensor *src, bool per_channel)
{
  int64_t n;
  weir_tensor_n_elements (src, &n);
  self->n_channels = per_channel ? src->dims[1] : 1;
  self->is_flat = !per_channel;
  self->is_last = per_channel && (src->rank == 2 || src->layout == WEIR_LAYOUT_CHANNELS_LAST);
  self->row_length = self->is_last ? self->n_channels
                     : per_channel ? n / (src->dims[0] * self->n_channels)
                                   : 1;
  self->n_rows = n / self->row_length;
}

static WeirCpuKernel *compile (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  bool per_channel = false;
  Kernel *self = (Kernel *) weir_cpu_kernel_new (device, spec, sizeof *self, "elementwise", run);
  self->base.free = free_kernel;
  for (uint32_t i = 0; i < N_ENDS; i++)
    is_range (&spec->src[1 + i], &spec->src[0], &per_channel);
  set_rows (self, &spec->src[0], per_channel);
  for (uint32_t i = 0; i < N_ENDS; i++)
    self->ends[i] = spread (&spec->src[1 + i], self->n_channels);
  self->dtype = spec->src[0].dtype;
  self->n_steps = (float) (weir_node_int (spec->node, "levels", 256) - 1);
  return &self->base;
}

const WeirCpuOp weir_cpu_fake_quantize = { propose, compile };
