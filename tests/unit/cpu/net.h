/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small graphs for tests: built from lines of text, run on any backend, compared. */
#pragma once

#include "engine/plan/plan.h"

#define NET_MAX_VALUES 64

typedef struct Net {
  WeirGraph *graph;
  uint32_t seed;
} Net;

Net *net_new (void);
void net_free (Net *net);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Net, net_free)

/* "x: 3,8,8": an input; its batch stands in front. */
uint32_t net_input (Net *net, const char *name, const char *dims);
/* A constant with values in -scale..scale, offset added. "": a scalar. */
uint32_t net_constant (Net *net, const char *dims, float scale, float offset);
/* An i64 constant of rank 1. */
uint32_t net_ints (Net *net, const char *values);
void net_output (Net *net, uint32_t value);
/* `attrs`: "group=2 alpha=0.1f mode=nearest pads=[1,1,1,1]". `src` ends with NET_END. Returns
 * dst[0], the further ones follow it. */
#define NET_END (UINT32_MAX - 1)
uint32_t net_node (
    Net *net, const char *op, const char *attrs, uint32_t n_dst, const uint32_t *src);
#define net_op(net, op, attrs, ...) \
  net_node ((net), (op), (attrs), 1, (const uint32_t[]){ __VA_ARGS__, NET_END })
/* Makes it ready to run: sorted, checked. Aborts on mistakes of the test. */
void net_finish (Net *net);
/* Number of nodes of an operator. */
uint32_t net_count (const Net *net, WeirOp op);

typedef struct NetRun {
  const WeirBackend *backend;
  WeirPrecision precision;
  uint32_t n_threads, n;
  bool is_helped;    /* as a batch, which idle cores help */
  const char *match; /* of an OpenCL device */
} NetRun;

/* The outputs, plain f32, one after the other. Inputs are random by position. *steps (newly
 * allocated) is the plan's description, may be NULL. NULL and a message printed where it fails. */
float *net_run (const Net *net, const NetRun *run, size_t *n_elements, char **steps);

/* Largest |a - b| relative to the largest |b| (at least 1e-3). */
double net_difference (const float *a, const float *b, size_t n);
