/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The choice among variants, by what they cost. */
#include "engine/ocl/ocl_variant.h"

#include "engine/ocl/ocl_private.h"
#include "engine/ocl/ocl_trial.h"
#include "kernels/ocl/ocl_sources.h"

#include <math.h>
#include <string.h>

/* Of those numbers of items the class of variants is to be good for, untuned. */
static const uint32_t usual_items[] = { 1, 16 };

static void append_sizes (GString *text, const uint32_t sizes[3], bool has_depth)
{
  for (uint32_t d = has_depth ? 0 : 1; d < 3; d++)
    g_string_append_printf (text, "%s%u", d == (has_depth ? 0 : 1) ? "" : "x", sizes[d]);
}

static void append_where (
    GString *text, const char *name, const uint32_t sizes[3], uint32_t usual, bool has_depth)
{
  if (sizes[0] == usual && sizes[1] == usual && sizes[2] == usual)
    return;
  g_string_append_printf (text, ", %s ", name);
  append_sizes (text, sizes, has_depth);
}

static bool has_pads (const WeirOclWindow *window)
{
  return window->pad[0] || window->pad[1] || window->pad[2];
}

char *weir_ocl_window_text (const WeirOclWindow *window)
{
  GString *text = g_string_new (weir_dtype_name (window->dtype));
  bool has_depth = window->src[0] != 1 || window->dst[0] != 1 || window->kernel[0] != 1;
  g_string_append_printf (text, " %ux", window->src_channels);
  append_sizes (text, window->src, has_depth);
  g_string_append_printf (text, " -> %ux", window->dst_channels);
  append_sizes (text, window->dst, has_depth);
  g_string_append (text, ", window ");
  append_sizes (text, window->kernel, has_depth);
  append_where (text, "stride", window->stride, 1, has_depth);
  append_where (text, "dilation", window->dilation, 1, has_depth);
  for (uint32_t d = has_depth ? 0 : 1, n = d; d < 3 && has_pads (window); d++)
    g_string_append_printf (text, "%s%d", d == n ? ", pad " : "x", window->pad[d]);
  if (window->groups > 1)
    g_string_append_printf (text, ", groups %u", window->groups);
  if (window->is_transposed)
    g_string_append (text, ", transposed");
  return g_string_free (text, FALSE);
}

char *weir_ocl_variant_text (const WeirOclVariant *variant)
{
  GString *text = g_string_new (variant->way->name);
  variant->way->name_variant (variant, text);
  return g_string_free (text, FALSE);
}

bool weir_ocl_variant_is_alike (const WeirOclVariant *a, const WeirOclVariant *b)
{
  return a->way == b->way && a->n_parts == b->n_parts;
}

static const WeirOclVariant *variant_of (const GArray *row, uint32_t i)
{
  return &g_array_index (row, WeirOclVariant, i);
}

const WeirOclVariant *weir_ocl_variants_best (const GArray *row, const WeirOclVariant *alike)
{
  const WeirOclVariant *best = NULL;
  for (uint32_t i = 0; i < row->len; i++) {
    const WeirOclVariant *each = variant_of (row, i);
    if ((!alike || weir_ocl_variant_is_alike (each, alike)) &&
        each->cost < (best ? best->cost : INFINITY))
      best = each;
  }
  return best;
}

double weir_ocl_variants_score (GArray *const *rows, uint32_t n_rows, const WeirOclVariant *alike)
{
  double product = 1;
  for (uint32_t r = 0; r < n_rows; r++) {
    const WeirOclVariant *best = weir_ocl_variants_best (rows[r], NULL);
    const WeirOclVariant *own = weir_ocl_variants_best (rows[r], alike);
    product *= own ? own->cost / best->cost : INFINITY;
  }
  return pow (product, 1.0 / n_rows);
}

const WeirOclVariant *weir_ocl_variants_pick (GArray *const *rows, uint32_t n_rows)
{
  const WeirOclVariant *picked = NULL;
  double least = INFINITY;
  for (uint32_t i = 0; i < rows[0]->len; i++) {
    const WeirOclVariant *each = variant_of (rows[0], i);
    double score = weir_ocl_variants_score (rows, n_rows, each);
    if (score < least) {
      least = score;
      picked = each;
    }
  }
  return picked;
}

static GArray *list_variants (const WeirOclFacts *facts, const WeirOclWindow *window)
{
  GArray *variants = g_array_new (FALSE, FALSE, sizeof (WeirOclVariant));
  weir_ocl_window_list (facts, window, variants);
  return variants;
}

bool weir_ocl_variant_suggest (
    const WeirOclFacts *facts, const WeirOclWindow *window, WeirOclVariant *variant)
{
  GArray *rows[G_N_ELEMENTS (usual_items)];
  for (uint32_t r = 0; r < G_N_ELEMENTS (rows); r++) {
    WeirOclWindow usual = *window;
    usual.n_items = usual_items[r];
    rows[r] = list_variants (facts, &usual);
  }
  const WeirOclVariant *alike = weir_ocl_variants_pick (rows, G_N_ELEMENTS (rows));
  g_autoptr (GArray) own = list_variants (facts, window);
  const WeirOclVariant *best = alike ? weir_ocl_variants_best (own, alike) : NULL;
  if (best)
    *variant = *best;
  for (uint32_t r = 0; r < G_N_ELEMENTS (rows); r++)
    g_array_unref (rows[r]);
  return best != NULL;
}

/* The variant of that name; NULL: there is none. */
static const WeirOclVariant *find_variant (const GArray *variants, const char *name)
{
  for (uint32_t i = 0; i < variants->len; i++) {
    g_autofree char *text = weir_ocl_variant_text (variant_of (variants, i));
    if (strcmp (text, name) == 0)
      return variant_of (variants, i);
  }
  return NULL;
}

/* What was tuned for another number of items may not be there for this one, but others that give
 * the same bytes are. */
static bool find_tuned (const WeirOclFacts *facts, const WeirOclTuning *tuning,
    const WeirOclWindow *window, WeirOclVariant *variant)
{
  g_autofree char *text = weir_ocl_window_text (window);
  WeirOclWindow tuned = *window;
  const char *name = weir_ocl_tuning_find (tuning, text, &tuned.n_items);
  if (!name)
    return false;
  g_autoptr (GArray) there = list_variants (facts, &tuned), here = list_variants (facts, window);
  const WeirOclVariant *alike = find_variant (there, name), *found = find_variant (here, name);
  if (alike && !found)
    found = weir_ocl_variants_best (here, alike);
  if (found)
    *variant = *found;
  return found != NULL;
}

bool weir_ocl_variant_choose (const WeirOclFacts *facts, const WeirOclTuning *tuning,
    const WeirOclWindow *window, WeirOclVariant *variant, bool *is_tuned)
{
  *is_tuned = find_tuned (facts, tuning, window, variant);
  return *is_tuned || weir_ocl_variant_suggest (facts, window, variant);
}

/* Of all that the ways are made of. Newly allocated. */
static char *digest_sources (void)
{
  static const char *const names[] = { "convolution", "depthwise", "parts", "winograd" };
  GString *text = g_string_new (NULL);
  for (const WeirOclSource *source = weir_ocl_sources; source->name; source++)
    for (uint32_t i = 0; i < G_N_ELEMENTS (names); i++)
      if (strcmp (source->name, names[i]) == 0)
        g_string_append (text, source->digest);
  return g_string_free (text, FALSE);
}

WeirOclTuning *weir_ocl_device_read_tuning (const WeirOclDevice *device)
{
  g_autofree char *sources = digest_sources ();
  return device->cache_folder ? weir_ocl_tuning_read (device->cache_folder, device->facts, sources)
                              : weir_ocl_tuning_new ();
}

bool weir_ocl_device_keep_tuning (WeirOclDevice *device, const WeirOclTuning *found, GError **error)
{
  g_autofree char *sources = digest_sources ();
  g_autoptr (WeirOclTuning) all = weir_ocl_device_read_tuning (device);
  weir_ocl_tuning_merge (all, found);
  weir_mutex_lock (&device->lock);
  weir_ocl_tuning_merge (device->tuning, found);
  weir_mutex_unlock (&device->lock);
  return !device->cache_folder ||
         weir_ocl_tuning_write (all, device->cache_folder, device->facts, sources, error);
}

bool weir_ocl_device_choose (WeirOclDevice *device, const WeirOclWindow *window,
    WeirOclVariant *variant, bool *is_tuned, GError **error)
{
  weir_mutex_lock (&device->lock);
  bool is_chosen =
      weir_ocl_variant_choose (device->facts, device->tuning, window, variant, is_tuned);
  if (device->asked)
    weir_ocl_asked_add (device->asked, window);
  weir_mutex_unlock (&device->lock);
  if (!is_chosen)
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_UNSUPPORTED,
        "%s: convolution: expected are groups of 64 work items and 6 KB of local memory",
        device->label);
  return is_chosen;
}
