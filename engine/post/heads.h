/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WeirHead: how one output of an attributes network is read: classes, texts or numbers. */
#pragma once

#include "engine/post/decoder.h"

G_BEGIN_DECLS

typedef enum WeirHeadKind {
  WEIR_HEAD_NONE,    /* a tensor where the caller asks for tensors */
  WEIR_HEAD_TENSOR,  /* numbers: a tensor always */
  WEIR_HEAD_CLASSES, /* one attribute, the best classes */
  WEIR_HEAD_BINARY,  /* the same of one value p: label 1 with p, label 0 with 1 - p */
  WEIR_HEAD_MULTI,  /* an attribute a label: "true" where p >= threshold, else "false" with 1 - p */
  WEIR_HEAD_JOINED, /* one attribute, its label those of the values >= threshold, with spaces */
  WEIR_HEAD_INDEX,  /* one attribute, its label those whose numbers stand in the output */
  WEIR_HEAD_TEXT,   /* one attribute, the numbers as text; a tensor always */
} WeirHeadKind;

/* How values become confidences. */
typedef enum WeirHeadForm {
  WEIR_FORM_UNKNOWN,       /* a distribution where it looks like one, else logits */
  WEIR_FORM_LOGITS,        /* softmax (classes) or sigmoid (the others) is added */
  WEIR_FORM_PROBABILITIES, /* as they stand */
  WEIR_FORM_SCORES,        /* as they stand where all are in 0..1, else logits */
  WEIR_FORM_SOFTMAX,       /* softmax is added, whatever the kind */
} WeirHeadForm;

/* Labels are borrowed from the facts. */
typedef struct WeirHead {
  uint32_t output, n_values;
  WeirHeadKind kind;
  WeirHeadForm form;
  char *name; /* of the attribute; NULL for kinds that give none, and for MULTI */
  const char *const *labels;
  uint32_t n_labels;
  bool is_paired; /* JOINED: labels 2·i for values >= threshold, 2·i + 1 for lower ones above 0 */
  double threshold, text_scale;
  int32_t text_precision;
} WeirHead;

/* One head an output, in the order of the outputs. What a model-proc file says of an output goes
 * first, then metadata ("weir.method", "weir.attribute", "weir.attribute.OUTPUT"), then labels,
 * what the graph tells, the output's name and its size. Thread-safety: a value; immutable once
 * made. */
typedef struct WeirHeads {
  uint32_t n;
  uint32_t n_answers; /* outputs that give attributes */
  WeirHead *items;
} WeirHeads;

/* False and error OPTION or SHAPE where the model-proc file or the metadata ask for something that
 * the outputs cannot give. */
bool weir_heads_init (WeirHeads *heads, const WeirModelFacts *facts, GError **error);
void weir_heads_clear (WeirHeads *heads);
/* What the heads say of a region: result->attributes, ->tensors. Attributes whose confidence is
 * under the threshold of the options are left out; those without a confidence are not. */
bool weir_heads_decode (
    const WeirHeads *heads, const WeirDecodeJob *job, WeirResult *result, GError **error);

/* "classes of 'prob' (2), numbers of 'age_conv3'": newly allocated. */
char *weir_heads_describe (const WeirHeads *heads, const WeirModelFacts *facts);

/* Whether output k looks like classes, like points of a face or hand, like an embedding, to go by
 * traits, labels, name and size; never more than one of them. */
bool weir_facts_is_classes (const WeirModelFacts *facts, uint32_t k);
/* Whether the values of output k are numbers of classes: an ArgMax, or integers where there are
 * labels. */
bool weir_facts_is_class_number (const WeirModelFacts *facts, uint32_t k);
bool weir_facts_is_landmarks (const WeirModelFacts *facts, uint32_t k);
bool weir_facts_is_embedding (const WeirModelFacts *facts, uint32_t k);

G_END_DECLS
