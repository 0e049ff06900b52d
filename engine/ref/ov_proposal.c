/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proposal: the region proposals of Faster R-CNN (Ren et al., 2015), with the anchors of its Caffe
 * and TensorFlow versions. */
#include "engine/graph/openvino.h"
#include "engine/graph/score_order.h"
#include "engine/ref/ref.h"

#include <math.h>

typedef struct Box {
  float x0, y0, x1, y1;
} Box;

typedef struct Work {
  WeirProposal p;
  float height, width, min_height, min_width; /* of the image; of boxes */
  float last; /* added to x1 - x0: 1 where boxes end with their last pixel */
  /* scratch */
  Box *boxes;         /* [n_boxes] */
  WeirScored *scored; /* [n_boxes] */
  bool *is_dead;      /* [n_before] */
} Work;

static char *carve_all (Work *work, char *base)
{
  size_t n = (size_t) work->p.n_boxes;
  work->boxes = (Box *) (void *) base;
  work->scored = (WeirScored *) (void *) (base + n * sizeof (Box));
  work->is_dead = (bool *) (base + n * (sizeof (Box) + sizeof (WeirScored)));
  return base + n * (sizeof (Box) + sizeof (WeirScored) + sizeof (bool));
}

size_t weir_ref_ov_proposal_scratch (const WeirShapeJob *job)
{
  static char base[1];
  Work work = { 0 };
  return weir_proposal_resolve (job, &work.p, NULL) ? (size_t) (carve_all (&work, base) - base) : 0;
}

/* Anchor i around the first cell: all scales of one ratio, then the next. */
static Box make_anchor (const Work *work, uint32_t i)
{
  const WeirProposal *p = &work->p;
  float ratio = p->ratio[i / p->n_scales], scale = p->scale[i % p->n_scales];
  float width = sqrtf (p->base_size * p->base_size / ratio);
  width = p->is_tensorflow ? width : roundf (width);
  float height = p->is_tensorflow ? width * ratio : roundf (width * ratio);
  float centre = p->is_tensorflow ? 0 : 0.5f * (p->base_size - work->last);
  float dx = 0.5f * (width * scale - work->last), dy = 0.5f * (height * scale - work->last);
  return (Box){ centre - dx, centre - dy, centre + dx, centre + dy };
}

static void clip (Box *box, float width, float height)
{
  box->x0 = CLAMP (box->x0, 0, width);
  box->y0 = CLAMP (box->y0, 0, height);
  box->x1 = CLAMP (box->x1, 0, width);
  box->y1 = CLAMP (box->y1, 0, height);
}

/* `delta`: of centre and size, `stride` elements apart. */
static Box move_anchor (const Work *work, Box anchor, const float *delta, int64_t stride)
{
  const WeirProposal *p = &work->p;
  float width = anchor.x1 - anchor.x0 + work->last, height = anchor.y1 - anchor.y0 + work->last;
  float x = anchor.x0 + 0.5f * width + delta[0] / p->coordinate_scale * width;
  float y = anchor.y0 + 0.5f * height + delta[stride] / p->coordinate_scale * height;
  width *= expf (delta[2 * stride] / p->size_scale);
  height *= expf (delta[3 * stride] / p->size_scale);
  return (Box){ x - 0.5f * width, y - 0.5f * height, x + 0.5f * width, y + 0.5f * height };
}

/* Box k of the image: anchor k mod A of cell k div A. A box that is too small scores 0. */
static void make_box (Work *work, const WeirShapeJob *job, int64_t image, int64_t k)
{
  const WeirProposal *p = &work->p;
  const WeirTensor *src = &job->src[0];
  int64_t n_anchors = src->dims[1] / 2, n_cells = src->dims[2] * src->dims[3];
  int64_t cell = k / n_anchors, i = k % n_anchors;
  float row = (float) (cell / src->dims[3]) * p->stride,
        column = (float) (cell % src->dims[3]) * p->stride;
  float x = p->is_tensorflow ? row : column, y = p->is_tensorflow ? column : row;
  const float *delta = weir_ref_f32 (&job->src[1]) + (image * n_anchors + i) * 4 * n_cells + cell;
  float score = weir_ref_f32 (src)[((image * 2 + 1) * n_anchors + i) * n_cells + cell];
  Box box = make_anchor (work, (uint32_t) i);
  box = (Box){ box.x0 + x, box.y0 + y, box.x1 + x, box.y1 + y };
  if (p->is_tensorflow)
    clip (&box, work->width, work->height);
  box = move_anchor (work, box, delta, n_cells);
  if (p->clips_before)
    clip (&box, work->width - work->last, work->height - work->last);
  bool is_large = box.x1 - box.x0 + work->last >= work->min_width &&
                  box.y1 - box.y0 + work->last >= work->min_height;
  work->boxes[k] = box;
  work->scored[k] = (WeirScored){ is_large ? score : 0, 0, (int32_t) k };
}

static float overlap (const Work *work, const Box *a, const Box *b)
{
  float last = work->last;
  if (a->x0 > b->x1 || a->y0 > b->y1 || b->x0 > a->x1 || b->y0 > a->y1)
    return 0;
  float width = MAX (0, MIN (a->x1, b->x1) - MAX (a->x0, b->x0) + last);
  float height = MAX (0, MIN (a->y1, b->y1) - MAX (a->y0, b->y0) + last);
  float area_a = (a->x1 - a->x0 + last) * (a->y1 - a->y0 + last);
  float area_b = (b->x1 - b->x0 + last) * (b->y1 - b->y0 + last);
  return width * height / (area_a + area_b - width * height);
}

/* Brings those that stay to the front of `scored`; their number. */
static int64_t suppress (Work *work)
{
  WeirScored *scored = work->scored;
  int64_t n = 0;
  memset (work->is_dead, 0, (size_t) work->p.n_before);
  for (int64_t i = 0; i < work->p.n_before && n < work->p.n_after; i++) {
    if (work->is_dead[i])
      continue;
    const Box *box = &work->boxes[scored[i].index];
    for (int64_t k = i + 1; k < work->p.n_before; k++)
      if (!work->is_dead[k] &&
          overlap (work, box, &work->boxes[scored[k].index]) > work->p.nms_threshold)
        work->is_dead[k] = true;
    scored[n++] = scored[i];
  }
  return n;
}

/* Rows behind the n that there are have image -1, then zeros. */
static void put_rows (const Work *work, int64_t image, int64_t n, float *dst, float *score)
{
  memset (dst, 0, (size_t) work->p.n_after * 5 * sizeof *dst);
  for (int64_t i = 0; i < n; i++) {
    Box box = work->boxes[work->scored[i].index];
    if (work->p.clips_after)
      clip (&box, work->width, work->height);
    if (work->p.normalizes)
      box = (Box){ box.x0 / work->width, box.y0 / work->height, box.x1 / work->width,
        box.y1 / work->height };
    dst[i * 5] = (float) image;
    memcpy (dst + i * 5 + 1, &box, sizeof box);
  }
  for (int64_t i = 0; score && i < work->p.n_after; i++)
    score[i] = i < n ? work->scored[i].score : 0;
  if (n < work->p.n_after)
    dst[n * 5] = -1;
}

bool weir_ref_ov_proposal (const WeirShapeJob *job, void *scratch, GError **error)
{
  const float *size = weir_ref_f32 (&job->src[2]);
  Work work = { 0 };
  if (!weir_proposal_resolve (job, &work.p, error))
    return false;
  carve_all (&work, scratch);
  work.last = work.p.is_tensorflow ? 0 : 1;
  work.height = size[work.p.is_tensorflow]; /* there, x counts rows */
  work.width = size[!work.p.is_tensorflow];
  work.min_height = work.p.min_size * size[2];
  work.min_width = work.p.min_size * size[weir_ref_n (&job->src[2]) > 3 ? 3 : 2];
  for (int64_t image = 0; image < job->src[0].dims[0]; image++) {
    float *score = weir_job_wants (job, 1) ? weir_ref_dst_f32 (&job->dst[1]) : NULL;
    for (int64_t k = 0; k < work.p.n_boxes; k++)
      make_box (&work, job, image, k);
    weir_scored_sort (work.scored, work.p.n_boxes, work.p.n_before);
    put_rows (&work, image, suppress (&work),
        weir_ref_dst_f32 (&job->dst[0]) + image * work.p.n_after * 5,
        score ? score + image * work.p.n_after : NULL);
  }
  return true;
}
