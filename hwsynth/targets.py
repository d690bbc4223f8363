"""What synthesis knows of a target: delays of operators in nanoseconds by width, memory timing, multiplier size.

The figures are data (`targets.toml`); that file says where each comes from.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from gemel.semantics import ops
from gemel.semantics.dtypes import BOOL, width_of
from gemel.semantics.errors import SynthesisError
from gemel.semantics.ir import Apply, Const


@dataclass(frozen=True)
class Target:
    """A technology. Delays are in ns and include typical routing."""

    name: str
    description: str
    register: float
    """Clock to output of a register plus the setup of the next."""
    memory: float
    """Clock to output of a synchronous memory."""
    multiplier: int
    """The widest operand of one hardware multiplier, in bits, signed."""
    multiply: float
    add: tuple[float, float]
    """Constant and per bit; subtraction and order comparisons too."""
    logic: float
    select: float
    shift: float
    """Per level of a shifter."""


@cache
def targets() -> dict[str, Target]:
    """All targets by name."""
    data = tomllib.loads(files("gemel.hwsynth").joinpath("targets.toml").read_text())
    return {name: Target(name=name, **{**row, "add": tuple(row["add"])}) for name, row in data.items()}


def target(name: str) -> Target:
    """The target of a name.

    Raises SynthesisError for an unknown one.
    """
    known = targets()
    if name not in known:
        raise SynthesisError(f"unknown target {name!r}", code="H06", mend=f"use one of {', '.join(known)}")
    return known[name]


_WIRES = (ops.CAST, ops.BITCAST, ops.BITS, ops.CONCAT)
_ADDERS = (ops.ADD, ops.SUB, ops.NEG, ops.LT, ops.LE, ops.GT, ops.GE)
_CHOOSERS = (ops.MIN, ops.MAX, ops.ABS, ops.SATURATE)
_GATES = (ops.AND, ops.OR, ops.XOR, ops.INVERT, ops.LAND, ops.LOR, ops.LNOT)


def delay(t: Target, e: Apply) -> float:
    """The delay of one operator in ns; literal operands make it wires where it would be by gates with a constant."""
    width = max(width_of(e.dtype), *(width_of(a.dtype) for a in e.args))
    constants = sum(isinstance(a, Const) for a in e.args)
    if e.op in _WIRES:
        return 0.0 if e.dtype != BOOL or width == 1 else _equal(t, width)
    if e.op in _ADDERS:
        return _sign_only(e) or t.add[0] + t.add[1] * width
    if e.op in _CHOOSERS:
        return t.add[0] + t.add[1] * width + t.select
    if e.op in _GATES:
        return 0.0 if constants or len(e.args) == 1 else t.logic
    return _other(t, e, width, constants)


def _other(t: Target, e: Apply, width: int, constants: int) -> float:
    if e.op is ops.MUL:
        return _multiply(t, e, width)
    if e.op in (ops.EQ, ops.NE):
        return _equal(t, width if constants else 2 * width)
    if e.op in (ops.SHL, ops.SHR):
        return 0.0 if isinstance(e.args[1], Const) else t.shift * max(1, (width - 1).bit_length())
    if e.op is ops.SELECT:
        return 0.0 if all(isinstance(a, Const) for a in e.args[1:]) else t.select
    return t.logic


def _equal(t: Target, bits: int) -> float:
    """A wide gate: as many levels as inputs of four make."""
    return t.logic * max(0, (bits - 1).bit_length() + 1) / 2 if bits > 1 else 0.0


def _sign_only(e: Apply) -> float | None:
    """A comparison that is the sign bit: next to nothing, but not 0."""
    zero = e.op in (ops.LT, ops.GE) and isinstance(e.args[1], Const) and not e.args[1].value
    return 1e-3 if zero else None


def _multiply(t: Target, e: Apply, width: int) -> float:
    constant = next((a for a in e.args if isinstance(a, Const)), None)
    if constant is not None and int(constant.value).bit_count() <= 2:
        return (t.add[0] + t.add[1] * width) * (int(constant.value).bit_count() - 1)
    return t.multiply
