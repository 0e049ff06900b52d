/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fixture: a model's facts, hand-made outputs and one decode of them. */
#pragma once

#include "engine/base/arena.h"
#include "engine/post/decoder.h"

#define FIXTURE_MAX_OUTPUTS 16

typedef struct Fixture {
  WeirArena *arena;
  WeirTensor input;
  WeirTensor outputs[FIXTURE_MAX_OUTPUTS];
  const char *names[FIXTURE_MAX_OUTPUTS];
  uint32_t traits[FIXTURE_MAX_OUTPUTS];
  WeirModelFacts facts;
  WeirInputSpec spec;
  WeirMapping mapping;
  uint32_t region_width_px, region_height_px;
  WeirDecodeOptions options;
  WeirResult result;
} Fixture;

/* A picture of three channels; the region is as large as the input, mapped one to one; options as
 * by default. Nothing is known of the graph, there are no labels and no metadata. */
Fixture *fixture_new (uint32_t width_px, uint32_t height_px);
void fixture_free (Fixture *fixture);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Fixture, fixture_free)

/* Appends an output, f32 and all zeros. "1,3549,85": its dims. */
float *fixture_add_output (Fixture *fixture, const char *name, const char *dims);
/* Takes a tensor as it is. */
void fixture_add_tensor (Fixture *fixture, const char *name, const WeirTensor *tensor);
/* "a,b,c" with separator ",". */
void fixture_set_labels (Fixture *fixture, const char *labels, const char *separator);
void fixture_set_metadata (Fixture *fixture, const char *key, const char *value);
/* The region, and where it lies in the input. */
void fixture_set_region (
    Fixture *fixture, uint32_t width_px, uint32_t height_px, WeirMapping mapping);
/* Says of output 0 and all others that the graph is known, with these bits. */
void fixture_set_traits (Fixture *fixture, uint32_t k, uint32_t traits);

/* prepare, decode into fixture->result (emptied before), release. */
bool fixture_decode (Fixture *fixture, const char *decoder, GError **error);
/* The name of the decoder that weir_decoder_choose picks. */
const char *fixture_choose (const Fixture *fixture);
