"""A run whose control is known but for the checks that end it: interpreter and circuit go side by side.

At each check that the interpreter comes to, the circuit goes on until its `error` is a symbol. A copy of it, in which
the check fails, is followed to its end, which is to be idle and to tell the check's number; from there on the check is
taken to pass. So there is one short way for each check that may fail, and the main one is shared.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gemel.hwsynth.prove.course import Course, Differs
from gemel.hwsynth.prove.machine import Stuck
from gemel.hwsynth.prove.paths import Way, Ways, Wrong
from gemel.hwsynth.system import ERROR, ERROR_CODE
from gemel.semantics.errors import GemelError
from gemel.semantics.passes.inline import inline
from gemel.semantics.span import Span
from gemel.semantics.symbolic.conditions import literals
from gemel.semantics.symbolic.execute import Symbolic, run_kernel
from gemel.semantics.symbolic.terms import Term, Value
from gemel.semantics.symbolic.verdict import PROVED, REFUTED, UNKNOWN, Verdict

if TYPE_CHECKING:
    from gemel.hwsynth.prove.proof import Run


class Changed(Exception):
    """A run leaves registers otherwise than idle says, by their places."""

    def __init__(self, places: list[int]) -> None:
        super().__init__("idle is less")
        self.places = places


class _Hangs(Exception):
    """The circuit is at an edge at which a check may end the run."""


class Checked(Symbolic):
    """One run of the kernel, with the circuit beside it. `controls` are the registers that say where control is."""

    bounded = True

    def __init__(self, run: Run, controls: Sequence[int]) -> None:
        super().__init__(run.words)
        self.normal = run.normal
        self.proof, self.course = run, Course(run)
        circuit = run.machine.circuit
        places = {s.id: n for n, s in enumerate(circuit.states)}
        if circuit.outputs[ERROR] not in places:
            raise Stuck("error is no register")
        self.error = places[circuit.outputs[ERROR]]
        self.code_width = circuit.by_id()[abs(circuit.outputs[ERROR_CODE])].sort.w
        self.controls = [n for n in controls if circuit.states[n].id != circuit.outputs[ERROR_CODE]]
        self.ways = Ways(run.machine, self.controls)
        self.passed: list[Value] = []
        self.facts: dict[Term, int] = {}
        """What is known and isn't seen in normal forms."""
        self.hanging: Value = 0
        """What `error` hangs on at the edge that the circuit is at."""
        self.ended = 0

    def verdict(self) -> Verdict:
        """What becomes of all runs; raises Changed."""
        try:
            expected = run_kernel(self, inline(self.proof.subject.kernel), self.proof.given)
            while not self._led():
                self._is(self.hanging, 0, 1, self._given(), "a run ends without a check that fails")
                self.facts[self.hanging] = 0
            self.course.finish()
        except Differs as differs:
            return differs.verdict
        except Wrong as wrong:
            return Verdict(REFUTED, str(wrong))
        except (GemelError, ZeroDivisionError):
            return Verdict(UNKNOWN, "a check fails whatever the data")
        self._ends(self.course.ended)
        found = self.proof.same(self, expected, self._given(), self.course)
        how = f"{found.how}; {self.ended} ways to where a check ends it" if self.ended else found.how
        return Verdict(found.status, how, found.values)

    def _ends(self, state: list[Any]) -> None:
        changed = self.proof.idle.changed(state)
        if changed:
            raise Changed(changed)

    # ---------------------------------------------------------------------------------------------------------- checks

    def _note(self, key: tuple[str, Span], fails: Value) -> None:
        fails = self.words.and_(1, self.path, fails)
        known = self.normal(fails)
        if known == 0:
            return
        code = self.proof.subject.sites.get(key, 0)
        if code:
            if known == 1:
                raise Stuck(f"line {key[1].line}: a check fails whatever the data")
            self._fails(key[1], fails, code)
        self.passed.append(self.words.xor(1, fails, 1))
        self.normal.assume(fails, 0)

    def _led(self) -> bool:
        """Leads the circuit on to where its `error` hangs on data; whether it comes to the end before."""
        try:
            while not self.course.done:
                self.course.step(self._look)
        except _Hangs:
            return False
        return True

    def _look(self, following: list[Any]) -> None:
        if not self.course.machine.cycle or type(following[self.error]) is not Term:
            return
        for n in self.controls:
            if type(following[n]) is Term:
                following[n] = self.ways.known(following[n], self.facts)
        self.hanging = following[self.error]
        if type(self.hanging) is Term:
            raise _Hangs

    def _given(self) -> Value:
        """That no check has failed until now."""
        return self.words.all_of(self.passed)

    # -------------------------------------------------------------------------------------------------------- failures

    def _fails(self, span: Span, fails: Term, code: int) -> None:
        """Follows the circuit to where a check that fails ends the run."""
        course, given = self.course, self._given()
        if self._led():
            self._is(0, 1, 1, self.words.and_(1, given, fails), f"line {span.line}: a check that fails ends no run")
            return
        machine = course.machine
        way = Way(machine.state, machine.lines, course.memories, dict(literals(fails)), 1).copy()
        with machine.aside():
            for end in self.ways.followed(way, (), given, {}):
                self._ended(span, end, code)

    def _ended(self, span: Span, end: Way, code: int) -> None:
        given = self.ways.conjunction(end.facts, self._given())
        line = f"line {span.line}: a check that fails"
        self._is(self._with(end, ERROR), 1, 1, given, f"{line} ends no run")
        self._is(self._with(end, ERROR_CODE), code, self.code_width, given, f"{line} has another number")
        self._ends(end.state)
        self.ended += 1

    def _with(self, end: Way, port: str) -> Value:
        return self.ways.known(end.outputs[port], end.facts)

    def _is(self, a: Value, b: Value, w: int, given: Value, what: str) -> None:
        verdict = self.proof.decider.same([(a, b, w)], given)
        if verdict.status != PROVED:
            raise Differs(Verdict(verdict.status, f"{what}: {verdict.how}", verdict.values))
