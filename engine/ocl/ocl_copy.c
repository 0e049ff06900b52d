/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Dims of size 1 go, those that go along are merged, and they are sorted so that the result is
 * written in order. Where the source then goes another way, squares are transposed. */
#include "engine/ocl/ocl_copy.h"

#include "engine/ocl/ocl_program.h"
#include "engine/plan/int8_spec.h"

#define TILE          16u /* of copy.cl */
#define GROUP         128u
#define MAX_GROUPS    16384u
#define FILL_ELEMENTS 65536u /* of work items; each takes more elements beyond */

/* As in copy.cl. */
typedef struct Walk {
  cl_uint n_rows;
  cl_uint sizes[WEIR_OCL_COPY_RANK], from[WEIR_OCL_COPY_RANK], to[WEIR_OCL_COPY_RANK];
} Walk;

bool weir_ocl_copy_can (WeirDtype src, WeirDtype dst)
{
  if (weir_int8_is_code (src))
    return src == dst;
  return (src == WEIR_DTYPE_F32 || src == WEIR_DTYPE_F16) &&
         (dst == WEIR_DTYPE_F32 || dst == WEIR_DTYPE_F16);
}

/* Puts dim d of the copy where its stride in the result belongs. */
static void insert (Walk *walk, uint32_t n, const WeirOclCopy *copy, uint32_t d)
{
  uint32_t i = n;
  for (; i > 0 && walk->to[i - 1] < copy->dst_strides[d]; i--) {
    walk->sizes[i] = walk->sizes[i - 1];
    walk->from[i] = walk->from[i - 1];
    walk->to[i] = walk->to[i - 1];
  }
  walk->sizes[i] = copy->sizes[d];
  walk->from[i] = copy->src_strides[d];
  walk->to[i] = copy->dst_strides[d];
}

/* Joins neighbours in which both go along. Returns how many dims are left. */
static uint32_t merge (Walk *walk, uint32_t n)
{
  uint32_t n_left = 0;
  for (uint32_t i = 0; i < n; i++) {
    uint32_t last = n_left - 1;
    bool goes_along = n_left && walk->from[last] == walk->from[i] * walk->sizes[i] &&
                      walk->to[last] == walk->to[i] * walk->sizes[i];
    if (goes_along) {
      walk->sizes[last] *= walk->sizes[i];
    } else {
      last = n_left++;
      walk->sizes[last] = walk->sizes[i];
    }
    walk->from[last] = walk->from[i];
    walk->to[last] = walk->to[i];
  }
  return n_left;
}

/* Returns the rank, at least 1. */
static uint32_t describe (const WeirOclCopy *copy, Walk *walk)
{
  uint32_t n = 0;
  *walk = (Walk){ .n_rows = 1 };
  for (uint32_t d = 0; d < copy->rank; d++)
    if (copy->sizes[d] > 1)
      insert (walk, n++, copy, d);
  n = merge (walk, n);
  if (n == 0) {
    walk->sizes[n++] = 1;
    walk->from[0] = walk->to[0] = 1;
  }
  return n;
}

/* Which dim goes 1 by 1 in the source, to be transposed with the last one; 0 and false: none. */
static bool find_turned (const Walk *walk, uint32_t rank, uint32_t *turned)
{
  uint32_t last = rank - 1;
  for (*turned = 0; *turned < last; (*turned)++)
    if (walk->from[*turned] == 1)
      return walk->to[last] == 1 && walk->from[last] != 1 && walk->sizes[last] >= TILE / 2 &&
             walk->sizes[*turned] >= TILE / 2;
  return false;
}

static void move_before_last (Walk *walk, uint32_t rank, uint32_t d)
{
  uint32_t size = walk->sizes[d], from = walk->from[d], to = walk->to[d];
  for (; d + 2 < rank; d++) {
    walk->sizes[d] = walk->sizes[d + 1];
    walk->from[d] = walk->from[d + 1];
    walk->to[d] = walk->to[d + 1];
  }
  walk->sizes[d] = size;
  walk->from[d] = from;
  walk->to[d] = to;
}

static bool is_wide (
    const Walk *walk, uint32_t rank, const WeirOclCopy *copy, const void *src, const void *dst)
{
  uint32_t last = rank - 1;
  uint32_t bits = walk->sizes[last] | copy->src_offset | copy->dst_offset;
  for (uint32_t d = 0; d < last; d++)
    bits |= walk->from[d] | walk->to[d];
  return walk->from[last] == 1 && walk->to[last] == 1 && bits % 4 == 0 &&
         (uintptr_t) src % (4 * weir_dtype_bytes (copy->src_dtype)) == 0 &&
         (uintptr_t) dst % (4 * weir_dtype_bytes (copy->dst_dtype)) == 0;
}

/* Squares of the last two dims, one below the other, those of the next row behind them. */
static WeirOclGrid square_grid (const Walk *walk, uint32_t rank)
{
  uint32_t n_squares = (walk->sizes[rank - 2] + TILE - 1) / TILE;
  size_t n_down = MIN ((size_t) walk->n_rows * n_squares, MAX_GROUPS);
  return weir_ocl_grid (walk->sizes[rank - 1], n_down * TILE, 0, TILE, TILE, 0);
}

static cl_program get_program (WeirOclDevice *device, WeirDtype src, WeirDtype dst, uint32_t rank,
    uint32_t width, GError **error)
{
  g_autofree char *options = g_strdup_printf ("-DRANK=%u -DWIDTH=%u%s%s%s", rank, width,
      weir_int8_is_code (src) ? " -DOF_BYTES" : "", src == WEIR_DTYPE_F16 ? " -DFROM_F16" : "",
      dst == WEIR_DTYPE_F16 ? " -DTO_F16" : "");
  return weir_ocl_program_get (device, "copy", options, error);
}

WeirOclCall *weir_ocl_copy_new (
    WeirOclDevice *device, const WeirOclCopy *copy, const void *src, void *dst, GError **error)
{
  Walk walk;
  uint32_t rank = describe (copy, &walk), turned;
  bool wide = is_wide (&walk, rank, copy, src, dst);
  bool turns = find_turned (&walk, rank, &turned) &&
               weir_ocl_device_facts (device)->max_group >= TILE * TILE;
  if (turns)
    move_before_last (&walk, rank, turned);
  for (uint32_t d = 0; d + 1 + turns < rank; d++)
    walk.n_rows *= walk.sizes[d];
  cl_program program =
      get_program (device, copy->src_dtype, copy->dst_dtype, rank, wide ? 4 : 1, error);
  if (!program)
    return NULL;
  uint32_t src_bytes = (uint32_t) weir_dtype_bytes (copy->src_dtype),
           dst_bytes = (uint32_t) weir_dtype_bytes (copy->dst_dtype);
  uint32_t n_last = walk.sizes[rank - 1] / (wide ? 4 : 1);
  WeirOclGrid grid = turns ? square_grid (&walk, rank)
                           : weir_ocl_row_grid (device, n_last, walk.n_rows, GROUP, MAX_GROUPS);
  return weir_ocl_call_new (device, program, turns ? "transpose" : "copy", grid, error,
      WEIR_OCL_ADDRESS ((const char *) src + (size_t) copy->src_offset * src_bytes, src_bytes),
      WEIR_OCL_ADDRESS ((char *) dst + (size_t) copy->dst_offset * dst_bytes, dst_bytes),
      WEIR_OCL_VALUE (walk));
}

WeirOclCall *weir_ocl_fill_new (
    WeirOclDevice *device, void *dst, WeirDtype dtype, uint32_t n, float value, GError **error)
{
  cl_uint n_elements = n;
  cl_program program = get_program (device, dtype, dtype, 1, 1, error);
  if (!program)
    return NULL;
  if (weir_int8_is_code (dtype)) /* as a byte */
    value = (float) ((int) CLAMP (value, -128.0f, 255.0f) & UINT8_MAX);
  WeirOclGrid grid = weir_ocl_row_grid (device, MIN (n, FILL_ELEMENTS), 1, GROUP, MAX_GROUPS);
  return weir_ocl_call_new (device, program, "fill", grid, error,
      WEIR_OCL_ADDRESS (dst, (uint32_t) weir_dtype_bytes (dtype)), WEIR_OCL_VALUE (n_elements),
      WEIR_OCL_VALUE (value));
}

WeirOclCall *weir_ocl_gather_new (
    WeirOclDevice *device, const WeirOclGather *gather, const void *src, void *dst, GError **error)
{
  const cl_uint n = gather->n, n_pixels = gather->n_pixels, n_from = gather->n_src_channels,
                n_to = gather->n_dst_channels;
  uint32_t element_bytes = (uint32_t) weir_dtype_bytes (gather->dtype);
  cl_program program = get_program (device, gather->dtype, gather->dtype, 1, 1, error);
  if (!program)
    return NULL;
  return weir_ocl_call_new (device, program, "gather",
      weir_ocl_row_grid (device, n, n_pixels, GROUP, MAX_GROUPS), error,
      WEIR_OCL_ADDRESS (src, element_bytes), WEIR_OCL_ADDRESS (dst, element_bytes),
      WEIR_OCL_ADDRESS (gather->table, sizeof (cl_uint2)), WEIR_OCL_VALUE (n),
      WEIR_OCL_VALUE (n_pixels), WEIR_OCL_VALUE (n_from), WEIR_OCL_VALUE (n_to));
}
