/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memories are the host's, so that only the way of the data is a device's. */
#include "tests/batching/fading_backend.h"

#include "engine/base/sync.h"
#include "engine/error.h"
#include <stdlib.h>
#include <string.h>

struct WeirDevice {
  WeirDevice *ref;
  uint32_t index;
};

typedef struct Kernel {
  uint32_t index; /* of the device */
  FadingStage stage;
  void *ref; /* NULL: moves n_bytes */
  size_t n_bytes;
} Kernel;

typedef struct Bound {
  const Kernel *kernel;
  void *ref;
  void *src, *dst;
} Bound;

typedef struct Memory {
  uint32_t index;
  void *base;
} Memory;

typedef struct State {
  Fading fading;
  uint32_t n_open, n_memories, n_runs[FADING_N_STAGES], n_doubts;
  bool is_lost;
} State;

static WeirMutex lock = PTHREAD_MUTEX_INITIALIZER;
static WeirCond changed = PTHREAD_COND_INITIALIZER;
static State states[FADING_N_DEVICES]; /* these two under the lock */
static bool is_opening;

void fading_set (const Fading fading[FADING_N_DEVICES])
{
  weir_mutex_lock (&lock);
  for (uint32_t i = 0; i < FADING_N_DEVICES; i++)
    states[i] = (State){ .fading = fading[i] };
  is_opening = false;
  weir_mutex_unlock (&lock);
}

void fading_wait_opening (void)
{
  weir_mutex_lock (&lock);
  while (!is_opening)
    weir_cond_wait (&changed, &lock);
  weir_mutex_unlock (&lock);
}

void fading_let_open (void)
{
  weir_mutex_lock (&lock);
  for (uint32_t i = 0; i < FADING_N_DEVICES; i++)
    states[i].fading.is_slow_to_open = false;
  weir_cond_broadcast (&changed);
  weir_mutex_unlock (&lock);
}

uint32_t fading_n_open (uint32_t index)
{
  weir_mutex_lock (&lock);
  uint32_t n = states[index].n_open;
  weir_mutex_unlock (&lock);
  return n;
}

uint32_t fading_n_memories (uint32_t index)
{
  weir_mutex_lock (&lock);
  uint32_t n = states[index].n_memories;
  weir_mutex_unlock (&lock);
  return n;
}

static WeirPrecision precision (const WeirDevice *device)
{
  return WEIR_PRECISION_F32;
}

static WeirDevice *open_device (const WeirDeviceOptions *options, GError **error)
{
  State *state = &states[options->index];
  weir_mutex_lock (&lock);
  while (state->fading.is_slow_to_open) {
    is_opening = true;
    weir_cond_broadcast (&changed);
    weir_cond_wait (&changed, &lock);
  }
  bool opens = !state->fading.fails_to_open;
  state->n_open += opens;
  weir_mutex_unlock (&lock);
  if (!opens) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_DEVICE, "device %u does not open", options->index);
    return NULL;
  }
  WeirDevice *device = g_new0 (WeirDevice, 1);
  device->ref = weir_backend_ref.open (options, error);
  device->index = options->index;
  return device;
}

static void close_device (WeirDevice *device)
{
  weir_mutex_lock (&lock);
  states[device->index].n_open--;
  weir_mutex_unlock (&lock);
  weir_backend_ref.close (device->ref);
  g_free (device);
}

static bool propose (WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  if (spec->node->op == WEIR_OP_REORDER && spec->src_on_device != spec->dst_on_device)
    return true;
  if (!weir_backend_ref.propose (device->ref, spec, src, dst))
    return false;
  for (uint32_t i = 0; i < spec->n_src; i++)
    src[i].on_device = !spec->src[i].buffer && spec->src[i].dtype != WEIR_DTYPE_NONE;
  for (uint32_t i = 0; i < spec->n_dst; i++)
    dst[i].on_device = true;
  return true;
}

static void *compile (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  Kernel *kernel = g_new0 (Kernel, 1);
  kernel->index = device->index;
  kernel->stage = FADING_RUN;
  if (spec->node->op == WEIR_OP_REORDER && spec->src_on_device != spec->dst_on_device) {
    kernel->stage = spec->src_on_device ? FADING_DOWNLOAD : FADING_UPLOAD;
    *scratch_bytes = 0;
    weir_tensor_bytes (&spec->src[0], &kernel->n_bytes);
  } else {
    kernel->ref = weir_backend_ref.compile (device->ref, spec, scratch_bytes, error);
  }
  return kernel;
}

static void release (void *data)
{
  Kernel *kernel = data;
  if (kernel->ref)
    weir_backend_ref.release (kernel->ref);
  g_free (kernel);
}

static void *bind (void *data, const WeirBinding *binding, GError **error)
{
  const Kernel *kernel = data;
  Bound *bound = g_new0 (Bound, 1);
  *bound = (Bound){ .kernel = kernel, .src = binding->src[0], .dst = binding->dst[0] };
  if (kernel->ref)
    bound->ref = weir_backend_ref.bind (kernel->ref, binding, error);
  return bound;
}

static void unbind (void *data)
{
  Bound *bound = data;
  if (bound->ref)
    weir_backend_ref.unbind (bound->ref);
  g_free (bound);
}

/* Whether the device fails now. The lock is held. */
static bool fades (State *state, FadingStage stage)
{
  const Fading *fading = &state->fading;
  uint32_t n = ++state->n_runs[stage];
  bool is_time = fading->at && stage == fading->stage && n >= fading->at;
  if (is_time && fading->n_doubtful) {
    is_time = n < fading->at + fading->n_doubtful;
    state->n_doubts += is_time;
  }
  state->is_lost |= is_time && (!fading->n_doubtful || state->n_doubts > 1);
  if (stage == FADING_DOWNLOAD && !is_time)
    state->n_doubts = 0;
  return is_time || state->is_lost;
}

static bool run (void *data, GError **error)
{
  const Bound *bound = data;
  const Kernel *kernel = bound->kernel;
  weir_mutex_lock (&lock);
  bool is_failing = fades (&states[kernel->index], kernel->stage);
  weir_mutex_unlock (&lock);
  if (is_failing) {
    g_set_error (
        error, WEIR_ERROR, WEIR_ERROR_DEVICE, "device %u fails as it was told to", kernel->index);
    return false;
  }
  if (kernel->ref)
    return weir_backend_ref.run (bound->ref, error);
  memcpy (bound->dst, bound->src, kernel->n_bytes);
  return true;
}

static const char *describe (const void *kernel)
{
  return "fading";
}

static void *memory_new (WeirDevice *device, size_t n_bytes, GError **error)
{
  State *state = &states[device->index];
  weir_mutex_lock (&lock);
  size_t most_bytes = state->fading.most_bytes;
  bool fits = !most_bytes || n_bytes <= most_bytes;
  state->n_memories += fits;
  weir_mutex_unlock (&lock);
  if (!fits) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_MEMORY, "device %u has not %zu bytes", device->index,
        n_bytes);
    return NULL;
  }
  Memory *memory = g_new0 (Memory, 1);
  memory->index = device->index;
  memory->base = aligned_alloc (64, (n_bytes + 63) / 64 * 64);
  return memory;
}

static void *memory_base (void *memory)
{
  return ((Memory *) memory)->base;
}

static void memory_free (void *data)
{
  Memory *memory = data;
  weir_mutex_lock (&lock);
  states[memory->index].n_memories--;
  weir_mutex_unlock (&lock);
  free (memory->base);
  g_free (memory);
}

static WeirHealth health (const WeirDevice *device)
{
  weir_mutex_lock (&lock);
  const State *state = &states[device->index];
  WeirHealth is = state->is_lost    ? WEIR_HEALTH_LOST
                  : state->n_doubts ? WEIR_HEALTH_DOUBTFUL
                                    : WEIR_HEALTH_GOOD;
  weir_mutex_unlock (&lock);
  return is;
}

static size_t weight_bytes (const WeirDevice *device)
{
  return 0;
}

const WeirBackend fading_backend = {
  .name = "fading",
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
  .memory_new = memory_new,
  .memory_base = memory_base,
  .memory_free = memory_free,
  .health = health,
  .weight_bytes = weight_bytes,
};
