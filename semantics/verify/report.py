"""What verification found: obligations with their status, and inputs that show why one fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from gemel.semantics.errors import GemelError
from gemel.semantics.ir import Check, Kernel
from gemel.semantics.span import Span

PROVED, REFUTED, UNKNOWN = "proved", "refuted", "unknown"

KINDS: dict[Check, str] = {
    Check.BOUNDS: "bounds",
    Check.DIVISION: "division",
    Check.SHIFT: "shift",
    Check.STEP: "step",
    Check.ASSERT: "assert",
    Check.REQUIRES: "requires",
    Check.ENSURES: "ensures",
    Check.INVARIANT: "invariant",
    Check.INITIALISED: "initialised",
    Check.NARROWS: "narrowing",
    Check.CONFLICT: "conflict",
    Check.SHAPE: "shape",
}
"""The kind of an obligation as reports show it."""

STATED = (Check.ENSURES, Check.INVARIANT)


@dataclass(frozen=True)
class Counterexample:
    """Arguments of a call, by parameter name, for which an obligation fails."""

    inputs: Mapping[str, Any]
    run: Callable[[], GemelError | None]

    def replay(self) -> GemelError | None:
        """Runs the reference interpreter on the inputs: the error that it stops with."""
        return self.run()

    def __str__(self) -> str:
        return ", ".join(f"{name} = {_short(value)}" for name, value in self.inputs.items())


def _short(value: Any) -> str:
    text = repr(value.tolist()) if hasattr(value, "tolist") else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


@dataclass(eq=False)
class Obligation:
    """Something that must hold wherever a run comes by: `status` is "proved", "refuted" or "unknown".

    What is unknown, or refuted, is checked when the kernel runs; a narrowing alone wraps.
    """

    check: Check
    span: Span
    text: str
    status: str = UNKNOWN
    by: str = ""
    counterexample: Counterexample | None = None

    @property
    def kind(self) -> str:
        """bounds, division, shift, step, assert, ensures, invariant, initialised, narrowing, conflict or shape."""
        return KINDS[self.check]


@dataclass(frozen=True)
class Report:
    """The obligations of a kernel in program order; `kernel` has run-time checks only for those not proved.

    `assumed` lists what `gm.assume` states. `contradictions` are the places of a `requires` or `assume` that
    nothing can fulfil together with what is known before; after one, nothing counts as proved.
    """

    kernel: Kernel
    obligations: tuple[Obligation, ...]
    assumed: tuple[tuple[str, Span], ...] = ()
    contradictions: tuple[Span, ...] = ()
    seconds: float = 0.0
    counts: Counter[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "counts", Counter(o.status for o in self.obligations))

    @property
    def ok(self) -> bool:
        """Whether everything is proved."""
        return not self.contradictions and all(o.status == PROVED for o in self.obligations)

    def rows(self, every: bool = False) -> list[tuple[str, str, str, str, str]]:
        """Status, kind, line, source and message of obligations; alike ones on a line share a row unless `every`."""
        if every:
            return [_row(o.status, o.kind, o, _said(o)) for o in self.obligations]
        found = []
        for _, group in groupby(self.obligations, key=lambda o: (o.span.file, o.span.line)):
            there = list(group)
            found += _open_rows([o for o in there if o.status != PROVED])
            done = Counter(o.kind for o in there if o.status == PROVED)
            if done:
                kinds = ", ".join(f"{n} {kind}" if n > 1 else kind for kind, n in done.items())
                found.append(_row(PROVED, kinds, there[0], ""))
        return found

    def notes(self) -> list[str]:
        """What was assumed, and what contradicts what stands before it."""
        found = [f"assumed (line {span.line}): {what}" for what, span in self.assumed]
        found += [
            f"contradiction (line {span.line}): no inputs fulfil {span.source_line().strip()} and what stands before; "
            "nothing is proved from it"
            for span in self.contradictions
        ]
        return found

    def __str__(self) -> str:
        rows = [(status, kind, f"line {line:>4}", source, said) for status, kind, line, source, said in self.rows()]
        widths = [max((len(row[n]) for row in rows), default=0) for n in range(3)]
        lines = [self.summary()]
        for *first, source, said in rows:
            start = "  ".join(cell.ljust(width) for cell, width in zip(first, widths, strict=True))
            lines.append(f"  {start}  {source}{f'   # {said}' if said else ''}")
        return "\n".join([*lines, *(f"  {note}" for note in self.notes())])

    __repr__ = __str__

    def summary(self) -> str:
        """One line: how many were proved."""
        parts = ", ".join(f"{n} {status}" for status, n in sorted(self.counts.items()))
        return f"{self.kernel.name}: {parts or 'nothing to prove'} ({self.seconds:.2f} s)"

    def _repr_html_(self) -> str:
        import html

        cells = "".join(
            f'<tr style="{_STYLES[row[0]]}">'
            + "".join(f"<td style='text-align: left'>{html.escape(cell)}</td>" for cell in row)
            + "</tr>"
            for row in self.rows()
        )
        head = "".join(f"<th style='text-align: left'>{name}</th>" for name in COLUMNS)
        notes = "".join(f"<p>{html.escape(note)}</p>" for note in self.notes())
        return f"<p>{html.escape(self.summary())}</p><table><tr>{head}</tr>{cells}</table>{notes}"


COLUMNS = ("status", "kind", "line", "source", "")
_STYLES = {PROVED: "color: #2a7d2a", REFUTED: "color: #b00020; font-weight: bold", UNKNOWN: "color: #9a6700"}


def _row(status: str, kind: str, o: Obligation, said: str) -> tuple[str, str, str, str, str]:
    return status, kind, str(o.span.line or ""), o.span.source_line().strip(), said


def _open_rows(there: list[Obligation]) -> list[tuple[str, str, str, str, str]]:
    """One row for those on a line that say the same."""
    same = Counter((o.status, o.kind, _said(o)) for o in there)
    return [_row(status, f"{n} {kind}" if n > 1 else kind, there[0], said) for (status, kind, said), n in same.items()]


def _said(o: Obligation) -> str:
    told = "" if _stated(o) else o.text
    if o.counterexample is None:
        return told
    return f"{told}; fails for {o.counterexample}" if told else f"fails for {o.counterexample}"


def _stated(o: Obligation) -> bool:
    """Whether the source line says what is to be proved; the text is the message of a failure then."""
    return o.check in STATED or (o.check is Check.ASSERT and o.span.source_line().lstrip().startswith("assert"))
