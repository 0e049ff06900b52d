/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fixture: everything a decoder is given, in one arena. */
#include "tests/unit/post/post_fixture.h"

#include <check.h>
#include <string.h>

Fixture *fixture_new (uint32_t width_px, uint32_t height_px)
{
  static const char *const input_names[] = { "input" };
  Fixture *fixture = g_new0 (Fixture, 1);
  fixture->arena = weir_arena_new ();
  fixture->input =
      (WeirTensor){ .dtype = WEIR_DTYPE_F32, .rank = 4, .dims = { 1, 3, height_px, width_px } };
  fixture->facts = (WeirModelFacts){ .n_inputs = 1,
    .input_names = input_names,
    .inputs = &fixture->input,
    .output_names = fixture->names,
    .outputs = fixture->outputs };
  fixture->spec = (WeirInputSpec){
    .width_px = width_px, .height_px = height_px, .n_channels = 3, .scale = { 1, 1, 1 }
  };
  fixture->options = (WeirDecodeOptions) WEIR_DECODE_OPTIONS_DEFAULT;
  fixture->result.arena = weir_arena_new ();
  fixture_set_region (fixture, width_px, height_px, (WeirMapping){ .scale_x = 1, .scale_y = 1 });
  return fixture;
}

void fixture_free (Fixture *fixture)
{
  if (!fixture)
    return;
  g_clear_pointer (&fixture->facts.metadata, g_hash_table_unref);
  weir_arena_free (fixture->result.arena);
  weir_arena_free (fixture->arena);
  g_free (fixture);
}

void fixture_set_region (
    Fixture *fixture, uint32_t width_px, uint32_t height_px, WeirMapping mapping)
{
  fixture->region_width_px = width_px;
  fixture->region_height_px = height_px;
  fixture->mapping = mapping;
}

void fixture_add_tensor (Fixture *fixture, const char *name, const WeirTensor *tensor)
{
  uint32_t k = fixture->facts.n_outputs++;
  ck_assert_uint_lt (k, FIXTURE_MAX_OUTPUTS);
  fixture->names[k] = weir_arena_strdup (fixture->arena, name);
  fixture->outputs[k] = *tensor;
}

float *fixture_add_output (Fixture *fixture, const char *name, const char *dims)
{
  g_auto (GStrv) words = g_strsplit (dims, ",", -1);
  WeirTensor tensor = { .dtype = WEIR_DTYPE_F32, .rank = g_strv_length (words) };
  size_t n_bytes;
  for (uint32_t i = 0; i < tensor.rank; i++)
    tensor.dims[i] = g_ascii_strtoll (words[i], NULL, 10);
  ck_assert (weir_tensor_bytes (&tensor, &n_bytes));
  tensor.buffer = weir_arena_alloc (fixture->arena, n_bytes);
  fixture_add_tensor (fixture, name, &tensor);
  return tensor.buffer;
}

void fixture_set_labels (Fixture *fixture, const char *labels, const char *separator)
{
  g_auto (GStrv) words = g_strsplit (labels, separator, -1);
  uint32_t n = g_strv_length (words);
  const char **copies = weir_arena_new_array (fixture->arena, const char *, n + 1);
  for (uint32_t i = 0; i < n; i++)
    copies[i] = weir_arena_strdup (fixture->arena, words[i]);
  fixture->facts.labels = copies;
  fixture->facts.n_labels = n;
}

void fixture_set_metadata (Fixture *fixture, const char *key, const char *value)
{
  if (!fixture->facts.metadata)
    fixture->facts.metadata = g_hash_table_new (g_str_hash, g_str_equal);
  g_hash_table_replace (fixture->facts.metadata, (void *) key, (void *) value);
}

void fixture_set_traits (Fixture *fixture, uint32_t k, uint32_t traits)
{
  for (uint32_t i = 0; i < FIXTURE_MAX_OUTPUTS; i++)
    fixture->traits[i] |= WEIR_OUTPUT_KNOWN;
  fixture->traits[k] |= traits;
  fixture->facts.output_traits = fixture->traits;
}

bool fixture_decode (Fixture *fixture, const char *name, GError **error)
{
  const WeirDecoder *decoder = weir_decoder_find (name);
  ck_assert_msg (decoder != NULL, "no decoder '%s'", name);
  WeirArena *arena = fixture->result.arena;
  weir_arena_reset (arena);
  fixture->result = (WeirResult){ .arena = arena };
  void *state = decoder->prepare (&fixture->facts, &fixture->spec, error);
  if (!state)
    return false;
  WeirDecodeJob job = { .facts = &fixture->facts,
    .input = &fixture->spec,
    .mapping = &fixture->mapping,
    .region_width_px = fixture->region_width_px,
    .region_height_px = fixture->region_height_px,
    .outputs = fixture->outputs,
    .options = &fixture->options,
    .state = state };
  bool ok = decoder->decode (&job, &fixture->result, error);
  decoder->release (state);
  return ok;
}

const char *fixture_choose (const Fixture *fixture)
{
  const WeirDecoder *decoder = weir_decoder_choose (&fixture->facts, NULL);
  return decoder ? decoder->name : NULL;
}
