"""Inputs that make an obligation fail: z3's models and random ones, each run in the reference interpreter.

A model may be of a state that no run reaches, since loops forget; so nothing is refuted before the interpreter has
stopped at the place in question.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import z3

from gemel.semantics.arguments import shape_of
from gemel.semantics.dtypes import BoolType, FloatType
from gemel.semantics.errors import GemelError
from gemel.semantics.ir import Buffer, Kernel, Var
from gemel.semantics.samples import Spread, random_values
from gemel.semantics.storage import numpy_dtype, value_range
from gemel.semantics.traverse import statements
from gemel.semantics.trial import Trial
from gemel.semantics.verify.prover import Prover
from gemel.semantics.verify.report import REFUTED, Counterexample, Obligation
from gemel.semantics.verify.shrink import shrunk
from gemel.semantics.verify.state import Base
from gemel.semantics.verify.terms import Bool

if TYPE_CHECKING:
    from gemel.semantics.span import Span

FUEL = 3_000
MOST_ELEMENTS = 4096
TRIES = 45
LONG = 9
"""For how many tries a run counts that uses up its fuel."""
FEWEST_RUNS = 60
MOST_STATEMENTS = 300_000
"""Runs together are of no more statements than this, loops aside: large kernels get fewer runs."""
MOST_FRUITLESS = 40
"""Models in a row that show nothing, after which no more are asked for."""
ENDLESS = "R07"
SPREADS = (Spread.SMALL, Spread.CORNERS, Spread.ALL)
SIZES = (3, 8, 40)
"""Models with small sizes are tried first: they read better and run sooner."""


class Witnesses:
    """Looks for inputs on which obligations fail."""

    def __init__(self, kernel: Kernel, inputs: Mapping[Buffer | Var, Any], open_: Sequence[Obligation]) -> None:
        """`kernel` has an assert for each narrowing too."""
        self.kernel, self.inputs = kernel, inputs
        self.open: dict[tuple[str, Span], list[Obligation]] = {}
        for o in open_:
            self.open.setdefault(_place(o), []).append(o)
        self.trial = Trial(kernel, FUEL)
        self.runs = max(FEWEST_RUNS, MOST_STATEMENTS // (1 + sum(1 for _ in statements(kernel.body))))
        self.fruitless = 0
        self._errors: dict[tuple[Any, ...], dict[tuple[str, Span], GemelError]] = {}

    def at_random(self) -> None:
        """Random arguments at small sizes."""
        rng, left = np.random.default_rng(1), TRIES
        for turn in range(TRIES):
            if not self.open or left <= 0:
                return
            sizes = {d: int(rng.integers(0, 3 + turn // 8)) for d in self.kernel.dims}
            spread = SPREADS[turn % len(SPREADS)]
            ended = self.attempt(sizes, lambda p, shape, spread=spread: random_values(p, shape, rng, spread))
            left -= 1 if ended else LONG

    def from_model(self, obligation: Obligation, facts: Sequence[Bool], goal: Bool, prover: Prover) -> None:
        """Arguments from values for which the obligation's goal fails where it stands."""
        dims = [self.inputs[d] for d in self.kernel.dims]
        for most in SIZES if dims else SIZES[-1:]:
            if _place(obligation) not in self.open or self.fruitless >= MOST_FRUITLESS or not self.runs:
                return
            self.fruitless += 1
            model = prover.model(facts, goal, [d <= most for d in dims])
            if model is not None:
                sizes = {d: _number(model, self.inputs[d]) for d in self.kernel.dims}
                self.attempt(sizes, lambda p, shape, m=model: self._modelled(m, p, shape))

    def attempt(self, sizes: Mapping[Var, int], value: Any) -> bool:
        """Runs the interpreter on arguments of given sizes, notes what it stops at; whether the runs ended."""
        args = self._arguments(sizes, value)
        if args is None:
            return True
        errors = self._run(args)
        for place in [place for place in errors if place in self.open]:
            self.fruitless = 0
            for o in self.open.pop(place):
                self._refuted(o, args)
        return all(code != ENDLESS for code, _ in errors)

    def _run(self, args: Sequence[Any]) -> dict[tuple[str, Span], GemelError]:
        """Where the kernel fails; known from an earlier run, or nowhere if there were too many runs."""
        key = tuple(a.tobytes() if isinstance(a, np.ndarray) else a for a in args)
        if key not in self._errors and self.runs:
            self.runs -= 1
            self._errors[key] = _failures(self.trial, args)
        return self._errors.get(key, {})

    def _refuted(self, o: Obligation, args: list[Any]) -> None:
        plain = shrunk(args, lambda a: _place(o) in self._run(a))
        inputs = dict(zip((p.hint for p in self.kernel.params), plain, strict=True))
        o.status = REFUTED
        o.counterexample = Counterexample(inputs, partial(_replay, self.kernel, plain, _place(o)))

    def _arguments(self, sizes: Mapping[Var, int], value: Any) -> list[Any] | None:
        args = []
        for p in self.kernel.params:
            if isinstance(p, Var):
                args.append(value(p, ()))
                continue
            try:
                shape = shape_of(p, dict(sizes))
            except GemelError:
                return None
            if np.prod(shape, dtype=float) > MOST_ELEMENTS:
                return None
            args.append(value(p, shape))
        return args

    def _modelled(self, model: Any, p: Buffer | Var, shape: tuple[int, ...]) -> Any:
        if isinstance(p.dtype, FloatType):
            return random_values(p, shape, np.random.default_rng(2), Spread.SMALL)
        known = self.inputs[p]
        if isinstance(p, Var):
            return _number(model, known) if not isinstance(p.dtype, BoolType) else bool(model.eval(known, True))
        out = np.zeros(shape, numpy_dtype(p.dtype))
        for place in itertools.product(*map(range, shape)):
            out[place] = self._element(model, known, p, place)
        return out

    def _element(self, model: Any, known: Base, p: Buffer, place: tuple[int, ...]) -> Any:
        term = model.eval(known.function(*(z3.IntVal(i) for i in place)), True)
        if isinstance(p.dtype, BoolType):
            return z3.is_true(term)
        lo, hi = value_range(p.dtype)
        return min(max(term.as_long(), lo), hi)


def _place(o: Obligation) -> tuple[str, Span]:
    return o.check.value, o.span


def _failures(trial: Trial, args: Sequence[Any]) -> dict[tuple[str, Span], GemelError]:
    return {(e.code, e.span): e for e in trial(args) if e.span is not None}


def _replay(kernel: Kernel, args: Sequence[Any], place: tuple[str, Span]) -> GemelError | None:
    return _failures(Trial(kernel, FUEL), args).get(place)


def _number(model: Any, term: Any) -> int:
    return int(model.eval(term, True).as_long())
