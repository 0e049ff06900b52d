/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Preprocessing on an OpenCL device: every pixel format, way to resize and colour that the host
 * has. */
#pragma once

#include "engine/pre/pictures.h"

extern const WeirPictures weir_ocl_pictures;
