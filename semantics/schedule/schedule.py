"""A schedule: a kernel and the steps that made it what it is, as a value."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Concatenate, ParamSpec

from gemel.semantics.errors import ScheduleError
from gemel.semantics.ir import Kernel
from gemel.semantics.passes.simplify import simplify
from gemel.semantics.schedule import (
    arrays,
    bounds,
    fusion,
    hardware,
    holding,
    local,
    loops,
    partial,
    pieces,
    prefetching,
    sharing,
    skewing,
    streaming,
    triangles,
    versions,
)
from gemel.semantics.schedule.absorb import absorb
from gemel.semantics.schedule.addends import terms
from gemel.semantics.schedule.common import common
from gemel.semantics.schedule.hoist import hoist
from gemel.semantics.schedule.names import named, refuse, spell
from gemel.semantics.schedule.padding import unguard
from gemel.semantics.schedule.products import contract, dot
from gemel.semantics.schedule.scan import scan
from gemel.semantics.schedule.separate import separate
from gemel.semantics.schedule.sums import sums
from gemel.semantics.schedule.tree import tree
from gemel.semantics.schedule.unsigned import unsigned
from gemel.semantics.schedule.whole import pad

P = ParamSpec("P")
Change = Callable[..., Kernel]

STEPS: dict[str, Change] = {
    "inline": versions.inline,
    "specialize": versions.specialize,
    "split": loops.split,
    "tile": loops.tile,
    "reorder": loops.reorder,
    "unroll": loops.unroll,
    "vectorize": loops.vectorize,
    "parallel": loops.parallel,
    "spell": spell,
    "box": bounds.box,
    "trim": bounds.trim,
    "peel": bounds.peel,
    "fuse": fusion.fuse,
    "fission": fusion.fission,
    "skew": skewing.skew,
    "separate": separate,
    "stage": local.stage,
    "hoist": hoist,
    "accumulate": local.accumulate,
    "share": sharing.share,
    "common": common,
    "expand": pieces.expand,
    "distribute": pieces.distribute,
    "square": triangles.square,
    "tighten": triangles.tighten,
    "clear": triangles.clear,
    "hold": holding.hold,
    "recall": holding.recall,
    "layout": arrays.layout,
    "localize": arrays.localize,
    "reuse": arrays.reuse,
    "spread": partial.spread,
    "scan": scan,
    "stream": streaming.stream,
    "prefetch": prefetching.prefetch,
    "sums": sums,
    "terms": terms,
    "absorb": absorb,
    "unguard": unguard,
    "pad": pad,
    "contract": contract,
    "dot": dot,
    "unsigned": unsigned,
    "pipeline": hardware.pipeline,
    "partition": hardware.partition,
    "simplify": simplify,
}
"""The vocabulary: each step is a function from kernel to kernel that checks what it does."""


@dataclass(frozen=True)
class Step:
    """A step that was taken, with its arguments: names, numbers, strings."""

    name: str
    args: tuple[Any, ...]
    options: tuple[tuple[str, Any], ...]

    def __str__(self) -> str:
        given = [repr(a) for a in self.args] + [f"{k}={v!r}" for k, v in self.options]
        return f"{self.name}({', '.join(given)})"


@dataclass(frozen=True)
class Scheduled:
    """A kernel, as it was and as the steps have made it."""

    source: Kernel
    kernel: Kernel
    steps: tuple[Step, ...] = ()

    @staticmethod
    def of(kernel: Kernel) -> Scheduled:
        """The schedule without steps: each loop has a name of its own."""
        start = replace(named(kernel), scheduled=True)
        return Scheduled(kernel, start)

    def step(self, name: str, /, *args: Any, **options: Any) -> Scheduled:
        """The schedule with one more step.

        Raises ScheduleError where the step can't be taken.
        """
        change = STEPS.get(name)
        if change is None:
            raise refuse(f"there is no step {name}", self.source.span, f"the steps: {', '.join(STEPS)}", "K01")
        try:
            made = change(self.kernel, *args, **options)
        except TypeError as error:
            raise refuse(f"{name}: {error}", self.source.span) from None
        taken = Step(name, args, tuple(options.items()))
        return replace(self, kernel=made, steps=(*self.steps, taken))

    def attempt(self, name: str, /, *args: Any, **options: Any) -> Scheduled:
        """The schedule with one more step, or as it is where that can't be taken."""
        return attempt(self, Scheduled.step, name, *args, **options)

    @property
    def text(self) -> str:
        """The steps, one a line, as `replay` reads them."""
        return "".join(f"{s}\n" for s in self.steps)

    def replay(self, text: str) -> Scheduled:
        """The schedule with the steps of a text; nothing in it is executed.

        Raises ScheduleError for a line that is no step.
        """
        schedule = self
        for n, line in enumerate(text.splitlines(), 1):
            if line.strip() and not line.lstrip().startswith("#"):
                name, args, options = _parsed(line, n, self.source)
                schedule = schedule.step(name, *args, **options)
        return schedule

    def __str__(self) -> str:
        return tree(self.kernel)


def attempt(
    s: Scheduled, steps: Callable[Concatenate[Scheduled, P], Scheduled], *args: P.args, **options: P.kwargs
) -> Scheduled:
    """The schedule with some more steps, or as it is where one of them can't be taken."""
    try:
        return steps(s, *args, **options)
    except ScheduleError:
        return s


def _parsed(line: str, number: int, kernel: Kernel) -> tuple[str, list[Any], dict[str, Any]]:
    try:
        call = ast.parse(line.strip(), mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            raise ValueError
        args = [ast.literal_eval(a) for a in call.args]
        return call.func.id, args, {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
    except (SyntaxError, ValueError):
        raise ScheduleError(
            f"line {number} is no step: {line.strip()}", code="K01", span=kernel.span, mend='write split("i", 16)'
        ) from None
