/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a vector of numbers is, where no file says it. A softmax, or labels of the same number, make
 * classes of it. Without these it goes by the output's name, then by the sizes that published
 * networks have. */
#include "engine/post/heads.h"
#include "engine/post/outputs.h"

static const char *const class_words[] = { "logit", "prob", "softmax", "class", "cls", NULL };
static const char *const number_words[] = { "angle", "yaw", "pitch", "roll", "gaze", "landmark",
  "keypoint", "kps", "bbox", "box", "coord", "regress", NULL };
static const char *const landmark_words[] = { "landmark", "keypoint", NULL };
static const char *const embedding_words[] = { "embed", "reid", "feature", NULL };

/* 2·K numbers of published nets of 5 (with a sigmoid only: ten logits are digits), 21, 35, 68, 98,
 * 106, 468 and 478 points; 3·K of those of 21, 468 and 478. */
static const uint32_t landmark_sizes[] = { 42, 70, 136, 196, 212, 936, 956, 63, 1404, 1434, 0 };
#define N_FIVE_POINTS 10u

static const uint32_t embedding_sizes[] = { 64, 96, 128, 192, 256, 320, 384, 512, 576, 640, 768,
  960, 1024, 1152, 1280, 1408, 1536, 1792, 2048, 2304, 2560, 0 };

#define CLASSES_INSIDE (WEIR_OUTPUT_SOFTMAX | WEIR_OUTPUT_LOG_SOFTMAX)

static bool is_one_of (uint32_t n, const uint32_t *sizes)
{
  for (uint32_t i = 0; sizes[i]; i++)
    if (sizes[i] == n)
      return true;
  return false;
}

static bool has_labels (const WeirModelFacts *facts, uint32_t n)
{
  return facts->labels && facts->n_labels == n;
}

/* Coordinates of K points: [1,K,2] or [1,K,3]. */
static bool is_point_table (const WeirModelFacts *facts, uint32_t k)
{
  uint32_t n_columns;
  const WeirTensor *output = &facts->outputs[k];
  return weir_facts_is_table (facts, k, -1, &n_columns) && (n_columns == 2 || n_columns == 3) &&
         output->dims[1] >= 4 && output->dims[1] <= 512;
}

bool weir_facts_is_landmarks (const WeirModelFacts *facts, uint32_t k)
{
  uint32_t n = weir_facts_vector (facts, k), traits = weir_facts_traits (facts, k);
  if (is_point_table (facts, k))
    return !(traits & CLASSES_INSIDE);
  if (!n || !weir_facts_is_float (facts, k) || (traits & CLASSES_INSIDE) || has_labels (facts, n))
    return false;
  if (weir_facts_is_named (facts, k, landmark_words))
    return n >= 4 && (n % 2 == 0 || n % 3 == 0);
  return is_one_of (n, landmark_sizes) || (n == N_FIVE_POINTS && (traits & WEIR_OUTPUT_SIGMOID));
}

bool weir_facts_is_embedding (const WeirModelFacts *facts, uint32_t k)
{
  uint32_t n = weir_facts_vector (facts, k), traits = weir_facts_traits (facts, k);
  if (n < 16 || !weir_facts_is_float (facts, k) || facts->labels)
    return false;
  if ((traits & (CLASSES_INSIDE | WEIR_OUTPUT_SIGMOID)) || weir_facts_is_landmarks (facts, k))
    return false;
  return weir_facts_is_named (facts, k, embedding_words) ||
         (is_one_of (n, embedding_sizes) && !weir_facts_is_named (facts, k, class_words));
}

/* A network of one output has classes more often than anything else; one output of several needs
 * a better reason. */
static bool is_classes_by_size (const WeirModelFacts *facts, uint32_t k, uint32_t n)
{
  if (weir_facts_is_named (facts, k, class_words))
    return true;
  if (weir_facts_traits (facts, k) & WEIR_OUTPUT_SIGMOID)
    return n > 2;
  return facts->n_outputs == 1 && !weir_facts_is_named (facts, k, number_words);
}

bool weir_facts_is_class_number (const WeirModelFacts *facts, uint32_t k)
{
  return (weir_facts_traits (facts, k) & WEIR_OUTPUT_INDEX) ||
         (!weir_facts_is_float (facts, k) && facts->labels);
}

bool weir_facts_is_classes (const WeirModelFacts *facts, uint32_t k)
{
  uint32_t n = weir_facts_vector (facts, k), traits = weir_facts_traits (facts, k);
  if (n == 1 && weir_facts_is_class_number (facts, k))
    return true;
  if (!n || !weir_facts_is_float (facts, k))
    return false;
  if (n == 1)
    return (traits & WEIR_OUTPUT_SIGMOID) && has_labels (facts, 2);
  if ((traits & CLASSES_INSIDE) || has_labels (facts, n))
    return true;
  return !weir_facts_is_landmarks (facts, k) && !weir_facts_is_embedding (facts, k) &&
         is_classes_by_size (facts, k, n);
}
