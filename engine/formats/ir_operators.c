/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of layer types: which operator each is in which version, and how it is converted. */
#include "engine/formats/ir_private.h"

#include <string.h>

#define MAX_ATTRS     32
#define MAX_LIST      4096

#define CONVERT(name) weir_ir_convert_##name
#define UNARY(type, op)                      \
  {                                          \
    type, 1, 0, WEIR_OP_##op, 13, NULL, NULL \
  }
#define BINARY(type, op)                                 \
  {                                                      \
    type, 1, 0, WEIR_OP_##op, 14, NULL, CONVERT (binary) \
  }
#define REDUCE(type, op)                                 \
  {                                                      \
    type, 1, 0, WEIR_OP_##op, 18, NULL, CONVERT (reduce) \
  }
#define BY(type, op, name)                            \
  {                                                   \
    type, 1, 0, WEIR_OP_##op, 0, NULL, CONVERT (name) \
  }

#define PS_ROI_ATTRS \
  "output_dim:i group_size:i spatial_scale:f spatial_bins_x:i spatial_bins_y:i mode:s"

/* Rows of one type stand together, and all in alphabetic order of the type, case aside. */
static const WeirIrOperator operators[] = {
  UNARY ("Abs", ABS),
  UNARY ("Acos", ACOS),
  UNARY ("Acosh", ACOSH),
  BY ("AdaptiveAvgPool", OV_ADAPTIVE_AVG_POOL, adaptive_pool),
  { "AdaptiveMaxPool", 1, 0, WEIR_OP_OV_ADAPTIVE_MAX_POOL, 0, "index_element_type:s",
      CONVERT (adaptive_pool) },
  BINARY ("Add", ADD),
  UNARY ("Asin", ASIN),
  UNARY ("Asinh", ASINH),
  UNARY ("Atan", ATAN),
  UNARY ("Atanh", ATANH),
  BY ("AvgPool", AVERAGE_POOL, avg_pool),
  BY ("BatchNormInference", BATCH_NORMALIZATION, batch_norm),
  BY ("BatchToSpace", SLICE, batch_to_space),
  BINARY ("BitwiseAnd", BITWISE_AND),
  UNARY ("BitwiseNot", BITWISE_NOT),
  BINARY ("BitwiseOr", BITWISE_OR),
  BINARY ("BitwiseXor", BITWISE_XOR),
  BY ("Broadcast", EXPAND, broadcast),
  { "Bucketize", 1, 0, WEIR_OP_OV_BUCKETIZE, 0, "output_type:s with_right_bound:i", NULL },
  UNARY ("Ceiling", CEIL),
  BY ("Clamp", CLIP, clamp),
  { "Concat", 1, 0, WEIR_OP_CONCAT, 13, "axis:i", NULL },
  BY ("Convert", CAST, convert),
  BY ("ConvertLike", CAST, convert_like),
  BY ("Convolution", CONV, convolution),
  BY ("ConvolutionBackpropData", CONV_TRANSPOSE, backprop),
  UNARY ("Cos", COS),
  UNARY ("Cosh", COSH),
  { "CTCGreedyDecoder", 1, 0, WEIR_OP_OV_CTC_GREEDY_DECODER, 0, "ctc_merge_repeated:i", NULL },
  { "CTCGreedyDecoderSeqLen", 1, 0, WEIR_OP_OV_CTC_GREEDY_DECODER_SEQ_LEN, 0,
      "merge_repeated:i classes_index_type:s sequence_length_type:s", CONVERT (ctc_seq_len) },
  BY ("CumSum", CUM_SUM, cum_sum),
  { "DeformablePSROIPooling", 1, 0, WEIR_OP_OV_DEFORMABLE_PS_ROI_POOLING, 0,
      PS_ROI_ATTRS " trans_std:f part_size:i", NULL },
  BY ("DepthToSpace", DEPTH_TO_SPACE, depth_to_space),
  { "DetectionOutput", 1, 0, WEIR_OP_OV_DETECTION_OUTPUT, 0,
      "num_classes:i background_label_id:i top_k:i keep_top_k:I code_type:s "
      "variance_encoded_in_target:i share_location:i nms_threshold:f confidence_threshold:f "
      "clip_after_nms:i clip_before_nms:i decrease_label_id:i normalized:i input_height:i "
      "input_width:i objectness_score:f",
      NULL },
  BY ("Divide", DIV, divide),
  { "Einsum", 1, 0, WEIR_OP_EINSUM, 12, "equation:s", NULL },
  { "Elu", 1, 0, WEIR_OP_ELU, 6, "alpha:f", NULL },
  BINARY ("Equal", EQUAL),
  UNARY ("Erf", ERF),
  UNARY ("Exp", EXP),
  { "ExtractImagePatches", 1, 0, WEIR_OP_OV_EXTRACT_IMAGE_PATCHES, 0,
      "sizes:I strides:I rates:I auto_pad:s", NULL },
  { "FakeQuantize", 1, 0, WEIR_OP_OV_FAKE_QUANTIZE, 0, "levels:i auto_broadcast:s", NULL },
  UNARY ("Floor", FLOOR),
  BY ("FloorMod", MOD, floor_mod),
  BY ("Gather", GATHER, gather),
  BY ("GatherElements", GATHER_ELEMENTS, gather_elements),
  BY ("GatherND", GATHER_ND, gather_nd),
  BY ("Gelu", GELU, gelu),
  BINARY ("Greater", GREATER),
  BINARY ("GreaterEqual", GREATER_OR_EQUAL),
  { "GridSample", 1, 0, WEIR_OP_GRID_SAMPLE, 16, "align_corners:i mode:s padding_mode:s", NULL },
  { "GRN", 1, 0, WEIR_OP_OV_GRN, 0, "bias:f", NULL },
  BY ("GroupConvolution", CONV, group_convolution),
  BY ("GroupConvolutionBackpropData", CONV_TRANSPOSE, group_backprop),
  { "GroupNormalization", 1, 0, WEIR_OP_GROUP_NORMALIZATION, 21, "num_groups:i epsilon:f", NULL },
  BY ("HardSigmoid", HARD_SIGMOID, hard_sigmoid),
  BY ("HSigmoid", HARD_SIGMOID, h_sigmoid),
  UNARY ("HSwish", HARD_SWISH),
  UNARY ("Identity", IDENTITY),
  { "Interpolate", 1, 0, WEIR_OP_OV_INTERPOLATE, 0,
      "axes:I align_corners:i mode:s shape_calculation_mode:s coordinate_transformation_mode:s "
      "nearest_mode:s antialias:i pads_begin:I pads_end:I cube_coeff:f",
      CONVERT (interpolate) },
  BY ("IsFinite", NOT, is_finite),
  { "IsInf", 1, 0, WEIR_OP_IS_INF, 10, "detect_negative:i=1 detect_positive:i=1", NULL },
  UNARY ("IsNaN", IS_NAN),
  BINARY ("Less", LESS),
  BINARY ("LessEqual", LESS_OR_EQUAL),
  UNARY ("Log", LOG),
  BINARY ("LogicalAnd", AND),
  UNARY ("LogicalNot", NOT),
  BINARY ("LogicalOr", OR),
  BINARY ("LogicalXor", XOR),
  { "LogSoftmax", 1, 0, WEIR_OP_LOG_SOFTMAX, 13, "axis:i=1", NULL },
  BY ("LRN", LRN, lrn),
  BY ("MatMul", MAT_MUL, mat_mul),
  BINARY ("Maximum", MAX),
  BY ("MaxPool", MAX_POOL, max_pool),
  BINARY ("Minimum", MIN),
  UNARY ("Mish", MISH),
  BY ("Mod", MOD, mod),
  BINARY ("Multiply", MUL),
  { "MVN", 1, 0, WEIR_OP_OV_MVN, 0, "eps:f normalize_variance:i across_channels:i eps_mode:s",
      NULL },
  UNARY ("Negative", NEG),
  { "NonMaxSuppression", 1, 0, WEIR_OP_OV_NON_MAX_SUPPRESSION, 0,
      "box_encoding:s sort_result_descending:i output_type:s", NULL },
  BY ("NonZero", NON_ZERO, non_zero),
  { "NormalizeL2", 1, 0, WEIR_OP_OV_NORMALIZE_L2, 0, "eps:f eps_mode:s", NULL },
  BY ("NotEqual", NOT, not_equal),
  BY ("OneHot", ONE_HOT, one_hot),
  BY ("Pad", PAD, pad),
  BINARY ("Power", POW),
  BY ("PReLU", PRELU, prelu),
  { "PriorBox", 1, 0, WEIR_OP_OV_PRIOR_BOX, 0,
      "min_size:F max_size:F aspect_ratio:F density:F fixed_ratio:F fixed_size:F flip:i clip:i "
      "step:f offset:f variance:F scale_all_sizes:i min_max_aspect_ratios_order:i",
      NULL },
  { "PriorBoxClustered", 1, 0, WEIR_OP_OV_PRIOR_BOX_CLUSTERED, 0,
      "width:F height:F clip:i step:f step_w:f step_h:f offset:f variance:F", NULL },
  { "Proposal", 1, 0, WEIR_OP_OV_PROPOSAL, 0,
      "base_size:f pre_nms_topn:i post_nms_topn:i nms_thresh:f feat_stride:f min_size:f ratio:F "
      "scale:F clip_before_nms:i clip_after_nms:i normalize:i box_size_scale:f "
      "box_coordinate_scale:f framework:s",
      NULL },
  { "PSROIPooling", 1, 0, WEIR_OP_OV_PS_ROI_POOLING, 0, PS_ROI_ATTRS, NULL },
  BY ("Range", RANGE, range),
  REDUCE ("ReduceL1", REDUCE_L1),
  REDUCE ("ReduceL2", REDUCE_L2),
  BY ("ReduceLogicalAnd", REDUCE_MIN, logical_reduce),
  BY ("ReduceLogicalOr", REDUCE_MAX, logical_reduce),
  REDUCE ("ReduceMax", REDUCE_MAX),
  REDUCE ("ReduceMean", REDUCE_MEAN),
  REDUCE ("ReduceMin", REDUCE_MIN),
  REDUCE ("ReduceProd", REDUCE_PROD),
  REDUCE ("ReduceSum", REDUCE_SUM),
  { "RegionYolo", 1, 0, WEIR_OP_OV_REGION_YOLO, 0,
      "axis:i end_axis:i coords:i classes:i num:i do_softmax:i mask:I anchors:F", NULL },
  UNARY ("ReLU", RELU),
  { "ReorgYolo", 1, 0, WEIR_OP_OV_REORG_YOLO, 0, "stride:I", NULL },
  BY ("Reshape", RESHAPE, reshape),
  BY ("Reverse", SLICE, reverse),
  BY ("ReverseSequence", REVERSE_SEQUENCE, reverse_sequence),
  { "ROIAlign", 1, 0, WEIR_OP_OV_ROI_ALIGN, 0,
      "pooled_h:i pooled_w:i sampling_ratio:i spatial_scale:f mode:s aligned_mode:s", NULL },
  { "ROIPooling", 1, 0, WEIR_OP_OV_ROI_POOLING, 0,
      "pooled_h:i pooled_w:i output_roi:I output_size:I spatial_scale:f method:s", NULL },
  BY ("Round", ROUND, round),
  BY ("ScatterElementsUpdate", SCATTER_ELEMENTS, scatter_elements),
  BY ("ScatterNDUpdate", SCATTER_ND, scatter_nd),
  BY ("ScatterUpdate", SCATTER_ND, scatter_update),
  BY ("Select", WHERE, select),
  BY ("Selu", SELU, selu),
  BY ("ShapeOf", SHAPE, shape_of),
  { "ShuffleChannels", 1, 0, WEIR_OP_OV_SHUFFLE_CHANNELS, 0, "axis:i group:i",
      CONVERT (shuffle_channels) },
  UNARY ("Sigmoid", SIGMOID),
  UNARY ("Sign", SIGN),
  UNARY ("Sin", SIN),
  UNARY ("Sinh", SINH),
  BY ("Slice", SLICE, slice),
  { "SoftMax", 1, 0, WEIR_OP_SOFTMAX, 13, "axis:i=1", NULL },
  UNARY ("SoftPlus", SOFTPLUS),
  UNARY ("SoftSign", SOFTSIGN),
  BY ("SpaceToBatch", RESHAPE, space_to_batch),
  BY ("SpaceToDepth", SPACE_TO_DEPTH, space_to_depth),
  BY ("Split", SPLIT, split),
  UNARY ("Sqrt", SQRT),
  BY ("SquaredDifference", MUL, squared_difference),
  BY ("Squeeze", SQUEEZE, squeeze),
  { "StridedSlice", 1, 0, WEIR_OP_OV_STRIDED_SLICE, 0,
      "begin_mask:I end_mask:I new_axis_mask:I shrink_axis_mask:I ellipsis_mask:I",
      CONVERT (strided_slice) },
  BINARY ("Subtract", SUB),
  BY ("Swish", SWISH, swish),
  UNARY ("Tan", TAN),
  UNARY ("Tanh", TANH),
  BY ("Tile", TILE, tile),
  { "TopK", 1, 0, WEIR_OP_OV_TOP_K, 0, "axis:i mode:s sort:s index_element_type:s",
      CONVERT (top_k) },
  BY ("Transpose", TRANSPOSE, transpose),
  BY ("Unsqueeze", UNSQUEEZE, unsqueeze),
  BY ("VariadicSplit", SPLIT, variadic_split),
};

const WeirIrOperator *weir_ir_operator (const WeirIrLayer *layer)
{
  size_t low = 0, high = G_N_ELEMENTS (operators);
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (g_ascii_strcasecmp (operators[middle].type, layer->type) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  for (; low < G_N_ELEMENTS (operators); low++) {
    const WeirIrOperator *row = &operators[low];
    if (g_ascii_strcasecmp (row->type, layer->type) != 0)
      break;
    if (layer->opset >= row->since && (!row->until || layer->opset <= row->until))
      return row;
  }
  return NULL;
}

static bool value_error (WeirIrJob *job, const char *name, const char *text)
{
  return ir_malformed (job, "attribute '%s' is '%s', which is of another kind", name, text);
}

/* A list, in the arena. */
static bool parse_list (WeirIrJob *job, const char *name, const char *text, WeirAttr *attr)
{
  WeirArena *arena = job->loader->graph->arena;
  uint32_t max = 1;
  for (const char *at = text; *at; at++)
    max += *at == ',';
  if (max > MAX_LIST)
    return ir_refuse (job, "attribute '%s' has more than %d elements", name, MAX_LIST);
  if (attr->kind == WEIR_ATTR_INTS) {
    int64_t *ints = weir_arena_new_array (arena, int64_t, max);
    attr->ints = ints;
    return weir_ir_parse_ints (text, ints, max, &attr->n) || value_error (job, name, text);
  }
  float *floats = weir_arena_new_array (arena, float, max);
  attr->floats = floats;
  return weir_ir_parse_floats (text, floats, max, &attr->n) || value_error (job, name, text);
}

static bool parse_value (
    WeirIrJob *job, const char *name, char kind, const char *text, WeirAttr *attr)
{
  static const char kinds[] = { [WEIR_ATTR_INT] = 'i',
    [WEIR_ATTR_FLOAT] = 'f',
    [WEIR_ATTR_STRING] = 's',
    [WEIR_ATTR_INTS] = 'I',
    [WEIR_ATTR_FLOATS] = 'F' };
  uint32_t n;
  for (size_t i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (kinds[i] == kind)
      attr->kind = (WeirAttrKind) i;
  attr->n = 1;
  switch (attr->kind) {
  case WEIR_ATTR_INT:
    return (weir_ir_parse_ints (text, &attr->i, 1, &n) && n == 1) || value_error (job, name, text);
  case WEIR_ATTR_FLOAT:
    return (weir_ir_parse_floats (text, &attr->f, 1, &n) && n == 1) ||
           value_error (job, name, text);
  case WEIR_ATTR_STRING:
    attr->s = weir_arena_strdup (job->loader->graph->arena, text);
    return true;
  default:
    return parse_list (job, name, text, attr);
  }
}

/* One word of a row's `attrs`; *is_there: the layer has the attribute, or the row a default. */
static bool read_attr (WeirIrJob *job, const char *word, WeirAttr *attr, bool *is_there)
{
  const char *colon = strchr (word, ':'), *equals = strchr (word, '=');
  g_autofree char *name = g_strndup (word, strcspn (word, ">:"));
  const char *new_name = strchr (word, '>') ? strchr (word, '>') + 1 : word;
  g_autofree char *onnx_name = g_strndup (new_name, strcspn (new_name, ":"));
  const char *text = weir_ir_string (job, name, equals ? equals + 1 : NULL);
  *is_there = text != NULL;
  attr->name = weir_arena_strdup (job->loader->graph->arena, onnx_name);
  return !text || parse_value (job, name, colon[1], text, attr);
}

static bool read_attrs (WeirIrJob *job, WeirAttr attrs[MAX_ATTRS], uint32_t *n)
{
  g_auto (GStrv) words = g_strsplit (job->row->attrs ? job->row->attrs : "", " ", -1);
  bool is_there;
  *n = 0;
  for (uint32_t i = 0; words[i] && *words[i]; i++) {
    if (!read_attr (job, words[i], &attrs[*n], &is_there))
      return false;
    *n += is_there;
  }
  return true;
}

bool weir_ir_emit_row (WeirIrJob *job, const uint32_t *src, uint32_t n_src)
{
  WeirAttr attrs[MAX_ATTRS];
  uint32_t n, n_dst = job->layer->n_dst;
  if (!read_attrs (job, attrs, &n))
    return false;
  if (!n_dst)
    return ir_malformed (job, "has no output port");
  g_autofree uint32_t *dst = g_new (uint32_t, n_dst);
  for (uint32_t i = 0; i < n_dst; i++)
    dst[i] = weir_ir_dst (job, i);
  weir_ir_emit_to (job, job->row->op, job->row->opset, src, n_src, dst, n_dst, attrs, n);
  return true;
}

bool weir_ir_convert (WeirIrJob *job)
{
  return job->row->convert ? job->row->convert (job) : weir_ir_emit_row (job, job->src, job->n_src);
}
