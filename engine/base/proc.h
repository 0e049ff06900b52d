/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WeirProc: how the outputs of a network are to be read, as a model-proc file of DL Streamer
 * (output_postproc) says it. Plain data between the reader (engine/formats) and the decoders. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

G_BEGIN_DECLS

/* One entry of output_postproc. */
typedef struct WeirProcOutput {
  char **layer_names;   /* outputs it speaks of, NULL-terminated; NULL: whatever there is */
  char *converter;      /* "label", "text", "detection_output", "yolo_v3" …; NULL: none given */
  char *attribute_name; /* NULL: none given */
  char *method;  /* of converter label: "max", "softmax", "index", "compound", "multi"; NULL */
  char **labels; /* NULL-terminated; NULL: none */
  uint32_t n_labels;
  double threshold;       /* NAN: none given */
  double text_scale;      /* tensor_to_text_scale, text_scale; 1 */
  int32_t text_precision; /* digits after the point; -1: none given */
  GHashTable *members;    /* every other member of the entry: name to text, arrays as "1,2,3" */
} WeirProcOutput;

/* Thread-safety: immutable. */
typedef struct WeirProc {
  uint32_t n_outputs;
  WeirProcOutput *outputs;
} WeirProc;

/* The first entry that names the output `layer_name`, else the first that names none; NULL. */
const WeirProcOutput *weir_proc_find (const WeirProc *proc, const char *layer_name);
void weir_proc_free (WeirProc *proc);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (WeirProc, weir_proc_free)

G_END_DECLS
