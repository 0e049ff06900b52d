/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the machine can do, measured: loops of kernels/peak.h on several threads at once, many short
 * runs, of which the best counts, since others on the machine can only make one slower. */
#include "engine/sched/session_peaks.h"
#include "engine/base/cores.h"
#include "kernels/peak.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define RUN_NS      300000 /* of arithmetic: shorter than others on the machine run at a time */
#define N_RUNS      32
#define LEAST_RUNS  3
#define BUDGET_NS   (30 * UINT64_C (1000000)) /* of all runs of one kind but the least */
#define MAX_THREADS 1024
/* Three arrays: beyond most caches, or of one that cannot be left with a size that is sensible. */
#define MEMORY_BYTES (48u << 20)
#define L2_FALLBACK  (1u << 20)
#define STREAM_BYTES (4u << 20) /* of a run and thread: some 0.1 ms in a cache */
/* Between the arrays, lest all three meet in the same sets of a cache. */
#define SKEW 1344 /* elements */

typedef struct Work {
  const WeirPeakLoop *loop; /* NULL: the stream */
  uint32_t n_rounds;
  float *dst, *a, *b; /* of the first thread; the others' follow */
  size_t n;           /* elements of each array and thread */
  uint32_t n_repeats;
} Work;

/* Threads that do the same work at the same time, several times. */
typedef struct Team {
  const Work *work;
  gint n_threads; /* atomic; 0 until all are made */
  gint n_arrived; /* atomic; at the starts of all runs */
  gint n_runs;    /* atomic; lowered by the first thread before it arrives at the first not made */
} Team;

typedef struct Runner {
  Team *team;
  uint32_t index, n_runs;
  pthread_t thread;
  uint64_t start_ns[N_RUNS], end_ns[N_RUNS];
  double n_done; /* multiply-adds, or bytes, in each run */
} Runner;

static double run_stream (const Work *work, uint32_t index)
{
  WeirStreamFn stream = weir_stream ();
  size_t first = work->n * index;
  for (uint32_t i = 0; i < work->n_repeats; i++)
    stream (work->dst + first, work->a + first, work->b + first, work->n);
  return 3.0 * sizeof (float) * (double) work->n * work->n_repeats;
}

/* Waits awake for the others, so that all are on a processor when they start; one that has none
 * gets this one's. */
static void meet (Team *team, uint32_t run)
{
  gint n = g_atomic_int_get (&team->n_threads);
  g_atomic_int_inc (&team->n_arrived);
  while (n == 0 || g_atomic_int_get (&team->n_arrived) < n * (gint) (run + 1)) {
    g_thread_yield ();
    n = g_atomic_int_get (&team->n_threads);
  }
}

static void *run_often (void *user)
{
  Runner *runner = user;
  Team *team = runner->team;
  const Work *work = team->work;
  uint64_t over_ns = weir_now_ns () + BUDGET_NS;
  for (uint32_t i = 0; i < N_RUNS; i++) {
    if (runner->index == 0 && i >= LEAST_RUNS && weir_now_ns () > over_ns)
      g_atomic_int_set (&team->n_runs, (gint) i);
    meet (team, i);
    if ((gint) i >= g_atomic_int_get (&team->n_runs))
      break;
    runner->start_ns[i] = weir_now_ns ();
    runner->n_done =
        work->loop ? work->loop->run (work->n_rounds) : run_stream (work, runner->index);
    runner->end_ns[i] = weir_now_ns ();
    runner->n_runs = i + 1;
  }
  return NULL;
}

/* What all threads did in a nanosecond of the best run. */
static double best_run (const Runner *runners, uint32_t n_threads)
{
  double best = 0;
  for (uint32_t i = 0; i < runners[0].n_runs; i++) {
    uint64_t start_ns = G_MAXUINT64, end_ns = 0;
    for (uint32_t k = 0; k < n_threads; k++) {
      start_ns = MIN (start_ns, runners[k].start_ns[i]);
      end_ns = MAX (end_ns, runners[k].end_ns[i]);
    }
    double rate = runners[0].n_done * n_threads / (double) MAX (end_ns - start_ns, 1);
    best = MAX (best, rate);
  }
  return best;
}

/* With as many threads as can be had. */
static double best_of (const Work *work, uint32_t n_threads)
{
  g_autofree Runner *runners = g_new0 (Runner, n_threads);
  Team team = { .work = work, .n_runs = N_RUNS };
  uint32_t n = 1;
  for (uint32_t i = 0; i < n_threads; i++)
    runners[i] = (Runner){ .team = &team, .index = i };
  while (n < n_threads && pthread_create (&runners[n].thread, NULL, run_often, &runners[n]) == 0)
    n++;
  g_atomic_int_set (&team.n_threads, (gint) n);
  run_often (&runners[0]);
  for (uint32_t i = 1; i < n; i++)
    pthread_join (runners[i].thread, NULL);
  return best_run (runners, n);
}

/* As many rounds as take a run's time. */
static uint32_t choose_rounds (const WeirPeakLoop *loop)
{
  uint32_t n_rounds = 4096;
  uint64_t took_ns = 0;
  while (took_ns < RUN_NS / 2 && n_rounds < WEIR_PEAK_MAX_ROUNDS) {
    uint64_t start_ns = weir_now_ns ();
    loop->run (n_rounds);
    took_ns = weir_now_ns () - start_ns;
    n_rounds *= took_ns < RUN_NS / 2 ? 2 : 1;
  }
  return n_rounds;
}

static double measure_loop (WeirPeakKind kind, uint32_t n_threads, const char **name)
{
  Work work = { .loop = weir_peak_loop (kind, 0) };
  *name = work.loop ? work.loop->name : NULL;
  if (!work.loop)
    return 0;
  work.n_rounds = choose_rounds (work.loop);
  return 2 * best_of (&work, n_threads);
}

/* In a block of three arrays of `most` elements: n_bytes of all three. */
static double measure_stream (float *block, size_t most, uint64_t n_bytes, uint32_t n_threads)
{
  size_t n = MIN (n_bytes / 3 / sizeof (float), most);
  Work work = { .dst = block,
    .a = block + most + SKEW,
    .b = block + 2 * (most + SKEW),
    .n = n / n_threads / WEIR_STREAM_BLOCK * WEIR_STREAM_BLOCK,
    .n_repeats = (uint32_t) (1 + STREAM_BYTES / (n_bytes / n_threads + 1)) };
  return best_of (&work, n_threads);
}

/* sysconf's name of a cache's size; 0: it is not known. */
static uint64_t cache_bytes (int name)
{
  long n_bytes = sysconf (name);
  return n_bytes > 0 ? (uint64_t) n_bytes : 0;
}

/* Half of each core's second-level cache; of the last-level one four times what lies before it;
 * what is beyond most caches. */
static void measure_memory (uint32_t n_threads, WeirPeaks *peaks)
{
  size_t most = MEMORY_BYTES / 3 / sizeof (float);
  size_t n_bytes = (3 * most + 2 * SKEW) * sizeof (float);
  uint64_t l3_bytes = MIN (4 * peaks->l2_bytes, peaks->l3_bytes / 2);
  float *block = mmap (NULL, n_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (block == MAP_FAILED)
    return;
  memset (block, 0, n_bytes); /* what was never written would all be one page of zeros */
  peaks->l2_gbps = measure_stream (block, most, peaks->l2_bytes / 2, n_threads);
  if (l3_bytes > peaks->l2_bytes)
    peaks->l3_gbps = measure_stream (block, most, l3_bytes, n_threads);
  peaks->memory_gbps = measure_stream (block, most, MEMORY_BYTES, n_threads);
  munmap (block, n_bytes);
}

void weir_peaks_of_device (const WeirDevicePeaks *device, WeirPeaks *peaks)
{
  *peaks = (WeirPeaks){ .f32_gflops = device->f32_gflops,
    .f32_loop = "mad",
    .f16_gflops = device->f16_gflops,
    .int8_gflops = device->int8_gflops,
    .int8_loop = device->int8_gflops > 0 ? "dot" : NULL,
    .l2_gbps = device->cache_gbps,
    .l2_bytes = device->cache_bytes,
    .memory_gbps = device->memory_gbps,
    .upload_gbps = device->upload_gbps,
    .download_gbps = device->download_gbps,
    .launch_us = device->launch_us };
}

void weir_peaks_measure (uint32_t n_threads, WeirPeaks *peaks)
{
  n_threads = n_threads ? MIN (n_threads, MAX_THREADS) : MIN (weir_n_cores (), MAX_THREADS);
  uint64_t l2_bytes = cache_bytes (_SC_LEVEL2_CACHE_SIZE);
  *peaks = (WeirPeaks){ .n_threads = n_threads,
    .l2_bytes = (l2_bytes ? l2_bytes : L2_FALLBACK) * n_threads,
    .l3_bytes = cache_bytes (_SC_LEVEL3_CACHE_SIZE) };
  peaks->f32_gflops = measure_loop (WEIR_PEAK_F32, n_threads, &peaks->f32_loop);
  peaks->bf16_gflops = measure_loop (WEIR_PEAK_BF16, n_threads, &peaks->bf16_loop);
  peaks->int8_gflops = measure_loop (WEIR_PEAK_INT8, n_threads, &peaks->int8_loop);
  measure_memory (n_threads, peaks);
}
