/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the steps of a plan are, and how much arithmetic and memory each takes. */
#include "engine/graph/cost.h"
#include "engine/plan/plan_types.h"

#include <string.h>

#define FEW_CHANNELS 4

static double bytes_of (const WeirTensor *tensor, WeirDtype dtype)
{
  int64_t n = 0;
  return weir_tensor_n_elements (tensor, &n) ? (double) n * (double) weir_dtype_bytes (dtype) : 0;
}

static bool is_floating (WeirDtype dtype)
{
  return dtype == WEIR_DTYPE_F32 || dtype == WEIR_DTYPE_F16 || dtype == WEIR_DTYPE_BF16;
}

/* Constants are read in the type that is computed in, whatever they are in the file. */
static double source_bytes (const WeirStep *step, uint32_t i, WeirDtype dtype)
{
  const WeirTensor *src = &step->spec.src[i];
  bool is_packed = src->buffer && is_floating (src->dtype) && is_floating (dtype);
  return src->dtype == WEIR_DTYPE_NONE ? 0 : bytes_of (src, is_packed ? dtype : src->dtype);
}

static bool crosses (const WeirStep *step)
{
  return step->node->op == WEIR_OP_REORDER &&
         (step->spec.src_on_device & 1) != (step->spec.dst_on_device & 1);
}

/* Of a source that is only moved no more is read than written: a slice leaves the rest alone. What
 * lies between steps that are one is neither. A transfer moves bytes once. */
static double step_bytes (const WeirStep *step, WeirDtype dtype)
{
  double n_src = 0, n_dst = 0;
  for (const WeirStep *part = step; part; part = part->before)
    for (uint32_t i = part->before ? 1 : 0; i < part->spec.n_src; i++)
      n_src += source_bytes (part, i, dtype);
  for (uint32_t i = 0; i < step->spec.n_dst; i++)
    if (step->dst[i] != WEIR_NONE)
      n_dst += bytes_of (&step->spec.dst[i], step->spec.dst[i].dtype);
  if (weir_op_info (step->node->op)->kind == WEIR_OP_KIND_MOVE)
    n_src = MIN (n_src, n_dst);
  return crosses (step) ? n_dst : n_src + n_dst;
}

/* " 3x3 dw" */
static void append_window (GString *kind, const WeirNode *node, const WeirStepSpec *spec)
{
  uint32_t at = weir_node_weights (node);
  const WeirTensor *weights = at == WEIR_NONE ? NULL : &spec->src[at];
  bool is_convolution = node->op == WEIR_OP_CONV || node->op == WEIR_OP_CONV_TRANSPOSE ||
                        node->op == WEIR_OP_CONV_INTEGER || node->op == WEIR_OP_Q_LINEAR_CONV ||
                        node->op == WEIR_OP_QUANTISED_CONV;
  if (!weights || !is_convolution || weights->rank < 3 || spec->src[0].rank < 3)
    return;
  int64_t n_channels = spec->src[0].dims[1], n_groups = weir_node_int (node, "group", 1);
  for (uint32_t i = 2; i < weights->rank; i++)
    g_string_append_printf (kind, "%c%" G_GINT64_FORMAT, i == 2 ? ' ' : 'x', weights->dims[i]);
  if (n_groups > 1)
    g_string_append (kind, n_groups == n_channels ? " dw" : " grouped");
  else if (n_channels <= FEW_CHANNELS)
    g_string_append_printf (kind, " c%" G_GINT64_FORMAT, n_channels);
}

static void append_posts (GString *text, const WeirNode *node)
{
  for (uint32_t i = 0; i < node->n_post; i++)
    g_string_append_printf (text, "+%s", weir_op_info (node->post[i].op)->name);
}

/* "Conv 1x1+Clip > Conv 3x3 dw" for two that are one. */
static void append_kind (GString *kind, const WeirStep *step)
{
  if (step->before) {
    append_kind (kind, step->before);
    append_posts (kind, step->before->node);
    g_string_append (kind, " > ");
  }
  g_string_append (kind, weir_op_info (step->node->op)->name);
  append_window (kind, step->node, &step->spec);
}

static void describe_kind (const WeirStep *step, WeirStepFacts *facts)
{
  g_autoptr (GString) kind = g_string_new (NULL);
  g_autoptr (GString) fused = g_string_new (NULL);
  append_kind (kind, step);
  append_posts (fused, step->node);
  g_strlcpy (facts->kind, kind->str, sizeof facts->kind);
  g_strlcpy (facts->fused, fused->str, sizeof facts->fused);
}

uint32_t weir_plan_n_steps (const WeirPlan *plan)
{
  return plan->steps->len + (plan->tail->len > 0);
}

void weir_plan_step_facts (const WeirPlan *plan, uint32_t i, WeirStepFacts *facts)
{
  *facts = (WeirStepFacts){ .kind = "weir:Tail",
    .name = "nodes of a size that the data decide",
    .backend = "ref",
    .implementation = "node by node" };
  if (i >= plan->steps->len)
    return;
  const WeirStep *step = &g_array_index (plan->steps, WeirStep, i);
  const WeirStepSpec *spec = &step->spec;
  const WeirStep *first = step;
  while (first->before)
    first = first->before;
  facts->name = step->node->name;
  facts->backend = step->backend->name;
  facts->implementation = step->backend->describe (step->kernel);
  facts->dtype = weir_step_dtype (step);
  if (spec->n_src)
    facts->src = first->spec.src[0];
  if (spec->n_dst)
    facts->dst = spec->dst[0];
  for (const WeirStep *part = step; part; part = part->before)
    if (part->spec.n_src && part->spec.n_dst)
      facts->flops += weir_node_flops (part->node, part->spec.src, part->spec.dst);
  facts->bytes = step_bytes (step, facts->dtype);
  facts->is_upload = crosses (step) && (spec->dst_on_device & 1);
  facts->is_download = crosses (step) && (spec->src_on_device & 1);
  describe_kind (step, facts);
}

static void describe_tensors (GString *text, const WeirTensor *tensors, uint32_t n)
{
  for (uint32_t i = 0; i < n; i++) {
    g_autofree char *shape = weir_tensor_describe (&tensors[i]);
    if (tensors[i].dtype != WEIR_DTYPE_NONE)
      g_string_append_printf (text, " %s%s%s", shape, tensors[i].layout ? ":nhwc" : "",
          tensors[i].buffer ? ":const" : "");
  }
}

/* A line for each node; implementation: of the step that does it. */
static void describe_step (
    GString *text, uint32_t i, const WeirStep *step, const char *implementation)
{
  if (step->before)
    describe_step (text, i, step->before, implementation);
  g_string_append_printf (text, "%u %s '%s' %s %s", i, weir_op_info (step->node->op)->name,
      step->node->name, step->backend->name, implementation);
  for (uint32_t k = 0; k < step->node->n_post; k++)
    g_string_append_printf (text, " +%s", weir_op_info (step->node->post[k].op)->name);
  g_string_append (text, " :");
  describe_tensors (text, step->spec.src, step->spec.n_src);
  g_string_append (text, " ->");
  describe_tensors (text, step->spec.dst, step->spec.n_dst);
  g_string_append_c (text, '\n');
}

char *weir_plan_describe (const WeirPlan *plan)
{
  GString *text = g_string_new (NULL);
  for (uint32_t i = 0; i < plan->steps->len; i++) {
    const WeirStep *step = &g_array_index (plan->steps, WeirStep, i);
    g_autofree char *implementation = g_strconcat (step->backend->describe (step->kernel),
        i < plan->n_entry_steps ? " (not for pictures)" : "", NULL);
    describe_step (text, i, step, implementation);
  }
  for (uint32_t i = 0; i < plan->tail->len; i++) {
    const WeirNode *node =
        weir_graph_node (plan->target->graph, g_array_index (plan->tail, uint32_t, i));
    g_string_append_printf (text, "%u %s '%s' ref, of a size that the data decide\n",
        plan->steps->len + i, weir_op_info (node->op)->name, node->name);
  }
  if (plan->picture != WEIR_NONE)
    g_string_append_printf (
        text, "pictures: made by %s on the device\n", plan->target->backends[0]->name);
  if (weir_target_precision (plan->target) == WEIR_PRECISION_INT8) {
    uint32_t n_int8, n_total;
    weir_plan_count_int8 (plan, &n_int8, &n_total);
    g_string_append_printf (
        text, "int8: %u of %u convolutions and matrix products\n", n_int8, n_total);
  }
  return g_string_free (text, FALSE);
}
