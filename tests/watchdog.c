/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A thread that looks ten times a second whether anything has moved. */
#include "tests/watchdog.h"

#include "tests/slowdown.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define LOOKS_PER_S 10u

static void *watch (void *user)
{
  Watchdog *dog = user;
  const struct timespec pause = { .tv_nsec = 1000000000L / LOOKS_PER_S };
  unsigned n_before = 0, n_looks = 0;
  while (!atomic_load (&dog->is_over)) {
    const unsigned n_steps = atomic_load (&dog->n_steps);
    n_looks = n_steps == n_before ? n_looks + 1 : 0;
    n_before = n_steps;
    if (n_looks > dog->limit_s * LOOKS_PER_S) {
      fprintf (stderr, "%s: deadlock: nothing has moved for %u s, after %u steps\n",
          atomic_load (&dog->what), dog->limit_s, n_steps);
      if (dog->tell)
        dog->tell ();
      abort ();
    }
    nanosleep (&pause, NULL);
  }
  return NULL;
}

void watchdog_start (Watchdog *dog, const char *what, unsigned limit_s)
{
  watchdog_start_telling (dog, what, limit_s, NULL);
}

void watchdog_start_telling (Watchdog *dog, const char *what, unsigned limit_s, void (*tell) (void))
{
  atomic_init (&dog->what, what);
  dog->tell = tell;
  dog->limit_s = patience (limit_s);
  atomic_init (&dog->n_steps, 0);
  atomic_init (&dog->is_over, false);
  if (pthread_create (&dog->thread, NULL, watch, dog) != 0)
    abort ();
}

void watchdog_step (Watchdog *dog)
{
  atomic_fetch_add (&dog->n_steps, 1);
}

void watchdog_say (Watchdog *dog, const char *what)
{
  atomic_store (&dog->what, what);
  watchdog_step (dog);
}

void watchdog_stop (Watchdog *dog)
{
  atomic_store (&dog->is_over, true);
  pthread_join (dog->thread, NULL);
}
