/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* docs/elements.md: what gst-inspect-1.0 shows of the plugin's elements, as a page. */
#pragma once

#include <glib.h>

/* Names of the elements on the page, NULL at the end. */
const gchar *const *elements_page_names (void);
/* The page, made of the registered elements `weir` and of the SECTION texts in their sources below
 * `source_root`. NULL and an error where an element or a text is missing. */
gchar *elements_page_new (const gchar *source_root, GError **error);
