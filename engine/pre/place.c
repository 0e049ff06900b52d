/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The geometry of the four ways to resize, and its inverse. */
#include "engine/pre/place.h"

/* a · b div c, at least 1 and at most `limit`. */
static uint32_t ratio (uint32_t a, uint32_t b, uint32_t c, uint32_t limit)
{
  uint64_t value = (uint64_t) a * b / c;
  return (uint32_t) CLAMP (value, 1, limit);
}

static void place_letterbox (const WeirInputSpec *spec, const WeirRegion *region, WeirPlace *place)
{
  place->width_px = ratio (region->width_px, spec->height_px, region->height_px, spec->width_px);
  place->height_px = ratio (region->height_px, spec->width_px, region->width_px, spec->height_px);
}

static void place_centred (const WeirInputSpec *spec, const WeirRegion *region, WeirPlace *place)
{
  place_letterbox (spec, region, place);
  place->x_px = (spec->width_px - place->width_px) / 2;
  place->y_px = (spec->height_px - place->height_px) / 2;
}

static void place_crop (const WeirInputSpec *spec, const WeirRegion *region, WeirPlace *place)
{
  WeirRegion *src = &place->src;
  src->width_px = ratio (region->height_px, spec->width_px, spec->height_px, region->width_px);
  src->height_px = ratio (region->width_px, spec->height_px, spec->width_px, region->height_px);
  src->x_px += (region->width_px - src->width_px) / 2;
  src->y_px += (region->height_px - src->height_px) / 2;
}

static void place_stretch (const WeirInputSpec *spec, const WeirRegion *region, WeirPlace *place)
{
}

static void (*const places[]) (const WeirInputSpec *, const WeirRegion *, WeirPlace *) = {
  [WEIR_RESIZE_STRETCH] = place_stretch,
  [WEIR_RESIZE_LETTERBOX_TOP_LEFT] = place_letterbox,
  [WEIR_RESIZE_LETTERBOX_CENTRE] = place_centred,
  [WEIR_RESIZE_CROP] = place_crop,
};

WeirPlace weir_place (const WeirInputSpec *spec, const WeirRegion *region)
{
  WeirPlace place = { .src = *region, .width_px = spec->width_px, .height_px = spec->height_px };
  g_assert ((unsigned) spec->resize < G_N_ELEMENTS (places));
  places[spec->resize](spec, region, &place);
  return place;
}

void weir_pre_mapping (const WeirInputSpec *spec, const WeirRegion *region, WeirMapping *mapping)
{
  WeirPlace place = weir_place (spec, region);
  mapping->scale_x = (double) place.width_px / place.src.width_px;
  mapping->scale_y = (double) place.height_px / place.src.height_px;
  if (spec->resize == WEIR_RESIZE_LETTERBOX_TOP_LEFT ||
      spec->resize == WEIR_RESIZE_LETTERBOX_CENTRE) {
    /* The one ratio of the definition, although whole pixels stretch the picture by a trifle. */
    double scale_x = (double) spec->width_px / region->width_px;
    double scale_y = (double) spec->height_px / region->height_px;
    mapping->scale_x = mapping->scale_y = MIN (scale_x, scale_y);
  }
  mapping->offset_x_px = place.x_px - (place.src.x_px - region->x_px) * mapping->scale_x;
  mapping->offset_y_px = place.y_px - (place.src.y_px - region->y_px) * mapping->scale_y;
}
