/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes the corpus of fuzz_onnx into a folder: small models that together use most operators. */
#include "tests/unit/formats/onnx_builder.h"

#include <stdio.h>

#define F32 ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT
#define U8  ONNX__TENSOR_PROTO__DATA_TYPE__UINT8
#define I8  ONNX__TENSOR_PROTO__DATA_TYPE__INT8

static OnnxBuilder *begin (int64_t opset, const char *dims)
{
  OnnxBuilder *builder = onnx_builder_new (opset);
  onnx_builder_input (builder, "x", F32, dims);
  onnx_builder_output (builder, "y");
  return builder;
}

static OnnxBuilder *make_windows (void)
{
  OnnxBuilder *b = begin (12, "1,2,6,6");
  onnx_builder_ramp (b, "w", "2,1,3,3");
  onnx_builder_ramp (b, "t", "2,2,2,2");
  onnx_builder_ramp (b, "s", "2");
  onnx_builder_ints (b, "sizes", "1,2,5,7");
  onnx_builder_node (b, "Conv", "x,w", "c", "group=2 auto_pad='SAME_UPPER' strides=2,2");
  onnx_builder_node (b, "BatchNormalization", "c,s,s,s,s", "n", "epsilon=0.001");
  onnx_builder_node (b, "MaxPool", "n", "m", "kernel_shape=2,2 ceil_mode=1 strides=2,2");
  onnx_builder_node (b, "AveragePool", "m", "a", "kernel_shape=2,2 pads=1,1,1,1");
  onnx_builder_node (b, "ConvTranspose", "a,t", "d", "strides=2,2 output_padding=1,1");
  onnx_builder_node (b, "Resize", "d,,,sizes", "r", "mode='nearest'");
  onnx_builder_node (b, "GlobalMaxPool", "r", "y", NULL);
  return b;
}

static OnnxBuilder *make_shapes (void)
{
  OnnxBuilder *b = begin (13, "n,4,3,5");
  onnx_builder_ints (b, "zero", "0");
  onnx_builder_ints (b, "all", "-1");
  onnx_builder_ints (b, "two", "2");
  onnx_builder_node (b, "Shape", "x", "shape", NULL);
  onnx_builder_node (b, "Slice", "shape,zero,two,zero", "front", NULL);
  onnx_builder_node (b, "Concat", "front,all", "target", "axis=0");
  onnx_builder_node (b, "Reshape", "x,target", "r", NULL);
  onnx_builder_node (b, "ConstantOfShape", "front", "k", NULL);
  onnx_builder_node (b, "Unsqueeze", "k,two", "u", NULL);
  onnx_builder_node (b, "Add", "r,u", "y", NULL);
  return b;
}

static OnnxBuilder *make_moves (void)
{
  OnnxBuilder *b = begin (13, "1,4,6");
  onnx_builder_ints (b, "halves", "2,2");
  onnx_builder_ints (b, "pads", "0,0,1,0,0,1");
  onnx_builder_ints (b, "times", "1,1,2");
  onnx_builder_ints (b, "wide", "1,2,16");
  onnx_builder_ints (b, "last", "2");
  onnx_builder_node (b, "Split", "x,halves", "p,q", "axis=1");
  onnx_builder_node (b, "Pad", "p,pads", "pp", "mode='edge'");
  onnx_builder_node (b, "Tile", "pp,times", "t", NULL);
  onnx_builder_node (b, "Expand", "t,wide", "e", NULL);
  onnx_builder_node (b, "ReduceSum", "e,last", "s", "keepdims=0");
  onnx_builder_node (b, "Flatten", "q", "f", "axis=1");
  onnx_builder_node (b, "Concat", "s,f", "c", "axis=1");
  onnx_builder_node (b, "Transpose", "c", "tt", "perm=0,1");
  onnx_builder_node (b, "Softmax", "tt", "y", "axis=-1");
  return b;
}

static OnnxBuilder *make_quantised (void)
{
  OnnxBuilder *b = begin (13, "1,2,4,4");
  onnx_builder_ramp (b, "scale", "1");
  b->graph->initializer[0]->n_dims = 0;
  ((float *) (void *) b->graph->initializer[0]->raw_data.data)[0] = 0.5f;
  onnx_builder_constant (b, "zero", U8, "", "\x03", 1);
  onnx_builder_constant (b, "w", U8, "2,2,1,1", "\x01\x02\x03\x04", 4);
  onnx_builder_node (b, "QuantizeLinear", "x,scale,zero", "q", NULL);
  onnx_builder_node (b, "DequantizeLinear", "q,scale,zero", "d", NULL);
  onnx_builder_node (b, "DequantizeLinear", "w,scale,zero", "dw", NULL);
  onnx_builder_node (b, "Conv", "d,dw", "c", NULL);
  onnx_builder_node (b, "Clip", "c,scale", "y", NULL);
  return b;
}

/* What quantising looks for, between pairs of quantisers. */
static OnnxBuilder *make_pairs (void)
{
  static const float scale = 0.5f, coarse = 1.0f;
  OnnxBuilder *b = begin (13, "1,2,4,4");
  onnx_builder_constant (b, "s", F32, "", &scale, sizeof scale);
  onnx_builder_constant (b, "s2", F32, "", &coarse, sizeof coarse);
  onnx_builder_constant (b, "z", U8, "", "\x03", 1);
  onnx_builder_constant (b, "zi", I8, "", "\x80", 1);
  onnx_builder_constant (b, "w", I8, "2,2,1,1", "\x01\xfe\x03\x04", 4);
  onnx_builder_constant (b, "wide", I8, "1,4,1,1", "\x01\xfe\x03\x04", 4);
  onnx_builder_node (b, "QuantizeLinear", "x,s,z", "q", NULL);
  onnx_builder_node (b, "DequantizeLinear", "q,s,z", "d", NULL);
  onnx_builder_node (b, "DequantizeLinear", "w,s", "dw", NULL);
  onnx_builder_node (b, "Conv", "d,dw", "c", NULL);
  onnx_builder_node (b, "Relu", "c", "r", NULL);
  onnx_builder_node (b, "QuantizeLinear", "r,s,zi", "q1", NULL);
  onnx_builder_node (b, "DequantizeLinear", "q1,s,zi", "d1", NULL);
  onnx_builder_node (b, "Sigmoid", "d", "g", NULL);
  onnx_builder_node (b, "Mul", "d,g", "m", NULL);
  onnx_builder_node (b, "QuantizeLinear", "m,s2,z", "q2", NULL);
  onnx_builder_node (b, "DequantizeLinear", "q2,s2,z", "d2", NULL);
  onnx_builder_node (b, "Concat", "d1,d2", "cat", "axis=1");
  onnx_builder_node (b, "DequantizeLinear", "wide,s", "dwide", NULL);
  onnx_builder_node (b, "Conv", "cat,dwide", "k", NULL);
  onnx_builder_node (b, "QuantizeLinear", "k,s,z", "q3", NULL);
  onnx_builder_node (b, "DequantizeLinear", "q3,s,z", "y", NULL);
  return b;
}

static OnnxBuilder *make_qlinear (void)
{
  static const float scale = 0.5f;
  OnnxBuilder *b = begin (13, "1,2,4,4");
  onnx_builder_constant (b, "s", F32, "", &scale, sizeof scale);
  onnx_builder_constant (b, "z", U8, "", "\x03", 1);
  onnx_builder_constant (b, "wz", I8, "", "\x00", 1);
  onnx_builder_constant (b, "w", I8, "2,2,1,1", "\x01\xfe\x03\x04", 4);
  onnx_builder_node (b, "QuantizeLinear", "x,s,z", "q", NULL);
  onnx_builder_node (b, "QLinearConv", "q,s,z,w,s,wz,s,z", "c", NULL);
  onnx_builder_node (b, "QLinearAdd", "q,s,z,c,s,z,s,z", "a", NULL)->domain =
      (char *) "com.microsoft";
  onnx_builder_node (b, "QLinearConcat", "s,z,a,s,z,c,s,z", "k", "axis=1")->domain =
      (char *) "com.microsoft";
  onnx_builder_node (b, "QLinearGlobalAveragePool", "k,s,z,s,z", "p", NULL)->domain =
      (char *) "com.microsoft";
  onnx_builder_node (b, "DynamicQuantizeLinear", "x", "dq,ds,dz", NULL);
  onnx_builder_node (b, "ConvInteger", "dq,w,dz,wz", "i", NULL);
  onnx_builder_node (b, "Cast", "i", "f", "to=1");
  onnx_builder_node (b, "Mul", "f,ds", "y", NULL);
  onnx_builder_output (b, "p");
  return b;
}

static OnnxBuilder *make_external (void)
{
  OnnxBuilder *b = begin (13, "1,2");
  onnx_builder_ramp (b, "w", "2,3");
  Onnx__TensorProto *w = b->graph->initializer[0];
  static Onnx__StringStringEntryProto entry = ONNX__STRING_STRING_ENTRY_PROTO__INIT;
  static Onnx__StringStringEntryProto *entries[] = { &entry };
  entry.key = (char *) "location";
  entry.value = (char *) "none.bin";
  w->has_data_location = 1;
  w->data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
  w->external_data = entries;
  w->n_external_data = 1;
  onnx_builder_node (b, "Gemm", "x,w", "y", "alpha=0.5 transB=0");
  return b;
}

static OnnxBuilder *make_logic (void)
{
  OnnxBuilder *b = begin (20, "1,3,4,4");
  onnx_builder_ramp (b, "c", "3,1,1");
  onnx_builder_ints (b, "axis", "3");
  onnx_builder_ints (b, "four", "4");
  onnx_builder_node (b, "Mod", "x,c", "m", "fmod=1");
  onnx_builder_node (b, "Max", "m,x,c", "big", NULL);
  onnx_builder_node (b, "GreaterOrEqual", "big,c", "g", NULL);
  onnx_builder_node (b, "Not", "g", "n", NULL);
  onnx_builder_node (b, "IsInf", "big", "i", "detect_negative=0");
  onnx_builder_node (b, "And", "n,i", "a", NULL);
  onnx_builder_node (b, "CumSum", "big,axis", "s", "reverse=1");
  onnx_builder_node (b, "Where", "a,s,big", "w", NULL);
  onnx_builder_node (b, "Trilu", "w,axis", "t", "upper=0");
  onnx_builder_node (b, "ArgMax", "t", "top", "axis=-1");
  onnx_builder_node (b, "Size", "x", "size", NULL);
  onnx_builder_node (b, "Range", "axis,size,four", "r", NULL);
  onnx_builder_node (b, "BitwiseXor", "top,axis", "bits", NULL);
  onnx_builder_node (b, "CastLike", "bits,x", "f", NULL);
  onnx_builder_node (b, "ReduceLogSumExp", "f,axis", "e", NULL);
  onnx_builder_node (b, "EyeLike", "top4", "eye", "k=1");
  onnx_builder_node (b, "Flatten", "w", "top4", "axis=2");
  onnx_builder_node (b, "Det", "t", "det", NULL);
  onnx_builder_node (b, "Mean", "e,det", "y", NULL);
  onnx_builder_output (b, "r");
  onnx_builder_output (b, "eye");
  return b;
}

static OnnxBuilder *make_normal (void)
{
  OnnxBuilder *b = begin (22, "1,4,4,4");
  onnx_builder_ramp (b, "s", "4");
  onnx_builder_node (b, "LayerNormalization", "x,s,s", "l,mean,inverse", "axis=-1");
  onnx_builder_node (b, "GroupNormalization", "l,s,s", "g", "num_groups=2");
  onnx_builder_node (b, "LpNormalization", "g", "n", "axis=1 p=1");
  onnx_builder_node (b, "RMSNormalization", "n,s", "r", "axis=3");
  onnx_builder_node (b, "Hardmax", "r", "h", "axis=1");
  onnx_builder_node (b, "LpPool", "h", "p", "kernel_shape=2,2 p=3 dilations=1,2");
  onnx_builder_node (b, "MaxPool", "x", "big,places", "kernel_shape=2,2 strides=2,2");
  onnx_builder_node (b, "MaxUnpool", "big,places", "u", "kernel_shape=2,2 strides=2,2");
  onnx_builder_node (b, "Crop", "u", "c", "border=1,1,0,0 scale=3,2");
  onnx_builder_node (b, "ImageScaler", "c", "i", "scale=0.5");
  onnx_builder_node (b, "Gelu", "i", "e", "approximate='tanh'");
  onnx_builder_node (b, "Shrink", "e", "k", "lambd=0.5 bias=0.25");
  onnx_builder_node (b, "Sum", "p,k,k", "y", NULL);
  return b;
}

/* Operands lined up by an axis, types by name. */
static OnnxBuilder *make_old (void)
{
  OnnxBuilder *b = begin (5, "1,3,2,2");
  onnx_builder_ramp (b, "c", "3");
  onnx_builder_node (b, "Add", "x,c", "a", "axis=1 broadcast=1");
  onnx_builder_node (b, "PRelu", "a,c", "p", NULL);
  onnx_builder_node (b, "Upsample", "p", "u", "height_scale=2.0 width_scale=2.0");
  onnx_builder_node (b, "Selu", "u", "s", NULL);
  onnx_builder_node (b, "Cast", "s", "y", "to='FLOAT'");
  return b;
}

static OnnxBuilder *make_sequence (void)
{
  OnnxBuilder *b = begin (13, "1,4,2");
  onnx_builder_ints (b, "one", "1");
  onnx_builder_ints (b, "sizes", "1,3");
  onnx_builder_node (b, "SplitToSequence", "x,sizes", "s", "axis=1");
  onnx_builder_node (b, "SequenceInsert", "s,x,one", "t", NULL);
  onnx_builder_node (b, "SequenceErase", "t,one", "u", NULL);
  onnx_builder_node (b, "SequenceAt", "u,one", "v", NULL);
  onnx_builder_node (b, "SplitToSequence", "v", "w", "axis=-1 keepdims=0");
  onnx_builder_node (b, "SequenceAt", "w,one", "z", NULL);
  onnx_builder_node (b, "ConcatFromSequence", "u", "y", "axis=1");
  onnx_builder_output (b, "z");
  return b;
}

int main (int argc, char **argv)
{
  static const struct {
    const char *name;
    OnnxBuilder *(*make) (void);
  } files[] = {
    { "small.onnx", onnx_builder_small_net },
    { "windows.onnx", make_windows },
    { "shapes.onnx", make_shapes },
    { "moves.onnx", make_moves },
    { "quantised.onnx", make_quantised },
    { "pairs.onnx", make_pairs },
    { "qlinear.onnx", make_qlinear },
    { "external.onnx", make_external },
    { "logic.onnx", make_logic },
    { "normal.onnx", make_normal },
    { "old.onnx", make_old },
    { "sequence.onnx", make_sequence },
  };
  if (argc != 2) {
    fprintf (stderr, "usage: %s FOLDER\n", argv[0]);
    return 1;
  }
  for (size_t i = 0; i < G_N_ELEMENTS (files); i++) {
    g_autoptr (OnnxBuilder) builder = files[i].make ();
    g_free (onnx_builder_write (builder, argv[1], files[i].name));
  }
  return 0;
}
