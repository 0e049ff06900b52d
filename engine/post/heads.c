/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Deciding what the heads of a network are. Where a model-proc file speaks of some outputs, the
 * others give no attributes: the file is taken to be complete. */
#include "engine/post/heads.h"

#include "engine/post/outputs.h"
#include <math.h>

#define DEFAULT_THRESHOLD 0.5
#define DEFAULT_PRECISION 2
#define MAX_PRECISION     15
#define MAX_TEXT_VALUES   256u

/* Of converter "label", and of metadata "weir.method". */
typedef struct Method {
  const char *name;
  WeirHeadKind kind;
  WeirHeadForm form;
  uint32_t labels_per_value; /* 0: any number of labels */
  bool needs_labels;
} Method;

static const Method methods[] = {
  { "max", WEIR_HEAD_CLASSES, WEIR_FORM_SCORES, 1, false },
  { "softmax", WEIR_HEAD_CLASSES, WEIR_FORM_SOFTMAX, 1, false },
  { "index", WEIR_HEAD_INDEX, WEIR_FORM_PROBABILITIES, 0, true },
  { "compound", WEIR_HEAD_JOINED, WEIR_FORM_SCORES, 2, true },
  { "multi", WEIR_HEAD_MULTI, WEIR_FORM_SCORES, 1, true },
  { "softmax_multi", WEIR_HEAD_JOINED, WEIR_FORM_SOFTMAX, 1, true },
};

static const Method *find_method (const char *name)
{
  for (uint32_t i = 0; i < G_N_ELEMENTS (methods); i++)
    if (g_str_equal (methods[i].name, name))
      return &methods[i];
  return NULL;
}

/* Probabilities are made by the network. */
#define INSIDE (WEIR_OUTPUT_SOFTMAX | WEIR_OUTPUT_SIGMOID)

static WeirHeadForm guess_form (uint32_t traits)
{
  if (traits & INSIDE)
    return WEIR_FORM_PROBABILITIES;
  return (traits & WEIR_OUTPUT_KNOWN) && !(traits & WEIR_OUTPUT_EXP) ? WEIR_FORM_LOGITS
                                                                     : WEIR_FORM_UNKNOWN;
}

static bool refuse_labels (
    const WeirModelFacts *facts, const WeirHead *head, const Method *method, GError **error)
{
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION,
      "classification: output '%s' has %u values and %u labels; method %s takes %s",
      facts->output_names[head->output], head->n_values, head->n_labels, method->name,
      method->labels_per_value == 2   ? "two labels a value"
      : method->labels_per_value == 1 ? "one label a value"
                                      : "labels");
  return false;
}

static bool set_method (WeirHead *head, const WeirModelFacts *facts, const char *name,
    const char *attribute, GError **error)
{
  const Method *method = find_method (name);
  if (!method) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION,
        "classification: method '%s' of output '%s'; expected max, softmax, index, compound, multi "
        "or softmax_multi",
        name, facts->output_names[head->output]);
    return false;
  }
  if ((!head->labels && method->needs_labels) ||
      (head->labels && method->labels_per_value &&
          head->n_labels != (uint64_t) method->labels_per_value * head->n_values))
    return refuse_labels (facts, head, method, error);
  head->kind = method->kind;
  head->is_paired = method->labels_per_value == 2;
  head->form = method->form;
  if (method->form == WEIR_FORM_SCORES && (weir_facts_traits (facts, head->output) & INSIDE))
    head->form = WEIR_FORM_PROBABILITIES;
  if (head->kind == WEIR_HEAD_MULTI && attribute)
    head->kind = WEIR_HEAD_JOINED;
  return true;
}

static void set_guess (WeirHead *head, const WeirModelFacts *facts)
{
  uint32_t k = head->output;
  head->kind = WEIR_HEAD_TENSOR;
  head->form = guess_form (weir_facts_traits (facts, k));
  if (!weir_facts_is_classes (facts, k))
    return;
  if (head->n_values == 1 && weir_facts_is_class_number (facts, k))
    head->kind = WEIR_HEAD_INDEX;
  else
    head->kind = head->n_values == 1 ? WEIR_HEAD_BINARY : WEIR_HEAD_CLASSES;
  if (head->kind == WEIR_HEAD_CLASSES && head->n_labels != head->n_values) {
    head->labels = NULL;
    head->n_labels = 0;
  }
}

static bool set_text (
    WeirHead *head, const WeirModelFacts *facts, const WeirProcOutput *entry, GError **error)
{
  if (head->n_values > MAX_TEXT_VALUES) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION,
        "classification: output '%s' has %u values; converter text takes up to %u",
        facts->output_names[head->output], head->n_values, MAX_TEXT_VALUES);
    return false;
  }
  head->kind = WEIR_HEAD_TEXT;
  head->text_scale = entry->text_scale;
  head->text_precision =
      entry->text_precision < 0 ? DEFAULT_PRECISION : MIN (entry->text_precision, MAX_PRECISION);
  return true;
}

static const WeirProcOutput *find_entry (const WeirModelFacts *facts, uint32_t k)
{
  return weir_proc_find (facts->proc, facts->output_names[k]);
}

static bool is_label (const char *converter)
{
  return g_str_equal (converter, "label") || g_str_equal (converter, "tensor_to_label");
}

static bool is_text (const char *converter)
{
  return g_str_equal (converter, "text") || g_str_equal (converter, "tensor_to_text");
}

/* An entry of the file that says how this output becomes an attribute. */
static bool gives_attribute (const WeirProcOutput *entry)
{
  if (entry && entry->converter)
    return is_text (entry->converter) || is_label (entry->converter);
  return entry && (entry->method || entry->labels);
}

static bool is_proc_complete (const WeirModelFacts *facts)
{
  for (uint32_t k = 0; k < facts->n_outputs; k++)
    if (gives_attribute (find_entry (facts, k)))
      return true;
  return false;
}

static void set_labels (WeirHead *head, const WeirModelFacts *facts, const WeirProcOutput *entry)
{
  /* Labels of a model of several outputs are those of the output that they fit. */
  if (facts->n_outputs == 1 || facts->n_labels == head->n_values ||
      facts->n_labels == 2 * (uint64_t) head->n_values) {
    head->labels = facts->labels;
    head->n_labels = facts->n_labels;
  }
  if (entry && entry->labels) {
    head->labels = (const char *const *) entry->labels;
    head->n_labels = entry->n_labels;
  }
  head->threshold = entry && isfinite (entry->threshold) ? entry->threshold : DEFAULT_THRESHOLD;
}

static bool set_entry (
    WeirHead *head, const WeirModelFacts *facts, const WeirProcOutput *entry, GError **error)
{
  head->name = g_strdup (entry->attribute_name);
  if (entry->converter && is_text (entry->converter))
    return set_text (head, facts, entry, error);
  const char *method = entry->method ? entry->method : "max";
  return set_method (head, facts, method, entry->attribute_name, error);
}

/* One entry without layer names for a model of several outputs speaks of those that it fits. */
static bool fits_entry (
    const WeirModelFacts *facts, const WeirHead *head, const WeirProcOutput *entry)
{
  if (entry->layer_names || facts->n_outputs == 1 ||
      (entry->converter && is_text (entry->converter)))
    return true;
  const Method *method = find_method (entry->method ? entry->method : "max");
  return !method || !entry->labels || !method->labels_per_value ||
         entry->n_labels == (uint64_t) method->labels_per_value * head->n_values;
}

static bool init_head (
    WeirHead *head, const WeirModelFacts *facts, uint32_t k, bool is_complete, GError **error)
{
  const WeirProcOutput *entry = find_entry (facts, k);
  const char *method = weir_facts_metadata (facts, "weir.method");
  *head = (WeirHead){ .output = k, .n_values = weir_facts_vector (facts, k) };
  bool has_entry = gives_attribute (entry) && (head->n_values || entry->layer_names) &&
                   fits_entry (facts, head, entry);
  if (!head->n_values)
    return !has_entry ||
           weir_facts_refuse (facts, k, "classification", error, "one vector, [1,values]");
  set_labels (head, facts, has_entry ? entry : NULL);
  if (has_entry)
    return set_entry (head, facts, entry, error);
  if (is_complete) {
    bool is_hidden = weir_facts_is_classes (facts, k) && !(entry && entry->converter);
    head->kind = is_hidden ? WEIR_HEAD_NONE : WEIR_HEAD_TENSOR;
    return true;
  }
  set_guess (head, facts);
  if (entry && entry->attribute_name)
    head->name = g_strdup (entry->attribute_name);
  return !method || head->kind != WEIR_HEAD_CLASSES ||
         set_method (head, facts, method, head->name, error);
}

static bool gives_answer (const WeirHead *head)
{
  return head->kind > WEIR_HEAD_TENSOR;
}

static void name_head (WeirHead *head, const WeirModelFacts *facts, bool is_only)
{
  const char *output = facts->output_names[head->output];
  g_autofree char *key = g_strconcat ("weir.attribute.", output, NULL);
  const char *name = weir_facts_metadata (facts, key);
  if (head->name || !gives_answer (head) || head->kind == WEIR_HEAD_MULTI)
    return;
  if (!name && is_only)
    name = weir_facts_metadata (facts, "weir.attribute");
  if (!name || !*name)
    name = is_only && head->kind != WEIR_HEAD_TEXT ? "classification" : output;
  head->name = g_strdup (name);
}

/* Layers that a file names and the model does not have: the file belongs to another model. */
static bool check_layers (const WeirModelFacts *facts, GError **error)
{
  for (uint32_t i = 0; facts->proc && i < facts->proc->n_outputs; i++) {
    char **names = facts->proc->outputs[i].layer_names;
    for (uint32_t j = 0; names && names[j]; j++) {
      bool is_there = false;
      for (uint32_t k = 0; k < facts->n_outputs && !is_there; k++)
        is_there = g_str_equal (facts->output_names[k], names[j]);
      if (is_there)
        continue;
      g_autoptr (GString) all = g_string_new (NULL);
      for (uint32_t k = 0; k < facts->n_outputs; k++)
        g_string_append_printf (all, "%s%s", k ? ", " : "", facts->output_names[k]);
      g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION,
          "the model-proc file names output '%s'; the model has %s", names[j], all->str);
      return false;
    }
  }
  return true;
}

/* No other head gives an answer of its kind. */
static bool is_only_one (const WeirHeads *heads, uint32_t k)
{
  bool is_text = heads->items[k].kind == WEIR_HEAD_TEXT;
  for (uint32_t i = 0; i < heads->n; i++)
    if (i != k && gives_answer (&heads->items[i]) &&
        (is_text || heads->items[i].kind != WEIR_HEAD_TEXT))
      return false;
  return true;
}

bool weir_heads_init (WeirHeads *heads, const WeirModelFacts *facts, GError **error)
{
  *heads = (WeirHeads){ .n = facts->n_outputs };
  if (!check_layers (facts, error))
    return false;
  bool is_complete = is_proc_complete (facts);
  heads->items = g_new0 (WeirHead, facts->n_outputs);
  for (uint32_t k = 0; k < facts->n_outputs; k++) {
    if (!init_head (&heads->items[k], facts, k, is_complete, error)) {
      weir_heads_clear (heads);
      return false;
    }
    heads->n_answers += gives_answer (&heads->items[k]);
  }
  for (uint32_t k = 0; k < heads->n; k++)
    name_head (&heads->items[k], facts, is_only_one (heads, k));
  return true;
}

void weir_heads_clear (WeirHeads *heads)
{
  for (uint32_t k = 0; heads->items && k < heads->n; k++)
    g_free (heads->items[k].name);
  g_clear_pointer (&heads->items, g_free);
}

char *weir_heads_describe (const WeirHeads *heads, const WeirModelFacts *facts)
{
  static const char *const words[] = {
    [WEIR_HEAD_NONE] = NULL,
    [WEIR_HEAD_TENSOR] = "numbers of",
    [WEIR_HEAD_CLASSES] = "classes of",
    [WEIR_HEAD_BINARY] = "one class or the other of",
    [WEIR_HEAD_MULTI] = "yes or no for each label of",
    [WEIR_HEAD_JOINED] = "labels above a threshold of",
    [WEIR_HEAD_INDEX] = "labels by number of",
    [WEIR_HEAD_TEXT] = "text of",
  };
  GString *text = g_string_new (NULL);
  for (uint32_t k = 0; k < heads->n; k++) {
    const WeirHead *head = &heads->items[k];
    if (words[head->kind])
      g_string_append_printf (text, "%s%s '%s' (%u)", text->len ? ", " : "", words[head->kind],
          facts->output_names[head->output], head->n_values);
  }
  return g_string_free (text, FALSE);
}
