"""Vector loops: each op in lanes has its scalar bits; masks, strides, gathers and scatters reach the right elements."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from opcases import Case, arbitrary, cases_of, corners

import gemel as gm
from gemel.codegen.runtime import compile_kernel
from gemel.semantics import build, ops
from gemel.semantics.dtypes import INDEX, FloatType, width_of
from gemel.semantics.ir import Apply, Buffer, Const, Expr, For, Kernel, Load, LoopKind, Ref, Store, Var
from gemel.semantics.ops import Op
from gemel.semantics.span import BUILTIN
from gemel.semantics.storage import from_values, numpy_dtype, to_values

ALL = [op for op in ops.TABLE.values() if op is not ops.NARROW]
ROWS, LANES = 48, 16


def narrow(case: Case) -> bool:
    return all(width_of(t) <= 64 for t in (*case.types, case.dtype))


def kernel_of(cases: Sequence[Case]) -> Kernel:
    """A vector loop that computes each case on arrays of its own."""
    t, lane = Var("t", INDEX, BUILTIN), Var("lane", INDEX, BUILTIN)
    at = build.add(build.mul(Ref(t, BUILTIN), build.index(LANES)), Ref(lane, BUILTIN))
    size, params, results, body = (build.index(ROWS),), [], [], []
    for n, case in enumerate(cases):
        args: list[Expr] = []
        for m, (dtype, literal) in enumerate(zip(case.types, case.literals, strict=True)):
            if literal is None:
                params.append(Buffer(f"a{n}_{m}", dtype, size, BUILTIN))
                args.append(Load(params[-1], (at,), BUILTIN))
            else:
                args.append(Const(literal, dtype, BUILTIN))  # type: ignore[arg-type]
        results.append(Buffer(f"r{n}", case.dtype, size, BUILTIN))
        body.append(Store(results[-1], (at,), Apply(case.op, tuple(args), case.dtype, BUILTIN), BUILTIN))
    one, zero = build.index(1), build.index(0)
    inner = For(lane, zero, build.index(LANES), one, LoopKind.VECTOR, tuple(body), BUILTIN)
    outer = For(t, zero, build.index(ROWS // LANES), one, LoopKind.SERIAL, (inner,), BUILTIN)
    return Kernel("lanes", (), tuple(params), tuple(results), (outer,), BUILTIN, guarded=True, scheduled=True)


def failures(cases: Sequence[Case], seed: int) -> list[str]:
    rng = random.Random(seed)
    rows = [[_row(case, n, rng) for n in range(ROWS)] for case in cases]
    arrays = [_array([r[m] for r in rows[n]], d) for n, c in enumerate(cases) for m, d in enumerate(c.inputs)]
    compiled = compile_kernel(kernel_of(cases))
    assert compiled.vectors or "i128" in compiled.llvm, "the loop was emitted as a scalar one"
    got = compiled(*arrays)
    wrong = []
    for case, given, result in zip(cases, rows, got if isinstance(got, tuple) else (got,), strict=True):
        for row, value in zip(given, to_values(result, case.dtype), strict=True):
            if not _same(value, case.expected(row), case):
                wrong.append(f"{case.name}: {row} gives {value}, not {case.expected(row)}")
    return wrong


def _same(value: Any, wanted: Any, case: Case) -> bool:
    if isinstance(case.dtype, FloatType):
        return bool(value == wanted and np.signbit(value) == np.signbit(wanted)) or (
            value != value and wanted != wanted
        )
    return bool(value == wanted)


def _row(case: Case, n: int, rng: random.Random) -> list[Any]:
    return [rng.choice(corners(t)) if rng.random() < 0.6 else arbitrary(rng, t) for t in case.inputs]


def _array(values: list[Any], dtype: Any) -> Any:
    out = np.zeros(len(values), numpy_dtype(dtype))
    from_values(values, dtype, out)
    return out


def some(op: Op, count: int) -> list[Case]:
    cases = [case for case in cases_of(op) if narrow(case) and case.inputs]
    return random.Random(op.name).sample(cases, min(count, len(cases)))


@pytest.mark.parametrize("op", ALL, ids=repr)
def test_ops_in_lanes(op: Op) -> None:
    assert failures(some(op, 8), 1) == []


@pytest.mark.slow
@pytest.mark.parametrize("op", ALL, ids=repr)
def test_ops_in_lanes_at_all_types(op: Op) -> None:
    cases = [case for case in cases_of(op) if narrow(case) and case.inputs]
    for n in range(0, len(cases), 24):
        assert failures(cases[n : n + 24], n) == []


PLACES = {
    "reversed under a mask": """
kernel f(x: f32[40], y: i16[40]) -> (z: f32[40]) {
  for a in 0 .. 3 {
    for l in 0 .. 16 vector {
      if ((a * 16) + l) < 40 {
        z[(a * 16) + l] = x[39 - ((a * 16) + l)] * 2.0:f32
      }
    }
  }
}""",
    "first lanes idle": """
kernel f(x: f32[40], y: i16[40]) -> (z: f32[40]) {
  for i in 0 .. 40 {
    z[i] = 1.0:f32
  }
  for a in 0 .. 2 {
    for l in 0 .. 16 vector {
      if l > 3 {
        z[(a * 16) + l] = x[((a * 16) + l) - 4]
      } else {
        z[(a * 16) + l] = x[(a * 16) + l] * 3.0:f32
      }
    }
  }
}""",
    "strided": """
kernel f(x: f32[40], y: i16[40]) -> (z: f32[40]) {
  for i in 0 .. 40 {
    z[i] = 1.0:f32
  }
  for l in 0 .. 16 vector {
    z[2 * l] = x[(2 * l) + 1] + x[7]
  }
}""",
    "gathered": """
kernel f(x: f32[40], y: i16[40]) -> (z: f32[40]) {
  for a in 0 .. 5 {
    for l in 0 .. 8 vector {
      let at: index = cast(mod(cast(y[(a * 8) + l]):index, 40)):index
      z[(a * 8) + l] = x[at] * x[39 - at]
    }
  }
}""",
    "choices that only some take": """
kernel f(x: f32[40], y: i16[40]) -> (z: f32[40]) {
  for a in 0 .. 5 {
    for l in 0 .. 8 vector {
      let i: index = (a * 8) + l
      z[(a * 8) + l] = select(((a * 8) + l) > 2, x[((a * 8) + l) - 3], exp(x[(a * 8) + l]))
    }
  }
}""",
    "accumulated": """
kernel f(x: f32[40], y: i16[40]) -> (z: f32[40]) {
  for i in 0 .. 40 {
    z[i] = 0.5:f32
  }
  for a in 0 .. 5 {
    for k in 0 .. 3 {
      for l in 0 .. 8 vector {
        z[(a * 8) + l] add= x[(a * 8) + l] * x[k]
      }
    }
  }
}""",
    "a loop inside": """
kernel f(x: f32[40], y: i16[40]) -> (z: f32[40]) {
  for i in 0 .. 40 {
    z[i] = 0.5:f32
  }
  for a in 0 .. 5 {
    for l in 0 .. 8 vector {
      for k in 0 .. 3 {
        z[(a * 8) + l] max= x[(a * 8) + k]
      }
    }
  }
}""",
}


@pytest.mark.parametrize("name", PLACES)
def test_places(name: str) -> None:
    kernel = gm.parse(PLACES[name])
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal(40).astype(np.float32), rng.integers(-30000, 30000, 40).astype(np.int16)
    compiled = kernel.compile()
    assert compiled.vectors
    assert compiled(x, y).tobytes() == kernel.interpret(x, y).tobytes()


def test_what_has_no_vector_form_is_a_scalar_loop() -> None:
    kernel = gm.parse(
        "kernel f(x: i32[8]) -> (z: i32[8]) {\n  for l in 0 .. 8 vector {\n"
        '    assert assert (x[l] > 0:i32) "positive" \n    z[l] = x[l]\n  }\n}'
    )
    compiled = kernel.compile()
    assert not compiled.vectors
    assert (compiled(np.arange(1, 9, dtype=np.int32)) == np.arange(1, 9)).all()
    with pytest.raises(gm.errors.CheckError):
        compiled(np.zeros(8, np.int32))


def test_a_literal_that_was_stored_is_loaded_again() -> None:
    """Lanes without a mask: what the accumulators begin with is no name of a vector."""

    @gm.kernel
    def summed(x: gm.f32[4, 16], w: gm.f32[4]) -> gm.f32[16]:
        y = gm.zeros((16,), gm.f32)
        for j, d in gm.grid(16, 4):
            y[j] += w[d] * x[d, j]
        return y

    s = summed.schedule().split("j", 8, "jt", "jl").reorder("jt", "d", "jl").vectorize("jl").unroll("d")
    kernel = s.accumulate("y", "jt", "jl").absorb("y", "jt").contract("jt").kernel
    x, w = np.arange(64, dtype=np.float32).reshape(4, 16), np.arange(4, dtype=np.float32)
    assert (kernel(x, w) == w @ x).all()
