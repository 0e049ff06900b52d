/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The devices of this build and machine as JSON: the CPU's, then those of OpenCL with what their
 * drivers say of them. */
#include "engine/base/cores.h"
#include "engine/ocl/ocl_device.h"
#include "engine/weir.h"
#include "kernels/kernels.h"

#include <json-glib/json-glib.h>

static void write_text (JsonBuilder *json, const char *member, const char *text)
{
  json_builder_set_member_name (json, member);
  json_builder_add_string_value (json, text);
}

static void write_bool (JsonBuilder *json, const char *member, bool value)
{
  json_builder_set_member_name (json, member);
  json_builder_add_boolean_value (json, value);
}

static void write_number (JsonBuilder *json, const char *member, uint64_t value)
{
  json_builder_set_member_name (json, member);
  json_builder_add_int_value (json, (gint64) value);
}

/* A device is left open, for what only some have. */
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
  write_bool (json, "bf16_native", weir_cpu_has_bf16 ());
  write_bool (json, "int8_native", weir_cpu_has_int8 ());
  write_number (json, "threads", weir_n_cores ());
  json_builder_end_object (json);
}

static void write_ocl_device (JsonBuilder *json, const WeirOclDevices *devices, uint32_t i)
{
  static const char *const precisions[] = { "f32", "f16", "int8", NULL };
  const WeirOclFacts *facts = &devices->facts[i];
  g_autofree char *name = weir_ocl_devices_name (devices, i);
  begin_device (json, name, facts->name, precisions);
  write_text (json, "kind", weir_ocl_kind_name (facts->kind));
  write_text (json, "vendor", facts->vendor);
  write_text (json, "platform", facts->platform);
  write_text (json, "opencl", facts->version);
  write_text (json, "driver", facts->driver_version);
  write_number (json, "memory_mb", facts->memory_bytes >> 20);
  write_number (json, "max_alloc_mb", facts->max_alloc_bytes >> 20);
  write_number (json, "local_memory_kb", facts->local_bytes >> 10);
  write_number (json, "compute_units", facts->n_units);
  write_number (json, "clock_mhz", facts->clock_mhz);
  write_number (json, "max_work_group", facts->max_group);
  write_number (json, "subgroup", facts->subgroup);
  write_bool (json, "own_memory", facts->has_own_memory);
  write_bool (json, "f16_native", facts->has_fp16);
  write_bool (json, "int8_dot", facts->has_int8_dot);
  if (facts->problem)
    write_text (json, "problem", facts->problem);
  json_builder_end_object (json);
}

char *weir_devices_to_json (void)
{
  static const char *const f32[] = { "f32", NULL }, *const both[] = { "f32", "int8", NULL },
                           *const all[] = { "f32", "bf16", "int8", NULL };
  unsigned isa = weir_cpu_isa ();
  const char *isa_name = isa & WEIR_ISA_AVX512 ? "avx512" : isa & WEIR_ISA_AVX2 ? "avx2" : "c";
  g_autoptr (WeirOclDevices) ocl = weir_ocl_devices_new ();
  g_autoptr (JsonBuilder) json = json_builder_new ();
  json_builder_begin_array (json);
  /* oneDNN emulates bf16 on any AVX-512, slowly; precision=auto takes it only where it is native */
  begin_device (json, "CPU", "oneDNN", isa & WEIR_ISA_AVX512 ? all : both);
  end_cpu_device (json, isa_name);
  for (uint32_t i = 0; i < ocl->n; i++)
    write_ocl_device (json, ocl, i);
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
