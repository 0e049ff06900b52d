/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two processes on one device, with one folder for built programs that is empty when both begin. */
#include "engine/weir.h"
#include "tests/ocl/ocl_kit.h"
#include "tests/run_suite.h"
#include "tests/unit/formats/onnx_builder.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define N_PROCESSES 2
#define N_ROUNDS    20
#define N_ITEMS     3
#define N_IMAGE     (2 * 4 * 4)
#define N_SCORES    5

static char *folder, *cache, *model;

/* Scores of N_ITEMS images that depend on the seed. False: it failed, and that is said. */
static bool run_once (WeirStream *stream, uint32_t seed, float scores[N_ITEMS * N_SCORES])
{
  float image[N_ITEMS * N_IMAGE];
  const WeirTensor input = {
    .dtype = WEIR_DTYPE_F32, .rank = 4, .dims = { N_ITEMS, 2, 4, 4 }, .buffer = image
  };
  g_autoptr (GError) error = NULL;
  for (uint32_t i = 0; i < N_ITEMS * N_IMAGE; i++)
    image[i] = (float) ((i + seed) * 7 % 13) - 5;
  WeirRequest *request = weir_request_new (stream);
  weir_request_keep_outputs (request, true);
  bool ok =
      weir_request_set_input (request, 0, &input, &error) && weir_request_run (request, &error);
  if (ok)
    memcpy (scores, weir_tensor_data (weir_request_output (request, 0)),
        N_ITEMS * N_SCORES * sizeof *scores);
  else
    printf ("%d: %s\n", getpid (), error->message);
  weir_request_free (request);
  return ok;
}

static WeirStream *open_on (const char *device)
{
  const WeirSessionOptions o = { .model = model, .device = device, .precision = "f32" };
  g_autoptr (GError) error = NULL;
  g_autoptr (WeirSession) session = weir_session_open (&o, &error);
  if (!session)
    printf ("%d: %s: %s\n", getpid (), device, error->message);
  return session ? weir_stream_new (session, "s", 0) : NULL;
}

static uint32_t count_wrong (WeirStream *stream, WeirStream *reference)
{
  uint32_t n_wrong = 0;
  for (uint32_t round = 0; round < N_ROUNDS; round++) {
    float scores[N_ITEMS * N_SCORES], expected[N_ITEMS * N_SCORES];
    if (!run_once (stream, round, scores) || !run_once (reference, round, expected))
      return N_ROUNDS;
    for (uint32_t i = 0; i < N_ITEMS * N_SCORES; i++)
      n_wrong += !(fabsf (scores[i] - expected[i]) <= 1e-4f * (1 + fabsf (expected[i])));
  }
  return n_wrong;
}

/* One process, from the moment that it may begin: its exit status. */
static int live (int gate)
{
  char byte;
  ssize_t n = read (gate, &byte, 1); /* the other end is closed */
  const char *match = ocl_kit_match ();
  g_autofree char *name = match ? g_strdup_printf ("GPU.%s", match) : g_strdup ("GPU");
  WeirStream *stream = open_on (name), *reference = open_on ("REF");
  if (n != 0 || !stream || !reference)
    return 2;
  uint32_t n_wrong = count_wrong (stream, reference);
  weir_stream_free (stream);
  weir_stream_free (reference);
  return n_wrong > 0;
}

static uint32_t count_programs (void)
{
  g_autoptr (GDir) dir = g_dir_open (cache, 0, NULL);
  const char *name;
  uint32_t n = 0;
  while (dir && (name = g_dir_read_name (dir)))
    n += g_str_has_prefix (name, "program-");
  return n;
}

START_TEST (test_ocl_two_processes)
{
  pid_t children[N_PROCESSES];
  int gate[2];
  ck_assert_int_eq (pipe (gate), 0);
  fflush (stdout);
  for (int i = 0; i < N_PROCESSES; i++) {
    children[i] = fork ();
    if (children[i] == 0) {
      close (gate[1]);
      int status = live (gate[0]);
      fflush (stdout);
      _exit (status);
    }
  }
  close (gate[1]);
  for (int i = 0; i < N_PROCESSES; i++) {
    int status;
    ck_assert_int_eq (waitpid (children[i], &status, 0), children[i]);
    ck_assert_msg (WIFEXITED (status) && WEXITSTATUS (status) == 0, "process %d ends with %x", i,
        (unsigned) status);
  }
  close (gate[0]);
  ck_assert_uint_gt (count_programs (), 0);
}
END_TEST

/* In a process of its own, since this one must not have loaded a driver when it forks. */
static bool has_device (void)
{
  int status = 0;
  fflush (stdout);
  pid_t child = fork ();
  if (child == 0) {
    WeirOclDevice *device = ocl_kit_open (NULL);
    weir_ocl_device_close (device);
    fflush (stdout);
    _exit (device == NULL);
  }
  return child > 0 && waitpid (child, &status, 0) == child && status == 0;
}

int main (void)
{
  g_autoptr (OnnxBuilder) builder = onnx_builder_small_net ();
  if (!has_device ())
    return 77;
  folder = onnx_builder_folder ();
  cache = g_dir_make_tmp ("weir-programs-XXXXXX", NULL);
  model = onnx_builder_write (builder, folder, "small.onnx");
  g_setenv ("WEIR_CACHE_DIR", cache, TRUE);
  Suite *suite = suite_create ("ocl processes");
  TCase *tcase = tcase_create ("ocl processes");
  tcase_add_test (tcase, test_ocl_two_processes);
  suite_add_tcase (suite, tcase);
  int status = run_suite (suite, CK_NOFORK);
  onnx_builder_remove (folder);
  onnx_builder_remove (cache);
  g_free (model);
  return status;
}
