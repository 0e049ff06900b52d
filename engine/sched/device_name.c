/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Device names, parsed strictly. */
#include "engine/sched/settings.h"

#include <string.h>

#define MAX_SIM_MS 60000

static bool parse_device_count (const char *text, const char *digits, const char *end, uint64_t min,
    uint64_t max, uint32_t *value, GError **error)
{
  g_autofree char *number = g_strndup (digits, (gsize) (end - digits));
  bool is_padded = number[0] == '0' && number[1];
  guint64 parsed;
  if (!is_padded && g_ascii_string_to_unsigned (number, 10, min, max, &parsed, NULL)) {
    *value = (uint32_t) parsed;
    return true;
  }
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION,
      "device '%s': '%s' is not a number from %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT, text,
      number, min, max);
  return false;
}

static bool refuse_device (const char *text, const char *why, GError **error)
{
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION,
      "device '%s': %s; expected is CPU, GPU, GPU.1, GPU.pocl, AUTO, REF, SIM(A,B) with A and B "
      "from 0 to %d "
      "ms, or BATCH:DEVICE or BATCH:DEVICE(N) with N from 1 to %d",
      text, why, MAX_SIM_MS, WEIR_MAX_BATCH);
  return false;
}

/* Digits, which may have a point and digits behind it: no sign, no exponent, whatever the locale.
 * NULL, or what follows. */
static const char *read_ms (const char *text, double *ms)
{
  const char *p = text + strspn (text, "0123456789"), *point = p;
  if (p == text)
    return NULL;
  if (*point == '.')
    p += 1 + strspn (p + 1, "0123456789");
  if (p == point + 1)
    return NULL;
  *ms = g_ascii_strtod (text, NULL);
  return *ms <= MAX_SIM_MS ? p : NULL;
}

/* "(4,1)" behind SIM. */
static bool parse_sim (const char *text, const char **p, WeirDeviceName *name, GError **error)
{
  const char *next = **p == '(' ? read_ms (*p + 1, &name->sim_fixed_ms) : NULL;
  next = next && *next == ',' ? read_ms (next + 1, &name->sim_per_item_ms) : NULL;
  if (!next || *next != ')')
    return refuse_device (text, "SIM needs its two times", error);
  *p = next + 1;
  return true;
}

/* ".1", ".pocl", ".pocl.1" behind GPU: a part of a device's name, an index, or both. */
static bool parse_gpu (const char *text, const char **p, WeirDeviceName *name, GError **error)
{
  const char *part = *p + 1, *end = part;
  if (**p == '.' && g_ascii_isalpha (*part)) {
    while (g_ascii_isalnum (*end) || *end == '_' || *end == '-')
      end++;
    size_t n = (size_t) (end - part);
    if (n < WEIR_OCL_MATCH_MIN || n >= sizeof name->match)
      return refuse_device (text, "GPU. and a part of a name of 2 to 31 characters", error);
    memcpy (name->match, part, n);
    *p = end;
  }
  if (**p != '.')
    return true;
  end = *p + 1 + strcspn (*p + 1, "(");
  if (!parse_device_count (text, *p + 1, end, 0, 63, &name->index, error))
    return false;
  *p = end;
  return true;
}

bool weir_device_name_parse (const char *text, WeirDeviceName *name, GError **error)
{
  static const char *const bases[] = { "CPU", "REF", "GPU", "AUTO", "SIM" };
  const char *p = text;
  *name = (WeirDeviceName){ 0 };
  name->is_batch = g_str_has_prefix (p, "BATCH:");
  if (name->is_batch)
    p += strlen ("BATCH:");
  for (uint32_t i = 0; i < G_N_ELEMENTS (bases) && !name->base[0]; i++)
    if (g_str_has_prefix (p, bases[i]))
      g_strlcpy (name->base, bases[i], sizeof name->base);
  if (!name->base[0])
    return refuse_device (text, "no such device", error);
  p += strlen (name->base);
  if (strcmp (name->base, "SIM") == 0 && !parse_sim (text, &p, name, error))
    return false;
  if (strcmp (name->base, "GPU") == 0 && !parse_gpu (text, &p, name, error))
    return false;
  if (*p == '(') {
    const char *end = strchr (p, ')');
    if (!name->is_batch)
      return refuse_device (text, "(N) needs BATCH: in front", error);
    if (!end)
      return refuse_device (text, "no closing parenthesis", error);
    if (!parse_device_count (text, p + 1, end, 1, WEIR_MAX_BATCH, &name->batch_size, error))
      return false;
    p = end + 1;
  }
  return *p ? refuse_device (text, "text behind the device's name", error) : true;
}
