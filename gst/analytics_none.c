/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A build without gstreamer-analytics-1.0. */
#include "gst/analytics.h"

gboolean weir_analytics_is_available (void)
{
  return FALSE;
}

GArray *weir_analytics_list (GstBuffer *buffer)
{
  return NULL;
}

gboolean weir_analytics_has (
    GstBuffer *buffer, const WeirMetaObject *object, const WeirFrame *frame)
{
  return FALSE;
}

gboolean weir_analytics_has_room (GstBuffer *buffer)
{
  return FALSE;
}

gint weir_analytics_add (
    GstBuffer *buffer, const WeirMetaObject *object, gint parent_id, guint n_expected)
{
  return -1;
}

void weir_analytics_add_attribute (GstBuffer *buffer, gint id, const WeirMetaAttribute *attribute)
{
}
