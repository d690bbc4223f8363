"""Trials: a circuit as it was read back runs on numbers that are drawn, and is held to the kernel and the handshake.

A trial begins with any words in the registers and has what users do: resets, pauses, runs back to back, a start while
busy, scalars that change, a reset in mid run. What differs from what is specified is a counterexample, as a script of
inputs that any simulator plays.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from gemel.hwsynth.prove import control
from gemel.hwsynth.prove.drawn import Drawn, words_of
from gemel.hwsynth.prove.machine import Machine, initial
from gemel.hwsynth.prove.memories import Memory, suffixes
from gemel.hwsynth.prove.proof import Subject
from gemel.hwsynth.prove.reading import Text
from gemel.hwsynth.prove.units import cuts
from gemel.semantics.arguments import shape_of
from gemel.semantics.convert import to_bits
from gemel.semantics.dtypes import width_of
from gemel.semantics.errors import GemelError
from gemel.semantics.interp import interpret
from gemel.semantics.ir import Buffer, Var
from gemel.semantics.samples import Spread, random_values
from gemel.semantics.symbolic.normal import Normal
from gemel.semantics.symbolic.terms import Value

ERROR, ERROR_CODE = "error", "error_code"

PAUSE = 3
"""The most cycles of a pause."""

SPARSE = 5
"""One run in so many is on arrays of zeros mostly."""

LONGEST = 20_000
"""After how many cycles a trial is given up whose run is longer, or of which nothing is predicted."""


@dataclass(frozen=True)
class Given:
    """What a run is given and what it is to give, as words: arrays by name, and whether a check fails.

    `number` is that of the check, where it is known.
    """

    arrays: Mapping[Buffer, Sequence[int]]
    scalars: Mapping[str, int]
    expected: Mapping[Buffer, Sequence[int]]
    fails: bool
    values: Mapping[Buffer | Var, Any] = field(default_factory=dict)
    number: int | None = None


@dataclass(frozen=True)
class Difference:
    """Where a circuit does something else than what is specified.

    `where` is a port, or a word of `buffer`, as in `C[3]`; `edge` counts clock edges from power-up. `script` are the
    actions up to there, as lists: ["set", {...}], ["load", {...}], ["step", n].
    """

    what: str
    where: str
    expected: int
    found: int
    edge: int
    script: Sequence[Any]
    arguments: Mapping[str, Any]
    buffer: Buffer | None = None
    index: int = 0


class Differs(Exception):
    """Ends a trial."""

    def __init__(self, difference: Difference) -> None:
        super().__init__(difference.what)
        self.difference = difference


class GivenUp(Exception):
    """Ends a trial that takes too long to show anything."""


def drawn_run(subject: Subject, seed: int) -> Given:
    """Arguments that are drawn: of all kinds of numbers in turn, and now and then mostly zeros.

    Where the data says how long a run takes, scalars are small mostly, as many turns of a loop take too long.
    """
    rng = np.random.default_rng(seed)
    spread = [*Spread][seed % len(Spread)]
    scalars = Spread.SMALL if subject.cycles is None and seed % 4 else spread
    values: dict[Buffer | Var, Any] = {
        p: random_values(p, shape_of(p, {}), rng, spread)
        if isinstance(p, Buffer)
        else random_values(p, (), rng, scalars)
        for p in subject.kernel.params
    }
    for v in values.values():
        if seed % SPARSE == 0 and isinstance(v, np.ndarray):
            v[rng.random(v.shape) < 0.8] = v.dtype.type(0)
    return given_run(subject, values)


def given_run(subject: Subject, values: Mapping[Buffer | Var, Any]) -> Given:
    """A run on arguments; the interpreter says what it is to give. Raises GivenUp where it may not end."""
    kernel, fails, number = subject.kernel, False, None
    results: tuple[Any, ...] = ()
    arrays = {p: np.array(v) for p, v in values.items() if isinstance(p, Buffer)}
    try:
        args = [arrays[p] if isinstance(p, Buffer) else values[p] for p in kernel.params]
        made = interpret(kernel, args, fuel=LONGEST if subject.cycles is None else None)
        results = made if isinstance(made, tuple) else (made,)
    except GemelError as error:
        if error.code == "R07":
            raise GivenUp from None
        fails = True
        number = None if error.span is None else subject.sites.get((error.code, error.span))
    before = {p: words_of(v, p.dtype) for p, v in values.items() if isinstance(p, Buffer)}
    after = {p: words_of(a, p.dtype) for p, a in arrays.items()}
    after |= {b: words_of(v, b.dtype) for b, v in zip(kernel.results, results, strict=False)}
    scalars = {p.hint: int(to_bits(v, p.dtype)) for p, v in values.items() if isinstance(p, Var)}
    return Given(before, scalars, after, fails, values, number)


class Trial:
    """A circuit with memories around it, from power-up on; raises Differs where it errs.

    Registers that have no first value hold any words at power-up; with an odd seed zeros, as in some simulators.
    """

    def __init__(self, subject: Subject, text: Text, seed: int, longest: int | None = None) -> None:
        self.subject, self.seed, self.longest = subject, seed, LONGEST if longest is None else longest
        self.words, self.drawn = Drawn(seed), random.Random(seed)
        self.normal = Normal(self.words)
        self.machine = Machine(
            self.words, self.normal, text.circuit, cuts(text.circuit, text.contracts(subject.contracts))
        )
        circuit = self.machine.circuit
        self.ports: Mapping[str, Any] = {**circuit.inputs, **circuit.outputs}
        for n, s in enumerate(circuit.states):
            if s.init is not None:
                self.machine.state[n] = initial(circuit, s.init)
            elif seed % 2 and s.sort.depth_bits is None:
                self.machine.state[n] = 0
        self.done = control.idle_of(self.machine).done
        self.inputs: dict[str, int] = {}
        self.edge = 0
        self.script: list[Any] = []
        self.outputs: Mapping[str, Value] = {}
        self.run: Given | None = None
        self.seen: list[tuple[Any, ...]] = []

    # --------------------------------------------------------------------------------------------------------- driving

    @cached_property
    def memories(self) -> dict[str, Memory]:
        """The memories around, with any words in them."""
        return {m.name: m for m in self._memories()}

    def _memories(self) -> Iterator[Memory]:
        for p, place in self.subject.places.items():
            if isinstance(p, Var) or (not p.rank and place.names[0] in self.ports):
                continue
            for name, cells in place.apart(np.arange(max(1, self._size(p)), dtype=object)).items():
                w = width_of(p.dtype)
                reads, writes = suffixes(self.ports, f"{name}_rdata"), suffixes(self.ports, f"{name}_wdata")
                drawn, latency = [self.drawn.getrandbits(w) for _ in cells], self.subject.latencies.get(name, 1)
                yield Memory(name, w, len(cells), drawn, reads, writes, latency)

    def _size(self, p: Buffer) -> int:
        return int(np.prod(shape_of(p, {})))

    def set(self, **values: int) -> None:
        """Changes inputs from the next edge on."""
        changed = {n: v for n, v in values.items() if n in self.ports and self.inputs.get(n) != v}
        self.inputs.update(changed)
        if changed:
            self.script.append(["set", changed])

    def load(self, run: Given) -> None:
        """Puts the arrays of a run into the memories."""
        self.run = run
        loaded = {}
        for b, words in run.arrays.items():
            for name, cells in self.subject.places[b].apart(np.array(words or [0], dtype=object)).items():
                if name in self.memories:
                    self.memories[name].cells[:] = loaded[name] = list(cells)
        self.script.append(["load", loaded])

    def step(self) -> None:
        """Passes an edge. `outputs` are those before it."""
        given: dict[str, Value] = {**self.inputs}
        for m in self.memories.values():
            given.update(m.inputs(self.words))
        self.outputs = self.machine.step(given)
        for m in self.memories.values():
            m.edge(self.words, self.normal, self.outputs)
        if self.script and self.script[-1][0] == "step":
            self.script[-1][1] += 1
        else:
            self.script.append(["step", 1])
        self.edge += 1
        self.seen.append(self._moves())

    def _moves(self) -> tuple[Any, ...]:
        """What is to be seen at the ports: data and addresses only where their enable is high."""
        out = self.outputs
        found: list[Any] = [out.get(n) for n in (control.BUSY, control.DONE, ERROR)]
        for m in self.memories.values():
            found += [out[f"{m.name}_ren{s}"] and (1, out[f"{m.name}_raddr{s}"]) for s in m.reads]
            found += [
                out[f"{m.name}_wen{s}"] and (1, out[f"{m.name}_waddr{s}"], out[f"{m.name}_wdata{s}"]) for s in m.writes
            ]
        return tuple(found)

    # -------------------------------------------------------------------------------------------------------- checking

    def differs(self, what: str, where: str, expected: int, found: Any, after: bool = False) -> Differs:
        """The end of a trial; `after` where it is seen after the edge that was passed last."""
        script = [[kind, dict(x) if isinstance(x, dict) else x] for kind, x in self.script]
        if not after:
            script[-1][1] -= 1
        arguments = {p.hint: v for p, v in (self.run.values if self.run else {}).items()}
        edge = self.edge if after else self.edge - 1
        return Differs(Difference(what, where, expected, int(found), edge, script, arguments))

    def wrong_word(self, b: Buffer, n: int, expected: int, found: int) -> Differs:
        """The end of a trial by a word of a result."""
        index = list(map(int, np.unravel_index(n, shape_of(b, {})))) if b.rank else ""
        made = self.differs("the kernel's result", f"{b.hint}{index}", expected, found, after=True)
        return Differs(replace(made.difference, buffer=b, index=n))

    def hold(self, where: str, expected: int, what: str) -> None:
        """Checks an output of the cycle before the last edge."""
        if where in self.outputs and self.outputs[where] != expected:
            raise self.differs(what, where, expected, self.outputs[where])

    def quiet(self, what: str, done: int | None = 0) -> None:
        """Checks that nothing moves."""
        self.hold(control.BUSY, 0, what)
        if done is not None:
            self.hold(control.DONE, done, what)
        for name in self.outputs:
            if control.moves(name):
                self.hold(name, 0, what)

    def any_scalars(self) -> None:
        """Scalars show anything."""
        for p in self.subject.kernel.params:
            if isinstance(p, Var):
                self.set(**{p.hint: self.drawn.getrandbits(width_of(p.dtype))})

    # ------------------------------------------------------------------------------------------------------------ runs

    def begin(self) -> None:
        """Power-up and reset."""
        self.set(start=0)
        self.any_scalars()
        if control.RESET in self.ports:
            self.set(rst=1)
            self.set(start=self.drawn.getrandbits(1))
            self.step()
            self.set(rst=0)
        self.set(start=0)

    def pause(self, cycles: int, done: int | None = 0) -> None:
        """Cycles without a start; `done` is what the first of them is to show."""
        for n in range(cycles):
            self.any_scalars()
            self.step()
            self.quiet("without a start, nothing moves", done if n == 0 else 0)

    def whole(self, run: Given, after_done: bool = False, restart: bool = False) -> None:
        """A run from its start to the cycle before that in which `done` is high; `restart` starts while busy too."""
        if (self.subject.cycles or 0) > self.longest:
            raise GivenUp
        self.load(run)
        self.set(start=1, **run.scalars)
        self.step()
        self.quiet("before a start is taken, nothing moves", int(after_done))
        for n in range(1, self._longest() + 1):
            self.any_scalars()
            self.set(start=int(restart and bool(self.drawn.getrandbits(1)) and not self._is_done()))
            if self._is_done():
                self._ended(run, n)
                return
            self.step()
            self.hold(control.BUSY, 1, "busy is high while a run is under way")
        if self.subject.cycles is None:
            raise GivenUp
        raise self.differs(f"done isn't high after {self._longest()} cycles", control.DONE, 1, 0, after=True)

    def _longest(self) -> int:
        cycles = self.subject.cycles
        return min(self.longest, self.longest if cycles is None else cycles + 8)

    def _is_done(self) -> bool:
        """Whether `done` is high after the edges so far; the outputs are looked at only then, if it is a register."""
        if self.done is not None and not self.machine.state[self.done]:
            return False
        given: dict[str, Value] = {**self.inputs, control.START: 0}
        for m in self.memories.values():
            given.update(m.inputs(self.words))
        outputs, _ = self.machine.current(self.machine.state, self.machine.inputs(given))
        self.now = dict(zip(self.machine.places, outputs, strict=True))
        return bool(self.now[control.DONE])

    def _ended(self, run: Given, cycles: int) -> None:
        predicted = self.subject.cycles
        if ERROR in self.now and self.now[ERROR] != int(run.fails):
            raise self.differs("error is high where a check fails", ERROR, int(run.fails), self.now[ERROR], after=True)
        if run.fails:
            if run.number is not None and self.now.get(ERROR_CODE, run.number) != run.number:
                found = self.now[ERROR_CODE]
                raise self.differs("the number of the check that fails", ERROR_CODE, run.number, found, after=True)
            return
        if predicted is not None and cycles != predicted:
            raise self.differs(f"a run takes {predicted} cycles", control.DONE, 0, 1, after=True)
        for b, words in run.expected.items():
            for n, (e, f) in enumerate(zip(words, self._held(b), strict=False)):
                if e != f:
                    raise self.wrong_word(b, n, e, int(f))

    def _held(self, b: Buffer) -> Sequence[int]:
        place = self.subject.places[b]
        if not b.rank and place.names[0] in self.now:
            return [int(self.now[place.names[0] or ""])]
        cells = {m.name: np.array(m.cells, dtype=object) for m in self.memories.values()}
        return list(place.together(cells, np.array(self.run.expected[b], dtype=object)))  # type: ignore[union-attr]

    def broken(self, run: Given, cycles: int) -> None:
        """A run that a reset ends after some cycles."""
        self.load(run)
        self.set(start=1, **run.scalars)
        self.step()
        self.set(start=0)
        for _ in range(cycles):
            self.any_scalars()
            self.step()
        self.set(rst=1, start=1)
        self.step()
        self.set(rst=0, start=0)


def full(trial: Trial) -> None:
    """All that users do: pauses, starts while busy, runs back to back, a reset in mid run."""
    drawn = trial.drawn
    runs = [drawn_run(trial.subject, trial.seed * 7 + n) for n in range(4)]
    trial.begin()
    trial.pause(drawn.randrange(PAUSE))
    trial.whole(runs[0])
    trial.whole(runs[1], after_done=True, restart=True)
    trial.pause(1 + drawn.randrange(PAUSE), done=1)
    if control.RESET in trial.ports:
        trial.broken(runs[2], drawn.randrange(max(1, trial._longest() - 8)))
        trial.pause(1 + drawn.randrange(PAUSE))
    trial.whole(runs[3])


def simple(trial: Trial) -> None:
    """One run after a reset, on small numbers at first."""
    trial.begin()
    trial.whole(drawn_run(trial.subject, trial.seed + [*Spread].index(Spread.SMALL)))
    trial.pause(1, done=1)


def differs(subject: Subject, text: Text, seed: int, does: Callable[[Trial], None] = full) -> Difference | None:
    """What a trial shows, if anything."""
    try:
        does(Trial(subject, text, seed))
    except Differs as found:
        return found.difference
    except GivenUp:
        return None
    return None
