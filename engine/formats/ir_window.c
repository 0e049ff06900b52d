/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Convolutions and pools of OpenVINO IR as those of ONNX: strides, dilations and automatic padding
 * mean the same; kernels of groups have a dimension more; pads are two lists. */
#include "engine/formats/ir_private.h"

#include <string.h>

#define MAX_ATTRS 8

typedef struct Attrs {
  WeirAttr list[MAX_ATTRS];
  uint32_t n;
} Attrs;

static void add (Attrs *attrs, WeirAttr attr)
{
  attrs->list[attrs->n++] = attr;
}

/* A list of the layer under ONNX's name, where it is given. */
static bool add_list (WeirIrJob *job, Attrs *attrs, const char *name, const char *onnx_name)
{
  int64_t values[WEIR_MAX_RANK];
  uint32_t n;
  if (!weir_ir_ints (job, name, values, &n))
    return false;
  if (n)
    add (attrs, weir_ir_attr_ints (job, onnx_name, values, n));
  return true;
}

/* "explicit" is the file's pads; *is_auto where they do not count. */
static bool read_auto_pad (WeirIrJob *job, const char **onnx_name, bool *is_auto)
{
  static const struct {
    const char *name, *onnx_name;
  } modes[] = {
    { "explicit", "NOTSET" },
    { "notset", "NOTSET" },
    { "valid", "VALID" },
    { "same_upper", "SAME_UPPER" },
    { "same_lower", "SAME_LOWER" },
  };
  const char *mode = weir_ir_string (job, "auto_pad", "explicit");
  for (size_t i = 0; i < G_N_ELEMENTS (modes); i++)
    if (g_ascii_strcasecmp (modes[i].name, mode) == 0) {
      *onnx_name = modes[i].onnx_name;
      *is_auto = i > 1;
      return true;
    }
  return ir_refuse (job, "auto_pad '%s' is unknown", mode);
}

/* pads_begin and pads_end as one list; missing ones are 0. */
static bool read_pads (WeirIrJob *job, int64_t pads[2 * WEIR_MAX_RANK], uint32_t *n)
{
  int64_t end[WEIR_MAX_RANK] = { 0 };
  uint32_t n_end;
  memset (pads, 0, 2 * WEIR_MAX_RANK * sizeof *pads);
  if (!weir_ir_ints (job, "pads_begin", pads, n) || !weir_ir_ints (job, "pads_end", end, &n_end))
    return false;
  *n = MAX (*n, n_end);
  memcpy (pads + *n, end, *n * sizeof *end);
  for (uint32_t i = 0; i < 2 * *n; i++)
    if (pads[i] < -INT32_MAX || pads[i] > INT32_MAX)
      return ir_malformed (job, "pad %" G_GINT64_FORMAT " is out of range", pads[i]);
  return true;
}

static bool add_pads (WeirIrJob *job, Attrs *attrs)
{
  int64_t pads[2 * WEIR_MAX_RANK];
  const char *mode;
  bool is_auto;
  uint32_t n;
  if (!read_auto_pad (job, &mode, &is_auto) || !read_pads (job, pads, &n))
    return false;
  if (is_auto)
    add (attrs, weir_ir_attr_text ("auto_pad", mode));
  else if (n)
    add (attrs, weir_ir_attr_ints (job, "pads", pads, 2 * n));
  return true;
}

static bool emit_convolution (WeirIrJob *job, uint32_t weights, int64_t group)
{
  const uint32_t src[] = { job->src[0], weights };
  Attrs attrs = { .n = 0 };
  if (!add_list (job, &attrs, "strides", "strides") ||
      !add_list (job, &attrs, "dilations", "dilations") || !add_pads (job, &attrs))
    return false;
  add (&attrs, weir_ir_attr_int ("group", group));
  return weir_ir_emit (job, WEIR_OP_CONV, 11, src, 2, attrs.list, attrs.n);
}

bool weir_ir_convert_convolution (WeirIrJob *job)
{
  return weir_ir_need (job, 2) && emit_convolution (job, job->src[1], 1);
}

/* [G, A, B, spatial…] as [G · A, B, spatial…]. */
static bool merge_groups (WeirIrJob *job, uint32_t *weights, int64_t *group)
{
  WeirIrInfo info;
  int64_t dims[WEIR_MAX_RANK];
  if (!weir_ir_static_dims (job, 1, 0, &info) || info.rank < 4)
    return ir_refuse (
        job, "weights have %u dimensions or open ones, expected at least 4 known ones", info.rank);
  *group = info.dims[0];
  memcpy (dims, info.dims + 1, (info.rank - 1) * sizeof *dims);
  dims[0] *= info.dims[0];
  *weights = weir_ir_reshape (job, job->src[1], dims, info.rank - 1);
  return true;
}

bool weir_ir_convert_group_convolution (WeirIrJob *job)
{
  uint32_t weights;
  int64_t group;
  return weir_ir_need (job, 2) && merge_groups (job, &weights, &group) &&
         emit_convolution (job, weights, group);
}

/* One spatial axis of a transposed convolution whose size is given: OpenVINO keeps explicit pads
 * and shares what automatic ones leave; ONNX would share in either case. The difference to the
 * given size goes into the padding after, or into output_padding. */
typedef struct Backprop {
  int64_t strides[WEIR_MAX_RANK], dilations[WEIR_MAX_RANK], extra[WEIR_MAX_RANK];
  int64_t pads[2 * WEIR_MAX_RANK];
} Backprop;

static bool read_per_axis (
    WeirIrJob *job, const char *name, uint32_t n_spatial, int64_t fallback, int64_t *values)
{
  uint32_t n;
  if (!weir_ir_ints (job, name, values, &n))
    return false;
  if (n && n != n_spatial)
    return ir_malformed (job, "attribute '%s' has %u elements, expected %u", name, n, n_spatial);
  for (uint32_t i = 0; i < n_spatial; i++) {
    values[i] = n ? values[i] : fallback;
    if (values[i] < 0 || values[i] > INT32_MAX)
      return ir_malformed (
          job, "attribute '%s' has %" G_GINT64_FORMAT ", which is out of range", name, values[i]);
  }
  return true;
}

static bool fit_pads (WeirIrJob *job, Backprop *b, const int64_t *shape, uint32_t n_spatial,
    const WeirIrInfo *src, const WeirIrInfo *weights, const char *mode)
{
  for (uint32_t i = 0; i < n_spatial; i++) {
    int64_t kernel = weights->dims[weights->rank - n_spatial + i];
    if (shape[i] < 1 || shape[i] > INT32_MAX)
      return ir_malformed (job, "output shape %" G_GINT64_FORMAT " is out of range", shape[i]);
    int64_t full = (src->dims[2 + i] - 1) * b->strides[i] + (kernel - 1) * b->dilations[i] + 1;
    int64_t total = MAX (full + b->extra[i] - shape[i], 0);
    if (strcmp (mode, "NOTSET") != 0)
      b->pads[i] = strcmp (mode, "SAME_UPPER") == 0   ? total - total / 2
                   : strcmp (mode, "SAME_LOWER") == 0 ? total / 2
                                                      : 0;
    int64_t end = full - b->pads[i] - shape[i];
    b->pads[n_spatial + i] = MAX (end, 0);
    b->extra[i] = MAX (-end, 0);
    if (b->pads[i] < 0)
      return ir_malformed (job, "pad %" G_GINT64_FORMAT " is out of range", b->pads[i]);
  }
  return true;
}

static bool read_backprop (WeirIrJob *job, Backprop *b, uint32_t n_spatial)
{
  const char *mode;
  bool is_auto;
  uint32_t n_pads, n_shape;
  int64_t shape[WEIR_MAX_RANK];
  WeirIrInfo src, weights;
  if (!read_auto_pad (job, &mode, &is_auto) || !read_pads (job, b->pads, &n_pads) ||
      !read_per_axis (job, "strides", n_spatial, 1, b->strides) ||
      !read_per_axis (job, "dilations", n_spatial, 1, b->dilations) ||
      !read_per_axis (job, "output_padding", n_spatial, 0, b->extra) ||
      !weir_ir_need_ints (job, 2, shape, &n_shape))
    return false;
  if (is_auto || n_pads != n_spatial)
    memset (b->pads, 0, sizeof b->pads);
  if (!n_shape)
    return true;
  if (n_shape != n_spatial || !weir_ir_static_dims (job, 0, 2, &src) ||
      !weir_ir_static_dims (job, 1, 0, &weights) || weights.rank < n_spatial)
    return ir_refuse (job, "an output shape is given, but sizes of the inputs are not known");
  if (weights.rank < n_spatial)
    return ir_malformed (
        job, "weights have %u dimensions, expected at least %u", weights.rank, n_spatial);
  return fit_pads (job, b, shape, n_spatial, &src, &weights, mode);
}

static bool emit_backprop (WeirIrJob *job, uint32_t weights, int64_t group)
{
  const uint32_t src[] = { job->src[0], weights };
  Backprop b;
  uint32_t rank;
  if (!weir_ir_rank (job, 0, &rank))
    return false;
  if (rank < 3)
    return ir_malformed (job, "input has %u dimensions, expected at least 3", rank);
  uint32_t n = rank - 2;
  if (!read_backprop (job, &b, n))
    return false;
  const WeirAttr attrs[] = {
    weir_ir_attr_int ("group", group),
    weir_ir_attr_ints (job, "strides", b.strides, n),
    weir_ir_attr_ints (job, "dilations", b.dilations, n),
    weir_ir_attr_ints (job, "output_padding", b.extra, n),
    weir_ir_attr_ints (job, "pads", b.pads, 2 * n),
  };
  return weir_ir_emit (job, WEIR_OP_CONV_TRANSPOSE, 11, src, 2, attrs, G_N_ELEMENTS (attrs));
}

bool weir_ir_convert_backprop (WeirIrJob *job)
{
  return weir_ir_need (job, 2) && emit_backprop (job, job->src[1], 1);
}

bool weir_ir_convert_group_backprop (WeirIrJob *job)
{
  uint32_t weights;
  int64_t group;
  return weir_ir_need (job, 2) && merge_groups (job, &weights, &group) &&
         emit_backprop (job, weights, group);
}

/* Of an input whose sizes are open: no window can begin where ONNX has none. */
static bool check_open_ceil (WeirIrJob *job, const int64_t *kernel, const int64_t *strides,
    const int64_t *dilations, const int64_t *pads_end, uint32_t n)
{
  for (uint32_t i = 0; i < n; i++)
    if (pads_end[i] + strides[i] > (kernel[i] - 1) * dilations[i] + 1)
      return ir_refuse (job, "rounding_type 'ceil' with steps wider than the kernel is supported "
                             "only where sizes of the input are known");
  return true;
}

/* rounding_type: "ceil" counts every window that begins before the end of the padding, "ceil_torch"
 * only those that begin before the padding behind, as ONNX's ceil_mode does. What such a window
 * covers beyond the end counts as padding here, which more padding behind says where sizes are
 * known. */
static bool add_rounding (WeirIrJob *job, Attrs *attrs, int64_t pads[2 * WEIR_MAX_RANK], uint32_t n)
{
  int64_t kernel[WEIR_MAX_RANK], strides[WEIR_MAX_RANK], dilations[WEIR_MAX_RANK];
  WeirIrInfo src;
  bool is_ceil = weir_ir_is (job, "rounding_type", "floor", "ceil");
  bool is_torch = weir_ir_is (job, "rounding_type", "floor", "ceil_torch");
  if (!is_ceil && !is_torch)
    return true;
  if (!read_per_axis (job, "kernel", n, 1, kernel) ||
      !read_per_axis (job, "strides", n, 1, strides) ||
      !read_per_axis (job, "dilations", n, 1, dilations))
    return false;
  WeirAttr ceil_mode = weir_ir_attr_int ("ceil_mode", 1);
  if (!weir_ir_static_dims (job, 0, 2, &src) || src.rank != n + 2) {
    add (attrs, ceil_mode);
    return !is_ceil || check_open_ceil (job, kernel, strides, dilations, pads + n, n);
  }
  for (uint32_t i = 0; i < n; i++) {
    int64_t extent = (kernel[i] - 1) * dilations[i] + 1;
    int64_t room = src.dims[2 + i] + pads[i] + pads[n + i] - extent, step = strides[i];
    if (room < 0 || step < 1 || room % step == 0)
      continue;
    if (is_ceil || (room / step + 1) * step < src.dims[2 + i] + pads[i])
      pads[n + i] += step - room % step;
  }
  return true;
}

static bool read_pool (WeirIrJob *job, Attrs *attrs)
{
  int64_t pads[2 * WEIR_MAX_RANK], kernel[WEIR_MAX_RANK];
  const char *mode;
  bool is_auto;
  uint32_t n_pads, n;
  if (!weir_ir_ints (job, "kernel", kernel, &n) || !read_auto_pad (job, &mode, &is_auto) ||
      !read_pads (job, pads, &n_pads))
    return false;
  if (n_pads && n_pads != n)
    return ir_malformed (job, "has %u pads for a kernel of %u dimensions", n_pads, n);
  add (attrs, weir_ir_attr_ints (job, "kernel_shape", kernel, n));
  if (is_auto) {
    add (attrs, weir_ir_attr_text ("auto_pad", mode));
    return add_list (job, attrs, "strides", "strides") &&
           add_list (job, attrs, "dilations", "dilations");
  }
  if (!add_rounding (job, attrs, pads, n))
    return false;
  add (attrs, weir_ir_attr_ints (job, "pads", pads, 2 * n));
  return add_list (job, attrs, "strides", "strides") &&
         add_list (job, attrs, "dilations", "dilations");
}

/* What a window covers beyond the end counts only where there is padding at all. */
bool weir_ir_convert_avg_pool (WeirIrJob *job)
{
  Attrs attrs = { .n = 0 };
  int64_t pads[2 * WEIR_MAX_RANK];
  uint32_t n;
  WeirIrInfo src;
  bool excludes, is_padded = !weir_ir_is (job, "auto_pad", "explicit", "explicit");
  if (!weir_ir_need (job, 1) || !read_pool (job, &attrs) || !read_pads (job, pads, &n) ||
      !weir_ir_bool (job, "exclude-pad", false, &excludes))
    return false;
  for (uint32_t i = 0; i < 2 * n; i++)
    is_padded = is_padded || pads[i] != 0;
  bool is_open = !weir_ir_static_dims (job, 0, 2, &src);
  if (is_open && is_padded && !excludes && !weir_ir_is (job, "rounding_type", "floor", "floor"))
    return ir_refuse (job, "padding that counts is supported with rounding up only where sizes of "
                           "the input are known");
  add (&attrs, weir_ir_attr_int ("count_include_pad", is_padded && !excludes));
  return weir_ir_emit (job, WEIR_OP_AVERAGE_POOL, 19, job->src, 1, attrs.list, attrs.n);
}

/* ONNX counts indices over the whole tensor; the layer from `axis` on. */
static bool emit_indices (WeirIrJob *job, uint32_t indices)
{
  WeirDtype dtype = weir_ir_dst_info (job, 1).dtype;
  WeirIrInfo src;
  int64_t axis, n = 1;
  uint32_t first = 0;
  if (!weir_ir_int (job, "axis", 0, &axis))
    return false;
  if (axis != 0) {
    uint32_t rank;
    if (!weir_ir_rank (job, 0, &rank) || !weir_ir_check_axis (job, axis, rank, &first))
      return false;
    src = weir_ir_info (job, job->src[0]);
    for (uint32_t i = first; i < rank; i++) {
      if (src.dims[i] < 1 || src.dims[i] > INT32_MAX || n > INT32_MAX)
        return ir_refuse (job, "indices are wanted, but sizes of the input are not known");
      n *= src.dims[i];
    }
    uint32_t modulus = weir_ir_add_scalar (job, WEIR_DTYPE_I64, (double) n);
    if (first)
      indices = weir_ir_binary (job, WEIR_OP_MOD, indices, modulus);
  }
  if (dtype != WEIR_DTYPE_NONE && dtype != WEIR_DTYPE_I64)
    indices = weir_ir_cast (job, indices, dtype);
  weir_ir_alias (job, 1, indices);
  return true;
}

bool weir_ir_convert_max_pool (WeirIrJob *job)
{
  Attrs attrs = { .n = 0 };
  if (!weir_ir_need (job, 1) || !read_pool (job, &attrs))
    return false;
  uint32_t dst[] = { weir_ir_dst (job, 0), weir_ir_dst (job, 1) };
  if (dst[0] == WEIR_NONE)
    return ir_malformed (job, "has no output port");
  if (dst[1] != WEIR_NONE)
    dst[1] = weir_graph_add_value (job->loader->graph, "indices");
  weir_ir_emit_to (job, WEIR_OP_MAX_POOL, 12, job->src, 1, dst, 2, attrs.list, attrs.n);
  return dst[1] == WEIR_NONE || emit_indices (job, dst[1]);
}

/* Where the size of the result divides that of the input the windows are all alike, as in an
 * ordinary pool. */
bool weir_ir_convert_adaptive_pool (WeirIrJob *job)
{
  int64_t shape[WEIR_MAX_RANK], kernel[WEIR_MAX_RANK];
  uint32_t n;
  WeirIrInfo src;
  bool is_global = true, is_max = job->row->op == WEIR_OP_OV_ADAPTIVE_MAX_POOL;
  if (!weir_ir_need (job, 2))
    return false;
  bool is_pool = weir_ir_known_ints (job, 1, shape, &n) && n > 0 &&
                 !(is_max && weir_ir_dst (job, 1) != WEIR_NONE);
  for (uint32_t i = 0; is_pool && i < n; i++)
    is_global = is_global && shape[i] == 1;
  if (is_pool && is_global)
    return weir_ir_emit (job, is_max ? WEIR_OP_GLOBAL_MAX_POOL : WEIR_OP_GLOBAL_AVERAGE_POOL, 13,
        job->src, 1, NULL, 0);
  is_pool = is_pool && weir_ir_static_dims (job, 0, 2, &src) && src.rank == n + 2;
  for (uint32_t i = 0; is_pool && i < n; i++) {
    is_pool = shape[i] > 0 && src.dims[2 + i] % shape[i] == 0;
    kernel[i] = is_pool ? src.dims[2 + i] / shape[i] : 0;
  }
  if (!is_pool)
    return weir_ir_emit_row (job, job->src, job->n_src);
  const WeirAttr attrs[] = { weir_ir_attr_ints (job, "kernel_shape", kernel, n),
    weir_ir_attr_ints (job, "strides", kernel, n) };
  return weir_ir_emit (
      job, is_max ? WEIR_OP_MAX_POOL : WEIR_OP_AVERAGE_POOL, 11, job->src, 1, attrs, 2);
}
