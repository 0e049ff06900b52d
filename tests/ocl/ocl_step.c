/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Builds the node with net.h, proposes, compiles, binds and runs it by hand. */
#include "tests/ocl/ocl_step.h"

#include "engine/ocl/ocl_device.h"
#include "engine/plan/plan_types.h"
#include "tests/ocl/ocl_kit.h"
#include <stdlib.h>
#include <string.h>

#define ALIGNMENT 64u
#define N_DEVICES 2 /* f32, f16 */

static WeirDevice *devices[N_DEVICES];
static const WeirBackend *const backend = &weir_backend_ocl;

void step_start (void)
{
  static const WeirPrecision precisions[N_DEVICES] = { WEIR_PRECISION_F32, WEIR_PRECISION_F16 };
  ocl_kit_start ();
  for (uint32_t i = 0; i < N_DEVICES; i++) {
    g_autoptr (GError) error = NULL;
    WeirDeviceOptions options = { .precision = precisions[i], .match = ocl_kit_match () };
    devices[i] = backend->open (&options, &error);
    if (!devices[i])
      g_error ("%s", error->message);
  }
}

static uint32_t add_source (Net *net, const char *text, uint32_t n)
{
  static const struct {
    const char *kind;
    float scale, offset;
  } constants[] = { { "const ", 1, 0 }, { "pos ", 0.5f, 1 } };
  if (g_str_has_prefix (text, "in "))
    return net_input (net, "x", text + 3);
  if (g_str_has_prefix (text, "ints "))
    return net_ints (net, text + 5);
  if (g_str_has_prefix (text, "shape ")) {
    g_autofree char *dims = g_strdup_printf ("%u,%s", n, text + 6);
    return net_ints (net, dims);
  }
  for (uint32_t i = 0; i < G_N_ELEMENTS (constants); i++)
    if (g_str_has_prefix (text, constants[i].kind))
      return net_constant (
          net, text + strlen (constants[i].kind), constants[i].scale, constants[i].offset);
  return WEIR_NONE;
}

static Net *build (const StepRow *row, uint32_t batch)
{
  Net *net = net_new ();
  uint32_t src[STEP_MAX_SRC + 1], n = 0, n_dst = MAX (row->n_dst, 1);
  for (; n < STEP_MAX_SRC && row->src[n]; n++)
    src[n] = add_source (net, row->src[n], batch);
  src[n] = NET_END;
  uint32_t dst = net_node (net, row->op, row->attrs, n_dst, src);
  WeirNode *node = weir_graph_node (net->graph, 0);
  node->opset = row->opset ? row->opset : 13;
  while (node->n_post < WEIR_MAX_POST_OPS && row->post[node->n_post].op) {
    node->post[node->n_post] = row->post[node->n_post];
    node->n_post++;
  }
  for (uint32_t i = 0; i < n_dst; i++)
    net_output (net, dst + i);
  net_finish (net);
  return net;
}

/* One node with everything that running it needs. */
typedef struct Step {
  Net *net;
  WeirShapes *shapes;
  const WeirNode *node;
  WeirTensor src[STEP_MAX_SRC], dst[STEP_MAX_SRC];             /* as the device has them */
  WeirTensor plain_src[STEP_MAX_SRC], plain_dst[STEP_MAX_SRC]; /* on the host, f32 */
  WeirFormat src_formats[STEP_MAX_SRC], dst_formats[STEP_MAX_SRC];
  WeirStepSpec spec;
} Step;

static void *allocate (const WeirTensor *tensor)
{
  size_t n_bytes;
  ck_assert (weir_tensor_bytes (tensor, &n_bytes));
  return g_malloc0 (n_bytes + 1);
}

static void fill_random (const WeirTensor *tensor, uint32_t seed)
{
  int64_t n;
  float *values = tensor->buffer;
  weir_tensor_n_elements (tensor, &n);
  for (int64_t i = 0; i < n; i++) {
    seed = seed * 1664525u + 1013904223u;
    values[i] = (float) (seed >> 8) / 4194304.0f - 2.0f;
  }
}

static void start (Step *step, const StepRow *row, uint32_t n, WeirLayout layout)
{
  GError *error = NULL;
  *step = (Step){ .net = build (row, n) };
  WeirGraph *graph = step->net->graph;
  step->shapes = weir_shapes_infer (graph, n, weir_ref_evaluate, &error);
  ocl_must (step->shapes, error);
  step->node = weir_graph_node (graph, 0);
  step->spec = (WeirStepSpec){ .graph = graph,
    .node = step->node,
    .n_src = step->node->n_src,
    .n_dst = step->node->n_dst,
    .src = step->src,
    .dst = step->dst };
  for (uint32_t i = 0; i < step->node->n_src; i++) {
    if (step->node->src[i] == WEIR_NONE)
      continue;
    step->src[i] = step->plain_src[i] = step->shapes->values[step->node->src[i]];
    if (step->src[i].buffer)
      continue;
    step->plain_src[i].buffer = allocate (&step->plain_src[i]);
    fill_random (&step->plain_src[i], 7 + i);
    step->src[i].layout = step->src[i].rank >= 3 ? layout : WEIR_LAYOUT_PLAIN;
  }
  for (uint32_t i = 0; i < step->node->n_dst; i++) {
    step->dst[i] = step->plain_dst[i] = step->shapes->values[step->node->dst[i]];
    step->dst[i].buffer = NULL;
    step->plain_dst[i].buffer = allocate (&step->plain_dst[i]);
  }
}

static void finish (Step *step)
{
  for (uint32_t i = 0; i < step->spec.n_src; i++)
    if (step->plain_src[i].buffer && step->node->src[i] != WEIR_NONE &&
        !step->shapes->values[step->node->src[i]].buffer)
      g_free (step->plain_src[i].buffer);
  for (uint32_t i = 0; i < step->spec.n_dst; i++)
    g_free (step->plain_dst[i].buffer);
  weir_shapes_free (step->shapes);
  net_free (step->net);
}

/* As the formats say; *n_bytes grows by what has to be on the device. */
static void take_format (WeirTensor *tensor, WeirFormat format, size_t *n_bytes)
{
  size_t own_bytes;
  if (tensor->buffer || tensor->dtype == WEIR_DTYPE_NONE)
    return;
  ck_assert_msg (format.on_device, "a value that is not on the device");
  tensor->dtype = format.dtype;
  tensor->layout = format.layout;
  ck_assert (weir_tensor_bytes (tensor, &own_bytes));
  *n_bytes += (own_bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static void convert (const Step *step, const WeirTensor *src, const WeirTensor *dst)
{
  GError *error = NULL;
  ocl_must (weir_convert (step->net->graph, src, dst, &error), error);
}

/* To the device, whose bytes begin at base + *offset_bytes. */
static void *place (const WeirTensor *tensor, WeirOclMemory *memory, size_t *offset_bytes)
{
  size_t n_bytes;
  uint8_t *address = memory->base + *offset_bytes;
  weir_tensor_bytes (tensor, &n_bytes);
  *offset_bytes += (n_bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  return address;
}

static void upload (const Step *step, const WeirTensor *plain, const WeirTensor *as,
    WeirOclMemory *memory, const uint8_t *address)
{
  GError *error = NULL;
  WeirTensor copy = *as;
  size_t n_bytes;
  g_autofree void *bytes = copy.buffer = allocate (as);
  copy.offset_bytes = 0;
  convert (step, plain, &copy);
  weir_tensor_bytes (as, &n_bytes);
  ocl_must (
      weir_ocl_memory_upload (memory, (size_t) (address - memory->base), bytes, n_bytes, &error),
      error);
}

static void download (
    const Step *step, const WeirTensor *as, WeirOclMemory *memory, void *address, WeirTensor *plain)
{
  GError *error = NULL;
  WeirTensor copy = *as;
  size_t n_bytes;
  g_autofree void *bytes = copy.buffer = allocate (as);
  copy.offset_bytes = 0;
  weir_tensor_bytes (as, &n_bytes);
  ocl_must (weir_ocl_queue_download (memory->queue, bytes, address, n_bytes, &error), error);
  convert (step, &copy, plain);
}

static void run_on_device (Step *step, WeirDevice *device)
{
  GError *error = NULL;
  void *src[STEP_MAX_SRC] = { NULL }, *dst[STEP_MAX_SRC] = { NULL };
  size_t n_bytes = 0, scratch_bytes = 0, offset_bytes = 0;
  for (uint32_t i = 0; i < step->spec.n_src; i++)
    take_format (&step->src[i], step->src_formats[i], &n_bytes);
  for (uint32_t i = 0; i < step->spec.n_dst; i++)
    take_format (&step->dst[i], step->dst_formats[i], &n_bytes);
  void *kernel = backend->compile (device, &step->spec, &scratch_bytes, &error);
  ocl_must (kernel, error);
  WeirOclMemory *memory = backend->memory_new (device, n_bytes + scratch_bytes, &error);
  ocl_must (memory, error);
  for (uint32_t i = 0; i < step->spec.n_src; i++) {
    if (step->src[i].dtype == WEIR_DTYPE_NONE || step->src[i].buffer) {
      src[i] = step->src[i].buffer;
      continue;
    }
    src[i] = place (&step->src[i], memory, &offset_bytes);
    upload (step, &step->plain_src[i], &step->src[i], memory, src[i]);
  }
  for (uint32_t i = 0; i < step->spec.n_dst; i++)
    dst[i] = place (&step->dst[i], memory, &offset_bytes);
  WeirBinding binding = { src, dst, (uint8_t *) backend->memory_base (memory) + offset_bytes };
  void *bound = backend->bind (kernel, &binding, &error);
  ocl_must (bound, error);
  ocl_must (backend->run (bound, &error), error);
  ocl_must (backend->run (bound, &error), error); /* as often as one likes */
  for (uint32_t i = 0; i < step->spec.n_dst; i++)
    download (step, &step->dst[i], memory, dst[i], &step->plain_dst[i]);
  backend->unbind (bound);
  backend->memory_free (memory);
  backend->release (kernel);
}

static void compare (const Step *step, uint32_t i, const float *expected, const StepRow *row,
    const StepCase *step_case, double tolerance)
{
  int64_t n;
  weir_tensor_n_elements (&step->plain_dst[i], &n);
  double difference = net_difference (step->plain_dst[i].buffer, expected, (size_t) n);
  ck_assert_msg (difference <= tolerance, "%s %s %s %s, n %u, result %u: differs by %g", row->op,
      row->attrs, row->src[0], weir_precision_name (step_case->precision), step_case->n, i,
      difference);
}

void step_check (const StepRow *row, const StepCase *step_case, double tolerance)
{
  Step step;
  GError *error = NULL;
  WeirTensor expected[STEP_MAX_SRC];
  WeirDevice *device = devices[step_case->precision == WEIR_PRECISION_F16];
  start (&step, row, step_case->n, step_case->layout);
  for (uint32_t i = 0; i < step.spec.n_dst; i++) {
    expected[i] = step.plain_dst[i];
    expected[i].buffer = allocate (&expected[i]);
  }
  ocl_must (
      weir_ref_evaluate (step.net->graph, step.node, step.plain_src, expected, &error), error);
  bool is_taken = backend->propose (device, &step.spec, step.src_formats, step.dst_formats);
  ck_assert_msg (is_taken, "%s %s %s is declined", row->op, row->attrs, row->src[0]);
  run_on_device (&step, device);
  for (uint32_t i = 0; i < step.spec.n_dst; i++) {
    compare (&step, i, expected[i].buffer, row, step_case, tolerance);
    g_free (expected[i].buffer);
  }
  finish (&step);
}

void step_check_declined (const StepRow *row)
{
  Step step;
  start (&step, row, 2, WEIR_LAYOUT_CHANNELS_LAST);
  ck_assert_msg (!backend->propose (devices[0], &step.spec, step.src_formats, step.dst_formats),
      "%s %s %s is not declined", row->op, row->attrs, row->src[0]);
  finish (&step);
}

/* --- reorders --- */

static void reorder (
    const WeirTensor *src, const WeirTensor *dst, uint32_t src_on_device, uint32_t dst_on_device)
{
  GError *error = NULL;
  WeirTensor from = *src, to = *dst;
  void *addresses[2] = { src->buffer, dst->buffer };
  WeirBinding binding = { &addresses[0], &addresses[1], NULL };
  WeirFormat formats[2];
  size_t scratch_bytes;
  from.buffer = to.buffer = NULL;
  WeirStepSpec spec = { .node = &weir_reorder_node,
    .n_src = 1,
    .n_dst = 1,
    .src = &from,
    .dst = &to,
    .src_on_device = src_on_device,
    .dst_on_device = dst_on_device };
  ck_assert (backend->propose (devices[0], &spec, &formats[0], &formats[1]));
  ck_assert (formats[0].on_device == src_on_device && formats[1].on_device == dst_on_device);
  void *kernel = backend->compile (devices[0], &spec, &scratch_bytes, &error);
  ocl_must (kernel, error);
  void *bound = backend->bind (kernel, &binding, &error);
  ocl_must (bound, error);
  ocl_must (backend->run (bound, &error), error);
  backend->unbind (bound);
  backend->release (kernel);
}

void step_check_reorder (const char *dims, WeirFormat from, WeirFormat to)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Net) net = net_new ();
  WeirTensor plain = weir_graph_value (net->graph, net_constant (net, dims, 2, 0))->tensor;
  WeirTensor src = plain, dst = plain;
  size_t src_bytes, dst_bytes;
  src.dtype = from.dtype, src.layout = from.layout;
  dst.dtype = to.dtype, dst.layout = to.layout;
  weir_tensor_bytes (&src, &src_bytes);
  weir_tensor_bytes (&dst, &dst_bytes);
  g_autofree char *sent = g_malloc (src_bytes), *got = g_malloc (dst_bytes),
                  *expected = g_malloc (dst_bytes);
  size_t dst_at = (src_bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  void *memory = backend->memory_new (devices[0], dst_at + dst_bytes, &error);
  ocl_must (memory, error);
  char *base = backend->memory_base (memory);
  WeirTensor host = src, there = src, turned = dst, back = dst;
  host.buffer = sent, there.buffer = base, turned.buffer = base + dst_at, back.buffer = got;
  ck_assert (weir_convert (net->graph, &plain, &host, NULL));
  reorder (&host, &there, false, true);
  reorder (&there, &turned, true, true);
  reorder (&turned, &back, true, false);
  back.buffer = expected;
  ck_assert (weir_convert (net->graph, &host, &back, NULL));
  ck_assert_mem_eq (got, expected, dst_bytes);
  backend->memory_free (memory);
}
