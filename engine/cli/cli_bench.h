/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* weir bench: the load (cli_load.c), what is said about it (cli_bench_report.c), and the search for
 * the most streams (cli_bench_search.c), where the time goes (cli_bench_profile.c). */
#pragma once

#include "engine/cli/cli_data.h"
#include "engine/weir.h"

#include <pthread.h>

G_BEGIN_DECLS

typedef struct BenchStream BenchStream;

/* One request that circulates between its stream's thread and the session. */
typedef struct BenchRequest {
  BenchStream *stream;
  WeirRequest *request;
  uint64_t due_ns, done_ns;  /* monotonic */
  struct BenchRequest *next; /* of the stream's free list */
} BenchRequest;

typedef struct Bench {
  WeirSession *session;
  const WeirModel *model;
  GArray *rates; /* double: frames a second, one for all streams or one each; NULL: closed loop */
  GArray *items; /* double: whole numbers, likewise; NULL: 1 */
  uint32_t n_streams;
  BenchStream *streams;
  CliTensor *inputs; /* one a model input, rows for the largest frame; NULL with a picture */
  uint32_t n_inputs;
  WeirFrame picture; /* width 0: tensors */
  uint8_t *pixels;
  double warmup_s, seconds;
  uint64_t start_ns, from_ns, until_ns; /* frames that end in from..until count */
} Bench;

/* One camera. Its thread owns everything that is not marked. */
struct BenchStream {
  Bench *bench;
  WeirStream *stream;
  pthread_t thread;
  bool has_thread;
  uint32_t items;   /* a frame */
  double period_ns; /* 0: closed loop */
  uint64_t phase_ns;
  BenchRequest *requests;
  uint32_t n_requests;

  pthread_mutex_t lock;
  pthread_cond_t cond;
  BenchRequest *free; /* lock: at rest or done */
  uint32_t n_free;    /* lock */
  bool stop;          /* lock */

  GArray *latencies_us; /* uint32_t, of counted frames */
  uint64_t n_frames, n_dropped;
  GError *error; /* the first failure; ends the stream */
};

/* What a run gave. */
typedef struct BenchResult {
  double cpu_seconds, device_busy; /* inside from..until */
  double peak_rss_mb;
  WeirStats stats; /* counters of from..until; percentiles of the whole run */
} BenchResult;

/* Streams with the rates and items that bench has, in place of those that it had. */
void bench_make_streams (Bench *bench, uint32_t n_streams);
void bench_free_streams (Bench *bench);

/* The streams' data as n_items of a request, in place of what it had. */
bool bench_fill (const Bench *bench, uint32_t n_items, WeirRequest *request, GError **error);

/* Opens no session: bench->session, model, streams' items and periods are set. Runs warm-up and
 * measurement; false: the first failure of any stream. */
bool bench_load_run (Bench *bench, BenchResult *result, GError **error);

/* Percentile p (0..100) of n values, which it sorts; 0 where there are none. */
double bench_percentile (GArray *values_us, double p);
void bench_print_json (const Bench *bench, const BenchResult *result);
void bench_print_text (const Bench *bench, const BenchResult *result);
/* The model, the device and its precision. */
void bench_print_head (const Bench *bench, const WeirStats *stats);

/* Finds the largest number of streams, all of the one rate and number of items, up to max_streams,
 * with which 99 % of all frames are done within p99_ms and each stream keeps its rate; prints each
 * trial and the answer. */
bool bench_find_streams (
    Bench *bench, double p99_ms, uint32_t max_streams, bool as_json, GError **error);

/* cli_bench_profile.c: in which order steps are listed. */
typedef enum BenchSort {
  BENCH_SORT_ORDER = 0, /* as they run */
  BENCH_SORT_TIME,      /* the slowest first */
  BENCH_SORT_LOSS,      /* those first that are furthest from the peak, in time */
  BENCH_N_SORTS
} BenchSort;

/* False: there is no such order. */
bool bench_parse_sort (const char *text, BenchSort *sort);
/* Where the time of a request of n_items goes. */
bool bench_profile (Bench *bench, uint32_t n_items, BenchSort sort, bool as_json, GError **error);
/* What the machine can do, on one thread and on all. */
void bench_print_peaks (bool as_json);

G_END_DECLS
