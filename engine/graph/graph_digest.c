/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every number that says what a graph computes, one after the other. */
#include "engine/graph/graph_digest.h"

static void add_tensor (WeirDigest *digest, const WeirTensor *tensor)
{
  size_t n_bytes;
  weir_digest_add_number (digest, tensor->dtype);
  weir_digest_add_number (digest, tensor->layout);
  weir_digest_add (digest, tensor->dims, tensor->rank * sizeof *tensor->dims);
  if (tensor->buffer && weir_tensor_bytes (tensor, &n_bytes))
    weir_digest_add (digest, weir_tensor_data (tensor), n_bytes);
}

static void add_attr (WeirDigest *digest, const WeirAttr *attr)
{
  weir_digest_add_text (digest, attr->name);
  weir_digest_add_number (digest, attr->kind);
  switch (attr->kind) {
  case WEIR_ATTR_INT:
    weir_digest_add (digest, &attr->i, sizeof attr->i);
    break;
  case WEIR_ATTR_FLOAT:
    weir_digest_add (digest, &attr->f, sizeof attr->f);
    break;
  case WEIR_ATTR_STRING:
    weir_digest_add_text (digest, attr->s);
    break;
  case WEIR_ATTR_INTS:
    weir_digest_add (digest, attr->ints, attr->n * sizeof *attr->ints);
    break;
  case WEIR_ATTR_FLOATS:
    weir_digest_add (digest, attr->floats, attr->n * sizeof *attr->floats);
    break;
  case WEIR_ATTR_TENSOR:
    add_tensor (digest, &attr->tensor);
    break;
  }
}

static void add_node (WeirDigest *digest, const WeirNode *node)
{
  weir_digest_add_text (digest, weir_op_info (node->op)->name);
  weir_digest_add_number (digest, node->opset);
  weir_digest_add (digest, node->src, node->n_src * sizeof *node->src);
  weir_digest_add (digest, node->dst, node->n_dst * sizeof *node->dst);
  for (uint32_t i = 0; i < node->n_attrs; i++)
    add_attr (digest, &node->attrs[i]);
  for (uint32_t i = 0; i < node->n_post; i++) {
    const WeirPostOp *post = &node->post[i];
    weir_digest_add_text (digest, weir_op_info (post->op)->name);
    weir_digest_add (digest, &post->alpha, sizeof post->alpha);
    weir_digest_add (digest, &post->beta, sizeof post->beta);
    weir_digest_add_number (digest, post->src);
  }
}

void weir_graph_digest (const WeirGraph *graph, WeirDigest *digest)
{
  for (uint32_t i = 0; i < graph->nodes->len; i++)
    add_node (digest, weir_graph_node (graph, i));
  for (uint32_t i = 0; i < graph->values->len; i++) {
    const WeirValue *value = weir_graph_value (graph, i);
    weir_digest_add_number (digest, value->is_constant);
    weir_digest_add_number (digest, value->batch_axis);
    add_tensor (digest, &value->tensor);
  }
  weir_digest_add (digest, graph->inputs->data, graph->inputs->len * sizeof (uint32_t));
  weir_digest_add (digest, graph->outputs->data, graph->outputs->len * sizeof (uint32_t));
  weir_digest_add_number (digest, graph->has_batch);
}
