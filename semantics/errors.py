"""Every error that a user can meet: what went wrong, where, and how to mend it.

An error has a stable `code` (`CATALOGUE` lists them with a title each); tests assert codes, golden files hold texts.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence

from gemel.semantics.frames import own_frames
from gemel.semantics.span import Span


class GemelError(Exception):
    """Base of all errors that Gemel raises on purpose.

    `what` says what is wrong, `span` where, `mend` how to mend it; `notes` are other places involved.
    """

    def __init__(
        self,
        what: str,
        *,
        code: str,
        span: Span | None = None,
        mend: str = "",
        notes: Sequence[tuple[str, Span]] = (),
    ) -> None:
        self.what, self.code, self.span, self.mend, self.notes = what, code, span, mend, tuple(notes)
        super().__init__(self.render())

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.__module__ = "gemel.errors"  # where users find it

    def render(self) -> str:
        """The whole message as text."""
        lines = [f"{self.what} [{self.code}]"]
        lines += _place(self.span)
        for text, span in self.notes:
            lines += [f"  note: {text}", *_place(span)]
        if self.mend:
            lines.append(f"  mend: {self.mend}")
        return "\n".join(lines)

    def _render_traceback_(self) -> list[str]:
        """What IPython and notebooks show: the user's lines, then the message."""
        frames = traceback.format_list(traceback.extract_tb(own_frames(self.__traceback__)))
        return [*"".join(frames).splitlines(), f"{type(self).__name__}: {self}"]

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return _rebuild, (type(self), self.what, self.code, self.span, self.mend, self.notes)


GemelError.__module__ = "gemel.errors"


def _rebuild(
    kind: type[GemelError], what: str, code: str, span: Span | None, mend: str, notes: Sequence[tuple[str, Span]]
) -> GemelError:
    return kind(what, code=code, span=span, mend=mend, notes=notes)


def _place(span: Span | None) -> list[str]:
    if span is None or not span.line:
        return []
    snippet = span.snippet()
    return [f"  at {span}", snippet] if snippet else [f"  at {span}"]


class TraceError(GemelError):
    """Python that can't become a kernel."""


class TypeCheckError(GemelError):
    """Operands, assignments or arguments whose element types don't fit."""


class ShapeError(GemelError):
    """Ranks or sizes that don't fit."""


class BoundsError(GemelError):
    """An index out of range, found when a kernel runs."""


class DivisionError(GemelError, ZeroDivisionError):
    """A division by zero, found when a kernel runs."""


class CheckError(GemelError, AssertionError):
    """An `assert`, `requires` or `ensures` that doesn't hold when a kernel runs."""


class OutOfMemoryError(GemelError, MemoryError):
    """A local array for which there is no memory, found when a kernel runs."""


class ArgumentError(GemelError, TypeError):
    """An argument of a call that the kernel can't take."""


class ScheduleError(GemelError):
    """A schedule step that is illegal or names something unknown."""


class SynthesisError(GemelError):
    """A kernel that can't be hardware as asked."""


class ToolError(GemelError):
    """An outside tool that is missing, fails or times out."""


class ParseError(GemelError):
    """Text that is not valid Gemel IR."""


class CompileError(GemelError):
    """Code generation for a CPU that can't be done."""


CATALOGUE: dict[str, str] = {
    # types (T), shapes (S), tracing (P: Python), arguments (A), run time (R), hardware (H), tools (X), text (I)
    "T01": "operand types don't fit an operator",
    "T02": "integer with float without a cast",
    "T03": "floats of different formats without a cast",
    "T04": "assignment would change a variable's type",
    "T05": "shift by an amount of unknown range",
    "T06": "integer wider than the largest width",
    "T07": "constant doesn't fit its type",
    "T08": "a value where a tensor is needed, or the reverse",
    "T09": "result type differs from the annotation",
    "S01": "rank differs",
    "S02": "size differs",
    "S03": "shapes can't be broadcast",
    "S04": "dimension can't be inferred",
    "P01": "unsupported Python statement",
    "P02": "unsupported Python expression",
    "P03": "variable may be unset",
    "P04": "source not available",
    "P05": "trace doesn't end",
    "P06": "truth value of a traced value in plain Python",
    "P07": "missing or bad annotation",
    "P08": "name not defined",
    "P09": "call of something that can't be traced",
    "P10": "Python object where a traced value is needed",
    "P11": "variable differs between branches",
    "P12": "Python error while tracing",
    "A01": "wrong number of arguments",
    "A02": "wrong element type of an argument",
    "A03": "read-only array that the kernel stores to",
    "A04": "arrays that overlap",
    "A05": "value out of range of the parameter's type",
    "A06": "not an array or number",
    "A07": "array layout",
    "A08": "static argument",
    "A09": "command for a kernel that isn't there",
    "A10": "arguments on which a kernel to be tuned fails",
    "R01": "index out of range",
    "R02": "division by zero",
    "R03": "negative shift amount",
    "R04": "assertion failed",
    "R05": "read before initialisation",
    "R06": "loop step of zero",
    "R07": "run interrupted or too long",
    "R08": "no memory for a local array",
    "R09": "what a kernel requires doesn't hold",
    "R10": "what a kernel ensures doesn't hold",
    "R11": "loop invariant doesn't hold",
    "R12": "narrowing loses the value",
    "R13": "iterations of a parallel loop conflict",
    "H02": "size not known",
    "H03": "clock too fast for an operator",
    "H04": "memory too large",
    "H06": "unknown target or option",
    "H07": "loop that can't begin iterations as often as asked",
    "H08": "limit on functional units that can't be",
    "H09": "too few ports of a memory",
    "H10": "certificate that isn't valid",
    "N01": "netlist that is not valid",
    "N02": "combinational loop",
    "X01": "tool missing",
    "X02": "tool failed",
    "X03": "tool timed out",
    "I01": "malformed IR text",
    "I02": "IR that is not valid",
    "C01": "target unknown, or not to be had from LLVM",
    "C02": "code generation failed",
    "C03": "code for another machine called",
    "K01": "schedule names a loop, buffer or step that isn't there",
    "K02": "schedule step that would change what the kernel computes",
    "K03": "schedule step that doesn't fit the loops",
    "K04": "kernel that can't be tuned",
}


def counted(n: int, word: str) -> str:
    """`1 argument`, `2 arguments`."""
    return f"{n} {word}" if n == 1 else f"{n} {word}s"
