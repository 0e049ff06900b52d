/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tables of 256 codes (kernels/ocl/int8_codes.cl): Lookup, QLinearSigmoid and QLinearLeakyRelu; and
 * QLinearConcat, whose parts go through one on their way where their scales differ. */
#include "engine/ocl/ocl_constants.h"
#include "engine/ocl/ocl_int8.h"

#include <math.h>
#include <string.h>

#define N_CODES 256u

/* What goes through a table; several are those of channels. */
typedef struct Part {
  uint32_t src;
  cl_uint n, n_row;          /* bytes in all, of a row */
  cl_uint dst_row, at;       /* bytes of the result's row, and where in it these stand */
  cl_uint n_channels, n_run; /* tables, and for how many bytes each */
  uint32_t table;            /* the first */
} Part;

typedef struct Kernel {
  WeirOclKernel base;
  cl_program program;
  WeirOclMemory *tables;
  uint32_t n_parts;
  Part parts[];
} Kernel;

static bool bind (const WeirOclBound *bound, GError **error)
{
  const Kernel *self = (const Kernel *) bound->kernel;
  WeirDevice *device = self->base.device;
  for (uint32_t i = 0; i < self->n_parts; i++) {
    const Part *part = &self->parts[i];
    const uint8_t *dst = (const uint8_t *) bound->dst[0] + part->at;
    if (!weir_ocl_bound_take (
            bound, weir_ocl_call_new (device->ocl, self->program, "lookup",
                       weir_ocl_codes_grid (device, part->n), error,
                       WEIR_OCL_ADDRESS (bound->src[part->src], 1), WEIR_OCL_ADDRESS (dst, 1),
                       WEIR_OCL_ADDRESS (self->tables->base + part->table * N_CODES, 1),
                       WEIR_OCL_VALUE (part->n), WEIR_OCL_VALUE (part->n_row),
                       WEIR_OCL_VALUE (part->dst_row), WEIR_OCL_VALUE (part->n_channels),
                       WEIR_OCL_VALUE (part->n_run))))
      return false;
  }
  return true;
}

static void release (WeirOclKernel *kernel)
{
  Kernel *self = (Kernel *) kernel;
  weir_ocl_table_free (kernel->device, self->tables);
  g_free (self);
}

static Kernel *kernel_new (
    WeirDevice *device, const WeirStepSpec *spec, const char *name, uint32_t n_parts)
{
  Kernel *self = (Kernel *) weir_ocl_kernel_new (
      device, spec, sizeof *self + n_parts * sizeof (Part), name, weir_ocl_run_calls);
  self->base.bind = bind;
  self->base.free = release;
  self->n_parts = n_parts;
  return self;
}

static WeirOclKernel *with_tables (Kernel *self, const uint8_t *tables, size_t n, GError **error)
{
  WeirDevice *device = self->base.device;
  self->program = weir_ocl_program_get (device->ocl, "int8_codes", "", error);
  self->tables = self->program ? weir_ocl_table_new (device, tables, n * N_CODES, error) : NULL;
  if (self->tables)
    return &self->base;
  release (&self->base);
  return NULL;
}

/* --- of the same shape --- */

static void propose_bytes (const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  for (uint32_t i = 1; i < spec->n_src; i++)
    src[i] = weir_ocl_format_packed ();
  src[0] = (WeirFormat){ spec->src[0].dtype, spec->src[0].layout, true };
  dst[0] = (WeirFormat){ spec->dst[0].dtype, spec->src[0].layout, true };
}

static bool has_bytes (const WeirStepSpec *spec)
{
  return weir_ocl_takes_codes (&spec->src[0]) && !spec->src[0].buffer && !spec->node->n_post &&
         weir_ocl_takes_codes (&spec->dst[0]);
}

/* All of a tensor in one row. */
static void fill_part (Kernel *self, const WeirTensor *src, uint32_t n_channels)
{
  uint32_t n = weir_ocl_n_elements (src), n_run = 1;
  for (uint32_t i = 2; i < src->rank && src->layout == WEIR_LAYOUT_PLAIN; i++)
    n_run *= (uint32_t) src->dims[i];
  self->parts[0] =
      (Part){ .n = n, .n_row = n, .dst_row = n, .n_channels = n_channels, .n_run = n_run };
}

static bool propose_lookup (
    WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  if (!has_bytes (spec) || !spec->src[1].buffer)
    return false;
  propose_bytes (spec, src, dst);
  return true;
}

static WeirOclKernel *compile_lookup (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  uint32_t n_channels = spec->src[1].rank == 2 ? (uint32_t) spec->src[1].dims[0] : 1;
  Kernel *self = kernel_new (device, spec, "int8 lookup", 1);
  fill_part (self, &spec->src[0], n_channels);
  return with_tables (self, weir_tensor_data (&spec->src[1]), n_channels, error);
}

/* --- operators of one code: the reference fills the table --- */

static bool propose_unary (
    WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  WeirInt8Scale scale;
  if (!has_bytes (spec) || !weir_int8_scale_read (spec, 1, 2, &scale) ||
      !weir_int8_scale_read (spec, 3, 4, &scale))
    return false;
  propose_bytes (spec, src, dst);
  return true;
}

static WeirOclKernel *compile_unary (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  uint8_t codes[N_CODES], table[N_CODES];
  g_autofree WeirTensor *src = g_memdup2 (spec->src, spec->n_src * sizeof *src);
  WeirTensor dst = { .dtype = spec->dst[0].dtype, .rank = 1, .dims = { N_CODES }, .buffer = table };
  for (uint32_t i = 0; i < N_CODES; i++)
    codes[i] = (uint8_t) i;
  src[0] = (WeirTensor){ .dtype = src[0].dtype, .rank = 1, .dims = { N_CODES }, .buffer = codes };
  if (!weir_ref_evaluate (spec->graph, spec->node, src, &dst, error))
    return NULL;
  Kernel *self = kernel_new (device, spec, "int8 lookup", 1);
  fill_part (self, &spec->src[0], 1);
  return with_tables (self, table, 1, error);
}

/* --- QLinearConcat: result's scale and zero point, then source, scale, zero point of each part ---
 */

static bool propose_concat (
    WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  WeirInt8Scale scale;
  if (!weir_ocl_takes_codes (&spec->dst[0]) || spec->node->n_post ||
      !weir_int8_scale_read (spec, 0, 1, &scale))
    return false;
  dst[0] = weir_ocl_format_last (device, &spec->dst[0]);
  for (uint32_t i = 0; i < spec->n_src; i++)
    src[i] = weir_ocl_format_packed ();
  for (uint32_t i = 2; i < spec->n_src; i += 3) {
    if (!weir_ocl_takes_codes (&spec->src[i]) || spec->src[i].buffer ||
        !weir_int8_scale_read (spec, i + 1, i + 2, &scale))
      return false;
    src[i] = (WeirFormat){ spec->src[i].dtype, dst[0].layout, true };
  }
  return true;
}

/* As the reference computes each code. */
static void fill_table (const WeirStepSpec *spec, uint32_t src, uint8_t table[N_CODES])
{
  WeirInt8Scale from, to;
  double least = spec->dst[0].dtype == WEIR_DTYPE_I8 ? INT8_MIN : 0;
  weir_int8_scale_read (spec, 0, 1, &to);
  weir_int8_scale_read (spec, src + 1, src + 2, &from);
  for (uint32_t i = 0; i < N_CODES; i++) {
    int32_t code = spec->src[src].dtype == WEIR_DTYPE_I8 ? (int8_t) i : (int32_t) i;
    double value = (code - from.zero) * (double) from.scale;
    double result = rint ((double) (float) (value / (double) to.scale)) + to.zero;
    table[i] = (uint8_t) (int32_t) CLAMP (result, least, least + UINT8_MAX);
  }
}

static WeirOclKernel *compile_concat (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  const WeirTensor *dst = &spec->dst[0];
  uint32_t n_parts = spec->n_src / 3, axis, order[WEIR_MAX_RANK], place = 0, n_inner = 1, at = 0;
  if (!weir_axis_resolve (
          spec->graph, spec->node, weir_node_int (spec->node, "axis", 1), dst->rank, &axis, error))
    return NULL;
  g_autofree uint8_t *tables = g_malloc ((size_t) n_parts * N_CODES);
  Kernel *self = kernel_new (device, spec, "int8 concat", n_parts);
  weir_memory_order (dst, order);
  while (order[place] != axis)
    place++;
  for (uint32_t i = place + 1; i < dst->rank; i++)
    n_inner *= (uint32_t) dst->dims[order[i]];
  for (uint32_t i = 0; i < n_parts; i++) {
    const WeirTensor *src = &spec->src[2 + 3 * i];
    uint32_t n_row = n_inner * (uint32_t) src->dims[axis];
    self->parts[i] = (Part){ .src = 2 + 3 * i,
      .n = weir_ocl_n_elements (src),
      .n_row = n_row,
      .dst_row = n_inner * (uint32_t) dst->dims[axis],
      .at = at,
      .n_channels = 1,
      .n_run = 1,
      .table = i };
    at += n_row;
    fill_table (spec, 2 + 3 * i, tables + (size_t) i * N_CODES);
  }
  return with_tables (self, tables, n_parts, error);
}

const WeirOclOp weir_ocl_int8_lookup = { propose_lookup, compile_lookup };
const WeirOclOp weir_ocl_int8_unary = { propose_unary, compile_unary };
const WeirOclOp weir_ocl_int8_concat = { propose_concat, compile_concat };
