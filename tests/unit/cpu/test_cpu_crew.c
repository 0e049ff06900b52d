/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The crew: every part runs once, side by side where a core is idle, by the worker alone else; and
 * networks give the same bits whoever computes. */
#include "engine/base/cores.h"
#include "engine/base/sync.h"
#include "engine/cpu/cpu_crew.h"
#include "tests/must.h"
#include "tests/run_suite.h"
#include "tests/unit/cpu/net.h"

#include <stdatomic.h>
#include <string.h>

#define N_JOBS     2000
#define PATIENCE_S 20

typedef struct Counts {
  atomic_uint n_runs[WEIR_CPU_MAX_PARTS];
} Counts;

static void count_part (const void *job, uint32_t part)
{
  atomic_fetch_add (&((Counts *) job)->n_runs[part], 1);
}

static void check_jobs (void)
{
  for (uint32_t i = 0; i < N_JOBS; i++) {
    uint32_t n_parts = 1 + i % WEIR_CPU_MAX_PARTS;
    Counts counts = { 0 };
    weir_cpu_crew_run (n_parts, count_part, &counts);
    for (uint32_t k = 0; k < WEIR_CPU_MAX_PARTS; k++)
      must (atomic_load (&counts.n_runs[k]) == (k < n_parts));
  }
}

static void *run_batches (void *unused)
{
  for (uint32_t i = 0; i < 3; i++) {
    weir_cpu_crew_begin ();
    check_jobs ();
    weir_cpu_crew_end ();
    g_usleep (1000);
  }
  return NULL;
}

/* As many workers as cores and more, that come and go. */
START_TEST (test_crew_runs_each_part_once)
{
  pthread_t workers[4];
  weir_cpu_crew_ref ();
  check_jobs (); /* outside a batch */
  run_batches (NULL);
  for (uint32_t i = 0; i < G_N_ELEMENTS (workers); i++)
    must (pthread_create (&workers[i], NULL, run_batches, NULL) == 0);
  for (uint32_t i = 0; i < G_N_ELEMENTS (workers); i++)
    pthread_join (workers[i], NULL);
  weir_cpu_crew_unref ();
}
END_TEST

/* Both parts are there at once, or patience ends. */
static void meet (const void *job, uint32_t part)
{
  atomic_uint *n_here = (atomic_uint *) job;
  uint64_t end_ns = weir_now_ns () + PATIENCE_S * UINT64_C (1000000000);
  atomic_fetch_add (n_here, 1);
  while (atomic_load (n_here) < 2 && weir_now_ns () < end_ns)
    g_usleep (100);
}

START_TEST (test_crew_helps_a_lone_run)
{
  atomic_uint n_here = 0;
  if (weir_n_cores () < 2)
    return;
  weir_cpu_crew_ref ();
  weir_cpu_crew_begin ();
  uint64_t start_ns = weir_now_ns ();
  weir_cpu_crew_run (2, meet, &n_here);
  ck_assert_uint_lt (weir_now_ns () - start_ns, PATIENCE_S * UINT64_C (1000000000));
  ck_assert_uint_gt (weir_cpu_crew_end (), 0);
  weir_cpu_crew_unref ();
}
END_TEST

static void note_thread (const void *job, uint32_t part)
{
  ((pthread_t *) job)[part] = pthread_self ();
}

static void *begin_and_wait (void *end)
{
  weir_cpu_crew_begin ();
  pthread_barrier_wait (end);
  pthread_barrier_wait (end);
  weir_cpu_crew_end ();
  return NULL;
}

/* With a run on every core each is left to its worker. */
START_TEST (test_crew_leaves_busy_cores_alone)
{
  uint32_t n_cores = weir_n_cores ();
  g_autofree pthread_t *others = g_new (pthread_t, n_cores);
  pthread_t threads[8];
  pthread_barrier_t end;
  weir_cpu_crew_ref ();
  weir_cpu_crew_begin ();
  pthread_barrier_init (&end, NULL, n_cores);
  for (uint32_t i = 1; i < n_cores; i++)
    must (pthread_create (&others[i], NULL, begin_and_wait, &end) == 0);
  pthread_barrier_wait (&end);
  ck_assert (!weir_cpu_crew_helps ());
  for (uint32_t i = 0; i < 200; i++) {
    weir_cpu_crew_run (G_N_ELEMENTS (threads), note_thread, threads);
    for (uint32_t k = 0; k < G_N_ELEMENTS (threads); k++)
      must (pthread_equal (threads[k], pthread_self ()));
  }
  pthread_barrier_wait (&end);
  for (uint32_t i = 1; i < n_cores; i++)
    pthread_join (others[i], NULL);
  weir_cpu_crew_end ();
  weir_cpu_crew_unref ();
  pthread_barrier_destroy (&end);
}
END_TEST

/* Large enough to be cut, by rows, items or channels. */
static const struct {
  const char *op, *attrs, *input, *weights, *bias;
} cut[] = {
  { "Conv", "pads=[1,1,1,1]", "16,45,50", "32,16,3,3", "32" },
  { "Conv", "pads=[1,1,1,1] strides=[2,2]", "3,201,160", "24,3,3,3", "24" },
  { "Conv", "", "64,41,40", "64,64,1,1", "64" },
  { "Conv", "pads=[4,2,0,1] dilations=[2,3]", "16,47,50", "40,16,3,3", "40" },
  { "Conv", "pads=[3,3,2,2] strides=[3,1]", "16,100,70", "32,16,6,5", "32" },
  { "Conv", "group=4 pads=[1,1,1,1]", "64,67,40", "64,16,3,3", "64" },
  { "Conv", "group=64 pads=[1,1,1,1]", "64,130,90", "64,1,3,3", "64" },
  { "Conv", "pads=[1,1,1,1] strides=[2,2]", "64,4,4", "256,64,3,3", "256" },
  { "Conv", "pads=[0,2,0,2]", "64,5,30", "100,64,5,5", "100" },
  { "MaxPool", "kernel_shape=[3,3] strides=[2,2] ceil_mode=1", "64,150,149" },
  { "AveragePool", "kernel_shape=[3,3] pads=[1,1,1,1]", "64,101,100" },
  { "AveragePool", "kernel_shape=[3,3] pads=[1,1,1,1] count_include_pad=1", "64,101,100" },
  { "ConvTranspose", "strides=[2,2]", "32,30,30", "32,16,4,4", "16" },
  { "MatMul", "", "300,200", "200,160" },
};

static Net *build_cut (uint32_t i)
{
  Net *net = net_new ();
  uint32_t src[4] = { net_input (net, "x", cut[i].input), NET_END, NET_END, NET_END };
  if (cut[i].weights)
    src[1] = net_constant (net, cut[i].weights, 0.3f, 0.01f);
  if (cut[i].bias)
    src[2] = net_constant (net, cut[i].bias, 0.3f, 0.01f);
  uint32_t y = net_node (net, cut[i].op, cut[i].attrs, 1, src);
  net_output (net, net_op (net, "Relu", "", y));
  net_finish (net);
  return net;
}

static void check_cut (uint32_t i, WeirPrecision precision, uint32_t n_threads, uint32_t n)
{
  g_autoptr (Net) net = build_cut (i);
  NetRun one = { &weir_backend_cpu, precision, 1, n };
  NetRun alone = { &weir_backend_cpu, precision, n_threads, n };
  NetRun helped = { &weir_backend_cpu, precision, n_threads, n, .is_helped = true };
  g_autofree char *steps_one = NULL, *steps = NULL;
  size_t n_one, n_alone, n_helped;
  g_autofree float *expected = net_run (net, &one, &n_one, &steps_one);
  g_autofree float *got = net_run (net, &alone, &n_alone, &steps);
  g_autofree float *same = net_run (net, &helped, &n_helped, NULL);
  ck_assert_msg (expected && got && same, "%s does not run", cut[i].op);
  ck_assert_uint_eq (n_one, n_alone);
  ck_assert_str_eq (steps, steps_one);
  ck_assert_msg (memcmp (got, same, n_one * sizeof *got) == 0, "row %u: other bits with help", i);
  double difference = net_difference (got, expected, n_one);
  ck_assert_msg (difference <= (precision == WEIR_PRECISION_BF16 ? 1e-2 : 1e-6),
      "row %u, %u threads, n = %u differs by %g\n%s", i, n_threads, n, difference, steps);
}

START_TEST (test_crew_computes_the_same)
{
  for (uint32_t i = 0; i < G_N_ELEMENTS (cut); i++) {
    check_cut (i, WEIR_PRECISION_F32, 2, 1);
    check_cut (i, WEIR_PRECISION_F32, 5, 1);
    check_cut (i, WEIR_PRECISION_F32, 3, 4);
    check_cut (i, WEIR_PRECISION_BF16, 3, 1);
  }
}
END_TEST

int main (void)
{
  const struct {
    const char *name;
    const TTest *test;
  } tests[] = {
    { "once", test_crew_runs_each_part_once },
    { "lone", test_crew_helps_a_lone_run },
    { "busy", test_crew_leaves_busy_cores_alone },
    { "same", test_crew_computes_the_same },
  };
  Suite *suite = suite_create ("crew");
  for (size_t i = 0; i < G_N_ELEMENTS (tests); i++) {
    TCase *tcase = tcase_create (tests[i].name);
    tcase_add_test (tcase, tests[i].test);
    tcase_set_timeout (tcase, 120);
    suite_add_tcase (suite, tcase);
  }
  return run_suite (suite, CK_NOFORK);
}
