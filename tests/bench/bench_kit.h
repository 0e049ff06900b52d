/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the benchmarks over the public API share: a session from the command line, its inputs, and
 * callers that submit one request each. Ends the program with a message where something fails. */
#pragma once

#include "engine/weir.h"

#include <pthread.h>

G_BEGIN_DECLS

/* The command line. */
typedef struct BenchOptions {
  char *model, *input_shape, *device, *precision, *performance_hint, *config, *input;
  int batch_size, batch_timeout_ms, num_requests, n_items;
  int n_callers, n_rounds, n_threads, n_in_flight;
  double seconds, gap_ms, rate;
  gboolean no_batching, drain;
} BenchOptions;

#define BENCH_OPTIONS_DEFAULT                                                             \
  {                                                                                       \
    .batch_timeout_ms = -1, .n_items = 1, .n_callers = 1, .n_rounds = 10, .n_threads = 1, \
    .n_in_flight = 1, .seconds = 5, .gap_ms = 50                                          \
  }

typedef struct BenchSession {
  WeirSession *session;
  WeirTensor *inputs; /* rows of n_items; dtype NONE where the model fills it */
  uint32_t n_inputs;
  double open_ms;
} BenchSession;

/* What several callers signal; wait with bench_gate_wait. */
typedef struct BenchGate {
  pthread_mutex_t lock;
  pthread_cond_t cond;
  uint32_t n_done;
} BenchGate;

/* One stream with one request: a camera. */
typedef struct BenchCaller {
  WeirStream *stream;
  WeirRequest *request;
  BenchGate *gate;
  uint64_t start_ns, done_ns;
  bool is_cancelled;
} BenchCaller;

uint64_t bench_now_ns (void);
void bench_sleep_until (uint64_t when_ns);
double bench_cpu_seconds (void); /* of the process */
double bench_rss_mb (void);      /* now */
void bench_fail (const GError *error) G_GNUC_NORETURN;

/* The options that sessions take and `more`, then checks that numbers are above 0. arguments and
 * description are for --help; the latter may be NULL. */
void bench_parse (int *argc, char ***argv, const char *arguments, const char *description,
    const GOptionEntry *more, BenchOptions *options);
void bench_options_clear (BenchOptions *options);

void bench_session_open (BenchSession *bench, const BenchOptions *options);
void bench_session_close (BenchSession *bench);
/* A request with the session's inputs. */
WeirRequest *bench_request_new (const BenchSession *bench, WeirStream *stream);
/* Submits it and waits. */
void bench_request_run (WeirRequest *request);

void bench_gate_init (BenchGate *gate);
/* Until n requests have come back; then starts from 0 again. */
void bench_gate_wait (BenchGate *gate, uint32_t n);

/* n callers with the same number of items in flight each. Free with bench_callers_free. */
BenchCaller *bench_callers_new (
    const BenchSession *bench, BenchGate *gate, uint32_t n, uint32_t max_in_flight);
void bench_caller_submit (BenchCaller *caller);
/* Streams first, whose queued items are cancelled so, then requests. */
void bench_callers_free (BenchCaller *callers, uint32_t n);

/* `"name":[…],` */
void bench_print_numbers (const char *name, const double *numbers, uint32_t n);
/* `"stats":{…}`, the last member. */
void bench_print_stats (const BenchSession *bench);

G_END_DECLS
