/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ChannelGather, channels-last: blocks of pixels of all results in turn, so that the sources are
 * read from memory once. */
#include "engine/cpu/cpu.h"
#include "kernels/channels.h"

#define BLOCK          64 /* pixels */
#define PARALLEL_BYTES ((int64_t) 64 * 1024)

typedef struct Kernel {
  WeirCpuKernel base;
  WeirChannelsFn fn;
  size_t element_bytes;
  int64_t n_pixels;
  size_t *n_src;
  WeirChannelPick *picks;
  WeirChannelLoad *loads;
  WeirChannels results[]; /* n_dst; without channels where nobody wants it */
} Kernel;

/* As concat has it: f32 where f32 and bf16 meet. */
static bool find_dtype (const WeirStepSpec *spec, WeirDtype *dtype)
{
  *dtype = spec->src[0].dtype;
  for (uint32_t i = 1; i < spec->n_src; i++) {
    if (spec->src[i].dtype == *dtype)
      continue;
    if (!weir_cpu_is_float (spec->src[i].dtype) || !weir_cpu_is_float (*dtype))
      return false;
    *dtype = WEIR_DTYPE_F32;
  }
  return true;
}

static bool propose (WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  WeirDtype dtype;
  if (spec->src[0].rank < 3 || spec->node->n_post || !find_dtype (spec, &dtype) ||
      !weir_channels (weir_dtype_bytes (dtype)))
    return false;
  for (uint32_t i = 0; i < spec->n_src; i++) {
    if (!weir_cpu_has_elements (&spec->src[i]))
      return false;
    src[i] = weir_cpu_format_last (dtype, spec->src[i].rank);
  }
  for (uint32_t i = 0; i < spec->n_dst; i++)
    dst[i] = weir_cpu_format_last (dtype, spec->src[0].rank);
  return true;
}

static void run_blocks (const void *data, int64_t begin, int64_t end)
{
  const WeirCpuBound *bound = data;
  const Kernel *self = (const Kernel *) bound->kernel;
  for (int64_t pixel = begin * BLOCK; pixel < MIN (end * BLOCK, self->n_pixels); pixel += BLOCK)
    for (uint32_t i = 0; i < self->base.n_dst; i++)
      if (self->results[i].n_channels)
        self->fn (&self->results[i], bound->dst[i], (const void *const *) bound->src,
            (size_t) pixel, (size_t) MIN (BLOCK, self->n_pixels - pixel));
}

static bool run (const WeirCpuBound *bound, GError **error)
{
  const Kernel *self = (const Kernel *) bound->kernel;
  int64_t block_bytes = 0;
  for (uint32_t i = 0; i < self->base.n_dst; i++)
    block_bytes += (int64_t) (self->results[i].n_channels * self->element_bytes) * BLOCK;
  weir_cpu_for (self->base.device->n_threads, (self->n_pixels + BLOCK - 1) / BLOCK,
      PARALLEL_BYTES / MAX (block_bytes, 1) + 1, run_blocks, bound);
  return true;
}

static void release (WeirCpuKernel *kernel)
{
  Kernel *self = (Kernel *) kernel;
  g_free (self->n_src);
  g_free (self->picks);
  g_free (self->loads);
  g_free (self);
}

static void fill_picks (Kernel *self, const int64_t *channels, uint32_t n)
{
  for (uint32_t i = 0; i < n; i++) {
    size_t channel = (size_t) channels[i];
    uint32_t src = 0;
    while (channel >= self->n_src[src])
      channel -= self->n_src[src++];
    self->picks[i] = (WeirChannelPick){ src, (uint32_t) channel };
  }
}

static WeirCpuKernel *compile (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  uint32_t n, n_split;
  const int64_t *channels = weir_node_ints (spec->node, "channels", &n),
                *split = weir_node_ints (spec->node, "split", &n_split);
  Kernel *self = (Kernel *) weir_cpu_kernel_new (
      device, spec, sizeof *self + spec->n_dst * sizeof (WeirChannels), "channels", run);
  self->base.free = release;
  self->element_bytes = weir_dtype_bytes (spec->src[0].dtype);
  self->fn = weir_channels (self->element_bytes);
  self->n_pixels = spec->src[0].dims[0];
  for (uint32_t i = 2; i < spec->src[0].rank; i++)
    self->n_pixels *= spec->src[0].dims[i];
  self->n_src = g_new (size_t, spec->n_src);
  for (uint32_t i = 0; i < spec->n_src; i++)
    self->n_src[i] = (size_t) spec->src[i].dims[1];
  self->picks = g_new (WeirChannelPick, n);
  self->loads = g_new (WeirChannelLoad, n);
  fill_picks (self, channels, n);
  for (uint32_t i = 0, at = 0; i < spec->n_dst; at += (uint32_t) split[i++]) {
    size_t n_channels = spec->node->dst[i] == WEIR_NONE ? 0 : (size_t) split[i];
    self->results[i] = (WeirChannels){ .n_channels = n_channels,
      .n_src = self->n_src,
      .picks = self->picks + at,
      .loads = self->loads + at };
    self->results[i].n_loads =
        weir_channels_find_loads (self->picks + at, n_channels, self->n_src, self->loads + at);
  }
  return &self->base;
}

const WeirCpuOp weir_cpu_channel_gather = { propose, compile };
