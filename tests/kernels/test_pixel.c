/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every variant of the pixel kernels gives the bytes of the plain C one, and reads and writes
 * nothing beyond a row: buffers end (or begin) at pages that must not be touched. --bench [FORMAT] times
 * the variants. */
#include "tests/run_suite.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/base/sync.h"
#include "engine/pre/source.h"
#include "kernels/pixel.h"

#define MAX_PX     67
#define MAX_PADDED 96
#define MAX_ZOOM   24

typedef struct Guarded {
  uint8_t *bytes; /* of the size asked for, next to a forbidden page */
  uint8_t *map;
  size_t map_bytes;
} Guarded;

static uint32_t random_state = 1;

static uint32_t random_below (uint32_t n)
{
  random_state = random_state * 1664525u + 1013904223u;
  return (uint32_t) (((uint64_t) random_state * n) >> 32);
}

/* Pages before and after are forbidden; the bytes touch the one after, or the one before. */
static Guarded guarded_new (size_t n_bytes, bool is_at_end)
{
  size_t page = (size_t) sysconf (_SC_PAGESIZE);
  size_t body = (n_bytes + page - 1) / page * page;
  Guarded guarded = { .map_bytes = body + 2 * page };
  guarded.map =
      mmap (NULL, guarded.map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ck_assert_ptr_ne (guarded.map, MAP_FAILED);
  ck_assert_int_eq (mprotect (guarded.map, page, PROT_NONE), 0);
  ck_assert_int_eq (mprotect (guarded.map + page + body, page, PROT_NONE), 0);
  guarded.bytes = guarded.map + page + (is_at_end ? body - n_bytes : 0);
  for (size_t i = 0; i < n_bytes; i++)
    guarded.bytes[i] = (uint8_t) random_below (256);
  return guarded;
}

static void guarded_clear (Guarded *guarded)
{
  munmap (guarded->map, guarded->map_bytes);
}

/* Extreme pictures (only 0 and 255) as often as random ones. */
static void make_extreme (uint8_t *bytes, size_t n_bytes)
{
  for (size_t i = 0; i < n_bytes; i++)
    bytes[i] = bytes[i] & 1 ? 255 : 0;
}

typedef struct RowCase {
  WeirPixelFormat format;
  uint32_t frame_width_px, x_px, width_px, n_px, n_channels;
  bool is_extreme, is_at_end;
} RowCase;

static void compare_values (const RowCase *test, const WeirPixelKernels *variant,
    const uint16_t *got, const uint16_t *want, uint32_t c)
{
  for (uint32_t i = 0; i < test->n_px; i++) {
    uint16_t value = got[weir_pixel_row_index (variant, i)];
    if (value != want[i])
      ck_abort_msg ("%s %s frame %u x %u width %u to %u px: channel %u pixel %u is %d, not %d",
          variant->name, weir_pixel_format_name (test->format), test->frame_width_px, test->x_px,
          test->width_px, test->n_px, c, i, value, want[i]);
  }
}

/* The planes' rows, and one more of Y (index 3) where chroma has a plane. */
static uint32_t make_planes (const RowCase *test, Guarded planes[4])
{
  const WeirSource *source = weir_source_find (test->format);
  uint32_t n_planes = 0;
  for (; n_planes < 3 && source->planes[n_planes].unit_bytes; n_planes++) {
    const WeirSourcePlane *plane = &source->planes[n_planes];
    size_t columns = (test->frame_width_px + (1u << plane->x_shift) - 1) >> plane->x_shift;
    planes[n_planes] = guarded_new (columns * plane->unit_bytes, test->is_at_end);
    if (test->is_extreme)
      make_extreme (planes[n_planes].bytes, columns * plane->unit_bytes);
  }
  if (n_planes > 1)
    planes[3] = guarded_new (test->frame_width_px * source->planes[0].unit_bytes, test->is_at_end);
  return n_planes;
}

static void compare_rows (const RowCase *test, const WeirPixelRow *row, const WeirPixelRow *row_c)
{
  const WeirSource *source = weir_source_find (test->format);
  static uint16_t values[4][3][MAX_PADDED];
  Guarded planes[4] = { 0 };
  WeirPixelLine got = { 0 }, want = { 0 };
  uint32_t n_planes = make_planes (test, planes);
  for (uint32_t i = 0; i < 3; i++) {
    got.dst[i] = values[0][i];
    want.dst[i] = values[1][i];
    got.next_dst[i] = values[2][i];
    want.next_dst[i] = values[3][i];
    got.src[i] = want.src[i] = i < n_planes ? planes[i].bytes : NULL;
  }
  got.next = want.next = planes[3].bytes;
  weir_pixel_kernels_c.rows[source->samples.kind](row_c, &want);
  row->kernels->rows[source->samples.kind](row, &got);
  for (uint32_t c = 0; c < test->n_channels; c++) {
    compare_values (test, row->kernels, got.dst[c], want.dst[c], c);
    if (got.next)
      compare_values (test, row->kernels, got.next_dst[c], want.next_dst[c], c);
  }
  for (uint32_t i = 0; i < 4; i++)
    if (planes[i].map)
      guarded_clear (&planes[i]);
}

static void run_row_case (const RowCase *test, const WeirPixelKernels *variant)
{
  static const struct {
    double red, blue;
  } matrices[] = { { 0.299, 0.114 }, { 0.2126, 0.0722 } };
  static _Alignas(64) int32_t blocks[2][MAX_PADDED * 8];
  const WeirSource *source = weir_source_find (test->format);
  const WeirPixelKernels *kernels[] = { variant, &weir_pixel_kernels_c };
  WeirColorCode code = { 0 };
  WeirPixelRow rows[2];
  uint32_t matrix = random_below (2);
  ck_assert_uint_le (weir_pixel_row_bytes (test->n_px), sizeof blocks[0]);
  weir_color_code_init (
      &code, matrices[matrix].red, matrices[matrix].blue, random_below (2), source->n_bits);
  for (int i = 0; i < 2; i++) {
    rows[i] =
        (WeirPixelRow){ .format = &source->samples, .code = &code, .n_channels = test->n_channels };
    weir_pixel_row_attach (&rows[i], test->n_px, blocks[i]);
    weir_pixel_row_set (
        &rows[i], kernels[i], test->n_px, test->x_px, test->width_px, test->frame_width_px);
  }
  if (rows[0].kernels == variant)
    compare_rows (test, &rows[0], &rows[1]);
  else
    ck_assert_uint_lt (test->frame_width_px, 8);
}

static bool can_run (const WeirPixelKernels *variant)
{
  return !(variant->isa & ~weir_cpu_isa ());
}

START_TEST (test_rows_equal_c)
{
  for (const WeirPixelKernels *const *variant = weir_pixel_variants; *variant; variant++)
    for (int format = 0; can_run (*variant) && format < WEIR_N_PIXEL_FORMATS; format++)
      for (uint32_t frame_width = 1; frame_width <= MAX_PX; frame_width++)
        for (int repeat = 0; repeat < 8; repeat++) {
          RowCase test = { .format = format,
            .frame_width_px = frame_width * (1 + random_below (MAX_ZOOM)) };
          test.x_px = random_below (test.frame_width_px);
          test.width_px = 1 + random_below (test.frame_width_px - test.x_px);
          test.n_px = 1 + random_below (MAX_PX);
          test.n_channels = repeat % 2 ? 1 : 3;
          test.is_extreme = repeat / 2 % 2;
          test.is_at_end = repeat / 4 % 2;
          run_row_case (&test, *variant);
        }
}
END_TEST

static void fill_store (WeirPixelStore *store, uint16_t rows[2][3][MAX_PADDED])
{
  int16_t weight = (int16_t) random_below ((1 << WEIR_TAP_BITS) + 1);
  store->weights[0] = (int16_t) ((1 << WEIR_TAP_BITS) - weight);
  store->weights[1] = weight;
  for (int c = 0; c < 3; c++) {
    for (int i = 0; i < MAX_PADDED; i++)
      for (int r = 0; r < 2; r++)
        rows[r][c][i] = (uint16_t) random_below ((255 << WEIR_ROW_BITS) + 1);
    store->top[c] = rows[0][c];
    store->bottom[c] = rows[1][c];
    store->mean[c] = (float) random_below (25500) / 100.0f;
    store->scale[c] = (float) (1 + random_below (1000)) / 255.0f;
  }
}

static void run_store_case (
    const WeirPixelKernels *variant, WeirStoreType type, bool is_interleaved, uint32_t n_px)
{
  static const size_t bytes[] = { 1, 4, 2 };
  static uint16_t rows[2][3][MAX_PADDED], ordered[2][3][MAX_PADDED];
  uint32_t n_planes = is_interleaved ? 1 : 3;
  size_t plane_bytes = n_px * bytes[type] * (is_interleaved ? 3 : 1);
  WeirPixelStore store = { .n_px = n_px, .n_channels = 3 };
  Guarded want[3], got[3];
  fill_store (&store, rows);
  for (uint32_t p = 0; p < n_planes; p++) {
    want[p] = guarded_new (plane_bytes, true);
    got[p] = guarded_new (plane_bytes, random_below (2));
  }
  for (uint32_t p = 0; p < n_planes; p++)
    store.dst[p] = want[p].bytes;
  weir_pixel_kernels_c.stores[type][is_interleaved](&store);
  for (uint32_t p = 0; p < n_planes; p++)
    store.dst[p] = got[p].bytes;
  for (int c = 0; c < 3; c++) {
    for (size_t i = 0; i < MAX_PADDED; i++)
      for (int r = 0; r < 2; r++)
        ordered[r][c][weir_pixel_row_index (variant, i)] = rows[r][c][i];
    store.top[c] = ordered[0][c];
    store.bottom[c] = ordered[1][c];
  }
  variant->stores[type][is_interleaved](&store);
  for (uint32_t p = 0; p < n_planes; p++) {
    ck_assert_msg (memcmp (got[p].bytes, want[p].bytes, plane_bytes) == 0,
        "%s store type %d interleaved %d, %u px: plane %u differs", variant->name, type,
        is_interleaved, n_px, p);
    guarded_clear (&want[p]);
    guarded_clear (&got[p]);
  }
}

START_TEST (test_stores_equal_c)
{
  for (const WeirPixelKernels *const *variant = weir_pixel_variants; *variant; variant++)
    for (int type = 0; can_run (*variant) && type < WEIR_N_STORE_TYPES; type++)
      for (uint32_t n_px = 1; n_px <= MAX_PX; n_px++)
        for (int repeat = 0; repeat < 6; repeat++)
          run_store_case (*variant, type, repeat % 2, n_px);
}
END_TEST

/* A frame whose planes end with the last pixel of their last row, right before a forbidden page. */
static WeirFrame guarded_frame (
    WeirPixelFormat format, uint32_t width_px, uint32_t height_px, Guarded planes[3])
{
  const WeirSource *source = weir_source_find (format);
  WeirFrame frame = { .format = format, .width_px = width_px, .height_px = height_px };
  for (int i = 0; i < 3 && source->planes[i].unit_bytes; i++) {
    const WeirSourcePlane *plane = &source->planes[i];
    size_t columns = (width_px + (1u << plane->x_shift) - 1) >> plane->x_shift;
    size_t n_rows = (height_px + (1u << plane->y_shift) - 1) >> plane->y_shift;
    size_t row_bytes = columns * plane->unit_bytes, stride = row_bytes + random_below (40);
    planes[i] = guarded_new (stride * (n_rows - 1) + row_bytes, true);
    frame.planes[plane->index] = planes[i].bytes;
    frame.stride_bytes[plane->index] = (int32_t) stride;
  }
  return frame;
}

static void run_frame_case (const WeirFrame *frame)
{
  static const char *const masks[] = { "avx512,avx2", "avx512", "avx512vbmi", "" };
  static float want[MAX_PX * MAX_PX * 3], got[MAX_PX * MAX_PX * 3];
  WeirInputSpec spec = { .width_px = 1 + random_below (MAX_PX),
    .height_px = 1 + random_below (MAX_PX),
    .n_channels = 3,
    .scale = { 1, 2, 3 } };
  WeirTensor input = { .dtype = WEIR_DTYPE_F32,
    .layout = (WeirLayout) random_below (2),
    .rank = 4,
    .dims = { 1, 3, spec.height_px, spec.width_px } };
  WeirRegion region = { .x_px = random_below (frame->width_px),
    .y_px = random_below (frame->height_px) };
  region.width_px = frame->width_px - region.x_px;
  region.height_px = frame->height_px - region.y_px;
  for (size_t m = 0; m < G_N_ELEMENTS (masks); m++) {
    g_setenv ("WEIR_CPU_DISABLE", masks[m], TRUE);
    WeirPre *pre = weir_pre_new (&spec);
    input.buffer = m ? got : want;
    weir_pre_run (pre, frame, &region, &input, 0);
    weir_pre_free (pre);
    if (m)
      ck_assert_mem_eq (got, want, sizeof (float) * 3 * spec.width_px * spec.height_px);
  }
}

START_TEST (test_frames_end_at_a_guard)
{
  for (int format = 0; format < WEIR_N_PIXEL_FORMATS; format++)
    for (int repeat = 0; repeat < 40; repeat++) {
      Guarded planes[3] = { 0 };
      WeirFrame frame =
          guarded_frame (format, 1 + random_below (MAX_PX), 1 + random_below (MAX_PX), planes);
      run_frame_case (&frame);
      for (int i = 0; i < 3; i++)
        if (planes[i].map)
          guarded_clear (&planes[i]);
    }
}
END_TEST

START_TEST (test_lookup_obeys_mask)
{
  ck_assert_str_eq (weir_pixel_kernels (WEIR_ISA_C)->name, "c");
  for (const WeirPixelKernels *const *variant = weir_pixel_variants; *variant; variant++)
    ck_assert_str_eq (weir_pixel_kernels ((*variant)->isa)->name, (*variant)->name);
}
END_TEST

static int compare_times (const void *a, const void *b)
{
  const uint64_t *left = a, *right = b;
  return (*left > *right) - (*left < *right);
}

/* A frame of the format with planes of its own and random pixels. */
static WeirFrame bench_frame (WeirPixelFormat format, uint32_t width_px, uint32_t height_px)
{
  const WeirSource *source = weir_source_find (format);
  WeirFrame frame = { .format = format, .width_px = width_px, .height_px = height_px };
  for (int i = 0; i < 3 && source->planes[i].unit_bytes; i++) {
    const WeirSourcePlane *plane = &source->planes[i];
    int32_t stride = (int32_t) ((width_px >> plane->x_shift) * plane->unit_bytes);
    size_t n_bytes = (size_t) stride * (height_px >> plane->y_shift);
    uint8_t *bytes = g_malloc (n_bytes);
    for (size_t k = 0; k < n_bytes; k++)
      bytes[k] = (uint8_t) random_below (256);
    frame.planes[plane->index] = bytes;
    frame.stride_bytes[plane->index] = stride;
  }
  return frame;
}

/* One cell of the table: what is made, from how many frames in turn. */
typedef struct BenchCase {
  const char *title;
  uint32_t width_px, height_px, n_frames;
  WeirDtype dtype;
  WeirLayout layout;
} BenchCase;

/* Best and median of repeated runs. */
static void bench_case (const WeirFrame *frames, const BenchCase *test)
{
  enum { N_RUNS = 257 };
  static uint64_t took_ns[N_RUNS];
  WeirInputSpec spec = { .width_px = test->width_px,
    .height_px = test->height_px,
    .n_channels = 3,
    .color = WEIR_COLOR_BGR,
    .mean = { 104, 117, 123 },
    .scale = { 1, 1, 1 } };
  WeirTensor input = { .dtype = test->dtype,
    .layout = test->layout,
    .rank = 4,
    .dims = { 1, 3, test->height_px, test->width_px } };
  WeirRegion region = { 0, 0, frames[0].width_px, frames[0].height_px };
  WeirPre *pre = weir_pre_new (&spec);
  input.buffer = g_malloc (sizeof (float) * 3 * test->width_px * test->height_px);
  for (uint32_t i = 0; i < N_RUNS; i++) {
    uint64_t start_ns = weir_now_ns ();
    weir_pre_run (pre, &frames[i % test->n_frames], &region, &input, 0);
    took_ns[i] = weir_now_ns () - start_ns;
  }
  qsort (took_ns, N_RUNS, sizeof *took_ns, compare_times);
  printf ("  %.3f (%.3f)", (double) took_ns[0] / 1e6, (double) took_ns[N_RUNS / 2] / 1e6);
  g_free (input.buffer);
  weir_pre_free (pre);
}

/* of: the name of a format; NULL: all. Frames that the decoder has just written come from the cache
 * that all cores share: so do eight in turn, while most of one stays in a core's own. */
static int bench (const char *of)
{
  static const char *const masks[] = { "", "avx512vbmi", "avx512", "avx512,avx2" };
  static const WeirPixelFormat formats[] = { WEIR_PIXEL_NV12, WEIR_PIXEL_I420, WEIR_PIXEL_BGR,
    WEIR_PIXEL_BGRX, WEIR_PIXEL_YUY2, WEIR_PIXEL_GRAY8, WEIR_PIXEL_P010 };
  enum { N_FRAMES = 8 };
  static const BenchCase cases[] = {
    { "300 near", 300, 300, 1, WEIR_DTYPE_F32, WEIR_LAYOUT_CHANNELS_LAST },
    { "300", 300, 300, N_FRAMES, WEIR_DTYPE_F32, WEIR_LAYOUT_CHANNELS_LAST },
    { "300 planar", 300, 300, N_FRAMES, WEIR_DTYPE_F32, WEIR_LAYOUT_PLAIN },
    { "300 u8", 300, 300, N_FRAMES, WEIR_DTYPE_U8, WEIR_LAYOUT_CHANNELS_LAST },
    { "320x240", 320, 240, N_FRAMES, WEIR_DTYPE_F32, WEIR_LAYOUT_CHANNELS_LAST },
    { "640", 640, 640, N_FRAMES, WEIR_DTYPE_F32, WEIR_LAYOUT_CHANNELS_LAST },
  };
  printf ("1920x1080 to f32 channels-last but where said, one core, ms: best (median)\n%16s", "");
  for (size_t i = 0; i < G_N_ELEMENTS (cases); i++)
    printf ("  %-13s", cases[i].title);
  printf ("\n");
  for (size_t f = 0; f < G_N_ELEMENTS (formats); f++) {
    WeirFrame frames[N_FRAMES];
    if (of && strcmp (of, weir_pixel_format_name (formats[f])) != 0)
      continue;
    for (int i = 0; i < N_FRAMES; i++)
      frames[i] = bench_frame (formats[f], 1920, 1080);
    for (size_t m = 0; m < G_N_ELEMENTS (masks); m++) {
      g_setenv ("WEIR_CPU_DISABLE", masks[m], TRUE);
      printf ("%-5s %-10s", weir_pixel_format_name (formats[f]),
          weir_pixel_kernels (weir_cpu_isa ())->name);
      for (size_t i = 0; i < G_N_ELEMENTS (cases); i++)
        bench_case (frames, &cases[i]);
      printf ("\n");
    }
    for (int i = 0; i < N_FRAMES; i++)
      for (int p = 0; p < 3; p++)
        g_free ((void *) frames[i].planes[p]);
  }
  return 0;
}

int main (int argc, char **argv)
{
  if (argc > 1 && strcmp (argv[1], "--bench") == 0)
    return bench (argc > 2 ? argv[2] : NULL);
  Suite *suite = suite_create ("pixel");
  TCase *tcase = tcase_create ("variants");
  tcase_add_test (tcase, test_rows_equal_c);
  tcase_add_test (tcase, test_stores_equal_c);
  tcase_add_test (tcase, test_frames_end_at_a_guard);
  tcase_add_test (tcase, test_lookup_obeys_mask);
  suite_add_tcase (suite, tcase);
  for (const WeirPixelKernels *const *variant = weir_pixel_variants; *variant; variant++)
    printf (
        "variant %s: %s\n", (*variant)->name, can_run (*variant) ? "compared" : "not on this CPU");
  return run_suite (suite, CK_FORK_GETENV);
}
