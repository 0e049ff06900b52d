/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Converts each sample to a tile, copies the tiles side by side, encodes. */
#include "pipelines/clocks/mosaic.h"

#include <gst/video/video.h>
#include <string.h>

#define TILE_WIDTH  480
#define TILE_HEIGHT 270
#define COLUMNS     3
#define PIXEL_BYTES 4

static void copy_tile (GstSample *tile, guint8 *picture, gsize stride)
{
  GstVideoInfo info;
  GstVideoFrame frame;
  if (!gst_video_info_from_caps (&info, gst_sample_get_caps (tile)) ||
      !gst_video_frame_map (&frame, &info, gst_sample_get_buffer (tile), GST_MAP_READ))
    return;
  const guint8 *src = GST_VIDEO_FRAME_PLANE_DATA (&frame, 0);
  for (guint y = 0; y < TILE_HEIGHT; y++)
    memcpy (picture + y * stride, src + (gsize) y * GST_VIDEO_FRAME_PLANE_STRIDE (&frame, 0),
        TILE_WIDTH * PIXEL_BYTES);
  gst_video_frame_unmap (&frame);
}

static GstSample *paste (GstSample *const *samples, guint n_samples, GError **error)
{
  guint n_rows = (n_samples + COLUMNS - 1) / COLUMNS;
  gsize stride = COLUMNS * TILE_WIDTH * PIXEL_BYTES, n_bytes = stride * TILE_HEIGHT * n_rows;
  g_autoptr (GstCaps) tile_caps = gst_caps_new_simple ("video/x-raw", "format", G_TYPE_STRING,
      "BGRx", "width", G_TYPE_INT, TILE_WIDTH, "height", G_TYPE_INT, TILE_HEIGHT, NULL);
  g_autoptr (GstCaps) caps = gst_caps_new_simple ("video/x-raw", "format", G_TYPE_STRING, "BGRx",
      "width", G_TYPE_INT, COLUMNS * TILE_WIDTH, "height", G_TYPE_INT,
      (gint) (n_rows * TILE_HEIGHT), "framerate", GST_TYPE_FRACTION, 1, 1, NULL);
  guint8 *picture = g_malloc0 (n_bytes);
  g_autoptr (GstBuffer) buffer = gst_buffer_new_wrapped (picture, n_bytes);
  for (guint i = 0; i < n_samples; i++) {
    GstSample *tile = samples[i]
                          ? gst_video_convert_sample (samples[i], tile_caps, 10 * GST_SECOND, error)
                          : NULL;
    if (samples[i] && !tile)
      return NULL;
    if (tile) {
      copy_tile (tile,
          picture + i / COLUMNS * TILE_HEIGHT * stride + i % COLUMNS * TILE_WIDTH * PIXEL_BYTES,
          stride);
      gst_sample_unref (tile);
    }
  }
  return gst_sample_new (buffer, caps, NULL, NULL);
}

gboolean mosaic_write (const char *path, GstSample *const *samples, guint n_samples, GError **error)
{
  g_autoptr (GstSample) picture = paste (samples, n_samples, error);
  g_autoptr (GstCaps) caps = gst_caps_new_empty_simple ("image/png");
  g_autoptr (GstSample) png =
      picture ? gst_video_convert_sample (picture, caps, 10 * GST_SECOND, error) : NULL;
  GstMapInfo map;
  if (!png || !gst_buffer_map (gst_sample_get_buffer (png), &map, GST_MAP_READ))
    return FALSE;
  gboolean ok = g_file_set_contents (path, (const char *) map.data, (gssize) map.size, error);
  gst_buffer_unmap (gst_sample_get_buffer (png), &map);
  return ok;
}
