/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Times the 1x1 convolutions of real networks in f32 and, where there is a kernel, in bf16, our
 * products and oneDNN's primitive in turn: the best of many runs each, one thread. */
#include "tests/kernels/bench_gemm.h"

#include "engine/base/sync.h"
#include "engine/cpu/cpu.h"
#include "kernels/gemm.h"

#include <stdio.h>
#include <stdlib.h>

#define BUDGET_NS 40000000 /* of a row */

typedef struct Row {
  const char *model;
  int64_t n_inner, n_columns, height, width;
  bool adds;
  WeirOp post; /* WEIR_OP_CONV: none */
  float alpha, beta;
} Row;

#define NONE    WEIR_OP_CONV, 0, 0
#define RELU    WEIR_OP_RELU, 0, 0
#define RELU6   WEIR_OP_CLIP, 0, 6
#define SWISH   WEIR_OP_SWISH, 1, 0
#define SIGMOID WEIR_OP_SIGMOID, 0, 0
#define LEAKY   WEIR_OP_LEAKY_RELU, 0.1f, 0

static const Row rows[] = {
  { "yolox_nano", 16, 16, 104, 104, false, SWISH },
  { "yolox_nano", 16, 32, 104, 104, false, SWISH },
  { "yolox_nano", 32, 16, 104, 104, false, SWISH },
  { "yolox_nano", 32, 32, 52, 52, false, SWISH },
  { "yolox_nano", 64, 64, 52, 52, false, SWISH },
  { "yolox_nano", 64, 80, 52, 52, false, SIGMOID },
  { "yolox_nano", 64, 4, 52, 52, false, NONE },
  { "yolox_nano", 64, 1, 52, 52, false, SIGMOID },
  { "yolox_nano", 64, 64, 26, 26, false, SWISH },
  { "yolox_nano", 128, 128, 26, 26, false, SWISH },
  { "yolox_nano", 128, 128, 13, 13, false, SWISH },
  { "yolox_nano", 256, 128, 13, 13, false, SWISH },
  { "yolox_nano", 512, 256, 13, 13, false, SWISH },
  { "person-0013", 32, 8, 160, 272, false, NONE },
  { "person-0013", 8, 32, 160, 272, true, NONE },
  { "person-0013", 32, 16, 160, 272, false, NONE },
  { "person-0013", 16, 64, 80, 136, true, NONE },
  { "person-0013", 64, 16, 80, 136, false, NONE },
  { "person-0013", 32, 128, 40, 68, true, NONE },
  { "person-0013", 128, 32, 40, 68, false, NONE },
  { "person-0013", 64, 256, 20, 34, true, NONE },
  { "person-0013", 256, 64, 20, 34, false, NONE },
  { "vehicle-bike", 16, 96, 128, 128, false, RELU6 },
  { "vehicle-bike", 144, 24, 64, 64, true, NONE },
  { "vehicle-bike", 24, 144, 64, 64, false, RELU6 },
  { "vehicle-bike", 32, 192, 32, 32, false, RELU6 },
  { "vehicle-bike", 96, 576, 16, 16, false, RELU6 },
  { "vehicle-bike", 384, 64, 16, 16, true, NONE },
  { "vehicle-bike", 160, 960, 8, 8, false, RELU6 },
  { "vehicle-bike", 960, 160, 8, 8, true, NONE },
  { "nanodet_m", 58, 58, 52, 52, false, LEAKY },
  { "nanodet_m", 116, 116, 26, 26, false, LEAKY },
  { "nanodet_m", 232, 232, 13, 13, false, LEAKY },
  { "face-0004", 8, 32, 75, 75, false, RELU },
  { "face-0004", 64, 8, 75, 75, false, RELU },
  { "face-0004", 24, 96, 38, 38, false, RELU },
  { "face-0004", 192, 24, 38, 38, false, RELU },
  { "osnet_x0_25", 16, 16, 64, 32, false, NONE },
  { "osnet_x0_25", 24, 24, 32, 16, false, NONE },
  { "version-RFB", 16, 32, 120, 160, false, RELU },
  { "version-RFB", 64, 64, 30, 40, false, RELU },
  { "version-RFB", 128, 128, 15, 20, false, RELU },
  { "version-RFB", 256, 256, 8, 10, false, RELU },
  { "yunet", 64, 64, 80, 80, false, NONE },
  { "FastestDet", 48, 48, 22, 22, false, RELU },
  { "mobilenet_v2", 232, 40, 8, 8, true, NONE },
  { "mobilenet_v2", 56, 328, 4, 4, false, RELU6 },
  { "mobilenet_v2", 320, 1280, 7, 7, false, NONE },
  { "SqueezeNet", 512, 1000, 13, 13, false, RELU },
  { "age-gender", 256, 512, 1, 1, false, RELU },
  { "(none)", 512, 512, 32, 32, false, NONE },
  { "(none)", 1024, 1024, 32, 32, false, NONE },
  { "(none)", 64, 64, 26, 26, false, WEIR_OP_HARD_SWISH, 0, 0 },
};

/* Buffers of a row: src and dst of this type. */
typedef struct Data {
  WeirDtype dtype;
  void *src, *dst;
  float *weights, *bias;
} Data;

static void *lines_new (size_t n_bytes)
{
  return aligned_alloc (64, (n_bytes + 127) / 64 * 64);
}

static float *random_new (int64_t n)
{
  float *values = lines_new ((size_t) n * sizeof *values);
  for (int64_t i = 0; i < n; i++)
    values[i] = (float) (rand () % 2001 - 1000) * 1e-3f;
  return values;
}

static void *picture_new (WeirDtype dtype, int64_t n)
{
  float *values = random_new (n);
  if (dtype == WEIR_DTYPE_F32)
    return values;
  uint16_t *halves = lines_new ((size_t) n * sizeof *halves);
  weir_tensor_kernels ()->bf16_from_f32 (halves, values, (size_t) n);
  free (values);
  return halves;
}

static WeirActivation activation_of (const Row *row)
{
  WeirPostOp post = { .op = row->post, .alpha = row->alpha, .beta = row->beta };
  WeirActivation activation;
  weir_cpu_activation (&post, &activation);
  return activation;
}

static WeirGemm ours_of (const Row *row, const Data *data)
{
  size_t n_inner = (size_t) row->n_inner, n_columns = (size_t) row->n_columns;
  void *packed;
  if (data->dtype == WEIR_DTYPE_BF16) {
    packed = lines_new (weir_gemm_packed_bf16 (n_inner, n_columns) * sizeof (uint16_t));
    weir_gemm_pack_bf16 (packed, data->weights, 1, n_inner, n_inner, n_columns);
  } else {
    packed = lines_new (weir_gemm_packed_floats (n_inner, n_columns) * sizeof (float));
    weir_gemm_pack (packed, data->weights, 1, n_inner, n_inner, n_columns);
  }
  return (WeirGemm){ .a = data->src,
    .a_row = n_inner,
    .b = packed,
    .bias = data->bias,
    .dst = data->dst,
    .dst_row = n_columns,
    .added = row->adds ? data->dst : NULL,
    .n_rows = (size_t) (row->height * row->width),
    .n_inner = n_inner,
    .n_columns = n_columns,
    .activation = activation_of (row) };
}

/* --- oneDNN's --- */

typedef struct Theirs {
  WeirDnnlPrimitive *primitive;
  WeirDnnlBound *bound;
  void *weights, *scratch;
} Theirs;

static WeirDnnlShape picture (WeirDtype dtype, int64_t channels, int64_t height, int64_t width)
{
  return (WeirDnnlShape){ .dtype = dtype,
    .rank = 4,
    .dims = { 1, channels, height, width },
    .strides = { channels * height * width, 1, width * channels, channels } };
}

static bool theirs_init (Theirs *theirs, WeirDnnl *dnnl, const Row *row, const Data *data)
{
  int64_t c = row->n_inner, n = row->n_columns;
  WeirDnnlSpec spec = { .kind = WEIR_DNNL_CONVOLUTION,
    .src = picture (data->dtype, c, row->height, row->width),
    .weights = { data->dtype, 4, { n, c, 1, 1 }, { c, 1, 1, 1 } },
    .bias = { WEIR_DTYPE_F32, 1, { n }, { 1 } },
    .dst = picture (data->dtype, n, row->height, row->width),
    .packs_weights = true,
    .n_spatial = 2,
    .kernel = { 1, 1 },
    .stride = { 1, 1 },
    .dilation = { 1, 1 } };
  if (row->adds)
    spec.post[spec.n_post++] = (WeirDnnlPost){ .op = WEIR_OP_ADD, .added = spec.dst };
  if (row->post != WEIR_OP_CONV)
    spec.post[spec.n_post++] =
        (WeirDnnlPost){ .op = row->post, .alpha = row->alpha, .beta = row->beta };
  theirs->primitive = weir_dnnl_primitive_new (dnnl, &spec, NULL);
  if (!theirs->primitive)
    return false;
  WeirDnnlLayout *layout = weir_dnnl_primitive_layout (theirs->primitive);
  WeirDnnlShape weights = spec.weights;
  weights.dtype = WEIR_DTYPE_F32;
  theirs->weights = lines_new (weir_dnnl_layout_bytes (layout));
  theirs->scratch = lines_new (weir_dnnl_primitive_scratch_bytes (theirs->primitive));
  WeirDnnlArgs args = { .src = data->src,
    .weights = theirs->weights,
    .bias = data->bias,
    .dst = data->dst,
    .scratch = theirs->scratch,
    .added = { data->dst } };
  bool ok = weir_dnnl_pack (dnnl, &weights, data->weights, layout, theirs->weights, NULL);
  weir_dnnl_layout_free (layout);
  theirs->bound = ok ? weir_dnnl_bind (theirs->primitive, &args, NULL) : NULL;
  return theirs->bound != NULL;
}

/* --- both --- */

/* What is added up would grow without end, and in the end compute slowly. */
static void clear_sums (const Row *row, const Data *data)
{
  if (row->adds)
    memset (data->dst, 0,
        (size_t) (row->n_columns * row->height * row->width) * weir_dtype_bytes (data->dtype));
}

static WeirGemmFn multiply_of (WeirDtype dtype)
{
  return dtype == WEIR_DTYPE_BF16 ? weir_gemm_bf16 () : weir_gemm ();
}

static void time_row (const Row *row, const Data *data, const WeirGemm *ours, const Theirs *theirs)
{
  double n_flops = 2.0 * (double) (row->n_inner * row->n_columns * row->height * row->width);
  WeirGemmFn multiply = multiply_of (data->dtype);
  uint64_t best_ns[2] = { UINT64_MAX, UINT64_MAX }, start_ns = weir_now_ns (), now_ns = start_ns;
  clear_sums (row, data);
  while (now_ns - start_ns < BUDGET_NS) {
    uint64_t before_ns = weir_now_ns ();
    multiply (ours);
    now_ns = weir_now_ns ();
    best_ns[0] = MIN (best_ns[0], now_ns - before_ns);
    before_ns = now_ns;
    weir_dnnl_run (theirs->bound, NULL);
    now_ns = weir_now_ns ();
    best_ns[1] = MIN (best_ns[1], now_ns - before_ns);
  }
  printf ("%-12s %4d to %4d %3dx%-3d %-3s %-9s %8.1f us %6.1f | %8.1f us %6.1f | %5.2f %s\n",
      row->model, (int) row->n_inner, (int) row->n_columns, (int) row->height, (int) row->width,
      row->adds ? "Add" : "", row->post == WEIR_OP_CONV ? "" : weir_op_info (row->post)->name,
      (double) best_ns[0] / 1e3, n_flops / (double) best_ns[0], (double) best_ns[1] / 1e3,
      n_flops / (double) best_ns[1], (double) best_ns[1] / (double) best_ns[0],
      weir_dnnl_primitive_name (theirs->primitive));
}

static void bench_row (WeirDnnl *dnnl, const Row *row, WeirDtype dtype)
{
  Theirs theirs = { 0 };
  Data data = { dtype, picture_new (dtype, row->n_inner * row->height * row->width),
    picture_new (dtype, row->n_columns * row->height * row->width),
    random_new (row->n_inner * row->n_columns), random_new (row->n_columns) };
  WeirGemm ours = ours_of (row, &data);
  if (theirs_init (&theirs, dnnl, row, &data))
    time_row (row, &data, &ours, &theirs);
  weir_dnnl_unbind (theirs.bound);
  weir_dnnl_primitive_free (theirs.primitive);
  void *buffers[] = { data.src, data.dst, data.weights, data.bias, (void *) ours.b, theirs.weights,
    theirs.scratch };
  for (size_t i = 0; i < G_N_ELEMENTS (buffers); i++)
    free (buffers[i]);
}

int bench_gemm (void)
{
  static const WeirDtype dtypes[] = { WEIR_DTYPE_F32, WEIR_DTYPE_BF16 };
  WeirDnnl *dnnl = weir_dnnl_new (NULL);
  if (!dnnl || !weir_gemm ())
    return 77;
  WeirCpuThread before = weir_cpu_thread_enter ();
  for (size_t k = 0; k < G_N_ELEMENTS (dtypes) && multiply_of (dtypes[k]); k++) {
    printf (
        "%s, GFLOP/s, one thread: ours | oneDNN's | times as fast\n", weir_dtype_name (dtypes[k]));
    for (size_t i = 0; i < G_N_ELEMENTS (rows); i++)
      bench_row (dnnl, &rows[i], dtypes[k]);
  }
  weir_cpu_thread_leave (before);
  weir_dnnl_free (dnnl);
  return 0;
}
