/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Einsum: NumPy's notation, whole. Letters of either case, spaces anywhere, ellipses (broadcast
 * from the right), repeated letters of an operand (its diagonal), and the implicit result: the
 * ellipsis, then letters that come once, in the order of their codes. */
#include "engine/graph/einsum.h"

#include "engine/base/checked.h"
#include "engine/graph/geometry.h"

#include <string.h>

/* A few letters make of small inputs more products than anyone can wait for. */
#define MAX_PRODUCTS (INT64_C (1) << 42)

/* Axes are named by letters, those of an ellipsis by codes above them: 128 is its last dimension.
 */
#define ELLIPSIS_NAME 128
#define N_NAMES       (ELLIPSIS_NAME + WEIR_MAX_RANK)

typedef struct Term {
  uint32_t n;
  uint8_t names[WEIR_EINSUM_MAX_AXES];
  int32_t ellipsis; /* place of it among the names; -1: none */
} Term;

typedef struct Equation {
  const WeirShapeJob *job;
  Term src[WEIR_EINSUM_MAX_SRC], dst;
  bool has_dst;
  uint32_t n_ellipsis; /* dimensions of the widest */
  uint32_t n_seen[N_NAMES];
  int64_t dims[N_NAMES];
  int32_t axes[N_NAMES]; /* of the sum; -1: none yet */
} Equation;

static bool equation_error (const Equation *e, const char *text, GError **error)
{
  const WeirShapeJob *job = e->job;
  return weir_job_fail ("equation '%s' %s", weir_node_string (job->node, "equation", ""), text);
}

/* One term up to ',', '-' or the end; *at is moved there. */
static bool read_term (const Equation *e, const char **at, Term *term, GError **error)
{
  *term = (Term){ .ellipsis = -1 };
  for (; **at && **at != ',' && **at != '-'; ++*at) {
    if (**at == ' ')
      continue;
    if (strncmp (*at, "...", 3) == 0 && term->ellipsis < 0) {
      term->ellipsis = (int32_t) term->n;
      *at += 2;
    } else if (!g_ascii_isalpha (**at)) {
      return equation_error (e, "has a character that is no letter", error);
    } else if (term->n == WEIR_MAX_RANK) {
      return equation_error (e, "has a term of more than 8 letters", error);
    } else {
      term->names[term->n++] = (uint8_t) * *at;
    }
  }
  return true;
}

static bool read_equation (Equation *e, GError **error)
{
  const char *at = weir_node_string (e->job->node, "equation", "");
  for (uint32_t i = 0; i < e->job->node->n_src; i++) {
    if (!read_term (e, &at, &e->src[i], error))
      return false;
    bool is_last = i + 1 == e->job->node->n_src;
    if (!is_last && *at != ',')
      return equation_error (e, "has fewer terms than there are inputs", error);
    at += !is_last;
  }
  e->has_dst = strncmp (at, "->", 2) == 0;
  if (!e->has_dst)
    return *at == '\0' || equation_error (e, "has more terms than there are inputs", error);
  at += 2;
  return read_term (e, &at, &e->dst, error) &&
         (*at == '\0' || equation_error (e, "goes on after its result", error));
}

/* Puts the names of n dimensions in the place of the ellipsis. */
static bool expand_ellipsis (const Equation *e, Term *term, uint32_t n, GError **error)
{
  if (term->ellipsis < 0)
    return true;
  if (term->n + n > WEIR_MAX_RANK)
    return equation_error (e, "has a term of more than 8 dimensions", error);
  uint32_t at = (uint32_t) term->ellipsis;
  memmove (term->names + at + n, term->names + at, term->n - at);
  for (uint32_t i = 0; i < n; i++)
    term->names[at + i] = (uint8_t) (ELLIPSIS_NAME + n - 1 - i);
  term->n += n;
  return true;
}

/* Names of the input's dimensions; their sizes agree or are 1. */
static bool fit_src (Equation *e, uint32_t i, GError **error)
{
  const WeirTensor *src = &e->job->src[i];
  Term *term = &e->src[i];
  bool fits = term->ellipsis >= 0 ? src->rank >= term->n : src->rank == term->n;
  uint32_t n = fits ? src->rank - term->n : 0;
  e->n_ellipsis = MAX (e->n_ellipsis, n);
  if (fits && !expand_ellipsis (e, term, n, error))
    return false;
  for (uint32_t k = 0; fits && k < src->rank; k++) {
    int64_t *dim = &e->dims[term->names[k]];
    fits =
        e->n_seen[term->names[k]]++ == 0 || *dim == src->dims[k] || *dim == 1 || src->dims[k] == 1;
    if (e->n_seen[term->names[k]] == 1 || *dim == 1)
      *dim = src->dims[k];
  }
  if (fits)
    return true;
  g_autofree char *shape = weir_tensor_describe (src);
  g_autofree char *text = g_strdup_printf ("does not fit input %u, which is %s", i, shape);
  return equation_error (e, text, error);
}

static bool imply_dst (Equation *e, GError **error)
{
  e->dst = (Term){ .ellipsis = 0 };
  for (uint8_t name = 0; name < ELLIPSIS_NAME; name++)
    if (e->n_seen[name] == 1) {
      if (e->dst.n == WEIR_MAX_RANK)
        return equation_error (e, "has a result of more than 8 dimensions", error);
      e->dst.names[e->dst.n++] = name;
    }
  return true;
}

/* Numbers the axes: those of the result first. */
static bool number_axes (Equation *e, WeirEinsum *einsum, GError **error)
{
  memset (e->axes, -1, sizeof e->axes);
  for (uint32_t i = 0; i < e->dst.n; i++) {
    uint8_t name = e->dst.names[i];
    if (e->axes[name] >= 0 || !e->n_seen[name])
      return equation_error (e, "has a result with a letter that is unknown or comes twice", error);
    e->axes[name] = (int32_t) einsum->n_axes++;
  }
  einsum->n_dst = einsum->n_axes;
  for (uint32_t name = 0; name < N_NAMES; name++)
    if (e->n_seen[name] && e->axes[name] < 0)
      e->axes[name] = (int32_t) einsum->n_axes++;
  for (uint32_t name = 0; name < N_NAMES; name++)
    if (e->n_seen[name])
      einsum->dims[e->axes[name]] = e->dims[name];
  return true;
}

static void set_strides (const Equation *e, WeirEinsum *einsum)
{
  for (uint32_t i = 0; i < e->job->node->n_src; i++) {
    const WeirTensor *src = &e->job->src[i];
    int64_t stride = 1;
    for (uint32_t k = src->rank; k-- > 0; stride *= src->dims[k])
      if (src->dims[k] != 1)
        einsum->stride[i][e->axes[e->src[i].names[k]]] += stride;
  }
}

bool weir_einsum_resolve (const WeirShapeJob *job, WeirEinsum *einsum, GError **error)
{
  Equation e = { .job = job };
  memset (einsum, 0, sizeof *einsum);
  if (job->node->n_src > WEIR_EINSUM_MAX_SRC)
    return weir_job_refuse (
        "%u inputs, at most %d are supported", job->node->n_src, WEIR_EINSUM_MAX_SRC);
  if (!read_equation (&e, error))
    return false;
  for (uint32_t i = 0; i < job->node->n_src; i++)
    if (!fit_src (&e, i, error))
      return false;
  if ((!e.has_dst && !imply_dst (&e, error)) ||
      !expand_ellipsis (&e, &e.dst, e.n_ellipsis, error) || !number_axes (&e, einsum, error))
    return false;
  set_strides (&e, einsum);
  return true;
}

static bool check_effort (const WeirShapeJob *job, const WeirEinsum *einsum, GError **error)
{
  int64_t n = 1;
  for (uint32_t i = 0; i < einsum->n_axes; i++)
    if (einsum->dims[i] == 0)
      return true;
    else if (!weir_checked_mul_i64 (n, einsum->dims[i], &n) || n > MAX_PRODUCTS)
      return weir_job_refuse ("more than 2^42 products");
  return true;
}

bool weir_shape_einsum (const WeirShapeJob *job, GError **error)
{
  WeirEinsum einsum;
  if (!weir_einsum_resolve (job, &einsum, error) || !check_effort (job, &einsum, error))
    return false;
  for (uint32_t i = 0; i < job->node->n_src; i++)
    if (job->src[i].dtype != job->src[0].dtype || job->src[i].dtype == WEIR_DTYPE_BOOL)
      return weir_job_fail ("input %u is %s, expected one numeric type for all", i,
          weir_dtype_name (job->src[i].dtype));
  job->dst[0].dtype = job->src[0].dtype;
  job->dst[0].rank = einsum.n_dst;
  memcpy (job->dst[0].dims, einsum.dims, einsum.n_dst * sizeof *einsum.dims);
  return true;
}
