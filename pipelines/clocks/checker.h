/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Compares what was read on every buffer of a stream with the buffer's own time and the stream's
 * number. */
#pragma once

#include <gst/gst.h>

typedef struct Tally {
  guint64 n_frames, n_clocks_read, n_clocks_right, n_cameras_right;
  guint64 n_wrong_frame;  /* the clock of another frame of the stream: a bug, never noise */
  guint64 n_wrong_stream; /* another stream's number: likewise */
  guint64 n_characters;
} Tally;

/* Thread-safety: fed by the stream's own thread; read once the pipeline has stopped. */
typedef struct Checker Checker;

/* Watches `pad`. inject_error: hands on every reading one frame late, which must be noticed. */
Checker *checker_new (GstPad *pad, guint camera, gboolean inject_error);
const Tally *checker_tally (Checker *checker);
/* The last buffer that passed, with its caps; NULL where none did. Transfer full. */
GstSample *checker_last_sample (Checker *checker);
void checker_free (Checker *checker);
