"""What synthesis knows of a target: delays of operators in nanoseconds by width, memory timing, multiplier size.

The figures are data (`targets.toml`); that file says where each comes from.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from gemel.semantics import ops
from gemel.semantics.dtypes import width_of
from gemel.semantics.errors import SynthesisError
from gemel.semantics.ir import Apply, Const
from gemel.semantics.ops import Op


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


_FREE = (ops.CAST, ops.BITCAST, ops.BITS, ops.CONCAT)
_ADDERS = (ops.ADD, ops.SUB, ops.NEG, ops.LT, ops.LE, ops.GT, ops.GE)


def delay(t: Target, e: Apply) -> float:
    """The delay of one operator in ns."""
    width = max(width_of(e.dtype), *(width_of(a.dtype) for a in e.args))
    if e.op in _FREE:
        return 0.0
    if e.op in _ADDERS:
        return t.add[0] + t.add[1] * width
    if e.op is ops.MUL:
        return _multiply(t, e, width)
    return _other(t, e.op, e, width)


def _multiply(t: Target, e: Apply, width: int) -> float:
    constant = next((a for a in e.args if isinstance(a, Const)), None)
    if constant is not None and int(constant.value).bit_count() <= 2:
        return (t.add[0] + t.add[1] * width) * (int(constant.value).bit_count() - 1)
    return t.multiply


def _other(t: Target, op: Op, e: Apply, width: int) -> float:
    if op in (ops.MIN, ops.MAX, ops.ABS, ops.SATURATE):
        return t.add[0] + t.add[1] * width + t.select
    if op in (ops.EQ, ops.NE):
        return t.logic * max(1.0, (width - 1).bit_length() / 2)
    if op in (ops.SHL, ops.SHR):
        return 0.0 if isinstance(e.args[1], Const) else t.shift * max(1, (width - 1).bit_length())
    return t.select if op is ops.SELECT else t.logic
