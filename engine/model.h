/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WeirModel: a network loaded, checked and understood: graph, labels, preprocessing, decoder. */
#pragma once

#include "export.h"

#include "error.h"
#include "tensor.h"

WEIR_BEGIN_PUBLIC

/* Thread-safety: immutable, reference-counted. */
typedef struct WeirModel WeirModel;

/* Strings as users type them (see the elements' properties of the same names); NULL: from the
 * model. */
typedef struct WeirModelOptions {
  const char *labels;       /* file with one a line, or "a,b,c" */
  const char *decoder;      /* "auto" or a name of weir_decoder_names() */
  const char *color_format; /* "rgb", "bgr", "gray" */
  const char *mean, *scale; /* "127.5" or "103.53,116.28,123.675" */
  const char *resize;       /* "stretch", "letterbox-top-left", "letterbox-centre", "crop" */
  const char *input_shape;  /* "1x3x320x320": pins dynamic height and width */
  const char *model_proc;   /* model-proc file of DL Streamer, schema 2.x: goes before the model's
                             * own word, after the options above */
  const char *constant_inputs; /* "NAME=VALUE,…": what fills inputs that take no picture; VALUE is
                                * one number, or one for each element: "1:2:3" */
} WeirModelOptions;

/* Loads a file (.onnx, .xml of OpenVINO IR; a folder with one). `options` may be NULL. Every error
 * is one sentence with file, cause and what was expected. */
WeirModel *weir_model_load (const char *path, const WeirModelOptions *options, GError **error);
WeirModel *weir_model_ref (WeirModel *model);
void weir_model_unref (WeirModel *model);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (WeirModel, weir_model_unref)

const char *weir_model_path (const WeirModel *model);
const char *weir_model_name (const WeirModel *model); /* base name without extension */
uint32_t weir_model_n_inputs (const WeirModel *model);
uint32_t weir_model_n_outputs (const WeirModel *model);
/* Names and shapes at n = 1. NULL where k is out of range. */
const char *weir_model_input (const WeirModel *model, uint32_t k, WeirTensor *shape);
/* What fills input k where a request does not give it: "picture" (only frames do), or the values,
 * for people: "image info: height, width, 1". NULL where nothing does, and out of range. */
const char *weir_model_input_fill (const WeirModel *model, uint32_t k);
/* The dim of input k that counts the items of a request: 0, or 1 of a sequence [t, n]. */
uint32_t weir_model_input_axis (const WeirModel *model, uint32_t k);
const char *weir_model_output (const WeirModel *model, uint32_t k, WeirTensor *shape);
const char *const *weir_model_labels (const WeirModel *model, uint32_t *n_labels);
/* NULL when it batches; else why it runs one by one. */
const char *weir_model_batch_limit_reason (const WeirModel *model);
/* Decoder's name ("raw" where none fits) and why it was chosen. */
const char *weir_model_decoder (const WeirModel *model, const char **why);
/* True where pictures can be put into it: one input of rank 4 with 1 or 3 channels, [n, c, h, w] or
 * [n, h, w, c], while every other one is filled. SHAPE error naming the inputs else. */
bool weir_model_check_picture (const WeirModel *model, GError **error);
/* True where the decoder gives objects. */
bool weir_model_is_detector (const WeirModel *model);
/* Everything `weir inspect` prints, as a JSON object. Newly allocated. */
char *weir_model_inspect (const WeirModel *model);

/* NULL-terminated tables of what this build can do. */
const char *const *weir_decoder_names (void);
const char *weir_decoder_blurb (const char *name);
const char *const *weir_operator_names (void);

WEIR_END_PUBLIC
