/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Operators that select by value: what is said before the contents are known, and large inputs. */
#include "tests/run_suite.h"
#include <math.h>
#include <string.h>

#include "engine/error.h"
#include "engine/graph/selection.h"
#include "engine/plan/backend.h"

typedef struct Net {
  WeirGraph *graph;
  WeirNode node;
  WeirTensor src[5], dst[4];
  uint32_t ids[5];
  bool is_bound;
  WeirShapeJob job;
} Net;

static void init (Net *net, WeirOp op, uint32_t n_src, uint32_t n_dst)
{
  memset (net, 0, sizeof *net);
  net->graph = weir_graph_new ("net.onnx");
  net->node = (WeirNode){ .op = op, .opset = 18, .name = "node", .n_src = n_src, .n_dst = n_dst };
  net->node.src = net->node.dst = net->ids;
  net->job = (WeirShapeJob){ net->graph, &net->node, net->src, net->dst, &net->is_bound };
}

static WeirTensor tensor (WeirDtype dtype, uint32_t rank, const int64_t *dims)
{
  WeirTensor result = { .dtype = dtype, .rank = rank };
  memcpy (result.dims, dims, rank * sizeof *dims);
  return result;
}

static WeirTensor scalar (WeirDtype dtype, void *value)
{
  return (WeirTensor){ .dtype = dtype, .buffer = value };
}

/* Of unknown contents: the largest size, marked as such. */
START_TEST (test_bounds)
{
  static const struct {
    WeirOp op;
    uint32_t n_src;
    WeirTensor src[2];
    WeirTensor dst;
  } rows[] = {
    { WEIR_OP_NON_ZERO, 1, { { .dtype = WEIR_DTYPE_F32, .rank = 2, .dims = { 2, 3 } } },
        { .dtype = WEIR_DTYPE_I64, .rank = 2, .dims = { 2, 6 } } },
    { WEIR_OP_COMPRESS, 2,
        { { .dtype = WEIR_DTYPE_F32, .rank = 2, .dims = { 2, 3 } },
            { .dtype = WEIR_DTYPE_BOOL, .rank = 1, .dims = { 4 } } },
        { .dtype = WEIR_DTYPE_F32, .rank = 1, .dims = { 4 } } },
    { WEIR_OP_UNIQUE, 1, { { .dtype = WEIR_DTYPE_U8, .rank = 2, .dims = { 2, 3 } } },
        { .dtype = WEIR_DTYPE_U8, .rank = 1, .dims = { 6 } } },
    { WEIR_OP_TOP_K, 2,
        { { .dtype = WEIR_DTYPE_F32, .rank = 2, .dims = { 2, 3 } },
            { .dtype = WEIR_DTYPE_I64, .rank = 1, .dims = { 1 } } },
        { .dtype = WEIR_DTYPE_F32, .rank = 2, .dims = { 2, 3 } } },
    { WEIR_OP_NON_MAX_SUPPRESSION, 2,
        { { .dtype = WEIR_DTYPE_F32, .rank = 3, .dims = { 2, 7, 4 } },
            { .dtype = WEIR_DTYPE_F32, .rank = 3, .dims = { 2, 5, 7 } } },
        { .dtype = WEIR_DTYPE_I64, .rank = 2, .dims = { 0, 3 } } },
  };
  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    Net net;
    g_autoptr (GError) error = NULL;
    init (&net, rows[i].op, rows[i].n_src, 1);
    memcpy (net.src, rows[i].src, sizeof rows[i].src);
    ck_assert_msg (weir_shape_node (&net.job, &error), "%s", error ? error->message : "");
    ck_assert (net.is_bound);
    ck_assert_uint_eq (net.dst[0].dtype, rows[i].dst.dtype);
    ck_assert (weir_tensor_same_shape (&net.dst[0], &rows[i].dst));
    weir_graph_free (net.graph);
  }
}
END_TEST

/* The number of boxes that may be kept bounds the rows; what is larger than the boxes does not. */
START_TEST (test_nms_bound)
{
  static const struct {
    int64_t most, n_rows;
  } rows[] = { { 3, 30 }, { 100, 70 }, { -1, 0 }, { INT64_MAX, 70 } };
  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    Net net;
    int64_t most = rows[i].most;
    init (&net, WEIR_OP_NON_MAX_SUPPRESSION, 3, 1);
    net.src[0] = tensor (WEIR_DTYPE_F32, 3, (const int64_t[]){ 2, 7, 4 });
    net.src[1] = tensor (WEIR_DTYPE_F32, 3, (const int64_t[]){ 2, 5, 7 });
    net.src[2] = scalar (WEIR_DTYPE_I64, &most);
    ck_assert (weir_shape_node (&net.job, NULL));
    ck_assert (net.is_bound);
    ck_assert_int_eq (net.dst[0].dims[0], rows[i].n_rows);
    weir_graph_free (net.graph);
  }
}
END_TEST

/* Order of elements as integers: each row is a list in ascending order. */
START_TEST (test_sort_keys)
{
  static const float floats[] = { -INFINITY, -2, -1e-40f, 0, 1e-40f, 2, INFINITY, NAN };
  static const double doubles[] = { -INFINITY, -1e300, 0, 1e-300, 1e300, NAN };
  static const uint64_t unsigneds[] = { 0, 1, (uint64_t) INT64_MAX, UINT64_MAX };
  static const int8_t bytes[] = { -128, -1, 0, 127 };
  static const struct {
    WeirDtype dtype;
    const void *data;
    int64_t n;
  } rows[] = {
    { WEIR_DTYPE_F32, floats, 8 },
    { WEIR_DTYPE_F64, doubles, 6 },
    { WEIR_DTYPE_U64, unsigneds, 4 },
    { WEIR_DTYPE_I8, bytes, 4 },
  };
  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    WeirTensor list = scalar (rows[i].dtype, (void *) (uintptr_t) rows[i].data);
    for (int64_t k = 1; k < rows[i].n; k++)
      ck_assert_int_lt (weir_sort_key (&list, k - 1), weir_sort_key (&list, k));
  }
  float zeros[] = { 0.0f, -0.0f }, nans[] = { NAN, -NAN };
  WeirTensor zero = scalar (WEIR_DTYPE_F32, zeros), nan = scalar (WEIR_DTYPE_F32, nans);
  ck_assert_int_eq (weir_sort_key (&zero, 0), weir_sort_key (&zero, 1));
  ck_assert_int_eq (weir_sort_key (&nan, 0), weir_sort_key (&nan, 1));
}
END_TEST

/* A detector's tail: a hundred thousand boxes of which every tenth stands alone. */
START_TEST (test_nms_of_many_boxes)
{
  enum { N = 100000 };
  g_autofree float *boxes = g_new (float, 4 * N), *scores = g_new (float, N);
  int64_t most = 300;
  float iou = 0.5f;
  Net net;
  for (int i = 0; i < N; i++) {
    float x = (float) (i / 10 * 4), y = 0.01f * (float) (i % 10);
    memcpy (boxes + 4 * i, (float[]){ y, x, y + 3, x + 3 }, 4 * sizeof (float));
    scores[i] = (float) (i * 7919LL % N) / N;
  }
  init (&net, WEIR_OP_NON_MAX_SUPPRESSION, 4, 1);
  net.src[0] = tensor (WEIR_DTYPE_F32, 3, (const int64_t[]){ 1, N, 4 });
  net.src[1] = tensor (WEIR_DTYPE_F32, 3, (const int64_t[]){ 1, 1, N });
  net.src[0].buffer = boxes;
  net.src[1].buffer = scores;
  net.src[2] = scalar (WEIR_DTYPE_I64, &most);
  net.src[3] = scalar (WEIR_DTYPE_F32, &iou);
  g_autoptr (GArray) rows = NULL;
  ck_assert (weir_nms_select (&net.job, &rows, NULL));
  ck_assert_uint_eq (rows->len, 300);
  for (guint i = 1; i < rows->len; i++) {
    const WeirNmsRow *before = &g_array_index (rows, WeirNmsRow, i - 1);
    const WeirNmsRow *row = &g_array_index (rows, WeirNmsRow, i);
    ck_assert (scores[before->box] > scores[row->box]);
    for (guint k = 0; k < i; k++)
      ck_assert_int_ne (row->box / 10, g_array_index (rows, WeirNmsRow, k).box / 10);
  }
  weir_graph_free (net.graph);
}
END_TEST

/* Indices are data: an error when the node runs, which names them. */
START_TEST (test_bad_indices)
{
  static const struct {
    WeirOp op;
    int64_t index;
    bool fits;
  } rows[] = {
    { WEIR_OP_GATHER_ELEMENTS, 3, false },
    { WEIR_OP_GATHER_ELEMENTS, -4, false },
    { WEIR_OP_GATHER_ELEMENTS, INT64_MIN, false },
    { WEIR_OP_GATHER_ELEMENTS, -3, true },
    { WEIR_OP_GATHER_ND, 3, false },
    { WEIR_OP_GATHER_ND, INT64_MAX, false },
    { WEIR_OP_SCATTER_ELEMENTS, -4, false },
    { WEIR_OP_SCATTER_ND, 3, false },
    { WEIR_OP_SCATTER_ND, 2, true },
  };
  float data[3] = { 1, 2, 3 }, update = 7, result[3];
  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    Net net;
    int64_t index = rows[i].index;
    bool scatters = rows[i].op == WEIR_OP_SCATTER_ELEMENTS || rows[i].op == WEIR_OP_SCATTER_ND;
    bool is_nd = rows[i].op == WEIR_OP_GATHER_ND || rows[i].op == WEIR_OP_SCATTER_ND;
    g_autoptr (GError) error = NULL;
    init (&net, rows[i].op, scatters ? 3 : 2, 1);
    net.src[0] = tensor (WEIR_DTYPE_F32, 1, (const int64_t[]){ 3 });
    net.src[1] = tensor (WEIR_DTYPE_I64, is_nd ? 2 : 1, (const int64_t[]){ 1, 1 });
    net.src[2] = tensor (WEIR_DTYPE_F32, 1, (const int64_t[]){ 1 });
    net.src[0].buffer = data;
    net.src[1].buffer = &index;
    net.src[2].buffer = &update;
    ck_assert (weir_shape_node (&net.job, NULL));
    net.dst[0].buffer = result;
    bool fits = weir_ref_evaluate (net.graph, &net.node, net.src, net.dst, &error);
    ck_assert (fits == rows[i].fits);
    ck_assert (fits || g_error_matches (error, WEIR_ERROR, WEIR_ERROR_SHAPE));
    weir_graph_free (net.graph);
  }
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("selection");
  TCase *tcase = tcase_create ("selection");
  tcase_add_test (tcase, test_bounds);
  tcase_add_test (tcase, test_nms_bound);
  tcase_add_test (tcase, test_sort_keys);
  tcase_add_test (tcase, test_nms_of_many_boxes);
  tcase_add_test (tcase, test_bad_indices);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
