/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Times the 8-bit convolutions of real networks, ours and oneDNN's in turn: the best of many runs
 * each, one thread. Operations count taps in the padding, too. */
#include "tests/kernels/bench_int8.h"

#include "engine/base/sync.h"
#include "engine/cpu/cpu.h"
#include "kernels/convolution_int8.h"
#include "kernels/depthwise_int8.h"
#include "kernels/gemm_int8.h"

#include <stdio.h>
#include <stdlib.h>

#define BUDGET_NS 40000000 /* of a row */

typedef struct Row {
  const char *model;
  int64_t channels, height, width, results, kernel, stride; /* results: 0 for depthwise */
} Row;

static const Row depthwise_rows[] = {
  { "mobilenet_v2", 32, 112, 112, 0, 3, 1 },
  { "mobilenet_v2", 96, 112, 112, 0, 3, 2 },
  { "mobilenet_v2", 144, 56, 56, 0, 3, 1 },
  { "mobilenet_v2", 144, 56, 56, 0, 3, 2 },
  { "mobilenet_v2", 192, 28, 28, 0, 3, 1 },
  { "mobilenet_v2", 192, 28, 28, 0, 3, 2 },
  { "mobilenet_v2", 384, 14, 14, 0, 3, 1 },
  { "mobilenet_v2", 576, 14, 14, 0, 3, 1 },
  { "mobilenet_v2", 576, 14, 14, 0, 3, 2 },
  { "mobilenet_v2", 960, 7, 7, 0, 3, 1 },
  { "(none)", 128, 28, 28, 0, 5, 1 },
  { "(none)", 128, 28, 28, 0, 5, 2 },
};

static const Row pointwise_rows[] = {
  { "mobilenet_v2", 32, 112, 112, 16, 1, 1 },
  { "mobilenet_v2", 16, 112, 112, 96, 1, 1 },
  { "mobilenet_v2", 96, 56, 56, 24, 1, 1 },
  { "mobilenet_v2", 24, 56, 56, 144, 1, 1 },
  { "mobilenet_v2", 144, 56, 56, 24, 1, 1 },
  { "mobilenet_v2", 144, 28, 28, 32, 1, 1 },
  { "mobilenet_v2", 32, 28, 28, 192, 1, 1 },
  { "mobilenet_v2", 192, 28, 28, 32, 1, 1 },
  { "mobilenet_v2", 192, 14, 14, 64, 1, 1 },
  { "mobilenet_v2", 64, 14, 14, 384, 1, 1 },
  { "mobilenet_v2", 384, 14, 14, 64, 1, 1 },
  { "mobilenet_v2", 384, 14, 14, 96, 1, 1 },
  { "mobilenet_v2", 96, 14, 14, 576, 1, 1 },
  { "mobilenet_v2", 576, 14, 14, 96, 1, 1 },
  { "mobilenet_v2", 576, 7, 7, 160, 1, 1 },
  { "mobilenet_v2", 160, 7, 7, 960, 1, 1 },
  { "mobilenet_v2", 960, 7, 7, 160, 1, 1 },
  { "mobilenet_v2", 960, 7, 7, 320, 1, 1 },
  { "mobilenet_v2", 320, 7, 7, 1280, 1, 1 },
  { "face-detection", 32, 75, 75, 16, 1, 1 },
  { "face-detection", 64, 38, 38, 32, 1, 1 },
  { "face-detection", 128, 19, 19, 64, 1, 1 },
};

static const Row convolution_rows[] = {
  { "mobilenet_v2", 3, 224, 224, 32, 3, 2 },
  { "face-detection", 3, 300, 300, 32, 7, 2 },
  { "emotions", 3, 64, 64, 64, 7, 2 },
  { "age-gender", 3, 62, 62, 48, 3, 1 },
  { "face-detection", 16, 75, 75, 32, 3, 1 },
  { "face-detection", 32, 75, 75, 64, 3, 2 },
  { "face-detection", 32, 38, 38, 64, 3, 1 },
  { "face-detection", 64, 19, 19, 128, 3, 1 },
  { "age-gender", 48, 30, 30, 64, 3, 1 },
  { "age-gender", 96, 15, 15, 192, 3, 1 },
  { "age-gender", 192, 5, 5, 256, 3, 1 },
  { "age-gender", 256, 3, 3, 256, 3, 1 },
  { "emotions", 128, 8, 8, 128, 3, 1 },
  { "emotions", 256, 4, 4, 256, 3, 1 },
  { "emotions", 256, 4, 4, 256, 3, 2 },
};

/* Buffers of a row. */
typedef struct Data {
  uint8_t *src, *dst;
  int8_t *weights;
  float *scale, *bias;
} Data;

static void *bytes_new (int64_t n)
{
  uint8_t *bytes = aligned_alloc (64, ((size_t) n + 127) / 64 * 64);
  for (int64_t i = 0; i < n; i++)
    bytes[i] = (uint8_t) rand ();
  return bytes;
}

static float *numbers_new (int64_t n, float value)
{
  float *numbers = aligned_alloc (64, ((size_t) n * sizeof *numbers + 127) / 64 * 64);
  for (int64_t i = 0; i < n; i++)
    numbers[i] = value;
  return numbers;
}

static int64_t count_results (const Row *row, int64_t n)
{
  return (n - 1) / row->stride + 1;
}

static int64_t count_channels (const Row *row)
{
  return row->results ? row->results : row->channels;
}

static int64_t count_weights (const Row *row)
{
  return row->kernel * row->kernel * row->channels * (row->results ? row->results : 1);
}

/* --- ours --- */

typedef struct Ours {
  WeirDepthwiseInt8Plan depthwise;
  WeirDepthwiseInt8Job depthwise_job;
  WeirGemmInt8Plan gemm;
  WeirGemmInt8Job gemm_job;
  WeirConvolutionInt8Plan convolution;
  WeirConvolutionInt8Job convolution_job;
  uint8_t *packed, *scratch;
} Ours;

static bool depthwise_init (Ours *ours, const Row *row, const Data *data)
{
  size_t pad = (size_t) row->kernel / 2;
  WeirDepthwiseInt8 shape = { 1, (size_t) row->channels, (size_t) row->height, (size_t) row->width,
    (size_t) count_results (row, row->height), (size_t) count_results (row, row->width),
    (size_t) row->kernel, (size_t) row->stride, pad, pad };
  WeirRequantise codes = { data->scale, data->bias, 3, 0, 255, 0 };
  if (!weir_depthwise_int8_plan (&ours->depthwise, &shape))
    return false;
  ours->packed = bytes_new ((int64_t) ours->depthwise.packed_bytes);
  weir_depthwise_int8_pack (&ours->depthwise, ours->packed, data->weights, &codes);
  ours->depthwise_job =
      (WeirDepthwiseInt8Job){ &ours->depthwise, ours->packed, codes, data->src, data->dst };
  return true;
}

static bool pointwise_init (Ours *ours, const Row *row, const Data *data)
{
  WeirGemmInt8 shape = { (size_t) (row->height * row->width), 1, (size_t) row->channels,
    (size_t) row->results };
  WeirRequantise codes = { data->scale, data->bias, 3, 0, 255, 0 };
  if (!weir_gemm_int8_plan (&ours->gemm, &shape))
    return false;
  ours->packed = bytes_new ((int64_t) ours->gemm.packed_bytes);
  weir_gemm_int8_pack (&ours->gemm, ours->packed, data->weights, &codes);
  ours->gemm_job = (WeirGemmInt8Job){ &ours->gemm, ours->packed, codes, data->src, data->dst };
  return true;
}

static bool convolution_init (Ours *ours, const Row *row, const Data *data)
{
  size_t k = (size_t) row->kernel, stride = (size_t) row->stride;
  WeirConvolutionInt8 shape = { 1, (size_t) row->channels, (size_t) row->results,
    (size_t) row->height, (size_t) row->width, (size_t) count_results (row, row->height),
    (size_t) count_results (row, row->width), k, k, stride, stride, k / 2, k / 2 };
  WeirRequantise codes = { data->scale, data->bias, 3, 0, 255, 0 };
  if (!weir_convolution_int8_plan (&ours->convolution, &shape))
    return false;
  ours->packed = bytes_new ((int64_t) ours->convolution.gemm.packed_bytes);
  ours->scratch = bytes_new ((int64_t) ours->convolution.scratch_bytes);
  weir_gemm_int8_pack (&ours->convolution.gemm, ours->packed, data->weights, &codes);
  ours->convolution_job =
      (WeirConvolutionInt8Job){ &ours->convolution, ours->packed, codes, data->src, data->dst };
  return true;
}

static void ours_run (const Ours *ours)
{
  if (ours->convolution_job.plan)
    weir_convolution_int8_run (&ours->convolution_job, ours->scratch, 0, ours->convolution.n_units);
  else if (ours->gemm_job.plan)
    weir_gemm_int8_run (&ours->gemm_job, 0, ours->gemm.n_units);
  else
    weir_depthwise_int8_run (&ours->depthwise_job, 0, ours->depthwise.n_units);
}

/* --- oneDNN's --- */

typedef struct Theirs {
  WeirDnnlPrimitive *primitive;
  WeirDnnlBound *bound;
  void *weights, *scratch;
} Theirs;

static WeirDnnlShape picture (int64_t channels, int64_t height, int64_t width)
{
  return (WeirDnnlShape){ .dtype = WEIR_DTYPE_U8,
    .rank = 4,
    .dims = { 1, channels, height, width },
    .strides = { channels * height * width, 1, width * channels, channels } };
}

static WeirDnnlShape weights_of (const Row *row)
{
  int64_t k = row->kernel, c = row->channels;
  WeirDnnlShape grouped = { WEIR_DTYPE_I8, 5, { c, 1, 1, k, k }, { k * k, k * k, k * k, k, 1 } };
  WeirDnnlShape dense = { WEIR_DTYPE_I8, 4, { row->results, c, k, k }, { c * k * k, k * k, k, 1 } };
  return row->results ? dense : grouped;
}

static bool theirs_init (Theirs *theirs, WeirDnnl *dnnl, const Row *row, const Data *data)
{
  int64_t k = row->kernel, n = count_channels (row), pad = k / 2;
  int64_t h = count_results (row, row->height), w = count_results (row, row->width);
  WeirDnnlSpec spec = { .kind = WEIR_DNNL_CONVOLUTION,
    .src = picture (row->channels, row->height, row->width),
    .weights = weights_of (row),
    .bias = { WEIR_DTYPE_F32, 1, { n }, { 1 } },
    .dst = picture (n, h, w),
    .packs_weights = true,
    .n_spatial = 2,
    .kernel = { k, k },
    .stride = { row->stride, row->stride },
    .dilation = { 1, 1 },
    .pad_begin = { pad, pad },
    .pad_end = { (h - 1) * row->stride + k - row->height - pad,
        (w - 1) * row->stride + k - row->width - pad },
    .n_scales = (uint32_t) n,
    .scales = data->scale };
  theirs->primitive = weir_dnnl_primitive_new (dnnl, &spec, NULL);
  if (!theirs->primitive)
    return false;
  WeirDnnlLayout *layout = weir_dnnl_primitive_layout (theirs->primitive);
  theirs->weights = bytes_new ((int64_t) weir_dnnl_layout_bytes (layout));
  theirs->scratch = bytes_new ((int64_t) weir_dnnl_primitive_scratch_bytes (theirs->primitive));
  WeirDnnlArgs args = { .src = data->src,
    .weights = theirs->weights,
    .bias = data->bias,
    .scales = data->scale,
    .dst = data->dst,
    .scratch = theirs->scratch };
  bool ok = weir_dnnl_pack (dnnl, &spec.weights, data->weights, layout, theirs->weights, NULL);
  weir_dnnl_layout_free (layout);
  theirs->bound = ok ? weir_dnnl_bind (theirs->primitive, &args, NULL) : NULL;
  return theirs->bound != NULL;
}

/* --- both --- */

static void time_row (const Row *row, const Ours *ours, const Theirs *theirs)
{
  double n_ops = 2.0 * (double) (count_weights (row) * count_results (row, row->height) *
                                 count_results (row, row->width));
  uint64_t best_ns[2] = { UINT64_MAX, UINT64_MAX }, start_ns = weir_now_ns (), now_ns = start_ns;
  while (now_ns - start_ns < BUDGET_NS) {
    uint64_t before_ns = now_ns;
    ours_run (ours);
    now_ns = weir_now_ns ();
    best_ns[0] = MIN (best_ns[0], now_ns - before_ns);
    before_ns = now_ns;
    weir_dnnl_run (theirs->bound, NULL);
    now_ns = weir_now_ns ();
    best_ns[1] = MIN (best_ns[1], now_ns - before_ns);
  }
  printf ("%-14s %4d %3dx%-3d %4d %dx%d/%d %7.1f us %6.1f | %7.1f us %6.1f | %5.2f %s\n",
      row->model, (int) row->channels, (int) row->height, (int) row->width,
      (int) count_channels (row), (int) row->kernel, (int) row->kernel, (int) row->stride,
      (double) best_ns[0] / 1e3, n_ops / (double) best_ns[0], (double) best_ns[1] / 1e3,
      n_ops / (double) best_ns[1], (double) best_ns[1] / (double) best_ns[0],
      weir_dnnl_primitive_name (theirs->primitive));
}

static void bench_row (WeirDnnl *dnnl, const Row *row)
{
  Ours ours = { 0 };
  Theirs theirs = { 0 };
  int64_t n = count_channels (row);
  Data data = { bytes_new (row->channels * row->height * row->width),
    bytes_new (n * row->height * row->width), bytes_new (count_weights (row)),
    numbers_new (n, 1e-3f), numbers_new (n, 100) };
  bool ok = row->kernel == 1 ? pointwise_init (&ours, row, &data)
            : row->results   ? convolution_init (&ours, row, &data)
                             : depthwise_init (&ours, row, &data);
  if (ok && theirs_init (&theirs, dnnl, row, &data))
    time_row (row, &ours, &theirs);
  weir_dnnl_unbind (theirs.bound);
  weir_dnnl_primitive_free (theirs.primitive);
  void *buffers[] = { data.src, data.dst, data.weights, data.scale, data.bias, ours.packed,
    ours.scratch, theirs.weights, theirs.scratch };
  for (size_t i = 0; i < G_N_ELEMENTS (buffers); i++)
    free (buffers[i]);
}

static int bench_rows (const Row *rows, size_t n)
{
  WeirDnnl *dnnl = weir_dnnl_new (NULL);
  if (!dnnl)
    return 77;
  WeirCpuThread before = weir_cpu_thread_enter ();
  printf ("channels, source, results; GOP/s, one thread: ours | oneDNN's | times as fast\n");
  for (size_t i = 0; i < n; i++)
    bench_row (dnnl, &rows[i]);
  weir_cpu_thread_leave (before);
  weir_dnnl_free (dnnl);
  return 0;
}

int bench_int8_depthwise (void)
{
  return bench_rows (depthwise_rows, G_N_ELEMENTS (depthwise_rows));
}

int bench_int8_pointwise (void)
{
  return bench_rows (pointwise_rows, G_N_ELEMENTS (pointwise_rows));
}

int bench_int8_convolution (void)
{
  return bench_rows (convolution_rows, G_N_ELEMENTS (convolution_rows));
}
