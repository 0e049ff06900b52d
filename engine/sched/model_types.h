/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The inside of WeirModel, for model*.c and the session. */
#pragma once

#include "engine/graph/graph.h"
#include "engine/model.h"
#include "engine/post/decoder.h"

#define WEIR_MAX_OUTPUTS 64

struct WeirModel {
  gint ref_count;
  char *path, *name;
  WeirGraph *graph;
  GHashTable *metadata;
  char **labels; /* NULL: none */
  uint32_t n_labels;
  WeirArena *arena; /* names and shapes of facts */
  WeirModelFacts facts;
  bool has_picture;    /* input 0 is one that preprocessing can fill */
  bool is_nhwc;        /* input 0 is [n, h, w, c] */
  WeirInputSpec input; /* where has_picture */
  const WeirDecoder *decoder;
  const char *decoder_why;
  void *decoder_state;
  const char *batch_limit_reason; /* NULL: batches */
  bool needs_proof;      /* constants were rewritten for the batch: the session compares values */
  GHashTable *operators; /* name to count, of the file's graph */
  uint64_t n_parameters;
  double gflop; /* at n = 1: 2 per multiply-add */
};

/* model_facts.c */
bool weir_model_describe_io (WeirModel *model, GError **error);
void weir_model_count (WeirModel *model, const WeirTensor *shapes);
/* model_input.c: decoder and preprocessing from options, metadata, names and shapes. */
bool weir_model_choose_decoder (WeirModel *model, const WeirModelOptions *options, GError **error);
bool weir_model_choose_labels (WeirModel *model, const WeirModelOptions *options, GError **error);
bool weir_model_set_input (WeirModel *model, const WeirModelOptions *options, GError **error);
/* Three numbers from "a" or "a,b,c"; false + error naming `what` else. */
bool weir_parse_channels (
    const char *what, const char *text, uint32_t n_channels, float values[3], GError **error);
