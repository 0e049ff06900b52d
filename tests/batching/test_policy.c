/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The policy as a pure function: each rule by rows, then what holds for any snapshot and any
 * schedule. */
#include "tests/batching/virtual.h"

#include "tests/must.h"
#include "tests/run_suite.h"

#define MS(n) ((uint64_t) ((n) *1000000))

static WeirService gpu, cpu; /* 4 + n and 1 + 6 n ms */

static void learn (void)
{
  for (uint32_t n = 1; n <= 2; n++)
    for (int i = 0; i < 3; i++) {
      weir_service_add (&gpu, n, MS (4 + n));
      weir_service_add (&cpu, n, MS (1 + 6 * n));
    }
}

/* Times in ms from 1000 on; next: of the next arrivals, 0 ends. */
static const struct {
  const char *name;
  uint32_t n_queued, n_idle, n_busy, n_running, batch_max;
  bool stays, is_draining, is_cpu;
  double waited, bound, frame, load, next[3];
  uint32_t n;
  WeirCut cut;
  double wake; /* where n is 0 */
} rows[] = {
  { "nothing is there", 0, 1, 0, 0, 8, .n = 0, .cut = WEIR_CUT_NONE, .wake = -1 },
  { "full", 8, 1, 0, 0, 8, .bound = 16, .load = 1, .next = { 1 }, .n = 8, .cut = WEIR_CUT_FULL },
  { "over full", 9, 1, 0, 0, 8, .bound = 16, .n = 8, .cut = WEIR_CUT_FULL },
  { "6 gives 6", 6, 1, 0, 0, 6, .bound = 16, .n = 6, .cut = WEIR_CUT_FULL },
  { "a batch of 1", 1, 1, 0, 0, 1, .bound = 16, .n = 1, .cut = WEIR_CUT_FULL },
  { "nobody else", 3, 1, 0, 0, 8, .stays = true, .bound = 16, .load = 1, .n = 3,
      .cut = WEIR_CUT_COMPLETE },
  { "the end of a stream", 3, 1, 0, 0, 8, .is_draining = true, .bound = 16, .load = 1,
      .next = { 1 }, .n = 3, .cut = WEIR_CUT_DRAIN },
  { "never wait", 3, 1, 0, 0, 8, .bound = 0, .load = 1, .next = { 1 }, .n = 3,
      .cut = WEIR_CUT_IDLE },
  { "nobody is expected", 1, 1, 0, 0, 8, .bound = 16, .load = 1, .n = 1, .cut = WEIR_CUT_IDLE },
  { "soon", 1, 1, 0, 0, 8, .bound = 16, .frame = 33, .load = 1, .next = { 4 }, .wake = 4.5 },
  { "too far", 1, 1, 0, 0, 8, .bound = 40, .frame = 80, .load = 1, .next = { 20 }, .n = 1,
      .cut = WEIR_CUT_IDLE },
  { "two would wait", 2, 1, 0, 0, 8, .bound = 16, .frame = 33, .load = 1, .next = { 7 }, .n = 2,
      .cut = WEIR_CUT_IDLE },
  { "two together", 2, 1, 0, 0, 8, .bound = 16, .frame = 33, .load = 1, .next = { 7, 7, 7 },
      .wake = 7.5 },
  { "an idle device", 1, 1, 0, 0, 8, .bound = 16, .frame = 33, .load = 0.1, .next = { 4 }, .n = 1,
      .cut = WEIR_CUT_IDLE },
  { "a CPU", 1, 1, 0, 0, 8, .is_cpu = true, .bound = 16, .frame = 33, .load = 1, .next = { 4 },
      .n = 1, .cut = WEIR_CUT_IDLE },
  { "the bound", 1, 1, 0, 0, 8, .waited = 16, .bound = 16, .load = 1, .next = { 1 }, .n = 1,
      .cut = WEIR_CUT_DEADLINE },
  { "no slack", 1, 1, 0, 0, 8, .waited = 13, .bound = 16.5, .frame = 33, .load = 1, .next = { 1 },
      .n = 1, .cut = WEIR_CUT_DEADLINE },
  { "until the bound", 1, 1, 0, 0, 8, .waited = 8, .bound = 10, .load = 1, .next = { 1.8 },
      .wake = 2 },
  { "shared by idle workers", 6, 2, 0, 0, 8, .bound = 16, .n = 3, .cut = WEIR_CUT_IDLE },
  { "five for two", 5, 2, 0, 0, 8, .stays = true, .n = 3, .cut = WEIR_CUT_COMPLETE },
  { "one left over", 3, 1, 1, 1, 8, .n = 1, .cut = WEIR_CUT_IDLE },
  { "one more left over", 4, 1, 1, 1, 8, .n = 2, .cut = WEIR_CUT_IDLE },
  { "the other has all", 1, 1, 1, 3, 8, .stays = true, .n = 1, .cut = WEIR_CUT_COMPLETE },
  { "plenty", 20, 1, 1, 8, 8, .n = 8, .cut = WEIR_CUT_FULL },
};

START_TEST (test_policy_rows)
{
  WeirExpected expected[3];
  WeirSnapshot s = { .n_queued = rows[_i].n_queued,
    .n_idle_workers = rows[_i].n_idle,
    .n_busy_workers = rows[_i].n_busy,
    .n_running = rows[_i].n_running,
    .batch_max = rows[_i].batch_max,
    .can_grow = !rows[_i].stays,
    .is_draining = rows[_i].is_draining,
    .now_ns = MS (1000),
    .oldest_ns = MS (1000 - rows[_i].waited),
    .bound_ns = MS (rows[_i].bound),
    .frame_ns = rows[_i].frame > 0 ? MS (rows[_i].frame) : WEIR_NEVER_NS,
    .load = rows[_i].load,
    .service = rows[_i].is_cpu ? &cpu : &gpu,
    .expected = expected };
  for (; s.n_expected < 3 && rows[_i].next[s.n_expected] > 0; s.n_expected++)
    expected[s.n_expected] = (WeirExpected){ MS (1000 + rows[_i].next[s.n_expected]),
      MS (1000 + rows[_i].next[s.n_expected] + 0.5), 1 };
  WeirDecision decision = weir_policy_decide (&s);
  ck_assert_msg (decision.n == rows[_i].n && decision.cut == rows[_i].cut,
      "%s: %u items, reason %d; expected %u, %d", rows[_i].name, decision.n, decision.cut,
      rows[_i].n, rows[_i].cut);
  if (decision.n == 0)
    ck_assert_uint_eq (
        decision.wake_ns, rows[_i].wake < 0 ? WEIR_NEVER_NS : MS (1000 + rows[_i].wake));
}
END_TEST

static const struct {
  double frame;
  int32_t timeout_ms;
  double bound;
} bounds[] = {
  { 0, -1, 10 }, /* no camera */
  { 0, 4, 4 },
  { 33, -1, 16.5 },
  { 33, 4, 4 },
  { 33, 1000, 16.5 },
  { 33, 0, 0 },
  { 0, 60000, 10 },
};

START_TEST (test_policy_bounds)
{
  uint64_t frame_ns = bounds[_i].frame > 0 ? MS (bounds[_i].frame) : WEIR_NEVER_NS;
  ck_assert_uint_eq (weir_policy_bound_ns (frame_ns, bounds[_i].timeout_ms), MS (bounds[_i].bound));
}
END_TEST

static uint32_t random_uint (GRand *rand, int32_t end)
{
  return (uint32_t) g_rand_int_range (rand, 0, end);
}

/* Whatever the queue looks like: no more than there is, no more than the batch maximum, no wait
 * beyond the oldest item's bound, and no wait without an end. */
START_TEST (test_policy_any_snapshot)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (3);
  for (int i = 0; i < 300000; i++) {
    WeirExpected expected[4];
    WeirSnapshot s = { .n_queued = random_uint (rand, 30),
      .n_idle_workers = 1 + random_uint (rand, 4),
      .n_busy_workers = random_uint (rand, 4),
      .n_running = random_uint (rand, 100),
      .batch_max = 1 + random_uint (rand, 32),
      .can_grow = g_rand_boolean (rand),
      .is_draining = random_uint (rand, 8) == 0,
      .now_ns = MS (1000),
      .oldest_ns = MS (1000) - random_uint (rand, 30000000),
      .bound_ns = random_uint (rand, 4) ? random_uint (rand, 20000000) : 0,
      .frame_ns = random_uint (rand, 4) ? 1 + random_uint (rand, 200000000) : WEIR_NEVER_NS,
      .load = g_rand_double (rand) * 2,
      .service = g_rand_boolean (rand) ? &gpu : &cpu,
      .expected = expected,
      .n_expected = random_uint (rand, 5) };
    for (uint32_t k = 0; k < s.n_expected; k++) {
      expected[k].at_ns = (k ? expected[k - 1].at_ns : s.now_ns) + random_uint (rand, 9000000);
      expected[k].latest_ns = expected[k].at_ns + 1 + random_uint (rand, 1000000);
      expected[k].n_items = 1 + random_uint (rand, 40);
    }
    WeirDecision decision = weir_policy_decide (&s);
    must (decision.n <= MIN (s.batch_max, s.n_queued));
    must ((decision.n == 0) == (decision.cut == WEIR_CUT_NONE));
    must (s.n_queued == 0 || s.can_grow || decision.n > 0);
    if (decision.n == 0 && s.n_queued) {
      must (decision.wake_ns > s.now_ns);
      must (decision.wake_ns <= s.oldest_ns + s.bound_ns);
      must (s.n_expected > 0);
    }
  }
}
END_TEST

static VirtualCase random_case (GRand *rand, uint32_t seed)
{
  VirtualCase c = { .fixed_ms = g_rand_double (rand) * 8,
    .per_item_ms = g_rand_double (rand) * 4,
    .batch_max = 1 + random_uint (rand, 16),
    .num_requests = random_uint (rand, 3) ? 0 : 1 + random_uint (rand, 20),
    .n_workers = 1 + random_uint (rand, 3),
    .batch_timeout_ms = g_rand_int_range (rand, -1, 20),
    .seconds = 0.5,
    .seed = seed,
    .learns = g_rand_boolean (rand),
    .n_streams = 1 + random_uint (rand, 10) };
  for (uint32_t i = 0; i < c.n_streams; i++)
    c.streams[i] = (VirtualStream){ .fps = random_uint (rand, 3) ? 1 + random_uint (rand, 60) : 0,
      .think_ms = g_rand_double (rand) * 10,
      .n_items = random_uint (rand, 4) ? 1 : 1 + random_uint (rand, 40),
      .depth = random_uint (rand, 5),
      .phase_ms = g_rand_double (rand) * 50,
      .jitter_ms = random_uint (rand, 2) * g_rand_double (rand) * 20,
      .end_ms = random_uint (rand, 4) ? 0 : 50 + g_rand_double (rand) * 400 };
  return c;
}

/* Any cameras, callers and devices: virtual_run itself fails where an item is lost, out of order or
 * over the limits; here, that nobody is forgotten while others are served, and no bound is
 * overstepped. */
START_TEST (test_policy_any_schedule)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (11);
  for (uint32_t seed = 0; seed < 2000; seed++) {
    VirtualCase c = random_case (rand, seed);
    g_autoptr (VirtualResult) result = virtual_run (&c);
    ck_assert_msg (result->most_late_ms <= 0, "schedule %u: %.3f ms over the bound", seed,
        result->most_late_ms);
    for (uint32_t i = 0; i < c.n_streams; i++) {
      const VirtualStreamResult *stream = &result->streams[i];
      uint64_t n_under_way = stream->n_submitted - stream->n_done;
      ck_assert_msg (stream->n_submitted < 8 || stream->n_done > 0 || n_under_way < 5,
          "schedule %u: stream %u gets nothing", seed, i);
    }
  }
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("policy");
  TCase *tcase = tcase_create ("policy");
  tcase_add_unchecked_fixture (tcase, learn, NULL);
  tcase_add_loop_test (tcase, test_policy_rows, 0, G_N_ELEMENTS (rows));
  tcase_add_loop_test (tcase, test_policy_bounds, 0, G_N_ELEMENTS (bounds));
  tcase_add_test (tcase, test_policy_any_snapshot);
  tcase_add_test (tcase, test_policy_any_schedule);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
