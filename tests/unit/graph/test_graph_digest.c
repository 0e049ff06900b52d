/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Digests: equal for what is equal, another for every single change. */
#include "engine/graph/graph_digest.h"
#include "tests/run_suite.h"
#include <string.h>

#define N_BYTES 100

static char *text_of (const void *bytes, size_t n_bytes)
{
  WeirDigest digest = WEIR_DIGEST_INIT;
  weir_digest_add (&digest, bytes, n_bytes);
  return weir_digest_text (&digest);
}

/* Every bit, every length, wherever the bytes lie. */
START_TEST (test_digest_bits_and_lengths)
{
  uint8_t bytes[N_BYTES + 8] = { 0 };
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  for (size_t n = 0; n <= N_BYTES; n++)
    ck_assert (g_hash_table_add (seen, text_of (bytes, n)));
  for (size_t bit = 0; bit < 8 * N_BYTES; bit++) {
    bytes[bit / 8] ^= (uint8_t) (1u << bit % 8);
    ck_assert (g_hash_table_add (seen, text_of (bytes, N_BYTES)));
    bytes[bit / 8] ^= (uint8_t) (1u << bit % 8);
  }
  for (size_t offset = 0; offset < 8; offset++)
    ck_assert (!g_hash_table_add (seen, text_of (bytes + offset, N_BYTES)));
}
END_TEST

START_TEST (test_digest_keeps_parts_apart)
{
  static const char *const parts[][2] = { { "ab", "c" }, { "a", "bc" }, { "", "abc" },
    { "abc", "" }, { NULL, "abc" }, { "abc", NULL }, { "c", "ab" } };
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  for (uint32_t i = 0; i < G_N_ELEMENTS (parts); i++) {
    WeirDigest digest = WEIR_DIGEST_INIT;
    weir_digest_add_text (&digest, parts[i][0]);
    weir_digest_add_text (&digest, parts[i][1]);
    ck_assert (g_hash_table_add (seen, weir_digest_text (&digest)));
  }
}
END_TEST

static int64_t pads[] = { 1, 2 };
static float numbers[] = { 0.5f, 1 };
static uint8_t weights[] = { 1, 2, 3 };

/* One of everything that a graph is made of. */
static WeirGraph *make_graph (void)
{
  WeirGraph *graph = weir_graph_new ("net");
  WeirTensor constant = { .dtype = WEIR_DTYPE_U8, .rank = 1, .dims = { 3 }, .buffer = weights };
  const WeirAttr attrs[] = { { .name = "i", .kind = WEIR_ATTR_INT, .n = 1, .i = 7 },
    { .name = "f", .kind = WEIR_ATTR_FLOAT, .n = 1, .f = 7 },
    { .name = "s", .kind = WEIR_ATTR_STRING, .n = 1, .s = "seven" },
    { .name = "n", .kind = WEIR_ATTR_INTS, .n = 2, .ints = pads },
    { .name = "g", .kind = WEIR_ATTR_FLOATS, .n = 2, .floats = numbers },
    { .name = "t", .kind = WEIR_ATTR_TENSOR, .n = 1, .tensor = constant } };
  uint32_t x = weir_graph_add_value (graph, "x"), y = weir_graph_add_value (graph, "y");
  uint32_t src[] = { x, weir_graph_add_constant (graph, "w", &constant) };
  weir_graph_value (graph, x)->tensor =
      (WeirTensor){ .dtype = WEIR_DTYPE_F32, .rank = 2, .dims = { -1, 3 } };
  WeirNode node = { .op = WEIR_OP_CONV,
    .opset = 13,
    .name = "conv",
    .n_src = 2,
    .src = src,
    .n_dst = 1,
    .dst = &y,
    .n_attrs = G_N_ELEMENTS (attrs),
    .attrs = weir_arena_memdup (graph->arena, attrs, sizeof attrs),
    .n_post = 1,
    .post = { { .op = WEIR_OP_CLIP, .alpha = 0, .beta = 6, .src = WEIR_NONE } } };
  weir_graph_add_node (graph, &node);
  g_array_append_val (graph->inputs, x);
  g_array_append_val (graph->outputs, y);
  return graph;
}

static int64_t other_pads[] = { 1, 3 };
static float other_numbers[] = { 0.5f, 2 };
static uint8_t other_weights[] = { 1, 2, 4 };

typedef void (*ChangeFn) (WeirGraph *graph, WeirNode *node, WeirAttr *attrs);

#define CHANGE(name, statement)                                                 \
  static void change_##name (WeirGraph *graph, WeirNode *node, WeirAttr *attrs) \
  {                                                                             \
    statement;                                                                  \
  }
CHANGE (op, node->op = WEIR_OP_CONV_TRANSPOSE)
CHANGE (opset, node->opset = 1)
CHANGE (src, node->src[0] = WEIR_NONE)
CHANGE (n_src, node->n_src = 1)
CHANGE (dst, node->dst[0] = WEIR_NONE)
CHANGE (n_attrs, node->n_attrs--)
CHANGE (attr_name, attrs[0].name = "k")
CHANGE (attr_int, attrs[0].i = 8)
CHANGE (attr_float, attrs[1].f = -7)
CHANGE (attr_string, attrs[2].s = "eight")
CHANGE (attr_ints, attrs[3].ints = other_pads)
CHANGE (attr_floats, attrs[4].floats = other_numbers)
CHANGE (attr_tensor, attrs[5].tensor.buffer = other_weights)
CHANGE (n_post, node->n_post = 0)
CHANGE (post_op, node->post[0].op = WEIR_OP_RELU)
CHANGE (post_alpha, node->post[0].alpha = -1)
CHANGE (post_beta, node->post[0].beta = 1)
CHANGE (post_src, node->post[0].src = 0)
CHANGE (weights, weir_graph_value (graph, node->src[1])->tensor.buffer = other_weights)
CHANGE (dtype, weir_graph_value (graph, node->src[1])->tensor.dtype = WEIR_DTYPE_I8)
CHANGE (dims, weir_graph_value (graph, node->src[0])->tensor.dims[1] = 4)
CHANGE (axis, weir_graph_value (graph, node->src[0])->batch_axis = 1)
CHANGE (inputs, g_array_set_size (graph->inputs, 0))
CHANGE (outputs, g_array_set_size (graph->outputs, 0))
CHANGE (batch, graph->has_batch = true)

static const ChangeFn changes[] = { change_op, change_opset, change_src, change_n_src, change_dst,
  change_n_attrs, change_attr_name, change_attr_int, change_attr_float, change_attr_string,
  change_attr_ints, change_attr_floats, change_attr_tensor, change_n_post, change_post_op,
  change_post_alpha, change_post_beta, change_post_src, change_weights, change_dtype, change_dims,
  change_axis, change_inputs, change_outputs, change_batch };

static char *graph_text (const WeirGraph *graph)
{
  WeirDigest digest = WEIR_DIGEST_INIT;
  weir_graph_digest (graph, &digest);
  return weir_digest_text (&digest);
}

START_TEST (test_graph_digest_tells_changes)
{
  g_autoptr (WeirGraph) graph = make_graph (), changed = make_graph ();
  g_autofree char *before = graph_text (graph), *same = graph_text (changed);
  ck_assert_str_eq (before, same);
  WeirNode *node = weir_graph_node (changed, 0);
  changes[_i](changed, node, node->attrs);
  g_autofree char *after = graph_text (changed);
  ck_assert_str_ne (before, after);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("graph_digest");
  TCase *tcase = tcase_create ("graph_digest");
  tcase_add_test (tcase, test_digest_bits_and_lengths);
  tcase_add_test (tcase, test_digest_keeps_parts_apart);
  tcase_add_loop_test (tcase, test_graph_digest_tells_changes, 0, G_N_ELEMENTS (changes));
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
