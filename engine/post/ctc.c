/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Connectionist temporal classification (Graves et al., 2006): a text from a sequence of class
 * scores, one of the classes being "nothing" (the blank), or from the label numbers that the
 * network has decoded itself. Decoding is greedy: the best class of every step, repeats merged,
 * blanks dropped. The confidence is the mean over the characters that remain. */
#include "engine/post/decoders.h"
#include "engine/post/outputs.h"
#include <math.h>

#define SUM_TOLERANCE          0.01
#define MIN_CLASSES            5u /* of a sequence that is recognised without labels */
#define MAX_TEXT_NET_HEIGHT_PX 96u

typedef struct Ctc {
  uint32_t output;
  bool is_numbers; /* label numbers; what follows does not apply to these, but for the labels */
  uint32_t n_steps, n_classes;
  size_t step_stride, class_stride; /* in values */
  bool is_time_major;               /* [T,1,C] */
  uint32_t blank;
  bool labels_have_blank;
  bool is_probabilities, is_logits; /* neither: what the values say */
  const char *const *labels;        /* borrowed from the facts */
  uint32_t n_labels;
  char *name;
} Ctc;

static const WeirProcOutput *find_entry (const WeirModelFacts *facts, uint32_t k)
{
  return weir_proc_find (facts->proc, facts->output_names[k]);
}

static void find_labels (const WeirModelFacts *facts, Ctc *ctc)
{
  const WeirProcOutput *entry = find_entry (facts, ctc->output);
  bool has_entry = entry && entry->labels;
  ctc->labels = has_entry ? (const char *const *) entry->labels : facts->labels;
  ctc->n_labels = has_entry ? entry->n_labels : facts->n_labels;
}

/* C of a sequence for n labels: with the blank, without it, without it and the space. */
static bool fits_labels (const Ctc *ctc, int64_t n_classes)
{
  return ctc->labels && n_classes >= ctc->n_labels && n_classes <= (int64_t) ctc->n_labels + 2;
}

/* [T,1,C], [1,T,C], [1,C,T], the last two with a further dim of 1 before the last. Which is which
 * of the last two the labels tell; without them the classes come last. */
static bool set_sequence (Ctc *ctc, const WeirTensor *output)
{
  int64_t outer = 0, inner = 0;
  if (output->rank == 3 && output->dims[0] == 1) {
    outer = output->dims[1];
    inner = output->dims[2];
  } else if (output->rank == 3 && output->dims[1] == 1) {
    ctc->is_time_major = true;
    outer = output->dims[0];
    inner = output->dims[2];
  } else if (output->rank == 4 && output->dims[0] == 1 && output->dims[2] == 1) {
    outer = output->dims[1];
    inner = output->dims[3];
  }
  if (outer < 1 || inner < 1 || outer > INT32_MAX || inner > INT32_MAX)
    return false;
  bool is_turned = !ctc->is_time_major && fits_labels (ctc, outer) && !fits_labels (ctc, inner);
  ctc->n_steps = (uint32_t) (is_turned ? inner : outer);
  ctc->n_classes = (uint32_t) (is_turned ? outer : inner);
  ctc->step_stride = is_turned ? 1 : ctc->n_classes;
  ctc->class_stride = is_turned ? ctc->n_steps : 1;
  return ctc->n_classes >= 2;
}

static bool is_blank_label (const char *label)
{
  static const char *const words[] = { "", "#", "blank", "<blank>", "[blank]", "<blk>", "<ctc>",
    NULL };
  return g_strv_contains (words, label);
}

/* Metadata "weir.blank": "first", "last" or the number of the class. Else a label that says it;
 * else the first class, or in sequences [T,1,C], TensorFlow's way, the last. */
static bool set_blank (Ctc *ctc, const WeirModelFacts *facts, GError **error)
{
  const char *text = weir_facts_metadata (facts, "weir.blank");
  uint32_t last = ctc->n_classes - 1;
  guint64 number = last;
  ctc->labels_have_blank = ctc->labels && ctc->n_labels == ctc->n_classes;
  if (!text) {
    ctc->blank =
        ctc->is_time_major && !(ctc->labels && ctc->n_labels + 2 == ctc->n_classes) ? last : 0;
    if (ctc->labels_have_blank && is_blank_label (ctc->labels[last - ctc->blank]) &&
        !is_blank_label (ctc->labels[ctc->blank]))
      ctc->blank = last - ctc->blank;
    return true;
  }
  if (g_str_equal (text, "first"))
    number = 0;
  else if (!g_str_equal (text, "last") &&
           !g_ascii_string_to_unsigned (text, 10, 0, last, &number, NULL)) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION,
        "weir.blank '%s': first, last or a number from 0 to %u is expected", text, last);
    return false;
  }
  ctc->blank = (uint32_t) number;
  return true;
}

static bool set_scores (Ctc *ctc, const WeirModelFacts *facts, GError **error)
{
  uint32_t k = ctc->output, traits = weir_facts_traits (facts, k);
  if (!set_sequence (ctc, &facts->outputs[k]))
    return weir_facts_refuse (
        facts, k, "ctc", error, "label numbers [1,T], or scores [T,1,classes] or [1,T,classes]");
  if (ctc->labels && !fits_labels (ctc, ctc->n_classes))
    return weir_facts_refuse (facts, k, "ctc", error,
        "%u, %u or %u classes: the labels, a blank, a space", ctc->n_labels, ctc->n_labels + 1,
        ctc->n_labels + 2);
  ctc->is_probabilities = (traits & WEIR_OUTPUT_SOFTMAX) != 0;
  ctc->is_logits =
      !ctc->is_probabilities && (traits & WEIR_OUTPUT_KNOWN) && !(traits & WEIR_OUTPUT_EXP);
  return set_blank (ctc, facts, error);
}

/* The output that a decoder inside the network gives, else the only one. */
static uint32_t find_output (const WeirModelFacts *facts)
{
  for (uint32_t k = 0; k < facts->n_outputs; k++)
    if (weir_facts_traits (facts, k) & WEIR_OUTPUT_CTC)
      return k;
  return facts->n_outputs == 1 ? 0 : UINT32_MAX;
}

static bool fit (const WeirModelFacts *facts, Ctc *ctc, GError **error)
{
  *ctc = (Ctc){ .output = find_output (facts) };
  if (ctc->output == UINT32_MAX)
    return weir_facts_refuse_count (facts, "ctc", "one, a sequence", error);
  find_labels (facts, ctc);
  ctc->n_steps = weir_facts_vector (facts, ctc->output);
  ctc->is_numbers = ctc->n_steps >= 1 && facts->outputs[ctc->output].rank >= 1;
  return ctc->is_numbers || set_scores (ctc, facts, error);
}

/* Pictures of lines of text are low and wide. */
static bool has_line_input (const WeirModelFacts *facts)
{
  uint32_t width_px, height_px;
  return weir_facts_input_size (facts, &width_px, &height_px) &&
         height_px <= MAX_TEXT_NET_HEIGHT_PX && width_px >= 2 * height_px;
}

/* A table of numbers is a sequence of scores where the input is a line of text, and its being
 * time-major, labels or a softmax say so as well. */
static bool is_text_net (const WeirModelFacts *facts, const Ctc *ctc)
{
  uint32_t traits = weir_facts_traits (facts, ctc->output);
  return has_line_input (facts) && ctc->n_steps > 1 && ctc->n_classes >= MIN_CLASSES &&
         (ctc->is_time_major || ctc->labels ||
             (traits & (WEIR_OUTPUT_SOFTMAX | WEIR_OUTPUT_LOG_SOFTMAX)));
}

static bool match (const WeirModelFacts *facts, const char **why)
{
  Ctc ctc;
  if (!fit (facts, &ctc, NULL))
    return false;
  const char *without = ctc.labels ? "" : "; without labels there is no text";
  if (ctc.is_numbers)
    return (weir_facts_traits (facts, ctc.output) & WEIR_OUTPUT_CTC) &&
           weir_facts_recognise (
               why, "up to %u label numbers of a CTC decoder%s", ctc.n_steps, without);
  return is_text_net (facts, &ctc) && weir_facts_is_float (facts, ctc.output) &&
         weir_facts_recognise (why, "a sequence of %u steps of %u classes, blank %u%s", ctc.n_steps,
             ctc.n_classes, ctc.blank, without);
}

static void release (void *data)
{
  Ctc *ctc = data;
  if (ctc)
    g_free (ctc->name);
  g_free (ctc);
}

static void *prepare (const WeirModelFacts *facts, const WeirInputSpec *input, GError **error)
{
  Ctc ctc;
  if (!fit (facts, &ctc, error))
    return NULL;
  const WeirProcOutput *entry = find_entry (facts, ctc.output);
  const char *name = entry ? entry->attribute_name : NULL;
  if (!name)
    name = weir_facts_metadata (facts, "weir.attribute");
  ctc.name = g_strdup (name && *name ? name : "text");
  return g_memdup2 (&ctc, sizeof ctc);
}

/* A text in the making: first its size is counted, then it is written. */
typedef struct Text {
  char *bytes; /* NULL while counting */
  size_t n_bytes;
  uint32_t n_characters;
  double confidences; /* their sum */
} Text;

static void append (Text *text, const char *label, double confidence)
{
  size_t n_bytes = strlen (label);
  if (text->bytes)
    memcpy (text->bytes + text->n_bytes, label, n_bytes);
  text->n_bytes += n_bytes;
  text->n_characters++;
  text->confidences += confidence;
}

static void spell_numbers (const Ctc *ctc, const float *values, Text *text)
{
  for (uint32_t i = 0; i < ctc->n_steps; i++) {
    if (!(values[i] >= 0 && values[i] < (float) ctc->n_labels))
      return;
    append (text, ctc->labels[(uint32_t) values[i]], NAN);
  }
}

static const char *label_of (const Ctc *ctc, uint32_t class)
{
  uint32_t label = class - (!ctc->labels_have_blank && class > ctc->blank);
  return label < ctc->n_labels ? ctc->labels[label] : " ";
}

/* Of the best class, `greatest`. */
static double confidence_of (const Ctc *ctc, const float *row, float greatest)
{
  double sum = 0, exponentials = 0;
  bool is_unit = true;
  if (ctc->is_probabilities)
    return CLAMP ((double) greatest, 0, 1);
  for (uint32_t i = 0; i < ctc->n_classes; i++) {
    double value = (double) row[i * ctc->class_stride];
    if (isnan (value))
      continue;
    sum += value;
    is_unit = is_unit && value >= 0 && value <= 1;
    exponentials += exp (value - (double) greatest);
  }
  bool is_distribution = is_unit && fabs (sum - 1) <= SUM_TOLERANCE;
  return is_distribution && !ctc->is_logits ? (double) greatest : 1 / exponentials;
}

static void spell_scores (const Ctc *ctc, const float *values, Text *text)
{
  uint32_t previous = ctc->blank;
  for (uint32_t t = 0; t < ctc->n_steps; t++) {
    const float *row = values + t * ctc->step_stride;
    float greatest;
    uint32_t class = weir_argmax (row, ctc->n_classes, ctc->class_stride, &greatest);
    if (!isfinite (greatest))
      class = ctc->blank;
    if (class != ctc->blank && class != previous)
      append (text, label_of (ctc, class), text->bytes ? confidence_of (ctc, row, greatest) : 0);
    previous = class;
  }
}

static void add_text (
    const Ctc *ctc, const WeirDecodeJob *job, const float *values, WeirResult *result)
{
  void (*spell) (const Ctc *, const float *, Text *) =
      ctc->is_numbers ? spell_numbers : spell_scores;
  Text size = { 0 };
  spell (ctc, values, &size);
  if (!size.n_bytes || size.n_bytes > WEIR_MAX_TEXT_BYTES)
    return;
  Text text = { .bytes = weir_arena_alloc (result->arena, size.n_bytes + 1) };
  spell (ctc, values, &text);
  float confidence = (float) (text.confidences / text.n_characters);
  if (confidence < job->options->threshold)
    return;
  WeirClass *class = weir_arena_new_array (result->arena, WeirClass, 1);
  *class = (WeirClass){ .label = text.bytes, .label_id = WEIR_NO_CLASS, .confidence = confidence };
  result->attributes = weir_arena_new_array (result->arena, WeirAttribute, 1);
  result->attributes[0] = (WeirAttribute){ .name = weir_arena_strdup (result->arena, ctc->name),
    .n_classes = 1,
    .classes = class };
  result->n_attributes = 1;
}

static bool decode (const WeirDecodeJob *job, WeirResult *result, GError **error)
{
  const Ctc *ctc = job->state;
  size_t n = ctc->is_numbers ? ctc->n_steps : (size_t) ctc->n_steps * ctc->n_classes;
  const float *values = weir_job_f32 (job, ctc->output, n, result->arena, error);
  if (!values)
    return false;
  if (ctc->labels)
    add_text (ctc, job, values, result);
  return weir_job_attach (job, !ctc->labels, result, error);
}

const WeirDecoder weir_decoder_ctc = {
  .name = "ctc",
  .blurb = "a line of text: label numbers [1,T], or scores [T,1,classes] or [1,T,classes]",
  WEIR_TRAINED_ON_BYTES,
  .match = match,
  .n_classes = weir_nothing_n_classes,
  .prepare = prepare,
  .release = release,
  .decode = decode,
};
