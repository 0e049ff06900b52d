/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What every kernel begins with: the type that tensors are stored in, and how it is read and
 * written.
 *
 * `real` is float, or half with -DWEIR_F16. A half is only ever stored: vload_half and vstore_half
 * are core OpenCL 1.2, so that no device needs cl_khr_fp16; all arithmetic is in float. Tensors
 * come as a buffer and the offset of their first element in it, counted in elements.
 *
 * With -DWEIR_U8, -DWEIR_I8 tensors are codes, taken as whole numbers: for what picks some of them. */

#if defined(WEIR_U8) || defined(WEIR_I8)
#ifdef WEIR_U8
typedef uchar real;
typedef uchar4 real4;
#define NARROW(x)  convert_uchar_sat (x)
#define NARROW4(x) convert_uchar4_sat (x)
#else
typedef char real;
typedef char4 real4;
#define NARROW(x)  convert_char_sat (x)
#define NARROW4(x) convert_char4_sat (x)
#endif
#define load(p, i)              convert_float ((p)[i])
#define store(x, p, i)          ((p)[i] = NARROW (x))
#define load4_aligned(p, i)     convert_float4 (*(const __global real4 *) ((p) + (i)))
#define store4_aligned(x, p, i) (*(__global real4 *) ((p) + (i)) = NARROW4 (x))
#elif defined(WEIR_F16)
typedef half real;
#define load(p, i)      vload_half (i, p)
#define store(x, p, i)  vstore_half_rte (x, i, p)
/* i is a multiple of 4, p of 4 elements aligned: one access instead of four */
#define load4_aligned(p, i)     vloada_half4 (0, (p) + (i))
#define store4_aligned(x, p, i) vstorea_half4_rte (x, 0, (p) + (i))
#else
typedef float real;
#define load(p, i)              ((p)[i])
#define store(x, p, i)          ((p)[i] = (x))
#define load4_aligned(p, i)     (*(const __global float4 *) ((p) + (i)))
#define store4_aligned(x, p, i) (*(__global float4 *) ((p) + (i)) = (x))
#endif
