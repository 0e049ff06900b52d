/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Gemm and MatMul (kernels/ocl/matrix.cl), plain. A constant right side is packed row by row; what
 * is computed is read by its strides. */
#include "engine/ocl/ocl_constants.h"
#include "engine/ocl/ocl_program.h"
#include "engine/ocl/ocl_stages.h"

#define STACK     4u
#define THIN_ROWS 8u /* up to so many rows the kernel for few is taken */
#define THIN_N    32u
#define THIN_K    8u
#define LARGE     256u /* work items of a group, where the device has them */

/* As in matrix.cl. */
typedef struct Product {
  cl_uint m, n, k;
  cl_uint a_row, a_column, b_row, b_column, c_row, c_column;
  cl_uint stack[STACK], a_stack[STACK], b_stack[STACK], c_stack[STACK];
  cl_float alpha, beta;
} Product;

typedef struct Kernel {
  WeirOclKernel base;
  Product product;
  uint32_t n_stack; /* matrices */
  uint32_t n;       /* elements of the result */
  bool has_c;
  WeirOclStages stages;
  uint32_t first;        /* the stage that the kernel does; those before do nothing */
  WeirOclWeights *b, *c; /* NULL: computed, or there is none */
  cl_program program;
  const char *name; /* of the kernel */
  WeirOclGrid grid;
  WeirDtype dtype;
} Kernel;

static bool is_gemm (const WeirStepSpec *spec)
{
  return spec->node->op == WEIR_OP_GEMM;
}

static bool has_c (const WeirStepSpec *spec)
{
  return is_gemm (spec) && spec->n_src > 2 && spec->src[2].dtype != WEIR_DTYPE_NONE;
}

static void swap (cl_uint *a, cl_uint *b)
{
  cl_uint kept = *a;
  *a = *b;
  *b = kept;
}

/* An operand as a stack of matrices: a vector as one row (A) or one column (B), ones in front. */
static WeirTensor operand (const WeirTensor *tensor, uint32_t rank, bool is_column)
{
  WeirTensor padded = { .rank = rank };
  uint32_t n_ones = rank - tensor->rank - (tensor->rank == 1 && is_column);
  for (uint32_t i = 0; i < rank; i++)
    padded.dims[i] = i >= n_ones && i - n_ones < tensor->rank ? tensor->dims[i - n_ones] : 1;
  return padded;
}

static void add_stack (Product *product, const WeirTensor *a, const WeirTensor *b)
{
  uint32_t strides[2][WEIR_MAX_RANK], rank = a->rank, n = rank - 2;
  weir_ocl_strides (a, strides[0]);
  weir_ocl_strides (b, strides[1]);
  for (uint32_t i = 0; i < n; i++) {
    uint32_t at = STACK - n + i;
    product->stack[at] = (cl_uint) MAX (a->dims[i], b->dims[i]);
    product->a_stack[at] = a->dims[i] == 1 ? 0 : strides[0][i];
    product->b_stack[at] = b->dims[i] == 1 ? 0 : strides[1][i];
  }
}

/* Everything but C. */
static bool describe (const WeirStepSpec *spec, Product *product)
{
  const WeirTensor *left = &spec->src[0], *right = &spec->src[1];
  uint32_t rank = MAX (MAX (left->rank, right->rank), 2);
  if (left->rank < 1 || right->rank < 1 || rank > STACK + 2)
    return false;
  WeirTensor a = operand (left, rank, false), b = operand (right, rank, true);
  *product = (Product){ .m = (cl_uint) a.dims[rank - 2],
    .k = (cl_uint) a.dims[rank - 1],
    .n = (cl_uint) b.dims[rank - 1],
    .a_row = (cl_uint) a.dims[rank - 1],
    .a_column = 1,
    .b_row = (cl_uint) b.dims[rank - 1],
    .b_column = 1,
    .stack = { 1, 1, 1, 1 },
    .alpha = 1,
    .beta = 1 };
  if (is_gemm (spec)) {
    product->alpha = weir_node_float (spec->node, "alpha", 1.0f);
    product->beta = weir_node_float (spec->node, "beta", 1.0f);
    if (weir_node_int (spec->node, "transA", 0)) {
      swap (&product->m, &product->k);
      swap (&product->a_row, &product->a_column);
    }
    if (weir_node_int (spec->node, "transB", 0)) {
      product->n = (cl_uint) b.dims[0];
      swap (&product->b_row, &product->b_column);
    }
  }
  if (!is_gemm (spec) && right->rank <= 2)
    product->m = weir_ocl_n_elements (&a) / product->k; /* one product of all rows */
  else
    add_stack (product, &a, &b);
  return true;
}

/* C is repeated to [m, n]; constants, too, are plain. */
static void describe_c (const WeirTensor *c, Product *product)
{
  uint32_t strides[WEIR_MAX_RANK];
  weir_ocl_strides (c, strides);
  if (c->rank >= 1 && c->dims[c->rank - 1] != 1)
    product->c_column = strides[c->rank - 1];
  if (c->rank >= 2 && c->dims[c->rank - 2] != 1)
    product->c_row = strides[c->rank - 2];
}

static bool propose (WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  Product product;
  WeirOclStages stages;
  if (!weir_ocl_takes (&spec->src[0]) || spec->src[0].buffer || !weir_ocl_takes (&spec->src[1]) ||
      !weir_ocl_takes (&spec->dst[0]) || !describe (spec, &product) ||
      !weir_ocl_stages_init (&stages, spec) || (has_c (spec) && !weir_ocl_takes (&spec->src[2])))
    return false;
  src[0] = dst[0] = weir_ocl_format_plain (device);
  for (uint32_t i = 1; i < spec->n_src; i++)
    src[i] = spec->src[i].buffer ? weir_ocl_format_packed () : dst[0];
  return true;
}

static bool bind (const WeirOclBound *bound, GError **error)
{
  const Kernel *self = (const Kernel *) bound->kernel;
  const WeirOclStage *stage = &self->stages.stages[self->first];
  uint32_t bytes = (uint32_t) weir_dtype_bytes (self->dtype);
  WeirOclPosts posts;
  weir_ocl_posts_init (&posts, stage->posts, stage->n_posts);
  const void *b = self->b ? weir_ocl_weights_address (self->b) : bound->src[1];
  const void *c = self->c ? weir_ocl_weights_address (self->c) : self->has_c ? bound->src[2] : NULL;
  const void *added = stage->added == WEIR_NONE ? NULL : bound->src[stage->added];
  return weir_ocl_bound_take (
             bound, weir_ocl_call_new (self->base.device->ocl, self->program, self->name,
                        self->grid, error, WEIR_OCL_ADDRESS (bound->src[0], bytes),
                        WEIR_OCL_ADDRESS (b, bytes), WEIR_OCL_ADDRESS (c, bytes),
                        WEIR_OCL_ADDRESS (added, bytes), WEIR_OCL_ADDRESS (bound->dst[0], bytes),
                        WEIR_OCL_VALUE (self->product), WEIR_OCL_VALUE (posts.parameters))) &&
         weir_ocl_stages_take (&self->stages, self->first + 1, bound, self->n, self->dtype, error);
}

static void release (WeirOclKernel *kernel)
{
  Kernel *self = (Kernel *) kernel;
  weir_ocl_weights_unref (kernel->device, self->b);
  weir_ocl_weights_unref (kernel->device, self->c);
  g_free (self);
}

/* [n, k] to [k, n]. */
static void pack_turned (float *packed, const float *values, const void *job)
{
  const Product *product = job;
  for (size_t k = 0; k < product->k; k++)
    for (size_t n = 0; n < product->n; n++)
      *packed++ = values[n * product->k + k];
}

static bool take_constants (Kernel *self, const WeirStepSpec *spec, GError **error)
{
  WeirDevice *device = self->base.device;
  const WeirTensor *b = &spec->src[1];
  Product *product = &self->product;
  bool is_turned = product->b_row == 1 && product->b_column != 1;
  char form[32];
  g_snprintf (form, sizeof form, "turned %u", product->k);
  if (b->buffer)
    self->b = is_turned ? weir_ocl_weights_ref (
                              device, b, form, weir_ocl_n_elements (b), pack_turned, product, error)
                        : weir_ocl_constant_ref (device, b, WEIR_LAYOUT_PLAIN, error);
  if (b->buffer && is_turned)
    product->b_row = product->n, product->b_column = 1;
  if (self->has_c && spec->src[2].buffer)
    self->c = weir_ocl_constant_ref (device, &spec->src[2], WEIR_LAYOUT_PLAIN, error);
  return (!b->buffer || self->b) && (!self->has_c || !spec->src[2].buffer || self->c);
}

/* Fills name and grid; the options of the tiles. Newly allocated. */
static char *choose_tiles (Kernel *self)
{
  const Product *p = &self->product;
  bool is_large = weir_ocl_device_facts (self->base.device->ocl)->max_group >= LARGE;
  if (p->m <= THIN_ROWS && is_large) {
    uint32_t rows = p->m > 4 ? 8 : p->m > 2 ? 4 : p->m;
    self->name = "thin";
    self->grid = weir_ocl_grid (
        p->n, (size_t) (p->m + rows - 1) / rows * THIN_K, self->n_stack, THIN_N, THIN_K, 1);
    return g_strdup_printf ("-DTHIN_N=%u -DTHIN_K=%u -DROWS=%u", THIN_N, THIN_K, rows);
  }
  uint32_t mine = is_large ? 4 : 2, side = is_large ? 16 : 4, tile = mine * side;
  uint32_t n_down = (p->m + tile - 1) / tile, n_across = (p->n + tile - 1) / tile;
  self->name = "product";
  self->grid = weir_ocl_grid (
      (size_t) n_across * side, (size_t) n_down * side, self->n_stack, side, side, 1);
  return g_strdup_printf ("-DTILE_M=%u -DTILE_N=%u -DMINE_M=%u -DMINE_N=%u -DDEPTH=16%s%s", tile,
      tile, mine, mine, p->a_row == 1 && p->a_column != 1 ? " -DA_BY_COLUMN" : "",
      p->b_row == 1 && p->b_column != 1 ? " -DB_BY_COLUMN" : "");
}

static bool get_program (Kernel *self, GError **error)
{
  const WeirOclStage *stage = &self->stages.stages[self->first];
  WeirOclPosts posts;
  weir_ocl_posts_init (&posts, stage->posts, stage->n_posts);
  g_autofree char *tiles = choose_tiles (self);
  g_autofree char *options =
      g_strconcat (tiles, weir_ocl_dtype_option (self->dtype), self->has_c ? " -DHAS_C" : "",
          stage->added == WEIR_NONE ? "" : " -DHAS_ADDED", posts.options, NULL);
  self->program = weir_ocl_program_get (self->base.device->ocl, "matrix", options, error);
  return self->program != NULL;
}

static WeirOclKernel *compile (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  Kernel *self =
      (Kernel *) weir_ocl_kernel_new (device, spec, sizeof *self, "matrix", weir_ocl_run_calls);
  self->base.bind = bind;
  self->base.free = release;
  self->dtype = spec->dst[0].dtype;
  self->n = weir_ocl_n_elements (&spec->dst[0]);
  self->has_c = has_c (spec);
  describe (spec, &self->product);
  self->n_stack = self->n / self->product.m / self->product.n;
  if (self->has_c)
    describe_c (&spec->src[2], &self->product);
  weir_ocl_stages_init (&self->stages, spec);
  self->first = self->stages.n > 1 && self->stages.stages[0].n_posts == 0;
  if (take_constants (self, spec, error) && get_program (self, error))
    return &self->base;
  release (&self->base);
  return NULL;
}

const WeirOclOp weir_ocl_matrix = { propose, compile };
