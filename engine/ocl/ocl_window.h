/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Convolutions on the device, below the steps of a plan: shapes, the ways to compute them, and what
 * each wants its weights to be like. */
#pragma once

#include "engine/graph/graph.h"
#include "engine/ocl/ocl_call.h"
#include "engine/ocl/ocl_family.h"

G_BEGIN_DECLS

/* What a plan's step computes, but for addresses. Pictures are channels-last and dense, weights as
 * ONNX has them: [outputs, inputs / groups, kernel…], transposed [inputs, outputs / groups,
 * kernel…]. Sizes are depth, height, width: 1 where there is none. */
typedef struct WeirOclWindow {
  bool is_transposed;
  uint32_t n_items, groups, src_channels, dst_channels; /* channels of all groups */
  uint32_t src[3], dst[3], kernel[3], stride[3], dilation[3];
  int32_t pad[3];          /* at the begin; negative ones crop */
  WeirDtype dtype;         /* of everything stored: F32 or F16 */
  const WeirPostOp *posts; /* done to the result, in order; one may be an addition */
  uint32_t n_posts;
} WeirOclWindow;

/* On the device; elements of the window's type. */
typedef struct WeirOclWindowPlaces {
  const void *src, *dst;
  const void *weights; /* packed as the way has them, on a multiple of 4 elements */
  const void *bias;    /* dst_channels, or NULL */
  const void *scratch; /* of the way's scratch_bytes; NULL: none */
  const void *added;   /* of the result's shape: what the addition among the posts adds; or NULL */
} WeirOclWindowPlaces;

/* How one of them is computed. */
typedef struct WeirOclVariant {
  const struct WeirOclWay *way;
  const WeirOclTile *tile; /* product, Winograd */
  /* Parts of the sum, each added up on its own, then added in order. With is_split different groups
   * compute them at once, and another kernel adds them. */
  uint32_t n_parts;
  bool is_split;
  uint32_t n_pixels, group; /* depthwise: results of a work item, largest group */
  double cost;              /* as the device's family has it; INFINITY: only where tuning says so */
} WeirOclVariant;

/* A way to compute some of them. */
typedef struct WeirOclWay {
  const char *name;
  bool has_float_weights; /* whatever type the window has */
  bool (*takes) (const WeirOclWindow *window);
  /* Appends each WeirOclVariant that the device has room for. What a variant's bytes are depends on
   * way and n_parts alone; where one of these can be had for a number of items it can be for all.
   */
  void (*list) (const WeirOclFacts *facts, const WeirOclWindow *window, GArray *variants);
  /* " 128x64", " 64x64, 4 parts". */
  void (*name_variant) (const WeirOclVariant *variant, GString *name);
  size_t (*n_weights) (const WeirOclWindow *window);
  /* `job`: the window. Writes n_weights from ONNX's. */
  void (*pack) (float *packed, const float *values, const void *job);
  /* Of the device's memory, while it runs. */
  size_t (*scratch_bytes) (const WeirOclVariant *variant, const WeirOclWindow *window);
  /* Adds what is to run, in order, to `calls` (of WeirOclCall, which frees them). Addresses that
   * are not aligned to four elements are slower. */
  bool (*add_calls) (WeirOclDevice *device, const WeirOclVariant *variant,
      const WeirOclWindow *window, const WeirOclWindowPlaces *places, GPtrArray *calls,
      GError **error);
} WeirOclWay;

extern const WeirOclWay weir_ocl_way_product; /* ocl_product.c: any */
extern const WeirOclWay
    weir_ocl_way_winograd_2; /* ocl_winograd.c: 3x3 at stride 1, by tiles of 2x2 */
extern const WeirOclWay weir_ocl_way_winograd_4; /* … of 4x4 */
extern const WeirOclWay weir_ocl_way_depthwise;  /* ocl_depthwise.c: each channel on its own */

/* Whether some way takes it; false: a type, a post or a size is beyond all. Which one is up to
 * weir_ocl_variant_choose. */
bool weir_ocl_window_is_taken (const WeirOclWindow *window);
/* Of all ways that make sense of the window, which is taken. */
void weir_ocl_window_list (
    const WeirOclFacts *facts, const WeirOclWindow *window, GArray *variants);

/* For ways: dimensions that are folded into others where nothing changes by it (planes, pictures of
 * windows with one tap), so that kernels have less to count. */
WeirOclWindow weir_ocl_window_fold (const WeirOclWindow *window);
/* The address is on a multiple of 4 elements; NULL is. */
bool weir_ocl_window_is_aligned (const WeirOclWindow *window, const void *address);
/* Sizes as the kernels take them, the channels behind. */
cl_int4 weir_ocl_window_int4 (const uint32_t sizes[3], uint32_t last);
cl_int4 weir_ocl_window_pad (const WeirOclWindow *window);
/* Options that all ways have: type, bias, posts, the addition. */
void weir_ocl_window_options (const WeirOclWindow *window, const WeirOclWindowPlaces *places,
    GString *options, cl_float8 *parameters);

G_END_DECLS
