"""For each kind of obligation: a kernel where it is proved, a change of its text, and a kernel where it fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gemel as gm
from gemel import f32, i8, i16, i32, index, u8

M, N = gm.dims("M N")


@dataclass(frozen=True)
class Kind:
    """`proved` fulfils all obligations of the kind; with `old` replaced by `new` in its IR, one fails."""

    name: str
    proved: Any
    old: str
    new: str
    refuted: Any


@gm.kernel
def reverse(a: i32[N]) -> i32[N]:
    b = gm.empty((N,), i32)
    for i in range(N):
        b[i] = a[N - 1 - i]
    return b


@gm.kernel
def joined(a: i32[M], b: i32[N]) -> i32[M]:
    gm.requires(M == N)
    return gm.cast(a + b, i32)


@gm.kernel
def unjoined(a: i32[M], b: i32[N]) -> i32[M]:
    return gm.cast(a + b, i32)


@gm.kernel
def beyond(a: i32[N]) -> i32[N]:
    b = gm.zeros((N,), i32)
    for i in range(N):
        b[i] = a[i + 1]
    return b


@gm.kernel
def scaled(a: i32[N], d: i32[N]) -> i32[N]:
    b = gm.zeros((N,), i32)
    for i in range(N):
        if d[i] > 0:
            b[i] = a[i] // d[i]
    return b


@gm.kernel
def ratio(a: i32[N], d: i32) -> i32[N]:
    b = gm.zeros((N,), i32)
    for i in range(N):
        b[i] = a[i] % d
    return b


@gm.kernel
def lowered(a: i32[N], by: i8) -> i32[N]:
    b = gm.zeros((N,), i32)
    for i in range(N):
        if by >= 0:
            b[i] = a[i] >> by
    return b


@gm.kernel
def shifted(a: i32, by: i8) -> i32:
    return a >> by


@gm.kernel
def strided(a: i32[N], stride: i32) -> index:
    gm.requires(stride > 0)
    count = 0
    for i in range(0, N, stride):
        count += 1
    return count


@gm.kernel
def striding(a: i32[N], stride: i32) -> index:
    count = 0
    for i in range(0, N, stride):
        count += 1
    return count


@gm.kernel
def counted(a: i32[N]) -> index:
    count = 0
    for i in range(N):
        if a[i] > 0:
            count += 1
    assert count <= N
    return count


@gm.kernel
def all_positive(a: i32[N]) -> index:
    count = 0
    for i in range(N):
        if a[i] > 0:
            count += 1
    assert count == N
    return count


@gm.kernel
def clamped(x: i32) -> i32:
    y: i32 = x
    if y < 0:
        y = 0
    gm.ensures(y >= 0)
    return y


@gm.kernel
def unclamped(x: i32) -> i32:
    y: i32 = x
    gm.ensures(y >= 0)
    return y


@gm.kernel
def halved(n: i32) -> i32:
    gm.requires(n >= 0)
    x: i32 = n
    steps: i32 = 0
    while x > 0:
        gm.invariant(x >= 0 and x + steps <= n)
        x = x // 2
        if steps < n - x:
            steps += 1
    return steps


@gm.kernel
def climbing(n: i32) -> i32:
    x: i32 = 0
    while x < n:
        gm.invariant(x % 2 == 0)
        x += 1
    return x


@gm.kernel
def running(a: f32[N]) -> f32[N]:
    out = gm.empty((N,), f32)
    for i in range(N):
        if i == 0:
            out[i] = a[i]
        else:
            out[i] = out[i - 1] + a[i]
    return out


@gm.kernel
def holes(a: f32[N]) -> f32[N]:
    out = gm.empty((N,), f32)
    for i in range(0, N, 2):
        out[i] = a[i]
    for i in range(1, N):
        out[i] = out[i] * a[i]
    return out


@gm.kernel
def averaged(a: u8[N], b: u8[N]) -> u8[N]:
    out = gm.empty((N,), u8)
    for i in range(N):
        out[i] = (a[i] + b[i] + 1) >> 1
    return out


@gm.kernel
def doubled(a: u8[N]) -> u8[N]:
    out = gm.empty((N,), u8)
    for i in range(N):
        out[i] = 2 * a[i]
    return out


@gm.kernel
def transposed(a: i16[M, N]) -> i16[N, M]:
    out = gm.empty((N, M), i16)
    for i, j in gm.parallel(gm.grid(M, N)):
        out[j, i] = a[i, j]
    return out


@gm.kernel
def smoothed(a: i16[N]):
    for i in gm.parallel(range(1, N)):
        a[i] = a[i - 1] >> 1


KINDS = (
    Kind("bounds", reverse, "(N - 1)", "N", beyond),
    Kind("shape", joined, "requires (M == N)", "requires (M <= N)", unjoined),
    Kind("division", scaled, "> 0:i32", "> -1:i32", ratio),
    Kind("shift", lowered, ">= 0:i8", ">= -3:i8", shifted),
    Kind("step", strided, "> 0:i32", "> -2:i32", striding),
    Kind("assert", counted, "count[] add= 1", "count[] add= 2", all_positive),
    Kind("ensures", clamped, "y[] = 0:i32", "y[] = -1:i32", unclamped),
    Kind("invariant", halved, "steps[] add= 1:i32", "steps[] add= 2:i32", climbing),
    Kind("initialised", running, "out[i - 1]", "out[i]", holes),
    Kind("narrowing", averaged, ">> 1:u1", ">> 0:u1", doubled),
    Kind("conflict", transposed, "out[j, i]", "out[j, 0]", smoothed),
)
