"""The text of `always_ff` blocks: statements, resets, and vectors of bits as one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from gemel.hwsynth.netlist import Reset
from gemel.hwsynth.statements import Assign, Clocked, Statement, When, is_zero
from gemel.hwsynth.svtext import Expressions
from gemel.semantics.dtypes import BOOL
from gemel.semantics.ir import Const, Var

LINE = 100
"""Columns that an `if` with its statement on one line may take."""


class Blocks:
    """Prints blocks; `rows` are vectors by name: their lowest index and their bits."""

    def __init__(self, e: Expressions, rows: Mapping[str, tuple[int, list[Var]]], reset: Reset) -> None:
        self.e, self.rows, self.reset = e, rows, reset
        self.row_of = {v: name for name, (_, bits) in rows.items() for v in bits}

    def lines(self, b: Clocked) -> Iterator[str]:
        """A block, from `always_ff` to `end`."""
        if b.resets and self.reset is Reset.NONE:
            yield "initial begin"
            yield from (_deeper(line.replace(" <= ", " = ")) for line in self.statements(_resets(b)))
            yield "end"
        resets = () if self.reset is Reset.NONE else b.resets
        edge = "posedge clk or posedge rst" if resets and self.reset is Reset.ASYNC else "posedge clk"
        body = [*self.with_reset(b)] if resets else [*self.statements(b.body)]
        # always_ff forbids a second driver, and an initial block is one.
        head = f"{'always' if b.resets and not resets else 'always_ff'} @({edge})"
        if len(body) == 1 and "\n" not in body[0]:
            yield f"{head} {body[0]}"
            return
        yield f"{head} begin"
        yield from map(_deeper, body)
        yield "end"

    def with_reset(self, b: Clocked) -> Iterator[str]:
        zero = _resets(b)
        first = b.body[0] if len(b.body) == 1 else None
        if self.reset is Reset.SYNC and isinstance(first, When) and _same_values(first.then, zero):
            yield f"if (rst || {self.e.operand(first.cond)}) begin"
            yield from map(_deeper, self.statements(zero))
            yield from self.otherwise(first.orelse)
            return
        yield "if (rst) begin"
        yield from map(_deeper, self.statements(zero))
        yield from self.otherwise(b.body)

    def statements(self, body: Sequence[Statement]) -> Iterator[str]:
        """The lines of statements, the bits of a vector as one."""
        given = {s.var: s for s in body if isinstance(s, Assign)}
        rows = dict.fromkeys(row for v in given if (row := self.row_of.get(v)) is not None)
        whole = {row for row in rows if all(v in given for v in self.rows[row][1])}
        done: set[str] = set()
        for s in body:
            if isinstance(s, When):
                yield from self.when(s, False)
                continue
            row = self.row_of.get(s.var)
            if row not in whole:
                yield f"{self.e.names[s.var]} <= {self.e.text(s.value)};".replace(" \n", "\n").replace("\n    ", "\n")
            elif row is not None and row not in done:
                done.add(row)
                yield f"{row} <= {self.vector([given[v] for v in self.rows[row][1]])};"

    def vector(self, bits: Sequence[Assign]) -> str:
        """The value of a whole vector, from its bits, lowest first."""
        if all(is_zero(a.value) for a in bits):
            return "'0"
        pieces: list[str] = []
        for a in reversed(bits):
            text = self.e.text(a.value)
            longer = _slice(pieces[-1], text) if pieces else ""
            pieces[len(pieces) - bool(longer) :] = [longer or text]
        return pieces[0] if len(pieces) == 1 else f"{{{', '.join(pieces)}}}"

    def when(self, s: When, opened: bool) -> Iterator[str]:
        """An `if`; on one line where it is short, unless it has to be `opened`."""
        inner = [*self.statements(s.then)]
        head = f"if ({self.e.text(s.cond)})"
        if len(inner) == 1 and not s.orelse and not opened and len(head) + len(inner[0]) < LINE:
            yield f"{head} {inner[0]}"
            return
        yield f"{head} begin"
        yield from map(_deeper, inner)
        yield from self.otherwise(s.orelse)

    def otherwise(self, orelse: Sequence[Statement]) -> Iterator[str]:
        """From the `end` of an `if` on."""
        if len(orelse) == 1 and isinstance(orelse[0], When):
            first, *rest = self.when(orelse[0], True)
            yield f"end else {first}"
            yield from rest
            return
        if orelse:
            yield "end else begin"
            yield from map(_deeper, self.statements(orelse))
        yield "end"


def _resets(b: Clocked) -> list[Assign]:
    return [Assign(v, Const(bool(x) if v.dtype == BOOL else x, v.dtype, v.span)) for v, x in b.resets]


def _same_values(body: Sequence[Statement], resets: Sequence[Assign]) -> bool:
    """Whether statements do just what a reset does."""
    values = {r.var: r.value for r in resets}
    given = [s for s in body if isinstance(s, Assign) and isinstance(s.value, Const)]
    same = all(isinstance(v := values.get(s.var), Const) and v.value == s.value.value for s in given)  # type: ignore[union-attr]
    return same and len(given) == len(body) == len(values)


def assigned(body: Sequence[Statement]) -> Iterator[Var]:
    """The registers that statements set."""
    for s in body:
        if isinstance(s, Assign):
            yield s.var
        else:
            yield from assigned((*s.then, *s.orelse))


def _deeper(line: str) -> str:
    return "  " + line.replace("\n", "\n  ")


def _slice(high: str, low: str) -> str:
    """`x[5:4]` or `x[4]` followed by `x[3]` as one slice, "" where they are no neighbours."""
    a, b = re.fullmatch(r"(\w+)\[(\d+)(?::(\d+))?\]", high), re.fullmatch(r"(\w+)\[(\d+)\]", low)
    if a is None or b is None or a[1] != b[1] or int(a[3] or a[2]) != int(b[2]) + 1:
        return ""
    return f"{a[1]}[{a[2]}:{b[2]}]"
