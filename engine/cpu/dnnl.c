/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* oneDNN's primitives: made, bound to memory, run. */
#include "engine/base/sync.h"
#include "engine/cpu/dnnl_private.h"

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

const char *weir_dnnl_version (void)
{
  const dnnl_version_t *version = dnnl_version ();
  g_autofree char *text =
      g_strdup_printf ("oneDNN %d.%d.%d", version->major, version->minor, version->patch);
  return g_intern_string (text);
}

bool weir_dnnl_check (dnnl_status_t status, const char *what, GError **error)
{
  if (status == dnnl_success)
    return true;
  g_set_error (error, WEIR_ERROR,
      status == dnnl_out_of_memory ? WEIR_ERROR_MEMORY : WEIR_ERROR_DEVICE, "oneDNN: %s: %s", what,
      status_name (status));
  return false;
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

struct WeirDnnlBound {
  const WeirDnnlPrimitive *primitive;
  dnnl_stream_t stream;
  int n_args;
  dnnl_exec_arg_t args[WEIR_DNNL_MAX_ARGS];
};

WeirDnnl *weir_dnnl_new (GError **error)
{
  WeirDnnl *dnnl = g_new0 (WeirDnnl, 1);
  if (weir_dnnl_check (dnnl_engine_create (&dnnl->engine, dnnl_cpu, 0), "no CPU engine", error))
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

void weir_dnnl_add_arg (
    WeirDnnlPrimitive *primitive, int number, size_t offset, WeirDnnlConstDesc desc)
{
  primitive->args[primitive->n_args] = (WeirDnnlArg){ number, offset };
  primitive->descs[primitive->n_args++] = weir_dnnl_desc_copy (desc);
}

static WeirDnnlConstDesc desc_of (const WeirDnnlLayout *layout)
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
  WeirDnnlDesc desc = shape->rank ? weir_dnnl_desc_new (shape, is_any) : NULL;
  return desc ? weir_dnnl_layout_new (desc) : NULL;
}

static void parts_fill (Parts *parts, const WeirDnnlSpec *spec)
{
  parts->src = shape_layout (&spec->src, false);
  parts->weights = spec->packed ? weir_dnnl_layout_new (weir_dnnl_desc_copy (spec->packed->desc))
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
  weir_dnnl_add_arg (
      primitive, DNNL_ARG_SRC, G_STRUCT_OFFSET (WeirDnnlArgs, src), parts->src->desc);
  weir_dnnl_add_arg (
      primitive, DNNL_ARG_DST, G_STRUCT_OFFSET (WeirDnnlArgs, dst), parts->dst->desc);
  if (spec->weights.rank)
    weir_dnnl_add_arg (primitive, DNNL_ARG_WEIGHTS, G_STRUCT_OFFSET (WeirDnnlArgs, weights),
        dnnl_primitive_desc_query_md (primitive->desc, dnnl_query_weights_md, 0));
  if (parts->bias)
    weir_dnnl_add_arg (
        primitive, DNNL_ARG_BIAS, G_STRUCT_OFFSET (WeirDnnlArgs, bias), parts->bias->desc);
  if (weir_dnnl_primitive_scratch_bytes (primitive))
    weir_dnnl_add_arg (primitive, DNNL_ARG_SCRATCHPAD, G_STRUCT_OFFSET (WeirDnnlArgs, scratch),
        dnnl_primitive_desc_query_md (primitive->desc, dnnl_query_scratchpad_md, 0));
}

/* Held while a primitive is described: oneDNN before 3.0 keeps the block of input channels of the
 * convolution at hand in a static variable (brg_blocking_t::last_ic_block_size), which depends on
 * the type. Two threads that described an f32 and a bf16 or int8 convolution at the same time got,
 * now and then, a primitive that reads beyond its weights. */
static WeirMutex describing = PTHREAD_MUTEX_INITIALIZER;

static dnnl_status_t primitive_desc_new_alone (dnnl_primitive_desc_t *result, WeirDnnlKind kind,
    const Parts *parts, dnnl_primitive_attr_t attr, dnnl_engine_t engine)
{
  weir_mutex_lock (&describing);
  dnnl_status_t status = primitive_desc_new (result, kind, parts, attr, engine);
  weir_mutex_unlock (&describing);
  return status;
}

/* All but the code that runs. */
static WeirDnnlPrimitive *describe (WeirDnnl *dnnl, const WeirDnnlSpec *spec, GError **error)
{
  g_autoptr (WeirDnnlPrimitive) primitive = g_new0 (WeirDnnlPrimitive, 1);
  primitive->engine = dnnl->engine;
  primitive->kind = spec->kind;
  dnnl_primitive_attr_t attr = NULL;
  Parts parts = { 0 };
  bool ok = weir_dnnl_attributes_new (primitive, spec, &attr, error);
  if (ok) {
    parts_fill (&parts, spec);
    ok = weir_dnnl_check (
        primitive_desc_new_alone (&primitive->desc, spec->kind, &parts, attr, dnnl->engine),
        kind_names[spec->kind], error);
  }
  if (ok)
    add_args (primitive, spec, &parts);
  parts_clear (&parts);
  if (attr)
    dnnl_primitive_attr_destroy (attr);
  return ok ? g_steal_pointer (&primitive) : NULL;
}

WeirDnnlPrimitive *weir_dnnl_primitive_new (
    WeirDnnl *dnnl, const WeirDnnlSpec *spec, GError **error)
{
  g_autoptr (WeirDnnlPrimitive) primitive = describe (dnnl, spec, error);
  if (!primitive ||
      !weir_dnnl_check (dnnl_primitive_create (&primitive->primitive, primitive->desc),
          kind_names[spec->kind], error))
    return NULL;
  return g_steal_pointer (&primitive);
}

const char *weir_dnnl_choose (WeirDnnl *dnnl, const WeirDnnlSpec *spec)
{
  g_autoptr (WeirDnnlPrimitive) primitive = describe (dnnl, spec, NULL);
  return primitive ? g_intern_string (weir_dnnl_primitive_name (primitive)) : NULL;
}

void weir_dnnl_primitive_free (WeirDnnlPrimitive *primitive)
{
  if (!primitive)
    return;
  for (uint32_t i = 0; i < primitive->n_args; i++)
    weir_dnnl_desc_free (primitive->descs[i]);
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
  return weir_dnnl_layout_new (weir_dnnl_desc_copy (
      dnnl_primitive_desc_query_md (primitive->desc, dnnl_query_weights_md, 0)));
}

static bool bind_args (WeirDnnlBound *bound, const WeirDnnlArgs *args, GError **error)
{
  const WeirDnnlPrimitive *primitive = bound->primitive;
  if (!weir_dnnl_check (
          dnnl_stream_create (&bound->stream, primitive->engine, dnnl_stream_default_flags),
          "stream", error))
    return false;
  for (uint32_t i = 0; i < primitive->n_args; i++) {
    void *address = G_STRUCT_MEMBER (void *, args, primitive->args[i].offset);
    dnnl_exec_arg_t *arg = &bound->args[i];
    arg->arg = primitive->args[i].number;
    if (!weir_dnnl_check (
            dnnl_memory_create (&arg->memory, primitive->descs[i], primitive->engine, address),
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
  return status == dnnl_success ||
         weir_dnnl_check (status, kind_names[bound->primitive->kind], error);
}
