/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Attribute values of OpenVINO IR: all are text. */
#include "engine/formats/ir_private.h"
#include "engine/formats/widen.h"

#include <string.h>

#define MAX_NUMBER_TEXT 64

bool weir_ir_parse_bool (const char *text, bool *value)
{
  bool is_true = g_ascii_strcasecmp (text, "true") == 0 || strcmp (text, "1") == 0;
  if (!is_true && g_ascii_strcasecmp (text, "false") != 0 && strcmp (text, "0") != 0)
    return false;
  *value = is_true;
  return true;
}

static bool parse_int (const char *text, int64_t *value)
{
  gint64 number;
  guint64 large;
  bool truth;
  if (g_ascii_string_to_signed (text, 10, G_MININT64, G_MAXINT64, &number, NULL)) {
    *value = number;
    return true;
  }
  if (g_ascii_string_to_unsigned (text, 10, 0, G_MAXUINT64, &large, NULL)) {
    *value = G_MAXINT64; /* "no limit", written as the largest of 64 bits */
    return true;
  }
  if (!weir_ir_parse_bool (text, &truth))
    return false;
  *value = truth;
  return true;
}

static bool parse_float (const char *text, float *value)
{
  char *end;
  bool truth;
  if (weir_ir_parse_bool (text, &truth)) {
    *value = truth;
    return true;
  }
  double number = g_ascii_strtod (text, &end);
  if (end == text || *end)
    return false;
  *value = (float) number;
  return true;
}

/* The next element of a list, without the spaces around it, into `word`; false at the end of the
 * text. Too long ones are cut, which no number then is. */
static bool next_word (const char **text, char word[MAX_NUMBER_TEXT])
{
  if (!*text)
    return false;
  const char *comma = strchr (*text, ',');
  size_t length = comma ? (size_t) (comma - *text) : strlen (*text);
  g_autofree char *copy = g_strndup (*text, MIN (length, MAX_NUMBER_TEXT));
  g_strlcpy (word, g_strstrip (copy), MAX_NUMBER_TEXT);
  *text = comma ? comma + 1 : NULL;
  return true;
}

static bool is_blank (const char *text)
{
  return text[strspn (text, " \t\r\n")] == '\0';
}

bool weir_ir_parse_ints (const char *text, int64_t *values, uint32_t max, uint32_t *n)
{
  char word[MAX_NUMBER_TEXT];
  *n = 0;
  if (is_blank (text))
    return true;
  while (next_word (&text, word))
    if (*n == max || !parse_int (word, &values[(*n)++]))
      return false;
  return true;
}

bool weir_ir_parse_floats (const char *text, float *values, uint32_t max, uint32_t *n)
{
  char word[MAX_NUMBER_TEXT];
  *n = 0;
  if (is_blank (text))
    return true;
  while (next_word (&text, word))
    if (*n == max || !parse_float (word, &values[(*n)++]))
      return false;
  return true;
}

static bool parse_bound (const char *text, size_t length, int64_t fallback, int64_t *bound)
{
  g_autofree char *word = g_strndup (text, length);
  gint64 value;
  g_strstrip (word);
  *bound = fallback;
  if (!*word)
    return true;
  if (!g_ascii_string_to_signed (word, 10, -1, G_MAXINT64, &value, NULL))
    return false;
  *bound = value;
  return true;
}

bool weir_ir_parse_dim (const char *text, int64_t *dim)
{
  const char *dots = strstr (text, "..");
  int64_t least, most;
  if (strchr (text, '?') && is_blank (strchr (text, '?') + 1)) {
    *dim = -1;
    return true;
  }
  if (!dots)
    return !is_blank (text) && parse_bound (text, strlen (text), -1, dim);
  if (!parse_bound (text, (size_t) (dots - text), 0, &least) ||
      !parse_bound (dots + 2, strlen (dots + 2), -1, &most))
    return false;
  *dim = least == most ? least : -1;
  return true;
}

WeirDtype weir_ir_dtype (const char *text)
{
  static const struct {
    const char *element_type, *precision;
    WeirDtype dtype;
  } types[] = {
    { "f32", "FP32", WEIR_DTYPE_F32 },
    { "f16", "FP16", WEIR_DTYPE_F16 },
    { "bf16", "BF16", WEIR_DTYPE_BF16 },
    { "f64", "FP64", WEIR_DTYPE_F64 },
    { "u8", "U8", WEIR_DTYPE_U8 },
    { "i8", "I8", WEIR_DTYPE_I8 },
    { "u16", "U16", WEIR_DTYPE_U16 },
    { "i16", "I16", WEIR_DTYPE_I16 },
    { "u32", "U32", WEIR_DTYPE_U32 },
    { "i32", "I32", WEIR_DTYPE_I32 },
    { "u64", "U64", WEIR_DTYPE_U64 },
    { "i64", "I64", WEIR_DTYPE_I64 },
    { "boolean", "BOOL", WEIR_DTYPE_BOOL },
  };
  for (size_t i = 0; text && i < G_N_ELEMENTS (types); i++)
    if (g_ascii_strcasecmp (text, types[i].element_type) == 0 ||
        g_ascii_strcasecmp (text, types[i].precision) == 0)
      return types[i].dtype;
  return WEIR_DTYPE_NONE;
}

WeirDtype weir_ir_widened_dtype (const char *text)
{
  return weir_widened (weir_ir_dtype (text));
}
