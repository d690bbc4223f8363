"""A dozen kernels from different fields, small enough to read their hardware."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gemel as gm
from gemel import i8, i16, i32, u8, u32

M, N, K, H, W, T = gm.dims("M N K H W T")


@gm.kernel
def gemm(A: i8[M, K], B: i8[K, N]) -> i32[M, N]:
    C = gm.zeros((M, N), i32)
    for i, j, k in gm.grid(M, N, K):
        C[i, j] += A[i, k] * B[k, j]
    return C


@gm.kernel
def fir(x: i16[N], h: i16[T]) -> i32[N]:
    y = gm.zeros((N,), i32)
    for n in range(T - 1, N):
        acc: i32 = 0
        for t in range(T):
            acc += x[n - t] * h[t]
        y[n] = acc
    return y


@gm.kernel
def softmax(x: gm.Fixed(16, 8)[N]) -> gm.UFixed(16, 15)[N]:
    """Scores below the largest one, 2**-d by shifts, normalised by a division."""
    p = gm.empty((N,), gm.UFixed(16, 15))
    weights = gm.empty((N,), gm.UInt(16))
    top: gm.Fixed(16, 8) = x[0]
    for i in range(N):
        top = max(top, x[i])
    total: gm.UInt(24) = 0
    for i in range(N):
        below: gm.UInt(4) = gm.cast(min(top - x[i], 15), gm.UInt(4))
        weights[i] = gm.cast(32768, gm.UInt(16)) >> below
        total += weights[i]
    for i in range(N):
        p[i] = gm.bitcast(gm.cast(weights[i] * 32768 // total, gm.UInt(16)), gm.UFixed(16, 15))
    return p


@gm.kernel
def conv2d(img: u8[H, W], w: i8[3, 3]) -> i32[H, W]:
    out = gm.zeros((H, W), i32)
    for r, c in gm.grid(H - 2, W - 2):
        s: i32 = 0
        for dr, dc in gm.grid(3, 3):
            s += img[r + dr, c + dc] * w[dr, dc]
        out[r + 1, c + 1] = s
    return out


@gm.kernel
def gcd(a: u8, b: u8) -> u8:
    x: u8 = a
    y: u8 = b
    while y != 0:
        if x < y:
            x, y = y, x
        x = x - y
    return x


@gm.kernel
def sort(v: i32[N]):
    for i in range(N - 1):
        for j in range(N - 1 - i):
            if v[j] > v[j + 1]:
                v[j], v[j + 1] = v[j + 1], v[j]


@gm.kernel
def histogram(values: gm.UInt(4)[N]) -> i32[16]:
    bins = gm.zeros((16,), i32)
    for i in range(N):
        bins[values[i]] += 1
    return bins


@gm.kernel
def lookup(x: u8[N], table: u8[M]) -> u8[N]:
    y = gm.zeros((N,), u8)
    for i in range(N):
        y[i] = table[x[i]]
    return y


@gm.kernel
def crc(data: u8[N]) -> u32:
    c: u32 = 0xFFFFFFFF
    for i in range(N):
        c = c ^ data[i]
        for _ in range(8):
            c = (c >> 1) ^ 0xEDB88320 if c & 1 else c >> 1
    return c ^ 0xFFFFFFFF


@gm.kernel
def search(v: i32[N], key: i32) -> i32:
    lo: i32 = 0
    hi: i32 = N
    while lo < hi:
        mid = gm.cast((lo + hi) >> 1, i32)
        if v[mid] < key:
            lo = mid + 1
        else:
            hi = mid
    return lo


@gm.kernel
def prefix(x: i32[N]) -> gm.Int(40)[N]:
    y = gm.zeros((N,), gm.Int(40))
    s: gm.Int(40) = 0
    for i in range(N):
        s += x[i]
        y[i] = s
    return y


@gm.kernel
def transpose(A: i16[M, N]) -> i16[N, M]:
    B = gm.zeros((N, M), i16)
    for i, j in gm.grid(M, N):
        B[j, i] = A[i, j]
    return B


@gm.kernel
def average(x: i16[N], n: u8) -> i16:
    s: i32 = 0
    for i in range(N):
        s += x[i]
    return gm.cast(s // n, i16) if n > 0 else gm.cast(0, i16)


@dataclass(frozen=True)
class Made:
    """A kernel and the sizes that its hardware is made for."""

    kernel: Any
    sizes: Mapping[str, int]

    def synth(self, **options: Any) -> Any:
        return self.kernel.synth(**self.sizes, **options)


DESIGNS: dict[str, Made] = {
    made.kernel.__name__: made
    for made in (
        Made(gemm, {"M": 4, "N": 4, "K": 4}),
        Made(fir, {"N": 12, "T": 4}),
        Made(softmax, {"N": 6}),
        Made(conv2d, {"H": 5, "W": 6}),
        Made(gcd, {}),
        Made(sort, {"N": 6}),
        Made(histogram, {"N": 9}),
        Made(lookup, {"N": 8, "M": 32}),
        Made(crc, {"N": 3}),
        Made(search, {"N": 13}),
        Made(prefix, {"N": 7}),
        Made(transpose, {"M": 3, "N": 5}),
        Made(average, {"N": 5}),
    )
}
"""By name."""
