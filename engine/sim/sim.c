/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The backend of the device SIM: a run clears the results and then sleeps until the time is over
 * that it should have taken. */
#include "engine/sim/sim.h"

#include "engine/base/sync.h"
#include "engine/error.h"
#include "engine/graph/geometry.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>

struct WeirDevice {
  uint64_t fixed_ns, per_item_ns;
};

typedef struct Result {
  void *data;
  size_t n_bytes;
} Result;

typedef struct Kernel {
  uint64_t ns;
  uint32_t n_results;
  Result results[]; /* addresses are a binding's */
} Kernel;

static WeirPrecision precision (const WeirDevice *device)
{
  return WEIR_PRECISION_F32;
}

static WeirDevice *open_device (const WeirDeviceOptions *options, GError **error)
{
  WeirDevice *device = g_new (WeirDevice, 1);
  *device = (WeirDevice){ options->sim_fixed_ns, options->sim_per_item_ns };
  return device;
}

static void close_device (WeirDevice *device)
{
  g_free (device);
}

/* Inputs in the layout in which they are offered, so that pictures are prepared as for the CPU. */
static bool propose (WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  for (uint32_t i = 0; i < spec->n_src; i++) {
    WeirDtype dtype = spec->src[i].dtype;
    src[i].dtype = weir_dtype_is_floating (dtype) ? WEIR_DTYPE_F32 : dtype;
    src[i].layout = spec->src[i].layout;
  }
  for (uint32_t i = 0; i < spec->n_dst; i++) {
    WeirDtype dtype = spec->dst[i].dtype;
    dst[i].dtype = weir_dtype_is_floating (dtype) ? WEIR_DTYPE_F32 : dtype;
    dst[i].layout = WEIR_LAYOUT_PLAIN;
  }
  return spec->node->op == WEIR_OP_SIMULATE;
}

static Kernel *new_kernel (uint32_t n_results)
{
  return g_malloc0 (sizeof (Kernel) + n_results * sizeof (Result));
}

static void *compile (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  Kernel *kernel = new_kernel (spec->n_dst);
  uint64_t n = (uint64_t) weir_simulate_n (spec->node, &spec->src[0]);
  kernel->ns = device->fixed_ns + device->per_item_ns * n;
  kernel->n_results = spec->n_dst;
  *scratch_bytes = 0;
  for (uint32_t i = 0; i < spec->n_dst; i++) {
    if (weir_tensor_bytes (&spec->dst[i], &kernel->results[i].n_bytes))
      continue;
    g_free (kernel);
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_MEMORY, "output %u exceeds memory", i);
    return NULL;
  }
  return kernel;
}

static void *bind (void *data, const WeirBinding *binding, GError **error)
{
  const Kernel *kernel = data;
  Kernel *bound = new_kernel (kernel->n_results);
  bound->ns = kernel->ns;
  for (uint32_t i = 0; i < kernel->n_results; i++)
    if (binding->dst[i])
      bound->results[bound->n_results++] = (Result){ binding->dst[i], kernel->results[i].n_bytes };
  return bound;
}

static void sleep_until (uint64_t end_ns)
{
  struct timespec end = { .tv_sec = (time_t) (end_ns / 1000000000u),
    .tv_nsec = (long) (end_ns % 1000000000u) };
  while (clock_nanosleep (CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL) == EINTR)
    continue;
}

/* Cleared anew each time, inside the time that it takes: slots of other n use the same memory. */
static bool run (void *data, GError **error)
{
  const Kernel *bound = data;
  uint64_t start_ns = bound->ns ? weir_now_ns () : 0;
  for (uint32_t i = 0; i < bound->n_results; i++)
    memset (bound->results[i].data, 0, bound->results[i].n_bytes);
  if (bound->ns)
    sleep_until (start_ns + bound->ns);
  return true;
}

static const char *describe (const void *kernel)
{
  return "sleep";
}

/* Sleeps end when they should: by default Linux lets them end 50 µs later. */
static void enter_thread (WeirDevice *device)
{
  prctl (PR_SET_TIMERSLACK, 1ul, 0ul, 0ul, 0ul);
}

static size_t weight_bytes (const WeirDevice *device)
{
  return 0;
}

const WeirBackend weir_backend_sim = {
  .name = "sim",
  .precision = precision,
  .open = open_device,
  .close = close_device,
  .propose = propose,
  .compile = compile,
  .release = g_free,
  .bind = bind,
  .run = run,
  .unbind = g_free,
  .describe = describe,
  .enter_thread = enter_thread,
  .weight_bytes = weight_bytes,
};
