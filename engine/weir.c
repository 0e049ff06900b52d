/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Version, and the tables of what this build and machine have. */
#include "engine/weir.h"

#include "engine/graph/graph.h"
#include "engine/post/decoder.h"
#include "kernels/kernels.h"

#include <json-glib/json-glib.h>

const char *weir_version (void)
{
  return WEIR_VERSION;
}

static void write_text (JsonBuilder *json, const char *member, const char *text)
{
  json_builder_set_member_name (json, member);
  json_builder_add_string_value (json, text);
}

/* A device is left open, for what only the CPU's have. */
static void begin_device (
    JsonBuilder *json, const char *name, const char *description, const char *const *precisions)
{
  json_builder_begin_object (json);
  write_text (json, "name", name);
  write_text (json, "description", description);
  json_builder_set_member_name (json, "precisions");
  json_builder_begin_array (json);
  for (; *precisions; precisions++)
    json_builder_add_string_value (json, *precisions);
  json_builder_end_array (json);
}

static void end_cpu_device (JsonBuilder *json, const char *isa)
{
  write_text (json, "isa", isa);
  json_builder_set_member_name (json, "bf16_native");
  json_builder_add_boolean_value (json, weir_cpu_has_bf16 ());
  json_builder_set_member_name (json, "int8_native");
  json_builder_add_boolean_value (json, weir_cpu_has_int8 ());
  json_builder_set_member_name (json, "threads");
  json_builder_add_int_value (json, g_get_num_processors ());
  json_builder_end_object (json);
}

char *weir_devices_to_json (void)
{
  static const char *const f32[] = { "f32", NULL }, *const both[] = { "f32", "int8", NULL },
                           *const all[] = { "f32", "bf16", "int8", NULL };
  unsigned isa = weir_cpu_isa ();
  const char *isa_name = isa & WEIR_ISA_AVX512 ? "avx512" : isa & WEIR_ISA_AVX2 ? "avx2" : "c";
  g_autoptr (JsonBuilder) json = json_builder_new ();
  json_builder_begin_array (json);
  /* oneDNN emulates bf16 on any AVX-512, slowly; precision=auto takes it only where it is native */
  begin_device (json, "CPU", "oneDNN", isa & WEIR_ISA_AVX512 ? all : both);
  end_cpu_device (json, isa_name);
  begin_device (json, "REF", "reference implementation, for checking", both);
  end_cpu_device (json, "c");
  begin_device (json, "SIM(A,B)",
      "no hardware: a batch of n takes A + B n ms and gives zeros, to try batching and to plan",
      f32);
  json_builder_end_object (json);
  json_builder_end_array (json);
  g_autoptr (JsonNode) root = json_builder_get_root (json);
  return json_to_string (root, TRUE);
}

const char *const *weir_decoder_names (void)
{
  static const char *names[64];
  static gsize once;
  if (g_once_init_enter (&once)) {
    for (guint i = 0; weir_decoders[i] && i + 1 < G_N_ELEMENTS (names); i++)
      names[i] = weir_decoders[i]->name;
    g_once_init_leave (&once, 1);
  }
  return names;
}

const char *weir_decoder_blurb (const char *name)
{
  const WeirDecoder *decoder = weir_decoder_find (name);
  return decoder ? decoder->blurb : NULL;
}

const char *const *weir_operator_names (void)
{
  static const char *names[WEIR_N_OPS + 1];
  static gsize once;
  if (g_once_init_enter (&once)) {
    guint n = 0;
    for (guint op = 0; op < WEIR_N_OPS; op++)
      if (!g_str_has_prefix (weir_op_info ((WeirOp) op)->name, "weir:"))
        names[n++] = weir_op_info ((WeirOp) op)->name;
    g_once_init_leave (&once, 1);
  }
  return names;
}
