/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* AMX tile instructions in plain C (Intel's manual: volume 1, chapter 18; volume 2 for each).
 *
 * The CPU raises SIGILL at one that it has not. The handler carries it out on this thread's tiles
 * and continues behind it. The kernel keeps vectors and MXCSR in the signal's frame and starts a
 * handler with the default MXCSR: to nearest even, denormals as they are. */
#include "tests/kernels/tile_emulator.h"

#include "kernels/kernels.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <float.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#define N_TILES       8
#define MAX_ROWS      16
#define MAX_ROW_BYTES 64

typedef union TileRow {
  uint8_t bytes[MAX_ROW_BYTES];
  uint16_t bf16[MAX_ROW_BYTES / 2];
  uint32_t i32[MAX_ROW_BYTES / 4];
  float f32[MAX_ROW_BYTES / 4];
} TileRow;

typedef struct Tile {
  unsigned n_rows, row_bytes; /* both 0: not configured */
  TileRow rows[MAX_ROWS];     /* zero beyond those */
} Tile;

typedef struct Instruction {
  const struct Operation *operation;
  unsigned opcode, prefix, mod, rxb; /* rxb: bits 3 of reg, the index, and rm or the base */
  unsigned reg, rm, vvvv;   /* where they are tiles: the first operand, the second, the third */
  uint64_t address, stride; /* base + displacement; index << scale, 0 without an index */
  const uint8_t *end;
} Instruction;

typedef enum Form { FORM_BARE, FORM_MEMORY, FORM_TILE, FORM_TILE_SIB, FORM_THREE_TILES } Form;
enum { PREFIX_NONE, PREFIX_66, PREFIX_F3, PREFIX_F2 };

typedef struct Operation {
  const char *name;
  unsigned opcode, prefix;
  Form form;
  void (*carry_out) (const Instruction *instruction);
  bool stores, src1_is_signed, src2_is_signed;
} Operation;

/* dst += src1 · src2 */
typedef struct Product {
  Tile *dst;
  const Tile *src1, *src2;
} Product;

static _Thread_local Tile tiles[N_TILES];
static struct sigaction former;

static void require (const Instruction *instruction, bool holds, const char *rule)
{
  if (holds)
    return;
  fprintf (stderr, "%s breaks the rule: %s\n", instruction->operation->name, rule);
  abort ();
}

static Tile *tile_of (const Instruction *instruction, unsigned number)
{
  require (instruction, tiles[number].n_rows > 0, "its tiles are configured");
  return &tiles[number];
}

static void release (const Instruction *instruction)
{
  (void) instruction;
  memset (tiles, 0, sizeof tiles);
}

/* The operand: palette, start_row, 14 zeros, 8 colsb of 16 bits, 16 zeros, 8 rows, 8 zeros. */
static void configure (const Instruction *instruction)
{
  uint8_t config[64];
  memcpy (config, (const void *) (instruction->address + instruction->stride), sizeof config);
  release (instruction);
  if (config[0] == 0)
    return;
  require (instruction, config[0] == 1, "palette <= 1");
  require (instruction, config[1] == 0, "start_row == 0 (others are not emulated)");
  for (unsigned i = 2; i < sizeof config; i++)
    require (instruction, config[i] == 0 || i / 16 == 1 || i / 8 == 6, "reserved bytes are 0");
  for (unsigned i = 0; i < N_TILES; i++) {
    const unsigned n_rows = config[48 + i], row_bytes = config[16 + 2 * i];
    require (instruction, n_rows <= MAX_ROWS, "rows <= 16");
    require (instruction, row_bytes <= MAX_ROW_BYTES && !config[17 + 2 * i], "colsb <= 64");
    require (instruction, (n_rows == 0) == (row_bytes == 0), "rows and colsb are 0 together");
    tiles[i].n_rows = n_rows;
    tiles[i].row_bytes = row_bytes;
  }
}

static void zero (const Instruction *instruction)
{
  memset (tile_of (instruction, instruction->reg)->rows, 0, sizeof tiles->rows);
}

static void load_or_store (const Instruction *instruction)
{
  const bool stores = instruction->operation->stores;
  Tile *tile = tile_of (instruction, instruction->reg);
  require (instruction, tile->row_bytes % 4 == 0, "colsb % 4 == 0");
  for (unsigned r = 0; r < tile->n_rows; r++) {
    void *memory = (void *) (instruction->address + r * instruction->stride);
    void *row = tile->rows[r].bytes;
    memcpy (stores ? memory : row, stores ? row : memory, tile->row_bytes);
  }
}

static Product product_of (const Instruction *instruction)
{
  const unsigned reg = instruction->reg, rm = instruction->rm, vvvv = instruction->vvvv;
  require (instruction, reg != rm && reg != vvvv && rm != vvvv, "its tiles are three");
  Tile *dst = tile_of (instruction, reg);
  const Tile *src1 = tile_of (instruction, rm), *src2 = tile_of (instruction, vvvv);
  require (instruction, dst->row_bytes % 4 == 0, "dst.colsb % 4 == 0");
  require (instruction, src1->row_bytes % 4 == 0, "src1.colsb % 4 == 0");
  require (instruction, dst->n_rows == src1->n_rows, "dst.rows == src1.rows");
  require (instruction, dst->row_bytes == src2->row_bytes, "dst.colsb == src2.colsb");
  require (instruction, src1->row_bytes / 4 == src2->n_rows, "src1.colsb / 4 == src2.rows");
  return (Product){ dst, src1, src2 };
}

static float without_denormal (float value)
{
  return fabsf (value) < FLT_MIN ? copysignf (0, value) : value;
}

static float bf16_value (uint16_t code)
{
  const uint32_t bits = (uint32_t) code << 16;
  float value;
  memcpy (&value, &bits, sizeof value);
  return without_denormal (value);
}

/* A result is tiny if it is so once rounded to 24 bits, with an exponent as small as need be: below
 * 2^-126 - 2^-151, of which fmaf rounds what is above 2^-126 - 2^-150 to FLT_MIN. Around there the
 * sum in double is exact, as the 16 bits of a product end at 2^-167 or have no weight. */
static float multiply_add (float a, float b, float sum)
{
  const double wide = (double) a * (double) b + (double) sum;
  return fabs (wide) < 0x1p-126 - 0x1p-151 ? copysignf (0, (float) wide) : fmaf (a, b, sum);
}

static void multiply_bf16 (const Instruction *instruction)
{
  const Product p = product_of (instruction);
  for (unsigned m = 0; m < p.dst->n_rows; m++)
    for (unsigned n = 0; n < p.dst->row_bytes / 4; n++) {
      float *dst = &p.dst->rows[m].f32[n], sums[2] = { 0, 0 }; /* of even elements, of odd ones */
      for (unsigned k = 0; k < p.src1->row_bytes / 2; k++)
        sums[k % 2] = multiply_add (bf16_value (p.src1->rows[m].bf16[k]),
            bf16_value (p.src2->rows[k / 2].bf16[2 * n + k % 2]), sums[k % 2]);
      *dst = without_denormal (without_denormal (*dst) + without_denormal (sums[0] + sums[1]));
    }
}

/* Modulo 2^32, as the sums are. */
static uint32_t int8_value (uint8_t code, bool is_signed)
{
  return is_signed ? (uint32_t) (int8_t) code : code;
}

static void multiply_int8 (const Instruction *instruction)
{
  const Product p = product_of (instruction);
  const Operation *operation = instruction->operation;
  for (unsigned m = 0; m < p.dst->n_rows; m++)
    for (unsigned n = 0; n < p.dst->row_bytes / 4; n++)
      for (unsigned k = 0; k < p.src1->row_bytes; k++)
        p.dst->rows[m].i32[n] +=
            int8_value (p.src1->rows[m].bytes[k], operation->src1_is_signed) *
            int8_value (p.src2->rows[k / 4].bytes[4 * n + k % 4], operation->src2_is_signed);
}

static const Operation operations[] = {
  { "LDTILECFG", 0x49, PREFIX_NONE, FORM_MEMORY, .carry_out = configure },
  { "TILERELEASE", 0x49, PREFIX_NONE, FORM_BARE, .carry_out = release },
  { "TILEZERO", 0x49, PREFIX_F2, FORM_TILE, .carry_out = zero },
  { "TILELOADD", 0x4b, PREFIX_F2, FORM_TILE_SIB, .carry_out = load_or_store },
  { "TILELOADDT1", 0x4b, PREFIX_66, FORM_TILE_SIB, .carry_out = load_or_store },
  { "TILESTORED", 0x4b, PREFIX_F3, FORM_TILE_SIB, .carry_out = load_or_store, .stores = true },
  { "TDPBF16PS", 0x5c, PREFIX_F3, FORM_THREE_TILES, .carry_out = multiply_bf16 },
  { "TDPBSSD", 0x5e, PREFIX_F2, FORM_THREE_TILES, multiply_int8, false, true, true },
  { "TDPBSUD", 0x5e, PREFIX_F3, FORM_THREE_TILES, multiply_int8, false, true, false },
  { "TDPBUSD", 0x5e, PREFIX_66, FORM_THREE_TILES, multiply_int8, false, false, true },
  { "TDPBUUD", 0x5e, PREFIX_NONE, FORM_THREE_TILES, multiply_int8, false, false, false },
};

/* Reads no further than an instruction of map 0F38 goes. VEX holds rxb and vvvv inverted. */
static bool read_codes (const uint8_t *at, Instruction *instruction)
{
  if (at[0] != 0xc4 || (at[1] & 0x1f) != 2 || (at[2] & 0x84) != 0) /* VEX, map 0F38, W0 and L0 */
    return false;
  *instruction = (Instruction){
    .prefix = at[2] & 3,
    .opcode = at[3],
    .end = at + 5,
    .rxb = ~at[1] >> 5 & 7,
    .vvvv = ~at[2] >> 3 & 15,
    .mod = at[4] >> 6,
    .reg = at[4] >> 3 & 7,
    .rm = at[4] & 7,
  };
  return true;
}

static bool is_of (const Instruction *i, const Operation *operation)
{
  const bool is_memory = i->mod != 3, has_tiles_only = !is_memory && !(i->rxb & 5);
  const bool fits[] = {
    [FORM_BARE] = has_tiles_only && i->reg == 0 && i->rm == 0 && i->vvvv == 0,
    [FORM_MEMORY] = is_memory && i->reg == 0 && i->vvvv == 0,
    [FORM_TILE] = has_tiles_only && i->rm == 0 && i->vvvv == 0,
    [FORM_TILE_SIB] = is_memory && !(i->rxb & 4) && i->rm == 4 && i->vvvv == 0,
    [FORM_THREE_TILES] = has_tiles_only && i->vvvv < N_TILES,
  };
  return i->opcode == operation->opcode && i->prefix == operation->prefix && fits[operation->form];
}

/* From what follows ModRM; moves `end` behind it. */
static void resolve_address (Instruction *instruction, const greg_t *registers)
{
  static const int numbers[] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI,
    REG_RDI, REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15 };
  const uint8_t *at = instruction->end;
  unsigned base = instruction->rm;
  if (instruction->rm == 4) {
    const unsigned sib = *at++, index = (instruction->rxb & 2) << 2 | (sib >> 3 & 7);
    base = sib & 7;
    if (index != 4)
      instruction->stride = (uint64_t) registers[numbers[index]] << (sib >> 6);
  }
  const bool has_base = instruction->mod != 0 || base != 5;
  int32_t displacement = instruction->mod == 1 ? (int8_t) *at++ : 0;
  if (instruction->mod == 2 || !has_base) {
    memcpy (&displacement, at, sizeof displacement);
    at += sizeof displacement;
  }
  if (has_base)
    instruction->address = (uint64_t) registers[numbers[(instruction->rxb & 1) << 3 | base]];
  else if (instruction->rm == 5)
    instruction->address = (uintptr_t) at;
  instruction->address += (uint64_t) displacement;
  instruction->end = at;
}

static bool decode (const greg_t *registers, Instruction *instruction)
{
  if (!read_codes ((const uint8_t *) registers[REG_RIP], instruction))
    return false;
  for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
    if (is_of (instruction, &operations[i]))
      instruction->operation = &operations[i];
  if (instruction->operation && instruction->mod != 3)
    resolve_address (instruction, registers);
  return instruction->operation;
}

/* What is not for us goes to the former handler: a fault by happening again. */
static void handle (int number, siginfo_t *info, void *context)
{
  greg_t *registers = ((ucontext_t *) context)->uc_mcontext.gregs;
  Instruction instruction;
  if (info->si_code > 0 && decode (registers, &instruction)) {
    instruction.operation->carry_out (&instruction);
    registers[REG_RIP] = (greg_t) instruction.end;
    return;
  }
  sigaction (number, &former, NULL);
  if (info->si_code <= 0)
    raise (number);
}

static void install (void)
{
  const struct sigaction action = { .sa_sigaction = handle, .sa_flags = SA_SIGINFO };
  sigaction (SIGILL, &action, &former);
}

bool weir_emulate_tiles (void)
{
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  unsigned eax, ebx, ecx, edx = 0;
  if (__get_cpuid_count (7, 0, &eax, &ebx, &ecx, &edx) && (edx & (1u << 24))) /* AMX_TILE */
    return false;
  pthread_once (&once, install);
  return true;
}
#else
bool weir_emulate_tiles (void)
{
  return false;
}
#endif

bool weir_may_test (unsigned isa)
{
  return (weir_cpu_isa () & isa) || (isa == WEIR_ISA_AMX && weir_emulate_tiles ());
}
