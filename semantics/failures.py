"""The errors of a running kernel: one place that makes them, for interpreter, CPU and RTL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gemel.semantics.convert import Value
from gemel.semantics.dtypes import DType
from gemel.semantics.errors import BoundsError, CheckError, DivisionError, GemelError, ShapeError
from gemel.semantics.ir import Assert, Call, Check, Stmt
from gemel.semantics.span import Span

_KINDS: dict[Check, type[GemelError]] = {
    Check.BOUNDS: BoundsError,
    Check.DIVISION: DivisionError,
    Check.SHIFT: CheckError,
    Check.ASSERT: CheckError,
    Check.INITIALISED: BoundsError,
    Check.STEP: CheckError,
    Check.REQUIRES: CheckError,
    Check.ENSURES: CheckError,
    Check.INVARIANT: CheckError,
    Check.NARROWS: CheckError,
    Check.CONFLICT: CheckError,
    Check.SHAPE: ShapeError,
}

MENDS: dict[Check, str] = {
    Check.BOUNDS: "keep the index inside the array, for example with a condition around the access",
    Check.DIVISION: "test the divisor before dividing",
    Check.SHIFT: "shift by an amount that is never negative",
    Check.ASSERT: "call the kernel with arguments for which it holds; k.verify() shows whether there are others",
    Check.INITIALISED: "store to the element first, or make the tensor with gm.zeros",
    Check.STEP: "give range() a step other than 0",
    Check.REQUIRES: "call the kernel with arguments that fulfil what it requires",
    Check.ENSURES: "the kernel computes something else than it promises: mend the one or the other",
    Check.INVARIANT: "state what is true before each iteration and after the last, or mend the loop",
    Check.NARROWS: "use a wider type, or say that it wraps: gm.cast(x, t)",
    Check.SHAPE: "make the shapes equal, or 1",
    Check.CONFLICT: "let each iteration write to places of its own",
}

OUT_OF_RANGE = "index {0} is out of range for axis {axis} of {name}, which has size {1}"
DIVIDED_BY_ZERO = "division by zero"
NEGATIVE_SHIFT = "shift by a negative amount: {0}"
ZERO_STEP = "the step of a loop is 0"
LOST = "{0} doesn't fit {type}"
CONFLICT = "iterations {0} and {1} of an unordered loop touch the same element of {name}"
UNEQUAL = "sizes {0} and {1} don't fit together"
ASSERTION_FAILED = "assertion failed"
UNSET = "element {0} of {name} is read before anything was stored to it"


def out_of_range(name: str, axis: int) -> str:
    """The message of a bounds check, with the index and the size left open."""
    return OUT_OF_RANGE.replace("{axis}", str(axis)).replace("{name}", name)


def lost(dtype: DType) -> str:
    """The message of a narrowing that loses the value, which is left open."""
    return LOST.replace("{type}", str(dtype))


def raised(check: Check, message: str, span: Span) -> GemelError:
    """The error of a failed check with its message complete."""
    if check is Check.ASSERT and message != ASSERTION_FAILED:
        message = f"{ASSERTION_FAILED}: {message}"
    return _KINDS[check](message, code=check.value, span=span, mend=MENDS[check])


def failure(site: Assert, values: Sequence[Value]) -> GemelError:
    """The error of a failed `Assert`, its message filled with `values`."""
    message = site.message
    for position, value in enumerate(values):
        message = message.replace(f"{{{position}}}", str(value))
    return raised(site.check, message, site.span)


def owed(s: Stmt, call: Call) -> Stmt:
    """A statement of a callee: what it requires is the caller's to show, so it is told at the call."""
    if isinstance(s, Assert) and s.check is Check.REQUIRES:
        where = f"line {s.span.line}" if s.span.line else "its definition"
        return replace(s, check=Check.ASSERT, message=f"{call.kernel.name} requires more ({where})", span=call.span)
    return s
