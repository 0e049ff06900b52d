/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One layer's job: the nodes and constants that its converter makes. */
#include "engine/formats/ir_private.h"

#include <string.h>

static const char *arena_name (WeirIrJob *job, const char *suffix)
{
  g_autofree char *name = g_strconcat (job->layer->name, "/", suffix, NULL);
  return weir_arena_strdup (job->loader->graph->arena, name);
}

uint32_t weir_ir_add_constant (WeirIrJob *job, const WeirTensor *tensor)
{
  uint32_t id = weir_graph_add_constant (job->loader->graph, arena_name (job, "constant"), tensor);
  weir_ir_set_value (job, id, tensor, true);
  return id;
}

uint32_t weir_ir_add_list (
    WeirIrJob *job, WeirDtype dtype, const int64_t *values, uint32_t n, uint32_t rank)
{
  WeirTensor tensor = { .dtype = dtype, .rank = rank, .dims = { n } };
  size_t n_bytes = weir_dtype_bytes (dtype);
  char *bytes = weir_arena_alloc (job->loader->graph->arena, n * n_bytes);
  for (uint32_t i = 0; i < n; i++)
    memcpy (bytes + i * n_bytes, &values[i], n_bytes); /* little endian */
  tensor.buffer = bytes;
  return weir_ir_add_constant (job, &tensor);
}

uint32_t weir_ir_add_ints (WeirIrJob *job, const int64_t *values, uint32_t n)
{
  return weir_ir_add_list (job, WEIR_DTYPE_I64, values, n, 1);
}

uint32_t weir_ir_add_scalar (WeirIrJob *job, WeirDtype dtype, double value)
{
  WeirTensor tensor = { .dtype = dtype };
  int64_t whole = value > -0x1p62 && value < 0x1p62 ? (int64_t) value
                  : value < 0                       ? INT64_MIN / 2
                                                    : INT64_MAX / 2;
  float real = (float) value;
  tensor.buffer = weir_arena_alloc (job->loader->graph->arena, sizeof whole);
  if (dtype == WEIR_DTYPE_F32)
    memcpy (tensor.buffer, &real, sizeof real);
  else
    memcpy (tensor.buffer, &whole, weir_dtype_bytes (dtype)); /* little endian */
  return weir_ir_add_constant (job, &tensor);
}

uint32_t weir_ir_add_float (WeirIrJob *job, float value)
{
  return weir_ir_add_scalar (job, WEIR_DTYPE_F32, (double) value);
}

WeirAttr weir_ir_attr_ints (WeirIrJob *job, const char *name, const int64_t *values, uint32_t n)
{
  WeirAttr attr = { .name = name, .kind = WEIR_ATTR_INTS, .n = n };
  attr.ints = weir_arena_memdup (job->loader->graph->arena, values, n * sizeof *values);
  return attr;
}

void weir_ir_emit_to (WeirIrJob *job, WeirOp op, uint32_t opset, const uint32_t *src,
    uint32_t n_src, const uint32_t *dst, uint32_t n_dst, const WeirAttr *attrs, uint32_t n_attrs)
{
  WeirNode node = {
    .op = op, .opset = opset ? opset : job->layer->opset, .name = job->layer->name
  };
  while (n_src && src[n_src - 1] == WEIR_NONE)
    n_src--;
  while (n_dst > 1 && dst[n_dst - 1] == WEIR_NONE)
    n_dst--;
  node.n_src = n_src;
  node.src = (uint32_t *) src;
  node.n_dst = n_dst;
  node.dst = (uint32_t *) dst;
  node.n_attrs = n_attrs;
  node.attrs = weir_arena_memdup (job->loader->graph->arena, attrs, n_attrs * sizeof (WeirAttr));
  weir_graph_add_node (job->loader->graph, &node);
}

bool weir_ir_emit (WeirIrJob *job, WeirOp op, uint32_t opset, const uint32_t *src, uint32_t n_src,
    const WeirAttr *attrs, uint32_t n_attrs)
{
  uint32_t dst = weir_ir_dst (job, 0);
  if (dst == WEIR_NONE)
    return ir_malformed (job, "has no output port");
  weir_ir_emit_to (job, op, opset, src, n_src, &dst, 1, attrs, n_attrs);
  return true;
}

uint32_t weir_ir_apply (WeirIrJob *job, WeirOp op, uint32_t opset, const uint32_t *src,
    uint32_t n_src, const WeirAttr *attrs, uint32_t n_attrs)
{
  uint32_t dst =
      weir_graph_add_value (job->loader->graph, arena_name (job, weir_op_info (op)->name));
  weir_ir_emit_to (job, op, opset, src, n_src, &dst, 1, attrs, n_attrs);
  return dst;
}

uint32_t weir_ir_unary (WeirIrJob *job, WeirOp op, uint32_t src)
{
  return weir_ir_apply (job, op, 13, &src, 1, NULL, 0);
}

uint32_t weir_ir_binary (WeirIrJob *job, WeirOp op, uint32_t a, uint32_t b)
{
  const uint32_t src[] = { a, b };
  return weir_ir_apply (job, op, 13, src, 2, NULL, 0);
}

/* TensorProto.DataType of ONNX, as Cast takes it. */
int64_t weir_ir_onnx_type (WeirDtype dtype)
{
  static const int64_t types[WEIR_N_DTYPES] = {
    [WEIR_DTYPE_F32] = 1,
    [WEIR_DTYPE_U8] = 2,
    [WEIR_DTYPE_I8] = 3,
    [WEIR_DTYPE_U16] = 4,
    [WEIR_DTYPE_I16] = 5,
    [WEIR_DTYPE_I32] = 6,
    [WEIR_DTYPE_I64] = 7,
    [WEIR_DTYPE_BOOL] = 9,
    [WEIR_DTYPE_U32] = 12,
    [WEIR_DTYPE_U64] = 13,
  };
  return types[dtype];
}

uint32_t weir_ir_cast (WeirIrJob *job, uint32_t src, WeirDtype dtype)
{
  WeirAttr to = weir_ir_attr_int ("to", weir_ir_onnx_type (dtype));
  return weir_ir_apply (job, WEIR_OP_CAST, 13, &src, 1, &to, 1);
}

uint32_t weir_ir_transpose (WeirIrJob *job, uint32_t src, const int64_t *perm, uint32_t rank)
{
  bool is_same = true;
  for (uint32_t i = 0; i < rank; i++)
    is_same = is_same && perm[i] == i;
  if (is_same)
    return src;
  WeirAttr attr = weir_ir_attr_ints (job, "perm", perm, rank);
  return weir_ir_apply (job, WEIR_OP_TRANSPOSE, 13, &src, 1, &attr, 1);
}

/* A constant keeps its bytes: only its dims are others. */
uint32_t weir_ir_reshape (WeirIrJob *job, uint32_t src, const int64_t *dims, uint32_t rank)
{
  const WeirValue *value = weir_graph_value (job->loader->graph, src);
  int64_t n, n_dst;
  WeirTensor tensor = value->tensor;
  tensor.rank = rank;
  if (rank)
    memcpy (tensor.dims, dims, rank * sizeof *dims);
  if (value->is_constant && weir_tensor_n_elements (&value->tensor, &n) &&
      weir_tensor_n_elements (&tensor, &n_dst) && n == n_dst)
    return weir_ir_add_constant (job, &tensor);
  const uint32_t list[] = { src, weir_ir_add_ints (job, dims, rank) };
  return weir_ir_apply (job, WEIR_OP_RESHAPE, 13, list, 2, NULL, 0);
}

uint32_t weir_ir_unsqueeze (WeirIrJob *job, uint32_t src, const int64_t *axes, uint32_t n)
{
  if (!n)
    return src;
  const uint32_t list[] = { src, weir_ir_add_ints (job, axes, n) };
  return weir_ir_apply (job, WEIR_OP_UNSQUEEZE, 13, list, 2, NULL, 0);
}

uint32_t weir_ir_as_ints (WeirIrJob *job, uint32_t value)
{
  WeirDtype dtype = value == WEIR_NONE ? WEIR_DTYPE_I64 : weir_ir_info (job, value).dtype;
  bool fits = dtype == WEIR_DTYPE_I64 || dtype == WEIR_DTYPE_I32 || dtype == WEIR_DTYPE_NONE;
  return fits ? value : weir_ir_cast (job, value, WEIR_DTYPE_I64);
}

void weir_ir_move_axis (int64_t *perm, uint32_t rank, uint32_t from, uint32_t to)
{
  for (uint32_t i = 0, k = 0; i < rank; i++) {
    if (k == from)
      k++;
    perm[i] = i == to ? from : k++;
  }
}
