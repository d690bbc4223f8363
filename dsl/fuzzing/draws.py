"""Small well-typed kernels of the whole language, and arguments for them, drawn by Hypothesis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from hypothesis import strategies as st

from gemel.fuzzing.cases import Case
from gemel.fuzzing.options import SPAN, Options, dtypes
from gemel.fuzzing.statements import Statements
from gemel.semantics import build, ops
from gemel.semantics.arguments import shape_of
from gemel.semantics.convert import from_python
from gemel.semantics.dtypes import BoolType, DType, FloatType
from gemel.semantics.ir import Alloc, Buffer, Kernel, Ref, Stmt, Var
from gemel.semantics.storage import from_values, numpy_dtype, value_range

_FAVOURITES = st.lists(st.sampled_from(tuple(ops.TABLE.values())), max_size=5)
RESULTS = ((), (3,), (2, 2))


@st.composite
def kernels(draw: Any, options: Options) -> Kernel:
    """A kernel; the name of each symbol says its size in this draw."""
    return _kernel(Statements(draw, options), "fuzzed")


def _kernel(m: Statements, name: str) -> Kernel:
    """A kernel of which `m` draws the parts; kernels that it calls may share its name."""
    m.favourites = m.draw(_FAVOURITES)
    params: list[Buffer | Var] = []
    for n in range(m.draw(st.integers(1, 3))):
        params.append(_parameter(m, f"p{n}", {p.hint for p in params}))
    given = {e.var for p in params if isinstance(p, Buffer) for e in p.shape if isinstance(e, Ref)}
    m.growing = False
    m.dims = {d: n for d, n in m.dims.items() if d in given}
    results = tuple(_result(m, n) for n in range(m.draw(st.integers(1, 3))))
    arrays = [p for p in params if isinstance(p, Buffer)]
    table = m.table()
    m.vars = [p for p in params if isinstance(p, Var)]
    m.buffers = [*arrays, table, *results]
    m.written = [*arrays, *results]
    if m.options.calls:
        m.callee = lambda: _kernel(m.called(), m.pick(name, "other"))
    first = [s for r in results for s in m.fill(r)]
    body: tuple[Stmt, ...] = (Alloc(table, SPAN), *first, *m.body(5))
    return Kernel(name, tuple(m.dims), tuple(params), results, body, SPAN, strict=m.chance(4))


def _parameter(m: Statements, usual: str, taken: set[str]) -> Buffer | Var:
    shape = m.shape()
    dtype = m.draw(dtypes(m.options, boundary=True))
    hint = m.hint(usual)
    hint = f"{usual}_" if hint in taken else hint
    return Buffer(hint, dtype, shape, SPAN) if shape else Var(hint, dtype, SPAN)


def _result(m: Statements, n: int) -> Buffer:
    symbols = [(Ref(d, SPAN),) for d in m.dims]
    shape = m.pick(*(tuple(build.index(s, SPAN) for s in r) for r in RESULTS), *symbols)
    return Buffer(f"r{n}", m.draw(dtypes(m.options, boundary=True)), shape, SPAN)


# ------------------------------------------------------------------------------------------------------------ arguments


def cases(options: Options) -> st.SearchStrategy[Case]:
    """A kernel and arguments for it."""
    return kernels(options).flatmap(lambda k: arguments_for(k).map(lambda a: Case(k, a)))


def arguments_for(kernel: Kernel) -> st.SearchStrategy[list[Any]]:
    """Arguments, corner values among them."""
    sizes = {d: int(d.hint[1:]) for d in kernel.dims}
    return st.tuples(*(_argument(p, sizes) for p in kernel.params)).map(list)


def _argument(p: Buffer | Var, sizes: Mapping[Var, int]) -> st.SearchStrategy[Any]:
    values = _values(p.dtype)
    if isinstance(p, Var):
        return values
    shape = shape_of(p, dict(sizes))
    count = int(np.prod(shape))

    def filled(values: list[Any]) -> Any:
        out = np.zeros(shape, numpy_dtype(p.dtype))
        from_values(values, p.dtype, out)
        return out

    return st.lists(values, min_size=count, max_size=count).map(filled)


def _values(dtype: DType) -> st.SearchStrategy[Any]:
    if isinstance(dtype, BoolType):
        return st.booleans()
    if isinstance(dtype, FloatType):
        corners = st.sampled_from((0.0, -0.0, 1.0, -2.5, float("inf"), float("-inf"), float("nan")))
        return st.one_of(corners, st.floats(width=32)).map(lambda v: from_python(v, dtype))
    low, high = value_range(dtype)
    return st.one_of(st.sampled_from((low, high, max(low, 0), min(high, 1))), st.integers(low, high))
