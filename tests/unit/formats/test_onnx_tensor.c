/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* TensorProto: every element type in every place it may lie, files written and read, external data.
 */
#include "tests/run_suite.h"
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "engine/error.h"
#include "engine/formats/formats.h"
#include "engine/formats/onnx_private.h"
#include "tests/unit/formats/onnx_builder.h"

static char *folder;
static WeirArena *arena;

static void make_folder (void)
{
  folder = onnx_builder_folder ();
  arena = weir_arena_new ();
}

static void remove_folder (void)
{
  onnx_builder_remove (g_steal_pointer (&folder));
  g_clear_pointer (&arena, weir_arena_free);
}

START_TEST (test_round_trip)
{
  static const WeirDtype dtypes[] = { WEIR_DTYPE_F32, WEIR_DTYPE_F16, WEIR_DTYPE_BF16,
    WEIR_DTYPE_F64, WEIR_DTYPE_U8, WEIR_DTYPE_I8, WEIR_DTYPE_U16, WEIR_DTYPE_I16, WEIR_DTYPE_U32,
    WEIR_DTYPE_I32, WEIR_DTYPE_U64, WEIR_DTYPE_I64, WEIR_DTYPE_BOOL };
  g_autofree char *path = g_build_filename (folder, "t.pb", NULL);
  for (size_t i = 0; i < G_N_ELEMENTS (dtypes); i++) {
    uint8_t bytes[48];
    for (size_t k = 0; k < sizeof bytes; k++)
      bytes[k] = (uint8_t) (dtypes[i] == WEIR_DTYPE_BOOL ? k % 2 : k * 37);
    WeirTensor tensor = { .dtype = dtypes[i], .rank = 2, .dims = { 2, 3 }, .buffer = bytes }, back;
    const char *name;
    g_autoptr (GError) error = NULL;
    ck_assert (weir_onnx_save_tensor (path, "data", &tensor, &error));
    ck_assert_msg (weir_onnx_load_tensor (path, arena, &name, &back, &error), "%s",
        error ? error->message : "");
    ck_assert_str_eq (name, "data");
    ck_assert_int_eq (back.dtype, dtypes[i]);
    ck_assert (weir_tensor_same_shape (&tensor, &back));
    ck_assert_mem_eq (weir_tensor_data (&back), bytes, 6 * weir_dtype_bytes (dtypes[i]));
  }
}
END_TEST

/* The same numbers 1 and 2 in each typed field. */
static const struct {
  int32_t type;
  WeirDtype dtype;
  enum { FLOATS, INT32S, INT64S, DOUBLES, UINT64S } field;
  int64_t given[2];     /* what the integer fields hold */
  uint64_t expected[2]; /* bits */
} typed[] = {
  { ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, WEIR_DTYPE_F32, FLOATS, { 0 },
      { 0x3f800000, 0x40000000 } },
  { ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE, WEIR_DTYPE_F64, DOUBLES, { 0 },
      { 0x3ff0000000000000, 0x4000000000000000 } },
  { ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16, WEIR_DTYPE_F16, INT32S, { 0x3c00, 0xc000 },
      { 0x3c00, 0xc000 } },
  { ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16, WEIR_DTYPE_BF16, INT32S, { 0x3f80, 0xc000 },
      { 0x3f80, 0xc000 } },
  { ONNX__TENSOR_PROTO__DATA_TYPE__UINT8, WEIR_DTYPE_U8, INT32S, { 1, 255 }, { 1, 255 } },
  { ONNX__TENSOR_PROTO__DATA_TYPE__INT8, WEIR_DTYPE_I8, INT32S, { 1, -2 }, { 1, 0xfe } },
  { ONNX__TENSOR_PROTO__DATA_TYPE__UINT16, WEIR_DTYPE_U16, INT32S, { 1, 65535 }, { 1, 65535 } },
  { ONNX__TENSOR_PROTO__DATA_TYPE__INT16, WEIR_DTYPE_I16, INT32S, { 1, -2 }, { 1, 0xfffe } },
  { ONNX__TENSOR_PROTO__DATA_TYPE__INT32, WEIR_DTYPE_I32, INT32S, { 1, -2 }, { 1, 0xfffffffe } },
  { ONNX__TENSOR_PROTO__DATA_TYPE__BOOL, WEIR_DTYPE_BOOL, INT32S, { 7, 0 }, { 1, 0 } },
  { ONNX__TENSOR_PROTO__DATA_TYPE__INT64, WEIR_DTYPE_I64, INT64S, { 1, -2 },
      { 1, 0xfffffffffffffffe } },
  { ONNX__TENSOR_PROTO__DATA_TYPE__UINT32, WEIR_DTYPE_U32, UINT64S, { 1, 0xffffffff },
      { 1, 0xffffffff } },
  { ONNX__TENSOR_PROTO__DATA_TYPE__UINT64, WEIR_DTYPE_U64, UINT64S, { 1, -1 },
      { 1, 0xffffffffffffffff } },
};

static bool read_proto (const Onnx__TensorProto *proto, WeirTensor *tensor, GError **error)
{
  const WeirOnnxSource source = { .name = "net.onnx", .arena = arena };
  return weir_onnx_read_tensor (&source, "t", proto, tensor, error);
}

START_TEST (test_typed_fields)
{
  float floats[] = { 1, 2 };
  double doubles[] = { 1, 2 };
  int32_t ints[] = { (int32_t) typed[_i].given[0], (int32_t) typed[_i].given[1] };
  int64_t longs[] = { typed[_i].given[0], typed[_i].given[1] }, dims[] = { 2 };
  uint64_t unsigned_longs[] = { (uint64_t) longs[0], (uint64_t) longs[1] };
  Onnx__TensorProto proto = ONNX__TENSOR_PROTO__INIT;
  proto.data_type = typed[_i].type;
  proto.dims = dims;
  proto.n_dims = 1;
  proto.float_data = floats;
  proto.n_float_data = typed[_i].field == FLOATS ? 2 : 0;
  proto.double_data = doubles;
  proto.n_double_data = typed[_i].field == DOUBLES ? 2 : 0;
  proto.int32_data = ints;
  proto.n_int32_data = typed[_i].field == INT32S ? 2 : 0;
  proto.int64_data = longs;
  proto.n_int64_data = typed[_i].field == INT64S ? 2 : 0;
  proto.uint64_data = unsigned_longs;
  proto.n_uint64_data = typed[_i].field == UINT64S ? 2 : 0;
  g_autoptr (GError) error = NULL;
  WeirTensor tensor;
  ck_assert_msg (read_proto (&proto, &tensor, &error), "%s", error ? error->message : "");
  ck_assert_int_eq (tensor.dtype, typed[_i].dtype);
  size_t size = weir_dtype_bytes (tensor.dtype);
  for (size_t k = 0; k < 2; k++)
    ck_assert_mem_eq ((char *) weir_tensor_data (&tensor) + k * size, &typed[_i].expected[k], size);
  dims[0] = 3;
  ck_assert (!read_proto (&proto, &tensor, &error));
  ck_assert_msg (
      strstr (error->message, "has 2 elements, its dims say 3") != NULL, "%s", error->message);
}
END_TEST

START_TEST (test_empty_and_scalar)
{
  Onnx__TensorProto proto = ONNX__TENSOR_PROTO__INIT;
  int64_t dims[] = { 0 };
  float value = 3;
  WeirTensor tensor;
  proto.data_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
  proto.dims = dims;
  proto.n_dims = 1;
  ck_assert (read_proto (&proto, &tensor, NULL));
  ck_assert_ptr_nonnull (tensor.buffer);
  ck_assert_int_eq (tensor.dims[0], 0);
  proto.n_dims = 0;
  proto.float_data = &value;
  proto.n_float_data = 1;
  ck_assert (read_proto (&proto, &tensor, NULL));
  ck_assert_uint_eq (tensor.rank, 0);
  ck_assert_float_eq (*(const float *) weir_tensor_data (&tensor), 3);
}
END_TEST

START_TEST (test_bad_tensor_file)
{
  g_autofree char *path = g_build_filename (folder, "bad.pb", NULL);
  g_autoptr (GError) error = NULL;
  WeirTensor tensor = { .dtype = WEIR_DTYPE_F32, .rank = 1, .dims = { 2 } };
  ck_assert (!weir_onnx_load_tensor (path, arena, NULL, &tensor, &error));
  ck_assert_int_eq (error->code, WEIR_ERROR_NOT_FOUND);
  g_clear_error (&error);
  ck_assert (g_file_set_contents (path, "\x12", 1, NULL));
  ck_assert (!weir_onnx_load_tensor (path, arena, NULL, &tensor, &error));
  ck_assert_int_eq (error->code, WEIR_ERROR_FORMAT);
  ck_assert_ptr_nonnull (strstr (error->message, "bad.pb"));
  g_clear_error (&error);
  tensor = (WeirTensor){ .dtype = WEIR_DTYPE_F32, .rank = 1, .dims = { 2 } };
  ck_assert (!weir_onnx_save_tensor (path, "no bytes", &tensor, &error));
}
END_TEST

/* External data: 3 * 2 * 3 * 3 floats of small_net's weights in a file of their own. */
enum { N_WEIGHTS = 54, FILE_BYTES = 4096 + 4 * N_WEIGHTS };

static const struct {
  const char *location, *offset, *length;
  int code; /* of the error; -1: it loads */
  const char *says;
  bool is_mapped;
} externals[] = {
  { "w.bin", "4096", "216", -1, NULL, true },
  { "w.bin", "4096", NULL, -1, NULL, true },
  { "./w.bin", "4", "216", -1, NULL, false }, /* not aligned: copied */
  { "w.bin", NULL, "216", -1, NULL, true },
  { "w.bin", "4100", "216", WEIR_ERROR_FORMAT, "needs 216 bytes at 4100 of w.bin", false },
  { "w.bin", "99999999999", NULL, WEIR_ERROR_FORMAT, "needs 216 bytes", false },
  { "w.bin", "4096", "212", WEIR_ERROR_FORMAT, "has 212 bytes", false },
  { "w.bin", "-1", NULL, WEIR_ERROR_FORMAT, "offset of its external data is '-1'", false },
  { "w.bin", "0x10", NULL, WEIR_ERROR_FORMAT, "expected a number", false },
  { "w.bin", "0", "9223372036854775808", WEIR_ERROR_FORMAT, "expected a number", false },
  { "none.bin", NULL, NULL, WEIR_ERROR_NOT_FOUND, "none.bin", false },
  { "../w.bin", NULL, NULL, WEIR_ERROR_FORMAT, "outside of the model's folder", false },
  { "a/../../w.bin", NULL, NULL, WEIR_ERROR_FORMAT, "outside of the model's folder", false },
  { "out.bin", NULL, NULL, WEIR_ERROR_FORMAT, "outside of the model's folder", false }, /* a link */
  { "out/passwd", NULL, NULL, WEIR_ERROR_FORMAT, "outside of the model's folder", false },
  { "in.bin", "4096", NULL, -1, NULL, true },
  { "folder", NULL, NULL, WEIR_ERROR_NOT_FOUND, "is a folder", false },
  { "/etc/hostname", NULL, NULL, WEIR_ERROR_FORMAT, "outside of the model's folder", false },
  { "", NULL, NULL, WEIR_ERROR_FORMAT, "without a location", false },
  { NULL, NULL, NULL, WEIR_ERROR_FORMAT, "without a location", false },
};

static void write_weights (void)
{
  g_autofree char *path = g_build_filename (folder, "w.bin", NULL);
  g_autofree float *floats = g_new (float, FILE_BYTES / 4);
  for (size_t i = 0; i < FILE_BYTES / 4; i++)
    floats[i] = (float) i;
  ck_assert (g_file_set_contents (path, (char *) floats, FILE_BYTES, NULL));
}

/* Links to a file outside, a folder outside and a file inside, and a folder. */
static void write_links (void)
{
  static const char *const links[][2] = { { "/etc/passwd", "out.bin" }, { "/etc", "out" },
    { "w.bin", "in.bin" } };
  g_autofree char *inner = g_build_filename (folder, "folder", NULL);
  for (size_t i = 0; i < G_N_ELEMENTS (links); i++) {
    g_autofree char *path = g_build_filename (folder, links[i][1], NULL);
    ck_assert_int_eq (symlink (links[i][0], path), 0);
  }
  ck_assert_int_eq (g_mkdir (inner, 0700), 0);
}

static void add_entry (
    WeirArena *memory, Onnx__TensorProto *proto, const char *key, const char *value)
{
  if (!value)
    return;
  Onnx__StringStringEntryProto *entry =
      weir_arena_new_array (memory, Onnx__StringStringEntryProto, 1);
  onnx__string_string_entry_proto__init (entry);
  entry->key = (char *) key;
  entry->value = (char *) value;
  proto->external_data[proto->n_external_data++] = entry;
}

START_TEST (test_external)
{
  g_autoptr (OnnxBuilder) builder = onnx_builder_small_net ();
  Onnx__TensorProto *weights = builder->graph->initializer[0];
  weights->has_raw_data = false;
  weights->has_data_location = true;
  weights->data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
  weights->external_data = weir_arena_new_array (arena, Onnx__StringStringEntryProto *, 3);
  add_entry (arena, weights, "location", externals[_i].location);
  add_entry (arena, weights, "offset", externals[_i].offset);
  add_entry (arena, weights, "length", externals[_i].length);
  write_weights ();
  write_links ();
  g_autofree char *path = onnx_builder_write (builder, folder, "net.onnx");
  g_autoptr (GError) error = NULL;
  g_autoptr (WeirGraph) graph = weir_onnx_load (path, NULL, &error);
  if (externals[_i].code >= 0) {
    ck_assert_ptr_null (graph);
    ck_assert_msg (error->code == externals[_i].code && strstr (error->message, externals[_i].says),
        "%s", error->message);
    ck_assert_ptr_nonnull (strstr (error->message, "net.onnx: tensor 'weights'"));
    return;
  }
  ck_assert_msg (graph != NULL, "%s", error ? error->message : "");
  ck_assert_uint_eq (graph->files->len, 1);
  const WeirFile *file = g_ptr_array_index (graph->files, 0);
  const WeirTensor *tensor = &weir_graph_value (graph, weir_graph_node (graph, 0)->src[1])->tensor;
  const uint8_t *bytes = weir_tensor_data (tensor);
  ck_assert (
      (bytes >= file->bytes && bytes < file->bytes + file->n_bytes) == externals[_i].is_mapped);
  float first = externals[_i].offset ? (float) (atoi (externals[_i].offset) / 4) : 0;
  ck_assert_float_eq (((const float *) (const void *) bytes)[0], first);
  ck_assert_float_eq (((const float *) (const void *) bytes)[N_WEIGHTS - 1], first + N_WEIGHTS - 1);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("onnx-tensor");
  TCase *tcase = tcase_create ("tensor");
  tcase_add_checked_fixture (tcase, make_folder, remove_folder);
  tcase_add_test (tcase, test_round_trip);
  tcase_add_loop_test (tcase, test_typed_fields, 0, (int) G_N_ELEMENTS (typed));
  tcase_add_test (tcase, test_empty_and_scalar);
  tcase_add_test (tcase, test_bad_tensor_file);
  tcase_add_loop_test (tcase, test_external, 0, (int) G_N_ELEMENTS (externals));
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
