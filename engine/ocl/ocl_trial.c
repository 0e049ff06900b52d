/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each variant runs once to warm up and once for its time; those that are near the best then take
 * turns, and the least of their times counts. */
#include "engine/ocl/ocl_trial.h"

#include "engine/base/checked.h"
#include "engine/base/half.h"
#include "engine/ocl/ocl_memory.h"
#include "engine/ocl/ocl_private.h"
#include "engine/ocl/ocl_variant.h"

#include <math.h>
#include <string.h>

#define ALIGNMENT     256u
#define PATTERN       (1u << 18) /* elements that are repeated */
#define MAX_TURNS     20u
#define NEAR          1.3 /* beside the best: takes turns */
#define FAR_BY_FAMILY 8.0 /* beside the least that the family expects: is not tried */

/* --- what is asked for --- */

static void clear_asked (gpointer asked)
{
  g_free (((WeirOclAsked *) asked)->text);
}

GArray *weir_ocl_asked_new (void)
{
  GArray *asked = g_array_new (FALSE, FALSE, sizeof (WeirOclAsked));
  g_array_set_clear_func (asked, clear_asked);
  return asked;
}

void weir_ocl_asked_add (GArray *asked, const WeirOclWindow *window)
{
  WeirOclAsked added = { *window, weir_ocl_window_text (window), 1 };
  added.window.posts = NULL;
  added.window.n_posts = 0;
  for (uint32_t i = 0; i < asked->len; i++) {
    WeirOclAsked *each = &g_array_index (asked, WeirOclAsked, i);
    if (each->window.n_items == window->n_items && strcmp (each->text, added.text) == 0) {
      each->n_steps++;
      clear_asked (&added);
      return;
    }
  }
  g_array_append_val (asked, added);
}

/* --- memory --- */

typedef struct Trial {
  WeirOclDevice *device;
  const WeirOclWindow *window;
  WeirOclMemory *memory;
  WeirOclWindowPlaces places;
  GPtrArray *calls; /* by variant: of WeirOclCall; NULL: it cannot run */
  GArray *timings;
} Trial;

static size_t count (uint32_t n_items, uint32_t channels, const uint32_t sizes[3])
{
  return (size_t) n_items * channels * sizes[0] * sizes[1] * sizes[2];
}

/* The offset at which n_bytes begin; *total grows. */
static size_t reserve (size_t *total, size_t n_bytes)
{
  size_t offset = *total;
  *total += (n_bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  return offset;
}

/* The largest that a variant needs. */
static void find_needs (
    const WeirOclWindow *window, const GArray *variants, size_t *weights, size_t *scratch)
{
  *weights = *scratch = 0;
  for (uint32_t i = 0; i < variants->len; i++) {
    const WeirOclVariant *variant = &g_array_index (variants, WeirOclVariant, i);
    WeirDtype dtype = variant->way->has_float_weights ? WEIR_DTYPE_F32 : window->dtype;
    *weights = MAX (*weights, variant->way->n_weights (window) * weir_dtype_bytes (dtype));
    *scratch = MAX (*scratch, variant->way->scratch_bytes (variant, window));
  }
}

/* Numbers without zeros and denormals, which some devices multiply at another speed. */
static void *make_pattern (WeirDtype dtype)
{
  uint32_t seed = 1;
  float *values = g_new (float, PATTERN);
  for (uint32_t i = 0; i < PATTERN; i++) {
    seed = seed * 1664525u + 1013904223u;
    values[i] = (seed & 0x8000 ? -1.0f : 1.0f) * (0.25f + (float) (seed >> 8) / 33554432.0f);
    uint16_t half = weir_f32_to_f16 (values[i]);
    if (dtype == WEIR_DTYPE_F16)
      memcpy ((char *) values + i * sizeof half, &half, sizeof half);
  }
  return values;
}

static bool fill (const Trial *self, size_t n_bytes, GError **error)
{
  g_autofree char *pattern = make_pattern (self->window->dtype);
  size_t step = PATTERN * weir_dtype_bytes (self->window->dtype);
  for (size_t at = 0; at < n_bytes; at += step)
    if (!weir_ocl_memory_upload (self->memory, at, pattern, MIN (step, n_bytes - at), error))
      return false;
  return true;
}

static bool open_trial (Trial *self, const GArray *variants, GError **error)
{
  const WeirOclWindow *window = self->window;
  size_t bytes = weir_dtype_bytes (window->dtype), weight_bytes, scratch_bytes, total = 0;
  find_needs (window, variants, &weight_bytes, &scratch_bytes);
  size_t src = reserve (&total, count (window->n_items, window->src_channels, window->src) * bytes),
         weights = reserve (&total, weight_bytes),
         bias = reserve (&total, window->dst_channels * bytes), filled = total,
         dst = reserve (&total, count (window->n_items, window->dst_channels, window->dst) * bytes),
         scratch = reserve (&total, scratch_bytes);
  self->memory = weir_ocl_memory_new (self->device, total, true, true, error);
  if (!self->memory || !fill (self, filled, error))
    return false;
  const uint8_t *base = self->memory->base;
  self->places = (WeirOclWindowPlaces){ .src = base + src,
    .weights = base + weights,
    .bias = base + bias,
    .dst = base + dst,
    .scratch = scratch_bytes ? base + scratch : NULL };
  return true;
}

static void close_trial (Trial *self)
{
  g_ptr_array_unref (self->calls);
  g_array_unref (self->timings);
  weir_ocl_memory_free (self->memory);
}

/* --- times --- */

static void free_call (gpointer call)
{
  weir_ocl_call_free (call);
}

static void free_calls (gpointer calls)
{
  if (calls)
    g_ptr_array_unref (calls);
}

/* NULL: the variant asks for more than the device has. */
static GPtrArray *make_calls (const Trial *self, const WeirOclVariant *variant)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) calls = g_ptr_array_new_with_free_func (free_call);
  if (variant->way->add_calls (self->device, variant, self->window, &self->places, calls, &error))
    return g_steal_pointer (&calls);
  g_debug ("not measured: %s", error->message);
  return NULL;
}

/* On the device's clock, or where that stands still on the host's. */
static bool time_calls (const Trial *self, const GPtrArray *calls, double *ns, GError **error)
{
  uint64_t start_ns = weir_now_ns ();
  for (uint32_t i = 0; i < calls->len; i++)
    if (!weir_ocl_queue_run (self->memory->queue, calls->pdata[i], NULL, error))
      return false;
  g_array_set_size (self->timings, 0);
  if (!weir_ocl_queue_take_timings (self->memory->queue, self->timings, error))
    return false;
  uint64_t end_ns = weir_now_ns ();
  const WeirOclTiming *first = &g_array_index (self->timings, WeirOclTiming, 0),
                      *last = &g_array_index (self->timings, WeirOclTiming, calls->len - 1);
  *ns = (double) (last->end_ns > first->start_ns ? last->end_ns - first->start_ns
                                                 : end_ns - start_ns);
  return true;
}

static bool measure_first (Trial *self, WeirOclVariant *variant, GError **error)
{
  double ns;
  GPtrArray *calls = make_calls (self, variant);
  g_ptr_array_add (self->calls, calls);
  variant->cost = INFINITY;
  if (!calls)
    return true;
  if (!time_calls (self, calls, &ns, error) || !time_calls (self, calls, &variant->cost, error))
    return false;
  variant->cost = MIN (variant->cost, ns);
  return true;
}

static bool take_turns (Trial *self, GArray *variants, uint64_t end_ns, GError **error)
{
  const WeirOclVariant *best = weir_ocl_variants_best (variants, NULL);
  double limit = best ? best->cost * NEAR : 0;
  for (uint32_t turn = 0; turn < MAX_TURNS && weir_now_ns () < end_ns; turn++)
    for (uint32_t i = 0; i < variants->len; i++) {
      WeirOclVariant *variant = &g_array_index (variants, WeirOclVariant, i);
      double ns;
      if (variant->cost > limit)
        continue;
      if (!time_calls (self, self->calls->pdata[i], &ns, error))
        return false;
      variant->cost = MIN (variant->cost, ns);
    }
  return true;
}

/* `first` in front; those that the family expects nothing of left out. */
static void arrange (GArray *variants, const WeirOclVariant *first)
{
  const WeirOclVariant *best = weir_ocl_variants_best (variants, NULL);
  double limit = best ? best->cost * FAR_BY_FAMILY : INFINITY;
  g_autofree char *name = weir_ocl_variant_text (first);
  for (uint32_t i = variants->len; i-- > 0;) {
    const WeirOclVariant *each = &g_array_index (variants, WeirOclVariant, i);
    g_autofree char *text = weir_ocl_variant_text (each);
    if ((isfinite (each->cost) && each->cost > limit) || strcmp (text, name) == 0)
      g_array_remove_index (variants, i);
  }
  g_array_prepend_vals (variants, first, 1);
}

static void tell (const WeirOclWindow *window, const GArray *variants)
{
  g_autofree char *shape = weir_ocl_window_text (window);
  for (uint32_t i = 0; i < variants->len; i++) {
    const WeirOclVariant *variant = &g_array_index (variants, WeirOclVariant, i);
    g_autofree char *name = weir_ocl_variant_text (variant);
    g_debug ("%u of %s: %s: %.1f us", window->n_items, shape, name, variant->cost * 1e-3);
  }
}

bool weir_ocl_trial_run (WeirOclDevice *device, const WeirOclWindow *window, GArray *variants,
    const WeirOclVariant *first, uint64_t end_ns, GError **error)
{
  Trial self = { .device = device, .window = window };
  arrange (variants, first);
  self.calls = g_ptr_array_new_with_free_func (free_calls);
  self.timings = g_array_new (FALSE, FALSE, sizeof (WeirOclTiming));
  bool is_good = open_trial (&self, variants, error);
  for (uint32_t i = 0; i < variants->len && is_good; i++) {
    WeirOclVariant *variant = &g_array_index (variants, WeirOclVariant, i);
    if (i == 0 || weir_now_ns () < end_ns)
      is_good = measure_first (&self, variant, error);
    else
      variant->cost = INFINITY;
  }
  is_good = is_good && take_turns (&self, variants, end_ns, error);
  tell (window, variants);
  close_trial (&self);
  return is_good;
}
