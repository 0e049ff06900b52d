/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The engine's locks: plain pthread, which ThreadSanitizer understands, on the monotonic clock. */
#pragma once

#include <glib.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

typedef pthread_mutex_t WeirMutex;
typedef pthread_cond_t WeirCond;

static inline uint64_t
weir_now_ns (void)
{
  struct timespec t;
  clock_gettime (CLOCK_MONOTONIC, &t);
  return (uint64_t) t.tv_sec * 1000000000u + (uint64_t) t.tv_nsec;
}

static inline void
weir_mutex_init (WeirMutex *mutex)
{
  pthread_mutex_init (mutex, NULL);
}

static inline void
weir_mutex_clear (WeirMutex *mutex)
{
  pthread_mutex_destroy (mutex);
}

static inline void
weir_mutex_lock (WeirMutex *mutex)
{
  pthread_mutex_lock (mutex);
}

static inline void
weir_mutex_unlock (WeirMutex *mutex)
{
  pthread_mutex_unlock (mutex);
}

static inline void
weir_cond_init (WeirCond *cond)
{
  pthread_condattr_t attr;
  pthread_condattr_init (&attr);
  pthread_condattr_setclock (&attr, CLOCK_MONOTONIC);
  pthread_cond_init (cond, &attr);
  pthread_condattr_destroy (&attr);
}

static inline void
weir_cond_clear (WeirCond *cond)
{
  pthread_cond_destroy (cond);
}

static inline void
weir_cond_wait (WeirCond *cond, WeirMutex *mutex)
{
  pthread_cond_wait (cond, mutex);
}

/* False when `deadline_ns` (monotonic) has passed. */
static inline bool
weir_cond_wait_until (WeirCond *cond, WeirMutex *mutex, uint64_t deadline_ns)
{
  struct timespec t = { .tv_sec = (time_t) (deadline_ns / 1000000000u),
    .tv_nsec = (long) (deadline_ns % 1000000000u) };
  return pthread_cond_timedwait (cond, mutex, &t) == 0;
}

static inline void
weir_cond_signal (WeirCond *cond)
{
  pthread_cond_signal (cond);
}

static inline void
weir_cond_broadcast (WeirCond *cond)
{
  pthread_cond_broadcast (cond);
}
