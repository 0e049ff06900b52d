/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The properties of inferdetect and inferclassify: one table of offsets into WeirSettings. */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

typedef enum WeirRegionSource { WEIR_REGION_FULL_FRAME = 0, WEIR_REGION_ROI_LIST } WeirRegionSource;
typedef enum WeirLeaky { WEIR_LEAKY_NO = 0, WEIR_LEAKY_DOWNSTREAM } WeirLeaky;
typedef enum WeirMetaKind {
  WEIR_META_AUTO = 0,
  WEIR_META_ROI,
  WEIR_META_ANALYTICS,
  WEIR_META_BOTH
} WeirMetaKind;

/* What may change from one frame to the next while playing. */
typedef struct WeirLiveSettings {
  gfloat threshold, iou_threshold;
  guint max_detections, top_k;
  guint interval, reclassify_interval;
  gint leaky; /* WeirLeaky */
  gboolean qos, attach_tensors;
} WeirLiveSettings;

/* Thread-safety: guarded by the object lock of the element. Strings are owned, NULL where unset. */
typedef struct WeirSettings {
  WeirLiveSettings live;
  gchar *model, *labels, *device, *config, *instance, *mean, *scale, *input_shape, *decoder;
  gchar *model_proc, *constant_inputs;
  gchar *classes, *stream;
  gint precision, performance_hint, color_format, resize; /* see weir_settings_nick */
  gint region;                                            /* WeirRegionSource */
  gint meta;                                              /* WeirMetaKind */
  guint num_requests, batch_size;
  gint batch_timeout_ms;
  gboolean allow_auto_batching, deterministic;
} WeirSettings;

/* Which elements have a property. */
typedef enum WeirPropOwner {
  WEIR_OWNER_DETECT = 1,
  WEIR_OWNER_CLASSIFY = 2,
} WeirPropOwner;

/* Installs the properties of one element class, whose instances hold a WeirSettings at
 * `settings_offset`; `region_default` differs between them. */
void weir_props_install (GObjectClass *klass, WeirPropOwner owner, WeirRegionSource region_default);

/* Get and set by table; FALSE where the property is not one of the table. The caller holds the
 * object lock. */
gboolean weir_props_set (WeirSettings *settings, guint prop_id, const GValue *value);
gboolean weir_props_get (const WeirSettings *settings, guint prop_id, GValue *value);

/* Defaults for one element; `settings` is zeroed memory. */
void weir_settings_init (
    WeirSettings *settings, WeirPropOwner owner, WeirRegionSource region_default);
/* Deep copy into an initialised or zeroed `dst`, whose strings are freed. */
void weir_settings_copy (WeirSettings *dst, const WeirSettings *src);
void weir_settings_clear (WeirSettings *settings);
/* Nick of an enumerated property ("bf16", "letterbox-centre") as the engine spells it; NULL for
 * "auto". `name` is a property of the table. */
const gchar *weir_settings_nick (const WeirSettings *settings, const gchar *name);

/* First id that is free for properties outside of the table. */
#define WEIR_PROP_OTHER 1000

G_END_DECLS
