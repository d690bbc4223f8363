"""Two iterations as linear inequalities: where loops' bounds depend on other loops, as in triangular nests, that shows
what intervals don't."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from gemel.semantics import ops
from gemel.semantics.ir import Apply, Expr, Var
from gemel.semantics.ranges import Linear, Ranges
from gemel.semantics.schedule.affine import Inequality, Name, possible
from gemel.semantics.solvers import new_solver

Bounds = tuple[Linear | None, Linear | None]
System = list[Inequality]
FAR = 1 << 40
"""Beyond it an interval's end says nothing."""


@dataclass
class Instances:
    """The values of variables in a first and a second iteration; those that are not `own` have one for both."""

    interval: Callable[[Var], tuple[float, float]]
    bounds: Mapping[Var, Bounds]
    own: set[Var]
    rows: System = field(default_factory=list)
    _seen: set[Name] = field(default_factory=set)

    def form(self, form: Linear, which: str) -> dict[Name, int]:
        """The terms of a linear form in one of the iterations; what its variables are bounded by is noted."""
        terms: dict[Name, int] = {}
        for v, c in form.terms.items():
            terms[self.name(v, which)] = c
        return terms

    def name(self, v: Var, which: str) -> Name:
        """A variable in one of the iterations."""
        name = (v, which if v in self.own else "")
        if name not in self._seen:
            self._seen.add(name)
            self._note(v, which, name)
        return name

    def _note(self, v: Var, which: str, name: Name) -> None:
        low, high = self.interval(v)
        if low > -FAR:
            self.rows.append(Inequality({name: 1}, -int(low)))
        if high < FAR:
            self.rows.append(Inequality({name: -1}, int(high)))
        for bound, sign in zip(self.bounds.get(v, (None, None)), (1, -1), strict=True):
            if bound is not None and bound.terms:
                self.difference({name: 1}, self.form(bound, which), -bound.constant, sign)

    def difference(self, a: Mapping[Name, int], b: Mapping[Name, int], constant: int, sign: int) -> None:
        """Notes that sign * (a - b + constant) is at least 0."""
        terms = dict(a)
        for v, c in b.items():
            terms[v] = terms.get(v, 0) - c
        self.rows.append(Inequality({v: sign * c for v, c in terms.items() if c}, sign * constant))

    def holds(self, form: Linear, which: str) -> None:
        """Notes that a form is at least 0 in one of the iterations."""
        self.rows.append(Inequality(self.form(form, which), form.constant))

    def equal(self, x: Linear, y: Linear) -> None:
        """Notes that a form in the first iteration is one in the second."""
        a, b = self.form(x, "a"), self.form(y, "b")
        for sign in (1, -1):
            self.difference(a, b, x.constant - y.constant, sign)

    # ------------------------------------------------------------------------------------------------------- order

    def before(self, order: Sequence[Var], first: str = "a", second: str = "b") -> list[System]:
        """The cases of one iteration coming before the other."""
        return [[*self.together(order[:n]), self._less(v, first, second)] for n, v in enumerate(order)]

    def _less(self, v: Var, first: str, second: str) -> Inequality:
        return Inequality({self.name(v, second): 1, self.name(v, first): -1}, -1)

    def together(self, order: Iterable[Var]) -> System:
        """The variables are the same in both."""
        rows = []
        for v in order:
            a, b = self.name(v, "a"), self.name(v, "b")
            rows += [Inequality({a: 1, b: -1}, 0), Inequality({a: -1, b: 1}, 0)]
        return rows

    def any_of(self, *cases: Sequence[System]) -> bool:
        """Whether a case of each kind may hold together with all that is noted."""
        found: Iterator[tuple[System, ...]] = product(*cases)
        return any(possible([*self.rows, *(row for part in parts for row in part)]) for parts in found)

    def example(self, *cases: Sequence[System]) -> dict[Name, int] | None:
        """Values of the variables in such a case, by z3; none of them where that isn't known, None where none exist."""
        import z3

        solver = new_solver()
        ints: dict[Name, Any] = {}

        def at_least_0(row: Inequality) -> object:
            for n in row.terms:
                ints.setdefault(n, z3.Int(f"v{len(ints)}"))
            return z3.Sum([c * ints[n] for n, c in row.terms.items()]) + row.constant >= 0

        solver.set("timeout", 2000)
        solver.add(*map(at_least_0, self.rows))
        solver.add(*(z3.Or(*(z3.And(*map(at_least_0, case)) for case in kind)) for kind in cases))
        found = solver.check()
        if found == z3.unsat:
            return None
        model = solver.model() if found == z3.sat else None
        return {n: model.eval(x, model_completion=True).as_long() for n, x in ints.items()} if model else {}


def at_least_0(ranges: Ranges, cond: Expr) -> Linear | None:
    """A comparison as a form that is at least 0 where it holds."""
    if not isinstance(cond, Apply) or cond.op not in (ops.LT, ops.LE, ops.GT, ops.GE):
        return None
    a, b = (ranges.linear(e) for e in cond.args)
    if a is None or b is None:
        return None
    less, more = (a, b) if cond.op in (ops.LT, ops.LE) else (b, a)
    difference = more.plus(less.scaled(-1))
    return difference.plus(Linear(-1, {})) if cond.op in (ops.LT, ops.GT) else difference
