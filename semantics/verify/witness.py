"""Inputs that make an obligation fail: z3's models and random ones, each run in the reference interpreter.

A model may be of a state that no run reaches, since loops forget; so nothing is refuted before the interpreter has
stopped at the place in question.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import z3

from gemel.semantics.arguments import shape_of
from gemel.semantics.dtypes import BoolType, FloatType
from gemel.semantics.errors import GemelError
from gemel.semantics.interp import interpret
from gemel.semantics.ir import Buffer, Check, Kernel, Var
from gemel.semantics.passes.guard import without_narrowings
from gemel.semantics.samples import Spread, random_values
from gemel.semantics.storage import numpy_dtype, value_range
from gemel.semantics.verify.prover import Prover
from gemel.semantics.verify.report import REFUTED, Counterexample, Obligation
from gemel.semantics.verify.shrink import shrunk
from gemel.semantics.verify.state import Base, State
from gemel.semantics.verify.terms import Bool

FUEL = 3_000
MOST_ELEMENTS = 4096
TRIES = 45
LONG = 9
"""For how many tries a run counts that uses up its fuel."""
ENDLESS = "R07"
SPREADS = (Spread.SMALL, Spread.CORNERS, Spread.ALL)
SIZES = (3, 8, 40)
"""Models with small sizes are tried first: they read better and run sooner."""


class Witnesses:
    """Looks for inputs on which obligations fail."""

    def __init__(self, kernel: Kernel, inputs: Mapping[Buffer | Var, Any], open_: Sequence[Obligation]) -> None:
        """`kernel` has an assert for each narrowing too."""
        self.kernel, self.inputs = kernel, inputs
        self.plain = without_narrowings(kernel, ())
        self.open = list(open_)

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

    def from_model(self, obligation: Obligation, state: State, goal: Bool, prover: Prover) -> None:
        """Arguments from values for which the obligation's goal fails where it stands."""
        dims = [self.inputs[d] for d in self.kernel.dims]
        for most in SIZES if dims else SIZES[-1:]:
            if obligation not in self.open:
                return
            model = prover.model(state.facts, goal, [d <= most for d in dims])
            if model is not None:
                sizes = {d: _number(model, self.inputs[d]) for d in self.kernel.dims}
                self.attempt(sizes, lambda p, shape, m=model: self._modelled(m, p, shape))

    def attempt(self, sizes: Mapping[Var, int], value: Any) -> bool:
        """Runs the interpreter on arguments of given sizes, notes what it stops at; whether the runs ended."""
        args = self._arguments(sizes, value)
        if args is None:
            return True
        ended = True
        for kernel in self._kernels():
            error = _run(kernel, args)
            ended = ended and (error is None or error.code != ENDLESS)
            for o in list(self.open):
                if _is(error, o):
                    self.open.remove(o)
                    self._refuted(o, kernel, args)
        return ended

    def _kernels(self) -> list[Kernel]:
        """What to run: an assert for a narrowing may stop a run before what else is sought."""
        kinds = {o.check is Check.NARROWS for o in self.open}
        return [kernel for kernel, wanted in ((self.plain, False), (self.kernel, True)) if wanted in kinds]

    def _refuted(self, o: Obligation, kernel: Kernel, args: list[Any]) -> None:
        plain = shrunk(args, lambda a: _is(_run(kernel, a), o))
        inputs = dict(zip((p.hint for p in kernel.params), plain, strict=True))
        o.status = REFUTED
        o.counterexample = Counterexample(inputs, partial(_run, kernel, plain))

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


def _is(error: GemelError | None, o: Obligation) -> bool:
    return error is not None and error.code == o.check.value and error.span == o.span


def _run(kernel: Kernel, args: Sequence[Any]) -> GemelError | None:
    fresh = [a.copy() if isinstance(a, np.ndarray) else a for a in args]
    try:
        interpret(kernel, fresh, fuel=FUEL)
    except GemelError as error:
        return error
    return None


def _number(model: Any, term: Any) -> int:
    return int(model.eval(term, True).as_long())
