/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A test double of libweir: no network, but queue, workers and timing as a test wants them. Where
 * the answer comes from is told below, so that a result on the wrong frame is seen. */
#pragma once

#include "engine/weir.h"

/* What the double does; set with fake_engine_reset, one test at a time. */
typedef struct FakeEngine {
  guint n_workers;        /* 3 where 0 */
  guint optimal;          /* weir_session_optimal_requests; 2 where 0 */
  guint limit;            /* requests of a stream in flight; 0: none */
  guint delay_us;         /* a request takes a random time up to this */
  gboolean hold;          /* requests do not end until fake_engine_release */
  gboolean is_classifier; /* every network that is opened; else those named classify… */
  gboolean breaks;        /* every request ends with an error: "the device was lost" */
} FakeEngine;

void fake_engine_reset (const FakeEngine *settings);
/* From now on, as if `hold` had been set; what is under way ends first. */
void fake_engine_hold (void);
void fake_engine_release (void);
/* Waits until no request is under way, and what is told of the last is told. */
void fake_engine_wait_idle (void);
/* Waits until `n` requests are queued or running. */
void fake_engine_wait_in_flight (guint n);
void fake_engine_wait_running (guint n);

/* Live objects; all 0 when everything is in NULL. */
guint fake_engine_n_sessions (void);
guint fake_engine_n_streams (void);
guint fake_engine_n_requests (void);
guint fake_engine_n_opened (void); /* ever, since the reset */
guint fake_engine_n_drains (void); /* since the reset */
guint fake_engine_n_items (void);  /* ever inferred, since the reset */

/* One object per region: its middle half, confidence 0.75, label_id = the first byte of plane 0 at
 * the region's corner, label "thing" (of a network find-LABEL.onnx: LABEL). A classifier gives the
 * attribute "shade" with that label_id instead, and a tensor "row" (the others too, where tensors
 * are to be attached). A region whose byte is 255 fails: "too white". */
