/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Convolutions of codes, each channel on its own: kernels/ocl/int8_depthwise.cl. */
#include "engine/ocl/ocl_int8.h"
#include "engine/ocl/ocl_rows.h"

#define MAX_KERNEL_X 7u /* taps in a row of the window that fit in registers with their pixels */
#define MAX_STRIDE_X 2u
#define PIXELS       4u

/* As in int8_depthwise.cl. */
typedef struct Shape {
  cl_int src[3], dst[4], window[2];
  cl_int stride[3], dilation[3], pad[3];
  cl_int n_lines, fill, flip;
} Shape;

static size_t n_taps (const WeirOclWindow *window)
{
  return (size_t) window->kernel[0] * window->kernel[1] * window->kernel[2];
}

static size_t n_bytes (const WeirOclWindow *window)
{
  return n_taps (window) * window->groups;
}

static void pack (uint8_t *packed, const void *data)
{
  const WeirOclInt8Weights *weights = data;
  size_t n = n_taps (weights->window), n_channels = weights->window->groups;
  for (size_t t = 0; t < n; t++)
    for (size_t c = 0; c < n_channels; c++)
      packed[t * n_channels + c] = (uint8_t) weights->codes[c * n + t];
}

static Shape make_shape (const WeirOclInt8 *node, const WeirOclWindow *window)
{
  Shape shape = { .n_lines = (cl_int) (window->n_items * window->dst[0] * window->dst[1]),
    .fill = (cl_int) (0x01010101u * (uint8_t) node->zero),
    .flip = node->src_dtype == WEIR_DTYPE_U8 ? (cl_int) 0x80808080u : 0 };
  for (uint32_t d = 0; d < 3; d++) {
    shape.src[d] = (cl_int) window->src[d];
    shape.dst[d] = (cl_int) window->dst[d];
    shape.stride[d] = (cl_int) window->stride[d];
    shape.dilation[d] = (cl_int) window->dilation[d];
    shape.pad[d] = window->pad[d];
  }
  shape.window[0] = (cl_int) window->kernel[0];
  shape.window[1] = (cl_int) window->kernel[1];
  shape.dst[3] = (cl_int) window->groups;
  return shape;
}

static WeirOclCall *call_new (
    WeirOclDevice *device, const WeirOclInt8 *node, const WeirOclInt8Places *places, GError **error)
{
  WeirOclWindow window = weir_ocl_window_fold (&node->window);
  Shape shape = make_shape (node, &window);
  uintptr_t addresses =
      (uintptr_t) places->src | (uintptr_t) places->dst / weir_dtype_bytes (node->dst_dtype);
  uint32_t width = window.groups % 4 == 0 && addresses % 4 == 0 ? 4 : 1;
  bool has_pixels = window.dilation[2] == 1 && window.kernel[2] <= MAX_KERNEL_X &&
                    window.stride[2] <= MAX_STRIDE_X;
  uint32_t n_pixels = has_pixels ? PIXELS : 1;
  g_autofree char *options =
      g_strdup_printf ("-DVECTOR=%u -DPIXELS=%u -DKERNEL_X=%u -DSTRIDE_X=%u%s", width, n_pixels,
          window.kernel[2], has_pixels ? window.stride[2] : 1, node->options);
  cl_program program = weir_ocl_program_get (device, "int8_depthwise", options, error);
  if (!program)
    return NULL;
  uint32_t n_items = (window.dst[2] + n_pixels - 1) / n_pixels * (window.groups / width);
  return weir_ocl_call_new (device, program, "int8_depthwise",
      weir_ocl_pixel_grid (device, n_items, (uint32_t) shape.n_lines), error,
      WEIR_OCL_ADDRESS (places->src, 1), WEIR_OCL_ADDRESS (places->weights, 1),
      WEIR_OCL_ADDRESS (places->numbers, sizeof (cl_int)),
      WEIR_OCL_ADDRESS (places->added, node->added_bytes),
      WEIR_OCL_ADDRESS (places->dst, (uint32_t) weir_dtype_bytes (node->dst_dtype)),
      WEIR_OCL_VALUE (shape), WEIR_OCL_VALUE (node->rest), WEIR_OCL_VALUE (node->parameters));
}

const WeirOclInt8Way weir_ocl_int8_way_depthwise = { "int8 depthwise", n_bytes, pack, call_new };
