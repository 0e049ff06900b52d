/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which batch size gives the most items per second, found by hill climbing while real batches run.
 *
 * Larger batches share what a batch costs once, but their activations may leave the caches; which
 * counts more depends on the model, the machine and what else runs, so it is measured where it
 * matters: now and then a batch of half or of double the size is made, and the better size becomes
 * the next one. Pure: no clock, no lock. */
#pragma once

#include "engine/sched/service.h"

typedef struct WeirClimb {
  uint32_t n;         /* the best size so far; 0 stands for 1 */
  uint32_t n_batches; /* since then */
} WeirClimb;

/* The best size so far, 1..n_max. */
uint32_t weir_climb_best (const WeirClimb *climb, uint32_t n_max);
/* The largest batch, 1..n_max, to make next: the best size, or one that is to be tried. */
uint32_t weir_climb_next (const WeirClimb *climb, const WeirService *service, uint32_t n_max);
/* A batch has run, and `service` knows how long it took. */
void weir_climb_step (WeirClimb *climb, WeirService *service, uint32_t n_max);
