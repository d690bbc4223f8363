"""The passes that bring a kernel with known sizes to what the CPU back end takes, each with its reason."""

from __future__ import annotations

from gemel.codegen.apart import apart
from gemel.codegen.folded import Compute, Folded
from gemel.codegen.host import Host
from gemel.codegen.once import once
from gemel.codegen.rules.defaults import ByDefault, by_default
from gemel.semantics.passes.guard import guard
from gemel.semantics.passes.inline import inline, inline_unscheduled
from gemel.semantics.passes.lowbits import LowBits
from gemel.semantics.passes.lower_fixed import lower_fixed
from gemel.semantics.passes.promote import promote
from gemel.semantics.passes.simplify import simplify
from gemel.semantics.passes.unroll import unroll
from gemel.semantics.passes.unswitch import unswitch
from gemel.semantics.pipeline import Pass

SOURCE: tuple[Pass, ...] = (
    inline_unscheduled,  # first: sizes and views of the caller reach the callee's accesses
    guard,  # while types are the user's: messages show the user's values
    lower_fixed,  # fixed point becomes integers
    simplify,  # folds what sizes made constant, so that nests are perfect
)
"""Brings a kernel to what schedules begin with."""

SCHEDULE: tuple[Pass, ...] = (
    *SOURCE,
    by_default,  # loops and accesses are still the user's; sizes are known
    inline,  # what is called keeps its own schedule: the default has not seen it
)
"""Decides what is computed in which order: what comes after changes no bit."""


def schedule_for(host: Host | None, steps: str = "") -> tuple[Pass, ...]:
    """`SCHEDULE` for another CPU, or by steps that have been found."""
    return (*SOURCE, ByDefault(host, steps), inline)


CPU: tuple[Pass, ...] = (
    apart,  # while places are those of the schedule; parallel loops that stay are what threads share
    once,  # while what fills an array is a statement or a few
    unroll,  # what a schedule wants written out
    simplify,  # what the copies' numbers made constant
    unswitch,  # what a tile's edge decides needs no mask in each lane; after interchange, which wants one loop
    promote,  # LLVM wants values, not variables
    LowBits(held=True),  # after promote, which shows what a variable's value is used for: no 65 bits where 64 do
)
"""Brings a scheduled kernel to what LLVM IR is made of."""


def alone(compute: Compute | None) -> tuple[Pass, ...]:
    """`CPU` for a C program: nobody there computes anything beforehand, so it is done now, or not at all."""
    first: tuple[Pass, ...] = () if compute is None else (once, Folded(compute))
    return tuple(x for one in CPU for x in (first if one is once else (one,)))
