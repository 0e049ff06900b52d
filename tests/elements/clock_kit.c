/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Characters from left to right are the text that was drawn. */
#include "clock_kit.h"

static gboolean have_factory (const gchar *name)
{
  GstElementFactory *factory = gst_element_factory_find (name);
  const gboolean is_there = factory != NULL;
  g_clear_pointer (&factory, gst_object_unref);
  return is_there;
}

gchar *clock_models (void)
{
  g_autofree gchar *models =
      g_build_filename (g_getenv ("WEIR_SOURCE_ROOT"), "pipelines", "clocks", NULL);
  g_autofree gchar *model = g_build_filename (models, "find-characters.onnx", NULL);
  if (g_file_test (model, G_FILE_TEST_EXISTS) && have_factory ("timeoverlay") &&
      have_factory ("videotestsrc"))
    return g_steal_pointer (&models);
  g_print ("skipped: needs %s, videotestsrc and timeoverlay\n", model);
  return NULL;
}

static gint compare_x (gconstpointer a, gconstpointer b)
{
  const WeirMetaObject *x = *(WeirMetaObject *const *) a, *y = *(WeirMetaObject *const *) b;
  return (x->x_min > y->x_min) - (x->x_min < y->x_min);
}

/* The characters of all objects, from left to right. */
static gchar *read_text (WeirMeta *meta)
{
  g_autoptr (GPtrArray) objects = g_ptr_array_new ();
  GString *text = g_string_new (NULL);
  for (guint i = 0; i < meta->objects->len; i++)
    g_ptr_array_add (objects, &g_array_index (meta->objects, WeirMetaObject, i));
  g_ptr_array_sort (objects, compare_x);
  for (guint i = 0; i < objects->len; i++) {
    const WeirMetaObject *object = g_ptr_array_index (objects, i);
    if (object->attributes->len == 0)
      continue;
    const WeirMetaAttribute *attribute = &g_array_index (object->attributes, WeirMetaAttribute, 0);
    g_string_append (text, g_array_index (attribute->classes, WeirMetaClass, 0).label);
  }
  return g_string_free (text, FALSE);
}

gboolean clock_is_read (WeirMeta *meta, GstClockTime pts)
{
  const guint ms = (guint) (pts / GST_MSECOND);
  g_autofree gchar *expected =
      g_strdup_printf ("0:%02u:%02u.%03u", ms / 60000, ms / 1000 % 60, ms % 1000);
  g_autofree gchar *text = meta ? read_text (meta) : g_strdup ("no metadata");
  const gboolean is_right = g_str_equal (text, expected);
  if (!is_right)
    g_print ("%s: read '%s'\n", expected, text);
  return is_right;
}
