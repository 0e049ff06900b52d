/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The `weir` command as users meet it: exit status, one sentence on stderr, results on stdout. */
#include "engine/base/cores.h"
#include "engine/formats/formats.h"
#include "tests/unit/formats/onnx_builder.h"

#include <check.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <string.h>
#include <sys/wait.h>

#define F32 ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT

static char *weir; /* the command's path */
static char *folder;

typedef struct Outcome {
  int status;
  char *text, *errors; /* stdout, stderr */
} Outcome;

static void outcome_clear (Outcome *outcome)
{
  g_free (outcome->text);
  g_free (outcome->errors);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Outcome, outcome_clear)

/* Runs in the folder, so that arguments need no path. */
static Outcome run (const char *arguments)
{
  g_autofree char *line = g_strdup_printf ("'%s' %s", weir, arguments);
  g_auto (GStrv) argv = NULL;
  g_autoptr (GError) error = NULL;
  Outcome outcome = { 0 };
  int status;

  ck_assert (g_shell_parse_argv (line, NULL, &argv, NULL));
  ck_assert_msg (g_spawn_sync (folder, argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, &outcome.text,
                     &outcome.errors, &status, &error),
      "%s", error ? error->message : "");
  ck_assert_msg (WIFEXITED (status), "weir %s: killed by signal %d", arguments, WTERMSIG (status));
  outcome.status = WEXITSTATUS (status);
  return outcome;
}

/* As run; stdout alone. The status must be as expected. */
static char *run_text (const char *arguments, int status)
{
  g_auto (Outcome) outcome = run (arguments);
  ck_assert_msg (outcome.status == status, "weir %s: status %d, %s", arguments, outcome.status,
      outcome.errors);
  return g_steal_pointer (&outcome.text);
}

static JsonObject *run_json (const char *arguments, int status)
{
  g_autofree char *text = run_text (arguments, status);
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) node = json_from_string (text, &error);
  ck_assert_msg (node && JSON_NODE_HOLDS_OBJECT (node), "weir %s: %s", arguments, text);
  return json_object_ref (json_node_get_object (node));
}

static void write_bytes (const char *name, const void *data, gsize size)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  ck_assert (g_file_set_contents (path, data, (gssize) size, NULL));
}

/* relu.onnx: y = max (x, 0), x [n, 3, 2, 2]; open.onnx: the same of any size; relu.onnx's first
 * half as cut.onnx; odd.onnx with unknown operators. */
static void write_models (void)
{
  g_autoptr (OnnxBuilder) relu = onnx_builder_new (13), odd = onnx_builder_new (13);
  g_autoptr (OnnxBuilder) any_size = onnx_builder_new (13);
  g_autoptr (GBytes) bytes = NULL;
  onnx_builder_input (relu, "x", F32, "n,3,2,2");
  onnx_builder_node (relu, "Relu", "x", "y", "");
  onnx_builder_output (relu, "y");
  bytes = onnx_builder_pack (relu);
  write_bytes ("relu.onnx", g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
  write_bytes ("cut.onnx", g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes) / 2);
  onnx_builder_input (any_size, "x", F32, "n,3,h,w");
  onnx_builder_node (any_size, "Relu", "x", "y", "");
  onnx_builder_output (any_size, "y");
  g_free (onnx_builder_write (any_size, folder, "open.onnx"));
  onnx_builder_input (odd, "x", F32, "n,3,2,2");
  onnx_builder_node (odd, "FooOp", "x", "z", "");
  onnx_builder_node (odd, "BarOp", "z", "y", "");
  onnx_builder_output (odd, "y");
  g_free (onnx_builder_write (odd, folder, "odd.onnx"));
}

/* Data set i: 0..11 + i as uint8; expected max ((value - mean) * 2, 0) with means 1, 4, 20. */
static void write_data (int i, const char *name, float error)
{
  static const float means[] = { 1, 4, 20 };
  g_autofree char *dir = g_build_filename (folder, name, NULL);
  g_autofree char *input = g_build_filename (dir, "input_0.pb", NULL);
  g_autofree char *output = g_build_filename (dir, "output_0.pb", NULL);
  uint8_t x[12];
  float y[12];
  WeirTensor src = { .dtype = WEIR_DTYPE_U8, .rank = 4, .dims = { 1, 3, 2, 2 }, .buffer = x };
  WeirTensor dst = { .dtype = WEIR_DTYPE_F32, .rank = 4, .dims = { 1, 3, 2, 2 }, .buffer = y };
  for (int k = 0; k < 12; k++) {
    x[k] = (uint8_t) (k + i);
    y[k] = MAX (((float) x[k] - means[k / 4]) * 2, 0);
  }
  y[5] += error;
  g_mkdir (dir, 0777);
  ck_assert (weir_onnx_save_tensor (input, "x", &src, NULL));
  ck_assert (weir_onnx_save_tensor (output, "y", &dst, NULL));
}

static void make_folder (void)
{
  folder = onnx_builder_folder ();
  write_models ();
  write_data (0, "set0", 0);
  write_data (7, "set1", 0);
  write_data (0, "wrong", 0.01f);
}

static void remove_tree (const char *path)
{
  GDir *dir = g_dir_open (path, 0, NULL);
  const char *name;
  while (dir && (name = g_dir_read_name (dir))) {
    g_autofree char *inner = g_build_filename (path, name, NULL);
    remove_tree (inner);
  }
  g_clear_pointer (&dir, g_dir_close);
  g_remove (path);
}

static void remove_folder (void)
{
  remove_tree (folder);
  g_clear_pointer (&folder, g_free);
}

#define NORMAL "--mean 1,4,20 --scale 2 "

static const struct {
  const char *arguments;
  int status;
  const char *words[3];
} refusals[] = {
  { "", 2, { "command is missing" } },
  { "frobnicate", 2, { "frobnicate" } },
  { "--frobnicate", 2, { "--frobnicate" } },
  { "inspect", 2, { "MODEL is missing" } },
  { "inspect --frobnicate relu.onnx", 2, { "--frobnicate", "inspect --help" } },
  { "inspect relu.onnx more", 2, { "more" } },
  { "devices more", 2, { "more" } },
  { "decoders --json", 2, { "--json" } },
  { "inspect missing.onnx", 1, { "missing.onnx" } },
  { "inspect cut.onnx", 1, { "cut.onnx" } },
  { "inspect relu.onnx --constant-inputs y=1", 2, { "y=1", "there are 'x'" } },
  { "inspect relu.onnx --model-proc nowhere.json", 1, { "nowhere.json" } },
  { "inspect odd.onnx", 1, { "odd.onnx", "FooOp", "BarOp" } }, /* all of them at once */
  { "run missing.onnx", 1, { "missing.onnx" } },
  { "bench missing.onnx", 1, { "missing.onnx" } },
  { "run --data absent relu.onnx", 1, { "absent", "input_0.pb" } },
  { "run --mean 1,2 --data set0 relu.onnx", 2, { "--mean", "2 numbers", "3 channels" } },
  { "run --mean 1,x --data set0 relu.onnx", 2, { "--mean", "'x'" } },
  { "run --batch 1025 relu.onnx", 2, { "--batch", "1025", "1024" } },
  { "run --atol -1 relu.onnx", 2, { "--atol" } },
  { "run --num-requests 1025 relu.onnx", 2, { "--num-requests", "1025", "0..1024" } },
  { "run --num-requests 4x relu.onnx", 2, { "--num-requests", "'4x'", "0..1024" } },
  { "run --num-requests 0x10 relu.onnx", 2, { "--num-requests", "'0x10'", "0..1024" } },
  { "run --batch-size 1025 relu.onnx", 2, { "--batch-size", "'1025'", "0..1024" } },
  { "run --batch-timeout -2 relu.onnx", 2, { "--batch-timeout", "'-2'", "-1..2147483647" } },
  { "run --batch-timeout 99999999999 relu.onnx", 2, { "'99999999999'", "-1..2147483647" } },
  { "run --allow-auto-batching no relu.onnx", 2, { "--allow-auto-batching", "'no'" } },
  { "run --performance-hint fast relu.onnx", 2, { "performance-hint=fast", "LATENCY or" } },
  { "run --device 'GPU(4x)' relu.onnx", 2, { "GPU(4x)" } },
  { "run --device 'BATCH:GPU(0)' relu.onnx", 2, { "BATCH:GPU(0)", "1 to 1024" } },
  { "run --precision f33 relu.onnx", 2, { "precision=f33", "bf16" } },
  { "run --config FROB=1 relu.onnx", 2, { "FROB", "AUTO_BATCH_TIMEOUT" } },
  { "bench --config AUTO_BATCH_TIMEOUT=x relu.onnx", 2,
      { "AUTO_BATCH_TIMEOUT=x", "-1", "2147483647" } },
  { "bench --config OPTIMAL_NUMBER_OF_INFER_REQUESTS=4 relu.onnx", 2, { "read only" } },
  { "run --batch-size 4294967297 relu.onnx", 2, { "4294967297" } },
  { "bench --streams 0 relu.onnx", 2, { "--streams", "0" } },
  { "bench --streams 3 --rate 1,2 relu.onnx", 2, { "--rate", "2 numbers", "3 streams" } },
  { "bench --rate 0 relu.onnx", 2, { "--rate", "'0'" } },
  { "bench --items 1.5 relu.onnx", 2, { "--items", "1.5" } },
  { "bench --seconds 0 relu.onnx", 2, { "--seconds" } },
  { "bench --streams -1 relu.onnx", 2, { "--streams", "-1" } },
  { "bench --rate 30, relu.onnx", 2, { "--rate", "''" } },
  { "bench --rate 1e9 relu.onnx", 2, { "--rate", "1e9" } },
  { "bench --items 0 relu.onnx", 2, { "--items", "'0'" } },
  { "bench --rate 1,2 --items 1,2,3 relu.onnx", 2, { "--rate", "2 numbers", "3 streams" } },
  { "bench --seconds -1 relu.onnx", 2, { "--seconds", "-1" } },
  { "bench", 2, { "no model is given", "SIM(A,B)" } },
  { "bench --device CPU", 2, { "no model is given", "SIM(A,B)" } },
  { "bench --device 'SIM(4)'", 2, { "'SIM(4)'", "SIM(A,B)" } },
  { "run --device 'SIM(4,1)'", 2, { "MODEL is missing" } },
  { "bench --find-streams 50 relu.onnx", 2, { "--find-streams", "--rate" } },
  { "bench --find-streams 50 --rate 1,2 relu.onnx", 2, { "--find-streams", "--rate" } },
  { "bench --find-streams 50 --rate 1 --items 1,2 relu.onnx", 2, { "--find-streams", "--items" } },
  { "bench --find-streams 50 --rate 1 --profile relu.onnx", 2, { "--find-streams", "--profile" } },
  { "bench --sort time relu.onnx", 2, { "--sort", "--profile" } },
  { "bench --profile --sort fast relu.onnx", 2, { "--sort", "order", "loss" } },
  { "bench --profile --items 1,2 relu.onnx", 2, { "--profile", "--items" } },
  { "bench --profile --items 1025 relu.onnx", 2, { "--items", "1025", "1024" } },
  { "bench --profile --peaks relu.onnx", 2, { "--profile", "--peaks" } },
  { "bench --profile missing.onnx", 1, { "missing.onnx" } },
  { "bench --find-streams 0 --rate 1 relu.onnx", 2, { "--find-streams", "60000 ms" } },
  { "bench --find-streams 60001 --rate 1 relu.onnx", 2, { "--find-streams", "60001" } },
  { "bench --find-streams nan --rate 1 relu.onnx", 2, { "--find-streams", "nan" } },
  { "bench --find-streams x --rate 1 relu.onnx", 2, { "--find-streams", "x" } },
  { "tune", 2, { "MODEL is missing" } },
  { "tune missing.onnx", 1, { "missing.onnx" } },
  { "tune relu.onnx", 1, { "device CPU", "nothing to tune", "GPU" } },
  { "tune --device REF relu.onnx", 1, { "device REF", "nothing to tune" } },
  { "tune --device GPU.nowhere relu.onnx", 1, { "GPU.nowhere" } },
  { "tune --seconds 0 relu.onnx", 2, { "--seconds", "0..86400" } },
  { "tune --seconds nan relu.onnx", 2, { "--seconds", "nan" } },
  { "tune --batch-size 1,x relu.onnx", 2, { "--batch-size", "'x'" } },
  { "tune --batch-size 1,2.5 relu.onnx", 2, { "--batch-size", "2.5", "whole" } },
  { "tune --batch-size 0 relu.onnx", 2, { "--batch-size", "'0'" } },
  { "bench --picture 10x relu.onnx", 2, { "--picture", "10x" } },
  { "bench --picture 99999x10 relu.onnx", 2, { "--picture", "16384" } },
};

START_TEST (test_cli_refusals)
{
  g_auto (Outcome) outcome = run (refusals[_i].arguments);
  const char *end = strchr (outcome.errors, '\n');
  ck_assert_msg (outcome.status == refusals[_i].status, "weir %s: status %d",
      refusals[_i].arguments, outcome.status);
  ck_assert_str_eq (outcome.text, "");
  ck_assert_msg (g_str_has_prefix (outcome.errors, "weir") && end && end[1] == '\0',
      "weir %s: not one line: %s", refusals[_i].arguments, outcome.errors);
  for (guint i = 0; i < 3 && refusals[_i].words[i]; i++)
    ck_assert_msg (strstr (outcome.errors, refusals[_i].words[i]) != NULL, "weir %s: no '%s' in %s",
        refusals[_i].arguments, refusals[_i].words[i], outcome.errors);
}
END_TEST

static const struct {
  const char *arguments;
  const char *words[3];
} answers[] = {
  { "--version", { "weir 0." } },
  { "--help", { "inspect", "bench", "operators" } },
  { "--help", { "tune" } },
  { "tune --help", { "--batch-size=N,...", "--seconds", "--device" } },
  { "inspect --help", { "--json", "--plan", "--device" } },
  { "run --help", { "--data", "--atol", "--performance-hint" } },
  { "bench --help", { "--rate", "--items", "--num-requests" } },
  { "bench --help", { "[MODEL]", "--find-streams", "SIM(A,B)" } },
  { "bench --help", { "--profile", "--sort", "--peaks" } },
  { "devices --help", { "--json" } },
  { "decoders --help", { "Usage" } },
  { "operators --help", { "Usage" } },
  { "devices", { "CPU", "SIM(A,B)", "gives zeros" } },
  { "devices --json", { "\"name\"", "CPU" } },
  { "operators", { "Conv\n", "MaxPool\n", "Relu\n" } },
  { "decoders", { "classification", "raw" } },
  { "inspect relu.onnx", { "relu.onnx", "x  f32[n,3,2,2]  <- picture", "Relu 1" } },
  { "run relu.onnx", { "y f32[1,3,2,2]" } },
  { "run --device 'SIM(0,0)' relu.onnx", { "SIM(0,0)", "gives zeros", "y f32[1,3,2,2]" } },
  { "bench --profile relu.onnx", { "Relu", "GFLOP/s", "preprocessing" } },
  { "bench --profile --sort loss --items 2 relu.onnx", { "2x3x2x2 -> 2x3x2x2", "for 2 items" } },
  { "bench --peaks", { "1 thread, f32", "GFLOP/s", "memory" } },
  { "bench --device 'SIM(0,0)' --seconds 0.1 --warmup 0", { "stub", "gives zeros", "items/s" } },
};

START_TEST (test_cli_answers)
{
  g_autofree char *text = run_text (answers[_i].arguments, 0);
  for (guint i = 0; i < 3 && answers[_i].words[i]; i++)
    ck_assert_msg (strstr (text, answers[_i].words[i]) != NULL, "weir %s: no '%s' in %s",
        answers[_i].arguments, answers[_i].words[i], text);
}
END_TEST

START_TEST (test_cli_inspect_json)
{
  static const char *const members[] = { "file", "name", "inputs", "outputs", "operators", "gflop",
    "parameters", "labels", "decoder", "batchable", "batch_limit_reason" };
  g_autoptr (JsonObject) root = run_json ("inspect --json relu.onnx", 0);
  for (guint i = 0; i < G_N_ELEMENTS (members); i++)
    ck_assert_msg (json_object_has_member (root, members[i]), "no %s", members[i]);
  ck_assert (json_object_get_boolean_member (root, "batchable"));
}
END_TEST

static const struct {
  const char *arguments;
  int status;
  guint items;
} runs[] = {
  { "--data set0", 0, 1 },
  { "--data set0 --data set1", 0, 2 },
  { "--data set0 --data set1 --batch 1", 0, 2 },
  { "--data set1 --batch 5", 0, 5 },
  { "--data set0 --data set1 --batch 2 --allow-auto-batching false", 0, 2 },
  { "--data set1 --device REF", 0, 1 },
  { "--data wrong", 1, 1 },
  { "--data set0 --data wrong", 1, 2 },
  { "--data wrong --atol 0.02", 0, 1 },
  { "--data wrong --atol 0 --rtol 0.01", 0, 1 },
};

START_TEST (test_cli_run)
{
  g_autofree char *arguments =
      g_strdup_printf ("run --json " NORMAL "%s relu.onnx", runs[_i].arguments);
  g_autoptr (JsonObject) root = run_json (arguments, runs[_i].status);
  JsonArray *items = json_object_get_array_member (root, "items");
  ck_assert_int_eq (json_object_get_boolean_member (root, "ok"), runs[_i].status == 0);
  ck_assert_uint_eq (json_array_get_length (items), runs[_i].items);
  for (guint i = 0; i < runs[_i].items; i++) {
    JsonObject *item = json_array_get_object_element (items, i);
    gboolean wrong = strcmp (json_object_get_string_member (item, "data"), "wrong") == 0;
    JsonObject *output =
        json_array_get_object_element (json_object_get_array_member (item, "outputs"), 0);
    double difference = json_object_get_double_member (output, "max_abs");
    ck_assert_str_eq (json_object_get_string_member (output, "name"), "y");
    ck_assert_str_eq (json_object_get_string_member (output, "shape"), "f32[1,3,2,2]");
    ck_assert_double_eq_tol (difference, wrong ? 0.01 : 0, 1e-6);
    ck_assert_int_eq (
        json_object_get_boolean_member (output, "ok"), !wrong || runs[_i].status == 0);
  }
}
END_TEST

/* A shape that is not what is expected is a failure, not a comparison. */
START_TEST (test_cli_run_shape)
{
  float y[3] = { 0 };
  WeirTensor dst = { .dtype = WEIR_DTYPE_F32, .rank = 2, .dims = { 1, 3 }, .buffer = y };
  g_autofree char *path = g_build_filename (folder, "set0", "output_0.pb", NULL);
  ck_assert (weir_onnx_save_tensor (path, "y", &dst, NULL));
  g_auto (Outcome) outcome = run ("run --data set0 relu.onnx");
  ck_assert_int_eq (outcome.status, 1);
  ck_assert (strstr (outcome.errors, "f32[1,3,2,2]") && strstr (outcome.errors, "f32[1,3]"));
}
END_TEST

/* The data says how large the picture of an open model is; without data somebody must. */
START_TEST (test_cli_run_open_shape)
{
  g_free (run_text ("run " NORMAL "--data set0 --data set1 open.onnx", 0));
  g_free (run_text ("run --input-shape 1x3x4x6 open.onnx", 0));
  g_auto (Outcome) outcome = run ("run open.onnx");
  ck_assert_int_eq (outcome.status, 1);
  ck_assert (strstr (outcome.errors, "open.onnx") != NULL);
}
END_TEST

/* What --save writes is what another run expects. */
START_TEST (test_cli_run_save)
{
  static const char *const files[] = { "one/output_0.pb", "two/test_data_set_0/output_0.pb",
    "two/test_data_set_1/output_0.pb" };
  static const char *const sets[] = { "set0", "set0", "set1" };
  g_free (run_text ("run " NORMAL "--data set0 --save one relu.onnx", 0));
  g_free (run_text ("run " NORMAL "--data set0 --data set1 --save two relu.onnx", 0));
  for (guint i = 0; i < G_N_ELEMENTS (files); i++) {
    g_autofree char *saved = g_build_filename (folder, files[i], NULL);
    g_autofree char *expected = g_build_filename (folder, sets[i], "output_0.pb", NULL);
    g_autofree char *a = NULL, *b = NULL;
    gsize n_a, n_b;
    ck_assert_msg (g_file_get_contents (saved, &a, &n_a, NULL), "%s", saved);
    ck_assert (g_file_get_contents (expected, &b, &n_b, NULL));
    ck_assert (n_a == n_b && memcmp (a, b, n_a) == 0);
  }
}
END_TEST

static const struct {
  const char *arguments;
  guint streams;
  double rates[2]; /* 0: closed loop */
  double items;
} benches[] = {
  { "", 1, { 0 }, 1 },
  { "--streams 2 --items 3", 2, { 0 }, 3 },
  { "--streams 2 --rate 60,20 --items 2", 2, { 60, 20 }, 2 },
  { "--picture 64x48 --rate 50", 1, { 50 }, 1 },
  { "--rate 60,20", 2, { 60, 20 }, 1 },
  { "--picture 64x48 --rate 50 --device 'SIM(2,0.5)'", 1, { 50 }, 1 },
};

START_TEST (test_cli_bench)
{
  g_autofree char *arguments = g_strdup_printf (
      "bench --json --seconds 0.5 --warmup 0.1 %s relu.onnx", benches[_i].arguments);
  g_autoptr (JsonObject) root = run_json (arguments, 0);
  JsonArray *streams = json_object_get_array_member (root, "per_stream");
  JsonObject *stats = json_object_get_object_member (root, "stats");
  static const char *const members[] = { "seconds", "items_per_s", "device_busy", "cpu_seconds",
    "peak_rss_mb", "load_ms" };
  double frames = 0;
  for (guint i = 0; i < G_N_ELEMENTS (members); i++)
    ck_assert_msg (json_object_get_double_member (root, members[i]) >= 0, "%s", members[i]);
  ck_assert_uint_eq (json_array_get_length (streams), benches[_i].streams);
  for (guint i = 0; i < benches[_i].streams; i++) {
    JsonObject *stream = json_array_get_object_element (streams, i);
    double rate = json_object_get_double_member (stream, "frames_per_s");
    double asked = benches[_i].rates[i];
    frames += rate;
    ck_assert (rate > 0);
    /* A busy test machine may lose frames; none may come faster than asked (one more fits in). */
    ck_assert_msg (asked == 0 || rate <= asked + 4, "stream %u: %g of %g", i, rate, asked);
    ck_assert (json_object_get_double_member (stream, "latency_us_p99") >=
               json_object_get_double_member (stream, "latency_us_p50"));
  }
  ck_assert_double_eq_tol (
      json_object_get_double_member (root, "items_per_s"), frames * benches[_i].items, 0.1);
  ck_assert_int_eq (json_object_get_int_member (stats, "failed"), 0);
}
END_TEST

static void check_figures (JsonObject *object)
{
  static const char *const members[] = { "us", "roof_us", "peak_share", "flops", "bytes", "gflops",
    "gbps" };
  double us = json_object_get_double_member (object, "us");
  double roof_us = json_object_get_double_member (object, "roof_us");
  for (guint i = 0; i < G_N_ELEMENTS (members); i++)
    ck_assert_msg (json_object_get_double_member (object, members[i]) >= 0, "%s", members[i]);
  ck_assert (us > 0);
  ck_assert_double_eq_tol (
      json_object_get_double_member (object, "peak_share"), roof_us / us, 1e-3 + 1e-3 / us);
}

static double sum_of (JsonArray *objects, const char *member)
{
  double sum = 0;
  for (guint i = 0; i < json_array_get_length (objects); i++)
    sum += json_object_get_double_member (json_array_get_object_element (objects, i), member);
  return sum;
}

static const struct {
  const char *arguments;
  gint64 items;
  bool has_queue;
} profiles[] = {
  { "", 1, true },
  { "--items 3 --sort time", 3, false },
  { "--picture 64x48 --performance-hint latency", 1, true },
  { "--device REF", 1, true },
  { "--device 'SIM(1,1)'", 1, true },
};

START_TEST (test_cli_profile)
{
  g_autofree char *arguments =
      g_strdup_printf ("bench --json --profile %s relu.onnx", profiles[_i].arguments);
  g_autoptr (JsonObject) root = run_json (arguments, 0);
  JsonArray *steps = json_object_get_array_member (root, "steps");
  JsonArray *kinds = json_object_get_array_member (root, "kinds");
  double steps_us = json_object_get_double_member (root, "steps_us"), total_us = steps_us;
  total_us += json_object_get_double_member (root, "preprocess_us");
  total_us += json_object_get_double_member (root, "postprocess_us");
  ck_assert_int_eq (json_object_get_null_member (root, "queue_us"), !profiles[_i].has_queue);
  if (profiles[_i].has_queue)
    total_us += json_object_get_double_member (root, "queue_us");
  ck_assert_int_eq (json_object_get_int_member (root, "items"), profiles[_i].items);
  ck_assert (json_array_get_length (steps) > 0);
  for (guint i = 0; i < json_array_get_length (steps); i++)
    check_figures (json_array_get_object_element (steps, i));
  ck_assert_double_eq_tol (sum_of (steps, "us"), steps_us, 0.01);
  ck_assert_double_eq_tol (sum_of (kinds, "us"), steps_us, 0.01);
  ck_assert_double_eq (sum_of (kinds, "n_steps"), json_array_get_length (steps));
  ck_assert_double_eq_tol (json_object_get_double_member (root, "total_us"), total_us, 0.01);
  ck_assert (json_object_get_double_member (
                 json_object_get_object_member (root, "peaks"), "f32_gflops") > 0);
}
END_TEST

START_TEST (test_cli_peaks)
{
  g_autoptr (JsonObject) root = run_json ("bench --peaks --json", 0);
  JsonArray *peaks = json_object_get_array_member (root, "peaks");
  ck_assert_uint_eq (json_array_get_length (peaks), 2);
  for (guint i = 0; i < 2; i++) {
    JsonObject *one = json_array_get_object_element (peaks, i);
    ck_assert_int_eq (json_object_get_int_member (one, "threads"), i ? weir_n_cores () : 1);
    ck_assert (json_object_get_double_member (one, "f32_gflops") > 0);
    ck_assert (json_object_get_double_member (one, "memory_gbps") > 0);
    ck_assert_int_eq (json_object_get_null_member (one, "bf16_loop"),
        json_object_get_double_member (one, "bf16_gflops") == 0);
  }
}
END_TEST

/* No hardware and no model: the queue alone. */
START_TEST (test_cli_bench_simulated)
{
  g_autoptr (JsonObject) root = run_json (
      "bench --json --seconds 0.5 --warmup 0.1 --device 'BATCH:SIM(2,1)(4)' --rate 20 --items "
      "1,1,4",
      0);
  JsonArray *streams = json_object_get_array_member (root, "per_stream");
  JsonObject *stats = json_object_get_object_member (root, "stats");
  double busy = json_object_get_double_member (root, "device_busy"), items = 0;
  for (guint i = 0; i < 3; i++)
    items += (i == 2 ? 4 : 1) * json_object_get_double_member (
                                    json_array_get_object_element (streams, i), "frames_per_s");
  ck_assert_uint_eq (json_array_get_length (streams), 3);
  ck_assert_double_eq_tol (json_object_get_double_member (root, "items_per_s"), items, 0.1);
  ck_assert (busy > 0 && busy <= 1);
  ck_assert_str_eq (json_object_get_string_member (stats, "device"), "SIM(2,1)");
  ck_assert_str_eq (json_object_get_string_member (stats, "precision"), "f32");
  ck_assert_int_eq (json_object_get_int_member (stats, "batch_max"), 4);
  ck_assert_int_eq (json_object_get_int_member (stats, "workers"), 1);
}
END_TEST

/* What any machine holds, and what none can: a frame that takes 0.5 s within 0.1 s. */
static const struct {
  const char *arguments;
  guint streams, n_trials;
} searches[] = {
  { "--device 'SIM(0,0)' --rate 10 --find-streams 30000 --seconds 0.5", 3, 3 },
  { "--device 'SIM(500,0)' --rate 20 --find-streams 100 --seconds 0.2", 0, 2 },
};

START_TEST (test_cli_find_streams)
{
  g_autofree char *arguments =
      g_strdup_printf ("bench --json --streams 3 --warmup 0 %s", searches[_i].arguments);
  g_autoptr (JsonObject) root = run_json (arguments, 0);
  JsonArray *trials = json_object_get_array_member (root, "trials");
  guint most = 0;
  for (guint i = 0; i < json_array_get_length (trials); i++) {
    JsonObject *trial = json_array_get_object_element (trials, i);
    guint n = (guint) json_object_get_int_member (trial, "streams");
    if (json_object_get_boolean_member (trial, "holds"))
      most = MAX (most, n);
    ck_assert (n >= 1 && n <= 3);
  }
  ck_assert_uint_eq (json_object_get_int_member (root, "streams"), most);
  ck_assert_uint_eq (most, searches[_i].streams);
  ck_assert_uint_ge (json_array_get_length (trials), searches[_i].n_trials);
}
END_TEST

/* Results that cannot be written are no success. */
START_TEST (test_cli_full_output)
{
  g_autofree char *line = g_strdup_printf ("exec '%s' operators > /dev/full", weir);
  const char *argv[] = { "/bin/sh", "-c", line, NULL };
  g_autofree char *errors = NULL;
  int status;
  ck_assert (g_spawn_sync (
      NULL, (char **) argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, NULL, &errors, &status, NULL));
  ck_assert_int_eq (WEXITSTATUS (status), 1);
  ck_assert (strstr (errors, "standard output") != NULL);
}
END_TEST

int main (int argc, char **argv)
{
  Suite *suite = suite_create ("cli");
  TCase *tcase = tcase_create ("weir");
  SRunner *runner;
  int n_failed;

  if (argc != 2) {
    g_printerr ("usage: %s PATH-OF-WEIR\n", argv[0]);
    return 1;
  }
  weir = g_canonicalize_filename (argv[1], NULL);
  tcase_add_checked_fixture (tcase, make_folder, remove_folder);
  tcase_add_loop_test (tcase, test_cli_refusals, 0, G_N_ELEMENTS (refusals));
  tcase_add_loop_test (tcase, test_cli_answers, 0, G_N_ELEMENTS (answers));
  tcase_add_test (tcase, test_cli_inspect_json);
  tcase_add_loop_test (tcase, test_cli_run, 0, G_N_ELEMENTS (runs));
  tcase_add_test (tcase, test_cli_run_shape);
  tcase_add_test (tcase, test_cli_run_open_shape);
  tcase_add_test (tcase, test_cli_run_save);
  tcase_add_loop_test (tcase, test_cli_bench, 0, G_N_ELEMENTS (benches));
  tcase_add_loop_test (tcase, test_cli_profile, 0, G_N_ELEMENTS (profiles));
  tcase_add_test (tcase, test_cli_peaks);
  tcase_add_test (tcase, test_cli_bench_simulated);
  tcase_add_loop_test (tcase, test_cli_find_streams, 0, G_N_ELEMENTS (searches));
  tcase_add_test (tcase, test_cli_full_output);
  suite_add_tcase (suite, tcase);
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_NORMAL);
  n_failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  g_free (weir);
  return n_failed != 0;
}
