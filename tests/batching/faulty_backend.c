/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The reference backend's table of functions with kernels that know their batch. */
#include "tests/batching/faulty_backend.h"

#include "engine/base/sync.h"
#include "engine/error.h"
#include <string.h>

typedef struct FaultyKernel {
  void *inner;
  uint32_t n; /* of the batch; 0: no step of interest */
  size_t n_row;
} FaultyKernel;

typedef struct FaultyBound {
  const FaultyKernel *kernel;
  void *inner;
  const float *src;
} FaultyBound;

static struct {
  WeirMutex lock;
  WeirCond changed;
  Faulty faults;
  uint32_t n_stalled, n_resumes;
  uint32_t n_runs, runs[FAULTY_MAX_RUNS];
} state = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

void faulty_set (const Faulty *faults)
{
  weir_mutex_lock (&state.lock);
  state.faults = *faults;
  state.n_runs = 0;
  weir_mutex_unlock (&state.lock);
}

void faulty_wait_stalled (uint32_t n)
{
  weir_mutex_lock (&state.lock);
  while (state.n_stalled < n)
    weir_cond_wait (&state.changed, &state.lock);
  weir_mutex_unlock (&state.lock);
}

void faulty_resume (void)
{
  weir_mutex_lock (&state.lock);
  state.faults.n_stalls = 0;
  state.n_resumes++;
  weir_cond_broadcast (&state.changed);
  weir_mutex_unlock (&state.lock);
}

char *faulty_runs (void)
{
  GString *text = g_string_new (NULL);
  weir_mutex_lock (&state.lock);
  for (uint32_t i = 0; i < MIN (state.n_runs, FAULTY_MAX_RUNS); i++)
    g_string_append_printf (text, "%s%u", i ? " " : "", state.runs[i]);
  weir_mutex_unlock (&state.lock);
  return g_string_free (text, FALSE);
}

uint32_t faulty_n_runs (void)
{
  weir_mutex_lock (&state.lock);
  uint32_t n_runs = state.n_runs;
  weir_mutex_unlock (&state.lock);
  return n_runs;
}

/* The lock is held before and after. */
static void stall (void)
{
  uint32_t n_resumes = state.n_resumes;
  state.faults.n_stalls--;
  state.n_stalled++;
  weir_cond_broadcast (&state.changed);
  while (state.n_resumes == n_resumes)
    weir_cond_wait (&state.changed, &state.lock);
  state.n_stalled--;
}

static bool holds (const FaultyBound *bound, float value)
{
  for (uint32_t i = 0; i < bound->kernel->n; i++)
    if (bound->src[i * bound->kernel->n_row] == value)
      return true;
  return false;
}

static bool is_zero (const FaultyBound *bound)
{
  for (size_t i = 0; i < bound->kernel->n * bound->kernel->n_row; i++)
    if (bound->src[i] != 0)
      return false;
  return true;
}

/* The lock is held. */
static bool fails (const FaultyBound *bound)
{
  Faulty *faults = &state.faults;
  if (faults->n_failures) {
    faults->n_failures--;
    return true;
  }
  return faults->fails_always || (faults->fails_batches && bound->kernel->n > 1) ||
         (faults->poison != 0 && holds (bound, faults->poison));
}

/* Whether this run fails, after the time that it takes. */
static bool misbehave (const FaultyBound *bound)
{
  bool is_counted = !is_zero (bound), is_failing = false;
  weir_mutex_lock (&state.lock);
  uint32_t us = state.faults.fixed_us + state.faults.per_item_us * bound->kernel->n;
  if (is_counted) {
    if (state.n_runs < FAULTY_MAX_RUNS)
      state.runs[state.n_runs] = bound->kernel->n;
    state.n_runs++;
    if (state.faults.n_stalls)
      stall ();
    else
      is_failing = fails (bound);
  }
  weir_mutex_unlock (&state.lock);
  if (us)
    g_usleep (us);
  return is_failing;
}

static bool makes_output (const WeirStepSpec *spec)
{
  const GArray *outputs = spec->graph->outputs;
  for (uint32_t i = 0; spec->node->op != WEIR_OP_REORDER && i < spec->node->n_dst; i++)
    for (guint k = 0; k < outputs->len; k++)
      if (spec->node->dst[i] == g_array_index (outputs, uint32_t, k))
        return true;
  return false;
}

static void *compile (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  void *inner = weir_backend_ref.compile (device, spec, scratch_bytes, error);
  if (!inner)
    return NULL;
  FaultyKernel *kernel = g_new0 (FaultyKernel, 1);
  size_t n_bytes = 0;
  kernel->inner = inner;
  if (makes_output (spec) && weir_tensor_bytes (&spec->src[0], &n_bytes)) {
    kernel->n = (uint32_t) spec->src[0].dims[0];
    kernel->n_row = n_bytes / sizeof (float) / kernel->n;
  }
  return kernel;
}

static void release (void *data)
{
  FaultyKernel *kernel = data;
  weir_backend_ref.release (kernel->inner);
  g_free (kernel);
}

static void *bind (void *data, const WeirBinding *binding, GError **error)
{
  const FaultyKernel *kernel = data;
  void *inner = weir_backend_ref.bind (kernel->inner, binding, error);
  if (!inner)
    return NULL;
  FaultyBound *bound = g_new0 (FaultyBound, 1);
  *bound = (FaultyBound){ kernel, inner, binding->src[0] };
  return bound;
}

static bool run (void *data, GError **error)
{
  const FaultyBound *bound = data;
  if (bound->kernel->n && misbehave (bound)) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_DEVICE, "a batch of %u fails as it was told to",
        bound->kernel->n);
    return false;
  }
  return weir_backend_ref.run (bound->inner, error);
}

static void unbind (void *data)
{
  FaultyBound *bound = data;
  weir_backend_ref.unbind (bound->inner);
  g_free (bound);
}

static const char *describe (const void *kernel)
{
  return "faulty";
}

/* What the table of `ref` has, which is no constant that another table could be made of. */
static WeirPrecision precision (const WeirDevice *device)
{
  return weir_backend_ref.precision (device);
}

static WeirDevice *open_device (const WeirDeviceOptions *options, GError **error)
{
  return weir_backend_ref.open (options, error);
}

static void close_device (WeirDevice *device)
{
  weir_backend_ref.close (device);
}

static bool propose (WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  return weir_backend_ref.propose (device, spec, src, dst);
}

static uint64_t end_batch (WeirDevice *device)
{
  weir_mutex_lock (&state.lock);
  uint64_t helped_ns = UINT64_C (1000) * state.faults.helped_us;
  weir_mutex_unlock (&state.lock);
  return helped_ns;
}

static size_t weight_bytes (const WeirDevice *device)
{
  return weir_backend_ref.weight_bytes (device);
}

const WeirBackend faulty_backend = {
  .name = "faulty",
  .precision = precision,
  .open = open_device,
  .close = close_device,
  .propose = propose,
  .compile = compile,
  .release = release,
  .bind = bind,
  .run = run,
  .unbind = unbind,
  .describe = describe,
  .end_batch = end_batch,
  .weight_bytes = weight_bytes,
};
