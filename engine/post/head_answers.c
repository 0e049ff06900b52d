/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Values of heads become attributes. All memory is the result's arena; texts are measured before
 * they are written. */
#include "engine/post/heads.h"
#include "engine/post/outputs.h"
#include <math.h>

#define SUM_TOLERANCE 1e-3
/* Larger numbers are no answer to anything, and their digits would fill a line. */
#define MAX_TEXT_NUMBER 1e15

static bool is_in_unit (const float *values, uint32_t n)
{
  for (uint32_t i = 0; i < n; i++)
    if (!(values[i] >= 0 && values[i] <= 1))
      return false;
  return true;
}

static bool is_distribution (const float *values, uint32_t n)
{
  double sum = 0;
  if (!is_in_unit (values, n))
    return false;
  for (uint32_t i = 0; i < n; i++)
    sum += (double) values[i];
  return fabs (sum - 1) <= SUM_TOLERANCE;
}

/* Of the finite values; the others get 0. */
static void softmax (const float *values, uint32_t n, float *dst)
{
  double greatest = -INFINITY, sum = 0;
  for (uint32_t i = 0; i < n; i++)
    if (isfinite (values[i]) && (double) values[i] > greatest)
      greatest = (double) values[i];
  for (uint32_t i = 0; i < n; i++)
    sum += isfinite (values[i]) ? exp ((double) values[i] - greatest) : 0;
  for (uint32_t i = 0; i < n; i++)
    dst[i] = isfinite (values[i]) ? (float) (exp ((double) values[i] - greatest) / sum) : 0;
}

static void sigmoid (const float *values, uint32_t n, float *dst)
{
  for (uint32_t i = 0; i < n; i++)
    dst[i] = isfinite (values[i]) ? (float) weir_sigmoid ((double) values[i]) : 0;
}

static bool is_logits (const WeirHead *head, const float *values)
{
  switch (head->form) {
  case WEIR_FORM_UNKNOWN:
    return head->kind == WEIR_HEAD_CLASSES ? !is_distribution (values, head->n_values)
                                           : !is_in_unit (values, head->n_values);
  case WEIR_FORM_SCORES:
    return !is_in_unit (values, head->n_values);
  case WEIR_FORM_PROBABILITIES:
    return false;
  default:
    return true;
  }
}

/* Confidences of the values, in the arena where they are not the values themselves. */
static const float *find_confidences (const WeirHead *head, const float *values, WeirArena *arena)
{
  if (!is_logits (head, values))
    return values;
  float *dst = weir_arena_new_array (arena, float, head->n_values);
  bool is_softmax = head->kind == WEIR_HEAD_CLASSES || head->form == WEIR_FORM_SOFTMAX;
  (is_softmax ? softmax : sigmoid) (values, head->n_values, dst);
  return dst;
}

static const char *label_of (const WeirHead *head, int32_t label_id, WeirArena *arena)
{
  if (head->labels && label_id >= 0 && (uint32_t) label_id < head->n_labels)
    return head->labels[label_id];
  char text[16];
  g_snprintf (text, sizeof text, "%d", label_id);
  return weir_arena_strdup (arena, text);
}

/* The best `most` finite entries, best first, the first of equals before the others. */
static uint32_t pick_best (
    const float *confidences, const float *values, uint32_t n, uint32_t most, WeirClass *classes)
{
  uint32_t n_kept = 0;
  for (uint32_t i = 0; i < n; i++) {
    if (!isfinite (values[i]))
      continue;
    bool is_full = n_kept == most;
    if (is_full && !(confidences[i] > classes[n_kept - 1].confidence))
      continue;
    uint32_t at = is_full ? n_kept - 1 : n_kept++;
    for (; at > 0 && confidences[i] > classes[at - 1].confidence; at--)
      classes[at] = classes[at - 1];
    classes[at] = (WeirClass){ .label_id = (int32_t) i, .confidence = confidences[i] };
  }
  return n_kept;
}

/* Classes under the threshold are no answer; a class without confidence always is one. */
static void add (
    const WeirDecodeJob *job, const char *name, WeirClass *classes, uint32_t n, WeirResult *result)
{
  if (n == 0 || classes[0].confidence < job->options->threshold)
    return;
  result->attributes[result->n_attributes++] = (WeirAttribute){
    .name = weir_arena_strdup (result->arena, name), .n_classes = n, .classes = classes
  };
}

static void add_best (const WeirHead *head, const WeirDecodeJob *job, const float *confidences,
    const float *values, uint32_t n_values, WeirResult *result)
{
  uint32_t most = CLAMP (job->options->top_k, 1, n_values);
  WeirClass *classes = weir_arena_new_array (result->arena, WeirClass, most);
  uint32_t n = pick_best (confidences, values, n_values, most, classes);
  for (uint32_t i = 0; i < n; i++) {
    classes[i].confidence = CLAMP (classes[i].confidence, 0, 1);
    classes[i].label = label_of (head, classes[i].label_id, result->arena);
  }
  add (job, head->name, classes, n, result);
}

static void add_classes (
    const WeirHead *head, const WeirDecodeJob *job, const float *values, WeirResult *result)
{
  add_best (
      head, job, find_confidences (head, values, result->arena), values, head->n_values, result);
}

static void add_binary (
    const WeirHead *head, const WeirDecodeJob *job, const float *values, WeirResult *result)
{
  float p = *find_confidences (head, values, result->arena);
  const float both[] = { 1 - p, p };
  add_best (head, job, both, both, 2, result);
}

static void add_multi (
    const WeirHead *head, const WeirDecodeJob *job, const float *values, WeirResult *result)
{
  const float *confidences = find_confidences (head, values, result->arena);
  for (uint32_t i = 0; i < head->n_values; i++) {
    if (!isfinite (values[i]))
      continue;
    float p = CLAMP (confidences[i], 0, 1);
    bool is_true = (double) p >= head->threshold;
    WeirClass *class = weir_arena_new_array (result->arena, WeirClass, 1);
    *class = (WeirClass){
      .label = is_true ? "true" : "false", .label_id = is_true, .confidence = is_true ? p : 1 - p
    };
    add (job, head->labels[i], class, 1, result);
  }
}

/* Adds a text without confidence or number, unless it is empty. */
static void add_text (const WeirHead *head, const WeirDecodeJob *job, const char *text,
    float confidence, WeirResult *result)
{
  if (!*text)
    return;
  WeirClass *class = weir_arena_new_array (result->arena, WeirClass, 1);
  *class = (WeirClass){ .label = text, .label_id = WEIR_NO_CLASS, .confidence = confidence };
  add (job, head->name, class, 1, result);
}

/* The label that value i adds to a joined text; NULL: none. */
static const char *joined_label (const WeirHead *head, uint32_t i, float confidence)
{
  uint32_t per_value = head->is_paired ? 2 : 1;
  if ((double) confidence >= head->threshold)
    return head->labels[i * per_value];
  return head->is_paired && confidence > 0 ? head->labels[i * per_value + 1] : NULL;
}

static void add_joined (
    const WeirHead *head, const WeirDecodeJob *job, const float *values, WeirResult *result)
{
  const float *confidences = find_confidences (head, values, result->arena);
  size_t n_bytes = 1;
  float best = 0;
  for (uint32_t i = 0; i < head->n_values; i++) {
    const char *label = joined_label (head, i, confidences[i]);
    n_bytes += label ? strlen (label) + 1 : 0;
    best = confidences[i] > best ? confidences[i] : best;
  }
  char *text = weir_arena_alloc (result->arena, n_bytes), *end = text;
  for (uint32_t i = 0; i < head->n_values; i++) {
    const char *label = joined_label (head, i, confidences[i]);
    if (!label || !*label)
      continue;
    if (end > text && !g_ascii_isspace (end[-1]))
      *end++ = ' ';
    end = g_stpcpy (end, label);
  }
  add_text (head, job, text, MIN (best, 1), result);
}

/* Label of a number that a network computed; NULL where there is none, and the text ends. */
static const char *label_at (const WeirHead *head, float value)
{
  return value >= 0 && value < (float) head->n_labels ? head->labels[(uint32_t) value] : NULL;
}

/* The labels whose numbers stand in the values, joined, up to the first number that has none. */
static const char *spell (const WeirHead *head, const float *values, WeirArena *arena)
{
  size_t n_bytes = 1;
  uint32_t n = 0;
  for (const char *label; n < head->n_values && (label = label_at (head, values[n])); n++)
    n_bytes += strlen (label);
  if (n_bytes > WEIR_MAX_TEXT_BYTES)
    return "";
  char *text = weir_arena_alloc (arena, n_bytes), *end = text;
  for (uint32_t i = 0; i < n; i++)
    end = g_stpcpy (end, label_at (head, values[i]));
  return text;
}

static void add_index (
    const WeirHead *head, const WeirDecodeJob *job, const float *values, WeirResult *result)
{
  if (head->n_values == 1) {
    WeirClass *class = weir_arena_new_array (result->arena, WeirClass, 1);
    if (!(values[0] >= 0 && values[0] < (float) INT32_MAX))
      return;
    *class = (WeirClass){ .label_id = (int32_t) values[0], .confidence = NAN };
    class->label = label_of (head, class->label_id, result->arena);
    add (job, head->name, class, 1, result);
    return;
  }
  add_text (head, job, spell (head, values, result->arena), NAN, result);
}

static void add_numbers (
    const WeirHead *head, const WeirDecodeJob *job, const float *values, WeirResult *result)
{
  /* sign, 16 digits, point, digits behind it, ", " and the end */
  enum { N_BYTES_EACH = 40 };
  char format[16], digits[N_BYTES_EACH];
  char *text = weir_arena_alloc (result->arena, (size_t) head->n_values * N_BYTES_EACH);
  char *end = text;
  g_snprintf (format, sizeof format, "%%.%df", head->text_precision);
  for (uint32_t i = 0; i < head->n_values; i++) {
    double value = (double) values[i] * head->text_scale;
    if (!(fabs (value) <= MAX_TEXT_NUMBER))
      return;
    end = i ? g_stpcpy (end, ", ") : end;
    end = g_stpcpy (end, g_ascii_formatd (digits, sizeof digits, format, value));
  }
  add_text (head, job, text, NAN, result);
}

typedef void (*Answer) (
    const WeirHead *head, const WeirDecodeJob *job, const float *values, WeirResult *result);

static const Answer answers[] = {
  [WEIR_HEAD_NONE] = NULL,
  [WEIR_HEAD_TENSOR] = NULL,
  [WEIR_HEAD_CLASSES] = add_classes,
  [WEIR_HEAD_BINARY] = add_binary,
  [WEIR_HEAD_MULTI] = add_multi,
  [WEIR_HEAD_JOINED] = add_joined,
  [WEIR_HEAD_INDEX] = add_index,
  [WEIR_HEAD_TEXT] = add_numbers,
};

static size_t count_attributes (const WeirHeads *heads)
{
  size_t n = 0;
  for (uint32_t k = 0; k < heads->n; k++)
    n += heads->items[k].kind == WEIR_HEAD_MULTI ? heads->items[k].n_values : 1;
  return n;
}

bool weir_heads_decode (
    const WeirHeads *heads, const WeirDecodeJob *job, WeirResult *result, GError **error)
{
  bool *wanted = weir_arena_new_array (result->arena, bool, heads->n);
  result->n_attributes = 0;
  result->attributes =
      weir_arena_new_array (result->arena, WeirAttribute, count_attributes (heads));
  for (uint32_t k = 0; k < heads->n; k++) {
    const WeirHead *head = &heads->items[k];
    wanted[k] = head->kind == WEIR_HEAD_TENSOR || head->kind == WEIR_HEAD_TEXT;
    if (!answers[head->kind])
      continue;
    const float *values = weir_job_f32 (job, k, head->n_values, result->arena, error);
    if (!values)
      return false;
    answers[head->kind](head, job, values, result);
  }
  return weir_job_attach_some (job, wanted, result, error);
}
