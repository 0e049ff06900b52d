/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* oneDNN's memory: descriptors, layouts, packing. */
#include "engine/cpu/dnnl_private.h"

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

#if DNNL_VERSION_MAJOR >= 3

WeirDnnlDesc weir_dnnl_desc_new (const WeirDnnlShape *shape, bool is_any)
{
  WeirDnnlDesc desc = NULL;
  if (is_any)
    dnnl_memory_desc_create_with_tag (
        &desc, (int) shape->rank, shape->dims, data_type (shape->dtype), dnnl_format_tag_any);
  else
    dnnl_memory_desc_create_with_strides (
        &desc, (int) shape->rank, shape->dims, data_type (shape->dtype), shape->strides);
  return desc;
}

WeirDnnlDesc weir_dnnl_desc_copy (WeirDnnlConstDesc desc)
{
  WeirDnnlDesc copy = NULL;
  dnnl_memory_desc_clone (&copy, desc);
  return copy;
}

void weir_dnnl_desc_free (WeirDnnlDesc desc)
{
  if (desc)
    dnnl_memory_desc_destroy (desc);
}

#else

WeirDnnlDesc weir_dnnl_desc_new (const WeirDnnlShape *shape, bool is_any)
{
  dnnl_memory_desc_t desc;
  dnnl_status_t status = is_any ? dnnl_memory_desc_init_by_tag (&desc, (int) shape->rank,
                                      shape->dims, data_type (shape->dtype), dnnl_format_tag_any)
                                : dnnl_memory_desc_init_by_strides (&desc, (int) shape->rank,
                                      shape->dims, data_type (shape->dtype), shape->strides);
  return status == dnnl_success ? g_memdup2 (&desc, sizeof desc) : NULL;
}

WeirDnnlDesc weir_dnnl_desc_copy (WeirDnnlConstDesc desc)
{
  return g_memdup2 (desc, sizeof *desc);
}

void weir_dnnl_desc_free (WeirDnnlDesc desc)
{
  g_free (desc);
}

#endif

WeirDnnlLayout *weir_dnnl_layout_new (WeirDnnlDesc desc)
{
  WeirDnnlLayout *layout = g_new0 (WeirDnnlLayout, 1);
  layout->desc = desc;
  return layout;
}

void weir_dnnl_layout_free (WeirDnnlLayout *layout)
{
  if (!layout)
    return;
  weir_dnnl_desc_free (layout->desc);
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
    dnnl_engine_t engine, WeirDnnlDesc from, const void *src, WeirDnnlDesc to, void *dst)
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
    WeirDnnlConstDesc scratch_desc =
        dnnl_primitive_desc_query_md (desc, dnnl_query_scratchpad_md, 0);
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
  WeirDnnlDesc from = weir_dnnl_desc_new (shape, false);
  dnnl_status_t status =
      from ? reorder (dnnl->engine, from, src, layout->desc, dst) : dnnl_invalid_arguments;
  weir_dnnl_desc_free (from);
  return weir_dnnl_check (status, "packing of weights", error);
}
