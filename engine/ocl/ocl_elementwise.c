/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Dims of size 1 go, neighbours in which all tensors go along are merged: what is left are rows of
 * at most four dims. Four neighbours at once where all is aligned for it. */
#include "engine/ocl/ocl_elementwise.h"

#include "engine/ocl/ocl_program.h"

#include <string.h>

#define DIMS       4u
#define N_TENSORS  3u     /* src[0], src[1], dst */
#define GROUP      128u   /* where the device has groups so large */
#define MAX_GROUPS 16384u /* in the second dimension; a row's work item takes more rows beyond */

static const char *const binary_names[WEIR_N_OPS] = {
  [WEIR_OP_ADD] = "add",
  [WEIR_OP_SUB] = "sub",
  [WEIR_OP_MUL] = "mul",
  [WEIR_OP_DIV] = "div",
  [WEIR_OP_MAX] = "max",
  [WEIR_OP_MIN] = "min",
  [WEIR_OP_PRELU] = "prelu",
};

typedef struct Rows {
  uint32_t n; /* dims in use, from the outermost, while they are merged */
  uint32_t sizes[WEIR_MAX_RANK];
  uint32_t strides[N_TENSORS][WEIR_MAX_RANK];
} Rows;

static const WeirOclWalk *tensor_of (const WeirOclElementwise *job, uint32_t t)
{
  return t == 2 ? &job->dst : &job->src[t];
}

static bool is_used (const WeirOclElementwise *job, uint32_t t)
{
  return t == 2 || t < job->n_src;
}

/* Whether dim d of the job is the inner neighbour of the last of `rows`, for all tensors. */
static bool goes_along (const Rows *rows, const WeirOclElementwise *job, uint32_t d)
{
  for (uint32_t t = 0; t < N_TENSORS; t++) {
    uint64_t inner = (uint64_t) tensor_of (job, t)->strides[d] * job->sizes[d];
    if (is_used (job, t) && rows->strides[t][rows->n - 1] != inner)
      return false;
  }
  return rows->n > 0 && (uint64_t) rows->sizes[rows->n - 1] * job->sizes[d] <= UINT32_MAX;
}

/* False where more than four dims are left. */
static bool merge (const WeirOclElementwise *job, Rows *rows)
{
  *rows = (Rows){ 0 };
  for (uint32_t d = 0; d < job->rank; d++) {
    if (job->sizes[d] == 1)
      continue;
    bool is_merged = rows->n > 0 && goes_along (rows, job, d);
    if (!is_merged)
      rows->sizes[rows->n++] = 1;
    rows->sizes[rows->n - 1] *= job->sizes[d];
    for (uint32_t t = 0; t < N_TENSORS; t++)
      rows->strides[t][rows->n - 1] = tensor_of (job, t)->strides[d];
  }
  return rows->n <= DIMS;
}

/* The dims moved to the end, 1 in front. */
static cl_uint4 align_right (const uint32_t *values, uint32_t n, uint32_t filler)
{
  cl_uint4 vector;
  for (uint32_t i = 0; i < DIMS; i++)
    vector.s[i] = i < DIMS - n ? filler : values[i - (DIMS - n)];
  return vector;
}

bool weir_ocl_elementwise_can (const WeirOclElementwise *job)
{
  WeirOclPosts posts;
  Rows rows;
  bool is_known = job->n_src == 1 || binary_names[job->op];
  return is_known && (job->dtype == WEIR_DTYPE_F32 || job->dtype == WEIR_DTYPE_F16) &&
         weir_ocl_posts_init (&posts, job->posts, job->n_posts) && merge (job, &rows);
}

/* Four at a time: the innermost dim goes 1 by 1 (or repeats, in a source), and all else is in
 * fours. */
static bool is_wide (const WeirOclElementwise *job, const Rows *rows)
{
  size_t align_bytes = 4 * weir_dtype_bytes (job->dtype);
  if (rows->n == 0 || rows->sizes[rows->n - 1] % 4)
    return false;
  for (uint32_t t = 0; t < N_TENSORS; t++) {
    const uint32_t *strides = rows->strides[t];
    if (!is_used (job, t) || (t != 2 && strides[rows->n - 1] == 0))
      continue;
    bool is_aligned = (uintptr_t) tensor_of (job, t)->address % align_bytes == 0;
    for (uint32_t d = 0; d + 1 < rows->n; d++)
      is_aligned &= strides[d] % 4 == 0;
    if (strides[rows->n - 1] != 1 || !is_aligned)
      return false;
  }
  return true;
}

/* Newly allocated. */
static char *make_options (
    const WeirOclElementwise *job, const Rows *rows, bool is_wide, const WeirOclPosts *posts)
{
  GString *options = g_string_new (is_wide ? "-DWIDTH=4" : "-DWIDTH=1");
  if (job->dtype == WEIR_DTYPE_F16)
    g_string_append (options, " -DWEIR_F16");
  if (job->n_src == 2)
    g_string_append_printf (options, " -DBINARY=binary_%s", binary_names[job->op]);
  if (is_wide)
    g_string_append_printf (options, " -DA_STEP=%u -DB_STEP=%u", rows->strides[0][rows->n - 1],
        rows->strides[1][rows->n - 1]);
  g_string_append (options, posts->options);
  return g_string_free (options, FALSE);
}

WeirOclCall *weir_ocl_elementwise_new (
    WeirOclDevice *device, const WeirOclElementwise *job, GError **error)
{
  WeirOclPosts posts;
  Rows rows;
  if (!weir_ocl_elementwise_can (job)) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_UNSUPPORTED,
        "%s: no kernel for this %s: expected are f32 or f16 in at most four dims",
        weir_ocl_device_label (device), weir_op_info (job->op)->name);
    return NULL;
  }
  weir_ocl_posts_init (&posts, job->posts, job->n_posts);
  merge (job, &rows);
  bool wide = is_wide (job, &rows);
  g_autofree char *options = make_options (job, &rows, wide, &posts);
  cl_program program = weir_ocl_program_get (device, "elementwise", options, error);
  if (!program)
    return NULL;
  uint32_t element_bytes = (uint32_t) weir_dtype_bytes (job->dtype);
  cl_uint4 sizes = align_right (rows.sizes, rows.n, 1),
           a = align_right (rows.strides[0], rows.n, 0),
           b = align_right (rows.strides[1], rows.n, 0),
           dst = align_right (rows.strides[2], rows.n, 0);
  WeirOclGrid grid = weir_ocl_row_grid (
      device, sizes.s[3] / (wide ? 4 : 1), sizes.s[0] * sizes.s[1] * sizes.s[2], GROUP, MAX_GROUPS);
  if (job->n_src == 1)
    return weir_ocl_call_new (device, program, "unary", grid, error,
        WEIR_OCL_ADDRESS (job->src[0].address, element_bytes),
        WEIR_OCL_ADDRESS (job->dst.address, element_bytes), WEIR_OCL_VALUE (sizes),
        WEIR_OCL_VALUE (a), WEIR_OCL_VALUE (dst), WEIR_OCL_VALUE (posts.parameters));
  return weir_ocl_call_new (device, program, "binary", grid, error,
      WEIR_OCL_ADDRESS (job->src[0].address, element_bytes),
      WEIR_OCL_ADDRESS (job->src[1].address, element_bytes),
      WEIR_OCL_ADDRESS (job->dst.address, element_bytes), WEIR_OCL_VALUE (sizes),
      WEIR_OCL_VALUE (a), WEIR_OCL_VALUE (b), WEIR_OCL_VALUE (dst),
      WEIR_OCL_VALUE (posts.parameters));
}
