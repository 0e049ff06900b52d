/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the queue itself costs: on SIM(0,0) the device takes no time, so that all time is the
 * machinery's: submit, choice of a batch, hand-over to a worker, done, and waking the caller. */
#include "tests/bench/bench_cases.h"

#include <semaphore.h>
#include <stdio.h>

/* Items of a producer before the clock starts. */
#define N_WARM_UP 200

typedef struct Producer {
  pthread_t thread;
  WeirStream *stream;
  WeirRequest **requests;
  sem_t *is_back; /* one a request: they come back in any order */
  uint32_t n_requests;
  uint64_t n_items, n_sent;
} Producer;

static void done (WeirRequest *request, void *user)
{
  sem_post (user);
}

static void wait_for (sem_t *semaphore)
{
  while (sem_wait (semaphore) != 0)
    continue;
}

static void *produce (void *user)
{
  Producer *self = user;
  g_autoptr (GError) error = NULL;

  for (; self->n_sent < self->n_items; self->n_sent++) {
    uint32_t i = (uint32_t) (self->n_sent % self->n_requests);
    wait_for (&self->is_back[i]);
    if (!weir_request_submit (self->requests[i], done, &self->is_back[i], &error))
      bench_fail (error);
  }
  for (uint32_t i = 0; i < self->n_requests; i++)
    wait_for (&self->is_back[i]);
  for (uint32_t i = 0; i < self->n_requests; i++)
    sem_post (&self->is_back[i]);
  return NULL;
}

static void producer_init (Producer *self, const BenchSession *bench, uint32_t n_requests)
{
  self->n_requests = n_requests;
  self->stream = weir_stream_new (bench->session, NULL, n_requests);
  self->requests = g_new0 (WeirRequest *, n_requests);
  self->is_back = g_new0 (sem_t, n_requests);
  for (uint32_t i = 0; i < n_requests; i++) {
    self->requests[i] = bench_request_new (bench, self->stream);
    sem_init (&self->is_back[i], 0, 1);
  }
}

static void producer_clear (Producer *self)
{
  weir_stream_free (self->stream);
  for (uint32_t i = 0; i < self->n_requests; i++) {
    weir_request_free (self->requests[i]);
    sem_destroy (&self->is_back[i]);
  }
  g_free (self->requests);
  g_free (self->is_back);
}

static void run_producers (Producer *producers, uint32_t n, uint64_t n_items)
{
  for (uint32_t i = 0; i < n; i++) {
    producers[i].n_items = producers[i].n_sent + n_items;
    pthread_create (&producers[i].thread, NULL, produce, &producers[i]);
  }
  for (uint32_t i = 0; i < n; i++)
    pthread_join (producers[i].thread, NULL);
}

/* Two threads that hand a token to and fro, which is the least that a request and its result need.
 */
typedef struct Token {
  sem_t there, here;
  uint64_t n_rounds;
} Token;

static void *give_back (void *user)
{
  Token *token = user;
  for (uint64_t i = 0; i < token->n_rounds; i++) {
    wait_for (&token->there);
    sem_post (&token->here);
  }
  return NULL;
}

static void measure_handover (uint64_t n_rounds)
{
  Token token = { .n_rounds = n_rounds };
  pthread_t thread;
  sem_init (&token.there, 0, 0);
  sem_init (&token.here, 0, 0);
  pthread_create (&thread, NULL, give_back, &token);
  uint64_t start_ns = bench_now_ns ();
  double start_cpu_s = bench_cpu_seconds ();
  for (uint64_t i = 0; i < n_rounds; i++) {
    sem_post (&token.there);
    wait_for (&token.here);
  }
  printf ("\"handover_wall_us\":%.3f,\"handover_cpu_us\":%.3f,",
      (double) (bench_now_ns () - start_ns) / 1e3 / (double) n_rounds,
      (bench_cpu_seconds () - start_cpu_s) * 1e6 / (double) n_rounds);
  pthread_join (thread, NULL);
  sem_destroy (&token.there);
  sem_destroy (&token.here);
}

void bench_queue (const BenchOptions *options)
{
  uint32_t n = (uint32_t) options->n_threads;
  uint64_t n_each = (uint64_t) options->n_rounds / n;
  double n_items = (double) (n_each * n);
  g_autofree Producer *producers = g_new0 (Producer, n);
  BenchSession bench;

  measure_handover (MAX ((uint64_t) options->n_rounds / 4, 1));
  bench_session_open (&bench, options);
  for (uint32_t i = 0; i < n; i++)
    producer_init (&producers[i], &bench, (uint32_t) options->n_in_flight);
  run_producers (producers, n, N_WARM_UP);
  uint64_t start_ns = bench_now_ns ();
  double start_cpu_s = bench_cpu_seconds ();
  run_producers (producers, n, n_each);
  double cpu_us = (bench_cpu_seconds () - start_cpu_s) * 1e6;
  double wall_us = (double) (bench_now_ns () - start_ns) / 1e3;
  printf ("\"items\":%.0f,\"wall_us_per_item\":%.3f,\"cpu_us_per_item\":%.3f,", n_items,
      wall_us / n_items, cpu_us / n_items);
  bench_print_stats (&bench);
  for (uint32_t i = 0; i < n; i++)
    producer_clear (&producers[i]);
  bench_session_close (&bench);
}

void bench_idle (const BenchOptions *options)
{
  uint32_t n = (uint32_t) options->n_callers;
  BenchSession bench;
  BenchGate gate;

  bench_session_open (&bench, options);
  bench_gate_init (&gate);
  BenchCaller *callers = bench_callers_new (&bench, &gate, n, 0);
  for (uint32_t i = 0; i < n; i++)
    bench_caller_submit (&callers[i]);
  bench_gate_wait (&gate, n);
  bench_sleep_until (bench_now_ns () + 500000000u); /* what starts late has started by then */
  double start_cpu_s = bench_cpu_seconds ();
  bench_sleep_until (bench_now_ns () + (uint64_t) (options->seconds * 1e9));
  printf ("\"seconds\":%.1f,\"cpu_ms\":%.3f,", options->seconds,
      (bench_cpu_seconds () - start_cpu_s) * 1e3);
  bench_print_stats (&bench);
  bench_callers_free (callers, n);
  bench_session_close (&bench);
}
