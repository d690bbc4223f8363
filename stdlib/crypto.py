"""Hashes and authenticators. Every store is proved to keep its value; where one wraps on purpose, a cast says so.

Nothing here is hardened against side channels.
"""

from __future__ import annotations

import math

import numpy as np

import gemel as gm
from gemel import index, u8, u32

N = gm.dims("N")
PRIME = (1 << 130) - 5
U128, U130, U136 = gm.UInt(128), gm.UInt(130), gm.UInt(136)


def _primes(count: int) -> list[int]:
    return [p for p in range(2, 400) if all(p % q for q in range(2, math.isqrt(p) + 1))][:count]


def _cube_root(x: int) -> int:
    root = round(x ** (1 / 3))
    while root**3 > x:
        root -= 1
    while (root + 1) ** 3 <= x:
        root += 1
    return root


ROUNDS = np.array([_cube_root(p << 96) & 0xFFFFFFFF for p in _primes(64)], np.uint32)
START = np.array([math.isqrt(p << 64) & 0xFFFFFFFF for p in _primes(8)], np.uint32)


def sha256_blocks(message: bytes) -> np.ndarray:
    """The message with its padding as rows of 16 big-endian words, as `sha256` takes it."""
    rest = -(len(message) + 9) % 64
    padded = message + b"\x80" + bytes(rest) + (8 * len(message)).to_bytes(8, "big")
    return np.frombuffer(padded, ">u4").astype(np.uint32).reshape(-1, 16)


def _rotated(x, n):  # traced: a kernel's value in, another out
    return gm.cast((x >> n) | (x << (32 - n)), u32)


@gm.kernel
def sha256(blocks: u32[N, 16]) -> u32[8]:
    """The SHA-256 of a padded message, as eight big-endian words."""
    state = gm.array(START).copy()
    w = gm.empty((64,), u32)
    for block in blocks:
        w[:16] = block
        for t in range(16, 64):
            s0 = _rotated(w[t - 15], 7) ^ _rotated(w[t - 15], 18) ^ (w[t - 15] >> 3)
            s1 = _rotated(w[t - 2], 17) ^ _rotated(w[t - 2], 19) ^ (w[t - 2] >> 10)
            w[t] = gm.cast(w[t - 16] + s0 + w[t - 7] + s1, u32)
        a, b, c, d, e, f, g, h = [state[n] for n in range(8)]
        for t in range(64):
            s1 = _rotated(e, 6) ^ _rotated(e, 11) ^ _rotated(e, 25)
            t1 = h + s1 + ((e & f) ^ (~e & g)) + ROUNDS[t] + w[t]
            s0 = _rotated(a, 2) ^ _rotated(a, 13) ^ _rotated(a, 22)
            t2 = s0 + ((a & b) ^ (a & c) ^ (b & c))
            h, g, f, e, d, c, b, a = g, f, e, gm.cast(d + t1, u32), c, b, a, gm.cast(t1 + t2, u32)
        for n, x in enumerate([a, b, c, d, e, f, g, h]):
            state[n] = gm.cast(state[n] + x, u32)
    return state


def _bytes_at(data, at, count):  # traced
    word: U128 = 0
    for n in range(16):
        if n < count:
            word |= gm.cast(data[at + n], U128) << gm.cast(8 * n, gm.UInt(7))
    return word


@gm.kernel
def poly1305(key: u8[32], message: u8[N]) -> u8[16]:
    """The one-time authenticator of RFC 8439: arithmetic modulo 2**130 - 5, written as such."""
    r = _bytes_at(key, 0, 16) & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    total: U130 = 0
    for block in range((N + 15) // 16):
        count: index = min(16, N - 16 * block)
        end = gm.cast(1, U136) << gm.cast(8 * count, u8)
        total = ((total + (_bytes_at(message, 16 * block, count) | gm.cast(end, U136))) * r) % PRIME
    tag = gm.cast(total + _bytes_at(key, 16, 16), U128)
    out = gm.empty((16,), u8)
    for n in range(16):
        out[n] = gm.cast(tag >> gm.cast(8 * n, gm.UInt(7)), u8)
    return out
