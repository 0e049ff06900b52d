/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* oneDNN 2.x and 3.x behind one interface.
 *
 * 2.x describes an operation in a struct and makes a primitive descriptor from it; its memory
 * descriptors are structs. 3.x makes primitive descriptors directly; its memory descriptors are
 * handles. Both are pointers here (MemoryDesc), so that only their life and the making of primitive
 * descriptors differ: the two blocks under DNNL_VERSION_MAJOR. */
#include "engine/cpu/dnnl.h"

#include "engine/error.h"

#include <dnnl.h>

#define MAX_ARGS (5 + WEIR_DNNL_MAX_POST)

_Static_assert(WEIR_DNNL_MAX_RANK == DNNL_MAX_NDIMS, "shapes are passed on as they are");

struct WeirDnnl {
  dnnl_engine_t engine;
};

/* A value that a primitive reads or writes: oneDNN's argument number, and where its address is. */
typedef struct Arg {
  int number;
  size_t offset; /* of the address in WeirDnnlArgs */
} Arg;

static const char *const kind_names[] = {
  [WEIR_DNNL_CONVOLUTION] = "convolution",
  [WEIR_DNNL_DECONVOLUTION] = "deconvolution",
  [WEIR_DNNL_MATMUL] = "matmul",
  [WEIR_DNNL_MAX_POOL] = "max pooling",
  [WEIR_DNNL_AVERAGE_POOL] = "average pooling",
  [WEIR_DNNL_AVERAGE_POOL_PADDED] = "average pooling",
};

static const char *status_name (dnnl_status_t status)
{
  static const char *const names[] = {
    [dnnl_success] = "success",
    [dnnl_out_of_memory] = "out of memory",
    [dnnl_invalid_arguments] = "invalid arguments",
    [dnnl_unimplemented] = "not implemented",
    [dnnl_runtime_error] = "runtime error",
  };
  const char *name = (unsigned) status < G_N_ELEMENTS (names) ? names[status] : NULL;
  return name ? name : "unknown error";
}

static bool check (dnnl_status_t status, const char *what, GError **error)
{
  if (status == dnnl_success)
    return true;
  g_set_error (error, WEIR_ERROR,
      status == dnnl_out_of_memory ? WEIR_ERROR_MEMORY : WEIR_ERROR_DEVICE, "oneDNN: %s: %s", what,
      status_name (status));
  return false;
}

static dnnl_data_type_t data_type (WeirDtype dtype)
{
  static const dnnl_data_type_t types[WEIR_N_DTYPES] = {
    [WEIR_DTYPE_F32] = dnnl_f32,
    [WEIR_DTYPE_F16] = dnnl_f16,
    [WEIR_DTYPE_BF16] = dnnl_bf16,
    [WEIR_DTYPE_U8] = dnnl_u8,
    [WEIR_DTYPE_I8] = dnnl_s8,
    [WEIR_DTYPE_I32] = dnnl_s32,
  };
  return (unsigned) dtype < WEIR_N_DTYPES ? types[dtype] : dnnl_data_type_undef;
}

static dnnl_alg_kind_t algorithm (WeirDnnlKind kind)
{
  static const dnnl_alg_kind_t algorithms[] = {
    [WEIR_DNNL_CONVOLUTION] = dnnl_convolution_direct,
    [WEIR_DNNL_DECONVOLUTION] = dnnl_deconvolution_direct,
    [WEIR_DNNL_MATMUL] = dnnl_alg_kind_undef,
    [WEIR_DNNL_MAX_POOL] = dnnl_pooling_max,
    [WEIR_DNNL_AVERAGE_POOL] = dnnl_pooling_avg_exclude_padding,
    [WEIR_DNNL_AVERAGE_POOL_PADDED] = dnnl_pooling_avg_include_padding,
  };
  return algorithms[kind];
}

/* What a primitive is made of, in oneDNN's words. */
typedef struct Parts {
  struct WeirDnnlLayout *src, *weights, *bias, *dst;
  dnnl_dims_t kernel, stride, dilation, pad_begin, pad_end; /* dilation 0: dense */
} Parts;

#if DNNL_VERSION_MAJOR >= 3

typedef dnnl_memory_desc_t MemoryDesc;
typedef const_dnnl_memory_desc_t ConstMemoryDesc;

static MemoryDesc desc_new (const WeirDnnlShape *shape, bool is_any)
{
  MemoryDesc desc = NULL;
  if (is_any)
    dnnl_memory_desc_create_with_tag (
        &desc, (int) shape->rank, shape->dims, data_type (shape->dtype), dnnl_format_tag_any);
  else
    dnnl_memory_desc_create_with_strides (
        &desc, (int) shape->rank, shape->dims, data_type (shape->dtype), shape->strides);
  return desc;
}

static MemoryDesc desc_copy (ConstMemoryDesc desc)
{
  MemoryDesc copy = NULL;
  dnnl_memory_desc_clone (&copy, desc);
  return copy;
}

static void desc_free (MemoryDesc desc)
{
  if (desc)
    dnnl_memory_desc_destroy (desc);
}

static dnnl_status_t append_eltwise (
    dnnl_post_ops_t post_ops, dnnl_alg_kind_t kind, float alpha, float beta)
{
  return dnnl_post_ops_append_eltwise (post_ops, kind, alpha, beta);
}

static dnnl_status_t append_sum (dnnl_post_ops_t post_ops)
{
  return dnnl_post_ops_append_sum (post_ops, 1.0f, 0, dnnl_data_type_undef);
}

#else

typedef dnnl_memory_desc_t *MemoryDesc;
typedef const dnnl_memory_desc_t *ConstMemoryDesc;

static MemoryDesc desc_new (const WeirDnnlShape *shape, bool is_any)
{
  dnnl_memory_desc_t desc;
  dnnl_status_t status = is_any ? dnnl_memory_desc_init_by_tag (&desc, (int) shape->rank,
                                      shape->dims, data_type (shape->dtype), dnnl_format_tag_any)
                                : dnnl_memory_desc_init_by_strides (&desc, (int) shape->rank,
                                      shape->dims, data_type (shape->dtype), shape->strides);
  return status == dnnl_success ? g_memdup2 (&desc, sizeof desc) : NULL;
}

static MemoryDesc desc_copy (ConstMemoryDesc desc)
{
  return g_memdup2 (desc, sizeof *desc);
}

static void desc_free (MemoryDesc desc)
{
  g_free (desc);
}

static dnnl_status_t append_eltwise (
    dnnl_post_ops_t post_ops, dnnl_alg_kind_t kind, float alpha, float beta)
{
  return dnnl_post_ops_append_eltwise (post_ops, 1.0f, kind, alpha, beta);
}

static dnnl_status_t append_sum (dnnl_post_ops_t post_ops)
{
  return dnnl_post_ops_append_sum (post_ops, 1.0f);
}

#endif

struct WeirDnnlLayout {
  MemoryDesc desc;
};

struct WeirDnnlPrimitive {
  dnnl_engine_t engine;
  WeirDnnlKind kind;
  dnnl_primitive_desc_t desc;
  dnnl_primitive_t primitive;
  uint32_t n_args;
  Arg args[MAX_ARGS];
  MemoryDesc descs[MAX_ARGS];
};

struct WeirDnnlBound {
  const WeirDnnlPrimitive *primitive;
  dnnl_stream_t stream;
  int n_args;
  dnnl_exec_arg_t args[MAX_ARGS];
};

static WeirDnnlLayout *layout_new (MemoryDesc desc)
{
  WeirDnnlLayout *layout = g_new0 (WeirDnnlLayout, 1);
  layout->desc = desc;
  return layout;
}

void weir_dnnl_layout_free (WeirDnnlLayout *layout)
{
  if (!layout)
    return;
  desc_free (layout->desc);
  g_free (layout);
}

bool weir_dnnl_layout_equal (const WeirDnnlLayout *a, const WeirDnnlLayout *b)
{
  return dnnl_memory_desc_equal (a->desc, b->desc) != 0;
}

size_t weir_dnnl_layout_bytes (const WeirDnnlLayout *layout)
{
  return dnnl_memory_desc_get_size (layout->desc);
}

WeirDnnl *weir_dnnl_new (GError **error)
{
  WeirDnnl *dnnl = g_new0 (WeirDnnl, 1);
  if (check (dnnl_engine_create (&dnnl->engine, dnnl_cpu, 0), "no CPU engine", error))
    return dnnl;
  g_free (dnnl);
  return NULL;
}

void weir_dnnl_free (WeirDnnl *dnnl)
{
  if (!dnnl)
    return;
  dnnl_engine_destroy (dnnl->engine);
  g_free (dnnl);
}

/* Unary operators as one or two of oneDNN's: HardSigmoid is a line, then a clip to 0..1. */
typedef enum Parameters { NO_PARAMETERS, ONNX_PARAMETERS, FIXED_PARAMETERS } Parameters;

static const struct {
  dnnl_alg_kind_t kind;
  Parameters parameters;
  float alpha, beta;
} eltwise[WEIR_N_OPS] = {
  [WEIR_OP_RELU] = { dnnl_eltwise_relu, NO_PARAMETERS },
  [WEIR_OP_LEAKY_RELU] = { dnnl_eltwise_relu, ONNX_PARAMETERS },
  [WEIR_OP_CLIP] = { dnnl_eltwise_clip, ONNX_PARAMETERS },
  [WEIR_OP_SIGMOID] = { dnnl_eltwise_logistic, NO_PARAMETERS },
  [WEIR_OP_SWISH] = { dnnl_eltwise_swish, ONNX_PARAMETERS },
  [WEIR_OP_HARD_SWISH] = { dnnl_eltwise_hardswish, FIXED_PARAMETERS, 1.0f / 6.0f, 0.5f },
  [WEIR_OP_HARD_SIGMOID] = { dnnl_eltwise_linear, ONNX_PARAMETERS },
  [WEIR_OP_TANH] = { dnnl_eltwise_tanh, NO_PARAMETERS },
  [WEIR_OP_ELU] = { dnnl_eltwise_elu, ONNX_PARAMETERS },
  [WEIR_OP_MISH] = { dnnl_eltwise_mish, NO_PARAMETERS },
};

bool weir_dnnl_has_post (WeirOp op)
{
  return op == WEIR_OP_ADD || ((unsigned) op < WEIR_N_OPS && eltwise[op].kind);
}

static dnnl_status_t append_unary (dnnl_post_ops_t post_ops, const WeirDnnlPost *post)
{
  bool is_fixed = eltwise[post->op].parameters == FIXED_PARAMETERS,
       is_onnx = eltwise[post->op].parameters == ONNX_PARAMETERS;
  float alpha = is_fixed ? eltwise[post->op].alpha : is_onnx ? post->alpha : 0.0f;
  float beta = is_fixed ? eltwise[post->op].beta : is_onnx ? post->beta : 0.0f;
  if (post->op == WEIR_OP_LEAKY_RELU || post->op == WEIR_OP_ELU || post->op == WEIR_OP_SWISH)
    beta = 0.0f;
  dnnl_status_t status = append_eltwise (post_ops, eltwise[post->op].kind, alpha, beta);
  if (status == dnnl_success && post->op == WEIR_OP_HARD_SIGMOID)
    status = append_eltwise (post_ops, dnnl_eltwise_clip, 0.0f, 1.0f);
  return status;
}

static void add_arg (WeirDnnlPrimitive *primitive, int number, size_t offset, ConstMemoryDesc desc)
{
  primitive->args[primitive->n_args] = (Arg){ number, offset };
  primitive->descs[primitive->n_args++] = desc_copy (desc);
}

static dnnl_status_t append_added (
    WeirDnnlPrimitive *primitive, dnnl_post_ops_t post_ops, const WeirDnnlSpec *spec, uint32_t i)
{
  if (spec->post[i].is_sum)
    return append_sum (post_ops);
  MemoryDesc desc = desc_new (&spec->post[i].added, false);
  if (!desc)
    return dnnl_invalid_arguments;
  int position = dnnl_post_ops_len (post_ops);
  add_arg (primitive, DNNL_ARG_ATTR_MULTIPLE_POST_OP (position) | DNNL_ARG_SRC_1,
      G_STRUCT_OFFSET (WeirDnnlArgs, added) + i * sizeof (void *), desc);
  dnnl_status_t status = dnnl_post_ops_append_binary (post_ops, dnnl_binary_add, desc);
  desc_free (desc);
  return status;
}

static bool attributes_new (WeirDnnlPrimitive *primitive, const WeirDnnlSpec *spec,
    dnnl_primitive_attr_t *attr, GError **error)
{
  dnnl_post_ops_t post_ops = NULL;
  dnnl_status_t status = dnnl_primitive_attr_create (attr);
  if (status == dnnl_success)
    status = dnnl_primitive_attr_set_scratchpad_mode (*attr, dnnl_scratchpad_mode_user);
  if (status == dnnl_success)
    status = dnnl_post_ops_create (&post_ops);
  for (uint32_t i = 0; i < spec->n_post && status == dnnl_success; i++)
    status = spec->post[i].op == WEIR_OP_ADD ? append_added (primitive, post_ops, spec, i)
                                             : append_unary (post_ops, &spec->post[i]);
  if (status == dnnl_success)
    status = dnnl_primitive_attr_set_post_ops (*attr, post_ops);
  if (post_ops)
    dnnl_post_ops_destroy (post_ops);
  return check (status, "attributes", error);
}

static ConstMemoryDesc desc_of (const WeirDnnlLayout *layout)
{
  return layout ? layout->desc : NULL;
}

#if DNNL_VERSION_MAJOR >= 3

static dnnl_status_t primitive_desc_new (dnnl_primitive_desc_t *result, WeirDnnlKind kind,
    const Parts *p, dnnl_primitive_attr_t attr, dnnl_engine_t engine)
{
  switch (kind) {
  case WEIR_DNNL_CONVOLUTION:
    return dnnl_convolution_forward_primitive_desc_create (result, engine, dnnl_forward_inference,
        algorithm (kind), desc_of (p->src), desc_of (p->weights), desc_of (p->bias),
        desc_of (p->dst), p->stride, p->dilation, p->pad_begin, p->pad_end, attr);
  case WEIR_DNNL_DECONVOLUTION:
    return dnnl_deconvolution_forward_primitive_desc_create (result, engine, dnnl_forward_inference,
        algorithm (kind), desc_of (p->src), desc_of (p->weights), desc_of (p->bias),
        desc_of (p->dst), p->stride, p->dilation, p->pad_begin, p->pad_end, attr);
  case WEIR_DNNL_MATMUL:
    return dnnl_matmul_primitive_desc_create (result, engine, desc_of (p->src),
        desc_of (p->weights), desc_of (p->bias), desc_of (p->dst), attr);
  default:
    return dnnl_pooling_forward_primitive_desc_create (result, engine, dnnl_forward_inference,
        algorithm (kind), desc_of (p->src), desc_of (p->dst), p->stride, p->kernel, p->dilation,
        p->pad_begin, p->pad_end, attr);
  }
}

#else

static dnnl_status_t primitive_desc_new (dnnl_primitive_desc_t *result, WeirDnnlKind kind,
    const Parts *p, dnnl_primitive_attr_t attr, dnnl_engine_t engine)
{
  union {
    dnnl_convolution_desc_t convolution; /* and deconvolution */
    dnnl_matmul_desc_t matmul;
    dnnl_pooling_v2_desc_t pooling;
  } op;
  dnnl_status_t status;
  switch (kind) {
  case WEIR_DNNL_CONVOLUTION:
    status = dnnl_dilated_convolution_forward_desc_init (&op.convolution, dnnl_forward_inference,
        algorithm (kind), desc_of (p->src), desc_of (p->weights), desc_of (p->bias),
        desc_of (p->dst), p->stride, p->dilation, p->pad_begin, p->pad_end);
    break;
  case WEIR_DNNL_DECONVOLUTION:
    status = dnnl_dilated_deconvolution_forward_desc_init (&op.convolution, dnnl_forward_inference,
        algorithm (kind), desc_of (p->src), desc_of (p->weights), desc_of (p->bias),
        desc_of (p->dst), p->stride, p->dilation, p->pad_begin, p->pad_end);
    break;
  case WEIR_DNNL_MATMUL:
    status = dnnl_matmul_desc_init (
        &op.matmul, desc_of (p->src), desc_of (p->weights), desc_of (p->bias), desc_of (p->dst));
    break;
  default:
    status = dnnl_pooling_v2_forward_desc_init (&op.pooling, dnnl_forward_inference,
        algorithm (kind), desc_of (p->src), desc_of (p->dst), p->stride, p->kernel, p->dilation,
        p->pad_begin, p->pad_end);
    break;
  }
  return status == dnnl_success ? dnnl_primitive_desc_create (result, &op, attr, engine, NULL)
                                : status;
}

#endif

static WeirDnnlLayout *shape_layout (const WeirDnnlShape *shape, bool is_any)
{
  MemoryDesc desc = shape->rank ? desc_new (shape, is_any) : NULL;
  return desc ? layout_new (desc) : NULL;
}

static void parts_fill (Parts *parts, const WeirDnnlSpec *spec)
{
  parts->src = shape_layout (&spec->src, false);
  parts->weights = spec->packed ? layout_new (desc_copy (spec->packed->desc))
                                : shape_layout (&spec->weights, spec->packs_weights);
  parts->bias = shape_layout (&spec->bias, false);
  parts->dst = shape_layout (&spec->dst, false);
  for (uint32_t i = 0; i < spec->n_spatial; i++) {
    parts->kernel[i] = spec->kernel[i];
    parts->stride[i] = spec->stride[i];
    parts->dilation[i] = spec->dilation[i] - 1;
    parts->pad_begin[i] = spec->pad_begin[i];
    parts->pad_end[i] = spec->pad_end[i];
  }
}

static void parts_clear (Parts *parts)
{
  weir_dnnl_layout_free (parts->src);
  weir_dnnl_layout_free (parts->weights);
  weir_dnnl_layout_free (parts->bias);
  weir_dnnl_layout_free (parts->dst);
}

static void add_args (WeirDnnlPrimitive *primitive, const WeirDnnlSpec *spec, const Parts *parts)
{
  add_arg (primitive, DNNL_ARG_SRC, G_STRUCT_OFFSET (WeirDnnlArgs, src), parts->src->desc);
  add_arg (primitive, DNNL_ARG_DST, G_STRUCT_OFFSET (WeirDnnlArgs, dst), parts->dst->desc);
  if (spec->weights.rank)
    add_arg (primitive, DNNL_ARG_WEIGHTS, G_STRUCT_OFFSET (WeirDnnlArgs, weights),
        dnnl_primitive_desc_query_md (primitive->desc, dnnl_query_weights_md, 0));
  if (parts->bias)
    add_arg (primitive, DNNL_ARG_BIAS, G_STRUCT_OFFSET (WeirDnnlArgs, bias), parts->bias->desc);
  if (weir_dnnl_primitive_scratch_bytes (primitive))
    add_arg (primitive, DNNL_ARG_SCRATCHPAD, G_STRUCT_OFFSET (WeirDnnlArgs, scratch),
        dnnl_primitive_desc_query_md (primitive->desc, dnnl_query_scratchpad_md, 0));
}

WeirDnnlPrimitive *weir_dnnl_primitive_new (
    WeirDnnl *dnnl, const WeirDnnlSpec *spec, GError **error)
{
  g_autoptr (WeirDnnlPrimitive) primitive = g_new0 (WeirDnnlPrimitive, 1);
  primitive->engine = dnnl->engine;
  primitive->kind = spec->kind;
  dnnl_primitive_attr_t attr = NULL;
  Parts parts = { 0 };
  bool ok = attributes_new (primitive, spec, &attr, error);
  if (ok) {
    parts_fill (&parts, spec);
    ok = check (primitive_desc_new (&primitive->desc, spec->kind, &parts, attr, dnnl->engine),
        kind_names[spec->kind], error);
  }
  if (ok) {
    add_args (primitive, spec, &parts);
    ok = check (dnnl_primitive_create (&primitive->primitive, primitive->desc),
        kind_names[spec->kind], error);
  }
  parts_clear (&parts);
  if (attr)
    dnnl_primitive_attr_destroy (attr);
  return ok ? g_steal_pointer (&primitive) : NULL;
}

void weir_dnnl_primitive_free (WeirDnnlPrimitive *primitive)
{
  if (!primitive)
    return;
  for (uint32_t i = 0; i < primitive->n_args; i++)
    desc_free (primitive->descs[i]);
  if (primitive->primitive)
    dnnl_primitive_destroy (primitive->primitive);
  if (primitive->desc)
    dnnl_primitive_desc_destroy (primitive->desc);
  g_free (primitive);
}

const char *weir_dnnl_primitive_name (const WeirDnnlPrimitive *primitive)
{
  const char *name = NULL;
  dnnl_primitive_desc_query (primitive->desc, dnnl_query_impl_info_str, 0, (void *) &name);
  return name ? name : "?";
}

size_t weir_dnnl_primitive_scratch_bytes (const WeirDnnlPrimitive *primitive)
{
  return dnnl_memory_desc_get_size (
      dnnl_primitive_desc_query_md (primitive->desc, dnnl_query_scratchpad_md, 0));
}

WeirDnnlLayout *weir_dnnl_primitive_layout (const WeirDnnlPrimitive *primitive)
{
  return layout_new (
      desc_copy (dnnl_primitive_desc_query_md (primitive->desc, dnnl_query_weights_md, 0)));
}

static bool bind_args (WeirDnnlBound *bound, const WeirDnnlArgs *args, GError **error)
{
  const WeirDnnlPrimitive *primitive = bound->primitive;
  if (!check (dnnl_stream_create (&bound->stream, primitive->engine, dnnl_stream_default_flags),
          "stream", error))
    return false;
  for (uint32_t i = 0; i < primitive->n_args; i++) {
    void *address = G_STRUCT_MEMBER (void *, args, primitive->args[i].offset);
    dnnl_exec_arg_t *arg = &bound->args[i];
    arg->arg = primitive->args[i].number;
    if (!check (dnnl_memory_create (&arg->memory, primitive->descs[i], primitive->engine, address),
            "memory", error))
      return false;
    bound->n_args++;
  }
  return true;
}

WeirDnnlBound *weir_dnnl_bind (
    const WeirDnnlPrimitive *primitive, const WeirDnnlArgs *args, GError **error)
{
  WeirDnnlBound *bound = g_new0 (WeirDnnlBound, 1);
  bound->primitive = primitive;
  if (bind_args (bound, args, error))
    return bound;
  weir_dnnl_unbind (bound);
  return NULL;
}

void weir_dnnl_unbind (WeirDnnlBound *bound)
{
  if (!bound)
    return;
  for (int i = 0; i < bound->n_args; i++)
    dnnl_memory_destroy (bound->args[i].memory);
  if (bound->stream)
    dnnl_stream_destroy (bound->stream);
  g_free (bound);
}

bool weir_dnnl_run (WeirDnnlBound *bound, GError **error)
{
  dnnl_status_t status = dnnl_primitive_execute (
      bound->primitive->primitive, bound->stream, bound->n_args, bound->args);
  if (status == dnnl_success)
    status = dnnl_stream_wait (bound->stream);
  return status == dnnl_success || check (status, kind_names[bound->primitive->kind], error);
}

static dnnl_status_t execute_reorder (
    dnnl_engine_t engine, dnnl_primitive_desc_t desc, const dnnl_exec_arg_t *args, int n_args)
{
  dnnl_primitive_t primitive = NULL;
  dnnl_stream_t stream = NULL;
  dnnl_status_t status = dnnl_primitive_create (&primitive, desc);
  if (status == dnnl_success)
    status = dnnl_stream_create (&stream, engine, dnnl_stream_default_flags);
  if (status == dnnl_success)
    status = dnnl_primitive_execute (primitive, stream, n_args, args);
  if (status == dnnl_success)
    status = dnnl_stream_wait (stream);
  if (stream)
    dnnl_stream_destroy (stream);
  if (primitive)
    dnnl_primitive_destroy (primitive);
  return status;
}

static dnnl_status_t reorder (
    dnnl_engine_t engine, MemoryDesc from, const void *src, MemoryDesc to, void *dst)
{
  dnnl_primitive_desc_t desc = NULL;
  dnnl_primitive_attr_t attr = NULL;
  dnnl_exec_arg_t args[] = { { DNNL_ARG_FROM, NULL }, { DNNL_ARG_TO, NULL },
    { DNNL_ARG_SCRATCHPAD, NULL } };
  g_autofree char *scratch = NULL;
  dnnl_status_t status = dnnl_primitive_attr_create (&attr);
  if (status == dnnl_success)
    status = dnnl_primitive_attr_set_scratchpad_mode (attr, dnnl_scratchpad_mode_user);
  if (status == dnnl_success)
    status = dnnl_reorder_primitive_desc_create (&desc, from, engine, to, engine, attr);
  if (status == dnnl_success)
    status = dnnl_memory_create (&args[0].memory, from, engine, (void *) src);
  if (status == dnnl_success)
    status = dnnl_memory_create (&args[1].memory, to, engine, dst);
  if (status == dnnl_success) {
    ConstMemoryDesc scratch_desc = dnnl_primitive_desc_query_md (desc, dnnl_query_scratchpad_md, 0);
    scratch = g_malloc (dnnl_memory_desc_get_size (scratch_desc) + 1);
    status = dnnl_memory_create (&args[2].memory, scratch_desc, engine, scratch);
  }
  if (status == dnnl_success)
    status = execute_reorder (engine, desc, args, G_N_ELEMENTS (args));
  for (uint32_t i = 0; i < G_N_ELEMENTS (args); i++)
    if (args[i].memory)
      dnnl_memory_destroy (args[i].memory);
  if (desc)
    dnnl_primitive_desc_destroy (desc);
  if (attr)
    dnnl_primitive_attr_destroy (attr);
  return status;
}

bool weir_dnnl_pack (WeirDnnl *dnnl, const WeirDnnlShape *shape, const void *src,
    const WeirDnnlLayout *layout, void *dst, GError **error)
{
  MemoryDesc from = desc_new (shape, false);
  dnnl_status_t status =
      from ? reorder (dnnl->engine, from, src, layout->desc, dst) : dnnl_invalid_arguments;
  desc_free (from);
  return check (status, "packing of weights", error);
}
