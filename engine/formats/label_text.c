/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A reader of flat dicts and lists, as repr() of Python, JSON and YAML's flow style write them. It
 * goes over the text once and keeps nothing but the names. */
#include "engine/formats/label_text.h"

#include <string.h>

#define MAX_NAMES 65536u
#define MAX_GAPS  1000u

WeirNames *weir_names_new (void)
{
  return g_ptr_array_new_with_free_func (g_free);
}

bool weir_names_set (WeirNames *names, guint64 number, const char *name)
{
  if (number >= MAX_NAMES)
    return false;
  if (number >= names->len)
    g_ptr_array_set_size (names, (gint) number + 1);
  g_free (names->pdata[number]);
  names->pdata[number] = g_strdup (name);
  return true;
}

/* One far number does not make thousands of names. */
static bool has_gaps (const WeirNames *names)
{
  guint n_given = 0;
  for (guint i = 0; i < names->len; i++)
    n_given += names->pdata[i] != NULL;
  return names->len > MAX_GAPS && names->len / 16 > n_given;
}

char *weir_names_join (const WeirNames *names)
{
  if (names->len == 0 || has_gaps (names))
    return NULL;
  GString *text = g_string_new (NULL);
  for (guint i = 0; i < names->len; i++) {
    const char *name = names->pdata[i];
    g_string_append (text, i ? "\n" : "");
    if (!name)
      g_string_append_printf (text, "%u", i);
    for (; name && *name; name++)
      g_string_append_c (text, *name == '\n' || *name == '\r' ? ' ' : *name);
  }
  return g_string_free (text, FALSE);
}

static const char *skip_blanks (const char *text)
{
  return text + strspn (text, " \t\r\n");
}

/* \n, \t …, \xNN, \uNNNN, \UNNNNNNNN; every other character stands for itself. */
static const char *read_escape (const char *text, GString *value)
{
  static const char codes[] = "ntr", values[] = "\n\t\r";
  static const struct {
    char code;
    int n_digits;
  } numbers[] = { { 'x', 2 }, { 'u', 4 }, { 'U', 8 } };
  for (size_t i = 0; i < G_N_ELEMENTS (numbers); i++) {
    gunichar c = 0;
    int n = 0;
    if (*text != numbers[i].code)
      continue;
    for (; n < numbers[i].n_digits && g_ascii_isxdigit (text[1 + n]); n++)
      c = c << 4 | (gunichar) g_ascii_xdigit_value (text[1 + n]);
    g_string_append_unichar (value, c && g_unichar_validate (c) ? c : 0xFFFD);
    return text + 1 + n;
  }
  const char *code = *text ? strchr (codes, *text) : NULL;
  if (*text)
    g_string_append_c (value, code ? values[code - codes] : *text);
  return *text ? text + 1 : text;
}

static char *read_quoted (const char **text)
{
  char quote = **text;
  GString *value = g_string_new (NULL);
  const char *p = *text + 1;
  while (*p && *p != quote) {
    if (*p == '\\')
      p = read_escape (p + 1, value);
    else
      g_string_append_c (value, *p++);
  }
  bool is_closed = *p == quote;
  *text = is_closed ? p + 1 : p;
  return g_string_free (value, !is_closed);
}

char *weir_scalar_read (const char **text, const char *ends)
{
  *text = skip_blanks (*text);
  if (**text == '\'' || **text == '"')
    return read_quoted (text);
  size_t n = strcspn (*text, ends);
  char *value = g_strstrip (g_strndup (*text, n));
  *text += n;
  return value;
}

/* {number: name} or {name: number}, whichever way it stands. */
static bool add_pair (WeirNames *names, const char *key, const char *value)
{
  guint64 number;
  if (g_ascii_string_to_unsigned (key, 10, 0, G_MAXUINT32, &number, NULL))
    return weir_names_set (names, number, value);
  return g_ascii_string_to_unsigned (value, 10, 0, G_MAXUINT32, &number, NULL) &&
         weir_names_set (names, number, key);
}

static bool read_item (WeirNames *names, const char **text, bool is_dict, guint64 number)
{
  g_autofree char *first = weir_scalar_read (text, is_dict ? ":" : ",])");
  if (!first || !is_dict)
    return first && weir_names_set (names, number, first);
  *text = skip_blanks (*text);
  if (**text != ':')
    return false;
  (*text)++;
  g_autofree char *value = weir_scalar_read (text, ",}");
  return value && add_pair (names, first, value);
}

char *weir_names_parse (const char *text)
{
  static const char opening[] = "{[(", closing[] = "}])";
  text = skip_blanks (text);
  const char *kind = *text ? strchr (opening, *text) : NULL;
  if (!kind || !g_utf8_validate (text, -1, NULL))
    return NULL;
  char end = closing[kind - opening];
  g_autoptr (GPtrArray) names = weir_names_new ();
  text = skip_blanks (text + 1);
  for (guint64 number = 0; *text != end; number++) {
    if (!read_item (names, &text, end == '}', number))
      return NULL;
    text = skip_blanks (text);
    if (*text == ',')
      text = skip_blanks (text + 1);
    else if (*text != end)
      return NULL;
  }
  return weir_names_join (names);
}
