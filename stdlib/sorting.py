"""Sorting: the greatest elements and where they are."""

from __future__ import annotations

import gemel as gm
from gemel import i32, index

K, N = gm.dims("K N")


@gm.kernel
def top(x: i32[N], best: i32[K], where: index[K]):
    """Fills `best` with the K greatest elements, greatest first, and `where` with their indices.

    Of equal elements the first comes first. Where x has fewer than K elements, the rest of `where` is -1.
    """
    best[:] = -(1 << 31)
    where[:] = -1
    for i in range(N):
        value: i32 = x[i]
        place: index = i
        for j in range(K):
            if value > best[j] or where[j] < 0:
                best[j], value = value, best[j]
                where[j], place = place, where[j]
