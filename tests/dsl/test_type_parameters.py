"""PEP 695: the type parameters of a kernel are sizes. Python has the syntax from 3.12 on: the kernels are text here."""

from __future__ import annotations

import importlib.util
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

HEAD = "import gemel as gm\nfrom gemel import f32, i32\n"
LATER = "from __future__ import annotations\n"
"""Lets annotations calculate with sizes: Python's own type parameters can't."""


def module(folder: Path, text: str, before: str = "") -> Any:
    """A module made of a text, from a file as users have it."""
    path = folder / "kernels.py"
    path.write_text(before + HEAD + textwrap.dedent(text))
    spec = importlib.util.spec_from_file_location("kernels", path)
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


TRANSPOSE = """
    @gm.kernel
    def transpose[M, N](a: f32[M, N]) -> f32[N, M]:
        out = gm.zeros((N, M), f32)
        for i in range(M):
            for j in range(N):
                out[j, i] = a[i, j]
        return out
"""
SUMS = """
    @gm.kernel
    def twice[K](a: i32[K]) -> i32[2 * K]:
        out = gm.zeros((2 * K,), i32)
        for i in range(K):
            out[i] = out[K + i] = a[i]
        return out

    @gm.kernel
    def size[K](a: i32[K]) -> i32:
        b = twice(a)
        return gm.cast(b.sum() + K, i32)
"""
ADD = """
    @gm.kernel
    def add[N](a: i32[N], b: i32[N]) -> i32[N]:
        return gm.cast(a + b, i32)
"""
NESTED = """
    def make(T):
        @gm.kernel
        def first[N](a: T[N]) -> T:
            return a[N - 1]
        return first
"""


def check_transpose(folder: Path) -> None:
    kernel = module(folder, TRANSPOSE).transpose
    a = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert (kernel(a) == a.T).all() and (kernel.interpret(a) == a.T).all()
    assert [d.hint for d in kernel.ir.dims] == ["M", "N"]
    assert (kernel.specialize(M=2, N=3)(a) == a.T).all()


def check_sums(folder: Path) -> None:
    made, a = module(folder, SUMS, LATER), np.array([4, 5], np.int32)
    assert made.twice(a).tolist() == made.twice.interpret(a).tolist() == [4, 5, 4, 5]
    assert made.size(a) == made.size.interpret(a) == made.size.synth(K=2).simulate(a).outputs == 20


def check_nested(folder: Path) -> None:
    import gemel as gm

    first = module(folder, NESTED).make(gm.i8)
    assert first(np.array([1, 2, 3], np.int8)) == 3


def check_disagreement(folder: Path) -> None:
    import gemel as gm

    kernel = module(
        folder, "@gm.kernel\ndef add[N](a: i32[N], b: i32[N]) -> i32[N]:\n    return gm.cast(a + b, i32)\n"
    ).add
    with pytest.raises(gm.errors.ShapeError, match="axis 0 of b has size 2, not 3"):
        kernel(np.zeros(2, np.int32), np.zeros(3, np.int32))


CHECKS = (check_transpose, check_sums, check_nested, check_disagreement)

if sys.version_info >= (3, 12):

    @pytest.mark.parametrize("check", CHECKS, ids=lambda f: f.__name__)
    def test_type_parameters(check: Any, tmp_path: Path) -> None:
        check(tmp_path)

else:

    def test_type_parameters_are_no_syntax_here(tmp_path: Path) -> None:
        with pytest.raises(SyntaxError):
            module(tmp_path, TRANSPOSE)
