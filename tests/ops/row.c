/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reader of operator rows. */
#include "tests/ops/row.h"

#include "engine/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct Parser {
  Row *row;
  uint64_t seed; /* of random contents: the same for the same line */
  WeirAttr attrs[ROW_MAX_ATTRS];
  bool is_after_arrow;
  GError **error;
} Parser;

static bool fail (Parser *parser, const char *token, const char *text)
{
  g_set_error (parser->error, WEIR_ERROR, WEIR_ERROR_FORMAT, "%s:%u: '%s': %s", parser->row->file,
      parser->row->line, token, text);
  return false;
}

/* splitmix64: any line number is as good a seed as another */
static double next_random (uint64_t *state)
{
  uint64_t z = (*state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return (double) ((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static void store (const WeirTensor *tensor, int64_t i, double value)
{
  void *data = tensor->buffer;
  switch (tensor->dtype) {
  case WEIR_DTYPE_F32:
    ((float *) data)[i] = (float) value;
    break;
  case WEIR_DTYPE_F64:
    ((double *) data)[i] = value;
    break;
  case WEIR_DTYPE_U8:
  case WEIR_DTYPE_BOOL:
    ((uint8_t *) data)[i] = (uint8_t) value;
    break;
  case WEIR_DTYPE_I8:
    ((int8_t *) data)[i] = (int8_t) value;
    break;
  case WEIR_DTYPE_U16:
    ((uint16_t *) data)[i] = (uint16_t) value;
    break;
  case WEIR_DTYPE_I16:
    ((int16_t *) data)[i] = (int16_t) value;
    break;
  case WEIR_DTYPE_U32:
    ((uint32_t *) data)[i] = (uint32_t) value;
    break;
  case WEIR_DTYPE_I32:
    ((int32_t *) data)[i] = (int32_t) value;
    break;
  case WEIR_DTYPE_U64:
    ((uint64_t *) data)[i] = (uint64_t) value;
    break;
  default:
    ((int64_t *) data)[i] = (int64_t) value;
    break;
  }
}

/* Numbers separated by commas up to `end`; NULL where there is something else. */
static const char *read_numbers (const char *at, char end, GArray *numbers)
{
  while (*at != end) {
    char *next;
    double value = g_ascii_strtod (at, &next);
    if (next == at || (*next != ',' && *next != end))
      return NULL;
    g_array_append_val (numbers, value);
    at = *next == ',' ? next + 1 : next;
  }
  return at + 1;
}

static WeirDtype find_dtype (const char *token, size_t n_chars)
{
  for (int i = 1; i < WEIR_N_DTYPES; i++)
    if (strlen (weir_dtype_name ((WeirDtype) i)) == n_chars &&
        strncmp (weir_dtype_name ((WeirDtype) i), token, n_chars) == 0)
      return (WeirDtype) i;
  return WEIR_DTYPE_NONE;
}

static bool is_tensor (const char *token)
{
  const char *bracket = strchr (token, '[');
  return bracket && find_dtype (token, (size_t) (bracket - token)) != WEIR_DTYPE_NONE;
}

static const char *read_dims (const char *token, WeirTensor *tensor)
{
  g_autoptr (GArray) numbers = g_array_new (FALSE, FALSE, sizeof (double));
  const char *at = strchr (token, '[');
  tensor->dtype = find_dtype (token, (size_t) (at - token));
  at = read_numbers (at + 1, ']', numbers);
  if (!at || numbers->len > WEIR_MAX_RANK)
    return NULL;
  tensor->rank = numbers->len;
  for (guint i = 0; i < numbers->len; i++)
    tensor->dims[i] = (int64_t) g_array_index (numbers, double, i);
  return at;
}

static void fill (Parser *parser, const WeirTensor *tensor, int64_t n, const GArray *range)
{
  bool is_float = tensor->dtype == WEIR_DTYPE_F32 || tensor->dtype == WEIR_DTYPE_F64;
  bool is_signed = is_float || tensor->dtype == WEIR_DTYPE_I8 || tensor->dtype == WEIR_DTYPE_I16 ||
                   tensor->dtype == WEIR_DTYPE_I32 || tensor->dtype == WEIR_DTYPE_I64;
  double low = is_signed ? (is_float ? -1 : -8) : 0;
  double high = is_float ? 1 : tensor->dtype == WEIR_DTYPE_BOOL ? 2 : 9;
  if (range->len == 2) {
    low = g_array_index (range, double, 0);
    high = g_array_index (range, double, 1);
  }
  for (int64_t i = 0; i < n; i++) {
    double value = low + next_random (&parser->seed) * (high - low);
    store (tensor, i, is_float ? value : floor (value));
  }
}

static bool is_wide_integer (WeirDtype dtype)
{
  return dtype == WEIR_DTYPE_I64 || dtype == WEIR_DTYPE_U64;
}

/* All 64 bits of the number at `text`; returns where it ends. */
static const char *store_text (const WeirTensor *tensor, int64_t i, const char *text)
{
  char *end;
  bool is_signed = tensor->dtype == WEIR_DTYPE_I64;
  ((uint64_t *) tensor->buffer)[i] =
      is_signed ? (uint64_t) g_ascii_strtoll (text, &end, 10) : g_ascii_strtoull (text, &end, 10);
  return end;
}

static bool read_tensor (Parser *parser, const char *token, RowTensor *tensor)
{
  g_autoptr (GArray) range = g_array_new (FALSE, FALSE, sizeof (double));
  g_autoptr (GArray) contents = g_array_new (FALSE, FALSE, sizeof (double));
  size_t n_bytes;
  int64_t n;
  const char *at = read_dims (token, &tensor->tensor);
  if (at && *at == '(')
    at = read_numbers (at + 1, ')', range);
  tensor->is_constant = at && *at == '!';
  at += tensor->is_constant;
  tensor->has_contents = at && *at == '{';
  const char *text = at;
  if (tensor->has_contents)
    at = read_numbers (at + 1, '}', contents);
  if (!at || *at || !weir_tensor_bytes (&tensor->tensor, &n_bytes) ||
      !weir_tensor_n_elements (&tensor->tensor, &n))
    return fail (parser, token, "expected type[dims](low,high)!{contents}");
  if (tensor->has_contents && contents->len != n)
    return fail (parser, token, "as many contents as elements are needed");
  tensor->tensor.buffer = weir_arena_alloc (parser->row->arena, MAX (n_bytes, 64));
  fill (parser, &tensor->tensor, n, range);
  for (int64_t i = 0; tensor->has_contents && i < n; i++) {
    if (is_wide_integer (tensor->tensor.dtype))
      text = store_text (&tensor->tensor, i, text + 1);
    else
      store (&tensor->tensor, i, g_array_index (contents, double, i));
  }
  return true;
}

static void set_list (Parser *parser, WeirAttr *attr, bool is_float, const GArray *numbers)
{
  int64_t *ints = weir_arena_new_array (parser->row->arena, int64_t, numbers->len + 1);
  float *floats = weir_arena_new_array (parser->row->arena, float, numbers->len + 1);
  for (guint i = 0; i < numbers->len; i++) {
    floats[i] = (float) g_array_index (numbers, double, i);
    ints[i] = is_float ? 0 : (int64_t) g_array_index (numbers, double, i);
  }
  attr->kind = is_float ? WEIR_ATTR_FLOATS : WEIR_ATTR_INTS;
  attr->n = numbers->len;
  if (is_float)
    attr->floats = floats;
  else
    attr->ints = ints;
}

static void set_scalar (Parser *parser, WeirAttr *attr, const char *value)
{
  char *int_end, *float_end;
  int64_t i = g_ascii_strtoll (value, &int_end, 10);
  double f = g_ascii_strtod (value, &float_end);
  attr->n = 1;
  if (*value && !*int_end) {
    attr->kind = WEIR_ATTR_INT;
    attr->i = i;
  } else if (*value && !*float_end) {
    attr->kind = WEIR_ATTR_FLOAT;
    attr->f = (float) f;
  } else {
    attr->kind = WEIR_ATTR_STRING;
    attr->s = weir_arena_strdup (parser->row->arena, value);
  }
}

static bool read_attr (Parser *parser, const char *token)
{
  g_autoptr (GArray) numbers = g_array_new (FALSE, FALSE, sizeof (double));
  const char *value = strchr (token, '=') + 1;
  g_autofree char *name = g_strndup (token, (size_t) (value - 1 - token));
  if (strcmp (name, "opset") == 0) {
    parser->row->node.opset = (uint32_t) atoi (value);
    return true;
  }
  if (parser->row->node.n_attrs == ROW_MAX_ATTRS)
    return fail (parser, token, "too many attributes");
  WeirAttr *attr = &parser->row->node.attrs[parser->row->node.n_attrs++];
  attr->name = weir_arena_strdup (parser->row->arena, name);
  if (is_tensor (value)) {
    RowTensor tensor = { 0 };
    attr->kind = WEIR_ATTR_TENSOR;
    attr->n = 1;
    if (!read_tensor (parser, value, &tensor))
      return false;
    attr->tensor = tensor.tensor;
  } else if (*value == '[') {
    if (!read_numbers (value + 1, ']', numbers))
      return fail (parser, token, "expected name=[numbers]");
    set_list (parser, attr, strchr (value, '.') != NULL, numbers);
  } else {
    set_scalar (parser, attr, value);
  }
  return true;
}

static bool read_post (Parser *parser, const char *token)
{
  g_autoptr (GArray) numbers = g_array_new (FALSE, FALSE, sizeof (double));
  const char *bracket = strchr (token, '(');
  g_autofree char *name =
      bracket ? g_strndup (token, (size_t) (bracket - token)) : g_strdup (token);
  WeirNode *node = &parser->row->node;
  WeirOp op = weir_op_find (name);
  if (op == WEIR_N_OPS || node->n_post == WEIR_MAX_POST_OPS ||
      (bracket && !read_numbers (bracket + 1, ')', numbers)))
    return fail (parser, token, "expected post:Operator(numbers)");
  double a = numbers->len > 0 ? g_array_index (numbers, double, 0) : 1;
  double b = numbers->len > 1 ? g_array_index (numbers, double, 1) : 0;
  bool is_binary = weir_op_info (op)->kind == WEIR_OP_KIND_BINARY;
  node->post[node->n_post++] = (WeirPostOp){
    .op = op, .alpha = (float) a, .beta = (float) b, .src = is_binary ? (uint32_t) a : WEIR_NONE
  };
  return true;
}

static bool read_error_code (Parser *parser, const char *token)
{
  static const struct {
    const char *name;
    int code;
  } codes[] = {
    { "SHAPE", WEIR_ERROR_SHAPE },
    { "UNSUPPORTED", WEIR_ERROR_UNSUPPORTED },
  };
  for (size_t i = 0; i < G_N_ELEMENTS (codes); i++)
    if (strcmp (token, codes[i].name) == 0) {
      parser->row->error_code = codes[i].code;
      return true;
    }
  return fail (parser, token, "expected SHAPE or UNSUPPORTED");
}

static bool read_io (Parser *parser, const char *token)
{
  WeirNode *node = &parser->row->node;
  uint32_t *n = parser->is_after_arrow ? &node->n_dst : &node->n_src;
  RowTensor *tensors = parser->is_after_arrow ? parser->row->dst : parser->row->src;
  if (*n == ROW_MAX_TENSORS)
    return fail (parser, token, "too many tensors");
  return read_tensor (parser, token, &tensors[(*n)++]);
}

static bool read_token (Parser *parser, const char *token)
{
  Row *row = parser->row;
  if (row->expects_error)
    return read_error_code (parser, token);
  if (is_tensor (token))
    return read_io (parser, token);
  if (strcmp (token, "->") == 0)
    return parser->is_after_arrow = true;
  if (parser->is_after_arrow && strcmp (token, "error") == 0) {
    row->node.n_dst = 1;
    return row->expects_error = true;
  }
  if (strcmp (token, "-") == 0) {
    *(parser->is_after_arrow ? &row->node.n_dst : &row->node.n_src) += 1;
    return row->node.n_src < ROW_MAX_TENSORS && row->node.n_dst < ROW_MAX_TENSORS;
  }
  if (g_str_has_prefix (token, "post:"))
    return read_post (parser, token + 5);
  return strchr (token, '=') ? read_attr (parser, token)
                             : fail (parser, token, "expected a tensor or name=value");
}

/* Internal operators have rows too, which weir_op_find does not give. */
static WeirOp find_op (const char *name)
{
  uint32_t op = 0;
  while (op < WEIR_N_OPS && strcmp (weir_op_info ((WeirOp) op)->name, name) != 0)
    op++;
  return (WeirOp) op;
}

Row *row_parse (const char *file, uint32_t line, const char *text, GError **error)
{
  g_autoptr (WeirArena) arena = weir_arena_new ();
  g_auto (GStrv) halves = g_strsplit (text, "#", 2);
  g_auto (GStrv) tokens = g_strsplit_set (halves[0], " \t\r\n", -1);
  Row *row = weir_arena_new_array (arena, Row, 1);
  Parser parser = { .row = row, .seed = line, .error = error };
  row->arena = arena;
  row->file = weir_arena_strdup (arena, file);
  row->line = line;
  row->text = weir_arena_strdup (arena, text);
  row->node = (WeirNode){ .op = WEIR_N_OPS, .opset = 13, .name = row->text };
  row->node.attrs = weir_arena_new_array (arena, WeirAttr, ROW_MAX_ATTRS);
  for (char **token = tokens; *token; token++) {
    if (!**token)
      continue;
    if (row->node.op != WEIR_N_OPS) {
      if (!read_token (&parser, *token))
        return NULL;
      continue;
    }
    row->node.op = find_op (*token);
    if (row->node.op == WEIR_N_OPS && !fail (&parser, *token, "is not in ops.def"))
      return NULL;
  }
  if (!row->node.n_dst && !fail (&parser, text, "expected -> and an output"))
    return NULL;
  (void) g_steal_pointer (&arena);
  return row;
}

void row_free (Row *row)
{
  if (row)
    weir_arena_free (row->arena);
}

WeirGraph *row_make_graph (const Row *row)
{
  WeirGraph *graph = weir_graph_new (row->file);
  uint32_t src[ROW_MAX_TENSORS], dst[ROW_MAX_TENSORS];
  WeirNode node = row->node;
  for (uint32_t i = 0; i < node.n_src; i++) {
    const RowTensor *tensor = &row->src[i];
    g_autofree char *name = g_strdup_printf ("src%u", i);
    src[i] = WEIR_NONE;
    if (tensor->is_constant) {
      src[i] = weir_graph_add_constant (graph, name, &tensor->tensor);
    } else if (tensor->tensor.dtype != WEIR_DTYPE_NONE) {
      src[i] = weir_graph_add_value (graph, name);
      weir_graph_value (graph, src[i])->tensor = tensor->tensor;
      weir_graph_value (graph, src[i])->tensor.buffer = NULL;
      g_array_append_val (graph->inputs, src[i]);
    }
  }
  for (uint32_t i = 0; i < node.n_dst; i++) {
    g_autofree char *name = g_strdup_printf ("dst%u", i);
    dst[i] = WEIR_NONE;
    if (row->dst[i].tensor.dtype == WEIR_DTYPE_NONE && !row->expects_error)
      continue;
    dst[i] = weir_graph_add_value (graph, name);
    g_array_append_val (graph->outputs, dst[i]);
  }
  node.src = src;
  node.dst = dst;
  weir_graph_add_node (graph, &node);
  return graph;
}
