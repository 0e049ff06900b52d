/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/plan/far_backend.h"

#include "engine/base/sync.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct WeirDevice {
  WeirDevice *ref;
};

typedef struct Memory {
  char *base; /* what plans calculate with: any access traps */
  char *bytes;
  size_t n_bytes;
} Memory;

typedef struct Kernel {
  void *ref; /* NULL: moves n_bytes between the memories */
  size_t n_bytes;
  bool waits; /* a download, or an upload whose source may change */
  uint32_t n_src, n_dst;
} Kernel;

typedef struct Bound {
  const Kernel *kernel;
  void *ref;
  void *src, *dst;
} Bound;

typedef struct Pictures {
  WeirPre *pre;
  WeirSeen seen;
  WeirFrame frame;
} Pictures;

static WeirMutex taste_lock = PTHREAD_MUTEX_INITIALIZER;
static FarTaste taste_now; /* workers look at it as they open, whatever the test does meanwhile */
static const Bound *queue[64]; /* what the far side is about to do: it does it when one waits */
static uint32_t n_queued, n_frames, n_pictures;
static Memory memories[16];
static uint32_t n_memories;
static uint64_t left_bytes = UINT64_MAX;

static FarTaste get_taste (void)
{
  weir_mutex_lock (&taste_lock);
  FarTaste taste = taste_now;
  weir_mutex_unlock (&taste_lock);
  return taste;
}

void far_backend_set_taste (const FarTaste *wanted)
{
  weir_mutex_lock (&taste_lock);
  taste_now = *wanted;
  weir_mutex_unlock (&taste_lock);
  n_frames = n_pictures = 0;
}

uint32_t far_backend_n_frames (void)
{
  return n_frames;
}

uint32_t far_backend_n_pictures (void)
{
  return n_pictures;
}

uint32_t far_backend_n_memories (void)
{
  return n_memories;
}

void far_backend_set_left (uint64_t n_bytes)
{
  left_bytes = n_bytes;
}

static void limits (WeirDevice *device, WeirDeviceLimits *limits)
{
  *limits = (WeirDeviceLimits){ .available_bytes = left_bytes, .batch_max = 32 };
}

static void *memory_new (WeirDevice *device, size_t n_bytes, GError **error)
{
  Memory *self = &memories[n_memories++];
  g_assert (n_memories <= G_N_ELEMENTS (memories));
  *self = (Memory){ .n_bytes = n_bytes, .bytes = aligned_alloc (64, (n_bytes + 63) / 64 * 64) };
  self->base = mmap (NULL, n_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memset (self->bytes, 0xff, n_bytes);
  return self->base;
}

static void *memory_base (void *memory)
{
  return memory;
}

static Memory *find_memory (const void *address)
{
  for (uint32_t i = 0; i < n_memories; i++)
    if ((const char *) address >= memories[i].base &&
        (const char *) address < memories[i].base + memories[i].n_bytes)
      return &memories[i];
  return NULL;
}

static void memory_free (void *memory)
{
  Memory *self = find_memory (memory);
  munmap (self->base, self->n_bytes);
  free (self->bytes);
  *self = memories[--n_memories];
}

/* An address of the host is what it is. */
void *far_backend_reach (void *address)
{
  const Memory *memory = find_memory (address);
  return memory ? memory->bytes + ((char *) address - memory->base) : address;
}

static WeirPrecision precision (const WeirDevice *device)
{
  return WEIR_PRECISION_F32;
}

static WeirDevice *open_device (const WeirDeviceOptions *options, GError **error)
{
  WeirDevice *device = g_new0 (WeirDevice, 1);
  device->ref = weir_backend_ref.open (options, error);
  return device;
}

static void close_device (WeirDevice *device)
{
  weir_backend_ref.close (device->ref);
  g_free (device);
}

static bool is_declined (const WeirStepSpec *spec)
{
  const FarTaste taste = get_taste ();
  bool crosses = spec->src_on_device != spec->dst_on_device;
  if (spec->node->op == WEIR_OP_REORDER)
    return !crosses && taste.declines_reorders;
  for (uint32_t i = 0; i < taste.n_declined; i++)
    if (taste.declined[i] == spec->node->op)
      return true;
  return false;
}

static bool propose (WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  for (uint32_t i = 0; i < spec->n_src; i++)
    src[i].on_device = true; /* also where it declines */
  if (is_declined (spec))
    return false;
  if (spec->node->op == WEIR_OP_REORDER) {
    g_assert (spec->src_on_device || spec->dst_on_device);
    return true;
  }
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
  Kernel *self = g_new0 (Kernel, 1);
  self->n_src = spec->n_src;
  self->n_dst = spec->n_dst;
  *scratch_bytes = 100;
  if (spec->src_on_device == spec->dst_on_device || spec->node->op != WEIR_OP_REORDER) {
    self->ref = weir_backend_ref.compile (device->ref, spec, scratch_bytes, error);
    return self;
  }
  g_assert (spec->src[0].dtype == spec->dst[0].dtype && spec->src[0].layout == spec->dst[0].layout);
  g_assert (weir_tensor_bytes (&spec->src[0], &self->n_bytes));
  self->waits = spec->src_on_device || !spec->src_stays;
  return self;
}

static void release (void *kernel)
{
  Kernel *self = kernel;
  if (self->ref)
    weir_backend_ref.release (self->ref);
  g_free (self);
}

static void *bind (void *kernel, const WeirBinding *binding, GError **error)
{
  const Kernel *self = kernel;
  void *src[8], *dst[8];
  for (uint32_t i = 0; i < self->n_src; i++)
    src[i] = far_backend_reach (binding->src[i]);
  for (uint32_t i = 0; i < self->n_dst; i++)
    dst[i] = far_backend_reach (binding->dst[i]);
  g_assert (binding->scratch && find_memory (binding->scratch));
  const WeirBinding near = {
    .src = src, .dst = dst, .scratch = far_backend_reach (binding->scratch)
  };
  Bound *bound = g_new0 (Bound, 1);
  bound->kernel = self;
  bound->src = src[0];
  bound->dst = dst[0];
  if (self->ref)
    bound->ref = weir_backend_ref.bind (self->ref, &near, error);
  return bound;
}

static bool run_one (const Bound *bound, GError **error)
{
  if (bound->ref)
    return weir_backend_ref.run (bound->ref, error);
  memcpy (bound->dst, bound->src, bound->kernel->n_bytes);
  return true;
}

static bool run (void *data, GError **error)
{
  const Bound *bound = data;
  uint32_t n = n_queued;
  if (!bound->kernel->waits) {
    g_assert (n_queued < G_N_ELEMENTS (queue));
    queue[n_queued++] = bound;
    return true;
  }
  n_queued = 0;
  for (uint32_t i = 0; i < n; i++)
    if (!run_one (queue[i], error))
      return false;
  return run_one (bound, error);
}

static void unbind (void *data)
{
  Bound *bound = data;
  if (bound->ref)
    weir_backend_ref.unbind (bound->ref);
  g_free (bound);
}

static const char *describe (const void *kernel)
{
  const Kernel *self = kernel;
  return self->ref ? "far" : "moved";
}

static size_t weight_bytes (const WeirDevice *device)
{
  return 0;
}

static void *new_pictures (WeirDevice *device, const WeirInputSpec *spec, GError **error)
{
  const FarTaste taste = get_taste ();
  if (taste.new_error) {
    g_propagate_error (error, g_error_copy (taste.new_error));
    return NULL;
  }
  Pictures *self = g_new0 (Pictures, 1);
  self->pre = weir_pre_new (spec);
  return self;
}

static void free_pictures (void *pictures)
{
  Pictures *self = pictures;
  if (self)
    weir_pre_free (self->pre);
  g_free (self);
}

static bool hold (void *pictures, const WeirSeen *seen, const WeirTensor *input, GError **error)
{
  Pictures *self = pictures;
  const FarTaste taste = get_taste ();
  g_assert (find_memory (weir_tensor_data (input)));
  if (taste.hold_error) {
    g_propagate_error (error, g_error_copy (taste.hold_error));
    return false;
  }
  n_frames += !seen->number || self->seen.number != seen->number;
  self->seen = *seen;
  self->frame = *seen->frame;
  return true;
}

static bool write_picture (
    void *pictures, const WeirRegion *region, const WeirTensor *input, uint32_t row, GError **error)
{
  Pictures *self = pictures;
  const WeirRegion *part = &self->seen.part;
  WeirTensor near = *input;
  g_assert (region->x_px >= part->x_px && region->y_px >= part->y_px);
  g_assert (region->x_px + region->width_px <= part->x_px + part->width_px);
  g_assert (region->y_px + region->height_px <= part->y_px + part->height_px);
  g_assert (!self->seen.is_single || memcmp (region, part, sizeof *part) == 0);
  near.buffer = far_backend_reach (weir_tensor_data (input));
  near.offset_bytes = 0;
  weir_pre_run (self->pre, &self->frame, region, &near, row);
  n_pictures++;
  return true;
}

static const WeirPictures pictures = { new_pictures, free_pictures, hold, write_picture };

const WeirBackend far_backend = {
  .name = "far",
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
  .weight_bytes = weight_bytes,
  .memory_new = memory_new,
  .memory_base = memory_base,
  .memory_free = memory_free,
  .limits = limits,
  .pictures = &pictures,
};
