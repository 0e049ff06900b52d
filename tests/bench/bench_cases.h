/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The cases of bench_requests: each prints the members of one JSON object. */
#pragma once

#include "tests/bench/bench_kit.h"

G_BEGIN_DECLS

/* A lone request at random moments: latencies. */
void bench_lone (const BenchOptions *options);
/* n_callers requests at once: until all are back. */
void bench_burst (const BenchOptions *options);
/* n_callers loops of one request each: how often each comes round. */
void bench_loops (const BenchOptions *options);
/* n_callers cameras of `rate` each, of which the first ends half way. */
void bench_ends (const BenchOptions *options);
/* n_callers requests queued, and the session closed at once. */
void bench_close (const BenchOptions *options);
/* Until the session is open, has given its first result, and its first n_callers at once. */
void bench_load (const BenchOptions *options);
/* n_threads producers with n_in_flight requests each, as fast as it goes: what an item costs. */
void bench_queue (const BenchOptions *options);
/* An open session with n_callers streams that have run once and do nothing: CPU time. */
void bench_idle (const BenchOptions *options);

G_END_DECLS
