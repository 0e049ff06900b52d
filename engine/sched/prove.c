/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The proof that a rewritten batch is right: random x and y run as a batch [x, y] must give what
 * they give alone, in the session's own precision. What has been proved once is not proved again by
 * the same library on the same graph. */
#include "engine/graph/graph_digest.h"
#include "engine/sched/proof_cache.h"
#include "engine/sched/service_cache.h"
#include "engine/sched/session_types.h"

#include <math.h>
#include <string.h>

/* Of the largest value of an output: rounding in another order of summation, f32 and bf16. */
#define TOLERANCE_F32  2e-4f
#define TOLERANCE_BF16 4e-2f

/* Writes row `row` with noise of a seed of its own, in any of the formats an input may have. */
static void fill_row (const WeirTensor *input, uint32_t n, uint32_t row, uint32_t seed)
{
  size_t n_bytes = 0, size = weir_dtype_bytes (input->dtype);
  weir_tensor_bytes (input, &n_bytes);
  size_t n_elements = n_bytes / size / n;
  char *data = (char *) weir_tensor_data (input) + n_elements * size * row;
  uint32_t state = seed * 2654435761u + 1;
  memset (data, 0, n_elements * size);
  for (size_t i = 0; i < n_elements; i++) {
    state = state * 1664525u + 1013904223u;
    float value = (float) (state >> 16) / 65536.0f; /* 0..1: an image, scaled */
    uint32_t bits;
    memcpy (&bits, &value, sizeof bits);
    if (input->dtype == WEIR_DTYPE_F32)
      memcpy (data + i * 4, &bits, 4);
    else if (input->dtype == WEIR_DTYPE_BF16)
      memcpy (data + i * 2, (char *) &bits + 2, 2);
    else
      data[i * size] = (char) (state >> 28);
  }
}

/* Noise for an input whose rows are columns. */
static void fill_column (
    const WeirModel *model, uint32_t k, const WeirTensor *input, uint32_t row, uint32_t seed)
{
  WeirTensor one = model->facts.inputs[k];
  size_t n_bytes = 0;
  one.dtype = input->dtype;
  weir_tensor_bytes (&one, &n_bytes);
  g_autofree char *bytes = g_malloc0 (n_bytes + 1);
  one.buffer = bytes;
  fill_row (&one, 1, 0, seed);
  weir_rows_write_tensor (model, k, &one, 1, 0, input, row);
}

static void fill_inputs (
    const WeirModel *model, const WeirSlot *slot, uint32_t n, uint32_t row, uint32_t seed)
{
  for (uint32_t k = 0; k < model->facts.n_inputs; k++) {
    const WeirTensor *values = &model->fills[k].values, *input = weir_slot_input (slot, k);
    if (values->dtype != WEIR_DTYPE_NONE)
      weir_rows_write_tensor (model, k, values, 1, 0, input, row);
    else if (weir_model_input_axis (model, k) == 1)
      fill_column (model, k, input, row, seed + k * 1000);
    else
      fill_row (input, n, row, seed + k * 1000);
  }
}

static bool rows_agree (
    const WeirTensor *single, const WeirTensor *pair, uint32_t row, float tolerance)
{
  size_t single_bytes = 0, pair_bytes = 0;
  weir_tensor_bytes (single, &single_bytes);
  weir_tensor_bytes (pair, &pair_bytes);
  if (pair_bytes != 2 * single_bytes)
    return false;
  const char *a = weir_tensor_data (single),
             *b = (const char *) weir_tensor_data (pair) + row * single_bytes;
  if (single->dtype != WEIR_DTYPE_F32)
    return memcmp (a, b, single_bytes) == 0;
  const float *x = (const float *) (const void *) a, *y = (const float *) (const void *) b;
  float largest = 1e-6f, difference = 0;
  for (size_t i = 0; i < single_bytes / sizeof *x; i++) {
    if (isfinite (x[i]))
      largest = MAX (largest, fabsf (x[i]));
    if (x[i] == y[i] || (isnan (x[i]) && isnan (y[i])))
      continue;
    if (!isfinite (x[i]) || !isfinite (y[i]))
      return false;
    difference = MAX (difference, fabsf (x[i] - y[i]));
  }
  return difference <= tolerance * largest;
}

/* The run of both at once. */
typedef struct Pair {
  const WeirModel *model;
  WeirSlot *slot;
  bool has_run;
  GError *error;
} Pair;

static void *run_pair (void *user)
{
  Pair *pair = user;
  fill_inputs (pair->model, pair->slot, 2, 0, 1);
  fill_inputs (pair->model, pair->slot, 2, 1, 2);
  pair->has_run = weir_slot_run (pair->slot, &pair->error);
  return NULL;
}

/* What each of both gives alone: outputs of both rows, in `singles` and owned by `buffers`. */
static bool run_singles (const WeirModel *model, WeirSlot *slot, WeirTensor singles[][2],
    GPtrArray *buffers, GError **error)
{
  for (uint32_t row = 0; row < 2; row++) {
    fill_inputs (model, slot, 1, 0, row + 1);
    if (!weir_slot_run (slot, error))
      return false;
    for (uint32_t k = 0; k < model->facts.n_outputs; k++) {
      WeirTensor *copy = &singles[k][row];
      size_t n_bytes = 0;
      *copy = *weir_slot_output (slot, k);
      weir_tensor_bytes (copy, &n_bytes);
      copy->buffer = g_memdup2 (weir_tensor_data (copy), n_bytes);
      copy->offset_bytes = 0;
      g_ptr_array_add (buffers, copy->buffer);
    }
  }
  return true;
}

/* Side by side: on two cores the proof takes half as long. */
static bool run_all (
    Pair *pair, WeirSlot *single, WeirTensor singles[][2], GPtrArray *buffers, GError **error)
{
  pthread_t thread;
  bool has_thread = pthread_create (&thread, NULL, run_pair, pair) == 0;
  bool ok = run_singles (pair->model, single, singles, buffers, error);
  if (has_thread)
    pthread_join (thread, NULL);
  else
    run_pair (pair);
  if (ok && !pair->has_run)
    g_propagate_error (error, g_steal_pointer (&pair->error));
  g_clear_error (&pair->error);
  return ok && pair->has_run;
}

static bool compare (
    const WeirSite *site, WeirSlot *single, WeirSlot *slot, bool *proved, GError **error)
{
  const WeirModel *model = site->session->model;
  float tolerance = site->precision == WEIR_PRECISION_F32 ? TOLERANCE_F32 : TOLERANCE_BF16;
  WeirTensor singles[WEIR_MAX_OUTPUTS][2];
  g_autoptr (GPtrArray) buffers = g_ptr_array_new_with_free_func (g_free);
  Pair pair = { .model = model, .slot = slot };
  if (!run_all (&pair, single, singles, buffers, error))
    return false;
  *proved = true;
  for (uint32_t k = 0; k < model->facts.n_outputs; k++)
    for (uint32_t row = 0; row < 2; row++)
      *proved &= rows_agree (&singles[k][row], weir_slot_output (slot, k), row, tolerance);
  return true;
}

static bool prove (WeirSite *site, bool *proved, GError **error)
{
  WeirPlan *one = weir_site_plan (site, 1, error);
  WeirPlan *two = one ? weir_site_plan (site, 2, NULL) : NULL;
  *proved = false;
  if (!one || !two)
    return one != NULL;
  g_autoptr (WeirSlot) single = weir_slot_new (one, NULL, error);
  g_autoptr (WeirSlot) pair = weir_slot_new (two, NULL, error);
  return single && pair && compare (site, single, pair, proved, error);
}

/* All that a proof depends on. Newly allocated. */
static char *describe_proof (const WeirSite *site)
{
  const WeirModel *model = site->session->model;
  WeirDigest digest = WEIR_DIGEST_INIT;
  weir_proof_cache_add_build (&digest);
  weir_digest_add_text (&digest, site->candidate->name);
  weir_digest_add_text (&digest, weir_target_library (site->target));
  weir_digest_add_number (&digest, site->precision);
  weir_digest_add_number (&digest, site->session->n_cores);
  for (uint32_t k = 0; k < model->facts.n_inputs; k++)
    weir_digest_add_text (&digest, model->fills[k].text);
  weir_graph_digest (site->graph, &digest);
  return weir_digest_text (&digest);
}

bool weir_site_prove (WeirSite *site, bool *proved, GError **error)
{
  const char *cache_dir = site->session->settings.cache_dir;
  bool keeps = !weir_session_backend_hook && !weir_session_auto_hook;
  g_autofree char *folder = keeps ? weir_service_cache_folder (cache_dir) : NULL;
  g_autofree char *key = folder ? describe_proof (site) : NULL;
  *proved = folder && weir_proof_cache_has (folder, key);
  if (*proved)
    return true;
  if (!prove (site, proved, error))
    return false;
  if (*proved && folder)
    weir_proof_cache_add (folder, key);
  return true;
}
