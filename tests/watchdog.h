/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ends a test program that hangs, with a message and a core that shows every thread. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

typedef struct Watchdog {
  const char *what;         /* static */
  unsigned limit_s;         /* without a step */
  _Atomic unsigned n_steps; /* anybody adds to it, see watchdog_step */
  atomic_bool is_over;
  pthread_t thread;
} Watchdog;

void watchdog_start (Watchdog *dog, const char *what, unsigned limit_s);
void watchdog_step (Watchdog *dog);
void watchdog_stop (Watchdog *dog);
