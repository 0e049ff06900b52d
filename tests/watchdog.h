/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ends a test program that hangs, with a message and a core that shows every thread. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

typedef struct Watchdog {
  const char *_Atomic what; /* static; see watchdog_say */
  void (*tell) (void);      /* NULL: nothing; prints more before the end */
  unsigned limit_s;         /* without a step; times slowdown () */
  _Atomic unsigned n_steps; /* anybody adds to it, see watchdog_step */
  atomic_bool is_over;
  pthread_t thread;
} Watchdog;

void watchdog_start (Watchdog *dog, const char *what, unsigned limit_s);
void watchdog_start_telling (
    Watchdog *dog, const char *what, unsigned limit_s, void (*tell) (void));
void watchdog_step (Watchdog *dog);
/* A step, and what is done from now on. */
void watchdog_say (Watchdog *dog, const char *what);
void watchdog_stop (Watchdog *dog);
