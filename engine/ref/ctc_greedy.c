/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Greedy CTC decoding: the best class of every step, repeats merged, blanks dropped. */
#include "engine/ref/ref.h"

/* One sequence: `step` floats from one step's scores to the next. */
typedef struct Sequence {
  const float *scores;
  int64_t n_steps, step, n_classes, blank;
  bool merges;
} Sequence;

static int64_t find_best (const float *scores, int64_t n)
{
  int64_t best = 0;
  for (int64_t i = 1; i < n; i++)
    if (scores[i] > scores[best])
      best = i;
  return best;
}

/* Its labels to dst, -1 behind them up to n_dst. The number of labels. */
static int64_t decode (const Sequence *sequence, const WeirTensor *dst, int64_t row, int64_t n_dst)
{
  int64_t n = 0, last = -1;
  void *data = weir_tensor_data (dst);
  for (int64_t t = 0; t < sequence->n_steps; t++) {
    int64_t best = find_best (sequence->scores + t * sequence->step, sequence->n_classes);
    if (best != sequence->blank && !(sequence->merges && best == last))
      weir_ref_store_int (dst->dtype, data, row * n_dst + n++, best);
    last = best;
  }
  for (int64_t i = n; i < n_dst; i++)
    weir_ref_store_int (dst->dtype, data, row * n_dst + i, -1);
  return n;
}

/* A sequence ends at the first 0 of its mask; a mask for one sequence counts for all. */
bool weir_ref_ov_ctc_greedy_decoder (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *data = &job->src[0], *mask = &job->src[1];
  int64_t n_steps = data->dims[0], n = data->dims[1], n_masks = mask->dims[1];
  Sequence sequence = { .step = n * data->dims[2],
    .n_classes = data->dims[2],
    .blank = data->dims[2] - 1,
    .merges = weir_node_int (job->node, "ctc_merge_repeated", 1) != 0 };
  for (int64_t i = 0; i < n; i++) {
    const float *is_on = weir_ref_f32 (mask) + (n_masks == 1 ? 0 : i);
    sequence.scores = weir_ref_f32 (data) + i * data->dims[2];
    sequence.n_steps = 0;
    while (sequence.n_steps < n_steps && is_on[sequence.n_steps * n_masks] != 0)
      sequence.n_steps++;
    decode (&sequence, &job->dst[0], i, n_steps);
  }
  return true;
}

bool weir_ref_ov_ctc_greedy_decoder_seq_len (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *data = &job->src[0], *length = &job->src[1], *blank = weir_job_src (job, 2);
  int64_t n_steps = data->dims[1], n_classes = data->dims[2];
  Sequence sequence = { .step = n_classes,
    .n_classes = n_classes,
    .blank = n_classes - 1,
    .merges = weir_node_int (job->node, "merge_repeated", 1) != 0 };
  if (blank)
    sequence.blank = weir_ref_load_int (blank->dtype, weir_tensor_data (blank), 0);
  for (int64_t i = 0; i < data->dims[0]; i++) {
    int64_t given = weir_ref_load_int (length->dtype, weir_tensor_data (length), i);
    sequence.scores = weir_ref_f32 (data) + i * n_steps * n_classes;
    sequence.n_steps = CLAMP (given, 0, n_steps);
    int64_t n = decode (&sequence, &job->dst[0], i, n_steps);
    if (weir_job_wants (job, 1))
      weir_ref_store_int (job->dst[1].dtype, weir_tensor_data (&job->dst[1]), i, n);
  }
  return true;
}
