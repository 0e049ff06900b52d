/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WeirRequest: the caller's unit of work: one frame with regions, or tensors; and its results. */
#pragma once

#include "export.h"

#include "frame.h"
#include "result.h"
#include "session.h"

WEIR_BEGIN_PUBLIC

/* Thread-safety: one owner at a time: the caller, between submit and done the session. Reused:
 * results stay valid until weir_request_reset, the next submit or free. It may be freed after its
 * stream, but not be submitted or cancelled then. */
typedef struct WeirRequest WeirRequest;

/* Called once per submit from a worker (or from submit, cancel, flush or free), with no lock held.
 * It must not block and must not submit; it may signal. weir_request_error is NULL unless the whole
 * request failed. */
typedef void (*WeirDoneFn) (WeirRequest *request, void *user);

typedef struct WeirRequestOptions {
  float threshold, iou_threshold; /* detect */
  uint32_t max_detections, top_k;
  bool attach_tensors;
} WeirRequestOptions;

#define WEIR_REQUEST_OPTIONS_DEFAULT                                             \
  {                                                                              \
    .threshold = 0.5f, .iou_threshold = 0.45f, .max_detections = 200, .top_k = 1 \
  }

WeirRequest *weir_request_new (WeirStream *stream);
void weir_request_free (WeirRequest *request);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (WeirRequest, weir_request_free)
/* Empties it for the next use; keeps its memory. */
void weir_request_reset (WeirRequest *request);

void weir_request_set_options (WeirRequest *request, const WeirRequestOptions *options);
/* The planes must stay readable until done. */
void weir_request_set_frame (WeirRequest *request, const WeirFrame *frame);
/* One item. A region outside the frame fails alone. Returns its index. */
uint32_t weir_request_add_region (WeirRequest *request, const WeirRegion *region);
/* Tensor requests: input k with n rows in dim weir_model_input_axis (the same n for every k),
 * plain, f32, f16, u8 or the model's type; n items. Inputs with a weir_model_input_fill of values
 * may be left out. The bytes must stay readable until done. SHAPE errors name both shapes. */
bool weir_request_set_input (
    WeirRequest *request, uint32_t k, const WeirTensor *tensor, GError **error);
/* Keep the outputs as tensors for weir_request_output. */
void weir_request_keep_outputs (WeirRequest *request, bool keep);

/* Dynamic batch: the request is made once for at most n_max (1..1024) items. Inputs that are set
 * from then on, and outputs, have n_max rows; weir_request_set_batch says how many of them count.
 * Tensor requests only: regions are counted by themselves. Call it on an empty request; it outlives
 * weir_request_reset; 0 ends it. OPTION errors name the range, 1 where the model does not batch. */
bool weir_request_set_batch_max (WeirRequest *request, uint32_t n_max, GError **error);
/* The next submits run rows 0..n-1; rows from n on are neither read nor written (in the request's
 * own memory they hold what was there, zeros at first). n is 1..n_max, and n_max itself under
 * DYN_BATCH_ENABLED=NO: OPTION errors name the range. Stays until it is changed; n_max after
 * weir_request_set_batch_max. */
bool weir_request_set_batch (WeirRequest *request, uint32_t n, GError **error);
/* The caller's memory for output k: plain, of the shape and type of weir_model_output with the rows
 * of all items (n_max with a dynamic batch), writable until done. Implies keep_outputs. Stays until
 * it is changed or reset. SHAPE errors name both shapes; outputs whose size the data decide cannot
 * be given. */
bool weir_request_set_output (
    WeirRequest *request, uint32_t k, const WeirTensor *tensor, GError **error);

/* Queues all items; blocks while the queue or the stream is full. A request without items is done
 * at once. False: CANCELLED (flushed, session stopped), or OPTION, SHAPE, MEMORY for what it was
 * given; done is not called then. */
bool weir_request_submit (WeirRequest *request, WeirDoneFn done, void *user, GError **error);
/* The same without blocking: false and *full where there is no room for all items. More items than
 * the stream may have in flight are taken where it is at rest, and enter as others leave. */
bool weir_request_try_submit (
    WeirRequest *request, WeirDoneFn done, void *user, bool *full, GError **error);
/* Submits and waits. False where any item failed; the first item's error is given. */
bool weir_request_run (WeirRequest *request, GError **error);
/* Submits without a callback: weir_request_wait tells the end. OPTION where it still runs. */
bool weir_request_start (WeirRequest *request, GError **error);
/* Waits for a started request at most timeout_ms (-1: as long as it takes, 0: only asks). False and
 * *is_over false, without an error: it still runs. Else as weir_request_run; may be called again.
 * OPTION where the last submit was not one of weir_request_start. Any thread, several at once. Once
 * it is over the request is the caller's, and may be freed. */
bool weir_request_wait (WeirRequest *request, int32_t timeout_ms, bool *is_over, GError **error);
/* Cancels a submitted request: items that wait are dropped, one that runs ends first; then done is
 * called with CANCELLED, before this returns where nothing runs. A request that is over, or was
 * never submitted, is left as it is. Any thread but a done callback. */
void weir_request_cancel (WeirRequest *request);

uint32_t weir_request_n_items (const WeirRequest *request);
/* Result of item i: objects in 0..1 of the frame. Valid after done. */
const WeirResult *weir_request_result (const WeirRequest *request, uint32_t i);
/* Output k of all items stacked in dim 0 (with keep_outputs). NULL where k is out of range. */
const WeirTensor *weir_request_output (const WeirRequest *request, uint32_t k);
/* Why the request failed as a whole; NULL else. */
const GError *weir_request_error (const WeirRequest *request);
/* Submit to done, ns. */
uint64_t weir_request_latency_ns (const WeirRequest *request);

WEIR_END_PUBLIC
