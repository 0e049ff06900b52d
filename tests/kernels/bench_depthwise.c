/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Times the depthwise convolutions of real networks, ours in f32 and in bf16 and oneDNN's in f32 in
 * turn: the best of many runs each, one thread. FLOPs count taps in the padding, too. */
#include "tests/kernels/bench_depthwise.h"

#include "engine/base/sync.h"
#include "engine/cpu/cpu.h"
#include "kernels/depthwise.h"

#include <stdio.h>
#include <stdlib.h>

#define BUDGET_NS 40000000 /* of a row */

typedef struct Row {
  const char *model;
  int64_t n_channels, height, width, kernel, stride;
  WeirOp post; /* WEIR_OP_CONV: none */
  float alpha, beta;
} Row;

#define NONE  WEIR_OP_CONV, 0, 0
#define RELU  WEIR_OP_RELU, 0, 0
#define RELU6 WEIR_OP_CLIP, 0, 6
#define SWISH WEIR_OP_SWISH, 1, 0
#define LEAKY WEIR_OP_LEAKY_RELU, 0.1f, 0

static const Row rows[] = {
  { "yolox_nano", 16, 208, 208, 3, 2, SWISH },
  { "yolox_nano", 16, 104, 104, 3, 1, SWISH },
  { "yolox_nano", 32, 52, 52, 3, 1, SWISH },
  { "yolox_nano", 64, 52, 52, 3, 1, SWISH },
  { "yolox_nano", 64, 52, 52, 3, 2, SWISH },
  { "yolox_nano", 64, 26, 26, 3, 1, SWISH },
  { "yolox_nano", 128, 13, 13, 3, 1, SWISH },
  { "nanodet_m", 58, 52, 52, 3, 1, NONE },
  { "nanodet_m", 116, 52, 52, 3, 2, NONE },
  { "nanodet_m", 116, 26, 26, 3, 1, NONE },
  { "nanodet_m", 232, 13, 13, 3, 1, NONE },
  { "nanodet_m", 96, 52, 52, 3, 1, LEAKY },
  { "nanodet_m", 96, 13, 13, 3, 1, LEAKY },
  { "FastestDet", 24, 44, 44, 3, 1, NONE },
  { "FastestDet", 48, 22, 22, 3, 1, NONE },
  { "FastestDet", 96, 22, 22, 5, 1, RELU },
  { "osnet_x0_25", 16, 64, 32, 3, 1, RELU },
  { "osnet_x0_25", 24, 32, 16, 3, 1, RELU },
  { "osnet_x0_25", 32, 16, 8, 3, 1, RELU },
  { "version-RFB", 16, 120, 160, 3, 1, RELU },
  { "version-RFB", 32, 120, 160, 3, 2, RELU },
  { "version-RFB", 64, 30, 40, 3, 1, RELU },
  { "version-RFB", 128, 15, 20, 3, 1, RELU },
  { "version-RFB", 256, 8, 10, 3, 1, RELU },
  { "mobilenet_v2", 8, 64, 64, 3, 1, RELU6 },
  { "mobilenet_v2", 48, 64, 64, 3, 2, RELU6 },
  { "mobilenet_v2", 96, 16, 16, 3, 1, RELU6 },
  { "mobilenet_v2", 232, 8, 8, 3, 1, RELU6 },
  { "mobilenet_v2", 328, 4, 4, 3, 1, RELU6 },
  { "vehicle-bike", 32, 128, 128, 3, 1, RELU6 },
  { "vehicle-bike", 96, 128, 128, 3, 2, RELU6 },
  { "vehicle-bike", 144, 64, 64, 3, 1, RELU6 },
  { "vehicle-bike", 384, 16, 16, 3, 1, RELU6 },
  { "vehicle-bike", 960, 8, 8, 3, 1, RELU6 },
  { "person-0013", 8, 160, 272, 3, 1, NONE },
  { "person-0013", 16, 80, 136, 3, 1, NONE },
  { "person-0013", 64, 20, 34, 3, 1, NONE },
  { "yunet", 64, 80, 80, 3, 1, RELU },
  { "yunet", 64, 40, 40, 3, 1, RELU },
  { "yunet", 10, 40, 40, 3, 1, NONE },
  { "(none)", 64, 26, 26, 3, 1, WEIR_OP_HARD_SWISH, 0, 0 },
  { "(none)", 64, 26, 26, 3, 1, WEIR_OP_SIGMOID, 0, 0 },
  { "(none)", 64, 26, 26, 3, 1, WEIR_OP_HARD_SIGMOID, 0.2f, 0.5f },
  { "(none)", 64, 26, 26, 3, 1, WEIR_OP_TANH, 0, 0 },
  { "(none)", 64, 26, 26, 3, 1, WEIR_OP_ELU, 1, 0 },
  { "(none)", 64, 26, 26, 3, 1, WEIR_OP_MISH, 0, 0 },
  { "(none)", 64, 26, 26, 5, 2, NONE },
  { "(none)", 64, 26, 26, 7, 1, NONE },
};

/* Buffers of a row. */
typedef struct Data {
  float *src, *dst, *weights, *bias;
  uint16_t *src_bf16;
} Data;

static float *random_new (int64_t n)
{
  float *values = aligned_alloc (64, ((size_t) n * sizeof *values + 63) / 64 * 64);
  for (int64_t i = 0; i < n; i++)
    values[i] = (float) (rand () % 2001 - 1000) * 1e-3f;
  return values;
}

static int64_t count_results (const Row *row, int64_t n)
{
  return (n - 1) / row->stride + 1;
}

/* --- ours --- */

typedef struct Ours {
  WeirDepthwisePlan plan;
  WeirDepthwiseJob job;
  float *weights;
  void *scratch;
} Ours;

static bool ours_init (
    Ours *ours, const WeirDevice *device, const Row *row, const Data *data, bool is_bf16)
{
  size_t pad = (size_t) row->kernel / 2;
  WeirDepthwise shape = { .n_items = 1,
    .n_channels = (size_t) row->n_channels,
    .src_height = (size_t) row->height,
    .src_width = (size_t) row->width,
    .dst_height = (size_t) count_results (row, row->height),
    .dst_width = (size_t) count_results (row, row->width),
    .kernel_height = (size_t) row->kernel,
    .kernel_width = (size_t) row->kernel,
    .stride_y = (size_t) row->stride,
    .stride_x = (size_t) row->stride,
    .dilation_y = 1,
    .dilation_x = 1,
    .pad_y = pad,
    .pad_x = pad,
    .src_is_bf16 = is_bf16,
    .dst_is_bf16 = is_bf16 };
  WeirPostOp post = { .op = row->post, .alpha = row->alpha, .beta = row->beta };
  if (row->post != WEIR_OP_CONV && !weir_cpu_activation (&post, &shape.activation))
    shape.posts[shape.n_posts++] =
        (WeirDepthwisePost){ weir_cpu_unary_fn (device, row->post), row->alpha, row->beta };
  if (!weir_depthwise_plan (&ours->plan, &shape, weir_depthwise_kernels ()))
    return false;
  ours->weights = aligned_alloc (64, (ours->plan.n_weight_floats * sizeof (float) + 63) / 64 * 64);
  ours->scratch = aligned_alloc (64, (ours->plan.scratch_bytes + 63) / 64 * 64);
  weir_depthwise_pack_weights (&ours->plan, ours->weights, data->weights, data->bias);
  ours->job = (WeirDepthwiseJob){ .plan = &ours->plan, .dst = data->dst, .weights = ours->weights };
  ours->job.src = is_bf16 ? (const void *) data->src_bf16 : data->src;
  return true;
}

/* --- oneDNN's --- */

typedef struct Theirs {
  WeirDnnlPrimitive *primitive;
  WeirDnnlBound *bound;
  void *weights, *scratch;
} Theirs;

static WeirDnnlShape picture (int64_t channels, int64_t height, int64_t width)
{
  return (WeirDnnlShape){ .dtype = WEIR_DTYPE_F32,
    .rank = 4,
    .dims = { 1, channels, height, width },
    .strides = { channels * height * width, 1, width * channels, channels } };
}

static bool theirs_init (Theirs *theirs, WeirDnnl *dnnl, const Row *row, const Data *data)
{
  int64_t k = row->kernel, c = row->n_channels, pad = k / 2;
  int64_t h = count_results (row, row->height), w = count_results (row, row->width);
  WeirDnnlSpec spec = { .kind = WEIR_DNNL_CONVOLUTION,
    .src = picture (c, row->height, row->width),
    .weights = { WEIR_DTYPE_F32, 5, { c, 1, 1, k, k }, { k * k, k * k, k * k, k, 1 } },
    .bias = { WEIR_DTYPE_F32, 1, { c }, { 1 } },
    .dst = picture (c, h, w),
    .packs_weights = true,
    .n_spatial = 2,
    .kernel = { k, k },
    .stride = { row->stride, row->stride },
    .dilation = { 1, 1 },
    .pad_begin = { pad, pad },
    .pad_end = { (h - 1) * row->stride + k - row->height - pad,
        (w - 1) * row->stride + k - row->width - pad },
    .n_post = row->post != WEIR_OP_CONV,
    .post = { { .op = row->post, .alpha = row->alpha, .beta = row->beta } } };
  theirs->primitive = weir_dnnl_primitive_new (dnnl, &spec, NULL);
  if (!theirs->primitive)
    return false;
  WeirDnnlLayout *layout = weir_dnnl_primitive_layout (theirs->primitive);
  theirs->weights = aligned_alloc (64, (weir_dnnl_layout_bytes (layout) + 127) / 64 * 64);
  theirs->scratch =
      aligned_alloc (64, (weir_dnnl_primitive_scratch_bytes (theirs->primitive) + 127) / 64 * 64);
  WeirDnnlArgs args = { .src = data->src,
    .weights = theirs->weights,
    .bias = data->bias,
    .dst = data->dst,
    .scratch = theirs->scratch };
  bool ok = weir_dnnl_pack (dnnl, &spec.weights, data->weights, layout, theirs->weights, NULL);
  weir_dnnl_layout_free (layout);
  theirs->bound = ok ? weir_dnnl_bind (theirs->primitive, &args, NULL) : NULL;
  return theirs->bound != NULL;
}

/* --- all --- */

enum { OURS_F32, OURS_BF16, THEIRS, N_SIDES };

static void time_side (int side, const Ours *ours, const Theirs *theirs, uint64_t *best_ns)
{
  uint64_t before_ns = weir_now_ns ();
  if (side == THEIRS)
    weir_dnnl_run (theirs->bound, NULL);
  else
    weir_depthwise_run (&ours[side].job, ours[side].scratch, 0, ours[side].plan.n_units);
  *best_ns = MIN (*best_ns, weir_now_ns () - before_ns);
}

static void time_row (const Row *row, const Ours *ours, const Theirs *theirs)
{
  double n_flops =
      2.0 * (double) (row->kernel * row->kernel * row->n_channels *
                      count_results (row, row->height) * count_results (row, row->width));
  uint64_t best_ns[N_SIDES] = { UINT64_MAX, UINT64_MAX, UINT64_MAX }, start_ns = weir_now_ns ();
  while (weir_now_ns () - start_ns < BUDGET_NS)
    for (int side = 0; side < N_SIDES; side++)
      time_side (side, ours, theirs, &best_ns[side]);
  printf ("%-12s %3d channels %3dx%-3d %dx%d stride %d %-9s", row->model, (int) row->n_channels,
      (int) row->height, (int) row->width, (int) row->kernel, (int) row->kernel, (int) row->stride,
      row->post == WEIR_OP_CONV ? "" : weir_op_info (row->post)->name);
  for (int side = 0; side < N_SIDES; side++)
    printf (" %8.1f us %6.1f |", (double) best_ns[side] / 1e3, n_flops / (double) best_ns[side]);
  printf (" %5.2f %5.2f %s\n", (double) best_ns[THEIRS] / (double) best_ns[OURS_F32],
      (double) best_ns[OURS_F32] / (double) best_ns[OURS_BF16],
      weir_dnnl_primitive_name (theirs->primitive));
}

static void bench_row (const WeirDevice *device, const Row *row)
{
  Ours ours[2] = { 0 };
  Theirs theirs = { 0 };
  Data data = { random_new (row->n_channels * row->height * row->width),
    random_new (
        row->n_channels * count_results (row, row->height) * count_results (row, row->width)),
    random_new (row->n_channels * row->kernel * row->kernel), random_new (row->n_channels) };
  size_t n_src = (size_t) (row->n_channels * row->height * row->width);
  data.src_bf16 = aligned_alloc (64, (n_src * sizeof (uint16_t) + 63) / 64 * 64);
  device->kernels->bf16_from_f32 (data.src_bf16, data.src, n_src);
  if (ours_init (&ours[OURS_F32], device, row, &data, false) &&
      ours_init (&ours[OURS_BF16], device, row, &data, true) &&
      theirs_init (&theirs, device->dnnl, row, &data))
    time_row (row, ours, &theirs);
  weir_dnnl_unbind (theirs.bound);
  weir_dnnl_primitive_free (theirs.primitive);
  void *buffers[] = { data.src, data.dst, data.weights, data.bias, data.src_bf16,
    ours[OURS_F32].weights, ours[OURS_F32].scratch, ours[OURS_BF16].weights,
    ours[OURS_BF16].scratch, theirs.weights, theirs.scratch };
  for (size_t i = 0; i < G_N_ELEMENTS (buffers); i++)
    free (buffers[i]);
}

int bench_depthwise (void)
{
  WeirDevice device = { .kernels = weir_tensor_kernels (), .dnnl = weir_dnnl_new (NULL) };
  if (!device.dnnl || !weir_depthwise_kernels ())
    return 77;
  WeirCpuThread before = weir_cpu_thread_enter ();
  printf (
      "GFLOP/s, one thread: ours in f32 | ours in bf16 | oneDNN's in f32 | ours in f32, times as "
      "fast as oneDNN's | ours in bf16, times as fast as in f32\n");
  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++)
    bench_row (&device, &rows[i]);
  weir_cpu_thread_leave (before);
  weir_dnnl_free (device.dnnl);
  return 0;
}
