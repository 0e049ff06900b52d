/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table from the engine's error codes to GStreamer's. */
#include "gst/bus_errors.h"

static const struct {
  GQuark (*domain) (void);
  gint code;
} codes[] = {
  [WEIR_ERROR_NOT_FOUND] = { gst_resource_error_quark, GST_RESOURCE_ERROR_NOT_FOUND },
  [WEIR_ERROR_FORMAT] = { gst_resource_error_quark, GST_RESOURCE_ERROR_READ },
  [WEIR_ERROR_UNSUPPORTED] = { gst_stream_error_quark, GST_STREAM_ERROR_NOT_IMPLEMENTED },
  [WEIR_ERROR_SHAPE] = { gst_stream_error_quark, GST_STREAM_ERROR_FORMAT },
  [WEIR_ERROR_OPTION] = { gst_resource_error_quark, GST_RESOURCE_ERROR_SETTINGS },
  [WEIR_ERROR_DEVICE] = { gst_resource_error_quark, GST_RESOURCE_ERROR_FAILED },
  [WEIR_ERROR_MEMORY] = { gst_resource_error_quark, GST_RESOURCE_ERROR_NO_SPACE_LEFT },
  [WEIR_ERROR_CANCELLED] = { gst_core_error_quark, GST_CORE_ERROR_FAILED },
  [WEIR_ERROR_INTERNAL] = { gst_library_error_quark, GST_LIBRARY_ERROR_FAILED },
};

static const gchar *element_name (GstElement *element)
{
  GstElementFactory *factory = gst_element_get_factory (element);
  return factory ? GST_OBJECT_NAME (factory) : G_OBJECT_TYPE_NAME (element);
}

void weir_bus_error (GstElement *element, const GError *error)
{
  const guint code = error->domain == WEIR_ERROR && (guint) error->code < G_N_ELEMENTS (codes)
                         ? (guint) error->code
                         : WEIR_ERROR_INTERNAL;
  gst_element_message_full (element, GST_MESSAGE_ERROR, codes[code].domain (), codes[code].code,
      g_strdup_printf ("%s: %s", element_name (element), error->message), NULL, __FILE__, G_STRFUNC,
      __LINE__);
}

void weir_bus_warning (GstElement *element, const gchar *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree gchar *text = g_strdup_vprintf (format, args);
  va_end (args);
  gst_element_message_full (element, GST_MESSAGE_WARNING, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED,
      g_strdup_printf ("%s: %s", element_name (element), text), NULL, __FILE__, G_STRFUNC,
      __LINE__);
}

gboolean weir_bus_is_told (guint64 n_failures)
{
  while (n_failures > 0 && n_failures % 10 == 0)
    n_failures /= 10;
  return n_failures == 1;
}
