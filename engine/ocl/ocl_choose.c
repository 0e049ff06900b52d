/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which device a name means, and which name means a device: of lists alone, nothing is asked. */
#include "engine/ocl/ocl_list.h"

#include <stdlib.h>
#include <string.h>

static const char *const kind_names[WEIR_OCL_N_KINDS] = { "GPU", "accelerator", "CPU" };

const char *weir_ocl_kind_name (WeirOclKind kind)
{
  return kind_names[kind];
}

WeirOclDevices *weir_ocl_devices_new_empty (uint32_t n_max)
{
  WeirOclDevices *devices = g_new0 (WeirOclDevices, 1);
  devices->arena = weir_arena_new ();
  devices->facts = weir_arena_new_array (devices->arena, WeirOclFacts, n_max);
  return devices;
}

void weir_ocl_devices_free (WeirOclDevices *devices)
{
  if (!devices)
    return;
  weir_arena_free (devices->arena);
  g_free (devices);
}

static int compare (const WeirOclFacts *a, const WeirOclFacts *b)
{
  if (a->kind != b->kind)
    return a->kind < b->kind ? -1 : 1;
  if (a->has_own_memory != b->has_own_memory)
    return a->has_own_memory ? -1 : 1;
  return strcmp (a->platform, b->platform);
}

/* Insertion keeps the driver's order among equals. */
void weir_ocl_devices_sort (WeirOclDevices *devices)
{
  for (uint32_t i = 1; i < devices->n; i++) {
    WeirOclFacts facts = devices->facts[i];
    uint32_t k = i;
    for (; k > 0 && compare (&facts, &devices->facts[k - 1]) < 0; k--)
      devices->facts[k] = devices->facts[k - 1];
    devices->facts[k] = facts;
  }
}

static bool contains (const char *text, const char *part)
{
  g_autofree char *lower = g_ascii_strdown (text, -1), *lower_part = g_ascii_strdown (part, -1);
  return strstr (lower, lower_part) != NULL;
}

static bool is_meant (const WeirOclFacts *facts, const char *match)
{
  if (!match || !*match)
    return facts->kind == WEIR_OCL_GPU;
  return contains (facts->name, match) || contains (facts->vendor, match) ||
         contains (facts->platform, match) || contains (facts->suffix, match);
}

/* The index-th that is meant; false: there are only *n_meant. */
static bool find_meant (const WeirOclDevices *devices, const char *match, uint32_t index,
    uint32_t *chosen, uint32_t *n_meant)
{
  *n_meant = 0;
  for (uint32_t i = 0; i < devices->n; i++) {
    if (!is_meant (&devices->facts[i], match))
      continue;
    *chosen = i;
    if ((*n_meant)++ == index)
      return true;
  }
  return false;
}

static char *join_name (const char *match, uint32_t index)
{
  g_autofree char *suffix = index ? g_strdup_printf (".%u", index) : g_strdup ("");
  return match && *match ? g_strdup_printf ("GPU.%s%s", match, suffix)
                         : g_strdup_printf ("GPU%s", suffix);
}

/* How many before device `i` have the same part in their names. */
static char *name_by (const WeirOclDevices *devices, const char *match, uint32_t i)
{
  uint32_t index = 0;
  for (uint32_t k = 0; k < i; k++)
    index += is_meant (&devices->facts[k], match);
  return join_name (match, index);
}

/* A part of a name that the grammar of device names takes: "pocl" of "PoCL 3.1"; NULL: the text
 * begins with none. Newly allocated. */
static char *first_word (const char *text)
{
  size_t n = 0;
  while (g_ascii_isalnum (text[n]) || text[n] == '_' || text[n] == '-')
    n++;
  return n >= WEIR_OCL_MATCH_MIN && n < WEIR_OCL_MATCH_BYTES && g_ascii_isalpha (text[0])
             ? g_ascii_strdown (text, (gssize) n)
             : NULL;
}

char *weir_ocl_devices_name (const WeirOclDevices *devices, uint32_t i)
{
  const WeirOclFacts *facts = &devices->facts[i];
  if (facts->kind == WEIR_OCL_GPU)
    return name_by (devices, NULL, i);
  const char *const texts[] = { facts->suffix, facts->platform, facts->name, facts->vendor };
  for (uint32_t k = 0; k < G_N_ELEMENTS (texts); k++) {
    g_autofree char *word = first_word (texts[k]);
    if (word)
      return name_by (devices, word, i);
  }
  return g_strdup ("");
}

/* "NVIDIA H200 (GPU, asked for as GPU.1), pthread-… (CPU, asked for as GPU.pocl)" */
static char *describe_found (const WeirOclDevices *devices)
{
  GString *text = g_string_new (NULL);
  for (uint32_t i = 0; i < devices->n; i++) {
    g_autofree char *name = weir_ocl_devices_name (devices, i);
    g_string_append_printf (text, "%s%s (%s, asked for as %s)", i ? ", " : "",
        devices->facts[i].name, kind_names[devices->facts[i].kind], name);
  }
  return g_string_free (text, FALSE);
}

static bool refuse (const WeirOclDevices *devices, const char *match, uint32_t index,
    uint32_t n_meant, GError **error)
{
  g_autofree char *name = join_name (match, index), *found = describe_found (devices);
  if (devices->n == 0)
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_NOT_FOUND,
        "device %s: %s; expected is an OpenCL driver for it (docs/opencl.md)", name,
        devices->problem);
  else if (n_meant)
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_NOT_FOUND,
        "device %s: there are only %u of these, counted from 0; found are %s", name, n_meant,
        found);
  else if (!match || !*match)
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_NOT_FOUND,
        "device %s: OpenCL has no GPU here; found are %s", name, found);
  else
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_NOT_FOUND,
        "device %s: no OpenCL device has '%s' in its name, its vendor's or its platform's; found "
        "are %s",
        name, match, found);
  return false;
}

bool weir_ocl_devices_choose (const WeirOclDevices *devices, const char *match, uint32_t index,
    uint32_t *chosen, GError **error)
{
  uint32_t n_meant;
  if (!find_meant (devices, match, index, chosen, &n_meant))
    return refuse (devices, match, index, n_meant, error);
  const WeirOclFacts *facts = &devices->facts[*chosen];
  if (!facts->problem)
    return true;
  g_autofree char *name = join_name (match, index);
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_UNSUPPORTED,
      "device %s (%s): %s; expected is OpenCL "
      "1.2 or later with a compiler",
      name, facts->name, facts->problem);
  return false;
}
