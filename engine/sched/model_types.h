/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The inside of WeirModel, for model*.c and the session. */
#pragma once

#include "engine/graph/graph.h"
#include "engine/model.h"
#include "engine/post/decoder.h"

#define WEIR_MAX_OUTPUTS 64

/* What an input gets where a request does not give it. */
typedef struct WeirFill {
  const char *text;  /* "picture", "ones", "image info: height, width, 1"; NULL: nothing fills it */
  WeirTensor values; /* one item's, plain, in the input's type; dtype NONE where there are none */
} WeirFill;

struct WeirModel {
  gint ref_count;
  char *path, *name;
  WeirGraph *graph;
  WeirGraph *quantised; /* the same to be run in 8 bits; NULL where no activations are quantised */
  uint32_t n_quantised, n_computing; /* its convolutions and products: in 8 bits, all */
  GHashTable *metadata;
  char **labels; /* NULL: none */
  uint32_t n_labels;
  bool has_own_labels; /* they are the model file's */
  WeirArena *arena;    /* names and shapes of facts */
  WeirModelFacts facts;
  WeirProc *proc;              /* NULL: no model-proc file */
  WeirFill *fills;             /* of every input */
  bool has_picture;            /* input facts.picture is one that preprocessing can fill */
  bool is_nhwc;                /* it is [n, h, w, c] */
  const char *picture_problem; /* why frames cannot be given; NULL: they can */
  WeirInputSpec input;         /* where has_picture */
  const WeirDecoder *decoder;
  const char *decoder_why;
  void *decoder_state;
  const char *batch_limit_reason; /* NULL: batches */
  bool needs_proof;      /* constants were rewritten for the batch: the session compares values */
  GHashTable *operators; /* name to count, of the file's graph */
  uint64_t n_parameters;
  double gflop; /* at n = 1: 2 per multiply-add */
};

/* model.c: a model without a file, for devices that only take time: f32 [n,1] in, f32 [n,1] out. */
WeirModel *weir_model_new_stub (const WeirModelOptions *options, GError **error);
/* model_quantise.c: makes `quantised` of a graph that is folded but for quantisers. */
bool weir_model_quantise (WeirModel *model, GError **error);
/* model_facts.c */
bool weir_model_describe_io (WeirModel *model, GError **error);
void weir_model_count (WeirModel *model, const WeirTensor *shapes);
/* model_input.c: decoder and preprocessing from options, metadata, names and shapes. */
bool weir_model_choose_decoder (WeirModel *model, const WeirModelOptions *options, GError **error);
bool weir_model_choose_labels (WeirModel *model, const WeirModelOptions *options, GError **error);
/* model_pin.c: dims that are open beyond the batch. */
bool weir_model_pin (WeirModel *model, const WeirModelOptions *options, GError **error);
/* model_fill.c: the picture's input and the others' values. */
bool weir_model_set_input (WeirModel *model, const WeirModelOptions *options, GError **error);
/* The input that takes the picture, by rank, channels (-1: open) and names; WEIR_NONE where none
 * does, or several of *n_candidates could. */
uint32_t weir_model_find_picture (const WeirModel *model, const WeirModelOptions *options,
    uint32_t n, const char *const *names, const WeirTensor *shapes, uint32_t *n_candidates);
/* Of a shape of rank 4. */
bool weir_shape_is_nhwc (const WeirTensor *shape);
/* Three numbers from "a" or "a,b,c"; false + error naming `what` else. */
bool weir_parse_channels (
    const char *what, const char *text, uint32_t n_channels, float values[3], GError **error);
