/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WeirProfile: where the time of a request goes, step by step, and how far each step is from what
 * the machine can do. */
#pragma once

#include "export.h"

#include "request.h"

WEIR_BEGIN_PUBLIC

/* What the machine can do, measured: a multiply-add counts two. Of a device other than the CPU:
 * what that can do. */
typedef struct WeirPeaks {
  uint32_t n_threads;                           /* that did it together; 0: it is not the CPU */
  double f32_gflops, bf16_gflops, int8_gflops;  /* 0: the CPU has no products of this type */
  const char *f32_loop, *bf16_loop, *int8_loop; /* the instructions; NULL as above; static */
  /* GB/s read and written: in the second-level caches of so many cores, in the last-level cache (0:
   * there is none behind the second), in memory. */
  double l2_gbps, l3_gbps, memory_gbps;
  uint64_t l2_bytes, l3_bytes;
  /* Of a device: of its cache and its memory, l2_… and memory_… above; what it computes in f16 (0:
   * not at all); what goes to and comes from the host; from one kernel that does nothing to the
   * next. 0 for the CPU. */
  double f16_gflops, upload_gbps, download_gbps, launch_us;
} WeirPeaks;

/* Takes some 0.1 s: the best of many short runs on n_threads threads (1 to 1024; 0: one for each
 * processor). Meant for an idle machine. */
void weir_peaks_measure (uint32_t n_threads, WeirPeaks *peaks);

/* One step of the plan. Texts belong to the profile. */
typedef struct WeirProfileStep {
  const char *name;
  const char *kind;           /* "Conv 3x3", "Conv 3x3 dw", "Conv 3x3 c3", "Concat", … */
  const char *fused;          /* done to the result before it is stored: "+Relu"; "" */
  const char *backend;        /* "cpu", "ref", … */
  const char *implementation; /* oneDNN's, or that of our own loop */
  const char *type;    /* that it computes in: "f32", "bf16", "int8", …; "-": it is not known */
  const char *layout;  /* of the result: "nhwc", "plain" */
  const char *shapes;  /* of the first source and result: "1x3x300x300 -> 1x32x150x150" */
  double flops, bytes; /* arithmetic operations; sources, weights and results */
  double ns;           /* on a device by its own clock: from the start to the end of its commands */
  uint32_t n_commands; /* kernels and transfers of a device; 0 of what runs on the CPU */
  /* What it would take at the peak of its type, or for its bytes to come from the nearest caches as
   * far as these reach, whichever is longer; for an upload or download to pass at the peak. 0 where
   * the peaks are a device's and the step does not run there. */
  double roof_ns;
  bool is_compute_bound; /* the former is the longer */
  bool is_transfer;      /* to or from the device */
} WeirProfileStep;

/* Times are the least of several runs: of all items of the request together. */
typedef struct WeirProfile {
  WeirPeaks peaks; /* of the device, or of as many threads as the steps have */
  uint32_t n_items, n_steps;
  WeirProfileStep *steps; /* in the order in which they run */
  double preprocess_ns, steps_ns, postprocess_ns;
  double roof_ns;  /* summed, as steps_ns is */
  double run_ns;   /* of all steps, by the host's clock: with what passes between them */
  double queue_ns; /* from submit to done less what the worker took; -1: of several items */
  struct WeirArena *arena;
} WeirProfile;

/* Runs the request (filled, not submitted, one item or more) for half a second or a few times:
 * preprocessing, each step of the plan for so many items, decoding; then through the queue. Its
 * results are of no use then. Meant for an idle session and an idle machine; blocks. NULL: as
 * weir_request_run. */
WeirProfile *weir_request_profile (WeirRequest *request, GError **error);
void weir_profile_free (WeirProfile *profile);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (WeirProfile, weir_profile_free)

WEIR_END_PUBLIC
