"""What the bits of a controller never show together: found in simulated runs, kept as far as induction shows it.

A controller is mostly bits that are 0 after a reset and of which one is passed on: the steps of a block, the last
iteration on its way through a pipeline. That no two of them are there at once is what other proofs need to know, and
hard to find for what looks for invariants bit by bit.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from functools import reduce
from itertools import chain
from operator import and_
from typing import Any

import numpy as np

from gemel.hwsynth.prove.aiger import FREE, Aig, compiled
from gemel.semantics.solvers import new_solver

LANES = 64
"""Runs that are simulated at once; a multiple of 8."""

EDGES, WORK = 4_000, 4_000_000
"""Clock edges of a run, and gates that are evaluated, at most."""

MOST = 400
"""Bits of which all pairs are looked at."""

Cube = Mapping[int, int]
"""Values of latches."""


def after_reset(aig: Aig, reset: int | None) -> list[int | None]:
    """What latches hold after an edge with reset in any state, with any inputs; without a reset, at power-up."""
    if reset is None:
        return [x.first for x in aig.latches]
    known: list[int | None] = [0, *[None] * (aig.inputs + len(aig.latches))]
    known[reset >> 1] = 1

    def value(literal: int) -> int | None:
        v = known[literal >> 1]
        return None if v is None else v ^ (literal & 1)

    for a, b in aig.gates:
        x, y = value(a), value(b)
        known.append(0 if x == 0 or y == 0 else 1 if x == 1 and y == 1 else None)
    return [value(x.next) for x in aig.latches]


def unseen(aig: Aig, reset: int | None, busy: int, cycles: int | None) -> list[Cube]:
    """What runs after a reset don't show: two latches at once that hold what they don't after it, or one while idle.

    `busy` is the latch that tells whether it is idle. Of latches that the outputs depend on.
    """
    values = after_reset(aig, reset)
    own = sorted(n for n in aig.cone(aig.outputs) if values[n] is not None and n != busy)
    seen = _simulated(aig, reset, [*own, busy], cycles)
    active = seen ^ np.array([[values[n] or 0] for n in own] + [[1]], dtype=np.uint8)
    together = active.astype(np.float32) @ active.astype(np.float32).T
    other = [*((values[n] or 0) ^ 1 for n in own), 0]
    last = len(own)
    pairs = [(a, b) for a in range(last) for b in (*(range(a + 1, last) if last <= MOST else ()), last)]
    names = [*own, busy]
    alone = [{names[a]: other[a]} for a in range(last) if not together[a, a]]
    return [*alone, *({names[a]: other[a], names[b]: other[b]} for a, b in pairs if not together[a, b])]


def _simulated(aig: Aig, reset: int | None, latches: Sequence[int], cycles: int | None) -> Any:
    """The bits that latches show in runs after a reset: a row for each latch."""
    drawn, ones, step = random.Random(1), (1 << LANES) - 1, compiled(aig)
    edges = max(100, min(2 * (cycles or EDGES) + 20, EDGES, WORK // max(1, len(aig.gates))))
    state: Sequence[int] = [-x.first if x.first is not FREE else drawn.getrandbits(LANES) for x in aig.latches]
    used = {(x >> 1) - 1 for x in (*chain(*aig.gates), *(x.next for x in aig.latches))}
    shown = bytearray()
    for edge in range(edges):
        given = [drawn.getrandbits(LANES) if n in used else 0 for n in range(aig.inputs)]
        if reset is not None:
            given[(reset >> 1) - 1] = ones if edge < 2 else 1 << drawn.randrange(LANES) if edge % 61 == 60 else 0
        if edge >= 2:
            shown += b"".join((state[n] & ones).to_bytes(LANES // 8, "little") for n in latches)
        _, state = step(given, state)
    words = np.frombuffer(bytes(shown), np.uint8).reshape(edges - 2, len(latches), LANES // 8)
    return np.unpackbits(words.transpose(1, 0, 2).reshape(len(latches), -1), axis=1)


class Transition:
    """A circuit as z3 sees it: its latches and inputs, and what latches hold after an edge."""

    def __init__(self, aig: Aig, seconds: float) -> None:
        import z3

        self.z3, self.aig = z3, aig
        self.words: list[Any] = [z3.BoolVal(False)]
        self.words += [z3.Bool(f"n{n}") for n in range(1, 1 + aig.inputs + len(aig.latches))]
        for a, b in aig.gates:
            self.words.append(z3.And(self.lit(a), self.lit(b)))
        self.solver = new_solver("QF_FD")
        self.solver.set("timeout", int(seconds * 1000))

    def lit(self, literal: int) -> Any:
        """A literal."""
        word = self.words[literal >> 1]
        return self.z3.Not(word) if literal & 1 else word

    def excluded(self, cube: Cube) -> Any:
        """That latches don't hold a cube."""
        return self.z3.Or([self.lit(self.aig.latch(n) ^ v) for n, v in cube.items()])

    def after(self, cube: Cube) -> Any:
        """That they do after an edge."""
        return self.z3.And([self.lit(self.aig.latches[n].next ^ v ^ 1) for n, v in cube.items()])


def inductive(aig: Aig, cubes: Sequence[Cube], seconds: float) -> list[Cube]:
    """The cubes that no edge leads to where there was none of them before; none of them where that takes too long.

    Each time z3 finds an edge that leads to one, more edges are simulated that differ in what no cube is about.
    """
    t, ends = Transition(aig, seconds), time.monotonic() + seconds
    z3, step, drawn = t.z3, compiled(aig), random.Random(1)
    held = {n for cube in cubes for n in cube}
    names = [z3.Bool(f"c{k}") for k in range(len(cubes))]
    for name, cube in zip(names, cubes, strict=True):
        t.solver.add(z3.Implies(name, t.excluded(cube)))
    reached = [t.after(cube) for cube in cubes]
    alive = list(range(len(cubes)))
    while alive and time.monotonic() < ends:
        goal = z3.FreshBool()
        t.solver.add(z3.Implies(goal, z3.Or([reached[k] for k in alive])))
        found = t.solver.check(goal, *(names[k] for k in alive))
        if found != z3.sat:
            return [cubes[k] for k in alive] if found == z3.unsat else []
        model = t.solver.model()
        shown = [z3.is_true(model[word]) for word in t.words[1 : 1 + aig.inputs + len(aig.latches)]]
        lanes = [-x if n - aig.inputs in held else 2 * drawn.getrandbits(LANES) + x for n, x in enumerate(shown)]
        _, state = step(lanes[: aig.inputs], lanes[aig.inputs :])
        alive = [k for k in alive if not _somewhere(cubes[k], state)]
    return []


def _somewhere(cube: Cube, state: Sequence[int]) -> bool:
    """Whether some run holds a cube."""
    return reduce(and_, (state[n] if v else ~state[n] for n, v in cube.items())) & ((2 << LANES) - 1) != 0


def uninductive(aig: Aig, cubes: Sequence[Cube], seconds: float) -> str:
    """What keeps cubes that never are from proving a circuit whose latches are 0 at first; "" where nothing does."""
    if not all(any(cube.values()) for cube in cubes):
        return "it doesn't hold at first"
    t = Transition(aig, seconds)
    for cube in cubes:
        t.solver.add(t.excluded(cube))
    wrong = [t.lit(x) for x in aig.bad]
    for goal, problem in (
        ([t.after(cube) for cube in cubes], "an edge leaves it"),
        (wrong, "it doesn't exclude what it has to"),
    ):
        if t.solver.check(t.z3.Or(goal)) != t.z3.unsat:
            return problem
    return ""
