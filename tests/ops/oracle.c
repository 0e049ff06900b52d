/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every result element is computed on its own from its coordinates; nothing is shared with
 * engine/ref, so that a mistake there cannot hide here. */
#include "tests/ops/oracle_kit.h"

#include <math.h>
#include <string.h>

/* Padding before axis i; auto_pad by its definition. */
static int64_t find_pad (const Row *row, uint32_t i, int64_t kernel)
{
  const char *mode = weir_node_string (&row->node, "auto_pad", "NOTSET");
  int64_t n_src = row->src[0].tensor.dims[2 + i], n_dst = row->dst[0].tensor.dims[2 + i];
  int64_t extent = (kernel - 1) * int_at (row, "dilations", i, 1) + 1;
  int64_t total = (n_dst - 1) * int_at (row, "strides", i, 1) + extent - n_src;
  if (strncmp (mode, "SAME", 4) != 0)
    return strcmp (mode, "VALID") == 0 ? 0 : int_at (row, "pads", i, 0);
  total = MAX (total, 0);
  return strcmp (mode, "SAME_LOWER") == 0 ? (total + 1) / 2 : total / 2;
}

static void do_conv (const Row *row, double *dst)
{
  const WeirTensor *x = &row->src[0].tensor, *w = &row->src[1].tensor, *y = &row->dst[0].tensor;
  const WeirTensor *bias = row->src[2].tensor.dtype ? &row->src[2].tensor : NULL;
  int64_t group = weir_node_int (&row->node, "group", 1);
  for (int64_t i = 0; i < count (y); i++) {
    Point to = unflatten (i, y->rank, y->dims);
    dst[i] = bias ? step_element (bias, to.at[1]) : 0;
    for (int64_t k = 0; k < count (w) / w->dims[0]; k++) {
      Point tap = unflatten (k, w->rank, w->dims), from = to, weight = tap;
      weight.at[0] = to.at[1];
      from.at[1] = to.at[1] / (w->dims[0] / group) * w->dims[1] + tap.at[1];
      for (uint32_t d = 0; d + 2 < x->rank; d++)
        from.at[2 + d] = to.at[2 + d] * int_at (row, "strides", d, 1) -
                         find_pad (row, d, w->dims[2 + d]) +
                         tap.at[2 + d] * int_at (row, "dilations", d, 1);
      dst[i] += element_at (x, from.at) * element_at (w, weight.at);
    }
  }
}

/* Scatters each source element over the results that it reaches. */
static void do_conv_transpose (const Row *row, double *dst)
{
  const WeirTensor *x = &row->src[0].tensor, *w = &row->src[1].tensor, *y = &row->dst[0].tensor;
  const WeirTensor *bias = row->src[2].tensor.dtype ? &row->src[2].tensor : NULL;
  int64_t per_group = w->dims[0] / weir_node_int (&row->node, "group", 1);
  for (int64_t i = 0; i < count (y); i++)
    dst[i] = bias ? step_element (bias, unflatten (i, y->rank, y->dims).at[1]) : 0;
  for (int64_t i = 0; i < count (x); i++) {
    Point from = unflatten (i, x->rank, x->dims);
    for (int64_t k = 0; k < count (w) / w->dims[0]; k++) {
      Point tap = unflatten (k, w->rank, w->dims), to = from, weight = tap;
      int64_t flat = 0;
      weight.at[0] = from.at[1];
      to.at[1] = from.at[1] / per_group * w->dims[1] + tap.at[1];
      for (uint32_t d = 0; d + 2 < x->rank; d++)
        to.at[2 + d] = from.at[2 + d] * int_at (row, "strides", d, 1) - int_at (row, "pads", d, 0) +
                       tap.at[2 + d] * int_at (row, "dilations", d, 1);
      if (!is_inside (y, to.at))
        continue;
      for (uint32_t d = 0; d < y->rank; d++)
        flat = flat * y->dims[d] + to.at[d];
      dst[flat] += step_element (x, i) * element_at (w, weight.at);
    }
  }
}

static void do_pool (const Row *row, double *dst)
{
  const WeirTensor *x = &row->src[0].tensor, *y = &row->dst[0].tensor;
  bool is_max = row->node.op == WEIR_OP_MAX_POOL;
  bool counts_pad = weir_node_int (&row->node, "count_include_pad", 0) != 0;
  int64_t kernel[WEIR_MAX_RANK], n_taps = 1;
  for (uint32_t d = 0; d + 2 < x->rank; d++)
    n_taps *= kernel[d] = int_at (row, "kernel_shape", d, 1);
  for (int64_t i = 0; i < count (y); i++) {
    Point to = unflatten (i, y->rank, y->dims);
    double sum = 0, best = -(double) INFINITY, n = 0;
    for (int64_t k = 0; k < n_taps; k++) {
      Point tap = unflatten (k, x->rank - 2, kernel), from = to;
      bool is_padded = true;
      for (uint32_t d = 0; d + 2 < x->rank; d++) {
        from.at[2 + d] = to.at[2 + d] * int_at (row, "strides", d, 1) -
                         find_pad (row, d, kernel[d]) + tap.at[d] * int_at (row, "dilations", d, 1);
        is_padded =
            is_padded && from.at[2 + d] < x->dims[2 + d] + int_at (row, "pads", x->rank - 2 + d, 0);
      }
      if (!is_inside (x, from.at)) {
        n += counts_pad && is_padded;
        continue;
      }
      n++;
      sum += element_at (x, from.at);
      best = fmax (best, element_at (x, from.at));
    }
    dst[i] = is_max ? best : sum / n;
  }
}

static void do_global_pool (const Row *row, double *dst)
{
  const WeirTensor *x = &row->src[0].tensor, *y = &row->dst[0].tensor;
  int64_t n = count (x) / count (y);
  for (int64_t i = 0; i < count (y); i++) {
    double sum = 0, best = -(double) INFINITY;
    for (int64_t k = 0; k < n; k++) {
      sum += step_element (x, i * n + k);
      best = fmax (best, step_element (x, i * n + k));
    }
    dst[i] = row->node.op == WEIR_OP_GLOBAL_MAX_POOL ? best : sum / (double) n;
  }
}

static void do_gemm (const Row *row, double *dst)
{
  const WeirTensor *a = &row->src[0].tensor, *b = &row->src[1].tensor, *y = &row->dst[0].tensor;
  const WeirTensor *c = row->src[2].tensor.dtype ? &row->src[2].tensor : NULL;
  bool trans_a = weir_node_int (&row->node, "transA", 0),
       trans_b = weir_node_int (&row->node, "transB", 0);
  double alpha = (double) weir_node_float (&row->node, "alpha", 1);
  double beta = (double) weir_node_float (&row->node, "beta", 1);
  for (int64_t i = 0; i < count (y); i++) {
    Point to = unflatten (i, 2, y->dims);
    double sum = 0;
    for (int64_t k = 0; k < a->dims[trans_a ? 0 : 1]; k++) {
      int64_t at_a[] = { trans_a ? k : to.at[0], trans_a ? to.at[0] : k };
      int64_t at_b[] = { trans_b ? to.at[1] : k, trans_b ? k : to.at[1] };
      sum += element_at (a, at_a) * element_at (b, at_b);
    }
    dst[i] = alpha * sum + (c ? beta * element_broadcast (c, 2, to.at) : 0);
  }
}

/* Operands of at least two dimensions. */
static void do_mat_mul (const Row *row, double *dst)
{
  const WeirTensor *a = &row->src[0].tensor, *b = &row->src[1].tensor, *y = &row->dst[0].tensor;
  for (int64_t i = 0; i < count (y); i++) {
    Point to = unflatten (i, y->rank, y->dims);
    dst[i] = 0;
    for (int64_t k = 0; k < a->dims[a->rank - 1]; k++) {
      Point left = to, right = to;
      left.at[y->rank - 1] = k;
      right.at[y->rank - 2] = k;
      dst[i] += element_broadcast (a, y->rank, left.at) * element_broadcast (b, y->rank, right.at);
    }
  }
}

/* Rows spell out all parameters but Clip's, whose bounds may be inputs. */
static void do_unary (const Row *row, double *dst)
{
  const WeirNode *node = &row->node;
  static const struct {
    WeirOp op;
    const char *alpha, *beta;
  } others[] = { { WEIR_OP_CLIP, "min", "max" }, { WEIR_OP_ROUND_TO_CODES, "scale", "low" },
    { WEIR_OP_ROUND_TO_LEVELS, "low", "high" }, { WEIR_OP_SELU, "alpha", "gamma" } };
  const char *names[] = { "alpha", "beta" };
  bool is_clip = node->op == WEIR_OP_CLIP;
  for (size_t i = 0; i < G_N_ELEMENTS (others); i++)
    if (others[i].op == node->op) {
      names[0] = others[i].alpha;
      names[1] = others[i].beta;
    }
  double alpha = (double) weir_node_float (node, names[0], is_clip ? -INFINITY : 1);
  double beta = (double) weir_node_float (node, names[1], is_clip ? INFINITY : 0);
  if (is_clip && row->src[1].tensor.dtype)
    alpha = step_element (&row->src[1].tensor, 0);
  if (is_clip && row->src[2].tensor.dtype)
    beta = step_element (&row->src[2].tensor, 0);
  for (int64_t i = 0; i < count (&row->dst[0].tensor); i++)
    dst[i] = oracle_unary (node->op, step_element (&row->src[0].tensor, i), alpha, beta);
}

static void do_binary (const Row *row, double *dst)
{
  const WeirTensor *y = &row->dst[0].tensor;
  for (int64_t i = 0; i < count (y); i++) {
    Point to = unflatten (i, y->rank, y->dims);
    dst[i] = element_broadcast (&row->src[0].tensor, y->rank, to.at);
    for (uint32_t k = 1; k < row->node.n_src; k++)
      dst[i] = oracle_binary (
          row->node.op, dst[i], element_broadcast (&row->src[k].tensor, y->rank, to.at));
    dst[i] /= row->node.op == WEIR_OP_MEAN ? row->node.n_src : 1;
  }
}

static void do_where (const Row *row, double *dst)
{
  const WeirTensor *y = &row->dst[0].tensor;
  for (int64_t i = 0; i < count (y); i++) {
    Point to = unflatten (i, y->rank, y->dims);
    bool is_first = element_broadcast (&row->src[0].tensor, y->rank, to.at) != 0;
    dst[i] = element_broadcast (&row->src[is_first ? 1 : 2].tensor, y->rank, to.at);
  }
}

static void do_batch_normalization (const Row *row, double *dst)
{
  const WeirTensor *y = &row->dst[0].tensor;
  double epsilon = (double) weir_node_float (&row->node, "epsilon", 1e-5f);
  for (int64_t i = 0; i < count (y); i++) {
    int64_t c = unflatten (i, y->rank, y->dims).at[1];
    double x = step_element (&row->src[0].tensor, i) - step_element (&row->src[3].tensor, c);
    dst[i] = x / sqrt (step_element (&row->src[4].tensor, c) + epsilon) *
                 step_element (&row->src[1].tensor, c) +
             step_element (&row->src[2].tensor, c);
  }
}

/* Mean and variance over all elements whose `axes` may differ from point's. */
static void find_moments (
    const WeirTensor *x, const Point *point, const bool *is_free, double *mean, double *variance)
{
  double n = 0, sum = 0, squares = 0;
  for (int64_t i = 0; i < count (x); i++) {
    Point other = unflatten (i, x->rank, x->dims);
    bool is_in = true;
    for (uint32_t d = 0; d < x->rank; d++)
      is_in = is_in && (is_free[d] || other.at[d] == point->at[d]);
    if (!is_in)
      continue;
    n++;
    sum += step_element (x, i);
    squares += step_element (x, i) * step_element (x, i);
  }
  *mean = sum / n;
  *variance = squares / n - *mean * *mean;
}

static void do_instance_normalization (const Row *row, double *dst)
{
  const WeirTensor *x = &row->src[0].tensor;
  static const bool is_free[WEIR_MAX_RANK] = { false, false, true, true, true, true, true, true };
  double epsilon = (double) weir_node_float (&row->node, "epsilon", 1e-5f), mean, variance;
  for (int64_t i = 0; i < count (x); i++) {
    Point point = unflatten (i, x->rank, x->dims);
    find_moments (x, &point, is_free, &mean, &variance);
    dst[i] = (step_element (x, i) - mean) / sqrt (variance + epsilon) *
                 step_element (&row->src[1].tensor, point.at[1]) +
             step_element (&row->src[2].tensor, point.at[1]);
  }
}

/* Also RMSNormalization, whose mean is nought. */
static void do_layer_normalization (const Row *row, double *dst)
{
  const WeirTensor *x = &row->src[0].tensor, *bias = &row->src[2].tensor;
  bool is_rms = row->node.op == WEIR_OP_RMS_NORMALIZATION, is_free[WEIR_MAX_RANK] = { false };
  double epsilon = (double) weir_node_float (&row->node, "epsilon", 1e-5f), mean, variance;
  int64_t axis = weir_node_int (&row->node, "axis", -1);
  for (uint32_t i = 0; i < x->rank; i++)
    is_free[i] = i >= (axis < 0 ? axis + x->rank : axis);
  for (int64_t i = 0; i < count (x); i++) {
    Point point = unflatten (i, x->rank, x->dims);
    find_moments (x, &point, is_free, &mean, &variance);
    double power = variance + mean * mean;
    dst[i] = (step_element (x, i) - (is_rms ? 0 : mean)) /
             sqrt ((is_rms ? power : variance) + epsilon) *
             element_broadcast (&row->src[1].tensor, x->rank, point.at);
    if (row->node.n_src > 2)
      dst[i] += element_broadcast (bias, x->rank, point.at);
  }
}

static void do_mean_variance_normalization (const Row *row, double *dst)
{
  const WeirTensor *x = &row->src[0].tensor;
  bool is_free[WEIR_MAX_RANK] = { false };
  uint32_t n;
  double mean, variance;
  weir_node_ints (&row->node, "axes", &n);
  for (uint32_t i = 0; i < x->rank; i++)
    if (n == 0)
      is_free[i] = i != 1;
    else if (i < n)
      is_free[(int_at (row, "axes", i, 0) + x->rank) % x->rank] = true;
  for (int64_t i = 0; i < count (x); i++) {
    Point point = unflatten (i, x->rank, x->dims);
    find_moments (x, &point, is_free, &mean, &variance);
    dst[i] = (step_element (x, i) - mean) / (sqrt (variance) + 1e-9);
  }
}

static void do_lrn (const Row *row, double *dst)
{
  const WeirTensor *x = &row->src[0].tensor;
  int64_t size = weir_node_int (&row->node, "size", 1);
  double alpha = (double) weir_node_float (&row->node, "alpha", 1e-4f);
  double beta = (double) weir_node_float (&row->node, "beta", 0.75f);
  double bias = (double) weir_node_float (&row->node, "bias", 1);
  for (int64_t i = 0; i < count (x); i++) {
    double sum = 0;
    for (int64_t k = 0; k < size; k++) {
      Point other = unflatten (i, x->rank, x->dims);
      other.at[1] += k - (size - 1) / 2;
      sum += element_at (x, other.at) * element_at (x, other.at);
    }
    dst[i] = step_element (x, i) / pow (bias + alpha / (double) size * sum, beta);
  }
}

/* Elements that are normalised together share the coordinates that are not of the axis; before
 * opset 13 all axes from it on count. */
static void do_softmax (const Row *row, double *dst)
{
  const WeirTensor *x = &row->src[0].tensor;
  bool is_flat = row->node.opset < 13;
  int64_t axis = weir_node_int (&row->node, "axis", is_flat ? 1 : -1);
  axis += axis < 0 ? x->rank : 0;
  for (int64_t i = 0; i < count (x); i++) {
    Point point = unflatten (i, x->rank, x->dims);
    double sum = 0;
    for (int64_t k = 0; k < count (x); k++) {
      Point other = unflatten (k, x->rank, x->dims);
      bool is_in = true;
      for (int64_t d = 0; d < x->rank; d++)
        is_in = is_in && (d == axis || (is_flat && d > axis) || other.at[d] == point.at[d]);
      sum += is_in ? exp (step_element (x, k) - step_element (x, i)) : 0;
    }
    dst[i] = row->node.op == WEIR_OP_LOG_SOFTMAX ? -log (sum) : 1 / sum;
  }
}

static void do_fake_quantize (const Row *row, double *dst)
{
  const WeirTensor *y = &row->dst[0].tensor;
  double n_steps = (double) (weir_node_int (&row->node, "levels", 256) - 1);
  for (int64_t i = 0; i < count (y); i++) {
    Point to = unflatten (i, y->rank, y->dims);
    double v[5];
    for (int k = 0; k < 5; k++)
      v[k] = element_broadcast (&row->src[k].tensor, y->rank, to.at);
    double step = rint ((v[0] - v[1]) / (v[2] - v[1]) * n_steps);
    dst[i] = v[0] <= MIN (v[1], v[2])  ? v[3]
             : v[0] > MAX (v[1], v[2]) ? v[4]
                                       : step / n_steps * (v[4] - v[3]) + v[3];
  }
}

static void do_copy (const Row *row, double *dst)
{
  for (int64_t i = 0; i < count (&row->dst[0].tensor); i++)
    dst[i] = step_element (&row->src[0].tensor, i);
}

static void do_transpose (const Row *row, double *dst)
{
  const WeirTensor *y = &row->dst[0].tensor;
  for (int64_t i = 0; i < count (y); i++) {
    Point to = unflatten (i, y->rank, y->dims), from = to;
    for (uint32_t d = 0; d < y->rank; d++)
      from.at[int_at (row, "perm", d, y->rank - 1 - d)] = to.at[d];
    dst[i] = element_at (&row->src[0].tensor, from.at);
  }
}

/* Channel c of group g comes to place c · group + g. */
static void do_channel_shuffle (const Row *row, double *dst)
{
  const WeirTensor *y = &row->dst[0].tensor;
  int64_t group = weir_node_int (&row->node, "group", 1), n = y->dims[1] / group;
  for (int64_t i = 0; i < count (y); i++) {
    Point from = unflatten (i, y->rank, y->dims);
    from.at[1] = from.at[1] % group * n + from.at[1] / group;
    dst[i] = element_at (&row->src[0].tensor, from.at);
  }
}

static const OracleFn oracles[WEIR_N_OPS] = {
  [WEIR_OP_CONV] = do_conv,
  [WEIR_OP_CONV_TRANSPOSE] = do_conv_transpose,
  [WEIR_OP_MAX_POOL] = do_pool,
  [WEIR_OP_AVERAGE_POOL] = do_pool,
  [WEIR_OP_GLOBAL_AVERAGE_POOL] = do_global_pool,
  [WEIR_OP_GLOBAL_MAX_POOL] = do_global_pool,
  [WEIR_OP_GEMM] = do_gemm,
  [WEIR_OP_MAT_MUL] = do_mat_mul,
  [WEIR_OP_BATCH_NORMALIZATION] = do_batch_normalization,
  [WEIR_OP_INSTANCE_NORMALIZATION] = do_instance_normalization,
  [WEIR_OP_LAYER_NORMALIZATION] = do_layer_normalization,
  [WEIR_OP_RMS_NORMALIZATION] = do_layer_normalization,
  [WEIR_OP_WHERE] = do_where,
  [WEIR_OP_MEAN_VARIANCE_NORMALIZATION] = do_mean_variance_normalization,
  [WEIR_OP_LRN] = do_lrn,
  [WEIR_OP_SOFTMAX] = do_softmax,
  [WEIR_OP_LOG_SOFTMAX] = do_softmax,
  [WEIR_OP_TRANSPOSE] = do_transpose,
  [WEIR_OP_CHANNEL_SHUFFLE] = do_channel_shuffle,
  [WEIR_OP_OV_FAKE_QUANTIZE] = do_fake_quantize,
  [WEIR_OP_REORDER] = do_copy,
  [WEIR_OP_QUANTISED_CONV] = oracle_quantised_conv,
  [WEIR_OP_QUANTISED_MAT_MUL] = oracle_quantised_mat_mul,
  [WEIR_OP_LOOKUP] = oracle_lookup,
};

OracleFn oracle_find (WeirOp op)
{
  WeirOpKind kind = weir_op_info (op)->kind;
  if (oracles[op])
    return oracles[op];
  return kind == WEIR_OP_KIND_UNARY    ? do_unary
         : kind == WEIR_OP_KIND_BINARY ? do_binary
         : kind == WEIR_OP_KIND_VIEW   ? do_copy
                                       : NULL;
}

/* An added input; of 8 bits it is followed by its scale and zero point. */
static double added_at (const Row *row, uint32_t src, int64_t i)
{
  double value = step_element (&row->src[src].tensor, i);
  bool is_float = row->src[src].tensor.dtype == WEIR_DTYPE_F32;
  return is_float ? value
                  : (value - oracle_number (row, src + 2, 0)) * oracle_number (row, src + 1, 0);
}

static void apply_post (const Row *row, const WeirPostOp *post, double *dst, int64_t n)
{
  for (int64_t i = 0; i < n; i++)
    dst[i] = post->src == WEIR_NONE
                 ? oracle_unary (post->op, dst[i], (double) post->alpha, (double) post->beta)
                 : oracle_binary (post->op, dst[i], added_at (row, post->src, i));
}

double *oracle_compute (const Row *row)
{
  int64_t n = count (&row->dst[0].tensor);
  double *dst = g_new0 (double, (gsize) n + 1);
  WeirDtype dtype = row->dst[0].tensor.dtype;
  double low = dtype == WEIR_DTYPE_I8 ? -128 : 0;
  bool quantises =
      row->node.op == WEIR_OP_QUANTISED_CONV || row->node.op == WEIR_OP_QUANTISED_MAT_MUL;
  oracle_find (row->node.op) (row, dst);
  for (uint32_t k = 0; k < row->node.n_post; k++)
    apply_post (row, &row->node.post[k], dst, n);
  for (int64_t i = 0; quantises && dtype != WEIR_DTYPE_F32 && i < n; i++)
    dst[i] = CLAMP (
        rint (dst[i] / oracle_number (row, 6, 0)) + oracle_number (row, 7, 0), low, low + 255);
  return dst;
}
