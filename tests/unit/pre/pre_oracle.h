/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Preprocessing straight from its definition, in real numbers and one sample at a time: what
 * weir_pre_run is held against. Shares no code with the engine. */
#pragma once

#include "engine/pre/pre.h"

/* 8-bit R, G, B of one pixel of the frame. */
void oracle_pixel (const WeirFrame *frame, uint32_t x_px, uint32_t y_px, int rgb[3]);

/* 8-bit value, 0..255, of channel c at (x, y) of the network's input, before mean and scale. */
int oracle_value (const WeirInputSpec *spec, const WeirFrame *frame, const WeirRegion *region,
    uint32_t c, uint32_t x_px, uint32_t y_px);

/* Exact 8-bit channel (0 R, 1 G, 2 B) of a Y, Cb, Cr triple, in whole numbers. */
int oracle_channel (
    WeirMatrix matrix, WeirRange range, uint32_t n_bits, int c, int luma, int blue, int red);
