"""z3 as the last resort: whether facts imply a goal, within a bounded effort that doesn't depend on the machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import z3

from gemel.semantics.solvers import new_solver
from gemel.semantics.verify.facts import Facts, applications, multiplies
from gemel.semantics.verify.products import Linear
from gemel.semantics.verify.terms import Bool

EFFORT = 200_000
"""z3's resource units for one question: about a quarter of a second."""
CHEAP = 40_000
"""The same for questions on the way, of which many are asked."""
SCANT = 2_000
"""The same once the budget is spent."""
BUDGET = 6_000_000
"""Resource units for all that a kernel's verification asks in vain: what is proved is not counted."""

PATIENCE = ((60, 16), (300, 4))
"""After so many values of which it wasn't proved that they fit, no more is asked of those with more applications."""
MOST_MODELS = 24
"""Models that are looked at before goals are asked for one by one."""


class Prover:
    """Asks z3, remembers the answers of one run, counts the questions."""

    def __init__(self) -> None:
        self.questions = 0
        self.wasted = 0
        self.misses = 0
        self._clock = 0
        self._answers: dict[tuple[int, ...], tuple[bool, int]] = {}
        self._linear = Linear()
        self._kept: list[Any] = []  # a z3 term's id is its own only as long as the term lives

    def proves(self, facts: Facts, goal: Bool, effort: int = CHEAP, path: Sequence[Bool] = ()) -> bool:
        """Whether the facts, and the conditions `path`, imply the goal, as far as z3 finds out."""
        asked, goal = goal, z3.simplify(goal)
        if z3.is_true(goal):
            return True
        effort = effort if self.wasted < BUDGET else min(effort, SCANT)
        useful = facts.relevant(asked, path)
        if z3.is_false(goal) and not useful:
            return False
        key = (goal.get_id(), *sorted({f.get_id() for f in useful}))
        proved, spent = self._answers.get(key, (False, 0))
        if not proved and spent < effort:
            self.questions += 1
            self._kept += [goal, *useful]
            proved = self._implies(useful, goal, effort)
            self._answers[key] = proved, effort
        return proved

    def fits(self, facts: Facts, goal: Bool, effort: int, path: Sequence[Bool]) -> bool:
        """Whether a value fits its type: after many of which that wasn't proved, complicated ones are not tried."""
        most = min((most for misses, most in PATIENCE if self.misses >= misses), default=None)
        if most is not None and applications(goal) > most:
            return False
        proved = self.proves(facts, goal, effort, path)
        self.misses += not proved
        return proved

    def which(self, facts: Facts, goals: Mapping[Any, Bool], effort: int = CHEAP) -> set[Any]:
        """The names of the goals that the facts imply: each model of the facts rules out those that fail in it."""
        open_ = {name: z3.simplify(goal) for name, goal in goals.items()}
        if not open_:
            return set()
        useful = facts.relevant(z3.And(*goals.values()))
        for _ in range(MOST_MODELS):
            solver = _solver(useful, z3.Not(z3.And(*open_.values())), effort)
            self.questions += 1
            answer = self._answer(solver)
            if answer == z3.unsat:
                return set(open_)
            if answer != z3.sat:
                break
            model, before = solver.model(), len(open_)
            open_ = {name: goal for name, goal in open_.items() if not z3.is_false(model.eval(goal, True))}
            if len(open_) == before:
                break
        return {name for name, goal in open_.items() if self.proves(facts, goal, effort)}

    def implied(self, facts: Sequence[Bool], goal: Bool) -> bool:
        """Whether the goal follows, be it from a contradiction among facts that it has nothing to do with."""
        return self._implies(facts, goal, CHEAP)

    def model(self, facts: Sequence[Bool], goal: Bool, extra: Sequence[Bool]) -> Any:
        """Values for which the facts and `extra` hold and the goal doesn't; None where z3 has none."""
        solver = _solver([*facts, *extra], z3.Not(goal), EFFORT // 4 if self.wasted < BUDGET else SCANT)
        return solver.model() if self._answer(solver) == z3.sat else None

    def _implies(self, facts: Sequence[Bool], goal: Bool, effort: int) -> bool:
        """Whether no values fulfil the facts and not the goal; tried without facts on remainders too: they distract."""
        if self._excluded(facts, goal, effort):
            return True
        plain = [f for f in facts if not _has_remainder(f)]
        return len(plain) < len(facts) and self._excluded(plain, goal, effort)

    def _excluded(self, facts: Sequence[Bool], goal: Bool, effort: int) -> bool:
        """Products are made linear first."""
        easier = self._linear(facts, goal) if any(map(multiplies, (*facts, goal))) else None
        if easier is not None:
            known, wanted = easier
            if self._answer(_solver(known, z3.Not(wanted), effort)) == z3.unsat:
                return True
            effort //= 8
        return bool(self._answer(_solver(facts, z3.Not(goal), effort)) == z3.unsat)

    def _answer(self, solver: Any) -> Any:
        """The answer; what it took is counted unless it is a proof."""
        answer = solver.check()
        spent = int(solver.statistics().get_key_value("rlimit count"))  # of all solvers so far
        if answer != z3.unsat and self._clock:
            self.wasted += spent - self._clock
        self._clock = spent
        return answer


def _has_remainder(term: Any) -> bool:
    open_, seen = [term], {term.get_id()}
    while open_:
        x = open_.pop()
        if z3.is_app_of(x, z3.Z3_OP_MOD):
            return True
        new = {c.get_id(): c for c in x.children() if c.get_id() not in seen}
        seen |= new.keys()
        open_ += new.values()
    return False


def _solver(facts: Sequence[Bool], negated: Bool, effort: int) -> Any:
    solver = new_solver()
    solver.set("rlimit", effort)
    solver.add(*facts)
    solver.add(negated)
    return solver
