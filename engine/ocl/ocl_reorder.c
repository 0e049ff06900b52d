/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WEIR_OP_REORDER: upload and download of bytes as they are, and on the device other layouts and
 * f32 to and from f16; of codes the layout. */
#include "engine/ocl/ocl.h"
#include "engine/ocl/ocl_copy.h"

#include <string.h>

typedef struct Kernel {
  WeirOclKernel base;
  size_t n_bytes; /* of transfers */
  WeirOclCopy copy;
} Kernel;

static bool is_same_format (const WeirStepSpec *spec)
{
  return spec->src[0].dtype == spec->dst[0].dtype && spec->src[0].layout == spec->dst[0].layout;
}

static bool propose (WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  size_t n_bytes;
  bool from = spec->src_on_device & 1, to = spec->dst_on_device & 1;
  if ((!from && !to) || spec->node->n_post || !weir_tensor_bytes (&spec->src[0], &n_bytes) ||
      n_bytes == 0)
    return false;
  bool can = from && to ? weir_ocl_moves (&spec->src[0]) &&
                              weir_ocl_copy_can (spec->src[0].dtype, spec->dst[0].dtype)
                        : is_same_format (spec);
  src[0] = (WeirFormat){ spec->src[0].dtype, spec->src[0].layout, from };
  dst[0] = (WeirFormat){ spec->dst[0].dtype, spec->dst[0].layout, to };
  return can;
}

static bool upload (const WeirOclBound *bound, GError **error)
{
  const Kernel *self = (const Kernel *) bound->kernel;
  return weir_ocl_queue_write (
      bound->queue, bound->dst[0], bound->src[0], self->n_bytes, NULL, error);
}

/* For then others may write into the source. */
static bool upload_and_wait (const WeirOclBound *bound, GError **error)
{
  const Kernel *self = (const Kernel *) bound->kernel;
  cl_event done;
  return weir_ocl_queue_write (
             bound->queue, bound->dst[0], bound->src[0], self->n_bytes, &done, error) &&
         weir_ocl_queue_wait (bound->queue, done, error);
}

static bool download (const WeirOclBound *bound, GError **error)
{
  const Kernel *self = (const Kernel *) bound->kernel;
  return weir_ocl_queue_download (bound->queue, bound->dst[0], bound->src[0], self->n_bytes, error);
}

static bool bind (const WeirOclBound *bound, GError **error)
{
  const Kernel *self = (const Kernel *) bound->kernel;
  return weir_ocl_bound_take (bound,
      weir_ocl_copy_new (self->base.device->ocl, &self->copy, bound->src[0], bound->dst[0], error));
}

static WeirOclKernel *compile (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  const WeirTensor *src = &spec->src[0], *dst = &spec->dst[0];
  bool from = spec->src_on_device & 1, to = spec->dst_on_device & 1;
  const char *name = !from ? "upload" : to ? "copy" : "download";
  bool (*const run) (const WeirOclBound *, GError **) = !from && spec->src_stays ? upload
                                                        : !from                  ? upload_and_wait
                                                        : to ? weir_ocl_run_calls
                                                             : download;
  Kernel *self = (Kernel *) weir_ocl_kernel_new (device, spec, sizeof *self, name, run);
  weir_tensor_bytes (src, &self->n_bytes);
  if (!from || !to)
    return &self->base;
  self->base.bind = bind;
  self->copy = (WeirOclCopy){ src->dtype, dst->dtype, src->rank };
  for (uint32_t i = 0; i < src->rank; i++)
    self->copy.sizes[i] = (uint32_t) src->dims[i];
  weir_ocl_strides (src, self->copy.src_strides);
  weir_ocl_strides (dst, self->copy.dst_strides);
  return &self->base;
}

const WeirOclOp weir_ocl_reorder = { propose, compile };
