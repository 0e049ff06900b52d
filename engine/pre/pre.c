/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One pass from a region of a frame to one row of the input tensor.
 *
 * For each line of the result the two picture rows under it are made into rows of R, G, B (or gray)
 * at the result's width: fetched, converted and interpolated horizontally, at the taps' pixels
 * only. The two latest such rows are kept, so that each is made once; two new ones with the same
 * chroma are made together. A second kernel blends the two, normalises and stores. All memory is
 * taken when the object is made. */
#include "engine/pre/pre.h"

#include <string.h>

#include "engine/base/arena.h"
#include "engine/pre/place.h"
#include "engine/pre/source.h"

#define NO_ROW UINT32_MAX

/* What the tap tables depend on. */
typedef struct RowKey {
  WeirPixelFormat format;
  uint32_t n_px, x_px, width_px, frame_width_px;
} RowKey;

/* What the colour code depends on; n_bits 0: there is none yet. */
typedef struct CodeKey {
  uint32_t n_bits;
  WeirMatrix matrix;
  WeirRange range;
} CodeKey;

/* How the elements of the input lie; what the padding pattern depends on. */
typedef struct Target {
  WeirStoreType type;
  bool is_interleaved;
  uint32_t n_planes;
  size_t element_bytes, pixel_bytes, plane_bytes;
} Target;

/* What one run reads. */
typedef struct Picture {
  const WeirSource *source;
  const WeirFrame *frame;
  WeirPlace place;
} Picture;

/* The picture rows that a line is made of. A row without weight is the other one. */
typedef struct LineRows {
  uint32_t y_px[2];
  int16_t weights[2];
} LineRows;

struct WeirPre {
  WeirArena *arena;
  WeirInputSpec spec;
  const WeirPixelKernels *kernels;
  uint32_t n_made; /* channels that rows are made of: 3, or 1 (gray) */
  WeirPixelRow taps;
  RowKey key;
  WeirColorCode code;
  CodeKey code_key;
  uint16_t *rows[2][3]; /* by slot, in the network's channel order */
  uint32_t row_y[2];    /* picture row in each slot */
  Target target;
  char *padding[3]; /* a whole line of padding, per plane */
};

static size_t row_px (const WeirPre *pre)
{
  return ((size_t) pre->spec.width_px + WEIR_ROW_PAD - 1) / WEIR_ROW_PAD * WEIR_ROW_PAD;
}

WeirPre *weir_pre_new (const WeirInputSpec *spec)
{
  WeirPre *pre = g_new0 (WeirPre, 1);
  bool is_gray = spec->color == WEIR_COLOR_GRAY || spec->n_channels == 1;
  g_assert (spec->width_px && spec->height_px && (spec->n_channels == 1 || spec->n_channels == 3));
  pre->arena = weir_arena_new ();
  pre->spec = *spec;
  pre->kernels = weir_pixel_kernels (weir_cpu_isa ());
  pre->n_made = is_gray ? 1 : 3;
  weir_pixel_row_attach (&pre->taps, spec->width_px,
      weir_arena_alloc (pre->arena, weir_pixel_row_bytes (spec->width_px)));
  pre->taps.code = &pre->code;
  pre->taps.n_channels = pre->n_made;
  pre->key.format = WEIR_N_PIXEL_FORMATS;
  pre->target.type = WEIR_N_STORE_TYPES;
  for (int slot = 0; slot < 2; slot++)
    for (uint32_t c = 0; c < 3; c++)
      pre->rows[slot][c] = c < pre->n_made
                               ? weir_arena_new_array (pre->arena, uint16_t, row_px (pre))
                               : pre->rows[slot][0];
  for (int c = 0; c < 3; c++)
    pre->padding[c] = weir_arena_alloc (
        pre->arena, weir_n_bytes (sizeof (float) * (c == 0 ? 3 : 1), spec->width_px));
  return pre;
}

void weir_pre_free (WeirPre *pre)
{
  if (!pre)
    return;
  weir_arena_free (pre->arena);
  g_free (pre);
}

static void store_line (WeirPre *pre, const WeirPixelKernels *kernels, WeirPixelStore *store)
{
  store->n_channels = pre->spec.n_channels;
  memcpy (store->mean, pre->spec.mean, sizeof store->mean);
  memcpy (store->scale, pre->spec.scale, sizeof store->scale);
  kernels->stores[pre->target.type][pre->target.is_interleaved](store);
}

/* The padding is stored by the kernel that stores pictures, from a row of the one value. */
static void make_padding (WeirPre *pre)
{
  WeirPixelStore store = { .weights = { 1 << WEIR_TAP_BITS, 0 }, .n_px = pre->spec.width_px };
  uint16_t value = (uint16_t) (pre->spec.pad << WEIR_ROW_BITS);
  for (size_t i = 0; i < row_px (pre); i++)
    pre->rows[0][0][i] = value;
  for (int c = 0; c < 3; c++) {
    store.top[c] = store.bottom[c] = pre->rows[0][0];
    store.dst[c] = pre->padding[c];
  }
  store_line (pre, pre->kernels, &store);
}

static void set_target (WeirPre *pre, const WeirTensor *input)
{
  static const WeirStoreType types[WEIR_N_DTYPES] = {
    [WEIR_DTYPE_U8] = WEIR_STORE_U8,
    [WEIR_DTYPE_F32] = WEIR_STORE_F32,
    [WEIR_DTYPE_BF16] = WEIR_STORE_BF16,
  };
  WeirStoreType type = types[input->dtype];
  bool is_interleaved = input->layout == WEIR_LAYOUT_CHANNELS_LAST && pre->spec.n_channels > 1;
  Target *target = &pre->target;
  g_assert (type != WEIR_STORE_U8 || input->dtype == WEIR_DTYPE_U8);
  if (target->type == type && target->is_interleaved == is_interleaved)
    return;
  target->type = type;
  target->is_interleaved = is_interleaved;
  target->n_planes = is_interleaved ? 1 : pre->spec.n_channels;
  target->element_bytes = weir_dtype_bytes (input->dtype);
  target->pixel_bytes = target->element_bytes * (is_interleaved ? pre->spec.n_channels : 1);
  target->plane_bytes = target->pixel_bytes * pre->spec.width_px * pre->spec.height_px;
  make_padding (pre);
}

static void set_code (WeirPre *pre, const WeirSource *source, const WeirFrame *frame)
{
  CodeKey key = { source->n_bits, frame->matrix, frame->range };
  if (memcmp (&key, &pre->code_key, sizeof key) == 0)
    return;
  pre->code_key = key;
  weir_source_code (source, frame, &pre->code);
}

static void set_source (WeirPre *pre, const Picture *picture)
{
  const WeirFrame *frame = picture->frame;
  const WeirPlace *place = &picture->place;
  RowKey key = { frame->format, place->width_px, place->src.x_px, place->src.width_px,
    frame->width_px };
  set_code (pre, picture->source, frame);
  pre->row_y[0] = pre->row_y[1] = NO_ROW;
  if (memcmp (&key, &pre->key, sizeof key) == 0)
    return;
  pre->key = key;
  pre->taps.format = &picture->source->samples;
  weir_pixel_row_set (&pre->taps, pre->kernels, place->width_px, place->src.x_px,
      place->src.width_px, frame->width_px);
}

static int find_row (const WeirPre *pre, uint32_t y_px)
{
  return pre->row_y[0] == y_px ? 0 : pre->row_y[1] == y_px ? 1 : -1;
}

/* Rows of the planes for picture rows that are neither held nor being made. */
static void set_ahead (
    const WeirPre *pre, const Picture *picture, const uint32_t y_px[2], WeirPixelLine *line)
{
  for (int i = 0; i < 2; i++)
    if (y_px[i] != NO_ROW && find_row (pre, y_px[i]) < 0)
      weir_source_rows (picture->source, picture->frame, y_px[i], line->ahead[i]);
}

/* Makes picture row y_px in a slot, and next_y_px, which has the same chroma, in the other one;
 * meanwhile those ahead are brought near. NO_ROW: none. */
static void make_rows (WeirPre *pre, const Picture *picture, uint32_t y_px, uint32_t next_y_px,
    int slot, const uint32_t ahead_y_px[2])
{
  bool is_reversed = pre->spec.color == WEIR_COLOR_BGR && pre->n_made == 3;
  WeirPixelLine line = { 0 };
  for (int c = 0; c < 3; c++) {
    line.dst[c] = pre->rows[slot][is_reversed ? 2 - c : c];
    line.next_dst[c] = pre->rows[!slot][is_reversed ? 2 - c : c];
  }
  pre->row_y[slot] = y_px;
  if (next_y_px != NO_ROW) {
    weir_source_rows (picture->source, picture->frame, next_y_px, line.src);
    line.next = line.src[0];
    pre->row_y[!slot] = next_y_px;
  }
  weir_source_rows (picture->source, picture->frame, y_px, line.src);
  set_ahead (pre, picture, ahead_y_px, &line);
  pre->taps.kernels->rows[picture->source->samples.kind](&pre->taps, &line);
}

static bool share_chroma (const WeirSource *source, uint32_t a_px, uint32_t b_px)
{
  uint32_t shift = source->planes[1].y_shift;
  return shift && a_px != b_px && a_px >> shift == b_px >> shift;
}

/* The slots that hold two picture rows: those that none does are made. Where they are made one by
 * one, each brings near one of those ahead. */
static void hold_rows (WeirPre *pre, const Picture *picture, const uint32_t y_px[2],
    const uint32_t ahead_y_px[2], int slots[2])
{
  bool is_held[2] = { find_row (pre, y_px[0]) >= 0, find_row (pre, y_px[1]) >= 0 };
  if (!is_held[0] && !is_held[1] && share_chroma (picture->source, y_px[0], y_px[1]))
    make_rows (pre, picture, y_px[0], y_px[1], 0, ahead_y_px);
  for (int i = 0; i < 2; i++)
    if (find_row (pre, y_px[i]) < 0) {
      uint32_t ahead[2] = { ahead_y_px[i], is_held[!i] ? ahead_y_px[!i] : NO_ROW };
      make_rows (pre, picture, y_px[i], NO_ROW, find_row (pre, y_px[!i]) == 0, ahead);
    }
  slots[0] = find_row (pre, y_px[0]);
  slots[1] = find_row (pre, y_px[1]);
}

/* Of line i of the picture; NO_ROW behind the last. */
static LineRows line_rows (const WeirPlace *place, uint32_t i)
{
  if (i == place->height_px)
    return (LineRows){ .y_px = { NO_ROW, NO_ROW } };
  WeirTap tap = weir_tap (i, place->height_px, place->src.height_px);
  return (LineRows){
    .y_px = { place->src.y_px + (tap.weights[0] ? tap.first : tap.second),
        place->src.y_px + (tap.weights[1] ? tap.second : tap.first) },
    .weights = { tap.weights[0], tap.weights[1] },
  };
}

/* A line of the picture, to dst[plane]; `next` is made after it. */
static void run_line (WeirPre *pre, const Picture *picture, const LineRows *rows,
    const LineRows *next, char *const dst[3])
{
  const WeirPlace *place = &picture->place;
  int slots[2];
  hold_rows (pre, picture, rows->y_px, next->y_px, slots);
  WeirPixelStore store = { .weights = { rows->weights[0], rows->weights[1] },
    .n_px = place->width_px };
  for (int c = 0; c < 3; c++) {
    store.top[c] = pre->rows[slots[0]][c];
    store.bottom[c] = pre->rows[slots[1]][c];
    store.dst[c] = dst[c] + place->x_px * pre->target.pixel_bytes;
  }
  store_line (pre, pre->taps.kernels, &store);
}

/* Padding from column first_px to before end_px of one line. */
static void pad_line (WeirPre *pre, uint32_t first_px, uint32_t end_px, char *const dst[3])
{
  size_t offset = first_px * pre->target.pixel_bytes;
  for (uint32_t p = 0; p < pre->target.n_planes && first_px < end_px; p++)
    memcpy (dst[p] + offset, pre->padding[p], (end_px - first_px) * pre->target.pixel_bytes);
}

void weir_pre_run (WeirPre *pre, const WeirFrame *frame, const WeirRegion *region,
    const WeirTensor *input, uint32_t row)
{
  Picture picture = { weir_source_find (frame->format), frame, weir_place (&pre->spec, region) };
  const WeirPlace *place = &picture.place;
  set_target (pre, input);
  set_source (pre, &picture);
  const Target *target = &pre->target;
  char *base = (char *) weir_tensor_data (input) + row * target->n_planes * target->plane_bytes;
  LineRows rows = line_rows (place, 0);
  for (uint32_t y = 0; y < pre->spec.height_px; y++) {
    bool is_picture = y >= place->y_px && y - place->y_px < place->height_px;
    char *dst[3];
    for (uint32_t p = 0; p < 3; p++)
      dst[p] = base + MIN (p, target->n_planes - 1) * target->plane_bytes +
               (size_t) y * pre->spec.width_px * target->pixel_bytes;
    if (is_picture) {
      LineRows next = line_rows (place, y - place->y_px + 1);
      run_line (pre, &picture, &rows, &next, dst);
      rows = next;
    }
    pad_line (pre, 0, is_picture ? place->x_px : pre->spec.width_px, dst);
    if (is_picture)
      pad_line (pre, place->x_px + place->width_px, pre->spec.width_px, dst);
  }
}
