/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* GStreamer's pictures as the engine sees them. Formats by table: both sides keep the planes in the
 * order in which they lie in memory. */
#include "gst/frame_map.h"

static const struct {
  GstVideoFormat gst;
  WeirPixelFormat weir;
} formats[] = {
  { GST_VIDEO_FORMAT_I420, WEIR_PIXEL_I420 },
  { GST_VIDEO_FORMAT_YV12, WEIR_PIXEL_YV12 },
  { GST_VIDEO_FORMAT_NV12, WEIR_PIXEL_NV12 },
  { GST_VIDEO_FORMAT_YUY2, WEIR_PIXEL_YUY2 },
  { GST_VIDEO_FORMAT_UYVY, WEIR_PIXEL_UYVY },
  { GST_VIDEO_FORMAT_P010_10LE, WEIR_PIXEL_P010 },
  { GST_VIDEO_FORMAT_GRAY8, WEIR_PIXEL_GRAY8 },
  { GST_VIDEO_FORMAT_RGB, WEIR_PIXEL_RGB },
  { GST_VIDEO_FORMAT_BGR, WEIR_PIXEL_BGR },
  { GST_VIDEO_FORMAT_RGBA, WEIR_PIXEL_RGBA },
  { GST_VIDEO_FORMAT_BGRA, WEIR_PIXEL_BGRA },
  { GST_VIDEO_FORMAT_RGBx, WEIR_PIXEL_RGBX },
  { GST_VIDEO_FORMAT_BGRx, WEIR_PIXEL_BGRX },
  { GST_VIDEO_FORMAT_xRGB, WEIR_PIXEL_XRGB },
  { GST_VIDEO_FORMAT_xBGR, WEIR_PIXEL_XBGR },
};

static gboolean find_format (GstVideoFormat format, WeirPixelFormat *found)
{
  for (guint i = 0; i < G_N_ELEMENTS (formats); i++)
    if (formats[i].gst == format) {
      *found = formats[i].weir;
      return TRUE;
    }
  return FALSE;
}

/* Matrices other than the two we know go to the nearer one: BT.2020 and SMPTE 240M to BT.709, FCC
 * to BT.601. Unknown: GStreamer's own rule by height. */
static WeirMatrix choose_matrix (const GstVideoInfo *info)
{
  switch (info->colorimetry.matrix) {
  case GST_VIDEO_COLOR_MATRIX_BT601:
  case GST_VIDEO_COLOR_MATRIX_FCC:
    return WEIR_MATRIX_BT601;
  case GST_VIDEO_COLOR_MATRIX_BT709:
  case GST_VIDEO_COLOR_MATRIX_SMPTE240M:
  case GST_VIDEO_COLOR_MATRIX_BT2020:
    return WEIR_MATRIX_BT709;
  default:
    return info->height <= 576 ? WEIR_MATRIX_BT601 : WEIR_MATRIX_BT709;
  }
}

static WeirRange choose_range (const GstVideoInfo *info)
{
  switch (info->colorimetry.range) {
  case GST_VIDEO_COLOR_RANGE_0_255:
    return WEIR_RANGE_FULL;
  case GST_VIDEO_COLOR_RANGE_16_235:
    return WEIR_RANGE_LIMITED;
  default:
    return GST_VIDEO_INFO_IS_GRAY (info) ? WEIR_RANGE_FULL : WEIR_RANGE_LIMITED;
  }
}

/* Bytes of a line that are read: of packed 4:2:2 with an odd width, the whole last pair. */
static gint64 line_bytes (const GstVideoFrame *map, const gint *components)
{
  gint64 bytes = 0;
  for (guint i = 0; i < GST_VIDEO_MAX_COMPONENTS && components[i] >= 0; i++)
    bytes = MAX (bytes, (gint64) GST_VIDEO_FRAME_COMP_WIDTH (map, components[i]) *
                            GST_VIDEO_FRAME_COMP_PSTRIDE (map, components[i]));
  return bytes;
}

/* A GstVideoMeta may promise more lines than its memory holds: nothing else looks at that. */
static gboolean plane_fits (const GstVideoFrame *map, guint plane)
{
  gint components[GST_VIDEO_MAX_COMPONENTS];
  gst_video_format_info_component (map->info.finfo, plane, components);
  const gint stride = GST_VIDEO_FRAME_PLANE_STRIDE (map, plane);
  const gint height = GST_VIDEO_FRAME_COMP_HEIGHT (map, components[0]);
  const GstMapInfo *memory = map->meta ? &map->map[plane] : &map->map[0];
  const guint8 *first = GST_VIDEO_FRAME_PLANE_DATA (map, plane);
  const gint64 at = first - memory->data;
  const gint64 last_line = at + (gint64) stride * (height - 1);
  return MIN (at, last_line) >= 0 &&
         MAX (at, last_line) + line_bytes (map, components) <= (gint64) memory->size;
}

/* GstVideoMeta counts unsigned, GstVideoInfo does not. */
static gboolean frame_fits (const GstVideoFrame *map)
{
  if (GST_VIDEO_FRAME_WIDTH (map) <= 0 || GST_VIDEO_FRAME_HEIGHT (map) <= 0)
    return FALSE;
  for (guint i = 0; i < GST_VIDEO_FRAME_N_PLANES (map); i++)
    if (!plane_fits (map, i))
      return FALSE;
  return TRUE;
}

/* What GstVideo takes for a bug of whoever maps such a buffer; NULL: nothing. */
static const gchar *find_contradiction (GstBuffer *buffer, const GstVideoInfo *info)
{
  const GstVideoMeta *meta = gst_buffer_get_video_meta (buffer);
  if (meta && meta->format != GST_VIDEO_INFO_FORMAT (info))
    return "the buffer's GstVideoMeta says another pixel format than its caps";
  if (meta && (meta->width < (guint) GST_VIDEO_INFO_WIDTH (info) ||
                  meta->height < (guint) GST_VIDEO_INFO_HEIGHT (info)))
    return "the buffer's GstVideoMeta says a smaller picture than its caps";
  return NULL;
}

gboolean weir_frame_map_whole (GstVideoFrame *map, const GstVideoInfo *info, GstBuffer *buffer,
    GstMapFlags flags, const gchar **reason)
{
  map->buffer = NULL;
  *reason = find_contradiction (buffer, info);
  if (*reason)
    return FALSE;
  if (!gst_video_frame_map (map, (GstVideoInfo *) info, buffer, flags)) {
    map->buffer = NULL;
    *reason = gst_buffer_get_size (buffer) < info->size ? "the buffer is smaller than its picture"
                                                        : "the buffer cannot be mapped";
    return FALSE;
  }
  if (!frame_fits (map)) {
    weir_frame_unmap (map);
    *reason = "the buffer is smaller than its picture";
    return FALSE;
  }
  return TRUE;
}

gboolean weir_frame_map (GstVideoFrame *map, const GstVideoInfo *info, GstBuffer *buffer,
    WeirFrame *dst, const gchar **reason)
{
  const GstMapFlags flags = GST_MAP_READ | (GstMapFlags) GST_VIDEO_FRAME_MAP_FLAG_NO_REF;
  if (!weir_frame_map_whole (map, info, buffer, flags, reason))
    return FALSE;
  *dst = (WeirFrame){ .matrix = choose_matrix (info),
    .range = choose_range (info),
    .width_px = (guint32) GST_VIDEO_FRAME_WIDTH (map),
    .height_px = (guint32) GST_VIDEO_FRAME_HEIGHT (map) };
  if (!find_format (GST_VIDEO_FRAME_FORMAT (map), &dst->format)) {
    weir_frame_unmap (map);
    *reason = "the pixel format of the buffer's GstVideoMeta is not supported";
    return FALSE;
  }
  for (guint i = 0; i < GST_VIDEO_FRAME_N_PLANES (map); i++) {
    dst->planes[i] = GST_VIDEO_FRAME_PLANE_DATA (map, i);
    dst->stride_bytes[i] = GST_VIDEO_FRAME_PLANE_STRIDE (map, i);
  }
  return TRUE;
}

void weir_frame_unmap (GstVideoFrame *map)
{
  gst_video_frame_unmap (map);
  map->buffer = NULL;
}

gboolean weir_buffer_has_other_layout (GstBuffer *buffer, const GstVideoInfo *info)
{
  const GstVideoMeta *meta = gst_buffer_get_video_meta (buffer);
  if (!meta)
    return FALSE;
  for (guint i = 0; i < meta->n_planes; i++)
    if (meta->offset[i] != info->offset[i] || meta->stride[i] != info->stride[i])
      return TRUE;
  return FALSE;
}

/* FALSE where the buffer has less than its picture, or another one than its caps say. */
static gboolean copy_picture (GstBuffer *dst, GstBuffer *src, const GstVideoInfo *info)
{
  GstVideoFrame from, to;
  const gchar *reason;
  gboolean done = FALSE;
  if (!weir_frame_map_whole (&from, info, src, GST_MAP_READ, &reason))
    return FALSE;
  if (gst_video_frame_map (&to, (GstVideoInfo *) info, dst, GST_MAP_WRITE)) {
    done = gst_video_frame_copy (&to, &from);
    gst_video_frame_unmap (&to);
  }
  gst_video_frame_unmap (&from);
  return done;
}

GstBuffer *weir_buffer_to_caps_layout (GstBuffer *buffer, const GstVideoInfo *info)
{
  GstBuffer *copy = gst_buffer_new_allocate (NULL, info->size, NULL);
  if (!copy_picture (copy, buffer, info)) {
    gst_buffer_unref (copy);
    return buffer;
  }
  gst_buffer_copy_into (copy, buffer,
      GST_BUFFER_COPY_FLAGS | GST_BUFFER_COPY_TIMESTAMPS | GST_BUFFER_COPY_META, 0, (gsize) -1);
  GstVideoMeta *layout = gst_buffer_get_video_meta (copy);
  if (layout)
    gst_buffer_remove_meta (copy, (GstMeta *) layout);
  gst_buffer_unref (buffer);
  return copy;
}
