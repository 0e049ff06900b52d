/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sequences of tensors, resolved while a file is read: no tensor behind the loader is a list.
 *
 * Exporters write torch.split, torch.chunk and lists as sequence operators. What stands at which
 * place nearly always follows from the file alone, so a sequence is known here as the values that
 * it holds, or as a tensor that is cut along an axis; SequenceAt then is the value, or a Slice. */
#include "engine/formats/onnx_private.h"

#include "engine/error.h"
#include "engine/graph/geometry.h"

#include <string.h>

#define MAX_ITEMS       65535u
#define MAX_ITEMS_TOTAL 1000000u /* of all sequences: each insertion makes a new one */

/* Either items, or where `tensor` is one, its parts of `part` elements along `axis`. */
typedef struct Sequence {
  GArray *items; /* uint32_t value ids */
  uint32_t tensor;
  int64_t axis, part;
  bool keeps_axis;
} Sequence;

struct WeirOnnxSequences {
  WeirGraph *graph;
  GHashTable *by_value;      /* value id to Sequence */
  size_t n_items;            /* of all */
  const char *operator_name; /* of the node at hand */
};

static void free_sequence (gpointer data)
{
  Sequence *sequence = data;
  g_array_unref (sequence->items);
  g_free (sequence);
}

WeirOnnxSequences *weir_onnx_sequences_new (WeirGraph *graph)
{
  WeirOnnxSequences *all = g_new0 (WeirOnnxSequences, 1);
  all->graph = graph;
  all->by_value = g_hash_table_new_full (NULL, NULL, NULL, free_sequence);
  return all;
}

void weir_onnx_sequences_free (WeirOnnxSequences *all)
{
  g_hash_table_unref (all->by_value);
  g_free (all);
}

static bool refuse (WeirOnnxSequences *all, const WeirNode *node, GError **error, const char *text)
{
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_UNSUPPORTED, "%s: node '%s' (%s): %s",
      all->graph->source, node->name, all->operator_name, text);
  return false;
}

static uint32_t src_at (const WeirNode *node, uint32_t i)
{
  return i < node->n_src ? node->src[i] : WEIR_NONE;
}

static Sequence *find_sequence (
    WeirOnnxSequences *all, const WeirNode *node, uint32_t i, GError **error)
{
  uint32_t id = src_at (node, i);
  Sequence *sequence =
      id == WEIR_NONE ? NULL : g_hash_table_lookup (all->by_value, GUINT_TO_POINTER (id));
  if (!sequence)
    refuse (all, node, error, "its sequence is not made in this file, before it");
  return sequence;
}

/* The node's result is a new sequence, empty as yet. */
static Sequence *add_sequence (WeirOnnxSequences *all, const WeirNode *node)
{
  Sequence *sequence = g_new0 (Sequence, 1);
  sequence->items = g_array_new (FALSE, FALSE, sizeof (uint32_t));
  sequence->tensor = WEIR_NONE;
  if (node->n_dst && node->dst[0] != WEIR_NONE)
    g_hash_table_replace (all->by_value, GUINT_TO_POINTER (node->dst[0]), sequence);
  return sequence;
}

/* Every list that is made counts, so that no file makes many long ones. */
static bool charge (WeirOnnxSequences *all, const WeirNode *node, size_t n, GError **error)
{
  if (n > MAX_ITEMS || n > MAX_ITEMS_TOTAL - all->n_items)
    return refuse (all, node, error, "the file's sequences are too long");
  all->n_items += n;
  return true;
}

static bool set_items (
    WeirOnnxSequences *all, const WeirNode *node, const uint32_t *items, size_t n, GError **error)
{
  if (!charge (all, node, n, error))
    return false;
  g_array_append_vals (add_sequence (all, node)->items, items, (guint) n);
  return true;
}

/* What stands in the file as contents of a value: it is a constant, or a Constant gives it. */
static const WeirTensor *find_constant (const WeirGraph *graph, uint32_t id)
{
  const WeirValue *value = weir_graph_value (graph, id);
  if (value->is_constant)
    return value->tensor.buffer ? &value->tensor : NULL;
  const WeirNode *producer =
      value->producer == WEIR_NONE ? NULL : weir_graph_node (graph, value->producer);
  const WeirAttr *attr =
      producer && producer->op == WEIR_OP_CONSTANT ? weir_node_attr (producer, "value") : NULL;
  return attr && attr->kind == WEIR_ATTR_TENSOR && attr->tensor.buffer ? &attr->tensor : NULL;
}

static bool find_number (const WeirGraph *graph, uint32_t id, int64_t *number)
{
  const WeirTensor *tensor = find_constant (graph, id);
  uint32_t producer = weir_graph_value (graph, id)->producer;
  int64_t n_elements;
  if (tensor)
    return weir_tensor_n_elements (tensor, &n_elements) && n_elements == 1 &&
           weir_known_int (tensor, 0, number);
  const WeirAttr *attr = producer == WEIR_NONE
                             ? NULL
                             : weir_node_attr (weir_graph_node (graph, producer), "value_int");
  if (attr && attr->kind == WEIR_ATTR_INT)
    *number = attr->i;
  return attr && attr->kind == WEIR_ATTR_INT;
}

static bool read_number (WeirOnnxSequences *all, const WeirNode *node, uint32_t i, int64_t fallback,
    int64_t *number, GError **error)
{
  uint32_t id = src_at (node, i);
  *number = fallback;
  return id == WEIR_NONE || find_number (all->graph, id, number) ||
         refuse (all, node, error, "its place in the sequence depends on data");
}

/* Input i, from the end where negative, as one of n_places; the last one where it is not given. */
static bool read_place (WeirOnnxSequences *all, const WeirNode *node, uint32_t i, int64_t n_items,
    int64_t n_places, int64_t *place, GError **error)
{
  if (!read_number (all, node, i, n_places - 1, place, error))
    return false;
  *place += *place < 0 ? n_items : 0;
  return (*place >= 0 && *place < n_places) ||
         refuse (all, node, error, "its place is not in the sequence");
}

/* --- nodes that stand for what was said with sequences --- */

static WeirAttr ints_attr (WeirOnnxSequences *all, const char *name, const int64_t *ints, size_t n)
{
  return (WeirAttr){ .name = name,
    .kind = WEIR_ATTR_INTS,
    .n = (uint32_t) n,
    .ints = weir_arena_memdup (all->graph->arena, ints, n * sizeof *ints) };
}

static WeirAttr int_attr (const char *name, int64_t value)
{
  return (WeirAttr){ .name = name, .kind = WEIR_ATTR_INT, .n = 1, .i = value };
}

/* A node under the name of `like`, with attributes in the words of operator set 11. */
static void add_node (WeirOnnxSequences *all, const WeirNode *like, WeirOp op, uint32_t *src,
    size_t n_src, uint32_t *dst, size_t n_dst, const WeirAttr *attrs, size_t n_attrs)
{
  WeirNode node = { .op = op,
    .opset = 11,
    .name = like->name,
    .n_src = (uint32_t) n_src,
    .n_dst = (uint32_t) n_dst,
    .src = src,
    .dst = dst,
    .n_attrs = (uint32_t) n_attrs };
  node.attrs = weir_arena_memdup (all->graph->arena, attrs, n_attrs * sizeof *attrs);
  weir_graph_add_node (all->graph, &node);
}

static uint32_t new_value (WeirOnnxSequences *all, const WeirNode *node)
{
  return weir_graph_add_value (all->graph, node->name);
}

/* `value` without its axis, or with another one. */
static uint32_t change_axis (
    WeirOnnxSequences *all, const WeirNode *node, WeirOp op, uint32_t value, int64_t axis)
{
  uint32_t changed = new_value (all, node);
  WeirAttr axes = ints_attr (all, "axes", &axis, 1);
  add_node (all, node, op, &value, 1, &changed, 1, &axes, 1);
  return changed;
}

/* The result of the node is a value that is there already. */
static bool forward (WeirOnnxSequences *all, const WeirNode *node, uint32_t value)
{
  if (node->n_dst && node->dst[0] != WEIR_NONE)
    add_node (all, node, WEIR_OP_IDENTITY, &value, 1, node->dst, 1, NULL, 0);
  return true;
}

/* --- the operators --- */

static bool take_construct (WeirOnnxSequences *all, const WeirNode *node, GError **error)
{
  for (uint32_t i = 0; i < node->n_src; i++)
    if (node->src[i] == WEIR_NONE)
      return refuse (all, node, error, "an item is missing");
  return set_items (all, node, node->src, node->n_src, error);
}

/* The items of input 0. NULL where they are not known one by one. */
static const GArray *find_items (WeirOnnxSequences *all, const WeirNode *node, GError **error)
{
  const Sequence *sequence = find_sequence (all, node, 0, error);
  if (sequence && sequence->tensor != WEIR_NONE)
    refuse (all, node, error, "the length of its sequence depends on data");
  return sequence && sequence->tensor == WEIR_NONE ? sequence->items : NULL;
}

/* To be changed. */
static GArray *copy_items (WeirOnnxSequences *all, const WeirNode *node, GError **error)
{
  const GArray *items = find_items (all, node, error);
  return items && charge (all, node, items->len, error) ? g_array_copy ((GArray *) items) : NULL;
}

static bool take_insert (WeirOnnxSequences *all, const WeirNode *node, GError **error)
{
  g_autoptr (GArray) items = copy_items (all, node, error);
  uint32_t item = src_at (node, 1);
  int64_t place;
  if (!items || !read_place (all, node, 2, items->len, (int64_t) items->len + 1, &place, error))
    return false;
  if (item == WEIR_NONE)
    return refuse (all, node, error, "an item is missing");
  g_array_insert_val (items, (guint) place, item);
  return set_items (all, node, (const uint32_t *) (void *) items->data, items->len, error);
}

static bool take_erase (WeirOnnxSequences *all, const WeirNode *node, GError **error)
{
  g_autoptr (GArray) items = copy_items (all, node, error);
  int64_t place;
  if (!items || !read_place (all, node, 1, items->len, items->len, &place, error))
    return false;
  g_array_remove_index (items, (guint) place);
  return set_items (all, node, (const uint32_t *) (void *) items->data, items->len, error);
}

/* One part of a tensor whose number of parts is not known: counted from the front, or the last
 * ones where each is one element. */
static bool take_part (
    WeirOnnxSequences *all, const WeirNode *node, const Sequence *sequence, GError **error)
{
  int64_t place, first, end;
  if (!read_number (all, node, 1, 0, &place, error))
    return false;
  if ((place < 0 && sequence->part != 1) || place < -INT32_MAX || place > INT32_MAX)
    return refuse (all, node, error, "its place in the sequence depends on data");
  first = place * sequence->part;
  end = place == -1 ? INT64_MAX : first + sequence->part;
  WeirAttr attrs[] = { ints_attr (all, "starts", &first, 1), ints_attr (all, "ends", &end, 1),
    ints_attr (all, "axes", &sequence->axis, 1) };
  uint32_t tensor = sequence->tensor, part = new_value (all, node);
  int64_t axis = sequence->axis;
  bool keeps_axis = sequence->keeps_axis;
  add_node (all, node, WEIR_OP_SLICE, &tensor, 1, &part, 1, attrs, G_N_ELEMENTS (attrs));
  return forward (
      all, node, keeps_axis ? part : change_axis (all, node, WEIR_OP_SQUEEZE, part, axis));
}

static bool take_at (WeirOnnxSequences *all, const WeirNode *node, GError **error)
{
  const Sequence *sequence = find_sequence (all, node, 0, error);
  int64_t place;
  if (!sequence)
    return false;
  if (src_at (node, 1) == WEIR_NONE)
    return refuse (all, node, error, "its place is missing");
  if (sequence->tensor != WEIR_NONE)
    return take_part (all, node, sequence, error);
  if (!read_place (all, node, 1, sequence->items->len, sequence->items->len, &place, error))
    return false;
  return forward (all, node, g_array_index (sequence->items, uint32_t, (guint) place));
}

static bool take_length (WeirOnnxSequences *all, const WeirNode *node, GError **error)
{
  const GArray *items = find_items (all, node, error);
  if (!items)
    return false;
  WeirAttr value = int_attr ("value_int", items->len);
  add_node (all, node, WEIR_OP_CONSTANT, NULL, 0, node->dst, node->n_dst, &value, 1);
  return true;
}

static bool take_concat (WeirOnnxSequences *all, const WeirNode *node, GError **error)
{
  g_autoptr (GArray) items = copy_items (all, node, error);
  int64_t given = weir_node_int (node, "axis", 0);
  if (!items)
    return false;
  if (!items->len)
    return refuse (all, node, error, "its sequence is empty");
  for (guint i = 0; weir_node_int (node, "new_axis", 0) && i < items->len; i++) {
    uint32_t *item = &g_array_index (items, uint32_t, i);
    *item = change_axis (all, node, WEIR_OP_UNSQUEEZE, *item, given);
  }
  WeirAttr axis = int_attr ("axis", given);
  add_node (all, node, WEIR_OP_CONCAT, (uint32_t *) (void *) items->data, items->len, node->dst,
      node->n_dst, &axis, 1);
  return true;
}

/* What a file says of a tensor's size along an axis; -1 where it says nothing. */
static int64_t known_dim (const WeirGraph *graph, uint32_t id, int64_t axis)
{
  const WeirTensor *tensor = &weir_graph_value (graph, id)->tensor;
  int64_t rank = tensor->dtype == WEIR_DTYPE_NONE ? 0 : tensor->rank;
  axis += axis < 0 ? rank : 0;
  return axis >= 0 && axis < rank ? tensor->dims[axis] : -1;
}

/* n parts as a Split; `sizes` is a value or WEIR_NONE: then all have `part` elements but the last
 * of `dim`. */
static bool split_into (WeirOnnxSequences *all, const WeirNode *node, uint32_t sizes, int64_t n,
    const Sequence *cut, int64_t dim, GError **error)
{
  if (n < 1 || n > MAX_ITEMS)
    return refuse (all, node, error, "it makes no parts, or too many");
  if (!charge (all, node, (size_t) n, error))
    return false;
  g_autofree uint32_t *parts = g_new (uint32_t, (size_t) n);
  g_autofree int64_t *list = g_new (int64_t, (size_t) n);
  for (int64_t i = 0; i < n; i++) {
    parts[i] = new_value (all, node);
    list[i] = MIN (cut->part, dim - i * cut->part);
  }
  uint32_t src[2] = { cut->tensor, sizes };
  bool is_given = sizes != WEIR_NONE;
  WeirAttr attrs[2] = { int_attr ("axis", cut->axis) };
  if (!is_given)
    attrs[1] = ints_attr (all, "split", list, (size_t) n);
  add_node (
      all, node, WEIR_OP_SPLIT, src, is_given ? 2 : 1, parts, (size_t) n, attrs, is_given ? 1 : 2);
  for (int64_t i = 0; !cut->keeps_axis && i < n; i++)
    parts[i] = change_axis (all, node, WEIR_OP_SQUEEZE, parts[i], cut->axis);
  return set_items (all, node, parts, (size_t) n, error);
}

/* `split` is a list of sizes, one size for all, or not there: then each part is one element, and
 * keepdims counts. */
static bool take_split (WeirOnnxSequences *all, const WeirNode *node, GError **error)
{
  uint32_t sizes = src_at (node, 1);
  Sequence cut = { .tensor = src_at (node, 0), .axis = weir_node_int (node, "axis", 0), .part = 1 };
  cut.keeps_axis = sizes != WEIR_NONE || weir_node_int (node, "keepdims", 1) != 0;
  if (cut.tensor == WEIR_NONE)
    return refuse (all, node, error, "its input is missing");
  if (sizes != WEIR_NONE) {
    const WeirTensor *constant = find_constant (all->graph, sizes);
    const WeirTensor *tensor = constant ? constant : &weir_graph_value (all->graph, sizes)->tensor;
    if (tensor->dtype != WEIR_DTYPE_NONE && tensor->rank == 1)
      return split_into (all, node, sizes, tensor->dims[0], &cut, 0, error);
    if (!read_number (all, node, 1, 1, &cut.part, error))
      return false;
  }
  int64_t dim = known_dim (all->graph, cut.tensor, cut.axis);
  if (cut.part < 1 || cut.part > INT32_MAX)
    return refuse (all, node, error, "the size of its parts is out of range");
  if (dim >= 0)
    return split_into (all, node, WEIR_NONE, (dim - 1) / cut.part + (dim > 0), &cut, dim, error);
  Sequence *sequence = add_sequence (all, node);
  cut.items = sequence->items;
  *sequence = cut;
  return true;
}

static bool take_empty (WeirOnnxSequences *all, const WeirNode *node, GError **error)
{
  add_sequence (all, node);
  return true;
}

static bool take_identity (WeirOnnxSequences *all, const WeirNode *node, GError **error)
{
  const Sequence *from = find_sequence (all, node, 0, error);
  g_autoptr (GArray) items = from ? g_array_ref (from->items) : NULL;
  if (!from)
    return false;
  Sequence copy = *from;
  Sequence *sequence = add_sequence (all, node);
  g_array_unref (sequence->items);
  *sequence = copy;
  sequence->items = g_steal_pointer (&items);
  return true;
}

static const struct {
  const char *name;
  bool (*take) (WeirOnnxSequences *all, const WeirNode *node, GError **error);
} operators[] = {
  { "ConcatFromSequence", take_concat },
  { "SequenceAt", take_at },
  { "SequenceConstruct", take_construct },
  { "SequenceEmpty", take_empty },
  { "SequenceErase", take_erase },
  { "SequenceInsert", take_insert },
  { "SequenceLength", take_length },
  { "SplitToSequence", take_split },
};

static size_t find_operator (const Onnx__NodeProto *proto)
{
  size_t i = 0;
  bool is_named = proto->op_type && weir_onnx_is_domain (proto->domain);
  while (i < G_N_ELEMENTS (operators) && (!is_named || strcmp (proto->op_type, operators[i].name)))
    i++;
  return i;
}

bool weir_onnx_is_sequence_operator (const Onnx__NodeProto *proto)
{
  return find_operator (proto) < G_N_ELEMENTS (operators);
}

bool weir_onnx_sequences_want (
    const WeirOnnxSequences *all, const Onnx__NodeProto *proto, const WeirNode *node)
{
  uint32_t id = src_at (node, 0);
  return weir_onnx_is_sequence_operator (proto) ||
         (node->op == WEIR_OP_IDENTITY && id != WEIR_NONE &&
             g_hash_table_contains (all->by_value, GUINT_TO_POINTER (id)));
}

bool weir_onnx_sequences_take (
    WeirOnnxSequences *all, const Onnx__NodeProto *proto, const WeirNode *node, GError **error)
{
  size_t i = find_operator (proto);
  all->operator_name = i == G_N_ELEMENTS (operators) ? "Identity" : operators[i].name;
  if (i == G_N_ELEMENTS (operators))
    return take_identity (all, node, error);
  if (node->n_dst != 1 || node->dst[0] == WEIR_NONE)
    return refuse (all, node, error, "it has not one result");
  return operators[i].take (all, node, error);
}
