/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ChannelGather, channels-last: for each source and result one kernel that moves the channels that
 * go from the one to the other. */
#include "engine/ocl/ocl_constants.h"
#include "engine/ocl/ocl_copy.h"

/* Channels `first` to `first` + n of the table go from src to dst. */
typedef struct Part {
  uint32_t src, dst, first, n;
} Part;

typedef struct Kernel {
  WeirOclKernel base;
  WeirDtype dtype;
  WeirOclMemory *table; /* cl_uint2: channel of the source, of the result */
  uint32_t n_pixels, n_parts;
  uint32_t *n_src, *n_dst; /* channels of each */
  Part parts[];
} Kernel;

static bool propose (WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  if (spec->node->n_post || spec->src[0].rank < 3)
    return false;
  for (uint32_t i = 0; i < spec->n_src; i++) {
    if (!weir_ocl_takes (&spec->src[i]) || spec->src[i].buffer)
      return false;
    src[i] = weir_ocl_format (device, spec->src[i].rank);
  }
  for (uint32_t i = 0; i < spec->n_dst; i++) {
    if (spec->node->dst[i] != WEIR_NONE && !weir_ocl_takes (&spec->dst[i]))
      return false;
    dst[i] = weir_ocl_format (device, spec->src[0].rank);
  }
  return true;
}

static bool bind (const WeirOclBound *bound, GError **error)
{
  const Kernel *self = (const Kernel *) bound->kernel;
  for (uint32_t i = 0; i < self->n_parts; i++) {
    const Part *part = &self->parts[i];
    const WeirOclGather gather = { .dtype = self->dtype,
      .table = self->table->base + part->first * sizeof (cl_uint2),
      .n = part->n,
      .n_pixels = self->n_pixels,
      .n_src_channels = self->n_src[part->src],
      .n_dst_channels = self->n_dst[part->dst] };
    if (!weir_ocl_bound_take (bound, weir_ocl_gather_new (self->base.device->ocl, &gather,
                                         bound->src[part->src], bound->dst[part->dst], error)))
      return false;
  }
  return true;
}

static void release (WeirOclKernel *kernel)
{
  Kernel *self = (Kernel *) kernel;
  weir_ocl_table_free (kernel->device, self->table);
  g_free (self->n_src);
  g_free (self->n_dst);
  g_free (self);
}

/* Adds to the table what goes from `src`, whose channels are those from `begin` on of all, to
 * result `dst`, which has the n numbers `channels`. */
static void add_part (Kernel *self, GArray *table, uint32_t src, uint32_t begin, uint32_t dst,
    const int64_t *channels)
{
  Part part = { .src = src, .dst = dst, .first = table->len };
  for (uint32_t k = 0; k < self->n_dst[dst]; k++) {
    int64_t from = channels[k] - begin;
    if (from < 0 || from >= self->n_src[src])
      continue;
    cl_uint2 pair = { .s = { (cl_uint) from, k } };
    g_array_append_val (table, pair);
    part.n++;
  }
  if (part.n)
    self->parts[self->n_parts++] = part;
}

static bool fill (Kernel *self, const WeirStepSpec *spec, GError **error)
{
  uint32_t n, n_split;
  const int64_t *channels = weir_node_ints (spec->node, "channels", &n),
                *split = weir_node_ints (spec->node, "split", &n_split);
  g_autoptr (GArray) table = g_array_new (FALSE, FALSE, sizeof (cl_uint2));
  for (uint32_t i = 0; i < spec->n_src; i++)
    self->n_src[i] = (uint32_t) spec->src[i].dims[1];
  for (uint32_t dst = 0; dst < spec->n_dst; channels += split[dst++]) {
    self->n_dst[dst] = (uint32_t) split[dst];
    for (uint32_t src = 0, begin = 0; src < spec->n_src; begin += self->n_src[src++])
      if (spec->node->dst[dst] != WEIR_NONE)
        add_part (self, table, src, begin, dst, channels);
  }
  self->table =
      weir_ocl_table_new (self->base.device, table->data, table->len * sizeof (cl_uint2), error);
  return self->table != NULL;
}

static WeirOclKernel *compile (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  size_t n_parts = (size_t) spec->n_src * spec->n_dst;
  Kernel *self = (Kernel *) weir_ocl_kernel_new (
      device, spec, sizeof *self + n_parts * sizeof (Part), "channel gather", weir_ocl_run_calls);
  self->base.bind = bind;
  self->base.free = release;
  self->dtype = spec->src[0].dtype;
  self->n_src = g_new (uint32_t, spec->n_src);
  self->n_dst = g_new (uint32_t, spec->n_dst);
  self->n_pixels = weir_ocl_n_elements (&spec->src[0]) / (uint32_t) spec->src[0].dims[1];
  if (fill (self, spec, error))
    return &self->base;
  release (&self->base);
  return NULL;
}

const WeirOclOp weir_ocl_channel_gather = { propose, compile };
