/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Class names in the notations that exporters put into model files. */
#pragma once

#include <glib.h>
#include <stdbool.h>

G_BEGIN_DECLS

/* Names by number; NULL where none is given. At most 65536. */
typedef GPtrArray WeirNames;

WeirNames *weir_names_new (void);
/* False where the number is too large. `name` is copied. */
bool weir_names_set (WeirNames *names, guint64 number, const char *name);
/* Lines; a number without a name stands for itself; NULL where there are no names, or hardly any
 * for more than 1000 numbers. Newly allocated. */
char *weir_names_join (const WeirNames *names);

/* One scalar of Python, JSON or YAML at *text, which is moved behind it: 'it\'s', "a\u00e9", or
 * bare up to one of `ends`. Newly allocated; NULL where a quote is not closed. */
char *weir_scalar_read (const char **text, const char *ends);

/* "{0: 'person', 2: "dog"}", "{\"person\": 0}", "['person', 'dog']", ("person", "dog"): as
 * weir_names_join gives them; NULL where the text is none of these, or malformed. */
char *weir_names_parse (const char *text);

G_END_DECLS
