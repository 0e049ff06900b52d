/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The plugin `weir`: its elements by table. */
#include "gst/classify.h"
#include "gst/detect.h"
#include "gst/meta.h"
#include "gst/overlay.h"
#include "gst/publish.h"

static const struct {
  const gchar *name;
  GType (*type) (void);
} elements[] = {
  { "inferdetect", weir_detect_get_type },
  { "inferclassify", weir_classify_get_type },
  { "inferoverlay", weir_overlay_get_type },
  { "inferpublish", weir_publish_get_type },
};

static gboolean init_plugin (GstPlugin *plugin)
{
  weir_meta_get_info ();
  for (guint i = 0; i < G_N_ELEMENTS (elements); i++)
    if (!gst_element_register (plugin, elements[i].name, GST_RANK_NONE, elements[i].type ()))
      return FALSE;
  return TRUE;
}

#define PACKAGE "weir"
GST_PLUGIN_DEFINE (GST_VERSION_MAJOR, GST_VERSION_MINOR, weir,
    "Batched neural-network inference for video analytics", init_plugin, WEIR_VERSION, "LGPL",
    "Weir", "Unknown package origin")
