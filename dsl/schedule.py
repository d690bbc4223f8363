"""`k.schedule()`: how a kernel is computed, decided step by step."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

from gemel.semantics.errors import ScheduleError
from gemel.semantics.passes.guard import guard
from gemel.semantics.passes.inline import inline_unscheduled
from gemel.semantics.passes.simplify import simplify
from gemel.semantics.schedule.schedule import Scheduled

if TYPE_CHECKING:
    from gemel.kernel import Kernel
    from gemel.semantics.ir import Kernel as IR
    from gemel.semantics.schedule.validate import Validation

P = ParamSpec("P")


class Schedule:
    """A kernel and the steps that were taken, as a value: each step gives a new Schedule and checks what it changes.

    Loops are named as `print(schedule)` shows them; names stay what they are while other steps are taken. `.kernel` is
    the scheduled kernel: it computes what the original does, in the order that the steps have made. Each step raises
    ScheduleError where it would change the result, with the two iterations that conflict, or where it doesn't fit.
    `.note` says where its first steps are from, if tuning has found them.
    """

    def __init__(self, inner: Scheduled, runnable: Callable[[IR], Kernel], note: str = "") -> None:
        self._inner, self._runnable, self.note = inner, runnable, note

    def _step(self, name: str, /, *args: Any, **options: Any) -> Schedule:
        given = {k: v for k, v in options.items() if v not in ("", None)}
        return Schedule(self._inner.step(name, *args, **given), self._runnable, self.note)

    # --------------------------------------------------------------------------------------------------------- loops

    def split(self, loop: str, factor: int, outer: str = "", inner: str = "", tail: str = "") -> Schedule:
        """A loop as two: blocks of `factor` iterations, and the iterations of a block.

        Where the factor doesn't divide the number of iterations: tail "guard" (the default) puts a condition around the
        body, "bound" ends the inner loop early, "cut" gives the last block a loop of its own.
        """
        return self._step("split", loop, factor, outer=outer, inner=inner, tail=tail)

    def tile(self, **sizes: int) -> Schedule:
        """The loops of a perfect nest in blocks: `tile(i=8, j=16)` leaves `i_o`, `j_o`, `i_i`, `j_i` in this order."""
        return self._step("tile", **sizes)

    def reorder(self, *loops: str) -> Schedule:
        """The loops of a perfect nest in another order, outermost first."""
        return self._step("reorder", *loops)

    def unroll(self, *loops: str) -> Schedule:
        """Loops of known length written out."""
        return self._step("unroll", *loops)

    def vectorize(self, loop: str) -> Schedule:
        """A loop of 2 to 64 iterations as vector instructions, one iteration in each lane."""
        return self._step("vectorize", loop)

    def parallel(self, loop: str) -> Schedule:
        """A loop whose iterations threads share."""
        return self._step("parallel", loop)

    def box(self, loop: str, around: str) -> Schedule:
        """The bounds of `loop` without the loop `around`; a condition keeps out what is beyond."""
        return self._step("box", loop, around)

    def trim(self, loop: str) -> Schedule:
        """Leaves out iterations at the ends of `loop` in which the conditions around all that it does hold nowhere."""
        return self._step("trim", loop)

    def peel(self, loop: str) -> Schedule:
        """The iterations of `loop` in which a condition about it surely holds in a loop of their own, without it."""
        return self._step("peel", loop)

    def fuse(self, first: str, second: str, shift: int | None = None) -> Schedule:
        """Two loops over the same range, one after the other, as one; with a shift the second lags that much."""
        return self._step("fuse", first, second, shift=shift)

    def skew(self, loop: str, by: str, factor: int) -> Schedule:
        """A loop whose iterations come `factor` later for each iteration of the loop `by` around it.

        That changes no order yet, but `reorder` may then exchange loops that it couldn't before: tiles over time.
        """
        return self._step("skew", loop, by, factor)

    def fission(self, loop: str, outer: str) -> Schedule:
        """What stands before `loop` in its block gets a nest of its own, from the loop `outer` on."""
        return self._step("fission", loop, outer)

    def separate(self, loop: str) -> Schedule:
        """The statements of a nest in nests of their own, as far as they don't need each other in turn."""
        return self._step("separate", loop)

    # ---------------------------------------------------------------------------------------------------------- data

    def stage(self, buffer: str, at: str, *order: str, name: str = "") -> Schedule:
        """Copies what the loop `at` reads of a buffer into a local array, at the start of each iteration.

        The array has an axis for each loop of `order`; the last one is contiguous.
        """
        return self._step("stage", buffer, at, *order, name=name)

    def hoist(self, buffer: str, at: str) -> Schedule:
        """What the loop `at` computes of each element of an array that it has staged, computed when it is staged."""
        return self._step("hoist", buffer, at)

    def accumulate(self, buffer: str, at: str, *order: str, name: str = "") -> Schedule:
        """Accumulates in a local array in the loop `at`: loaded at the start of each iteration, stored at its end."""
        return self._step("accumulate", buffer, at, *order, name=name)

    def share(self, first: str, second: str, name: str = "") -> Schedule:
        """The largest expression that two loops have in common, computed in the first and kept for the second."""
        return self._step("share", first, second, name=name)

    def common(self) -> Schedule:
        """Costly parts of what a block computes, and elements that it has stored before, are computed once."""
        return self._step("common")

    def spread(self, buffer: str, around: str, *order: str, name: str = "") -> Schedule:
        """Accumulates in the loop `around` into partial results, one for each value of the loops of `order`.

        They are combined after the loop, but for loops that the buffer's place depends on: another order of the sum.
        """
        return self._step("spread", buffer, around, *order, name=name)

    def scan(self, buffer: str, loop: str, name: str = "") -> Schedule:
        """The running values that `loop` keeps in `buffer`, in logarithmically many steps of vector lanes.

        The loop becomes two, `{loop}_in` with what is added and `loop` with what follows: another order of the sum.
        """
        return self._step("scan", buffer, loop, name=name)

    def prefetch(self, buffer: str, loop: str, distance: int = 1) -> Schedule:
        """What is read of `buffer` so many iterations of `loop` later is on its way already; no result changes."""
        return self._step("prefetch", buffer, loop, distance)

    def stream(self, buffer: str, at: str) -> Schedule:
        """What the loop `at` stores to a buffer in lanes passes by the caches: for arrays larger than these."""
        return self._step("stream", buffer, at)

    def spell(self) -> Schedule:
        """Short index arithmetic stands where its names were: nests are perfect, bounds show what they depend on."""
        return self._step("spell")

    def sums(self, at: str) -> Schedule:
        """Stores of an element's old value plus something, in the loop `at`, accumulate: in whatever order."""
        return self._step("sums", at)

    def terms(self, at: str) -> Schedule:
        """Sums that are accumulated in the loop `at`, accumulated term by term: another order of the sum."""
        return self._step("terms", at)

    def absorb(self, buffer: str, at: str) -> Schedule:
        """Drops the nest before that fills `buffer` with a number: accumulators begin with that number."""
        return self._step("absorb", buffer, at)

    def expand(self, loop: str) -> Schedule:
        """The arrays made in a loop are made before it, with an axis for its iterations; names give way to values."""
        return self._step("expand", loop)

    def distribute(self, loop: str) -> Schedule:
        """Each statement of a loop's body gets a loop of its own, one after the other."""
        return self._step("distribute", loop)

    def square(self, loop: str) -> Schedule:
        """A loop whose end depends on loops around runs to the furthest one, with a condition inside."""
        return self._step("square", loop)

    def tighten(self, loop: str) -> Schedule:
        """A loop ends where conditions in it don't hold any more, whatever the loops within do."""
        return self._step("tighten", loop)

    def clear(self, loop: str) -> Schedule:
        """The first iterations of a loop, in which conditions are sure to hold, as a loop without these."""
        return self._step("clear", loop)

    def hold(self, at: str, *order: str, name: str = "") -> Schedule:
        """Before the loop `at`, a nest computes the largest expression of that loop which changes with the loops of
        `order` and no other; the loop reads it from an array with an axis for each of them.
        """
        return self._step("hold", at, *order, name=name)

    def recall(self, buffer: str, at: str) -> Schedule:
        """What the loop `at` computes and the array `buffer` holds already is read from there."""
        return self._step("recall", buffer, at)

    def layout(self, buffer: str, *axes: int) -> Schedule:
        """A local array with its axes in another order; the last one is contiguous."""
        return self._step("layout", buffer, *axes)

    def localize(self, buffer: str, at: str) -> Schedule:
        """A local array made anew in each iteration of the loop `at`, no larger than what an iteration uses of it."""
        return self._step("localize", buffer, at)

    def reuse(self, buffer: str, old: str) -> Schedule:
        """The local array `buffer` takes the memory of `old`, which nothing reads any more."""
        return self._step("reuse", buffer, old)

    def pad(self, at: str) -> Schedule:
        """Drops conditions in the loop `at` that only keep iterations out which store to elements nobody reads."""
        return self._step("pad", at)

    def unguard(self, at: str) -> Schedule:
        """Drops conditions in the loop `at` that only keep padding out of local accumulators."""
        return self._step("unguard", at)

    # ------------------------------------------------------------------------------------------------------ hardware

    def pipeline(self, loop: str, ii: int = 0) -> Schedule:
        """In hardware, a loop that begins an iteration every `ii` cycles; 0: as often as it can."""
        return self._step("pipeline", loop, ii)

    def partition(self, buffer: str, axis: int, count: int = 0, kind: str = "cyclic") -> Schedule:
        """In hardware, an array spread over `count` memories along an axis: "cyclic", "block" or "complete".

        Of an array of the interface, each bank has ports of its own: `A_b0_raddr`, or along two axes `A_b0_1_raddr`.
        """
        return self._step("partition", buffer, axis, count, kind)

    # ------------------------------------------------------------------------------------------------------ versions

    def inline(self, callee: str) -> Schedule:
        """The calls of a scheduled kernel as part of this schedule: its loops, as they are, get names here."""
        return self._step("inline", callee)

    def specialize(self, **sizes: int) -> Schedule:
        """A version for given sizes before the one for all others, for steps of its own: in it `i` is `i_N64`."""
        return self._step("specialize", **sizes)

    # --------------------------------------------------------------------------------------------------------- floats

    def contract(self, at: str) -> Schedule:
        """Sums of products in the loop `at` round once: `a * b + c` becomes `fma(a, b, c)`."""
        return self._step("contract", at)

    # ------------------------------------------------------------------------------------------------ dot products

    def dot(self, loop: str) -> Schedule:
        """The products that a short loop sums, in one statement, as CPUs have instructions for.

        Of integers any number from 2 to 8; two of f32 become `fma_flush`, for which subnormal numbers are zeros.
        """
        return self._step("dot", loop)

    def unsigned(self, left: str, right: str) -> Schedule:
        """The local array `left` of i8 holds u8, 128 more; sums of its products with `right` begin with the rest."""
        return self._step("unsigned", left, right)

    def simplify(self) -> Schedule:
        """Folds what is constant; loops of one iteration, and their names, are gone."""
        return self._step("simplify")

    # ---------------------------------------------------------------------------------------------------------- use

    def then(self, step: Callable[Concatenate[Schedule, P], Schedule], *args: P.args, **options: P.kwargs) -> Schedule:
        """A step of your own: a function from Schedule to Schedule."""
        return step(self, *args, **options)

    @property
    def kernel(self) -> Kernel:
        """The scheduled kernel: run it, interpret it, print its IR."""
        return self._runnable(self._inner.kernel)

    def validate(self) -> Validation:
        """Proves the scheduled kernel equal to the original: for the sizes it has, for all where they are open.

        Gives a Validation: `.status` ("proved", "refuted", "unknown"), `.ok`, `.why`; `.sizes` says whether it holds
        for all sizes. Floats are compared in their order of operations, unless a step was used that may change it
        (`spread`, `sums`, `terms`, `scan`, `contract`, `dot`): then up to the order of sums and contraction.
        """
        from gemel.semantics.schedule.validate import validate

        return validate(self._inner, lambda k, args: self._runnable(replace(k, scheduled=True))(*args))

    @property
    def text(self) -> str:
        """The steps, one a line; `replay` takes them."""
        return f"{self._heading}{self._inner.text}"

    def replay(self, text: str) -> Schedule:
        """This schedule with the steps of a text, which is parsed and not executed.

        Raises ScheduleError for a line that is no step.
        """
        return Schedule(self._inner.replay(text), self._runnable, self.note)

    @property
    def _heading(self) -> str:
        return f"# {self.note}\n" if self.note else ""

    def __str__(self) -> str:
        return f"{self._heading}{self._inner}"

    def __repr__(self) -> str:
        return f"{self.text}{self._inner}"

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"


def started(source: IR, start: str, runnable: Callable[[IR], Kernel]) -> Schedule:
    """The Schedule that steps of a user's begin with.

    Raises ScheduleError for another `start` than "source", "cpu" or "default".
    """
    from gemel.codegen import tuned
    from gemel.codegen.rules.defaults import scheduled

    kernel = simplify(guard(inline_unscheduled(source)))
    match start:
        case "source":
            return Schedule(Scheduled.of(kernel), runnable)
        case "default":
            return Schedule(scheduled(kernel), runnable)
        case "cpu":
            entry = None if source.dims else tuned.find(source)
            inner = scheduled(kernel, steps="" if entry is None else entry.steps)
            taken = entry is not None and inner.text == _without_comments(entry.steps)
            return Schedule(inner, runnable, str(entry) if taken else "")
        case _:
            raise ScheduleError(
                f"no schedule to start from is called {start!r}",
                code="K01",
                span=source.span,
                mend='"source", "cpu" or "default"',
            )


def _without_comments(steps: str) -> str:
    return "".join(line for line in steps.splitlines(keepends=True) if not line.startswith("#"))
