/* every, compiled by Gemel for x86-64-v3: x86 with AVX2 and FMA, from 2013 on. Needs no Python. */
#ifndef GEMEL_EVERY_H
#define GEMEL_EVERY_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum gemel_every_status {
  GEMEL_EVERY_OK = 0, /* fine */
  GEMEL_EVERY_NO_MEMORY = -1, /* no memory for a local array */
  GEMEL_EVERY_CHECK_1 = 1, /* test_targets.py:38: negative * / at */
  GEMEL_EVERY_CHECK_2 = 2, /* test_targets.py:40: index at[i] is out of range for axis 0 of y, which has size 8 */
};

/*
 * a: bool, read; 0 or 1
 * b: i8, read
 * c: u5, read; in 0..31
 * d: index, read
 * e: bf16, read; the bits of a bf16
 * f: f16, read; the bits of a f16
 * g: f64, read
 * h: fixed(12, 4), read; x * 2^-4, x in -2048..2047
 * x: fixed(12, 4)[8], read, 16 bytes; x * 2^-4, x in -2048..2047
 * at: i32[3], read, 12 bytes
 * y: u16[8], result, 16 bytes
 *
 * Arrays are contiguous, in row-major order, aligned as C aligns their elements. An array that is written
 * overlaps no other. The function keeps nothing between calls, starts no thread, and may run in several at once.
 * Large local arrays come from aligned_alloc or malloc and go to free. After a status that isn't 0, what was
 * written is not to be relied on.
 */
int32_t gemel_every(uint8_t a, int8_t b, uint8_t c, int64_t d, uint16_t e, uint16_t f, double g, int16_t h, const int16_t *x, const int32_t *at, uint16_t *y);

/* What a status means; a null pointer for a number that is none. */
const char *gemel_every_message(int32_t status);

#ifdef __cplusplus
}
#endif
#endif
