/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checks and conversions that every decoder needs. Shapes come from files, so nothing here asserts.
 */
#include "engine/post/outputs.h"

#include "engine/base/half.h"
#include <math.h>

/* Larger pictures are no network's input; it keeps counts of cells within 64 bits. */
#define MAX_SIZE_PX 65535

static bool set_size (int64_t width, int64_t height, uint32_t *width_px, uint32_t *height_px)
{
  if (width < 1 || height < 1 || width > MAX_SIZE_PX || height > MAX_SIZE_PX)
    return false;
  *width_px = (uint32_t) width;
  *height_px = (uint32_t) height;
  return true;
}

static bool is_channels (int64_t n)
{
  return n == 1 || n == 3;
}

bool weir_facts_input_size (const WeirModelFacts *facts, uint32_t *width_px, uint32_t *height_px)
{
  if (facts->picture >= facts->n_inputs || facts->inputs[facts->picture].rank != 4)
    return false;
  const int64_t *dims = facts->inputs[facts->picture].dims;
  if (is_channels (dims[1]))
    return set_size (dims[3], dims[2], width_px, height_px);
  return is_channels (dims[3]) && set_size (dims[2], dims[1], width_px, height_px);
}

bool weir_facts_is_float (const WeirModelFacts *facts, uint32_t k)
{
  WeirDtype dtype = facts->outputs[k].dtype;
  return dtype == WEIR_DTYPE_F32 || dtype == WEIR_DTYPE_F16 || dtype == WEIR_DTYPE_BF16 ||
         dtype == WEIR_DTYPE_F64;
}

bool weir_facts_is_integer (const WeirModelFacts *facts, uint32_t k)
{
  WeirDtype dtype = facts->outputs[k].dtype;
  return dtype == WEIR_DTYPE_I32 || dtype == WEIR_DTYPE_I64 || dtype == WEIR_DTYPE_U32 ||
         dtype == WEIR_DTYPE_U64 || dtype == WEIR_DTYPE_I16 || dtype == WEIR_DTYPE_U16 ||
         dtype == WEIR_DTYPE_I8 || dtype == WEIR_DTYPE_U8;
}

bool weir_facts_is_matrix (
    const WeirModelFacts *facts, uint32_t k, uint32_t *n_rows, uint32_t *n_columns)
{
  if (!weir_facts_is_table (facts, k, -1, n_columns))
    return false;
  *n_rows = (uint32_t) facts->outputs[k].dims[1];
  return true;
}

uint32_t weir_facts_find_output (const WeirModelFacts *facts, const char *name)
{
  size_t length = strlen (name);
  uint32_t k = 0;
  while (k < facts->n_outputs && (strncmp (facts->output_names[k], name, length) != 0 ||
                                     (facts->output_names[k][length] &&
                                         strcmp (facts->output_names[k] + length, ":0") != 0)))
    k++;
  return k;
}

uint32_t weir_facts_vector (const WeirModelFacts *facts, uint32_t k)
{
  const WeirTensor *output = &facts->outputs[k];
  int64_t n = 1;
  for (uint32_t i = 0; i < output->rank; i++) {
    if (output->dims[i] < 1 || (n != 1 && output->dims[i] != 1))
      return 0;
    n *= output->dims[i];
  }
  return n <= INT32_MAX ? (uint32_t) n : 0;
}

bool weir_facts_is_named (const WeirModelFacts *facts, uint32_t k, const char *const *words)
{
  g_autofree char *name = g_ascii_strdown (facts->output_names[k], -1);
  for (uint32_t i = 0; words[i]; i++)
    if (strstr (name, words[i]))
      return true;
  return false;
}

bool weir_facts_is_table (
    const WeirModelFacts *facts, uint32_t k, int64_t n_rows, uint32_t *n_columns)
{
  const WeirTensor *output = &facts->outputs[k];
  if (!weir_facts_is_float (facts, k) || output->rank != 3 || output->dims[0] != 1)
    return false;
  if (output->dims[1] < 1 || output->dims[1] > INT32_MAX || output->dims[2] < 1 ||
      output->dims[2] > INT32_MAX)
    return false;
  if (n_rows >= 0 && output->dims[1] != n_rows)
    return false;
  *n_columns = (uint32_t) output->dims[2];
  return true;
}

uint32_t weir_facts_traits (const WeirModelFacts *facts, uint32_t k)
{
  return facts->output_traits ? facts->output_traits[k] : 0;
}

const char *weir_facts_metadata (const WeirModelFacts *facts, const char *key)
{
  return facts->metadata ? g_hash_table_lookup (facts->metadata, key) : NULL;
}

const char *weir_facts_member (const WeirModelFacts *facts, uint32_t k, const char *name)
{
  const WeirProcOutput *output =
      facts->proc ? weir_proc_find (facts->proc, facts->output_names[k]) : NULL;
  const char *text = output && output->members ? g_hash_table_lookup (output->members, name) : NULL;
  if (text)
    return text;
  g_autofree char *key = g_strconcat ("weir.", name, NULL);
  return weir_facts_metadata (facts, key);
}

bool weir_facts_numbers (const WeirModelFacts *facts, uint32_t k, const char *name, uint32_t n_max,
    double *numbers, uint32_t *n, GError **error)
{
  const char *text = weir_facts_member (facts, k, name);
  *n = 0;
  if (!text)
    return true;
  g_auto (GStrv) words = g_strsplit (text, ",", (gint) MIN (n_max + 1, 65536));
  for (; words[*n] && *n < n_max; ++*n) {
    const char *word = g_strstrip (words[*n]);
    char *end;
    numbers[*n] = g_ascii_strtod (word, &end);
    if (end == word || *end || !isfinite (numbers[*n]))
      break;
  }
  if (*n && !words[*n])
    return true;
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION,
      "%s '%s': at most %u numbers with commas between them are expected", name, text, n_max);
  return false;
}

const char *weir_facts_label (
    const WeirModelFacts *facts, int32_t label_id, const char *fallback, WeirArena *arena)
{
  if (facts->labels && label_id >= 0 && (uint32_t) label_id < facts->n_labels)
    return facts->labels[label_id];
  if (!facts->labels && fallback)
    return fallback;
  char text[16];
  g_snprintf (text, sizeof text, "%d", label_id);
  return weir_arena_strdup (arena, text);
}

bool weir_facts_refuse (const WeirModelFacts *facts, uint32_t k, const char *decoder,
    GError **error, const char *format, ...)
{
  if (!error)
    return false;
  va_list arguments;
  va_start (arguments, format);
  g_autofree char *expected = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_autofree char *shape = weir_tensor_describe (&facts->outputs[k]);
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_SHAPE, "%s: output '%s' is %s; expected %s", decoder,
      facts->output_names[k], shape, expected);
  return false;
}

bool weir_facts_refuse_count (
    const WeirModelFacts *facts, const char *decoder, const char *expected, GError **error)
{
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_SHAPE, "%s: the model has %u outputs; expected %s",
      decoder, facts->n_outputs, expected);
  return false;
}

bool weir_facts_recognise (const char **why, const char *format, ...)
{
  va_list arguments;
  va_start (arguments, format);
  g_autofree char *text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  if (why)
    *why = g_intern_string (text);
  return true;
}

#define CONVERT(DTYPE, Type, expression) \
  case WEIR_DTYPE_##DTYPE: {             \
    const Type *values = src;            \
    for (size_t i = 0; i < n; i++)       \
      dst[i] = (float) (expression);     \
    return true;                         \
  }

static bool convert (WeirDtype dtype, const void *src, size_t n, float *dst)
{
  switch (dtype) {
    CONVERT (F32, float, values[i])
    CONVERT (F16, uint16_t, weir_f16_to_f32 (values[i]))
    CONVERT (BF16, uint16_t, weir_bf16_to_f32 (values[i]))
    CONVERT (F64, double, values[i])
    CONVERT (U8, uint8_t, values[i])
    CONVERT (I8, int8_t, values[i])
    CONVERT (U16, uint16_t, values[i])
    CONVERT (I16, int16_t, values[i])
    CONVERT (U32, uint32_t, values[i])
    CONVERT (I32, int32_t, values[i])
    CONVERT (U64, uint64_t, values[i])
    CONVERT (I64, int64_t, values[i])
    CONVERT (BOOL, uint8_t, values[i] ? 1 : 0)
  default:
    return false;
  }
}

/* A copy in the arena. */
static float *copy_f32 (
    const WeirDecodeJob *job, uint32_t k, size_t n, WeirArena *arena, GError **error)
{
  const WeirTensor *output = &job->outputs[k];
  float *dst =
      n <= SIZE_MAX / sizeof (float) ? weir_arena_try_alloc (arena, n * sizeof (float)) : NULL;
  if (!dst) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_MEMORY,
        "output '%s': no memory for %" G_GSIZE_FORMAT " values", job->facts->output_names[k], n);
    return NULL;
  }
  if (!convert (output->dtype, weir_tensor_data (output), n, dst)) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_UNSUPPORTED,
        "output '%s': element type %s cannot become f32", job->facts->output_names[k],
        weir_dtype_name (output->dtype));
    return NULL;
  }
  return dst;
}

/* Number of elements of output k; false where it has no memory or not that many. */
static bool check_output (const WeirDecodeJob *job, uint32_t k, size_t *n, GError **error)
{
  const WeirTensor *output = &job->outputs[k];
  int64_t n_elements;
  if (weir_tensor_n_elements (output, &n_elements) && weir_tensor_data (output) &&
      output->layout == WEIR_LAYOUT_PLAIN) {
    *n = (size_t) n_elements;
    return true;
  }
  g_autofree char *shape = weir_tensor_describe (output);
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_SHAPE,
      "output '%s' is %s; expected plain values in memory", job->facts->output_names[k], shape);
  return false;
}

const float *weir_job_f32 (
    const WeirDecodeJob *job, uint32_t k, size_t n_expected, WeirArena *arena, GError **error)
{
  size_t n;
  if (!check_output (job, k, &n, error))
    return NULL;
  if (n != n_expected) {
    g_autofree char *shape = weir_tensor_describe (&job->outputs[k]);
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_SHAPE,
        "output '%s' is %s; expected %" G_GSIZE_FORMAT " values", job->facts->output_names[k],
        shape, n_expected);
    return NULL;
  }
  if (job->outputs[k].dtype == WEIR_DTYPE_F32)
    return weir_tensor_data (&job->outputs[k]);
  return copy_f32 (job, k, n, arena, error);
}

const float *weir_job_values (
    const WeirDecodeJob *job, uint32_t k, size_t *n, WeirArena *arena, GError **error)
{
  static const float nothing;
  int64_t n_elements;
  *n = 0;
  if (weir_tensor_n_elements (&job->outputs[k], &n_elements) && n_elements == 0)
    return &nothing;
  return check_output (job, k, n, error) ? weir_job_f32 (job, k, *n, arena, error) : NULL;
}

const float *weir_job_rows (const WeirDecodeJob *job, uint32_t k, uint32_t n_columns,
    uint32_t *n_rows, WeirArena *arena, GError **error)
{
  const WeirTensor *output = &job->outputs[k];
  size_t n = 0;
  const float *values = NULL;
  *n_rows = 0;
  if (output->rank < 1 || output->dims[output->rank - 1] != n_columns) {
    g_autofree char *shape = weir_tensor_describe (output);
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_SHAPE,
        "output '%s' is %s; expected rows of %u values", job->facts->output_names[k], shape,
        n_columns);
  } else {
    values = weir_job_values (job, k, &n, arena, error);
  }
  *n_rows = (uint32_t) MIN (n / n_columns, INT32_MAX);
  return values;
}

static bool attach_output (
    const WeirDecodeJob *job, uint32_t k, WeirArena *arena, WeirNamedTensor *tensor, GError **error)
{
  const WeirTensor *output = &job->outputs[k];
  if (!check_output (job, k, &tensor->n_elements, error))
    return false;
  tensor->name = weir_arena_strdup (arena, job->facts->output_names[k]);
  tensor->rank = output->rank;
  memcpy (tensor->dims, output->dims, sizeof tensor->dims);
  tensor->data = copy_f32 (job, k, tensor->n_elements, arena, error);
  return tensor->data != NULL;
}

bool weir_job_attach_some (
    const WeirDecodeJob *job, const bool *wanted, WeirResult *result, GError **error)
{
  uint32_t n = job->facts->n_outputs;
  WeirNamedTensor *tensors = weir_arena_new_array (result->arena, WeirNamedTensor, n);
  uint32_t n_attached = 0;
  for (uint32_t k = 0; k < n; k++) {
    if (!job->options->attach_tensors && !wanted[k])
      continue;
    if (!attach_output (job, k, result->arena, &tensors[n_attached], error))
      return false;
    n_attached++;
  }
  result->tensors = n_attached ? tensors : NULL;
  result->n_tensors = n_attached;
  return true;
}

bool weir_job_attach (const WeirDecodeJob *job, bool always, WeirResult *result, GError **error)
{
  if (!always && !job->options->attach_tensors)
    return true;
  bool *wanted = weir_arena_new_array (result->arena, bool, job->facts->n_outputs);
  memset (wanted, always, job->facts->n_outputs * sizeof *wanted);
  return weir_job_attach_some (job, wanted, result, error);
}

float *weir_result_add_tensor (
    WeirResult *result, const char *name, uint32_t rank, const int64_t *dims)
{
  uint32_t n = result->n_tensors;
  WeirNamedTensor *tensors = weir_arena_new_array (result->arena, WeirNamedTensor, n + 1);
  WeirNamedTensor *tensor = &tensors[n];
  if (n)
    memcpy (tensors, result->tensors, n * sizeof *tensors);
  tensor->name = name;
  tensor->rank = rank;
  tensor->n_elements = 1;
  for (uint32_t i = 0; i < rank; i++) {
    tensor->dims[i] = dims[i];
    tensor->n_elements *= (size_t) dims[i];
  }
  tensor->data = weir_arena_new_array (result->arena, float, tensor->n_elements);
  result->tensors = tensors;
  result->n_tensors = n + 1;
  return tensor->data;
}

uint32_t weir_nothing_n_classes (const WeirModelFacts *facts)
{
  return 0;
}

uint32_t weir_one_n_classes (const WeirModelFacts *facts)
{
  return 1;
}

/* Nothing to remember; decode needs only the job. */
static const char nothing[] = "";

void *weir_nothing_prepare (const WeirModelFacts *facts, const WeirInputSpec *input, GError **error)
{
  return (void *) nothing;
}

void weir_nothing_release (void *state)
{
}

bool weir_nothing_decode (const WeirDecodeJob *job, WeirResult *result, GError **error)
{
  return weir_job_attach (job, true, result, error);
}

uint32_t weir_argmax (const float *values, uint32_t n, size_t step, float *best)
{
  uint32_t index = 0;
  *best = -INFINITY;
  for (uint32_t i = 0; i < n; i++) {
    if (values[i * step] > *best) {
      *best = values[i * step];
      index = i;
    }
  }
  return index;
}

float weir_score (float v, bool is_raw)
{
  return is_raw && isfinite (v) ? (float) weir_sigmoid ((double) v) : v;
}

float weir_score_of_two (float a, float b)
{
  return isfinite (a) && isfinite (b) ? sqrtf (CLAMP (a, 0, 1) * CLAMP (b, 0, 1)) : NAN;
}

double weir_softmax_of_best (const float *values, uint32_t n, size_t step, float best)
{
  double sum = 0;
  for (uint32_t i = 0; i < n; i++)
    sum += exp ((double) values[i * step] - (double) best);
  return 1 / sum;
}
