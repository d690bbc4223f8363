"""The passes that bring a kernel with known sizes to what synthesis takes, each with the reason for its place."""

from __future__ import annotations

from gemel.hwsynth.bounds import bounds
from gemel.hwsynth.choosing import choose
from gemel.hwsynth.interleave import Distance, Interleave
from gemel.hwsynth.keeping import keep
from gemel.hwsynth.localize import localize
from gemel.hwsynth.split import split
from gemel.semantics.passes.accumulators import accumulators
from gemel.semantics.passes.demand import demand
from gemel.semantics.passes.fuse import fuse
from gemel.semantics.passes.guard import guard
from gemel.semantics.passes.inline import inline
from gemel.semantics.passes.lower_fixed import lower_fixed
from gemel.semantics.passes.narrow import narrow
from gemel.semantics.passes.overwritten import overwritten
from gemel.semantics.passes.perfect import perfect
from gemel.semantics.passes.promote import promote
from gemel.semantics.passes.scalarize import scalarize
from gemel.semantics.passes.settle import settle
from gemel.semantics.passes.simplify import simplify
from gemel.semantics.passes.slide import slide
from gemel.semantics.passes.unroll import unroll_lanes
from gemel.semantics.pipeline import Pass


def schedule(distance: Distance) -> tuple[Pass, ...]:
    """Gives, with `MEMORIES`, `Design.kernel`: what the hardware computes, in the order in which it does.

    `distance` is how long accumulations take, as `Interleave` wants to know.
    """
    return (
        inline,  # first: sizes and views of the caller reach the callee's accesses
        guard,  # while types are the user's: messages show the user's values
        lower_fixed,  # fixed point becomes integers
        simplify,  # folds what sizes made constant, so that nests show
        unroll_lanes,  # as a schedule asks; before fuse and scalarize, which then see each copy's elements
        settle,  # accesses show where they go
        overwritten,  # while fills stand alone: before fuse, which puts them into the nests that come after
        simplify,  # what unrolling made constant, and loops that are empty now
        fuse,  # fills and rescalings join the nests they belong to; before scalarize, which then sees all of an element
        scalarize,  # accumulators leave memory: no recurrence through a memory port
        accumulators,  # what scalarize leaves, by ranges
        Interleave(distance),  # after scalarize, of whose variables it makes arrays; before perfect, which hides them
        perfect,  # after scalarize, whose loads and stores around loops move inwards here
        slide,  # stencils through one port, once their nests are perfect
    )


MEMORIES: tuple[Pass, ...] = (
    keep,  # when loops are what they will be; left out where that takes as few cycles
    choose,  # after keep, whose arrays may get banks
)

SCHEDULE = (*schedule(lambda op, dtype: 0), *MEMORIES)
"""All of it, where sums take no time."""

HARDWARE: tuple[Pass, ...] = (
    localize,  # while loops carry no values, and accesses are those of whole arrays
    split,  # before narrow, which shrinks the arithmetic of banks too
    narrow,  # widths from ranges, while loops still show their bounds
    simplify,  # what narrowing made trivial
    promote,  # synthesis wants values, not variables
    bounds,  # control computes bounds of loop variables without the data path
    demand,  # last: bits that no value needs any more, now that it shows where each one goes
)

UNIT: tuple[Pass, ...] = (
    inline,  # an operation may be made of others
    simplify,  # folds what their arguments made constant
    narrow,  # widths from ranges
    simplify,  # what narrowing made trivial
    promote,  # synthesis wants values, not variables
    demand,  # bits that no value needs
)
"""Brings the kernel of an operation to what a functional unit is made of; there are no checks in one."""
