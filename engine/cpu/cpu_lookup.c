/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tables of 256 codes: Lookup, QLinearSigmoid and QLinearLeakyRelu, and QLinearConcat, whose parts
 * are requantised by tables where they have to be. */
#include "engine/cpu/cpu_int8.h"

#define N_CODES           256
#define PARALLEL_ELEMENTS 8192

/* --- one table, or one for each channel --- */

#define LEAST_ROW 256 /* elements: of fewer channels the numbers are repeated */

typedef struct Lookup {
  WeirCpuKernel base;
  const WeirByteKernels *kernels;
  int64_t n_runs, n_run, n_channels; /* elements of one channel in a row; 1 channel: one table */
  int64_t n_row;                     /* elements of a row, for lines: whole pixels, n_run is 1 */
  WeirCpuLines lines;                /* of the elements of a row; scale NULL: by the tables */
  uint8_t *tables;                   /* NULL with lines */
} Lookup;

static void lookup_one (const void *data, int64_t begin, int64_t end)
{
  const WeirCpuBound *bound = data;
  const Lookup *self = (const Lookup *) bound->kernel;
  self->kernels->look_up ((uint8_t *) bound->dst[0] + begin,
      (const uint8_t *) bound->src[0] + begin, self->tables, (size_t) (end - begin));
}

/* Rows of pixels; the last one may be shorter. */
static void lookup_rows (const void *data, int64_t begin, int64_t end)
{
  const WeirCpuBound *bound = data;
  const Lookup *self = (const Lookup *) bound->kernel;
  const WeirCpuLines *lines = &self->lines;
  for (int64_t at = begin * self->n_row; begin < end; begin++, at += self->n_row)
    self->kernels->follow_lines ((uint8_t *) bound->dst[0] + at,
        (const uint8_t *) bound->src[0] + at, lines->scale, lines->offset, lines->low, lines->high,
        (size_t) MIN (self->n_row, self->n_runs - at));
}

static void lookup_runs (const void *data, int64_t begin, int64_t end)
{
  const WeirCpuBound *bound = data;
  const Lookup *self = (const Lookup *) bound->kernel;
  const uint8_t *src = (const uint8_t *) bound->src[0] + begin * self->n_run;
  uint8_t *dst = (uint8_t *) bound->dst[0] + begin * self->n_run;
  int64_t channel = begin % self->n_channels;
  for (int64_t run = begin; run < end; run++, src += self->n_run, dst += self->n_run) {
    const uint8_t *table = self->tables + channel * N_CODES;
    if (self->n_run == 1)
      *dst = table[*src];
    else
      self->kernels->look_up (dst, src, table, (size_t) self->n_run);
    channel = channel + 1 == self->n_channels ? 0 : channel + 1;
  }
}

static bool run_lookup (const WeirCpuBound *bound, GError **error)
{
  const Lookup *self = (const Lookup *) bound->kernel;
  uint32_t n_threads = self->base.device->n_threads;
  if (self->lines.scale)
    weir_cpu_for (n_threads, (self->n_runs + self->n_row - 1) / self->n_row,
        PARALLEL_ELEMENTS / self->n_row + 1, lookup_rows, bound);
  else if (self->n_channels == 1)
    weir_cpu_for (n_threads, self->n_runs, PARALLEL_ELEMENTS, lookup_one, bound);
  else
    weir_cpu_for (n_threads, self->n_runs, PARALLEL_ELEMENTS / self->n_run + 1, lookup_runs, bound);
  return true;
}

static void free_lookup (WeirCpuKernel *kernel)
{
  Lookup *self = (Lookup *) kernel;
  g_free (self->lines.scale);
  g_free (self->lines.offset);
  g_free (self->tables);
  g_free (self);
}

static Lookup *lookup_new (
    WeirDevice *device, const WeirStepSpec *spec, const uint8_t *tables, int64_t n_channels)
{
  const WeirTensor *src = &spec->src[0];
  Lookup *self = (Lookup *) weir_cpu_kernel_new (device, spec, sizeof *self, "lookup", run_lookup);
  int64_t n;
  weir_tensor_n_elements (src, &n);
  self->base.free = free_lookup;
  self->kernels = weir_byte_kernels ();
  self->tables = g_memdup2 (tables, (size_t) n_channels * N_CODES);
  self->n_channels = n_channels;
  self->n_run = 1;
  for (uint32_t i = 2; i < src->rank && src->layout == WEIR_LAYOUT_PLAIN; i++)
    self->n_run *= src->dims[i];
  if (n_channels == 1)
    self->n_run = 1;
  self->n_runs = n / self->n_run;
  return self;
}

/* Numbers for the elements of a row, where channels follow each other and every table is a line. */
static void take_lines (Lookup *self)
{
  size_t n = (size_t) self->n_channels;
  size_t n_row = n * ((LEAST_ROW + n - 1) / n);
  WeirCpuLines lines = { .scale = g_new (float, n_row), .offset = g_new (float, n_row) };
  if (self->n_run > 1 || n == 1 || !weir_cpu_fit_lines (self->tables, n, &lines)) {
    g_free (lines.scale);
    g_free (lines.offset);
    return;
  }
  for (size_t i = n; i < n_row; i++) {
    lines.scale[i] = lines.scale[i - n];
    lines.offset[i] = lines.offset[i - n];
  }
  self->lines = lines;
  self->n_row = (int64_t) n_row;
  self->base.name = "lookup:lines";
  g_clear_pointer (&self->tables, g_free);
}

static void propose_bytes (const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  for (uint32_t i = 1; i < spec->n_src; i++)
    src[i] = weir_cpu_format_as_is ();
  src[0] = weir_cpu_format_of (&spec->src[0]);
  dst[0] = (WeirFormat){ spec->dst[0].dtype, spec->src[0].layout };
}

static bool propose_lookup (
    WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  if (!spec->src[1].buffer || spec->src[0].buffer || !weir_cpu_has_elements (&spec->src[0]))
    return false;
  propose_bytes (spec, src, dst);
  return true;
}

static WeirCpuKernel *compile_lookup (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  int64_t n_channels = spec->src[1].rank == 2 ? spec->src[1].dims[0] : 1;
  Lookup *self = lookup_new (device, spec, weir_tensor_data (&spec->src[1]), n_channels);
  take_lines (self);
  return &self->base;
}

/* --- operators on single elements: the reference fills the table --- */

static bool propose_unary (
    WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  WeirInt8Scale from, to;
  if (spec->src[0].buffer || !weir_cpu_has_elements (&spec->src[0]) ||
      !weir_int8_scale_read (spec, 1, 2, &from) || !weir_int8_scale_read (spec, 3, 4, &to))
    return false;
  propose_bytes (spec, src, dst);
  return true;
}

static WeirCpuKernel *compile_unary (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  uint8_t codes[N_CODES], table[N_CODES];
  g_autofree WeirTensor *src = g_memdup2 (spec->src, spec->n_src * sizeof *src);
  WeirTensor dst = { .dtype = spec->dst[0].dtype, .rank = 1, .dims = { N_CODES } };
  for (int i = 0; i < N_CODES; i++)
    codes[i] = (uint8_t) i;
  src[0] = (WeirTensor){ .dtype = src[0].dtype, .rank = 1, .dims = { N_CODES }, .buffer = codes };
  dst.buffer = table;
  if (!weir_ref_evaluate (spec->graph, spec->node, src, &dst, error))
    return NULL;
  return &lookup_new (device, spec, table, 1)->base;
}

/* --- QLinearConcat --- */

typedef struct Part {
  uint32_t src;
  int64_t n, at; /* bytes of a row, and where they go in dst's */
  bool is_plain;
  uint8_t table[N_CODES];
} Part;

typedef struct Concat {
  WeirCpuKernel base;
  const WeirByteKernels *kernels;
  int64_t n_rows, row; /* bytes of dst's row */
  uint32_t n_parts;
  Part parts[];
} Concat;

static WeirLayout concat_layout (const WeirStepSpec *spec)
{
  return spec->dst[0].rank >= 3 ? WEIR_LAYOUT_CHANNELS_LAST : WEIR_LAYOUT_PLAIN;
}

static bool propose_concat (
    WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  WeirInt8Scale q;
  if (!weir_cpu_has_elements (&spec->dst[0]) || !weir_int8_scale_read (spec, 0, 1, &q))
    return false;
  for (uint32_t i = 0; i < spec->n_src; i++)
    src[i] = weir_cpu_format_as_is ();
  for (uint32_t i = 2; i + 1 < spec->n_src; i += 3) {
    if (spec->src[i].buffer || !weir_int8_scale_read (spec, i + 1, i + 2, &q))
      return false;
    src[i] = (WeirFormat){ spec->src[i].dtype, concat_layout (spec) };
  }
  dst[0] = (WeirFormat){ spec->dst[0].dtype, concat_layout (spec) };
  return true;
}

static void concat_part (const void *data, int64_t begin, int64_t end)
{
  const WeirCpuBound *bound = data;
  const Concat *self = (const Concat *) bound->kernel;
  for (int64_t row = begin; row < end; row++)
    for (uint32_t k = 0; k < self->n_parts; k++) {
      const Part *part = &self->parts[k];
      const uint8_t *src = (const uint8_t *) bound->src[part->src] + row * part->n;
      uint8_t *dst = (uint8_t *) bound->dst[0] + row * self->row + part->at;
      if (part->is_plain)
        memcpy (dst, src, (size_t) part->n);
      else
        self->kernels->look_up (dst, src, part->table, (size_t) part->n);
    }
}

static bool run_concat (const WeirCpuBound *bound, GError **error)
{
  const Concat *self = (const Concat *) bound->kernel;
  weir_cpu_for (self->base.device->n_threads, self->n_rows, PARALLEL_ELEMENTS / self->row + 1,
      concat_part, bound);
  return true;
}

static void fill_table (const WeirStepSpec *spec, uint32_t src, Part *part)
{
  const WeirByteKernels *kernels = weir_byte_kernels ();
  WeirInt8Scale from, to;
  uint8_t codes[N_CODES];
  float values[N_CODES];
  weir_int8_scale_read (spec, 0, 1, &to);
  weir_int8_scale_read (spec, src + 1, src + 2, &from);
  WeirCodes a = weir_cpu_codes (&from, spec->src[src].dtype),
            b = weir_cpu_codes (&to, spec->dst[0].dtype);
  part->is_plain =
      memcmp (&a.scale, &b.scale, sizeof a.scale) == 0 && from.zero == to.zero && a.flip == b.flip;
  for (int i = 0; i < N_CODES; i++)
    codes[i] = (uint8_t) i;
  kernels->dequantise (values, codes, a, N_CODES);
  kernels->quantise (part->table, values, b, N_CODES);
}

static WeirCpuKernel *compile_concat (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  const WeirTensor *dst = &spec->dst[0];
  uint32_t n_parts = spec->n_src / 3, axis, order[WEIR_MAX_RANK], place = 0;
  if (!weir_axis_resolve (
          spec->graph, spec->node, weir_node_int (spec->node, "axis", 1), dst->rank, &axis, error))
    return NULL;
  Concat *self = (Concat *) weir_cpu_kernel_new (
      device, spec, sizeof *self + n_parts * sizeof (Part), "concat", run_concat);
  int64_t inner = 1;
  self->kernels = weir_byte_kernels ();
  weir_memory_order (dst, order);
  while (order[place] != axis)
    place++;
  self->n_rows = 1;
  for (uint32_t i = 0; i < dst->rank; i++)
    *(i < place ? &self->n_rows : &inner) *= i == place ? 1 : dst->dims[order[i]];
  self->row = inner * dst->dims[axis];
  for (int64_t at = 0; self->n_parts < n_parts; self->n_parts++) {
    Part *part = &self->parts[self->n_parts];
    part->src = 2 + 3 * self->n_parts;
    part->n = inner * spec->src[part->src].dims[axis];
    part->at = at;
    at += part->n;
    fill_table (spec, part->src, part);
  }
  return &self->base;
}

const WeirCpuOp weir_cpu_lookup = { propose_lookup, compile_lookup };
const WeirCpuOp weir_cpu_quantised_unary = { propose_unary, compile_unary };
const WeirCpuOp weir_cpu_quantised_concat = { propose_concat, compile_concat };
