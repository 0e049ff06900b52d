/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The store: a table from (text, width limit) to coverage, each entry stamped with the frame
 * that used it last. The font map is the store's own, as pango's default one belongs to a thread.
 */
#include "gst/caption.h"

#include <pango/pangocairo.h>

#define MAX_CAPTIONS 512

typedef struct Entry {
  WeirCaption caption;
  guint64 last_use;
} Entry;

struct WeirCaptions {
  PangoFontMap *font_map;
  PangoLayout *layout;
  GHashTable *entries; /* gchar* key to Entry */
  GString *key;
  guint font_height_px;
  guint64 now;
};

static void entry_free (gpointer data)
{
  Entry *entry = data;

  g_free (entry->caption.coverage);
  g_free (entry);
}

WeirCaptions *weir_captions_new (void)
{
  WeirCaptions *captions = g_new0 (WeirCaptions, 1);
  PangoContext *context;

  captions->font_map = pango_cairo_font_map_new ();
  context = pango_font_map_create_context (captions->font_map);
  captions->layout = pango_layout_new (context);
  pango_layout_set_single_paragraph_mode (captions->layout, TRUE);
  pango_layout_set_ellipsize (captions->layout, PANGO_ELLIPSIZE_END);
  g_object_unref (context);
  captions->entries = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, entry_free);
  captions->key = g_string_new (NULL);
  return captions;
}

void weir_captions_free (WeirCaptions *captions)
{
  if (!captions)
    return;
  g_hash_table_unref (captions->entries);
  g_string_free (captions->key, TRUE);
  g_object_unref (captions->layout);
  g_object_unref (captions->font_map);
  g_free (captions);
}

void weir_captions_set_font_height (WeirCaptions *captions, guint font_height_px)
{
  PangoFontDescription *font;

  if (captions->font_height_px == font_height_px)
    return;
  captions->font_height_px = font_height_px;
  g_hash_table_remove_all (captions->entries);
  font = pango_font_description_from_string ("Sans Bold");
  pango_font_description_set_absolute_size (font, (gdouble) font_height_px * PANGO_SCALE);
  pango_layout_set_font_description (captions->layout, font);
  pango_font_description_free (font);
}

static gboolean draw (WeirCaptions *captions, const WeirCaption *caption, guint margin)
{
  cairo_surface_t *surface = cairo_image_surface_create_for_data (caption->coverage,
      CAIRO_FORMAT_A8, (int) caption->width_px, (int) caption->height_px, caption->stride_bytes);
  cairo_t *cr = cairo_create (surface);
  gboolean ok;

  cairo_move_to (cr, margin, 0);
  pango_cairo_show_layout (cr, captions->layout);
  ok = cairo_status (cr) == CAIRO_STATUS_SUCCESS;
  cairo_destroy (cr);
  cairo_surface_destroy (surface);
  return ok;
}

static Entry *render (WeirCaptions *captions, const gchar *text, guint max_width_px)
{
  guint margin = MAX (captions->font_height_px / 5, 1);
  g_autofree gchar *valid = g_utf8_make_valid (text, -1);
  gint text_width, text_height;
  Entry *entry;
  WeirCaption *caption;

  if (max_width_px <= 2 * margin)
    return NULL;
  pango_layout_set_width (captions->layout, (gint) (max_width_px - 2 * margin) * PANGO_SCALE);
  pango_layout_set_text (captions->layout, valid, -1);
  pango_layout_get_pixel_size (captions->layout, &text_width, &text_height);
  if (text_width <= 0 || text_height <= 0)
    return NULL;
  entry = g_new0 (Entry, 1);
  caption = &entry->caption;
  caption->width_px = MIN ((guint) text_width + 2 * margin, max_width_px);
  caption->height_px = (guint) text_height;
  caption->stride_bytes = cairo_format_stride_for_width (CAIRO_FORMAT_A8, (int) caption->width_px);
  caption->coverage = g_malloc0 ((gsize) caption->stride_bytes * caption->height_px);
  if (!draw (captions, caption, margin))
    g_clear_pointer (&entry, entry_free);
  return entry;
}

const WeirCaption *weir_captions_get (WeirCaptions *captions, const gchar *text, guint max_width_px)
{
  Entry *entry;

  g_string_printf (captions->key, "%u %s", max_width_px, text);
  entry = g_hash_table_lookup (captions->entries, captions->key->str);
  if (!entry) {
    entry = render (captions, text, max_width_px);
    if (!entry)
      return NULL;
    g_hash_table_insert (captions->entries, g_strdup (captions->key->str), entry);
  }
  entry->last_use = captions->now;
  return &entry->caption;
}

static gboolean is_stale (gpointer key, gpointer value, gpointer captions)
{
  return ((Entry *) value)->last_use != ((WeirCaptions *) captions)->now;
}

void weir_captions_expire (WeirCaptions *captions)
{
  if (g_hash_table_size (captions->entries) > MAX_CAPTIONS)
    g_hash_table_foreach_remove (captions->entries, is_stale, captions);
  captions->now++;
}
