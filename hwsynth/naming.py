"""Names for values that the source gives none: what they are made of where that is short, else what kind they are.

A kind alone tells little: it stands behind the name of what the value is for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from gemel.semantics import ops
from gemel.semantics.ir import Apply, Const, Expr, Ref

LONGEST = 20
"""Letters that a name made of others may have."""

_BETWEEN = {
    ops.ADD: "plus", ops.SUB: "minus", ops.MUL: "times", ops.EQ: "is", ops.NE: "is_not", ops.LT: "lt", ops.LE: "le",
    ops.GT: "gt", ops.GE: "ge", ops.LAND: "and", ops.LOR: "or",
}  # fmt: skip
_BEFORE = {ops.LNOT: "not", ops.NEG: "minus", ops.INVERT: "inv", ops.ABS: "abs"}
_KIND = {
    ops.ADD: "sum", ops.SUB: "difference", ops.MUL: "product", ops.NEG: "negated", ops.FLOORDIV: "quotient",
    ops.MOD: "remainder", ops.EQ: "equal", ops.NE: "differ", ops.LT: "less", ops.LE: "at_most", ops.GT: "greater",
    ops.GE: "at_least", ops.LAND: "both", ops.LOR: "either", ops.LNOT: "contrary", ops.SELECT: "chosen",
    ops.MIN: "least", ops.MAX: "most", ops.SHL: "shifted", ops.SHR: "shifted", ops.CONCAT: "joined", ops.BITS: "part",
    ops.AND: "masked", ops.OR: "merged", ops.XOR: "mixed", ops.INVERT: "inverted", ops.ABS: "size",
    ops.SATURATE: "limited",
}  # fmt: skip
SAME = (ops.CAST, ops.BITCAST, ops.SATURATE)
"""Ops whose result is called as their operand."""


_MIRRORED = {ops.LT: ops.GT, ops.GT: ops.LT, ops.LE: ops.GE, ops.GE: ops.LE, ops.EQ: ops.EQ, ops.NE: ops.NE}


def spelled(op: ops.Op, parts: Sequence[str]) -> str:
    """A name for an op on operands that are called `parts`."""
    if op in SAME and parts[0]:
        return parts[0]
    name = ""
    if op in _MIRRORED and parts[0][:1].isdigit():
        op, parts = _MIRRORED[op], parts[::-1]
    if all(parts):
        if op is ops.BITS:
            name = "_".join(parts[:2] if parts[1] == parts[2] else parts)
        elif op in _BETWEEN:
            name = f"{parts[0]}_{_BETWEEN[op]}_{parts[1]}"
        elif op in _BEFORE:
            name = f"{_BEFORE[op]}_{parts[0]}"
        elif op is ops.SELECT and not any(_VAGUE.search(p) for p in parts[1:]):
            name = f"{parts[1]}_or_{parts[2]}"
        elif op is ops.CONCAT and not any(p[0].isdigit() or _VAGUE.search(p) for p in parts):
            name = "_".join(parts)
    return name if name and len(name) <= LONGEST else _KIND.get(op, "value")


_VAGUE = re.compile(rf"(?:^|_)(?:{'|'.join(sorted(_KIND.values()))}|s\d+|q|\d+)$")
"""The end of a name that doesn't tell what the value is for: its kind, its stage, a number."""


def leading(name: str, goal: str) -> str:
    """The name of a value, where that is a kind, behind that of what it is for as far as this tells."""
    if name not in _KIND.values():
        return name
    while goal and (found := _VAGUE.search(goal)):
        goal = goal[: found.start()]
    full = f"{goal}_{name}"
    return full if goal and len(full) <= LONGEST - 2 else name


def described(e: Expr) -> str:
    """A name for an expression, "" where nothing is to be said."""
    if not isinstance(e, Apply):
        return _plain(e)
    return described(e.args[0]) if e.op in SAME else spelled(e.op, [_plain(a) for a in e.args])


def _plain(e: Expr) -> str:
    match e:
        case Const():
            value = int(e.value)
            return f"m{-value}" if value < 0 else str(value)
        case Ref():
            return e.var.hint
        case Apply() if e.op in SAME:
            return _plain(e.args[0])
        case Apply() if e.op is ops.BITS and isinstance(e.args[0], Ref):
            return described(e)
        case _:
            return ""
