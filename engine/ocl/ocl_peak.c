/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Peaks of a device: each kind is run often and timed by the device's own clock; the best run
 * counts, since others can only make one slower. */
#include "engine/ocl/ocl_peak.h"

#include "engine/ocl/ocl_int8.h"
#include "engine/ocl/ocl_memory.h"
#include "engine/ocl/ocl_private.h"
#include "engine/ocl/ocl_program.h"

#include <string.h>

#define N_SUMS      16 /* of peak.cl */
#define RUN_NS      1000000
#define MAX_ROUNDS  (1u << 20)
#define N_RUNS      16u
#define LEAST_RUNS  3u
#define BUDGET_NS   (30 * UINT64_C (1000000)) /* of the runs of one kind but the least */
#define GROUP       256u
#define UNIT_ITEMS  2048u /* of a unit: as many as one can hold, of most makers */
#define CPU_BYTES   (48u << 20)
#define GPU_BYTES   (384u << 20)
#define LINK_BYTES  (32u << 20)
#define CACHE_BYTES (1u << 20) /* where the device does not say */
#define N_LAUNCHES  256u

/* What is measured, and where. */
typedef struct Bench {
  WeirOclDevice *device;
  WeirOclMemory *memory;
  GArray *timings;
  size_t n_bytes, n_items;
  cl_ulong cache_bytes;
} Bench;

/* Lowers *least_ns to the shortest command since the last time. */
static bool take_ns (Bench *bench, uint64_t *least_ns, GError **error)
{
  g_array_set_size (bench->timings, 0);
  if (!weir_ocl_queue_take_timings (bench->memory->queue, bench->timings, error))
    return false;
  for (uint32_t i = 0; i < bench->timings->len; i++) {
    const WeirOclTiming *timing = &g_array_index (bench->timings, WeirOclTiming, i);
    *least_ns = MIN (*least_ns, MAX (timing->end_ns - timing->start_ns, 1));
  }
  return true;
}

/* The shortest of several runs. */
static bool run_often (Bench *bench, const WeirOclCall *call, uint64_t *least_ns, GError **error)
{
  uint64_t over_ns = weir_now_ns () + BUDGET_NS;
  *least_ns = G_MAXUINT64;
  for (uint32_t i = 0; i < N_RUNS && (i < LEAST_RUNS || weir_now_ns () < over_ns); i++)
    if (!weir_ocl_queue_run (bench->memory->queue, call, NULL, error) ||
        !take_ns (bench, least_ns, error))
      return false;
  return true;
}

static WeirOclGrid make_grid (const Bench *bench, size_t n_items)
{
  size_t group = MIN (GROUP, bench->device->facts->max_group);
  return weir_ocl_grid (n_items, 0, 0, group, 0, 0);
}

/* A kernel of peak.cl that is nothing but arithmetic. */
typedef struct Loop {
  const char *kernel, *options;
  double width; /* multiply-adds of each sum in a round */
} Loop;

static WeirOclCall *new_rounds (
    const Bench *bench, const Loop *loop, cl_program program, cl_uint n_rounds, GError **error)
{
  return weir_ocl_call_new (bench->device, program, loop->kernel, make_grid (bench, bench->n_items),
      error, WEIR_OCL_ADDRESS (bench->memory->base, sizeof (float)), WEIR_OCL_VALUE (n_rounds));
}

/* As many rounds as take a run's time; operations a ns. */
static bool measure_rounds (Bench *bench, const Loop *loop, double *gflops, GError **error)
{
  cl_program program = weir_ocl_program_get (bench->device, "peak", loop->options, error);
  uint64_t ns = 0;
  cl_uint n_rounds = 64;
  while (program && ns < RUN_NS && n_rounds < MAX_ROUNDS) {
    n_rounds *= ns < RUN_NS / 4 ? 4 : 2;
    g_autoptr (WeirOclCall) call = new_rounds (bench, loop, program, n_rounds, error);
    ns = G_MAXUINT64;
    if (!call || !weir_ocl_queue_run (bench->memory->queue, call, NULL, error) ||
        !take_ns (bench, &ns, error))
      return false;
  }
  g_autoptr (WeirOclCall) call =
      program ? new_rounds (bench, loop, program, n_rounds, error) : NULL;
  if (!call || !run_often (bench, call, &ns, error))
    return false;
  *gflops = 2 * loop->width * N_SUMS * n_rounds * (double) bench->n_items / (double) ns;
  return true;
}

static bool measure_arithmetic (Bench *bench, WeirDevicePeaks *peaks, GError **error)
{
  const WeirOclFacts *facts = bench->device->facts;
  bool is_cpu = facts->kind == WEIR_OCL_CPU;
  g_autofree char *dot = g_strconcat ("-DDOT", weir_ocl_dot_options (facts), NULL);
  const Loop f32 = { "multiply_add", is_cpu ? "-DWIDE" : "", is_cpu ? 16 : 1 },
             f16 = { "multiply_add", "-DHALF", 2 }, int8 = { "dot_products", dot, 4 };
  return measure_rounds (bench, &f32, &peaks->f32_gflops, error) &&
         (!facts->has_fp16 || measure_rounds (bench, &f16, &peaks->f16_gflops, error)) &&
         (!facts->has_int8_dot || measure_rounds (bench, &int8, &peaks->int8_gflops, error));
}

/* Three streams of n_bytes together: bytes a ns. */
static bool measure_stream (Bench *bench, size_t n_bytes, double *gbps, GError **error)
{
  const uint8_t *base = bench->memory->base;
  cl_program program = weir_ocl_program_get (bench->device, "peak", "", error);
  cl_uint n = (cl_uint) (n_bytes / 3 / sizeof (cl_float4));
  size_t part = n * sizeof (cl_float4);
  uint64_t ns;
  if (!program || n == 0)
    return program != NULL;
  g_autoptr (WeirOclCall) call = weir_ocl_call_new (bench->device, program, "stream",
      make_grid (bench, n), error, WEIR_OCL_ADDRESS (base, sizeof (cl_float4)),
      WEIR_OCL_ADDRESS (base + part, sizeof (cl_float4)),
      WEIR_OCL_ADDRESS (base + 2 * part, sizeof (cl_float4)), WEIR_OCL_VALUE (n));
  if (!call || !run_often (bench, call, &ns, error))
    return false;
  *gbps = 3.0 * (double) part / (double) ns;
  return true;
}

typedef bool (*TransferFn) (Bench *bench, void *host, size_t n_bytes, GError **error);

static bool upload (Bench *bench, void *host, size_t n_bytes, GError **error)
{
  return weir_ocl_queue_write (
      bench->memory->queue, bench->memory->base, host, n_bytes, NULL, error);
}

static bool download (Bench *bench, void *host, size_t n_bytes, GError **error)
{
  return weir_ocl_queue_read (
      bench->memory->queue, host, bench->memory->base, n_bytes, NULL, error);
}

static bool transfer_often (
    Bench *bench, TransferFn transfer, void *host, size_t n_bytes, double *gbps, GError **error)
{
  uint64_t over_ns = weir_now_ns () + BUDGET_NS, ns = G_MAXUINT64;
  for (uint32_t i = 0; i < N_RUNS && (i < LEAST_RUNS || weir_now_ns () < over_ns); i++)
    if (!transfer (bench, host, n_bytes, error) || !take_ns (bench, &ns, error))
      return false;
  *gbps = (double) n_bytes / (double) ns;
  return true;
}

/* From and to what the driver calls pinned: a mapped buffer of the host's. */
static bool measure_link (Bench *bench, WeirDevicePeaks *peaks, GError **error)
{
  WeirOclDevice *device = bench->device;
  size_t n_bytes = MIN (LINK_BYTES, bench->n_bytes);
  cl_int code;
  cl_mem pinned = clCreateBuffer (
      device->context, CL_MEM_READ_WRITE | CL_MEM_ALLOC_HOST_PTR, n_bytes, NULL, &code);
  if (!weir_ocl_device_check (device, code, "clCreateBuffer (pinned)", error))
    return false;
  void *host = clEnqueueMapBuffer (
      device->queue, pinned, CL_TRUE, CL_MAP_READ | CL_MAP_WRITE, 0, n_bytes, 0, NULL, NULL, &code);
  bool is_done = weir_ocl_device_check (device, code, "clEnqueueMapBuffer", error);
  if (is_done) {
    memset (host, 0, n_bytes);
    is_done = transfer_often (bench, upload, host, n_bytes, &peaks->upload_gbps, error) &&
              transfer_often (bench, download, host, n_bytes, &peaks->download_gbps, error);
    clEnqueueUnmapMemObject (device->queue, pinned, host, 0, NULL, NULL);
    clFinish (device->queue);
  }
  clReleaseMemObject (pinned);
  return is_done;
}

/* On a queue that times nothing, as plans run: many in a row, by the host's clock. */
static bool measure_launch (Bench *bench, WeirDevicePeaks *peaks, GError **error)
{
  g_autoptr (WeirOclQueue) queue = weir_ocl_queue_new (bench->device, false, error);
  cl_program program = queue ? weir_ocl_program_get (bench->device, "peak", "", error) : NULL;
  g_autoptr (WeirOclCall) call = NULL;
  uint64_t least_ns = G_MAXUINT64;
  if (program)
    call = weir_ocl_call_new (bench->device, program, "nothing", weir_ocl_grid (1, 0, 0, 1, 0, 0),
        error, WEIR_OCL_ADDRESS (bench->memory->base, sizeof (float)));
  for (uint32_t i = 0; call && i < N_RUNS; i++) {
    uint64_t start_ns = weir_now_ns ();
    cl_event done = NULL;
    for (uint32_t k = 0; k < N_LAUNCHES; k++)
      if (!weir_ocl_queue_run (queue, call, k + 1 < N_LAUNCHES ? NULL : &done, error))
        return false;
    if (!weir_ocl_queue_wait (queue, done, error))
      return false;
    least_ns = MIN (least_ns, weir_now_ns () - start_ns);
  }
  peaks->launch_us = (double) least_ns / 1e3 / N_LAUNCHES;
  return call != NULL;
}

/* Half of the cache, and what is beyond it. */
static bool measure_memory (Bench *bench, WeirDevicePeaks *peaks, GError **error)
{
  peaks->cache_bytes = MIN (bench->cache_bytes, bench->n_bytes);
  return measure_stream (bench, peaks->cache_bytes / 2, &peaks->cache_gbps, error) &&
         measure_stream (bench, bench->n_bytes, &peaks->memory_gbps, error);
}

static bool take_memory (Bench *bench, GError **error)
{
  const WeirOclFacts *facts = bench->device->facts;
  size_t most = facts->kind == WEIR_OCL_CPU ? CPU_BYTES : GPU_BYTES;
  bench->n_bytes = (size_t) MIN (most, weir_ocl_memory_left (bench->device) / 4);
  bench->n_bytes = (size_t) MIN (bench->n_bytes, facts->max_alloc_bytes);
  bench->n_items = (size_t) MAX (facts->n_units, 1) * UNIT_ITEMS;
  bench->n_bytes = MAX (bench->n_bytes, bench->n_items * sizeof (float));
  bench->memory = weir_ocl_memory_new (bench->device, bench->n_bytes, true, true, error);
  if (clGetDeviceInfo (bench->device->id, CL_DEVICE_GLOBAL_MEM_CACHE_SIZE,
          sizeof bench->cache_bytes, &bench->cache_bytes, NULL) != CL_SUCCESS ||
      bench->cache_bytes == 0)
    bench->cache_bytes = CACHE_BYTES;
  return bench->memory != NULL;
}

bool weir_ocl_peaks_measure (WeirOclDevice *device, WeirDevicePeaks *peaks, GError **error)
{
  g_autoptr (GArray) timings = g_array_new (FALSE, FALSE, sizeof (WeirOclTiming));
  Bench bench = { .device = device, .timings = timings };
  *peaks = (WeirDevicePeaks){ 0 };
  bool is_done = take_memory (&bench, error) && measure_arithmetic (&bench, peaks, error) &&
                 measure_memory (&bench, peaks, error) && measure_link (&bench, peaks, error) &&
                 measure_launch (&bench, peaks, error);
  weir_ocl_memory_free (bench.memory);
  return is_done;
}
