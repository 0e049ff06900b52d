/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Frames go up by way of WeirOclStaging into one buffer of the device, no more of them than is
 * seen; then a kernel for each region. All of it is enqueued on the queue of the slot that the
 * input belongs to, which runs one thing after the other: a frame is overwritten by the next one
 * when the kernels that read it are done. */
#include "engine/ocl/ocl_picture.h"

#include "engine/base/checked.h"
#include "engine/ocl/ocl.h"
#include "engine/ocl/ocl_picture_staging.h"
#include "engine/pre/place.h"
#include "engine/pre/source.h"

#include <string.h>

#define ROW_ALIGNMENT 64u /* of rows on the device: a line of its caches */
#define GROUP_WIDTH   32u
#define GROUP_HEIGHT  4u

/* As in picture.cl. */
typedef struct Argument {
  cl_long chroma[6], chroma_half;
  cl_int luma_offset, luma_scale, chroma_centre, last;
  cl_uint reciprocal;
  cl_uint kind, pixel_bytes, positions[4];
  cl_uint offsets[3], strides[3];
  cl_uint is_sparse, src_x, src_y, src_width, src_height;
  cl_uint x, y, width, height;
  cl_uint row_width, row_height;
  cl_uint channel_step, row_step, pixel_step;
  cl_uint n_channels, is_gray, is_reversed;
  cl_float mean[3], scale[3];
  cl_int pad;
} Argument;

/* Rows of one plane, and where they are put. */
typedef struct Rows {
  const uint8_t *src; /* the part's first column in the plane's first row; NULL: no such plane */
  uint32_t y_shift;
  size_t src_stride_bytes, row_bytes;
  size_t dst_bytes, dst_stride_bytes, n_rows;
} Rows;

/* What goes up of a frame, and how it lies there: a rectangle; or, sparse, of that the two rows for
 * each line of the only result. */
typedef struct Layout {
  WeirRegion part; /* begins where a sample of chroma does */
  WeirPlace place; /* of the only result */
  bool is_sparse;
  Rows rows[WEIR_MAX_PLANES];
  size_t n_bytes;
} Layout;

/* What is on the device. */
typedef struct Held {
  WeirFrame frame;
  WeirRegion part;
  uint64_t number;     /* 0: is not used again */
  WeirOclQueue *queue; /* that sent it up; perhaps gone */
} Held;

typedef struct Pictures {
  WeirDevice *device;
  WeirInputSpec spec;
  WeirOclStaging *staging;
  WeirOclMemory *memory; /* for one frame; NULL: none was there yet */
  Held held;
  Argument argument;                    /* but for what a region decides */
  WeirOclCall *calls[WEIR_N_DTYPES][2]; /* by the input's type, and whether sizes are wide */
} Pictures;

static void fill_spec (Argument *argument, const WeirInputSpec *spec)
{
  argument->row_width = spec->width_px;
  argument->row_height = spec->height_px;
  argument->n_channels = spec->n_channels;
  argument->is_gray = spec->color == WEIR_COLOR_GRAY || spec->n_channels == 1;
  argument->is_reversed = spec->color == WEIR_COLOR_BGR && !argument->is_gray;
  argument->pad = spec->pad;
  memcpy (argument->mean, spec->mean, sizeof argument->mean);
  memcpy (argument->scale, spec->scale, sizeof argument->scale);
}

/* The program of kernels for inputs of that type. */
static cl_program get_program (const Pictures *self, WeirDtype dtype, bool is_wide, GError **error)
{
  g_autofree char *options = g_strdup_printf (
      "-DPLANAR=%d -DSEMIPLANAR=%d -DSEMIPLANAR10=%d -DPACKED_YUV=%d -DGRAY=%d -DTAP_BITS=%d "
      "-DROW_BITS=%d -DSUM_BITS=%d%s%s",
      WEIR_SAMPLES_PLANAR, WEIR_SAMPLES_SEMIPLANAR, WEIR_SAMPLES_SEMIPLANAR10,
      WEIR_SAMPLES_PACKED_YUV, WEIR_SAMPLES_GRAY, WEIR_TAP_BITS, WEIR_ROW_BITS, WEIR_SUM_BITS,
      is_wide ? " -DWIDE" : "", weir_ocl_dtype_option (dtype));
  return weir_ocl_program_get (self->device->ocl, "picture", options, error);
}

static void free_pictures (void *pictures)
{
  Pictures *self = pictures;
  if (!self)
    return;
  for (uint32_t i = 0; i < WEIR_N_DTYPES; i++)
    for (uint32_t wide = 0; wide < 2; wide++)
      weir_ocl_call_free (self->calls[i][wide]);
  weir_ocl_staging_free (self->staging);
  weir_ocl_memory_free (self->memory);
  g_free (self);
}

/* Builds the kernel that will do, so that the first frame need not wait for that. */
static void *new_pictures (WeirDevice *device, const WeirInputSpec *spec, GError **error)
{
  Pictures *self = g_new0 (Pictures, 1);
  self->device = device;
  self->spec = *spec;
  self->staging = weir_ocl_staging_new (device->ocl);
  fill_spec (&self->argument, spec);
  if (get_program (self, device->dtype, false, error))
    return self;
  free_pictures (self);
  return NULL;
}

/* Colours by the frame's matrix and range; kernels/pixel.h has the arithmetic. */
static void fill_samples (Argument *argument, const WeirSource *source, const WeirFrame *frame)
{
  WeirColorCode code;
  argument->kind = source->samples.kind;
  argument->pixel_bytes = source->samples.pixel_bytes;
  for (int i = 0; i < 4; i++)
    argument->positions[i] = source->samples.positions[i];
  if (source->samples.kind == WEIR_SAMPLES_RGB)
    return;
  weir_source_code (source, frame, &code);
  argument->luma_offset = code.luma_offset;
  argument->luma_scale = code.luma_scale;
  argument->chroma_centre = code.chroma_centre;
  argument->last = 256 * code.divisor - 1;
  argument->reciprocal = (cl_uint) (((uint64_t) 1 << 32) / (uint64_t) code.divisor + 1);
  /* a little more than the half, so that sums that are whole numbers do not fall short of them */
  argument->chroma_half = ((cl_long) code.divisor << 39) + (1 << 10);
  for (int c = 0; c < 3; c++)
    for (int i = 0; i < 2; i++)
      argument->chroma[2 * c + i] = code.chroma[c][i];
}

/* Begins where a sample of chroma does. */
static WeirRegion align_part (const WeirSource *source, const WeirRegion *part)
{
  uint32_t x_px = part->x_px, y_px = part->y_px;
  for (int i = 0; i < WEIR_MAX_PLANES && source->planes[i].unit_bytes; i++) {
    x_px = x_px >> source->planes[i].x_shift << source->planes[i].x_shift;
    y_px = y_px >> source->planes[i].y_shift << source->planes[i].y_shift;
  }
  return (WeirRegion){ x_px, y_px, part->width_px + (part->x_px - x_px),
    part->height_px + (part->y_px - y_px) };
}

static size_t subsampled (uint32_t n_px, uint32_t shift)
{
  return ((size_t) n_px + (1u << shift) - 1) >> shift;
}

/* Puts the planes one behind the other. False: there are not so many addresses. */
static bool lay_planes (Layout *layout, const WeirSource *source, const WeirFrame *frame)
{
  layout->n_bytes = 0;
  for (int i = 0; i < WEIR_MAX_PLANES && source->planes[i].unit_bytes; i++) {
    const WeirSourcePlane *plane = &source->planes[i];
    Rows *rows = &layout->rows[i];
    size_t plane_bytes;
    rows->src = frame->planes[plane->index] +
                (size_t) (layout->part.x_px >> plane->x_shift) * plane->unit_bytes;
    rows->y_shift = plane->y_shift;
    rows->src_stride_bytes = (size_t) frame->stride_bytes[plane->index];
    rows->row_bytes = subsampled (layout->part.width_px, plane->x_shift) * plane->unit_bytes;
    rows->n_rows = layout->is_sparse ? 2 * (size_t) layout->place.height_px
                                     : subsampled (layout->part.height_px, plane->y_shift);
    rows->dst_bytes = layout->n_bytes;
    if (!weir_checked_align (rows->row_bytes, ROW_ALIGNMENT, &rows->dst_stride_bytes) ||
        !weir_checked_mul (rows->dst_stride_bytes, rows->n_rows, &plane_bytes) ||
        !weir_checked_add (layout->n_bytes, plane_bytes, &layout->n_bytes))
      return false;
  }
  return true;
}

/* The smaller of the two ways. False: too large for kernels, which count in 32 bits. */
static bool lay_out (
    Layout *layout, const WeirInputSpec *spec, const WeirSource *source, const WeirSeen *seen)
{
  *layout = (Layout){ .place = weir_place (spec, &seen->part) };
  layout->part = align_part (source, seen->is_single ? &layout->place.src : &seen->part);
  Layout sparse = *layout;
  sparse.is_sparse = true;
  bool fits = lay_planes (layout, source, seen->frame);
  if (seen->is_single && lay_planes (&sparse, source, seen->frame) &&
      (!fits || sparse.n_bytes < layout->n_bytes)) {
    *layout = sparse;
    fits = true;
  }
  return fits && layout->n_bytes <= UINT32_MAX;
}

static void copy_dense (const Layout *layout, uint8_t *dst)
{
  for (int i = 0; i < WEIR_MAX_PLANES && layout->rows[i].src; i++) {
    const Rows *rows = &layout->rows[i];
    size_t first = layout->part.y_px >> rows->y_shift;
    for (size_t y = 0; y < rows->n_rows; y++)
      memcpy (dst + rows->dst_bytes + y * rows->dst_stride_bytes,
          rows->src + (first + y) * rows->src_stride_bytes, rows->row_bytes);
  }
}

static void copy_sparse (const Layout *layout, uint8_t *dst)
{
  const WeirPlace *place = &layout->place;
  for (uint32_t y = 0; y < place->height_px; y++) {
    const WeirTap tap = weir_tap (y, place->height_px, place->src.height_px);
    const size_t from[2] = { place->src.y_px + tap.first, place->src.y_px + tap.second };
    for (int i = 0; i < WEIR_MAX_PLANES && layout->rows[i].src; i++)
      for (size_t t = 0; t < 2; t++) {
        const Rows *rows = &layout->rows[i];
        memcpy (dst + rows->dst_bytes + (2 * (size_t) y + t) * rows->dst_stride_bytes,
            rows->src + (from[t] >> rows->y_shift) * rows->src_stride_bytes, rows->row_bytes);
      }
  }
}

static bool reserve (Pictures *self, size_t n_bytes, GError **error)
{
  if (self->memory && self->memory->n_bytes >= n_bytes)
    return true;
  n_bytes = MAX (n_bytes, self->memory ? 2 * self->memory->n_bytes : 0);
  weir_ocl_memory_free (g_steal_pointer (&self->memory));
  self->memory = weir_ocl_memory_new (self->device->ocl, n_bytes, false, false, error);
  return self->memory != NULL;
}

/* Another slot's queue has to wait until it is there. */
static bool is_held (Pictures *self, uint64_t number, const WeirOclQueue *queue)
{
  const Held *held = &self->held;
  return number && held->number == number &&
         (held->queue == queue || weir_ocl_staging_wait (self->staging));
}

/* That of the slot that the input belongs to. */
static WeirOclQueue *find_queue (const Pictures *self, const WeirTensor *input, GError **error)
{
  size_t offset_bytes;
  WeirOclMemory *memory =
      weir_ocl_memory_find (self->device->ocl, weir_tensor_data (input), &offset_bytes);
  if (memory && memory->queue)
    return memory->queue;
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_INTERNAL,
      "%s: a picture's place is no slot's memory of the device",
      weir_ocl_device_label (self->device->ocl));
  return NULL;
}

static bool send (Pictures *self, const Layout *layout, WeirOclQueue *queue, GError **error)
{
  uint8_t *bytes = weir_ocl_staging_get (self->staging, layout->n_bytes, error);
  if (!bytes || !reserve (self, layout->n_bytes, error))
    return false;
  if (layout->is_sparse)
    copy_sparse (layout, bytes);
  else
    copy_dense (layout, bytes);
  return weir_ocl_staging_send (self->staging, queue, self->memory->base, layout->n_bytes, error);
}

static bool has_same_samples (const WeirFrame *a, const WeirFrame *b)
{
  return a->width_px && a->format == b->format && a->matrix == b->matrix && a->range == b->range;
}

static bool hold (void *pictures, const WeirSeen *seen, const WeirTensor *input, GError **error)
{
  Pictures *self = pictures;
  const WeirSource *source = weir_source_find (seen->frame->format);
  WeirOclQueue *queue = find_queue (self, input, error);
  Layout layout;
  if (!queue || is_held (self, seen->number, queue))
    return queue != NULL;
  self->held.number = 0;
  if (!lay_out (&layout, &self->spec, source, seen)) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_UNSUPPORTED,
        "%s: a frame of more than 4 GiB; kernels count its bytes in 32 bits",
        weir_ocl_device_label (self->device->ocl));
    return false;
  }
  if (!send (self, &layout, queue, error))
    return false;
  for (int i = 0; i < WEIR_MAX_PLANES; i++) {
    self->argument.offsets[i] = (cl_uint) layout.rows[i].dst_bytes;
    self->argument.strides[i] = (cl_uint) layout.rows[i].dst_stride_bytes;
  }
  self->argument.is_sparse = layout.is_sparse;
  if (!has_same_samples (&self->held.frame, seen->frame))
    fill_samples (&self->argument, source, seen->frame);
  self->held = (Held){ *seen->frame, layout.part, seen->number, queue };
  return true;
}

/* Where the region's part lies, and in what it results. */
static void fill_place (Argument *argument, const WeirPlace *place, const WeirRegion *held)
{
  argument->src_x = place->src.x_px - held->x_px;
  argument->src_y = place->src.y_px - held->y_px;
  argument->src_width = place->src.width_px;
  argument->src_height = place->src.height_px;
  argument->x = place->x_px;
  argument->y = place->y_px;
  argument->width = place->width_px;
  argument->height = place->height_px;
}

static void fill_steps (Argument *argument, const WeirInputSpec *spec, WeirLayout layout)
{
  bool is_last = layout == WEIR_LAYOUT_CHANNELS_LAST;
  argument->pixel_step = is_last ? spec->n_channels : 1;
  argument->row_step = argument->pixel_step * spec->width_px;
  argument->channel_step = is_last ? 1 : spec->width_px * spec->height_px;
}

/* Positions over 2 · n_dst, and weights, are beyond 32 bits. */
static bool is_wide (uint32_t n_dst, uint32_t n_src)
{
  uint64_t unit = 2 * (uint64_t) n_dst;
  return (unit + 1) * n_src + n_dst > UINT32_MAX || (unit << WEIR_TAP_BITS) + n_dst > UINT32_MAX;
}

/* The kernel for an input of that type, to which arguments will be given. */
static WeirOclCall *get_call (
    Pictures *self, WeirDtype dtype, bool wide, const WeirOclArgument *arguments, GError **error)
{
  WeirOclCall **call = &self->calls[dtype][wide];
  if (*call)
    return weir_ocl_call_set_arguments (*call, arguments, 3, error) ? *call : NULL;
  cl_program program = get_program (self, dtype, wide, error);
  WeirOclGrid grid =
      weir_ocl_grid (self->spec.width_px, self->spec.height_px, 0, GROUP_WIDTH, GROUP_HEIGHT, 0);
  if (program)
    *call =
        weir_ocl_call_new_array (self->device->ocl, program, "picture", grid, arguments, 3, error);
  return *call;
}

static bool write_region (
    void *pictures, const WeirRegion *region, const WeirTensor *input, uint32_t row, GError **error)
{
  Pictures *self = pictures;
  Argument argument = self->argument;
  const WeirInputSpec *spec = &self->spec;
  WeirPlace place = weir_place (spec, region);
  uint32_t element_bytes = (uint32_t) weir_dtype_bytes (input->dtype);
  size_t row_bytes = (size_t) spec->n_channels * spec->width_px * spec->height_px * element_bytes;
  const char *dst = (const char *) weir_tensor_data (input) + row * row_bytes;
  bool wide = is_wide (place.width_px, place.src.width_px) ||
              is_wide (place.height_px, place.src.height_px);
  fill_place (&argument, &place, &self->held.part);
  fill_steps (&argument, spec, input->layout);
  WeirOclQueue *queue = find_queue (self, input, error);
  const WeirOclArgument arguments[] = { WEIR_OCL_ADDRESS (self->memory->base, 1),
    WEIR_OCL_ADDRESS (dst, element_bytes), WEIR_OCL_VALUE (argument) };
  WeirOclCall *call = queue ? get_call (self, input->dtype, wide, arguments, error) : NULL;
  return call && weir_ocl_queue_run (queue, call, NULL, error);
}

const WeirPictures weir_ocl_pictures = { new_pictures, free_pictures, hold, write_region };
