/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What decoders share about a model's outputs: checks of their shapes, their values as f32, labels.
 */
#pragma once

#include "engine/base/arena.h"
#include "engine/post/decoder.h"
#include <math.h>

G_BEGIN_DECLS

/* Size of the picture that the model takes; false where it is no picture of 1 or 3 channels. */
bool weir_facts_input_size (const WeirModelFacts *facts, uint32_t *width_px, uint32_t *height_px);
/* True where output k is floating point [1, n_rows, columns]; n_rows -1: any. */
bool weir_facts_is_table (
    const WeirModelFacts *facts, uint32_t k, int64_t n_rows, uint32_t *n_columns);
bool weir_facts_is_float (const WeirModelFacts *facts, uint32_t k);
bool weir_facts_is_integer (const WeirModelFacts *facts, uint32_t k);
/* True where output k is floating point, 3 dims, batch 1: *n_rows and *n_columns are dims 1, 2. */
bool weir_facts_is_matrix (
    const WeirModelFacts *facts, uint32_t k, uint32_t *n_rows, uint32_t *n_columns);
/* The output of that name (a tensor's ":0" aside); n_outputs where there is none. */
uint32_t weir_facts_find_output (const WeirModelFacts *facts, const char *name);
/* How many numbers output k holds where it is a vector, at most one of its dims not 1; else 0. */
uint32_t weir_facts_vector (const WeirModelFacts *facts, uint32_t k);
/* True where the output's name holds one of the words (NULL-terminated, lower case; the case of the
 * name does not matter). */
bool weir_facts_is_named (const WeirModelFacts *facts, uint32_t k, const char *const *words);
uint32_t weir_facts_traits (const WeirModelFacts *facts, uint32_t k);
/* NULL where there is none. */
const char *weir_facts_metadata (const WeirModelFacts *facts, const char *key);
/* A member that a model-proc file gives of output k, else metadata "weir.NAME"; NULL. */
const char *weir_facts_member (const WeirModelFacts *facts, uint32_t k, const char *name);
/* The same as numbers "1,2,3", at most n_max: how many, 0 where there is none. False and an OPTION
 * error where they cannot be read. */
bool weir_facts_numbers (const WeirModelFacts *facts, uint32_t k, const char *name, uint32_t n_max,
    double *numbers, uint32_t *n, GError **error);
/* The label of a class; `fallback` where the model has no labels; else the number as text. */
const char *weir_facts_label (
    const WeirModelFacts *facts, int32_t label_id, const char *fallback, WeirArena *arena);

/* SHAPE error "DECODER: output 'NAME' is f32[…]; expected …"; always false. */
bool weir_facts_refuse (const WeirModelFacts *facts, uint32_t k, const char *decoder,
    GError **error, const char *format, ...) G_GNUC_PRINTF (5, 6);
/* SHAPE error "DECODER: the model has N outputs; expected …"; always false. */
bool weir_facts_refuse_count (
    const WeirModelFacts *facts, const char *decoder, const char *expected, GError **error);
/* Sets *why to an interned string; always true. */
bool weir_facts_recognise (const char **why, const char *format, ...) G_GNUC_PRINTF (2, 3);

/* Values of output k of a job: its own memory where it is f32, else converted into the arena. NULL
 * and an error where it has not n_expected elements. */
const float *weir_job_f32 (
    const WeirDecodeJob *job, uint32_t k, size_t n_expected, WeirArena *arena, GError **error);
/* All values of output k, however many there are this time (none: not NULL either). */
const float *weir_job_values (
    const WeirDecodeJob *job, uint32_t k, size_t *n, WeirArena *arena, GError **error);
/* The same as rows of n_columns. NULL and an error where its last dim is another. */
const float *weir_job_rows (const WeirDecodeJob *job, uint32_t k, uint32_t n_columns,
    uint32_t *n_rows, WeirArena *arena, GError **error);
/* All outputs of the job as result->tensors, where the caller asks for it or `always`. */
bool weir_job_attach (const WeirDecodeJob *job, bool always, WeirResult *result, GError **error);
/* The same for the outputs of which wanted[k] is true, all of them where the caller asks for it. */
bool weir_job_attach_some (
    const WeirDecodeJob *job, const bool *wanted, WeirResult *result, GError **error);

/* Appends a tensor of the decoder's own making, zeroed, to result->tensors; its values. `name` is
 * static. Dims are ones that a decoder has checked. */
float *weir_result_add_tensor (
    WeirResult *result, const char *name, uint32_t rank, const int64_t *dims);

/* For decoders that need nothing but the job: `prepare`, `release`, no classes, and a `decode` that
 * attaches every output. */
void *weir_nothing_prepare (
    const WeirModelFacts *facts, const WeirInputSpec *input, GError **error);
void weir_nothing_release (void *state);
uint32_t weir_nothing_n_classes (const WeirModelFacts *facts);
bool weir_nothing_decode (const WeirDecodeJob *job, WeirResult *result, GError **error);
/* `n_classes` of detectors of one kind of thing. */
uint32_t weir_one_n_classes (const WeirModelFacts *facts);

/* A class's score that is 1 / (1 + exp (-v)) where the network leaves that to be done. NaN and
 * infinities stay: no sigmoid makes a candidate of them. */
float weir_score (float v, bool is_raw);
/* The geometric mean of two scores, clipped to 0..1; NaN where one is not finite. */
float weir_score_of_two (float a, float b);
/* The softmax of `best`, the greatest of n values that lie `step` apart; NaN where one of them is.
 */
double weir_softmax_of_best (const float *values, uint32_t n, size_t step, float best);
static inline double weir_sigmoid (double v)
{
  return 1 / (1 + exp (-v));
}
/* Whether a value of an output can be the number of a class (or a picture): NaN cannot. */
static inline bool weir_is_label (float v)
{
  return v >= 0 && v < 1e6f;
}
/* A longer text is none: what a file's labels are repeated to would take all memory. */
#define WEIR_MAX_TEXT_BYTES ((size_t) 1 << 20)

/* Index of the greatest of n values that lie `step` apart, the first of equals; NaN is never one.
 * *best is -INFINITY where there is none. */
uint32_t weir_argmax (const float *values, uint32_t n, size_t step, float *best);

G_END_DECLS
