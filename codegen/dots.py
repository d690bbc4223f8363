"""Dot products of few elements in each lane, where the CPU has an instruction for them.

`dot` makes four products of bytes one exact sum, and two of bf16 a chain of `fma_flush`. An operand is one register:
each lane has its elements side by side, as they lie in memory, or all lanes the same. Where anything is otherwise, the
operations are done one by one, with the same result.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from gemel.codegen.groups import follows
from gemel.codegen.widen import vector
from gemel.semantics import ops
from gemel.semantics.dtypes import BF16, F32, DType, FloatType, IntType, UInt, storage_bits
from gemel.semantics.ir import Apply, Const, Expr, Load, Reduce, Stmt, Store
from gemel.semantics.schedule.windows import alike, bare
from gemel.semantics.typerules import Operand, holds

if TYPE_CHECKING:
    from gemel.codegen.vectors import Lanes

BYTES, BRIEF = "bytes", "bf16"
"""The instructions that a CPU may have: u8 times i8 into i32, bf16 times bf16 into f32."""

WIDTHS = (4, 8, 16)
"""Lanes of 32 bits in a register."""


def emit_dot(lanes: Lanes, s: Stmt) -> bool:
    """Emits an accumulation as one instruction; False, with nothing emitted, where that can't be done."""
    if lanes.count not in WIDTHS or lanes.mask is not None:
        return False
    if isinstance(s, Reduce) and BYTES in lanes.low.dots:
        return _bytes(lanes, s)
    return isinstance(s, Store) and BRIEF in lanes.low.dots and _brief(lanes, s)


def _bytes(lanes: Lanes, s: Reduce) -> bool:
    products = list(_products(s.value)) if s.op is ops.ADD and s.buffer.dtype == IntType(32, True) else []
    if len(products) != 4 or any(p is None for p in products):
        return False
    pairs = [sorted(map(bare, p.args), key=lambda e: e.dtype != UInt(8)) for p in products if p is not None]
    if any((a.dtype, b.dtype) != (UInt(8), IntType(8, True)) for a, b in pairs):
        return False
    n = lanes.count
    kinds = (vector(n, "i32"), vector(4 * n, "i8"), vector(4 * n, "i8"))
    return _emit(lanes, s, f"avx512.vpdpbusd.{32 * n}", kinds, [list(x) for x in zip(*pairs, strict=True)])


def _products(e: Expr) -> Iterator[Apply | None]:
    """The products that an exact sum is of, in order; None for anything else in it.

    What is 32 bits wide or holds each result is exact enough.
    """
    if isinstance(e, Apply) and e.op in (ops.CAST, ops.ADD) and _exact(e):
        for x in e.args:
            yield from _products(x)
    else:
        yield e if isinstance(e, Apply) and e.op is ops.MUL and _exact(e) else None


def _exact(e: Apply) -> bool:
    """Whether an integer result has at least the low 32 bits of the exact one."""
    if not isinstance(e.dtype, IntType) or e.dtype.width >= 32:
        return isinstance(e.dtype, IntType)
    given = e.op.rule(tuple(Operand(a.dtype) for a in e.args)) if e.op.rule else e.args[0].dtype
    return isinstance(given, IntType) and holds(e.dtype, given)


def _brief(lanes: Lanes, s: Store) -> bool:
    pairs: list[tuple[Expr, Expr]] = []
    e = s.value
    while isinstance(e, Apply) and e.op is ops.FMA_FLUSH and len(pairs) < 2:
        pairs.append((e.args[0], e.args[1]))
        e = e.args[2]
    old = isinstance(e, Load) and e.buffer is s.buffer and all(map(alike, e.indices, s.indices))
    if not old or len(pairs) != 2 or s.buffer.dtype != F32:
        return False
    narrow = [[_narrow(x) for x in side] for side in zip(*pairs, strict=True)]
    n = lanes.count
    kinds = (vector(n, "float"), vector(2 * n, "bfloat"), vector(2 * n, "bfloat"))
    sides = [[x for x in side if x is not None] for side in narrow]
    return all(len(x) == 2 for x in sides) and _emit(lanes, s, f"avx512bf16.dpbf16ps.{32 * n}", kinds, sides)


def _narrow(e: Expr) -> Expr | None:
    """The bf16 that a f32 was."""
    return e.args[0] if isinstance(e, Apply) and e.op is ops.CAST and e.args[0].dtype == BF16 else None


def _emit(lanes: Lanes, s: Store | Reduce, name: str, kinds: tuple[str, str, str], sides: list[list[Expr]]) -> bool:
    out = lanes.low.out
    if lanes.stride(s.buffer, s.indices) != 1 or not all(_lie_packed(lanes, side) for side in sides):
        return False
    packed = [_packed(lanes, side) for side in sides]
    old = lanes.widener.operand(*_scalar(s.buffer.dtype), lanes.value(Load(s.buffer, s.indices, s.span)))
    words = [
        out.value(f"bitcast {vector(lanes.count, 'i32')} {p} to {k}") for p, k in zip(packed, kinds[1:], strict=True)
    ]
    given = ", ".join(f"{k} {v}" for k, v in zip(kinds, [old, *words], strict=True))
    out.declarations.add(f"declare {kinds[0]} @llvm.x86.{name}({', '.join(kinds)})")
    made = out.value(f"call {kinds[0]} @llvm.x86.{name}({given})")
    lanes.widener.wide.add(made)
    lanes.store(s.buffer, s.indices, made)
    return True


def _scalar(dtype: DType) -> tuple[str]:
    return ("float" if isinstance(dtype, FloatType) else f"i{storage_bits(dtype)}",)


def _lie_packed(lanes: Lanes, elements: Sequence[Expr]) -> bool:
    """Whether a register can be loaded with the elements of each lane side by side."""
    if all(isinstance(e, Const) for e in elements):
        return len(elements) == 4
    first = elements[0]
    apart = isinstance(first, Load) and all(follows(first, e, n) for n, e in enumerate(elements))
    return apart and isinstance(first, Load) and lanes.stride(first.buffer, first.indices) in (0, len(elements))


def _packed(lanes: Lanes, elements: Sequence[Expr]) -> str:
    """The elements of each lane side by side, as a vector of i32."""
    first, out = elements[0], lanes.low.out
    if not isinstance(first, Load):
        word = int.from_bytes(bytes(int(e.value) & 255 for e in elements if isinstance(e, Const)), "little")
        return f"splat (i32 {word - (word >> 31 << 32)})"
    align, address = storage_bits(first.dtype) // 8, lanes.address(first.buffer, first.indices)
    if lanes.stride(first.buffer, first.indices):
        return out.value(f"load {vector(lanes.count, 'i32')}, ptr {address}, align {align}")
    return lanes.widener.operand("i32", out.value(f"load i32, ptr {address}, align {align}"))
