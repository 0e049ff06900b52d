/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When a stream's next request will come, learned from those that came: by its rhythm (a camera) or
 * by how soon it follows the end of an earlier one (a caller that waits for its results). Pure:
 * times are given. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* A mean that forgets, and the mean distance from it. */
typedef struct WeirDrift {
  double mean, spread;
  uint32_t n;
} WeirDrift;

typedef struct WeirArrivals {
  uint64_t last_ns;      /* the newest arrival; 0: none */
  uint64_t done_ns;      /* the newest end of a request; 0: none */
  WeirDrift interval_ns; /* from arrival to arrival */
  uint32_t n_long;       /* intervals in a row that were much longer */
  WeirDrift after_ns;    /* from the newest end to an arrival */
  WeirDrift n_items;     /* of a request */
  WeirDrift is_blocked;  /* 0..1: how many found no room at all */
} WeirArrivals;

/* An arrival that can be counted on: at about at_ns, or not at all once latest_ns has passed. */
typedef struct WeirExpected {
  uint64_t at_ns, latest_ns;
  uint32_t n_items;
} WeirExpected;

/* A request of n_items came; is_blocked: not even its first item had room. */
void weir_arrivals_add (WeirArrivals *arrivals, uint64_t now_ns, uint32_t n_items, bool is_blocked);
/* A request of the stream is done. */
void weir_arrivals_end (WeirArrivals *arrivals, uint64_t now_ns);
/* The rhythm is broken (flush, seek, pause): the next arrival says nothing about intervals, nor do
 * requests that end until then. */
void weir_arrivals_break (WeirArrivals *arrivals);
/* False where nothing can be said. at_ns and latest_ns are never in the past. */
bool weir_arrivals_expect (const WeirArrivals *arrivals, uint64_t now_ns, WeirExpected *expected);
/* A camera: it keeps its rhythm whatever its results do. */
bool weir_arrivals_is_paced (const WeirArrivals *arrivals, uint64_t now_ns);
/* Requests a ns; 0 while unknown, falling when the stream stays away. */
double weir_arrivals_rate (const WeirArrivals *arrivals, uint64_t now_ns);
