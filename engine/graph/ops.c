/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of operators, made from ops.def. */
#include "engine/graph/graph.h"

#include <string.h>

static const WeirOpInfo ops[WEIR_N_OPS] = {
#define WEIR_OP(id, name, min_src, max_src, min_dst, max_dst, kind, shape, ref) \
  [WEIR_OP_##id] = { name, min_src, max_src, min_dst, max_dst, WEIR_OP_KIND_##kind },
#include "engine/graph/ops.def"
#undef WEIR_OP
};

const WeirOpInfo *weir_op_info (WeirOp op)
{
  static const WeirOpInfo unknown = { "?", 0, 0, 0, 0, WEIR_OP_KIND_OTHER };
  return (unsigned) op < WEIR_N_OPS ? &ops[op] : &unknown;
}

WeirOp weir_op_find (const char *onnx_name)
{
  if (strchr (onnx_name, ':') && !g_str_has_prefix (onnx_name, "com.microsoft:"))
    return WEIR_N_OPS;
  unsigned op = 0;
  while (op < WEIR_N_OPS && strcmp (ops[op].name, onnx_name) != 0)
    op++;
  return (WeirOp) op;
}
