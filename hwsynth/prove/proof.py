"""A design's proof, obligation by obligation: the handshake, one run from any idle state, and each unit."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from gemel.hwsynth.netlist import Contract
from gemel.hwsynth.placement import Placement
from gemel.hwsynth.prove import control
from gemel.hwsynth.prove.checked import Changed, Checked
from gemel.hwsynth.prove.course import Course, Differs
from gemel.hwsynth.prove.induction import Induction
from gemel.hwsynth.prove.machine import Machine, Stuck
from gemel.hwsynth.prove.memories import Memory, suffixes
from gemel.hwsynth.prove.reading import Text, read
from gemel.hwsynth.prove.reference import Reference
from gemel.hwsynth.prove.unitproof import proved_unit
from gemel.hwsynth.prove.units import applied, cuts
from gemel.semantics.dtypes import width_of
from gemel.semantics.ir import Buffer, Kernel, Var
from gemel.semantics.span import Span
from gemel.semantics.symbolic.decide import Decider
from gemel.semantics.symbolic.execute import Symbolic
from gemel.semantics.symbolic.meaning import Unsupported
from gemel.semantics.symbolic.running import OutOfTime, deep, watch
from gemel.semantics.symbolic.terms import Value
from gemel.semantics.symbolic.verdict import PROVED, REFUTED, TESTED, UNKNOWN, Verdict

if TYPE_CHECKING:
    from gemel.hwsynth.prove.counterexample import Counterexample
    from gemel.hwsynth.prove.mutants import Mutations


@dataclass(frozen=True)
class Obligation:
    """A statement and what became of it: "proved", "tested", "unknown" or "refuted"; "no answer" of a second opinion.

    `detail` says how, or why not; `values` are those of a refutation, `tests` counts what was tried without one.
    """

    name: str
    status: str
    detail: str
    seconds: float
    values: Mapping[str, int] = field(default_factory=dict)
    tests: int = 0

    @property
    def verdict(self) -> str:
        """The status, with the number of tests if there are any."""
        return f"tested({self.tests:,})" if self.status == TESTED else self.status


@dataclass(frozen=True)
class Proof:
    """What was shown of a design's text. `status` is that of the weakest obligation.

    `mutations` has what became of texts that were changed on purpose, if there were any, and `counterexample` a run in
    which the text errs, if one was found. One that was stopped isn't `complete`, and proves nothing as a whole.
    """

    kernel: str
    obligations: tuple[Obligation, ...]
    mutations: Mutations | None = None
    counterexample: Counterexample | None = None
    complete: bool = True

    @property
    def status(self) -> str:
        """ "refuted" if one obligation is, else "unknown" or "tested" if one is, else "proved".

        A proof that also proves a text that errs is "unknown". A second opinion without an answer doesn't count.
        """
        found = {o.status for o in self.obligations}
        if not self.complete or (self.mutations is not None and self.mutations.missed):
            found.add(UNKNOWN)
        return next(s for s in (REFUTED, UNKNOWN, TESTED, PROVED) if s in found)

    @property
    def ok(self) -> bool:
        """Whether everything is proved."""
        return self.status == PROVED

    def __str__(self) -> str:
        lines = [f"{self.kernel}: {self.status}"]
        lines += [f"  {o.verdict:9} {o.name}: {o.detail} ({o.seconds:.2f} s)" for o in self.obligations]
        for part in (self.mutations, self.counterexample):
            lines += [f"  {line}" for line in str(part or "").splitlines()]
        return "\n".join(lines)


@dataclass(frozen=True)
class Subject:
    """What is to be proved: the text with its top module and the contracts of its units, and the kernel."""

    sv: str
    top: str
    contracts: Mapping[str, Contract]
    kernel: Kernel
    places: Mapping[Buffer | Var, Placement]
    cycles: int | None
    latencies: Mapping[str, int] = field(default_factory=dict)
    """The cycles from an address to its word, of memories outside by name; of others 1."""
    checker: str = ""
    """The assertions on the handshake, if there are any: the text of a module that looks at the top one."""
    sites: Mapping[tuple[str, Span], int] = field(default_factory=dict)
    """The numbers of the checks that the hardware makes, by code and place."""


def prove(subject: Subject, seconds: float = 10.0) -> Proof:
    """Proves a subject; `seconds` is z3's time for each question that normal forms leave.

    Raises ToolError where yosys is missing or fails.
    """
    found: list[Obligation] = []
    deep(lambda: found.extend(_obligations(subject, seconds)))
    return Proof(subject.kernel.name, tuple(found))


def _obligations(subject: Subject, seconds: float) -> Iterator[Obligation]:
    for name in (subject.top, *dict.fromkeys(cut(subject))):
        yield from obligations(subject, name, text_of(subject, name), seconds)


def text_of(subject: Subject, module: str) -> Text:
    """A module of the subject as it was read back, with the units that it uses cut out."""
    return read(subject.sv, module, [n for n in cut(subject) if n != module]).text()


def obligations(
    subject: Subject, module: str, text: Text, seconds: float, source: Reference | None = None
) -> Iterator[Obligation]:
    """Those of one module, be it the kernel's or a unit, of whatever text it is to have; `source` is the kernel's."""
    if module == subject.top:
        if source is None or by_data(subject, text):  # what is known where no check fails isn't where one may
            source = Reference(subject.kernel)
        yield from Run(subject, text, seconds, source).obligations()
    else:
        yield timed(f"unit {module}", lambda: proved_unit(subject.contracts, module, text, seconds))


def timed(name: str, work: Callable[[], Verdict], most: float | None = None) -> Obligation:
    """What becomes of an obligation, and how long that takes: no more than `most` seconds."""
    begun = time.perf_counter()
    try:
        with watch().piece(most):
            verdict = work()
    except OutOfTime:
        verdict = Verdict(UNKNOWN, f"takes more than {watch().limit:g} s")
    except (Stuck, Unsupported) as error:
        verdict = Verdict(UNKNOWN, str(error))
    except RecursionError:
        verdict = Verdict(UNKNOWN, "terms are nested too deep")
    values = {str(t): v for t, v in verdict.values.items()}
    return Obligation(name, verdict.status, verdict.how, time.perf_counter() - begun, values, verdict.tests)


def _said(problem: str, how: str, otherwise: str = REFUTED) -> Verdict:
    """The verdict of a check that says what is wrong, or nothing."""
    return Verdict(otherwise, problem) if problem else Verdict(PROVED, how)


def cut(subject: Subject) -> list[str]:
    """The modules that are cut out: all units."""
    return list(subject.contracts)


def by_data(subject: Subject, text: Text) -> bool:
    """Whether the data says when a run ends."""
    return subject.cycles is None or "error" in text.circuit.outputs


# ---------------------------------------------------------------------------------------------------------------- a run


class Run:
    """One run of the kernel's module on symbols, from any idle state."""

    def __init__(self, subject: Subject, text: Text, seconds: float, source: Reference) -> None:
        self.subject, self.text, self.source = subject, text, source
        self.words, self.normal, self.given = source.words, source.normal, source.given
        self.decider = Decider(self.words, self.normal, applied, seconds)
        self.machine = Machine(
            self.words, self.normal, text.circuit, cuts(text.circuit, text.contracts(subject.contracts))
        )
        circuit = self.machine.circuit
        self.ports: dict[str, Any] = {**circuit.inputs, **circuit.outputs}
        self.idle = control.idle_of(self.machine)
        self.changed: set[int] = set()

    def obligations(self) -> Iterator[Obligation]:
        """The handshake's and the run's."""
        yield timed(
            "all registers take the rising edge of clk", lambda: _said(control.clocks(self.text), "by structure")
        )
        yield timed(
            "reset leads to idle",
            lambda: _said(control.resets(self.machine, self.idle), "in any state, with any inputs"),
        )
        yield timed(
            "start means nothing while busy",
            lambda: _said(control.ignores_start(self.machine), "in any state", UNKNOWN),
        )
        yield from self._by_ways() if by_data(self.subject, self.text) else self._run()

    def _by_ways(self) -> Iterator[Obligation]:
        name = "a run ends where the kernel's does, idle again, with its outputs, for all inputs"
        yield timed(name, self._induced if self.subject.cycles is None else self._checked)
        yield timed("idle stays idle without start", self._stays_idle)

    def _stays_idle(self) -> Verdict:
        return control.stays_idle(self.machine, self.idle, self.decider)

    def _induced(self) -> Verdict:
        controls = list(self.idle.fixed)
        while True:
            verdict = Induction(self, controls).verdict()
            if not self.changed & set(self.idle.fixed):
                return verdict
            self.idle = self.idle.without(list(self.changed))

    def _checked(self) -> Verdict:
        """Control that is known but for checks; terms are made anew, as it is known in them which checks pass."""
        controls = list(self.idle.fixed)
        while True:
            run = Run(self.subject, self.text, self.decider.seconds, Reference(self.subject.kernel))
            run.idle = self.idle
            try:
                return Checked(run, controls).verdict()
            except Changed as changed:
                self.idle = self.idle.without(changed.places)

    def _run(self) -> Iterator[Obligation]:
        run = timed("a run ends, idle again, in the predicted cycles", self._settled)
        yield run
        yield timed("idle stays idle without start", self._stays_idle)
        if run.status == PROVED:
            yield timed("all outputs are the kernel's, for all inputs", self._compared)

    def _settled(self) -> Verdict:
        """A run from idle that ends idle; a register that it leaves otherwise than reset does is none of idle's."""
        while True:
            self.course = Course(self)
            try:
                self.course.finish()
            except Differs as differs:
                return differs.verdict
            changed = self.idle.changed(self.course.ended)
            if not changed:
                return Verdict(PROVED, f"{self.course.taken:,} cycles")
            self.idle = self.idle.without(changed)

    def _compared(self) -> Verdict:
        run, expected, passes = self.source.run
        return self.same(run, expected, passes, self.course)

    def memories_of(self, given: Mapping[Buffer | Var, Any]) -> Iterator[Memory]:
        """The memories outside, with the words of arrays."""
        for p, place in self.subject.places.items():
            if isinstance(p, Var) or (not p.rank and place.names[0] in self.ports):
                continue
            flat = np.array(given[p] or [0], dtype=object)
            for name, cells in place.apart(flat).items() if given[p] else ():
                reads, writes = suffixes(self.ports, f"{name}_rdata"), suffixes(self.ports, f"{name}_wdata")
                latency = self.subject.latencies.get(name, 1)
                yield Memory(name, width_of(p.dtype), len(cells), list(cells), reads, writes, latency)

    def same(self, run: Symbolic, expected: Mapping[Buffer, Any], passes: Value, course: Course) -> Verdict:
        """Whether all arrays are the kernel's at the end of a run in which no check fails."""
        pairs = []
        for b, cells in expected.items():
            found = self.found(b, course.outputs, course.memories)
            pairs += [
                (f, run.word(e, b.dtype), width_of(b.dtype)) for f, e in zip(found, cells, strict=True) if e is not None
            ]
        verdict = self.decider.same(pairs, passes)
        return Verdict(verdict.status, f"{len(pairs):,} words by {verdict.how}", verdict.values)

    def found(self, b: Buffer, outputs: Mapping[str, Value], memories: Sequence[Memory]) -> Sequence[Value]:
        """The words of an array at the end of a run."""
        place = self.subject.places[b]
        if not b.rank and place.names[0] in outputs:
            return [outputs[place.names[0] or ""]]
        if not self.given[b]:
            return []
        held = {m.name: np.array(m.cells, dtype=object) for m in memories}
        return list(place.together(held, np.array(self.given[b], dtype=object)))

    def cells_of(self, b: Buffer | Var) -> Mapping[int, list[tuple[str, int]]]:
        """For each element of an array the words of memories that are for it."""
        found: dict[int, list[tuple[str, int]]] = {}
        place = self.subject.places[b]
        if isinstance(b, Var) or not self.given[b] or (not b.rank and place.names[0] in self.ports):
            return found
        for name, cells in place.apart(np.arange(len(self.given[b]), dtype=object)).items():
            for k, n in enumerate(cells):
                found.setdefault(int(n), []).append((name, k))
        return found
