/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which operators keep the samples of a batch apart, one small graph for each way. */
#include "tests/run_suite.h"
#include <string.h>

#include "engine/graph/passes.h"
#include "engine/plan/backend.h"
#include "tests/unit/graph/batch_kit.h"

static const struct {
  const char *dims; /* of x */
  struct {
    const char *name, *values;
  } ints[3];
  const char *ramp; /* dims of the constant "w" */
  struct {
    const char *op, *src, *dst, *attrs;
  } nodes[6];
  const char *reason; /* NULL: it batches */
} nets[] = {
  { "1,5", { { "k", "2" } }, NULL, { { "TopK", "x,k", "y,i", "axis=1" } }, NULL },
  { "1,5", { { "k", "1" } }, NULL, { { "TopK", "x,k", "y,i", "axis=0" } }, "does not have rows" },
  { "1,5", { { "k", "3" } }, NULL,
      { { "TopK", "x,k", "v,i", "axis=-1" }, { "GatherElements", "x,i", "y", "axis=1" } }, NULL },
  { "1,5", { { "k", "5" } }, NULL,
      { { "TopK", "x,k", "v,i", "axis=-1" }, { "GatherElements", "x,i", "y", "axis=0" } },
      "'make_y' (GatherElements): its indices count over the batch" },
  { "1,5", { { "k", "3" } }, NULL,
      { { "TopK", "x,k", "v,i", "axis=-1" }, { "ScatterElements", "x,i,v", "y", "axis=1" } },
      NULL },
  { "1,3", { { "flat", "2,0" }, { "shape", "1,2" } }, "1,2",
      { { "Reshape", "flat,shape", "i", NULL }, { "ScatterElements", "x,i,w", "y", "axis=1" } },
      "'make_y' (ScatterElements): its indices are not those of each sample" },
  { "1,3", { { "flat", "0" }, { "shape", "1,1" } }, "1,3",
      { { "Reshape", "flat,shape", "i", NULL }, { "ScatterND", "x,i,w", "y", NULL } },
      "'make_y' (ScatterND): its indices count over the batch" },
  { "1,5", { { "k", "2" }, { "last", "2" } }, NULL,
      { { "TopK", "x,k", "v,i", "axis=1" }, { "Unsqueeze", "i,last", "t", NULL },
          { "GatherND", "x,t", "y", "batch_dims=1" } },
      NULL },
  { "1,5", { { "k", "1" }, { "last", "2" } }, NULL,
      { { "TopK", "x,k", "v,i", "axis=1" }, { "Unsqueeze", "i,last", "t", NULL },
          { "GatherND", "x,t", "y", "batch_dims=0" } },
      "its indices count over the batch" },
  { "1,4", { { NULL } }, "4,3", { { "Einsum", "x,w", "y", "equation='bi,ij->bj'" } }, NULL },
  { "1,4", { { NULL } }, NULL, { { "Einsum", "x,x", "y", "equation='bi,bj->bij'" } }, NULL },
  { "1,4", { { NULL } }, NULL, { { "Einsum", "x,x", "y", "equation='bi,cj->bj'" } },
      "it sums over the batch" },
  { "1,4", { { NULL } }, NULL,
      { { "Einsum", "x", "s", "equation='bi->ib'" },
          { "Einsum", "s,x", "y", "equation='ib,bi->b'" } },
      NULL },
  { "1,2,3,4", { { NULL } }, NULL,
      { { "Transpose", "x", "g", "perm=0,2,3,1" },
          { "GridSample", "x,g", "y", "mode='bicubic' padding_mode='reflection'" } },
      NULL },
  { "1,3,2,2", { { NULL } }, "1,2,2,2", { { "GridSample", "x,w", "y", NULL } }, "" },
  { "1,8,3,3", { { NULL } }, "2,8,2,2",
      { { "MaxPool", "x", "o", "kernel_shape=2,2" }, { "DeformConv", "x,w,o", "y", NULL } }, NULL },
  { "1,3", { { "depth", "4" } }, "2", { { "OneHot", "x,depth,w", "y", "axis=1" } }, NULL },
  { "1,6", { { "theta", "-1,2,3" }, { "size", "1,1,2,2" } }, NULL,
      { { "Reshape", "x,theta", "t", NULL }, { "AffineGrid", "t,size", "y", NULL } }, "" },
  { "n,6", { { "theta", "-1,2,3" }, { "rest", "1,2,2" }, { "zero", "0" } }, NULL,
      { { "Reshape", "x,theta", "t", NULL }, { "Shape", "x", "s", NULL },
          { "Gather", "s,zero", "n", "axis=0" }, { "Concat", "n,rest", "size", "axis=0" },
          { "AffineGrid", "t,size", "y", NULL } },
      NULL },
  { "1,2,5,4", { { "size", "3,6" } }, NULL, { { "CenterCropPad", "x,size", "y", "axes=2,3" } },
      NULL },
  { "1,4,4", { { "image", "3,3" }, { "block", "2,2" } }, NULL,
      { { "Col2Im", "x,image,block", "y", NULL } }, NULL },
  { "1,4", { { "zero", "0" } }, NULL,
      { { "NonZero", "x", "i", NULL }, { "Cast", "i", "f", "to=1" },
          { "ReduceSum", "f", "y", NULL } },
      "it gives as many results as its data say" },
};

static OnnxBuilder *build (int row)
{
  OnnxBuilder *b = batch_kit_net (nets[row].dims);
  b->model->opset_import[0]->version = 20;
  for (size_t i = 0; i < G_N_ELEMENTS (nets[row].ints) && nets[row].ints[i].name; i++)
    onnx_builder_ints (b, nets[row].ints[i].name, nets[row].ints[i].values);
  if (nets[row].ramp)
    onnx_builder_ramp (b, "w", nets[row].ramp);
  for (size_t i = 0; i < G_N_ELEMENTS (nets[row].nodes) && nets[row].nodes[i].op; i++)
    onnx_builder_node (b, nets[row].nodes[i].op, nets[row].nodes[i].src, nets[row].nodes[i].dst,
        nets[row].nodes[i].attrs);
  return b;
}

START_TEST (test_operator)
{
  g_autoptr (OnnxBuilder) builder = build (_i);
  g_autoptr (WeirGraph) graph = batch_kit_parse (builder);
  g_autoptr (GError) error = NULL;
  const char *reason = "unset";
  bool rewritten;
  ck_assert_msg (weir_batch_rewrite (graph, weir_ref_evaluate, &reason, &rewritten, &error), "%s",
      error ? error->message : "");
  if (nets[_i].reason) {
    ck_assert_msg (reason && strstr (reason, nets[_i].reason), "%s", reason ? reason : "batches");
    return;
  }
  ck_assert_msg (!reason, "%s", reason);
  batch_kit_check (graph);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("batch_operators");
  TCase *tcase = tcase_create ("operators");
  tcase_add_loop_test (tcase, test_operator, 0, (int) G_N_ELEMENTS (nets));
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
