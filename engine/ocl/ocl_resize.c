/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Resize and Upsample, nearest and linear, over one or two spatial dims (kernels/ocl/resize.cl).
 * All ways to place coordinates are in the tables; what reaches beyond the source is not here. */
#include "engine/graph/resize_taps.h"
#include "engine/ocl/ocl_constants.h"
#include "engine/ocl/ocl_program.h"
#include "engine/ocl/ocl_rows.h"

/* As in resize.cl. */
typedef struct Tap {
  cl_int first, second;
  cl_float weight;
} Tap;

typedef struct Kernel {
  WeirOclKernel base;
  WeirDtype dtype;
  bool is_linear;
  cl_int n_channels, src_height, src_width, height, width, n_pixels;
  WeirOclMemory *table; /* rows, then columns */
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
  if (spec->node->n_post || !weir_ocl_moves (&spec->src[0]) || spec->src[0].buffer ||
      !weir_ocl_moves (&spec->dst[0]) || !resolve (spec, &resize) ||
      (resize.mode == WEIR_RESIZE_LINEAR && !weir_ocl_takes (&spec->src[0])))
    return false;
  for (uint32_t i = 1; i < spec->n_src; i++)
    src[i] = weir_ocl_format_packed ();
  src[0] = dst[0] = weir_ocl_format_last (device, &spec->src[0]);
  return true;
}

static void fill_taps (const WeirResize *resize, const WeirStepSpec *spec, uint32_t axis, Tap *taps)
{
  int64_t n_src = spec->src[0].dims[axis], n_dst = spec->dst[0].dims[axis];
  g_autofree WeirResizeTap *wide = g_new (WeirResizeTap, (size_t) n_dst);
  weir_resize_fill_taps (resize, axis, n_src, n_dst, wide);
  for (int64_t j = 0; j < n_dst; j++)
    taps[j] = (Tap){ (cl_int) wide[j].first, (cl_int) wide[j].second, wide[j].weight };
}

static cl_program get_program (const Kernel *self, bool is_wide, GError **error)
{
  g_autofree char *options = g_strdup_printf ("-DWIDTH=%u%s%s", is_wide ? 4 : 1,
      weir_ocl_dtype_option (self->dtype), self->is_linear ? " -DLINEAR" : "");
  return weir_ocl_program_get (self->base.device->ocl, "resize", options, error);
}

static bool bind (const WeirOclBound *bound, GError **error)
{
  const Kernel *self = (const Kernel *) bound->kernel;
  uint32_t element_bytes = (uint32_t) weir_dtype_bytes (self->dtype);
  uintptr_t addresses = (uintptr_t) bound->src[0] | (uintptr_t) bound->dst[0];
  bool is_wide = self->n_channels % 4 == 0 && addresses % (4 * element_bytes) == 0;
  cl_program program = get_program (self, is_wide, error);
  if (!program)
    return false;
  WeirOclGrid grid = weir_ocl_pixel_grid (self->base.device->ocl,
      (uint32_t) self->n_channels / (is_wide ? 4 : 1), (uint32_t) self->n_pixels);
  const uint8_t *columns = self->table->base + (size_t) self->height * sizeof (Tap);
  return weir_ocl_bound_take (
      bound, weir_ocl_call_new (self->base.device->ocl, program, "resize", grid, error,
                 WEIR_OCL_ADDRESS (bound->src[0], element_bytes),
                 WEIR_OCL_ADDRESS (bound->dst[0], element_bytes),
                 WEIR_OCL_ADDRESS (self->table->base, sizeof (Tap)),
                 WEIR_OCL_ADDRESS (columns, sizeof (Tap)), WEIR_OCL_VALUE (self->n_channels),
                 WEIR_OCL_VALUE (self->src_height), WEIR_OCL_VALUE (self->src_width),
                 WEIR_OCL_VALUE (self->height), WEIR_OCL_VALUE (self->width),
                 WEIR_OCL_VALUE (self->n_pixels)));
}

static void release (WeirOclKernel *kernel)
{
  Kernel *self = (Kernel *) kernel;
  weir_ocl_table_free (kernel->device, self->table);
  g_free (self);
}

static WeirOclKernel *compile (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  const WeirTensor *src = &spec->src[0], *dst = &spec->dst[0];
  uint32_t last = src->rank - 1;
  WeirResize resize;
  if (!resolve (spec, &resize)) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_INTERNAL, "a resize that was not proposed");
    return NULL;
  }
  Kernel *self =
      (Kernel *) weir_ocl_kernel_new (device, spec, sizeof *self, "resize", weir_ocl_run_calls);
  self->base.bind = bind;
  self->base.free = release;
  self->dtype = dst->dtype;
  self->is_linear = resize.mode == WEIR_RESIZE_LINEAR;
  self->n_channels = (cl_int) src->dims[1];
  self->src_height = last == 3 ? (cl_int) src->dims[2] : 1;
  self->height = last == 3 ? (cl_int) dst->dims[2] : 1;
  self->src_width = (cl_int) src->dims[last];
  self->width = (cl_int) dst->dims[last];
  self->n_pixels = (cl_int) dst->dims[0] * self->height * self->width;
  size_t n_taps = (size_t) self->height + (size_t) self->width;
  g_autofree Tap *taps = g_new0 (Tap, n_taps);
  if (last == 3)
    fill_taps (&resize, spec, 2, taps);
  fill_taps (&resize, spec, last, taps + self->height);
  self->table = weir_ocl_table_new (device, taps, n_taps * sizeof *taps, error);
  if (self->table)
    return &self->base;
  release (&self->base);
  return NULL;
}

const WeirOclOp weir_ocl_resize = { propose, compile };
