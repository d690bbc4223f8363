"""Graphs: connected parts of an image."""

from __future__ import annotations

import gemel as gm
from gemel import bool_, index

M, N = gm.dims("M N")


def _root(parent, x):  # traced
    found: index = x
    while parent[found] != found:
        found = parent[found]
    return found


def _join(parent, x, y):  # traced
    a, b = _root(parent, x), _root(parent, y)
    if a < b:
        parent[b] = a
    else:
        parent[a] = b


@gm.kernel
def components(image: bool_[M, N], label: index[M, N]) -> index:
    """The number of parts that hang together by edges; `label` gets 1 + the first place of each pixel's part, or 0."""
    parent = gm.empty((M * N,), index)
    for p in range(M * N):
        parent[p] = p
    for i, j in gm.grid(M, N):
        if image[i, j] and i > 0 and image[i - 1, j]:
            _join(parent, i * N + j, (i - 1) * N + j)
        if image[i, j] and j > 0 and image[i, j - 1]:
            _join(parent, i * N + j, i * N + j - 1)
    count: index = 0
    for i, j in gm.grid(M, N):
        label[i, j] = _root(parent, i * N + j) + 1 if image[i, j] else 0
        if label[i, j] == i * N + j + 1:
            count += 1
    return count
