/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pictures with noise, regions of many sizes, and what single runs give for them. */
#include "tests/unit/sched/session_fixture.h"

#include <check.h>
#include <string.h>

#define WIDTH  97
#define HEIGHT 61

float fixture_expected[N_PICTURES][N_ITEMS][N_CLASSES];
static guint8 pictures[N_PICTURES][HEIGHT * WIDTH];
static WeirRequestOptions options = WEIR_REQUEST_OPTIONS_DEFAULT;

char *fixture_model (void)
{
  return g_build_filename (
      g_getenv ("WEIR_SOURCE_ROOT"), "pipelines", "clocks", "read-characters.onnx", NULL);
}

static WeirSession *open_hinted (uint32_t num_requests, uint32_t batch_size, const char *hint)
{
  g_autofree char *path = fixture_model ();
  const char *device = g_getenv ("WEIR_TEST_DEVICE");
  WeirSessionOptions o = { .model = path,
    .device = device ? device : "REF",
    .precision = "f32",
    .performance_hint = hint,
    .num_requests = num_requests,
    .batch_size = batch_size,
    .batch_timeout_ms = -1 };
  g_autoptr (GError) error = NULL;
  WeirSession *session = weir_session_open (&o, &error);
  ck_assert_msg (session != NULL, "%s", error ? error->message : "");
  return session;
}

WeirSession *fixture_open (uint32_t num_requests, uint32_t batch_size)
{
  return open_hinted (num_requests, batch_size, NULL);
}

WeirSession *fixture_open_latency (uint32_t num_requests, uint32_t batch_size)
{
  return open_hinted (num_requests, batch_size, "latency");
}

void fixture_make_pictures (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (11);
  options.attach_tensors = true;
  options.threshold = 0;
  for (int k = 0; k < N_PICTURES; k++)
    for (int i = 0; i < HEIGHT * WIDTH; i++)
      pictures[k][i] =
          (guint8) ((k * 19 + i / (5 + k) * 37 + g_rand_int_range (rand, 0, 60)) & 255);
}

static WeirFrame picture_frame (int k)
{
  return (WeirFrame){ .format = WEIR_PIXEL_GRAY8,
    .range = WEIR_RANGE_FULL,
    .width_px = WIDTH,
    .height_px = HEIGHT,
    .planes = { pictures[k] },
    .stride_bytes = { WIDTH } };
}

/* A region of its own for every (picture, item). */
static WeirRegion region_of (int k, uint32_t item)
{
  return (WeirRegion){ (uint32_t) (k * 3 + (int) item * 5) % 40, (item * 7) % 20, 20 + item % 30,
    24 + (uint32_t) k };
}

void fixture_fill (WeirRequest *request, int k, uint32_t n_items)
{
  WeirFrame frame = picture_frame (k);
  weir_request_reset (request);
  weir_request_set_options (request, &options);
  weir_request_set_frame (request, &frame);
  for (uint32_t i = 0; i < n_items; i++) {
    WeirRegion region = region_of (k, i);
    weir_request_add_region (request, &region);
  }
}

void fixture_learn (void)
{
  WeirSession *session = fixture_open (1, 1);
  WeirStream *stream = weir_stream_new (session, "alone", 0);
  WeirRequest *request = weir_request_new (stream);
  for (int k = 0; k < N_PICTURES; k++) {
    for (uint32_t i = 0; i < N_ITEMS; i++) {
      WeirFrame frame = picture_frame (k);
      WeirRegion region = region_of (k, i);
      weir_request_reset (request);
      weir_request_set_options (request, &options);
      weir_request_set_frame (request, &frame);
      weir_request_add_region (request, &region);
      ck_assert (weir_request_run (request, NULL));
      const WeirResult *result = weir_request_result (request, 0);
      ck_assert_uint_ge (result->n_tensors, 1);
      ck_assert_uint_eq (result->tensors[0].n_elements, N_CLASSES);
      memcpy (fixture_expected[k][i], result->tensors[0].data, sizeof fixture_expected[k][i]);
    }
  }
  weir_request_free (request);
  weir_stream_free (stream);
  weir_session_unref (session);
}

bool fixture_is_expected (const WeirRequest *request, int k)
{
  for (uint32_t i = 0; i < weir_request_n_items (request); i++) {
    const WeirResult *result = weir_request_result (request, i);
    if (result->status != WEIR_STATUS_INFERRED || result->n_tensors < 1)
      return false;
    for (int c = 0; c < N_CLASSES; c++)
      if (!(ABS (result->tensors[0].data[c] - fixture_expected[k][i][c]) <= 1e-4f))
        return false;
  }
  return true;
}
