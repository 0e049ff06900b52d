/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* GstVideoFrame to WeirFrame: planes, strides and colorimetry, without a copy. */
#pragma once

#include "engine/frame.h"
#include <gst/video/video.h>

G_BEGIN_DECLS

/* What goes into a caps string: "{ I420, YV12, … }", the formats of WeirPixelFormat. */
#define WEIR_VIDEO_FORMATS                                                                     \
  "{ I420, YV12, NV12, YUY2, UYVY, P010_10LE, GRAY8, RGB, BGR, RGBA, BGRA, RGBx, BGRx, xRGB, " \
  "xBGR }"

/* As gst_video_frame_map, but FALSE where the buffer's GstVideoMeta contradicts `info`, or promises
 * more than its memory holds; *reason says so and is static. */
gboolean weir_frame_map_whole (GstVideoFrame *map, const GstVideoInfo *info, GstBuffer *buffer,
    GstMapFlags flags, const gchar **reason);
/* The same read-only, for the engine; `buffer` must stay alive and mapped while `dst` is used. */
gboolean weir_frame_map (GstVideoFrame *map, const GstVideoInfo *info, GstBuffer *buffer,
    WeirFrame *dst, const gchar **reason);
void weir_frame_unmap (GstVideoFrame *map);

/* TRUE where the buffer's GstVideoMeta says another layout than its caps. */
gboolean weir_buffer_has_other_layout (GstBuffer *buffer, const GstVideoInfo *info);
/* A copy in the layout of its caps, with all else (metas, times); takes `buffer`. The same one
 * where it does not hold its picture. */
GstBuffer *weir_buffer_to_caps_layout (GstBuffer *buffer, const GstVideoInfo *info);

G_END_DECLS
