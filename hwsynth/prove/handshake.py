"""The assertions on the handshake proved, by other tools than the run on symbols: yosys, its yosys-abc, and z3.

yosys makes single bits of the module with its checker. Functional units are cut out and words of memories inside may be
anything, so that what is proved holds whatever the data is. yosys-abc looks for an inductive invariant, by
property-directed reachability; z3 checks that it is one: it holds at power-up, each edge keeps it, and it excludes that
an assertion fails.

Where all runs take the same time, one run is unrolled for what depends on how far it is: its cycles, the addresses. It
begins in any idle state: what registers hold while idle is proved with the rest.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

from gemel.hwsynth import tools
from gemel.hwsynth.prove import abc
from gemel.hwsynth.prove.aiger import FREE, Aig, Builder, Latch, freed, from_zero, read
from gemel.hwsynth.prove.exclusions import Cube, inductive, uninductive, unseen
from gemel.hwsynth.prove.proof import Obligation, Proof, Subject, cut, timed
from gemel.semantics.errors import ToolError, counted
from gemel.semantics.symbolic.verdict import NO_ANSWER, PROVED, REFUTED, Verdict

ALWAYS, RUN = "handshake assertions", "assertions on a run"

ERROR = "error_stays"
"""The name of an assertion that there is where a run may end with an error."""

LATENCY, IN_RANGE = "done_comes_in_time", "_in_range"
"""How the names of assertions end that depend on how far a run is."""

TIMEOUT = 300.0
"""Seconds that yosys may take."""

LONGEST = 20_000
"""Cycles of a run that is unrolled."""

POWER_UP = 4
"""Cycles from power-up to a start, at least."""

LANES, EDGES = 128, 400
"""How many runs are simulated at once, and for how long, to see what registers hold while idle."""

_SCRIPT = """
import os, sys
from pyosys import libyosys as ys
design = ys.Design()
def run(line): ys.run_pass(line, design)
run("read_verilog -sv -formal design.sv checker.sv")
run("hierarchy -check -top {top}")
for unit in {units!r}: run("delete t:" + unit)
for line in ("hierarchy -top {top}", "proc", "flatten", "opt_clean", *{memory!r}, "setundef -undriven -anyseq", "opt",
             "async2sync", "chformal -lower", "opt -full", "dffunmap", "techmap", "opt -fast", "dffunmap", "simplemap",
             "setundef -anyseq", "aigmap", "opt_clean",
             "write_aiger -zinit -ywmap map.json circuit.aig"): run(line)
sys.stdout.flush()
os._exit(0)
"""
_ANY_WORDS = ("memory -nomap -nordff", "delete t:$mem_v2")
_ALL_WORDS = ("memory",)


@dataclass(frozen=True)
class Checked:
    """A module with its checker, as bits: the assertions' names in the order of what is to stay 0, and literals."""

    aig: Aig
    labels: tuple[str, ...]
    start: int
    reset: int | None

    @property
    def held(self) -> int:
        """The latch of `busy`; -1 if it has none."""
        return self.latch_of(0)

    def latch_of(self, output: int) -> int:
        """The latch of an output; -1 if it has none. With an asynchronous reset a gate is behind it."""
        first, end = 1 + self.aig.inputs, 1 + self.aig.inputs + len(self.aig.latches)
        shown = self.aig.outputs[output]
        if shown >> 1 >= end:
            gate = self.aig.gates[(shown >> 1) - end]
            shown = next((x for x in gate if self.reset is None or x >> 1 != self.reset >> 1), shown)
        return (shown >> 1) - first if first <= shown >> 1 < end and not shown & 1 else -1


def bits(subject: Subject, whole: bool = False) -> Checked:
    """A module with its checker as bits; `whole` keeps units and memories. The first output is `busy`.

    Raises ToolError where yosys is missing, fails or takes too long.
    """
    units = [] if whole else cut(subject)
    memory = _ALL_WORDS if whole else _ANY_WORDS
    with tools.scratch() as folder:
        (folder / "design.sv").write_text(subject.sv)
        (folder / "checker.sv").write_text(subject.checker)
        script = _SCRIPT.format(top=f"{subject.top}_checked", units=units, memory=memory)
        done = tools.python_tool("yosys", "pyosys", script, folder, TIMEOUT)
        if done.code:
            raise tools.failed("yosys", "\n".join(x for x in done.output.splitlines() if "ERROR" in x) or done.output)
        known = json.loads((folder / "map.json").read_text())
        aig = read((folder / "circuit.aig").read_bytes())
    places = {x["path"][-1].lstrip("\\"): 2 * (1 + x["input"]) for x in known["inputs"] if x["offset"] == 0}
    labels = tuple(path[-1].lstrip("\\") for path in known["asserts"])
    aig = freed(aig) if known["inits"] else aig
    return Checked(aig, labels, places["start"], places.get("rst"))


def told(found: Checked, bad: Sequence[int], cubes: Sequence[Cube] = ()) -> Aig:
    """The circuit in which `bad` and `cubes` are to stay 0; behind its latches is one that tells of a reset before."""
    b = Builder(found.aig, 0, 1)
    b.copy()
    was = b.latch(len(found.aig.latches))
    following = 1 if found.reset is None else b.either(was, found.reset)
    judged = [*map(b.lit, bad), *(reduce(b.both, (b.latch(n) ^ v ^ 1 for n, v in c.items())) for c in cubes)]
    return b.made(judged, [Latch(following, 0)])


def exclusions(found: Checked, cycles: int | None, seconds: float) -> list[Cube]:
    """What latches never hold together after a reset, by induction."""
    was = {len(found.aig.latches): 1} if found.reset is not None else {}
    cubes = unseen(found.aig, found.reset, found.held, cycles) if found.held >= 0 else []
    return inductive(told(found, ()), [{**was, **cube} for cube in cubes], seconds)


def one_run(found: Checked, cubes: Sequence[Cube], bad: Sequence[int]) -> Aig:
    """The circuit from any idle state on, started in the first cycle, not reset, and not started after the run's end.

    Idle holds what `cubes` say: those of a reset, `busy` that is 0, and another latch. `error` is taken to be low:
    until it rises a run goes on as if it didn't, and then it ends in the next cycle, as the other assertions say.
    """
    was, busy = len(found.aig.latches), found.held
    idle = [{n: v ^ 1 for n, v in c.items() if n not in (was, busy)} for c in cubes if c.get(busy, 0) == 0]
    values = {busy: 0, **{n: v for facts in idle if len(facts) == 1 for n, v in facts.items()}}
    b = Builder(found.aig, 0, 2)
    if found.reset is not None:
        b.map[found.reset >> 1] = 0
    later = b.latch(len(found.aig.latches))
    b.map[found.start >> 1] = b.either(b.both(found.start, b.latch(busy)), later ^ 1)
    if ERROR in found.labels and (error := found.latch_of(2)) >= 0:
        b.map[found.aig.latch(error) >> 1] = 0
    b.copy()
    first: dict[int, int | None] = dict.fromkeys(range(len(found.aig.latches)), FREE)
    judged = [b.both(later + 2, b.lit(x)) for x in bad]  # an assertion is told of a cycle later: none of the first
    return b.made(judged, [Latch(1, 0), Latch(later, 0)], {**first, **values})


# --------------------------------------------------------------------------------------------------------------- proof


def is_of_run(label: str, static: bool) -> bool:
    """Whether an assertion depends on how far a run is, where all runs take the same time."""
    return static and label.endswith((LATENCY, IN_RANGE))


def verdict_of(proof: Proof | None, label: str, static: bool) -> Obligation | None:
    """The obligation that an assertion belongs to, if a proof has it."""
    name = RUN if is_of_run(label, static) else ALWAYS
    return next((o for o in proof.obligations if o.name == name), None) if proof else None


class Assertions:
    """The assertions of a subject; what is proved of all states, and of runs if they all take the same time."""

    def __init__(self, subject: Subject, seconds: float) -> None:
        self.subject, self.seconds = subject, seconds
        self.known: dict[bool, tuple[Checked, list[Cube]]] = {}
        self.held: Verdict | None = None

    def bits(self, whole: bool) -> tuple[Checked, list[Cube]]:
        """The module with its checker as bits, and what its latches never hold together."""
        if whole not in self.known:
            found = bits(self.subject, whole)
            self.known[whole] = found, exclusions(found, self.subject.cycles, self.seconds)
        return self.known[whole]

    def of_run(self, found: Checked) -> list[int]:
        """The assertions that depend on how far a run is."""
        static = self.subject.cycles is not None
        return [n for n, label in enumerate(found.labels) if is_of_run(label, static)]

    # ----------------------------------------------------------------------------------------------------- at all times

    def always(self) -> Verdict:
        """Those that hold in all states. What is refuted where units and memories give anything is tried with them."""
        self.held = self._always(False)
        if self.held.status == REFUTED:
            self.held = self._always(True)
        return self.held

    def _always(self, whole: bool) -> Verdict:
        found, cubes = self.bits(whole)
        late = self.of_run(found)
        early = [n for n in range(len(found.labels)) if n not in late]
        aig = from_zero(told(found, [found.aig.bad[n] for n in early], cubes))
        answer = abc.reached(aig, self.seconds)
        if answer.holds is False:
            return _refuted(found.labels[early[answer.which]], answer)
        return self._induction(aig, answer, len(early))

    def _induction(self, aig: Aig, answer: abc.Answer, count: int) -> Verdict:
        if answer.holds is None:
            return Verdict(NO_ANSWER, f"yosys-abc finds no invariant in {self.seconds:g} s")
        problem = uninductive(aig, answer.cubes, self.seconds)
        if problem:
            return Verdict(NO_ANSWER, f"z3 doesn't agree with yosys-abc's invariant: {problem}")
        clauses = counted(len(answer.cubes), "clause")
        return Verdict(
            PROVED, f"{counted(count, 'assertion')} by induction: {clauses}, found by yosys-abc, checked by z3"
        )

    # --------------------------------------------------------------------------------------------------------- in a run

    def run(self) -> Verdict:
        """Those that depend on how far a run is."""
        cycles = self.subject.cycles or 0
        if self.held is None or self.held.status != PROVED:
            return Verdict(NO_ANSWER, "it takes the other assertions, which aren't proved")
        if cycles > LONGEST:
            return Verdict(NO_ANSWER, f"a run of more than {LONGEST:,} cycles isn't unrolled")
        return self._run(False)

    def _run(self, whole: bool) -> Verdict:
        found, cubes = self.bits(whole)
        late, cycles = self.of_run(found), self.subject.cycles or 0
        bad = [found.aig.bad[n] for n in late]
        answer = abc.unrolled(from_zero(one_run(found, cubes, bad)), cycles + 2, self.seconds)
        if answer.holds is False and not whole:
            return self._run(True)
        if answer.holds:
            says = f"{counted(len(late), 'assertion')} by unrolling {cycles:,} cycles from any idle state"
            return Verdict(PROVED, says)
        started = abc.unrolled(from_zero(found.aig.judged(bad)), cycles + POWER_UP, self.seconds)
        if started.holds is False:
            return _refuted(found.labels[late[started.which]], started)
        return Verdict(NO_ANSWER, f"yosys-abc finds no answer in {self.seconds:g} s")


def _refuted(label: str, answer: abc.Answer) -> Verdict:
    """The verdict on an assertion that fails; it is told of a cycle later."""
    return Verdict(REFUTED, f"{label} fails {counted(answer.edge - 1, 'edge')} after power-up")


def obligations(subject: Subject, seconds: float) -> Iterator[Obligation]:
    """What becomes of the assertions; they have no answer where yosys-abc isn't there."""
    assertions = Assertions(subject, seconds)
    try:
        tools.yosys_abc()
    except ToolError as error:
        yield Obligation(ALWAYS, NO_ANSWER, f"not run: {error.what}", 0.0)
        return
    yield timed(ALWAYS, assertions.always)
    if subject.cycles is not None:
        yield timed(RUN, assertions.run)
