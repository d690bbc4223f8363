"""Parameters as constants: `specialize` with arrays and numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gemel as gm
from gemel import f32, i32
from gemel.errors import ArgumentError, GemelError, ShapeError

M, N, K, n = gm.dims("M N K n")


@gm.kernel
def layer(x: f32[M, K], w: f32[K, N], scale: f32, rows: gm.static[int] = 0) -> f32[M, N]:
    y = gm.zeros((M, N), f32)
    for i, j, k in gm.grid(M - rows, N, K):
        y[i, j] += x[i, k] * w[k, j]
    return y * scale


@gm.kernel
def moved(a: i32[N], by: i32[N]):
    for i in range(N):
        a[i] += by[i]


def arrays(m: int = 5, k: int = 7, n: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    return rng.integers(-9, 9, (m, k)).astype(np.float32), rng.integers(-9, 9, (k, n)).astype(np.float32)


def test_a_constant_is_no_argument_any_more() -> None:
    x, w = arrays()
    fixed = layer.specialize(w=w, scale=0.5)
    wanted = x @ w * np.float32(0.5)
    assert [p.hint for p in fixed.ir.params] == ["x"] and [d.hint for d in fixed.ir.dims] == ["M"]
    for y in (fixed(x), fixed(x=x), fixed.interpret(x), fixed.compile(M=5)(x), layer.specialize(w=w)(x, 0.5)):
        assert (y == wanted).all()
    assert (fixed(x, rows=5) == 0).all()


def test_constants_and_static_arguments_come_in_any_order() -> None:
    x, w = arrays()
    one = layer.specialize(w=w).specialize(rows=2).specialize(scale=2.0)
    other = layer.specialize(rows=2, scale=2.0).specialize(w=w)
    assert (one(x) == other(x)).all() and (one(x)[:3] == (x @ w * 2)[:3]).all()
    assert (one.specialize(w=-w)(x) == -one(x)).all()


def test_later_changes_of_the_array_do_not_matter() -> None:
    x, w = arrays()
    fixed, wanted = layer.specialize(w=w, scale=1.0), x @ w
    w[:] = 0
    assert (fixed(x) == wanted).all()


def test_any_layout_is_taken() -> None:
    x, w = arrays()
    assert (layer.specialize(w=np.asfortranarray(w), scale=1.0)(x) == x @ w).all()
    assert (layer.specialize(w=memoryview(w), scale=1.0)(x) == x @ w).all()


def test_kernels_from_text_have_constants_too() -> None:
    x, w = arrays()
    fixed = gm.parse(str(layer.ir)).specialize(w=w, scale=1.0)
    assert (fixed(x) == x @ w).all()
    assert (gm.parse(str(fixed.ir))(x) == x @ w).all()


def test_kernels_call_kernels_with_constants() -> None:
    x, w = arrays()
    inner = layer.specialize(w=w, scale=1.0)

    @gm.kernel
    def outer(x: f32[M, 7]) -> f32[M, 6]:
        return inner(x) + 1.0

    assert (outer(x) == x @ w + 1).all()


def test_a_name_that_is_a_size_too_is_the_size() -> None:
    @gm.kernel
    def shifted(x: i32[n], by: i32) -> i32[n]:
        return gm.cast(x + by, i32)

    assert list(shifted.specialize(n=3, by=2)(np.array([1, 2, 3], np.int32))) == [3, 4, 5]


X, W = arrays()


@pytest.mark.parametrize(
    "kernel,values,kind,code,words",
    [
        (layer, {"w": W[0]}, ShapeError, "S01", "rank 2"),
        (layer, {"w": W.astype(np.float64)}, ArgumentError, "A02", "element type f32"),
        (layer, {"w": 3}, ArgumentError, "A06", "a tensor, not int"),
        (layer, {"scale": X}, ArgumentError, "A06", "a scalar"),
        (layer, {"w": W, "x": X[:, :3]}, ShapeError, "S02", "size"),
        (layer, {"w": W, "K": 3}, ShapeError, "S02", "size"),
        (layer, {"v": W}, ArgumentError, "A08", "no size or argument v"),
        (moved, {"a": np.zeros(3, np.int32)}, ArgumentError, "A03", "stores to a"),
    ],
)
def test_what_is_no_constant(
    kernel: gm.Kernel, values: dict[str, Any], kind: type[GemelError], code: str, words: str
) -> None:
    with pytest.raises(kind) as caught:
        kernel.specialize(**values)
    assert caught.value.code == code and words in str(caught.value)


def test_calls_with_a_constant_in_the_way() -> None:
    fixed = layer.specialize(w=W, scale=1.0)
    for call in (lambda: fixed(X, 0, W), lambda: fixed(X, w=W), lambda: fixed()):
        with pytest.raises(ArgumentError) as caught:
            call()
        assert caught.value.code == "A01"
    with pytest.raises(ShapeError):
        fixed(X[:, :3].copy())
