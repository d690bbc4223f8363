"""A run whose control depends on data: by induction from point to point of the kernel.

At the head of each loop that turns by data, the control is in a known state, and registers and memories stand in a
relation to the kernel's names. Both are guessed, from runs on numbers, and then shown: from the start, and from any
state at a head in which the relation holds, each way of the circuit comes to where the kernel comes to, with the
relation, or the results, or the number of the check that fails. What fails of the relation is taken out of it, and all
is shown anew.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from gemel.hwsynth.prove import control
from gemel.hwsynth.prove.drawn import Drawn, words_of
from gemel.hwsynth.prove.machine import Machine
from gemel.hwsynth.prove.paths import LONGEST, Key, Way, Ways, Wrong
from gemel.hwsynth.prove.relation import Class, Member, Relation, Sample, guessed, held, parted
from gemel.hwsynth.prove.units import cuts
from gemel.hwsynth.system import ERROR
from gemel.semantics.convert import from_bits
from gemel.semantics.dtypes import width_of
from gemel.semantics.errors import GemelError
from gemel.semantics.ir import Buffer, Var
from gemel.semantics.passes.inline import inline
from gemel.semantics.samples import Spread, random_values
from gemel.semantics.symbolic.execute import shape_of
from gemel.semantics.symbolic.normal import Normal
from gemel.semantics.symbolic.points import Name, Point, Segment, State, TooLong, Visit, segments, visits
from gemel.semantics.symbolic.terms import Value
from gemel.semantics.symbolic.verdict import PROVED, REFUTED, UNKNOWN, Verdict
from gemel.semantics.symbolic.walk import rebuilt

if TYPE_CHECKING:
    from gemel.hwsynth.prove.proof import Run

SAMPLES = 24
"""Runs on numbers from which relations are guessed."""

TURNS = 60
"""Turns of loops in such a run; one that takes more isn't looked at."""

CYCLES = 40_000
"""Cycles of such a run."""

SECONDS, FEW = 3, 3
"""Time after which no further such run is begun, once there are a few that come to heads of loops."""

ROUNDS = 40
"""How often a relation is mended before it is given up."""


class Fails(Exception):
    """Something that isn't so, or isn't shown to be."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.how)
        self.verdict = verdict


@dataclass
class Trace:
    """A run on numbers: the points that the kernel comes to, and where the circuit is in each cycle.

    What it holds then is kept where it comes to a state of the control no more often than the kernel to points.
    """

    visits: list[Visit]
    keys: list[Key] = field(default_factory=list)
    words: dict[int, Mapping[tuple[str, Any], tuple[int, int]]] = field(default_factory=dict)
    seen: dict[Key, list[int]] = field(default_factory=dict)

    def note(self, key: Key, words: Callable[[], Mapping[tuple[str, Any], tuple[int, int]]]) -> None:
        """Notes a cycle."""
        cycle = len(self.keys)
        self.keys.append(key)
        at = self.seen.setdefault(key, [])
        at.append(cycle)
        if len(at) <= len(self.visits):
            self.words[cycle] = words()
        elif len(at) == len(self.visits) + 1:
            for n in at[:-1]:
                del self.words[n]


class Induction:
    """The proof of a run."""

    def __init__(self, run: Run, controls: Sequence[int]) -> None:
        self.run, self.machine, self.words = run, run.machine, run.words
        self.subject, self.normal = run.subject, run.normal
        self.kernel = inline(run.subject.kernel)
        circuit = self.machine.circuit
        code = circuit.outputs.get("error_code")
        self.controls = [n for n in controls if circuit.states[n].id != code]
        self.ways = Ways(self.machine, self.controls)
        self.codes = self.subject.sites
        self.keys: dict[Key, Point] = {}
        self.relations: dict[int, Relation] = {}
        self.points: dict[int, Point] = {}
        self.shown = 0

    def verdict(self) -> Verdict:
        """What becomes of it."""
        try:
            ways = self._segments()
            if self.points:
                self._guess()
                ways = self._segments()
            for _ in range(ROUNDS):
                if self._round(ways):
                    return Verdict(PROVED, self._how(ways))
                ways = self._segments()
        except Fails as failed:
            return failed.verdict
        except Wrong as wrong:
            return Verdict(REFUTED, str(wrong))
        except GemelError as error:
            return Verdict(UNKNOWN, f"a check fails whatever the data: {error.what}")
        except ZeroDivisionError:
            return Verdict(UNKNOWN, "a division by 0, whatever the data")
        return Verdict(UNKNOWN, f"no relation at the heads of loops in {ROUNDS} rounds")

    def _how(self, ways: Sequence[Segment]) -> str:
        if not self.points:
            return f"{self.shown} ways of the control"
        lines = ", ".join(str(p.span.line) for p in self.points.values() if p is not None)
        plural = "s" if len(self.points) > 1 else ""
        return f"by induction over the loop{plural} at line{plural} {lines}, {self.shown} ways of the control"

    # ------------------------------------------------------------------------------------------------------- the kernel

    def _segments(self) -> list[Segment]:
        return segments(self.words, self.kernel, self.run.given, self._state)

    def _state(self, point: Point, at: State) -> Mapping[Name, Value | None]:
        """The symbols of a point's names; any word where the relation says nothing."""
        self.points[id(point)] = point
        known = self._values(point)
        return {
            name: known.get(("name", name), self.words.var(self._free(point, name), width_of(at.types[name])))
            for name in at.words
        }

    @staticmethod
    def _free(point: Point, name: Name) -> str:
        return f"{id(point):x}?{name[0].hint}~{hash(name[0]):x}[{name[1]}]"

    def _values(self, point: Point) -> dict[tuple[str, Any], Value]:
        relation = self.relations.get(id(point))
        return {} if relation is None else relation.values(self.words, f"{id(point):x}")

    # -------------------------------------------------------------------------------------------------------- guessing

    def _guess(self) -> None:
        """Which state of the control goes with which head, and what holds there."""
        traces = list(self._traces())
        if len(traces) < 2:
            raise Fails(Verdict(UNKNOWN, "no runs on numbers that are short enough to learn from"))
        points = [p for p in self.points.values() if any(v.point is p for t in traces for v in t.visits)]
        for p in self.points.values():
            if p not in points and p is not None:
                raise Fails(Verdict(UNKNOWN, f"line {p.span.line}: no run on numbers comes to the loop"))
        self.keys = self._aligned(traces, points)
        self.ways.longest = max(LONGEST, *(4 * len(t.keys) // (len(t.visits) + 1) for t in traces))
        for p in points:
            samples = []
            for t in traces:
                at = [n for n, key in enumerate(t.keys) if self.keys.get(key) is p]
                states = [v.state for v in t.visits if v.point is p]
                samples += [Sample(s, t.words[n]) for n, s in zip(at, states, strict=True)]
            self.relations[id(p)] = guessed(samples, self._alike)

    def _traces(self) -> Iterator[Trace]:
        end, found = time.monotonic() + SECONDS, 0
        for seed in range(SAMPLES):
            if time.monotonic() > end and found >= FEW:
                return
            rng = np.random.default_rng(seed)
            values: dict[Buffer | Var, Any] = {}
            wide = [*Spread][seed // 3 % len(Spread)]
            kinds = Spread.SMALL if seed % 3 < 2 else wide, Spread.SMALL if seed % 3 == 1 else wide
            for p in (*self.subject.kernel.params, *self.subject.kernel.results):
                shape = shape_of(p) if isinstance(p, Buffer) else ()
                values[p] = random_values(p, shape, rng, kinds[bool(shape)])
            trace = self._trace(seed, values)
            if trace is not None:
                found += bool(trace.visits)
                yield trace

    def _trace(self, seed: int, values: Mapping[Buffer | Var, Any]) -> Trace | None:
        drawn = Drawn(seed)
        kernel = self.subject.kernel
        given = {p: words_of(v, p.dtype) for p, v in values.items()}
        held_: dict[Buffer | Var, Any] = {}
        results = set(kernel.results)
        for p, ws in given.items():
            cells = [from_bits(w, p.dtype) for w in ws]
            held_[p] = cells[0] if isinstance(p, Var) else ([None] * len(cells) if p in results else cells)
        try:
            found, fails = visits(drawn, self.kernel, held_, TURNS)
        except (GemelError, TooLong, ZeroDivisionError):
            return None
        return None if fails else self._run_on(drawn, given, found)

    def _run_on(self, drawn: Drawn, given: Mapping[Buffer | Var, Any], found: list[Visit]) -> Trace | None:
        text, subject = self.run.text, self.subject
        units = {i: (m, subject.contracts[m]) for i, m in text.units.items()}
        machine = Machine(drawn, Normal(drawn), text.circuit, cuts(text.circuit, units))
        machine.start_on_numbers()
        machine.state = control.idle_state(machine, self.run.idle)
        memories = list(self.run.memories_of({p: v for p, v in given.items() if isinstance(p, Buffer)}))
        inputs = {control.RESET: 0, control.START: 1}
        inputs.update({p.hint: v[0] for p, v in given.items() if isinstance(p, Var)})
        trace = Trace(found)
        for n in range(CYCLES):
            now = dict(inputs) if not n else {control.RESET: 0, control.START: 0}
            for m in memories:
                now.update(m.inputs(drawn))
            if n:
                trace.note(self.ways.key(machine.state), lambda: _words(machine, machine.state, memories))
            outputs = machine.step(now)
            for m in memories:
                m.edge(drawn, machine.normal, outputs)
            if n and outputs[control.DONE]:
                return None if outputs.get(ERROR) else trace  # something that is asked of callers doesn't hold
        return None

    def _aligned(self, traces: Sequence[Trace], points: Sequence[Point]) -> dict[Key, Point]:
        """For each head the first state of the control that is passed as often, in the same order."""
        options = []
        for p in points:
            counts = [sum(v.point is p for v in t.visits) for t in traces]
            seen = dict.fromkeys(k for t in traces for k in t.keys)
            fits = [k for k in seen if [t.keys.count(k) for t in traces] == counts]
            if not fits:
                line = p.span.line if p is not None else 0
                raise Fails(Verdict(UNKNOWN, f"line {line}: no state of the control goes with the turns of the loop"))
            options.append(fits[:8])
        for chosen in itertools.islice(itertools.product(*options), 500):
            keys = dict(zip(chosen, points, strict=True))
            if len(keys) == len(points) and all(
                [keys[k] for k in t.keys if k in keys] == [v.point for v in t.visits] for t in traces
            ):
                return keys
        raise Fails(Verdict(UNKNOWN, "the control's states don't come in the order of the kernel's loops"))

    def _alike(self, name: Name) -> Iterator[tuple[str, Any]]:
        b, n = name
        if b in self.subject.places:
            for memory, k in self.run.cells_of(b).get(n, ()):
                yield "memory", (memory, k)
        for at, s in enumerate(self.machine.circuit.states):
            if s.sort.depth_bits is not None and n < 1 << s.sort.depth_bits:
                yield "cell", (at, n)
            elif s.sort.depth_bits is None:
                yield "register", at

    # --------------------------------------------------------------------------------------------------------- showing

    def _round(self, ways: Sequence[Segment]) -> bool:
        """Whether all holds; where it doesn't, the relations are parted."""
        self.shown = 0
        wrong: dict[int, list[tuple[Class, list[Member]]]] = {}
        for point in (None, *self.points.values()):
            way, first = self._begun(point)
            mine = [s for s in ways if s.source is point]
            for end in self.ways.followed(way, self.keys, 1, first):
                self.shown += 1
                if end.key is None:  # what it leaves otherwise than reset does is nothing that the next run begins with
                    self.run.changed |= set(self.run.idle.changed(end.state))
                self._matched(point, end, mine, wrong)
        for at, found in wrong.items():
            relation = self.relations[at]
            for c, members in found:
                for place in [x for x in relation.classes if x is c]:
                    relation.classes.remove(place)
                    relation.classes += parted(place, members)
        return not wrong

    def _begun(self, point: Point) -> tuple[Way, Mapping[str, Value]]:
        run, machine = self.run, self.machine
        if point is None:
            scalars = {p.hint: run.given[p] for p in self.subject.kernel.params if isinstance(p, Var)}
            state = control.idle_state(machine, run.idle)
            return self.ways.begin(state, list(run.memories_of(run.given))), {control.START: 1, **scalars}
        known = self._values(point)
        key = next(k for k, p in self.keys.items() if p is point)
        state = machine.any_state()
        for n in range(len(state)):
            state[n] = known.get(("register", n), state[n])
            if type(state[n]) is list:
                state[n] = [known.get(("cell", (n, k)), v) for k, v in enumerate(state[n])]
        for n, v in zip(self.controls, key, strict=True):
            state[n] = v
        memories = list(run.memories_of(run.given))
        for m in memories:
            m.cells = [known.get(("memory", (m.name, k)), self.words.fresh(m.name, m.w)) for k in range(m.depth)]
        way = self.ways.begin(state, memories)
        return way, {control.START: 0}

    def _matched(self, point: Point, end: Way, ways: Sequence[Segment], wrong: dict[int, Any]) -> None:
        """A way of the circuit against those of the kernel that are possible with it."""
        target = None if end.key is None else self.keys[end.key]
        for s in ways:
            cond = self._with(end, self.words.all_of(s.taken))
            if cond == 0:
                continue
            checks = [(self.codes.get(key, 0), self._with(end, fails)) for key, fails in s.checks]
            for code, fails in checks:
                if not code:
                    cond = self.words.and_(1, cond, self.words.xor(1, fails, 1))
            given = self.ways.conjunction(end.facts, cond)
            if cond != 1 and self.ways.contradict(end.facts, cond):
                continue
            if self._failed(point, end, checks, given):
                continue
            if target is not s.target:
                raise Fails(Verdict(UNKNOWN, f"{_line(point)}: control may part from the kernel's"))
            if target is None:
                self._results(point, end, s.state, given)
            else:
                self._arrives(point, target, end, s.state, given, wrong)

    def _failed(self, point: Point, end: Way, checks: Sequence[tuple[int, Value]], given: Value) -> bool:
        """Whether a check ends the run; the number is to be that of the first that fails."""
        found: Value = end.outputs.get("error", 0) if end.key is None else 0
        words = self.words
        expected: Value = 0
        for code, fails in reversed(checks):
            if code:
                expected = words.ite(32, fails, code, expected)
        if not found:
            self._is(point, end, expected, 0, 32, given, "a check that fails ends no run")
            return False
        code, w = end.outputs["error_code"], self._width("error_code")
        self._is(point, end, words.zext(code, w, 32), expected, 32, given, "the number of the check that fails")
        self._is(point, end, words.eq(32, expected, 0), 0, 1, given, "a run ends without a check that fails")
        return True

    def _width(self, output: str) -> int:
        circuit = self.machine.circuit
        return circuit.by_id()[abs(circuit.outputs[output])].sort.w

    def _is(self, point: Point, end: Way, a: Value, b: Value, w: int, given: Value, what: str) -> None:
        verdict = self._same(end, a, b, w, given)
        if verdict.status != PROVED:
            status = verdict.status if point is None else UNKNOWN
            raise Fails(Verdict(status, f"{_line(point)}: {what}: {verdict.how}", verdict.values))

    def _results(self, point: Point, end: Way, state: State, given: Value) -> None:
        cycles = self.subject.cycles
        if point is None and cycles is not None and end.cycles != cycles:
            raise Fails(Verdict(REFUTED, f"a run takes {end.cycles} cycles, not {cycles}"))
        found = {
            (b, n): v
            for b in {name[0] for name in state.words}
            for n, v in enumerate(self.run.found(b, end.outputs, end.memories))
        }
        for name, expected in state.words.items():
            if expected is not None:
                what = f"{name[0].hint}[{name[1]}] is the kernel's"
                self._is(point, end, found[name], expected, width_of(state.types[name]), given, what)

    def _arrives(
        self, point: Point, target: Point, end: Way, state: State, given: Value, wrong: dict[int, Any]
    ) -> None:
        for c in self.relations[id(target)].classes:
            values = {m: self._at(m, end, state) for m in c.members}
            known = {m: v for m, v in values.items() if v is not None}
            if not known:
                continue
            base = (
                c.base
                if c.base in known or c.constant is not None
                else min(known, key=lambda m: (m.lo is not None, m.w))
            )
            if c.positive and not self._is_positive(base, known.get(base), end, given):
                c.positive = False
                wrong.setdefault(id(target), [])
            bad = [m for m, v in known.items() if not self._fits(c, m, v, base, known.get(base, 0), end, given)]
            if bad:
                wrong.setdefault(id(target), []).append((c, bad))
        self._late(target, end, state, given, wrong)

    def _late(self, target: Point, end: Way, state: State, given: Value, wrong: dict[int, Any]) -> None:
        relation, words = self.relations[id(target)], self.words
        for x in list(relation.late):
            expected, scalar = state.words.get(x.name), state.words.get(x.scalar)
            if scalar is None:
                relation.late.remove(x)
                wrong.setdefault(id(target), [])
            elif expected is not None:
                reached = x.reached(words, scalar, width_of(state.types[x.scalar]))
                found = next(m for m in end.memories if m.name == x.place[1][0]).cells[x.place[1][1]]
                if self._same(end, found, expected, x.w, words.and_(1, given, reached)).status != PROVED:
                    relation.late.remove(x)
                    wrong.setdefault(id(target), [])

    def _is_positive(self, base: Member, word: Value | None, end: Way, given: Value) -> bool:
        if word is None:
            return False
        return self._same(end, self.words.ext(word, base.w - 1, 1), 0, 1, given).status == PROVED

    def _fits(self, c: Class, m: Member, v: Value, base: Member, word: Value, end: Way, given: Value) -> bool:
        if c.constant is None and m is base:
            return True
        wanted = held(self.words, c, m, base, word)
        return self._same(end, v, wanted, m.w, given).status == PROVED

    def _at(self, m: Member, end: Way, state: State) -> Value | None:
        if m.kind == "name":
            return state.words.get(m.at)
        if m.kind == "register":
            return end.state[m.at]
        if m.kind == "cell":
            return end.state[m.at[0]][m.at[1]]
        return next(x for x in end.memories if x.name == m.at[0]).cells[m.at[1]]

    # --------------------------------------------------------------------------------------------------------- deciding

    def _with(self, end: Way, v: Value) -> Value:
        return self.ways.known(v, end.facts)

    def _same(self, end: Way, a: Value, b: Value, w: int, given: Value) -> Verdict:
        """Whether words are equal where a way is taken: by normal form, else by z3."""
        if a is b or self.normal.same(a, b, w):
            return Verdict(PROVED, "normal form")
        if end.facts:
            a, b = rebuilt(self.words, [a, b], dict(end.facts))
            x, y = rebuilt(self.words, [self.normal(a), self.normal(b)], self.ways.normals(end.facts))
            if self.normal.same(x, y, w):
                return Verdict(PROVED, "normal form")
        return self.run.decider.same([(a, b, w)], given)


def _line(point: Point) -> str:
    return "from the start" if point is None else f"from the loop at line {point.span.line}"


def _words(machine: Machine, state: list[Any], memories: Sequence[Any]) -> dict[tuple[str, Any], tuple[int, int]]:
    """All words that a circuit holds, by place, with their widths."""
    found: dict[tuple[str, Any], tuple[int, int]] = {}
    for n, s in enumerate(machine.circuit.states):
        if s.sort.depth_bits is None:
            found["register", n] = state[n], s.sort.w
        else:
            found.update({("cell", (n, k)): (v, s.sort.w) for k, v in enumerate(state[n])})
    for m in memories:
        found.update({("memory", (m.name, k)): (v, m.w) for k, v in enumerate(m.cells)})
    return found
