/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Concat of channels, channel shuffle and Split or Slice in a row, as ShuffleNets have them: one
 * ChannelGather that picks each channel where the Concat would take it from. */
#include "engine/graph/fuse.h"
#include "engine/graph/geometry.h"

#include <string.h>

#define MAX_CHANNELS 4096
#define MAX_SOURCES  8

/* One channel of a value. */
typedef struct Pick {
  uint32_t value;
  int64_t channel;
} Pick;

static bool is_by_channel (const WeirFuse *fuse, const WeirNode *node)
{
  int64_t rank = weir_fuse_shape (fuse, node->src[0])->rank;
  int64_t axis = weir_node_int (node, "axis", node->op == WEIR_OP_CONCAT ? 1 : 0);
  return rank >= 3 && (axis == 1 || axis == 1 - rank);
}

/* Follows a channel through what only moves it. */
static Pick trace (const WeirFuse *fuse, Pick pick)
{
  for (;;) {
    const WeirNode *node = weir_fuse_producer (fuse, pick.value);
    if (node && node->op == WEIR_OP_CHANNEL_SHUFFLE) {
      int64_t group = weir_node_int (node, "group", 1);
      int64_t n = weir_fuse_shape (fuse, node->src[0])->dims[1] / group;
      pick = (Pick){ node->src[0], pick.channel % group * n + pick.channel / group };
    } else if (node && node->op == WEIR_OP_CONCAT && is_by_channel (fuse, node)) {
      uint32_t i = 0;
      while (pick.channel >= weir_fuse_shape (fuse, node->src[i])->dims[1])
        pick.channel -= weir_fuse_shape (fuse, node->src[i++])->dims[1];
      pick.value = node->src[i];
    } else {
      return pick;
    }
  }
}

/* A Slice of channels alone, at any n. */
static bool read_slice (const WeirFuse *fuse, const WeirNode *node, WeirSlice *slice)
{
  WeirTensor src[5] = { { 0 } };
  const WeirTensor *dst = weir_fuse_shape (fuse, node->dst[0]);
  const WeirShapes *two = fuse->shapes_two;
  for (uint32_t i = 0; i < MIN (node->n_src, G_N_ELEMENTS (src)); i++)
    if (node->src[i] != WEIR_NONE)
      src[i] = *weir_fuse_shape (fuse, node->src[i]);
  WeirShapeJob job = { .graph = fuse->graph, .node = node, .src = src };
  if (src[0].rank < 3 || src[0].buffer || !weir_slice_resolve (&job, slice, NULL) ||
      (two && two->values[node->src[0]].dims[0] != two->values[node->dst[0]].dims[0]))
    return false;
  for (uint32_t i = 0; i < src[0].rank; i++)
    if (i != 1 && (slice->start[i] != 0 || slice->step[i] != 1 || dst->dims[i] != src[0].dims[i]))
      return false;
  return true;
}

/* Which of its source's channels the node's results are made of, one after the other. */
static int64_t *list_channels (const WeirFuse *fuse, const WeirNode *node, uint32_t *n)
{
  WeirSlice slice = { .step = { 1, 1 } };
  *n = 0;
  for (uint32_t i = 0; i < node->n_dst; i++) {
    int64_t dim = node->dst[i] == WEIR_NONE ? 0 : weir_fuse_shape (fuse, node->dst[i])->dims[1];
    if (dim < 1 || dim > MAX_CHANNELS || *n + dim > MAX_CHANNELS)
      return NULL;
    *n += (uint32_t) dim;
  }
  if (node->op == WEIR_OP_SLICE ? !read_slice (fuse, node, &slice)
                                : node->op == WEIR_OP_SPLIT && !is_by_channel (fuse, node))
    return NULL;
  int64_t *channels = weir_arena_new_array (fuse->graph->arena, int64_t, *n);
  for (uint32_t i = 0; i < *n; i++)
    channels[i] = slice.start[1] + i * slice.step[1];
  return channels;
}

/* Replaces channels of the source by channels of the sources that it is put together from, as if
 * those were concatenated. Returns their number, 0 where it is not put together. */
static uint32_t find_sources (const WeirFuse *fuse, const WeirNode *node, int64_t *channels,
    uint32_t n, uint32_t sources[MAX_SOURCES])
{
  uint32_t whole = node->op == WEIR_OP_CHANNEL_SHUFFLE ? node->dst[0] : node->src[0];
  int64_t first[MAX_SOURCES + 1] = { 0 };
  uint32_t n_sources = 0;
  for (uint32_t i = 0; i < n; i++) {
    Pick pick = trace (fuse, (Pick){ whole, channels[i] });
    uint32_t k = 0;
    while (k < n_sources && sources[k] != pick.value)
      k++;
    if (k == MAX_SOURCES || weir_fuse_shape (fuse, pick.value)->buffer)
      return 0;
    if (k == n_sources) {
      sources[n_sources++] = pick.value;
      first[k + 1] = first[k] + weir_fuse_shape (fuse, pick.value)->dims[1];
    }
    channels[i] = first[k] + pick.channel;
  }
  return n_sources;
}

static bool gather (WeirFuse *fuse, WeirNode *node)
{
  uint32_t n, sources[MAX_SOURCES];
  const WeirNode *before = weir_fuse_producer (fuse, node->src[0]);
  if (!before || (before->op != WEIR_OP_CONCAT && before->op != WEIR_OP_CHANNEL_SHUFFLE))
    return false;
  int64_t *channels = list_channels (fuse, node, &n);
  uint32_t n_sources = channels ? find_sources (fuse, node, channels, n, sources) : 0;
  if (n_sources == 0 || sources[0] == node->src[0])
    return false;
  WeirAttr *attrs = weir_arena_new_array (fuse->graph->arena, WeirAttr, 2);
  int64_t *split = weir_arena_new_array (fuse->graph->arena, int64_t, node->n_dst);
  for (uint32_t i = 0; i < node->n_dst; i++)
    split[i] = weir_fuse_shape (fuse, node->dst[i])->dims[1];
  attrs[0] = (WeirAttr){ .name = "channels", .kind = WEIR_ATTR_INTS, .n = n, .ints = channels };
  attrs[1] = (WeirAttr){ .name = "split", .kind = WEIR_ATTR_INTS, .n = node->n_dst, .ints = split };
  *node = (WeirNode){ .op = WEIR_OP_CHANNEL_GATHER,
    .opset = node->opset,
    .name = node->name,
    .n_src = n_sources,
    .n_dst = node->n_dst,
    .src = weir_arena_memdup (fuse->graph->arena, sources, n_sources * sizeof *sources),
    .dst = node->dst,
    .n_attrs = 2,
    .attrs = attrs };
  return true;
}

bool weir_fuse_parts (WeirFuse *fuse, uint32_t id)
{
  WeirNode *node = weir_graph_node (fuse->graph, id);
  return (node->op == WEIR_OP_SPLIT || node->op == WEIR_OP_SLICE) && !node->n_post &&
         gather (fuse, node);
}

bool weir_fuse_shuffled (WeirFuse *fuse, uint32_t id)
{
  WeirNode *node = weir_graph_node (fuse->graph, id);
  return node->op == WEIR_OP_CHANNEL_SHUFFLE && !node->n_post && gather (fuse, node);
}
