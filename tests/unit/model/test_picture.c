/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pictures reach the network as it wants them: channel order, layout, mean and scale, through the
 * whole session: the network answers with the mean of each channel. */
#include "engine/weir.h"
#include "tests/unit/formats/onnx_builder.h"

#include "tests/run_suite.h"
#include <string.h>

#define F32    ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT
#define WIDTH  20
#define HEIGHT 10

static char *folder;

static void make_folder (void)
{
  folder = onnx_builder_folder ();
}

static void remove_folder (void)
{
  onnx_builder_remove (g_steal_pointer (&folder));
}

static const struct {
  const char *dims, *color, *mean, *scale;
  bool is_nhwc;
  float expected[3];
} rows[] = {
  { "n,3,8,16", "rgb", NULL, NULL, false, { 10, 20, 40 } },
  { "n,3,8,16", "bgr", NULL, NULL, false, { 40, 20, 10 } },
  { "n,8,16,3", "rgb", NULL, NULL, true, { 10, 20, 40 } },
  { "n,8,16,3", "bgr", "1,2,3", "2,1,0.5", true, { 78, 18, 3.5f } },
  { "1,3,8,16", "rgb", "10", "0.5", false, { 0, 5, 15 } },
  { "n,16,8,3", "rgb", NULL, NULL, true, { 10, 20, 40 } },
};

static char *write_model (const char *dims, bool is_nhwc)
{
  g_autoptr (OnnxBuilder) builder = onnx_builder_new (13);
  onnx_builder_input (builder, "x", F32, dims);
  if (is_nhwc)
    onnx_builder_node (builder, "Transpose", "x", "t", "perm=0,3,1,2");
  onnx_builder_node (builder, "GlobalAveragePool", is_nhwc ? "t" : "x", "p", "");
  onnx_builder_node (builder, "Flatten", "p", "y", "axis=1");
  onnx_builder_output (builder, "y");
  return onnx_builder_write (builder, folder, "mean.onnx");
}

static void run (const char *device, const char *path, int row)
{
  WeirSessionOptions options = {
    .model = path, .device = device, .precision = "f32", .batch_timeout_ms = -1
  };
  options.model_options = (WeirModelOptions){ .decoder = "raw",
    .color_format = rows[row].color,
    .mean = rows[row].mean,
    .scale = rows[row].scale };
  g_autoptr (GError) error = NULL;
  g_autoptr (WeirSession) session = weir_session_open (&options, &error);
  ck_assert_msg (session != NULL, "%s", error ? error->message : "");
  guint8 picture[HEIGHT * WIDTH * 3];
  for (int i = 0; i < HEIGHT * WIDTH; i++)
    memcpy (picture + 3 * i, (guint8[]){ 10, 20, 40 }, 3);
  WeirFrame frame = { .format = WEIR_PIXEL_RGB,
    .width_px = WIDTH,
    .height_px = HEIGHT,
    .planes = { picture },
    .stride_bytes = { WIDTH * 3 } };
  WeirStream *stream = weir_stream_new (session, "s", 0);
  WeirRequest *request = weir_request_new (stream);
  weir_request_set_frame (request, &frame);
  for (uint32_t i = 0; i < 3; i++)
    weir_request_add_region (request, &(WeirRegion){ i, i, WIDTH - i, HEIGHT - i });
  ck_assert_msg (weir_request_run (request, &error), "%s", error ? error->message : "");
  for (uint32_t i = 0; i < 3; i++) {
    const WeirResult *result = weir_request_result (request, i);
    ck_assert_uint_eq (result->n_tensors, 1);
    ck_assert_uint_eq (result->tensors[0].n_elements, 3);
    for (int c = 0; c < 3; c++)
      ck_assert_float_eq_tol (result->tensors[0].data[c], rows[row].expected[c], 1e-3f);
  }
  weir_request_free (request);
  weir_stream_free (stream);
}

START_TEST (test_picture_reaches_the_network)
{
  g_autofree char *path = write_model (rows[_i].dims, rows[_i].is_nhwc);
  run ("REF", path, _i);
  run ("CPU", path, _i);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("picture");
  TCase *tcase = tcase_create ("picture");
  tcase_add_checked_fixture (tcase, make_folder, remove_folder);
  tcase_add_loop_test (tcase, test_picture_reaches_the_network, 0, G_N_ELEMENTS (rows));
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_NOFORK);
}
