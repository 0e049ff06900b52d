/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The peer's preprocessing: the three planes of an I420 region become small first, then the small
 * picture becomes B, G, R. */
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

struct Plane {
  const uint8_t *data;
  size_t stride;
  int width, height; /* pixels, at least 2 each */
};

/* One a thread: it keeps its rows and tables between pictures. */
class PlaneResizer
{
public:
  /* planes Y, U, V to `width` × `height` (both even) planes B, G, R of f32 0..255 behind one
   * another; BT.601, limited range. */
  void run (const Plane planes[3], int width, int height, float *dst);

private:
  struct Axis {
    int src = 0, dst = 0;
    std::vector<int32_t> at;
    std::vector<uint32_t> weights; /* of at and at + 1, 14 bits, in the low and the high half */
    void set (int src, int dst);
  };
  void resize (const Plane &plane, Axis &x, Axis &y, uint8_t *dst);
  void convert (int width, int height, float *dst);

  Axis axes[4]; /* luma x, y, chroma x, y */
  std::vector<int16_t> row;
  std::vector<uint8_t> small[3];
  std::vector<int32_t> chroma;
};
