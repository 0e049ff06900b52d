/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Parts of a primitive: together they are the whole, each with the rows it needs. */
#include "engine/cpu/cpu_parts.h"
#include "tests/must.h"
#include "tests/run_suite.h"

#include <check.h>

/* One spatial dimension of a convolution; 64 × 64 channels and 100 columns of width 1. */
static const struct {
  int64_t n_items, n_src, kernel, stride, dilation, pad_begin, pad_end;
} windows[] = {
  { 1, 60, 3, 1, 1, 1, 1 },
  { 1, 60, 1, 1, 1, 0, 0 },
  { 1, 61, 3, 2, 1, 1, 0 },
  { 1, 61, 3, 2, 1, 0, 2 },
  { 1, 50, 2, 3, 1, 0, 0 },
  { 1, 64, 5, 1, 3, 6, 6 },
  { 1, 20, 7, 4, 1, 3, 3 },
  { 6, 15, 3, 1, 1, 1, 1 },
};

static void set_shape (WeirDnnlShape *shape, int64_t n, int64_t height)
{
  const int64_t channels = 64, width = 100;
  *shape = (WeirDnnlShape){ .dtype = WEIR_DTYPE_F32,
    .rank = 4,
    .dims = { n, channels, height, width },
    .strides = { height * width * channels, 1, width * channels, channels } };
}

static WeirDnnlSpec make_whole (uint32_t i)
{
  WeirDnnlSpec spec = { .kind = WEIR_DNNL_CONVOLUTION,
    .weights = { .dtype = WEIR_DTYPE_F32, .rank = 4, .dims = { 64, 64, windows[i].kernel, 1 } },
    .n_spatial = 2,
    .kernel = { windows[i].kernel, 1 },
    .stride = { windows[i].stride, 1 },
    .dilation = { windows[i].dilation, 1 },
    .pad_begin = { windows[i].pad_begin, 0 },
    .pad_end = { windows[i].pad_end, 0 },
    .n_post = 1,
    .post = { { .op = WEIR_OP_ADD } } };
  int64_t extent = (windows[i].kernel - 1) * windows[i].dilation + 1;
  int64_t padded = windows[i].n_src + windows[i].pad_begin + windows[i].pad_end;
  set_shape (&spec.src, windows[i].n_items, windows[i].n_src);
  set_shape (&spec.dst, windows[i].n_items, (padded - extent) / windows[i].stride + 1);
  spec.post[0].added = spec.dst;
  return spec;
}

/* The part computes as many rows as it says from the source's rows and pads that it names. */
static void check_window (const WeirDnnlSpec *part)
{
  int64_t extent = (part->kernel[0] - 1) * part->dilation[0] + 1;
  must (part->src.dims[2] > 0 && part->pad_begin[0] >= 0 && part->pad_end[0] >= 0);
  must (part->src.dims[2] + part->pad_begin[0] + part->pad_end[0] ==
        (part->dst.dims[2] - 1) * part->stride[0] + extent);
}

/* Row `begin` of the result reads from the row of the source where the part's source begins. */
static void check_begin (const WeirDnnlSpec *whole, const WeirDnnlSpec *part, WeirCpuPart at)
{
  int64_t row_bytes = whole->src.strides[2] * (int64_t) sizeof (float);
  int64_t first = (int64_t) at.dst_bytes / row_bytes * whole->stride[0] - whole->pad_begin[0];
  must ((int64_t) at.src_bytes / row_bytes - part->pad_begin[0] == first);
  must (at.added_bytes[0] == at.dst_bytes);
  must (part->post[0].added.dims[2] == part->dst.dims[2]);
}

START_TEST (test_parts_are_the_whole)
{
  for (uint32_t i = 0; i < G_N_ELEMENTS (windows); i++) {
    WeirDnnlSpec whole = make_whole (i), part;
    uint32_t n_parts = weir_cpu_count_parts (&whole, 3);
    size_t end_bytes = 0;
    ck_assert_uint_gt (n_parts, 1);
    for (uint32_t k = 0; k < n_parts; k++) {
      WeirCpuPart at = weir_cpu_cut_part (&whole, n_parts, k, &part);
      bool by_items = whole.dst.dims[0] > 1;
      must (at.dst_bytes == end_bytes);
      if (by_items) {
        must (part.pad_begin[0] == whole.pad_begin[0] && part.src.dims[0] == part.dst.dims[0]);
        end_bytes += (size_t) (part.dst.dims[0] * part.dst.strides[0]) * sizeof (float);
      } else {
        check_window (&part);
        check_begin (&whole, &part, at);
        end_bytes += (size_t) (part.dst.dims[2] * part.dst.strides[2]) * sizeof (float);
      }
    }
    must (end_bytes == (size_t) (whole.dst.dims[0] * whole.dst.strides[0]) * sizeof (float));
  }
}
END_TEST

/* Small pictures: each part has channels of its own, dense, and as many parts in any batch. */
START_TEST (test_parts_of_channels)
{
  const float scales[256] = { 0 };
  for (int64_t n = 1; n <= 9; n += 4) {
    WeirDnnlSpec whole = make_whole (0), part;
    int64_t first = 0;
    whole.n_post = 0;
    whole.packs_weights = true;
    whole.n_scales = 200;
    whole.scales = scales;
    whole.bias = (WeirDnnlShape){ .rank = 1, .dims = { 200 }, .strides = { 1 } };
    whole.weights.dims[0] = 200;
    whole.weights.dims[1] = 300;
    set_shape (&whole.dst, n, 2);
    whole.dst.dims[1] = 200;
    whole.dst.dims[3] = 3;
    ck_assert_uint_eq (weir_cpu_count_parts (&whole, 2), 2);
    ck_assert_uint_eq (weir_cpu_count_parts (&whole, 64), 2);
    for (uint32_t k = 0; k < 2; k++) {
      WeirCpuPart at = weir_cpu_cut_part (&whole, 2, k, &part);
      ck_assert_int_eq (at.first_channel, first);
      ck_assert_int_eq (at.first_channel % 16, 0);
      ck_assert_int_eq (at.n_channels, part.dst.dims[1]);
      ck_assert_int_eq (at.n_channels, part.weights.dims[0]);
      ck_assert_int_eq (at.n_channels, part.bias.dims[0]);
      ck_assert_int_eq (at.n_channels, part.n_scales);
      ck_assert_ptr_eq (part.scales, scales + first);
      ck_assert_int_eq (part.dst.strides[3], at.n_channels);
      ck_assert_int_eq (part.dst.strides[2], 3 * at.n_channels);
      ck_assert_int_eq (part.dst.strides[0], 6 * at.n_channels);
      first += at.n_channels;
    }
    ck_assert_int_eq (first, 200);
    whole.packs_weights = false; /* weights that come with every run are no constant to be cut */
    ck_assert_uint_eq (weir_cpu_cut_part (&whole, 2, 0, &part).n_channels, 0);
  }
}
END_TEST

START_TEST (test_parts_must_pay)
{
  WeirDnnlSpec whole = make_whole (0);
  ck_assert_uint_eq (weir_cpu_count_parts (&whole, 1), 1);
  ck_assert_uint_eq (weir_cpu_count_parts (&whole, 4), 4);
  set_shape (&whole.dst, 1, 1); /* too little work */
  ck_assert_uint_eq (weir_cpu_count_parts (&whole, 4), 1);
  whole = make_whole (0);
  whole.dst.dims[1] = whole.src.dims[1] = whole.weights.dims[0] = whole.weights.dims[1] = 4096;
  whole.dst.dims[2] = whole.dst.dims[3] = 5; /* weights, not pixels */
  ck_assert_uint_eq (weir_cpu_count_parts (&whole, 4), 1);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("parts");
  TCase *tcase = tcase_create ("parts");
  tcase_add_test (tcase, test_parts_are_the_whole);
  tcase_add_test (tcase, test_parts_of_channels);
  tcase_add_test (tcase, test_parts_must_pay);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
