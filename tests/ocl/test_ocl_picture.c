/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Preprocessing on the device against the host's: every format, way to resize, colour, type and
 * layout, to the bit; and what is held of frames. Argument `few`: fewer of them. */
#include "engine/base/half.h"
#include "engine/ocl/ocl.h"
#include "engine/ocl/ocl_picture.h"
#include "engine/ocl/ocl_picture_staging.h"

#include "tests/ocl/ocl_kit.h"
#include "tests/run_suite.h"
#include "tests/unit/pre/pre_picture.h"
#include <string.h>

#define N_ROWS   3 /* of the batch; the row written is the middle one */
#define MIDDLE   1
#define OFFSET   256 /* of the input in the slot's memory */
#define N_TYPES  2
#define N_SLOTS  2
#define MAX_SIDE 80

static WeirDevice *devices[N_TYPES]; /* f32, f16 */
static const WeirDtype dtypes[N_TYPES] = { WEIR_DTYPE_F32, WEIR_DTYPE_F16 };
static bool is_few;

/* Sizes: shrinking, growing, both, single pixels, edges, odd places. */
static const struct {
  uint32_t frame_w, frame_h;
  WeirRegion region;
  uint32_t in_w, in_h;
  WeirResize resize;
} rows[] = {
  { 97, 61, { 13, 7, 51, 33 }, 64, 48, WEIR_RESIZE_STRETCH },
  { 97, 61, { 96, 60, 1, 1 }, 5, 7, WEIR_RESIZE_STRETCH },
  { 97, 61, { 3, 3, 91, 41 }, 32, 32, WEIR_RESIZE_CROP },
  { 97, 61, { 9, 9, 75, 31 }, 47, 50, WEIR_RESIZE_LETTERBOX_CENTRE },
  { 61, 97, { 3, 5, 41, 90 }, 48, 48, WEIR_RESIZE_LETTERBOX_TOP_LEFT },
  { 97, 61, { 0, 0, 97, 61 }, 40, 30, WEIR_RESIZE_STRETCH },
  { 97, 61, { 1, 1, 96, 60 }, 33, 65, WEIR_RESIZE_STRETCH },
  { 97, 61, { 31, 0, 1, 61 }, 17, 19, WEIR_RESIZE_STRETCH },
  { 97, 61, { 0, 31, 97, 1 }, 17, 19, WEIR_RESIZE_STRETCH },
  { 98, 64, { 95, 3, 3, 5 }, 50, 20, WEIR_RESIZE_STRETCH },
  { 97, 61, { 5, 5, 80, 40 }, 1, 1, WEIR_RESIZE_STRETCH },
  { 5, 3, { 0, 0, 5, 3 }, 20, 12, WEIR_RESIZE_STRETCH },
  { 1, 1, { 0, 0, 1, 1 }, 9, 9, WEIR_RESIZE_STRETCH },
  { 2, 9, { 1, 2, 1, 6 }, 9, 9, WEIR_RESIZE_STRETCH },
  { 61, 97, { 0, 0, 61, 97 }, 50, 47, WEIR_RESIZE_LETTERBOX_CENTRE },
  { 97, 61, { 0, 0, 97, 1 }, 30, 30, WEIR_RESIZE_LETTERBOX_CENTRE },
  { 61, 97, { 3, 3, 41, 91 }, 40, 30, WEIR_RESIZE_CROP },
  { 300, 200, { 17, 3, 281, 195 }, 31, 29, WEIR_RESIZE_STRETCH },
  { 300, 200, { 5, 3, 290, 189 }, 33, 31, WEIR_RESIZE_LETTERBOX_CENTRE },
  { 200, 300, { 5, 7, 191, 290 }, 33, 31, WEIR_RESIZE_CROP },
};

static const struct {
  uint32_t n_channels;
  WeirColor color;
  WeirLayout layout;
} outputs[] = {
  { 3, WEIR_COLOR_RGB, WEIR_LAYOUT_CHANNELS_LAST },
  { 3, WEIR_COLOR_BGR, WEIR_LAYOUT_PLAIN },
  { 1, WEIR_COLOR_GRAY, WEIR_LAYOUT_PLAIN },
  { 3, WEIR_COLOR_GRAY, WEIR_LAYOUT_CHANNELS_LAST },
  { 3, WEIR_COLOR_BGR, WEIR_LAYOUT_CHANNELS_LAST },
  { 3, WEIR_COLOR_RGB, WEIR_LAYOUT_PLAIN },
  { 1, WEIR_COLOR_RGB, WEIR_LAYOUT_CHANNELS_LAST },
};

/* One way to see a picture, with memory of the device for its results. */
typedef struct Rig {
  WeirInputSpec spec;
  WeirTensor input; /* on the device */
  WeirOclMemory *memories[N_SLOTS];
  void *pictures;
  size_t n_values; /* of a row */
} Rig;

static void rig_start (Rig *rig, const WeirInputSpec *spec, uint32_t type, WeirLayout layout)
{
  GError *error = NULL;
  *rig = (Rig){ .spec = *spec,
    .input = { .dtype = dtypes[type],
        .layout = layout,
        .rank = 4,
        .dims = { N_ROWS, spec->n_channels, spec->height_px, spec->width_px } },
    .n_values = (size_t) spec->n_channels * spec->height_px * spec->width_px };
  size_t n_bytes = OFFSET + N_ROWS * rig->n_values * weir_dtype_bytes (dtypes[type]);
  for (uint32_t i = 0; i < N_SLOTS; i++) {
    rig->memories[i] = weir_backend_ocl.memory_new (devices[type], n_bytes, &error);
    ocl_must (rig->memories[i], error);
  }
  rig->input.buffer = rig->memories[0]->base + OFFSET;
  rig->pictures = weir_ocl_pictures.new(devices[type], spec, &error);
  ocl_must (rig->pictures, error);
}

static void rig_stop (Rig *rig)
{
  weir_ocl_pictures.free (rig->pictures);
  for (uint32_t i = 0; i < N_SLOTS; i++)
    weir_backend_ocl.memory_free (rig->memories[i]);
}

/* part: NULL: the region is the only one. */
static void write_row (Rig *rig, const WeirFrame *frame, const WeirRegion *part, uint64_t number,
    const WeirRegion *region)
{
  const WeirSeen seen = { frame, number, part ? *part : *region, !part };
  GError *error = NULL;
  ocl_must (weir_pre_check (frame, region, &error), error);
  ocl_must (weir_ocl_pictures.hold (rig->pictures, &seen, &rig->input, &error), error);
  ocl_must (weir_ocl_pictures.write (rig->pictures, region, &rig->input, MIDDLE, &error), error);
}

/* Row MIDDLE must be what the host makes; the others stay 0. */
static void check_row (
    const Rig *rig, WeirOclMemory *memory, const WeirFrame *frame, const WeirRegion *region)
{
  uint32_t n = (uint32_t) rig->n_values;
  g_autofree float *want = g_new0 (float, N_ROWS *n), *got = g_new0 (float, N_ROWS *n);
  g_autoptr (WeirPre) pre = weir_pre_new (&rig->spec);
  WeirTensor host = rig->input;
  host.dtype = WEIR_DTYPE_F32;
  host.buffer = want;
  weir_pre_run (pre, frame, region, &host, MIDDLE);
  ocl_kit_download (memory, OFFSET, got, N_ROWS * n, rig->input.dtype);
  for (uint32_t i = 0; i < N_ROWS * n; i++) {
    float expected = ocl_kit_round (want[i], rig->input.dtype);
    if (memcmp (&got[i], &expected, sizeof expected) != 0)
      ck_abort_msg ("%s %ux%u region %ux%u at (%u, %u) to %ux%ux%u: value %u is %a, not %a",
          weir_pixel_format_name (frame->format), frame->width_px, frame->height_px,
          region->width_px, region->height_px, region->x_px, region->y_px, rig->spec.n_channels,
          rig->spec.height_px, rig->spec.width_px, i, (double) got[i], (double) expected);
  }
}

static WeirInputSpec spec_of (uint32_t width_px, uint32_t height_px, uint32_t i)
{
  uint32_t o = i % G_N_ELEMENTS (outputs);
  return (WeirInputSpec){ .width_px = width_px,
    .height_px = height_px,
    .n_channels = outputs[o].n_channels,
    .color = outputs[o].color,
    .mean = { 123.675f, 116.28f, 103.53f },
    .scale = { 0.0171247f, 1, 1 / 255.0f },
    .pad = 114 };
}

/* A frame seen through each row of the table, in turns of colours, matrices, types and layouts; as
 * the only region of it, of which no more goes up than is used, and as one of several. */
START_TEST (test_picture_equals_host)
{
  uint32_t step = is_few ? 9 : 1;
  for (uint32_t i = is_few ? (uint32_t) _i % step : 0; i < G_N_ELEMENTS (rows); i += step) {
    Rig rig;
    uint32_t turn = i + (uint32_t) _i;
    WeirInputSpec spec = spec_of (rows[i].in_w, rows[i].in_h, turn);
    spec.resize = rows[i].resize;
    WeirFrame frame = picture_new (
        (WeirPixelFormat) _i, rows[i].frame_w, rows[i].frame_h, turn * 5 % 17, 100 + turn);
    frame.matrix = turn % 2 ? WEIR_MATRIX_BT709 : WEIR_MATRIX_BT601;
    frame.range = turn / 2 % 2 ? WEIR_RANGE_FULL : WEIR_RANGE_LIMITED;
    rig_start (&rig, &spec, turn / 3 % 2, outputs[turn % G_N_ELEMENTS (outputs)].layout);
    const WeirRegion whole = { 0, 0, frame.width_px, frame.height_px };
    for (uint32_t way = is_few ? turn % 2 : 0; way < (is_few ? turn % 2 + 1 : 2); way++) {
      write_row (&rig, &frame, way ? &whole : NULL, 0, &rows[i].region);
      check_row (&rig, rig.memories[0], &frame, &rows[i].region);
    }
    rig_stop (&rig);
    picture_clear (&frame);
  }
}
END_TEST

/* Every luma with every chroma of 8 bits that shares a column, whatever the matrix and range. */
START_TEST (test_picture_colours)
{
  static const WeirPixelFormat formats[] = { WEIR_PIXEL_NV12, WEIR_PIXEL_P010 };
  uint32_t side = is_few ? 8 : 256;
  const WeirRegion whole = { 0, 0, side, side };
  WeirFrame frame = picture_new (formats[_i / 4], side, side, 3, (uint32_t) _i);
  WeirInputSpec spec = spec_of (side, side, 0);
  Rig rig;
  frame.matrix = _i % 2 ? WEIR_MATRIX_BT709 : WEIR_MATRIX_BT601;
  frame.range = _i / 2 % 2 ? WEIR_RANGE_FULL : WEIR_RANGE_LIMITED;
  rig_start (&rig, &spec, 0, WEIR_LAYOUT_CHANNELS_LAST);
  write_row (&rig, &frame, &whole, 1, &whole);
  check_row (&rig, rig.memories[0], &frame, &whole);
  rig_stop (&rig);
  picture_clear (&frame);
}
END_TEST

/* Sizes whose products are of 64 bits; the frame is a line. */
START_TEST (test_picture_wide)
{
  const uint32_t width_px = 1048583, in_px = 4099;
  const WeirRegion regions[] = { { 1, 0, width_px - 1, 1 }, { width_px - 4, 0, 3, 1 } };
  WeirFrame frame = picture_new (WEIR_PIXEL_GRAY8, width_px, 1, 0, 5);
  WeirInputSpec spec = spec_of (in_px, 1, 2);
  Rig rig;
  rig_start (&rig, &spec, 0, WEIR_LAYOUT_PLAIN);
  for (uint32_t i = 0; i < G_N_ELEMENTS (regions); i++) {
    write_row (&rig, &frame, &regions[0], 1, &regions[i]);
    check_row (&rig, rig.memories[0], &frame, &regions[i]);
  }
  rig_stop (&rig);
  picture_clear (&frame);
}
END_TEST

/* What is there of a frame is used again, by another slot too. */
START_TEST (test_picture_is_held)
{
  static const WeirRegion part = { 11, 9, 60, 40 }, inside = { 20, 21, 30, 17 },
                          beside = { 70, 3, 20, 20 };
  WeirFrame frame = picture_new (WEIR_PIXEL_NV12, 97, 61, 3, 1), seen = frame;
  WeirFrame other = picture_new (WEIR_PIXEL_NV12, 97, 61, 3, 2), larger;
  WeirInputSpec spec = spec_of (MAX_SIDE, 20, 0);
  Rig rig;
  rig_start (&rig, &spec, 0, WEIR_LAYOUT_CHANNELS_LAST);
  write_row (&rig, &frame, &part, 5, &part);
  check_row (&rig, rig.memories[0], &frame, &part);
  seen.planes[0] = other.planes[0]; /* is not looked at */
  write_row (&rig, &seen, &inside, 5, &inside);
  check_row (&rig, rig.memories[0], &frame, &inside);
  rig.input.buffer = rig.memories[1]->base + OFFSET;
  write_row (&rig, &seen, &inside, 5, &inside);
  check_row (&rig, rig.memories[1], &frame, &inside);
  write_row (&rig, &seen, &beside, 8, &beside);
  check_row (&rig, rig.memories[1], &seen, &beside);
  write_row (&rig, &other, &inside, 6, &inside);
  check_row (&rig, rig.memories[1], &other, &inside);
  write_row (&rig, &frame, &inside, 0, &inside);
  write_row (&rig, &other, &inside, 0, &inside);
  check_row (&rig, rig.memories[1], &other, &inside);
  larger = picture_new (WEIR_PIXEL_BGRX, 400, 300, 0, 3);
  write_row (&rig, &larger, &part, 7, &part);
  check_row (&rig, rig.memories[1], &larger, &part);
  rig_stop (&rig);
  picture_clear (&larger);
  picture_clear (&other);
  picture_clear (&frame);
}
END_TEST

/* Frames one behind the other, without waiting: none is overwritten before it is used, nor while it
 * goes up. */
START_TEST (test_picture_in_flight)
{
  enum { N_FRAMES = N_ROWS };
  static const WeirRegion whole = { 0, 0, 97, 61 };
  WeirInputSpec spec = spec_of (40, 30, 0);
  uint32_t n = 40 * 30 * 3;
  g_autofree float *want = g_new (float, N_FRAMES *n), *got = g_new (float, N_FRAMES *n);
  g_autoptr (WeirPre) pre = weir_pre_new (&spec);
  GError *error = NULL;
  Rig rig;
  rig_start (&rig, &spec, 0, WEIR_LAYOUT_CHANNELS_LAST);
  WeirTensor host = rig.input;
  host.buffer = want;
  for (uint32_t i = 0; i < N_FRAMES; i++) {
    WeirFrame frame = picture_new (WEIR_PIXEL_I420, 97, 61, 0, i);
    const WeirSeen seen = { &frame, i + 1, whole, true };
    ocl_must (weir_ocl_pictures.hold (rig.pictures, &seen, &rig.input, &error), error);
    ocl_must (weir_ocl_pictures.write (rig.pictures, &whole, &rig.input, i, &error), error);
    weir_pre_run (pre, &frame, &whole, &host, i);
    picture_clear (&frame);
  }
  ocl_kit_download (rig.memories[0], OFFSET, got, N_FRAMES * n, WEIR_DTYPE_F32);
  ck_assert_mem_eq (got, want, N_FRAMES * n * sizeof *got);
  rig_stop (&rig);
}
END_TEST

START_TEST (test_picture_place_is_wrong)
{
  const WeirRegion whole = { 0, 0, 5, 3 };
  WeirFrame frame = picture_new (WEIR_PIXEL_RGB, 5, 3, 0, 1);
  const WeirSeen seen = { &frame, 1, whole, true };
  WeirInputSpec spec = spec_of (8, 8, 0);
  g_autoptr (GError) error = NULL;
  float on_the_host[8 * 8 * 3 * N_ROWS];
  Rig rig;
  rig_start (&rig, &spec, 0, WEIR_LAYOUT_CHANNELS_LAST);
  rig.input.buffer = on_the_host;
  ck_assert (!weir_ocl_pictures.hold (rig.pictures, &seen, &rig.input, &error));
  ck_assert (g_error_matches (error, WEIR_ERROR, WEIR_ERROR_INTERNAL));
  rig_stop (&rig);
  picture_clear (&frame);
}
END_TEST

int main (int argc, char **argv)
{
  static const WeirPrecision precisions[N_TYPES] = { WEIR_PRECISION_F32, WEIR_PRECISION_F16 };
  is_few = argc > 1 && strcmp (argv[1], "few") == 0;
  ocl_kit_start ();
  for (uint32_t i = 0; i < N_TYPES; i++) {
    WeirDeviceOptions options = { .precision = precisions[i], .match = ocl_kit_match () };
    devices[i] = weir_backend_ocl.open (&options, NULL);
    g_assert (devices[i]);
  }
  Suite *suite = suite_create ("ocl picture");
  TCase *tcase = tcase_create ("ocl picture");
  tcase_add_loop_test (tcase, test_picture_equals_host, 0, WEIR_N_PIXEL_FORMATS);
  tcase_add_loop_test (tcase, test_picture_colours, 0, 8);
  tcase_add_test (tcase, test_picture_wide);
  tcase_add_test (tcase, test_picture_is_held);
  tcase_add_test (tcase, test_picture_in_flight);
  tcase_add_test (tcase, test_picture_place_is_wrong);
  suite_add_tcase (suite, tcase);
  int status = run_suite (suite, CK_NOFORK);
  for (uint32_t i = 0; i < N_TYPES; i++)
    weir_backend_ocl.close (devices[i]);
  return ocl_kit_end (status);
}
