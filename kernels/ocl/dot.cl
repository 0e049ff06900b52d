/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Products of four pairs of 8-bit numbers, added up: one instruction where the device has it.
 *
 * DOT_KHR: cl_khr_integer_dot_product, whose packed forms every device with it has (OpenCL C 3.0 says so
 * by a macro). DOT_NVIDIA: from 6.1 on (PTX ISA, dp4a; the driver has no function for it). DOT_ARM:
 * cl_arm_integer_dot_product_int8. Without: plain C, the same numbers. All are signed: that form is fast
 * on every vendor's. */
#ifdef DOT_ARM
#pragma OPENCL EXTENSION cl_arm_integer_dot_product_int8 : enable
#endif

int dot4 (int a, int b, int sum)
{
#if defined(DOT_KHR) && defined(__opencl_c_integer_dot_product_input_4x8bit_packed)
  return sum + dot_4x8packed_ss_int (as_uint (a), as_uint (b));
#elif defined(DOT_NVIDIA)
  int result;
  __asm__ ("dp4a.s32.s32 %0, %1, %2, %3;" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
  return result;
#elif defined(DOT_ARM)
  return sum + arm_dot (as_char4 (a), as_char4 (b));
#else
  char4 x = as_char4 (a), y = as_char4 (b);
  return sum + x.s0 * y.s0 + x.s1 * y.s1 + x.s2 * y.s2 + x.s3 * y.s3;
#endif
}

int4 dot4_each (int a, int4 b, int4 sum)
{
  return (int4) (dot4 (a, b.s0, sum.s0), dot4 (a, b.s1, sum.s1), dot4 (a, b.s2, sum.s2),
      dot4 (a, b.s3, sum.s3));
}
