/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One pass from a region of a frame to one row of the input tensor.
 *
 * For each line of the result the two picture rows under it are made into rows of R, G, B (or gray)
 * at the result's width: fetched, converted and interpolated horizontally, at the taps' pixels
 * only. The two latest such rows are kept, so that each is made once. A second kernel blends the
 * two, normalises and stores. All memory is taken when the object is made. */
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

/* How the elements of the input lie; what the padding pattern depends on. */
typedef struct Target {
  WeirStoreType type;
  bool is_interleaved;
  uint32_t n_planes;
  size_t element_bytes, pixel_bytes, plane_bytes;
} Target;

struct WeirPre {
  WeirArena *arena;
  WeirInputSpec spec;
  const WeirPixelKernels *kernels;
  uint32_t n_made; /* channels that rows are made of: 3, or 1 (gray) */
  WeirPixelRow taps;
  RowKey key;
  WeirColorCode code;
  int32_t *rows[2][3]; /* by slot, in the network's channel order */
  uint32_t row_y[2];   /* picture row in each slot */
  Target target;
  char *padding[3]; /* a whole line of padding, per plane */
};

static int32_t *new_row (WeirPre *pre)
{
  size_t n_px = ((size_t) pre->spec.width_px + WEIR_ROW_PAD - 1) / WEIR_ROW_PAD * WEIR_ROW_PAD;
  return weir_arena_new_array (pre->arena, int32_t, n_px);
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
      pre->rows[slot][c] = c < pre->n_made ? new_row (pre) : pre->rows[slot][0];
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

static void store_line (WeirPre *pre, WeirPixelStore *store)
{
  store->n_channels = pre->spec.n_channels;
  memcpy (store->mean, pre->spec.mean, sizeof store->mean);
  memcpy (store->scale, pre->spec.scale, sizeof store->scale);
  pre->kernels->stores[pre->target.type][pre->target.is_interleaved](store);
}

/* The padding is stored by the kernel that stores pictures, from a row of the one value. */
static void make_padding (WeirPre *pre)
{
  WeirPixelStore store = { .weights = { 1 << WEIR_TAP_BITS, 0 }, .n_px = pre->spec.width_px };
  int32_t value = pre->spec.pad << WEIR_ROW_BITS;
  for (uint32_t i = 0; i < pre->spec.width_px; i++)
    pre->rows[0][0][i] = value;
  for (int c = 0; c < 3; c++) {
    store.top[c] = store.bottom[c] = pre->rows[0][0];
    store.dst[c] = pre->padding[c];
  }
  store_line (pre, &store);
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

static void set_source (
    WeirPre *pre, const WeirSource *source, const WeirFrame *frame, const WeirPlace *place)
{
  RowKey key = { frame->format, place->width_px, place->src.x_px, place->src.width_px,
    frame->width_px };
  weir_source_code (source, frame, &pre->code);
  pre->row_y[0] = pre->row_y[1] = NO_ROW;
  if (memcmp (&key, &pre->key, sizeof key) == 0)
    return;
  pre->key = key;
  pre->taps.format = &source->samples;
  weir_pixel_row_set (
      &pre->taps, place->width_px, place->src.x_px, place->src.width_px, frame->width_px);
}

static void make_row (
    WeirPre *pre, const WeirSource *source, const WeirFrame *frame, uint32_t y_px, int slot)
{
  const WeirPixelKernels *kernels =
      pre->taps.has_windows ? pre->kernels : weir_pixel_kernels (WEIR_ISA_C);
  bool is_reversed = pre->spec.color == WEIR_COLOR_BGR && pre->n_made == 3;
  int32_t *dst[3];
  const uint8_t *src[3];
  for (int c = 0; c < 3; c++)
    dst[c] = pre->rows[slot][is_reversed ? 2 - c : c];
  weir_source_rows (source, frame, y_px, src);
  kernels->rows[source->samples.kind](&pre->taps, src, dst);
  pre->row_y[slot] = y_px;
}

/* The slot that holds picture row y_px; if none does, it is made in the slot that does not hold
 * `kept`. */
static int find_row (
    WeirPre *pre, const WeirSource *source, const WeirFrame *frame, uint32_t y_px, uint32_t kept)
{
  for (int slot = 0; slot < 2; slot++)
    if (pre->row_y[slot] == y_px)
      return slot;
  int slot = pre->row_y[0] == kept;
  make_row (pre, source, frame, y_px, slot);
  return slot;
}

/* Line i of the picture, to dst[plane]. */
static void run_line (WeirPre *pre, const WeirSource *source, const WeirFrame *frame,
    const WeirPlace *place, uint32_t i, char *const dst[3])
{
  WeirTap tap = weir_tap (i, place->height_px, place->src.height_px);
  uint32_t top_y = place->src.y_px + tap.first, bottom_y = place->src.y_px + tap.second;
  int top = find_row (pre, source, frame, top_y, bottom_y);
  int bottom = find_row (pre, source, frame, bottom_y, top_y);
  WeirPixelStore store = { .weights = { tap.weights[0], tap.weights[1] }, .n_px = place->width_px };
  for (int c = 0; c < 3; c++) {
    store.top[c] = pre->rows[top][c];
    store.bottom[c] = pre->rows[bottom][c];
    store.dst[c] = dst[c] + place->x_px * pre->target.pixel_bytes;
  }
  store_line (pre, &store);
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
  const WeirSource *source = weir_source_find (frame->format);
  WeirPlace place = weir_place (&pre->spec, region);
  set_target (pre, input);
  set_source (pre, source, frame, &place);
  const Target *target = &pre->target;
  char *base = (char *) weir_tensor_data (input) + row * target->n_planes * target->plane_bytes;
  for (uint32_t y = 0; y < pre->spec.height_px; y++) {
    bool is_picture = y >= place.y_px && y - place.y_px < place.height_px;
    char *dst[3];
    for (uint32_t p = 0; p < 3; p++)
      dst[p] = base + MIN (p, target->n_planes - 1) * target->plane_bytes +
               (size_t) y * pre->spec.width_px * target->pixel_bytes;
    if (is_picture)
      run_line (pre, source, frame, &place, y - place.y_px, dst);
    pad_line (pre, 0, is_picture ? place.x_px : pre->spec.width_px, dst);
    if (is_picture)
      pad_line (pre, place.x_px + place.width_px, pre->spec.width_px, dst);
  }
}
