/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pictures for the tests of preprocessing: any format and size, made of noise. */
#pragma once

#include "engine/pre/pre.h"

/* Rows end wherever `slack_bytes` says beyond the smallest stride. Free with picture_clear. */
WeirFrame picture_new (WeirPixelFormat format, uint32_t width_px, uint32_t height_px,
    uint32_t slack_bytes, uint32_t seed);
void picture_clear (WeirFrame *frame);

/* Bytes of a row and rows of a plane; 0 where the format has no such plane. */
uint32_t picture_row_bytes (WeirPixelFormat format, uint32_t width_px, int plane);
uint32_t picture_n_rows (WeirPixelFormat format, uint32_t height_px, int plane);

/* 0 … n - 1, from a generator that the seed of the latest picture set. */
uint32_t picture_random (uint32_t n);
