"""Signals: biquad filters, the Fourier transform, the 8x8 cosine transform."""

from __future__ import annotations

import math

import numpy as np

import gemel as gm
from gemel import f32, i16, index, u8

K, N = gm.dims("K N")
Q14 = gm.Fixed(16, 14, rounding="half_even", overflow="saturate")

_COSINES = [
    [math.cos((2 * x + 1) * u * math.pi / 16) * (0.5 if u else math.sqrt(1 / 8)) for x in range(8)] for u in range(8)
]
DCT = np.array([[round(4096 * c) for c in row] for row in _COSINES], np.int16)


@gm.kernel
def biquads(x: Q14[N], coefficients: Q14[K, 5]) -> Q14[N]:
    """A cascade of second-order sections in direct form I; a row is b0, b1, b2, a1, a2, with a0 = 1.

    Each section rounds once, to nearest even, and saturates.
    """
    past = gm.zeros((K, 4), Q14)
    out = gm.empty((N,), Q14)
    for n in range(N):
        v: Q14 = x[n]
        for k in range(K):
            b0, b1, b2, a1, a2 = [coefficients[k, m] for m in range(5)]
            y: Q14 = b0 * v + b1 * past[k, 0] + b2 * past[k, 1] - a1 * past[k, 2] - a2 * past[k, 3]
            past[k, 1] = past[k, 0]
            past[k, 0] = v
            past[k, 3] = past[k, 2]
            past[k, 2] = y
            v = y
        out[n] = v
    return out


@gm.kernel
def dct8x8(pixels: u8[8, 8]) -> i16[8, 8]:
    """The two-dimensional cosine transform of JPEG, of pixels less 128, rounded to whole numbers."""
    rows = ((DCT @ (pixels - 128)) + (1 << 8)) >> 9
    both = ((rows @ DCT.T) + (1 << 14)) >> 15
    return gm.saturate(both, i16)


@gm.kernel
def fft(re: f32[N], im: f32[N]):
    """The Fourier transform in place, radix 2; N is a power of two."""
    gm.requires(N > 0 and N & (N - 1) == 0)
    _reorder(re, im)
    size: index = 2
    while size <= N:
        half = size // 2
        for start in range(0, N, size):
            for k in range(half):
                angle = -2 * math.pi * f32(k) / f32(size)
                c, s = gm.cos(angle), gm.sin(angle)
                a, b = start + k, start + k + half
                tr, ti = re[b] * c - im[b] * s, re[b] * s + im[b] * c
                re[b], im[b] = re[a] - tr, im[a] - ti
                re[a], im[a] = re[a] + tr, im[a] + ti
        size *= 2


def _reorder(re, im):  # traced
    """Swaps elements whose indices are each other's bits reversed."""
    j: index = 0
    for i in range(1, re.shape[0]):
        bit: index = re.shape[0] >> 1
        while j & bit != 0:
            j ^= bit
            bit >>= 1
        j |= bit
        if i < j:
            re[i], re[j] = re[j], re[i]
            im[i], im[j] = im[j], im[i]
