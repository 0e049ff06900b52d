/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A decoder that owns n buffers and waits for one stops when n of them sit in our ring. */
#include "gst/filter_alloc.h"

#include <gst/video/video.h>

/* A pool that cannot grow enough is taken out of the answer: upstream then makes its own. */
static void raise_pool (GstQuery *query, guint index, guint n_held)
{
  GstBufferPool *pool;
  guint size, min, max;
  gst_query_parse_nth_allocation_pool (query, index, &pool, &size, &min, &max);
  const gboolean fits = max == 0 || max >= min + n_held;
  gst_query_set_nth_allocation_pool (
      query, index, fits ? pool : NULL, size, min + n_held, fits ? max : 0);
  gst_clear_object (&pool);
}

gboolean weir_allocation_amend (GstQuery *query, gboolean answered, guint n_held)
{
  const gboolean knows = gst_query_find_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL);
  const guint n_pools = gst_query_get_n_allocation_pools (query);
  GstCaps *caps;
  GstVideoInfo info;
  if (!knows)
    gst_query_add_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL);
  for (guint i = 0; i < n_pools; i++)
    raise_pool (query, i, n_held);
  gst_query_parse_allocation (query, &caps, NULL);
  if (n_pools == 0 && caps && gst_video_info_from_caps (&info, caps))
    gst_query_add_allocation_pool (query, NULL, (guint) info.size, n_held, 0);
  return !(answered && knows);
}
