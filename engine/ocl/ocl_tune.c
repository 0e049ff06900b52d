/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The search: windows in the order of what they are expected to take, all numbers of items of one
 * together, since these share a class of variants. */
#include "engine/ocl/ocl_tune.h"

#include "engine/ocl/ocl_private.h"
#include "engine/ocl/ocl_trial.h"
#include "engine/ocl/ocl_variant.h"

#include <math.h>
#include <string.h>

/* What is not faster by so much may be noise: untuned choices stay. */
#define MARGIN 1.03

void weir_ocl_tune_begin (WeirOclDevice *device)
{
  weir_mutex_lock (&device->lock);
  if (!device->asked)
    device->asked = weir_ocl_asked_new ();
  weir_mutex_unlock (&device->lock);
}

void weir_ocl_tune_end (WeirOclDevice *device)
{
  weir_mutex_lock (&device->lock);
  g_clear_pointer (&device->asked, g_array_unref);
  weir_mutex_unlock (&device->lock);
}

/* What was asked for with one window, by number of items. */
typedef struct Group {
  const char *text;
  GPtrArray *asked;    /* of WeirOclAsked */
  double expected;     /* of all together, by the family */
  GPtrArray *rows;     /* by number of items: GArray of WeirOclVariant, measured */
  GArray *suggestions; /* likewise: WeirOclVariant */
} Group;

static void clear_group (gpointer data)
{
  Group *group = data;
  g_ptr_array_unref (group->asked);
  g_ptr_array_unref (group->rows);
  g_array_unref (group->suggestions);
}

static void unref_array (gpointer array)
{
  g_array_unref (array);
}

static Group *find_group (GArray *groups, const char *text)
{
  for (uint32_t i = 0; i < groups->len; i++) {
    Group *group = &g_array_index (groups, Group, i);
    if (strcmp (group->text, text) == 0)
      return group;
  }
  Group added = { .text = text,
    .asked = g_ptr_array_new (),
    .rows = g_ptr_array_new_with_free_func (unref_array),
    .suggestions = g_array_new (FALSE, FALSE, sizeof (WeirOclVariant)) };
  g_array_append_val (groups, added);
  return &g_array_index (groups, Group, groups->len - 1);
}

static gint by_expected (gconstpointer a, gconstpointer b)
{
  double x = ((const Group *) a)->expected, y = ((const Group *) b)->expected;
  return (x < y) - (x > y);
}

/* Depthwise windows expect nothing, and come last. */
static GArray *make_groups (const WeirOclDevice *device, GArray *asked)
{
  GArray *groups = g_array_new (FALSE, FALSE, sizeof (Group));
  g_array_set_clear_func (groups, clear_group);
  for (uint32_t i = 0; i < asked->len; i++) {
    WeirOclAsked *each = &g_array_index (asked, WeirOclAsked, i);
    WeirOclVariant suggestion;
    if (!weir_ocl_variant_suggest (device->facts, &each->window, &suggestion))
      continue;
    Group *group = find_group (groups, each->text);
    g_ptr_array_add (group->asked, each);
    g_array_append_val (group->suggestions, suggestion);
    group->expected += suggestion.cost * each->n_steps;
  }
  g_array_sort (groups, by_expected);
  return groups;
}

static const WeirOclVariant *suggestion_of (const Group *group, uint32_t i)
{
  return &g_array_index (group->suggestions, WeirOclVariant, i);
}

/* A row that could not be measured for want of memory has only infinite costs. */
static bool measure (
    WeirOclDevice *device, Group *group, uint32_t i, uint64_t end_ns, GError **error)
{
  const WeirOclAsked *asked = group->asked->pdata[i];
  g_autoptr (GError) failure = NULL;
  GArray *variants = g_array_new (FALSE, FALSE, sizeof (WeirOclVariant));
  g_ptr_array_add (group->rows, variants);
  weir_ocl_window_list (device->facts, &asked->window, variants);
  if (weir_ocl_trial_run (
          device, &asked->window, variants, suggestion_of (group, i), end_ns, &failure))
    return true;
  g_array_set_size (variants, 0);
  if (g_error_matches (failure, WEIR_ERROR, WEIR_ERROR_MEMORY))
    return true;
  g_propagate_error (error, g_steal_pointer (&failure));
  return false;
}

/* One of the class that is taken for all rows; NULL: not all could be measured. */
static const WeirOclVariant *pick_class (const Group *group)
{
  GArray *const *rows = (GArray *const *) group->rows->pdata;
  uint32_t n = group->rows->len;
  for (uint32_t i = 0; i < n; i++)
    if (!weir_ocl_variants_best (rows[i], NULL))
      return NULL;
  const WeirOclVariant *picked = weir_ocl_variants_pick (rows, n),
                       *usual = suggestion_of (group, 0);
  bool is_better = picked && weir_ocl_variants_score (rows, n, picked) * MARGIN <
                                 weir_ocl_variants_score (rows, n, usual);
  return is_better ? picked : usual;
}

/* The measured row's first variant is the suggestion. */
static void report (const Group *group, uint32_t i, const WeirOclVariant *alike, GArray *reported,
    WeirOclTuning *found)
{
  const WeirOclAsked *asked = group->asked->pdata[i];
  const GArray *row = i < group->rows->len ? group->rows->pdata[i] : NULL;
  const WeirOclVariant *before = suggestion_of (group, i), *after = before;
  WeirOclTuneRow line = {
    .window = g_strdup (group->text), .n_items = asked->window.n_items, .n_steps = asked->n_steps
  };
  if (alike && row->len > 0) {
    const WeirOclVariant *best = weir_ocl_variants_best (row, alike);
    before = &g_array_index (row, WeirOclVariant, 0);
    bool stays =
        !best || (weir_ocl_variant_is_alike (before, alike) && best->cost * MARGIN >= before->cost);
    after = stays ? before : best;
    line.before_ns = before->cost;
    line.after_ns = after->cost;
  }
  line.before = weir_ocl_variant_text (before);
  line.after = weir_ocl_variant_text (after);
  if (alike)
    weir_ocl_tuning_set (found, line.window, line.n_items, line.after);
  g_array_append_val (reported, line);
}

static void clear_row (gpointer data)
{
  WeirOclTuneRow *row = data;
  g_free (row->window);
  g_free (row->before);
  g_free (row->after);
}

/* Where the search is. */
typedef struct Search {
  WeirOclDevice *device;
  const WeirOclTuneOptions *options;
  uint64_t end_ns;
  uint32_t n_done, n_rows;
} Search;

/* Each row may take an even share of the time that is left. The first group, and one that was
 * begun, is done: without time only what its rows would take anyhow is measured. */
static bool measure_group (Search *search, Group *group, GError **error)
{
  const WeirOclTuneOptions *options = search->options;
  for (uint32_t i = 0; i < group->asked->len; i++) {
    const WeirOclAsked *asked = group->asked->pdata[i];
    uint64_t now_ns = weir_now_ns ();
    uint64_t left_ns = search->end_ns - MIN (search->end_ns, now_ns);
    if (left_ns == 0 && i == 0 && search->n_done > 0)
      return true;
    if (options->progress)
      options->progress (
          search->n_done, search->n_rows, group->text, asked->window.n_items, options->user);
    if (!measure (
            search->device, group, i, now_ns + left_ns / (search->n_rows - search->n_done), error))
      return false;
    search->n_done++;
  }
  return true;
}

static bool run_group (Search *search, Group *group, GArray *reported, GError **error)
{
  g_autoptr (WeirOclTuning) found = weir_ocl_tuning_new ();
  if (!measure_group (search, group, error))
    return false;
  bool is_whole = group->rows->len == group->asked->len;
  const WeirOclVariant *alike = is_whole ? pick_class (group) : NULL;
  for (uint32_t i = 0; i < group->asked->len; i++)
    report (group, i, alike, reported, found);
  return weir_ocl_tuning_n (found) == 0 ||
         weir_ocl_device_keep_tuning (search->device, found, error);
}

GArray *weir_ocl_tune_run (WeirOclDevice *device, const WeirOclTuneOptions *options, GError **error)
{
  g_autoptr (GArray) asked = weir_ocl_asked_new (), groups = NULL;
  weir_mutex_lock (&device->lock);
  if (device->asked) {
    g_array_unref (asked);
    asked = g_steal_pointer (&device->asked);
  }
  weir_mutex_unlock (&device->lock);
  groups = make_groups (device, asked);
  g_autoptr (GArray) reported = g_array_new (FALSE, FALSE, sizeof (WeirOclTuneRow));
  g_array_set_clear_func (reported, clear_row);
  Search search = { .device = device,
    .options = options,
    .end_ns = weir_now_ns () + (uint64_t) (options->seconds * 1e9) };
  for (uint32_t i = 0; i < groups->len; i++)
    search.n_rows += g_array_index (groups, Group, i).asked->len;
  for (uint32_t i = 0; i < groups->len; i++)
    if (!run_group (&search, &g_array_index (groups, Group, i), reported, error))
      return NULL;
  return g_steal_pointer (&reported);
}
