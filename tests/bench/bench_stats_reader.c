/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What does it cost producers when somebody reads `stats` in a tight loop? Eight producers of items
 * that take no time, and beside them nobody, a thread that only spins, or one that only reads; the
 * spinning one shows what the reader's processor time costs. Prints medians of interleaved rounds.
 *
 *     bench_stats_reader [ROUNDS [SECONDS]] */
#include "engine/weir.h"
#include "tests/unit/formats/onnx_builder.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define N_PRODUCERS  8
#define MAX_ROUNDS   99
#define READS_A_LOOK 64

typedef enum Beside { NOBODY, SPINNER, READER, SLOW_READER, N_BESIDE } Beside;

static const char *const names[] = { "nobody", "a thread that spins", "a reader in a tight loop",
  "a reader every millisecond" };

static WeirSession *session;
static gint stop;

static void *produce (void *user)
{
  float x[4] = { 1, 2, 3, 4 };
  WeirTensor tensor = { .dtype = WEIR_DTYPE_F32, .rank = 2, .dims = { 1, 4 }, .buffer = x };
  WeirStream *stream = weir_stream_new (session, "producer", 0);
  WeirRequest *request = weir_request_new (stream);
  uint64_t *n_items = user;
  bool ok = weir_request_set_input (request, 0, &tensor, NULL);
  while (ok && !g_atomic_int_get (&stop)) {
    ok = weir_request_run (request, NULL);
    ++*n_items;
  }
  weir_request_free (request);
  weir_stream_free (stream);
  return NULL;
}

static void *keep_busy (void *user)
{
  uint64_t *n_reads = user;
  volatile uint64_t sink = 0;
  while (!g_atomic_int_get (&stop)) {
    for (int i = 0; i < 1000; i++)
      sink = sink + 1;
    ++*n_reads;
  }
  return NULL;
}

static void *keep_reading (void *user)
{
  uint64_t *n_reads = user;
  WeirStats *stats = g_new0 (WeirStats, 1);
  while (!g_atomic_int_get (&stop)) {
    for (int i = 0; i < READS_A_LOOK; i++)
      weir_session_stats (session, stats);
    *n_reads += READS_A_LOOK;
  }
  g_free (stats);
  return NULL;
}

static void *read_now_and_then (void *user)
{
  uint64_t *n_reads = user;
  WeirStats *stats = g_new0 (WeirStats, 1);
  while (!g_atomic_int_get (&stop)) {
    weir_session_stats (session, stats);
    ++*n_reads;
    g_usleep (1000);
  }
  g_free (stats);
  return NULL;
}

/* Items and reads per second. */
static void measure (Beside beside, double seconds, double *items, double *reads)
{
  static void *(*const others[]) (void *) = { NULL, keep_busy, keep_reading, read_now_and_then };
  pthread_t threads[N_PRODUCERS], other;
  uint64_t n_items[N_PRODUCERS] = { 0 }, n_reads = 0, sum = 0;
  g_atomic_int_set (&stop, 0);
  gint64 start_us = g_get_monotonic_time ();
  for (int i = 0; i < N_PRODUCERS; i++)
    pthread_create (&threads[i], NULL, produce, &n_items[i]);
  if (others[beside])
    pthread_create (&other, NULL, others[beside], &n_reads);
  g_usleep ((gulong) (seconds * 1e6));
  g_atomic_int_set (&stop, 1);
  for (int i = 0; i < N_PRODUCERS; i++) {
    pthread_join (threads[i], NULL);
    sum += n_items[i];
  }
  if (others[beside])
    pthread_join (other, NULL);
  seconds = (double) (g_get_monotonic_time () - start_us) * 1e-6;
  *items = (double) sum / seconds;
  *reads = (double) n_reads / seconds;
}

static int compare (const void *a, const void *b)
{
  double x = *(const double *) a, y = *(const double *) b;
  return (x > y) - (x < y);
}

static char *write_network (const char *folder)
{
  g_autoptr (OnnxBuilder) builder = onnx_builder_new (13);
  onnx_builder_input (builder, "x", ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, "n,4");
  onnx_builder_ramp (builder, "ramp", "1,4");
  onnx_builder_node (builder, "Mul", "x,ramp", "y", "");
  onnx_builder_output (builder, "y");
  return onnx_builder_write (builder, folder, "ramp.onnx");
}

int main (int argc, char **argv)
{
  static double items[N_BESIDE][MAX_ROUNDS], reads[N_BESIDE][MAX_ROUNDS];
  int n_rounds = argc > 1 ? CLAMP (atoi (argv[1]), 1, MAX_ROUNDS) : 5;
  double seconds = argc > 2 ? atof (argv[2]) : 0.5;
  char *folder = onnx_builder_folder ();
  g_autofree char *path = write_network (folder);
  WeirSessionOptions o = { .model = path, .device = "REF", .batch_timeout_ms = -1 };
  g_autoptr (GError) error = NULL;
  session = weir_session_open (&o, &error);
  if (!session) {
    fprintf (stderr, "%s\n", error->message);
    return 1;
  }
  for (int round = 0; round < n_rounds; round++)
    for (int beside = 0; beside < N_BESIDE; beside++)
      measure ((Beside) beside, seconds, &items[beside][round], &reads[beside][round]);
  for (int beside = 0; beside < N_BESIDE; beside++) {
    qsort (items[beside], (size_t) n_rounds, sizeof items[beside][0], compare);
    qsort (reads[beside], (size_t) n_rounds, sizeof reads[beside][0], compare);
    printf ("%-28s %9.0f items/s", names[beside], items[beside][n_rounds / 2]);
    if (beside >= READER)
      printf (" %9.0f reads/s", reads[beside][n_rounds / 2]);
    printf ("\n");
  }
  weir_session_unref (session);
  onnx_builder_remove (folder);
  return 0;
}
