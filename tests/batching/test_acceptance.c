/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The queue's acceptance list under the virtual clock, where it is exact: batching.md names the
 * cases. The device takes 4 + n ms unless a case says otherwise. */
#include "tests/batching/virtual.h"

#include "tests/must.h"
#include "tests/run_suite.h"
#include <math.h>

static VirtualCase new_case (double fixed_ms, double per_item_ms, uint32_t batch_max)
{
  return (VirtualCase){ .fixed_ms = fixed_ms,
    .per_item_ms = per_item_ms,
    .batch_max = batch_max,
    .n_workers = 1,
    .batch_timeout_ms = -1,
    .seconds = 10,
    .warmup_s = 2,
    .seed = 1 };
}

static void add_camera (VirtualCase *c, double fps, double phase_ms, uint32_t n_items)
{
  c->streams[c->n_streams++] =
      (VirtualStream){ .fps = fps, .phase_ms = phase_ms, .n_items = n_items };
}

static void add_caller (VirtualCase *c, double think_ms)
{
  c->streams[c->n_streams++] = (VirtualStream){ .think_ms = think_ms, .n_items = 1 };
}

static void add_cameras (VirtualCase *c, uint32_t n, double fps, GRand *rand)
{
  for (uint32_t i = 0; i < n; i++)
    add_camera (c, fps, rand ? g_rand_double_range (rand, 0, 1000 / fps) : i * 1000 / fps / n, 1);
}

static void check_rate (const VirtualResult *result, uint32_t stream, double fps)
{
  ck_assert_msg (fabs (result->streams[stream].fps - fps) <= 0.02 * fps, "stream %u: %.2f of %.2f",
      stream, result->streams[stream].fps, fps);
}

static double p99 (const VirtualResult *result, uint32_t stream)
{
  return virtual_percentile (result->streams[stream].latency_ms, 99);
}

/* Four cameras, one ends: the other three keep their rate. */
START_TEST (test_acceptance_one_ends)
{
  VirtualCase c = new_case (4, 1, 8);
  add_cameras (&c, 4, 30, NULL);
  c.streams[1].end_ms = 5000;
  g_autoptr (VirtualResult) result = virtual_run (&c);
  check_rate (result, 0, 30);
  check_rate (result, 2, 30);
  check_rate (result, 3, 30);
  ck_assert_double_le (virtual_percentile (result->added_ms, 100), 1000 / 30.0 / 2);
}
END_TEST

START_TEST (test_acceptance_uneven_rates)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (7);
  for (uint32_t seed = 0; seed < 50; seed++) {
    VirtualCase c = new_case (4, 1, 8);
    add_cameras (&c, 3, 30, rand);
    add_cameras (&c, 1, 5, rand);
    g_autoptr (VirtualResult) result = virtual_run (&c);
    for (uint32_t i = 0; i < 4; i++)
      check_rate (result, i, i < 3 ? 30 : 5);
    ck_assert_double_le (virtual_percentile (result->added_ms, 99), 1000 / 30.0 / 2);
  }
}
END_TEST

/* num_requests bounds the batch as it is: 3 gives 3, 6 gives 6. */
static const struct {
  uint32_t batch_max, num_requests, batch;
} sixes[] = {
  { 4, 0, 4 },
  { 4, 1, 1 },
  { 4, 2, 2 },
  { 4, 3, 3 },
  { 4, 4, 4 },
  { 4, 5, 4 },
  { 4, 6, 4 },
  { 8, 6, 6 },
  { 6, 0, 6 },
};

/* Six callers: each gets as much as every other. */
START_TEST (test_acceptance_six_callers)
{
  VirtualCase c = new_case (4, 1, sixes[_i].batch_max);
  c.num_requests = sixes[_i].num_requests;
  for (uint32_t i = 0; i < 6; i++)
    add_caller (&c, 0.05 + 0.01 * i);
  g_autoptr (VirtualResult) result = virtual_run (&c);
  for (uint32_t i = 1; i < 6; i++)
    check_rate (result, i, result->streams[0].fps);
  ck_assert_double_ge (result->streams[0].fps, 1);
  ck_assert_double_ge (result->mean_batch, 0.98 * sixes[_i].batch);
  for (uint32_t n = sixes[_i].batch + 1; n <= WEIR_MAX_BATCH; n++)
    must (result->histogram[n] == 0);
  if (c.num_requests)
    ck_assert_uint_le (result->most_in_flight, c.num_requests);
}
END_TEST

/* Four callers that always have requests waiting share six places: none is left empty. */
START_TEST (test_acceptance_six_places_for_four)
{
  VirtualCase c = new_case (4, 1, 8);
  c.num_requests = 6;
  for (uint32_t i = 0; i < 4; i++) {
    add_caller (&c, 0.05 + 0.01 * i);
    c.streams[i].depth = 4;
  }
  g_autoptr (VirtualResult) result = virtual_run (&c);
  ck_assert_uint_eq (result->most_in_flight, 6);
  ck_assert_double_ge (result->mean_batch, 5);
  for (uint32_t i = 1; i < 4; i++)
    check_rate (result, i, result->streams[0].fps);
}
END_TEST

START_TEST (test_acceptance_six_cameras)
{
  VirtualCase c = new_case (4, 1, sixes[_i].batch_max);
  c.num_requests = sixes[_i].num_requests;
  add_cameras (&c, 6, 30, NULL);
  g_autoptr (VirtualResult) result = virtual_run (&c);
  for (uint32_t i = 0; i < 6; i++)
    check_rate (result, i, 30);
}
END_TEST

/* A camera alone has nobody to wait for. */
START_TEST (test_acceptance_slow_camera)
{
  VirtualCase c = new_case (4, 1, 8);
  add_camera (&c, 5, 0, 1);
  g_autoptr (VirtualResult) result = virtual_run (&c);
  ck_assert_double_le (virtual_percentile (result->latency_ms, 50), 5 + 1);
  ck_assert_double_le (virtual_percentile (result->added_ms, 100), 0);
}
END_TEST

/* Evenly spread, all at once, and the phases of `weir bench`: as listed. At random the same within
 * 1 % of the device's time. */
START_TEST (test_acceptance_eight_cameras)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (5);
  for (int k = 0; k < 200; k++) {
    VirtualCase c = new_case (4, 1, 8);
    c.seconds = 5;
    for (uint32_t i = 0; i < 8; i++) {
      double golden = i * 0.61803398875;
      double phases[] = { i / 8.0, 0, golden - floor (golden), g_rand_double (rand) };
      add_camera (&c, 30, phases[MIN (k, 3)] * 1000 / 30, 1);
    }
    g_autoptr (VirtualResult) result = virtual_run (&c);
    ck_assert_double_ge (result->mean_batch, 2.5);
    ck_assert_double_le (result->busy, k < 3 ? 0.60 : 0.61);
    ck_assert_double_le (virtual_percentile (result->latency_ms, 99), 20);
  }
}
END_TEST

/* S(n) = 1 + 6 n: a wait would save a ms of seven. */
START_TEST (test_acceptance_cpu_like)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (5);
  for (int k = 0; k < 100; k++) {
    VirtualCase c = new_case (1, 6, 8);
    add_cameras (&c, k % 2 ? 8 : 4, 30, rand);
    VirtualCase never = c;
    never.batch_timeout_ms = 0;
    g_autoptr (VirtualResult) result = virtual_run (&c);
    g_autoptr (VirtualResult) other = virtual_run (&never);
    double p50 = virtual_percentile (result->latency_ms, 50),
           other_p50 = virtual_percentile (other->latency_ms, 50);
    ck_assert_double_le (virtual_percentile (result->added_ms, 100), 1);
    ck_assert_double_le (p50, 1.02 * other_p50 + 0.5);
  }
}
END_TEST

/* 200 frames of a camera that comes at any moment between those of another. */
START_TEST (test_acceptance_lone_frame)
{
  VirtualCase c = new_case (4, 1, 8);
  c.seconds = 45;
  add_camera (&c, 30, 0, 1);
  add_camera (&c, 5, 0, 1);
  c.streams[1].jitter_ms = 190;
  g_autoptr (VirtualResult) result = virtual_run (&c);
  ck_assert_uint_ge (result->streams[1].added_ms->len, 200);
  ck_assert_double_le (virtual_percentile (result->added_ms, 100), 1000 / 30.0 / 2);
  ck_assert_double_le (result->most_late_ms, 0);
}
END_TEST

/* A stream of 40 crops a frame beside three cameras: theirs stay as quick within a fifth, and the
 * crowd gets on. */
static const struct {
  double fps, phase_ms, jitter_ms;
} crowds[] = {
  { 5, 4, 0 },
  { 10, 4, 0 },
  { 30, 4, 0 },
  { 5, 28.5, 0 },
  { 5, 28.5, 0.4 },
  { 5, 7.2, 0.4 },
  { 30, 28.5, 0.4 },
};

START_TEST (test_acceptance_crowd)
{
  VirtualCase quiet = new_case (4, 1, 8), c;
  add_cameras (&quiet, 3, 30, NULL);
  for (uint32_t i = 0; i < 3; i++)
    quiet.streams[i].jitter_ms = crowds[_i].jitter_ms;
  c = quiet;
  add_camera (&c, crowds[_i].fps, crowds[_i].phase_ms, 40);
  g_autoptr (VirtualResult) without = virtual_run (&quiet);
  g_autoptr (VirtualResult) result = virtual_run (&c);
  for (uint32_t i = 0; i < 3; i++) {
    check_rate (result, i, 30);
    ck_assert_double_le (p99 (result, i), 1.2 * p99 (without, i) + crowds[_i].jitter_ms + 0.001);
  }
  ck_assert_double_ge (result->streams[3].fps, 3);
}
END_TEST

/* What came before the first measurement: nothing waits, and then it learns. */
START_TEST (test_acceptance_learns_while_running)
{
  VirtualCase c = new_case (4, 1, 8);
  c.learns = true;
  add_cameras (&c, 8, 30, NULL);
  g_autoptr (VirtualResult) result = virtual_run (&c);
  ck_assert_double_ge (result->mean_batch, 2.5);
  ck_assert_double_le (result->busy, 0.60);
}
END_TEST

/* At most nine tenths of a device that was never measured: no queue grows, so nothing but a wait
 * tries a batch of two; where that saves nothing it is not tried again. */
START_TEST (test_acceptance_learns_below_saturation)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (_i);
  VirtualCase c = _i % 2 ? new_case (1, 10, 8) : new_case (10, 1, 8);
  c.learns = true;
  add_cameras (&c, 8, 10, rand);
  g_autoptr (VirtualResult) result = virtual_run (&c);
  ck_assert_double_le (virtual_percentile (result->added_ms, 100), 50);
  if (_i % 2)
    ck_assert_double_le (virtual_percentile (result->added_ms, 99), 1);
  else
    ck_assert_double_ge (result->mean_batch, 1.8);
}
END_TEST

/* Two workers, whatever the device: what one does not take, the other does. */
START_TEST (test_acceptance_two_workers)
{
  VirtualCase c = new_case (1, 6, 8);
  c.n_workers = 2;
  add_cameras (&c, 8, 30, NULL);
  g_autoptr (VirtualResult) result = virtual_run (&c);
  for (uint32_t i = 0; i < 8; i++)
    check_rate (result, i, 30);
  ck_assert_double_le (virtual_percentile (result->latency_ms, 99), 1000 / 30.0);
}
END_TEST

/* Callers batch as well where a slow camera is beside them. */
START_TEST (test_acceptance_callers_beside_a_camera)
{
  double mean[2];
  for (uint32_t n_cameras = 0; n_cameras < 2; n_cameras++) {
    VirtualCase c = new_case (4, 1, 8);
    for (uint32_t i = 0; i < 7; i++)
      add_caller (&c, 0.05 + 0.01 * i);
    add_cameras (&c, n_cameras, 5, NULL);
    g_autoptr (VirtualResult) result = virtual_run (&c);
    mean[n_cameras] = result->mean_batch;
  }
  ck_assert_double_ge (mean[1], 0.9 * mean[0]);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("acceptance");
  TCase *tcase = tcase_create ("acceptance");
  tcase_add_test (tcase, test_acceptance_one_ends);
  tcase_add_test (tcase, test_acceptance_uneven_rates);
  tcase_add_loop_test (tcase, test_acceptance_six_callers, 0, G_N_ELEMENTS (sixes));
  tcase_add_loop_test (tcase, test_acceptance_six_cameras, 0, G_N_ELEMENTS (sixes));
  tcase_add_test (tcase, test_acceptance_six_places_for_four);
  tcase_add_test (tcase, test_acceptance_slow_camera);
  tcase_add_test (tcase, test_acceptance_eight_cameras);
  tcase_add_test (tcase, test_acceptance_cpu_like);
  tcase_add_test (tcase, test_acceptance_lone_frame);
  tcase_add_loop_test (tcase, test_acceptance_crowd, 0, G_N_ELEMENTS (crowds));
  tcase_add_test (tcase, test_acceptance_learns_while_running);
  tcase_add_loop_test (tcase, test_acceptance_learns_below_saturation, 0, 20);
  tcase_add_test (tcase, test_acceptance_two_workers);
  tcase_add_test (tcase, test_acceptance_callers_beside_a_camera);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
