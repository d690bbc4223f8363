"""What is decided of each region before its netlist is made: its graph, its schedule, its cycles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from gemel.hwsynth.count import Count
from gemel.hwsynth.dfg import Graph
from gemel.hwsynth.nodes import Node
from gemel.hwsynth.regions import Block, Branch, Loop, Pipe, Region, Repeat, Staged
from gemel.hwsynth.report import LoopReport
from gemel.semantics.ir import Expr, For, Var


@dataclass(eq=False)
class BlockPlan:
    """A block; `exports` are the values that other regions use."""

    region: Block
    graph: Graph
    depth: int
    exports: list[tuple[Var, Node]]
    cycles: Count | None


@dataclass(eq=False)
class Held:
    """A value that a pipelined nest carries from one iteration to the next, in the register of `phi`.

    It begins as `init`, if anything, and is set by `write`, if that has a predicate only where it holds.
    """

    phi: Node
    init: Expr | None
    write: Node
    results: list[Var] = field(default_factory=list)


@dataclass(eq=False)
class LevelPlan:
    """A loop of a pipelined nest: its counter and the nets that say where it stands, where something asks for them.

    `may_be_empty` says that it may have no turn at all; it then has one that isn't its own, where `active` is false.
    After a turn of it, all loops inside of which have come to their end, the next iteration begins `gap` cycles later.
    """

    loop: For
    counter: Node
    may_be_empty: bool
    first: Node | None = None
    active: Node | None = None
    last: Node | None = None
    gap: int = 0
    ahead: bool = False
    """Whether there is a turn ahead of the first, which isn't its own; it is the `first` one then."""


@dataclass(eq=False)
class PipePlan:
    """A pipelined nest."""

    region: Pipe
    graph: Graph
    levels: list[LevelPlan]
    held: list[Held]
    ii: int
    depth: int
    report: LoopReport
    cycles: Count | None


@dataclass(eq=False)
class RepeatPlan:
    """A `while` without loops in it."""

    region: Repeat
    graph: Graph
    depth: int
    cond: Node
    nets: list[Var]
    nexts: list[Node]
    report: LoopReport
    cycles: Count | None = None


@dataclass(eq=False)
class LoopPlan:
    """A loop around regions; `wait` says that an iteration begins a cycle late, `late` that the loop ends so."""

    region: Loop
    counter: Var | None
    test: Series
    body: Series
    wait: bool
    late: bool
    report: LoopReport
    cycles: Count | None


@dataclass(eq=False)
class StagedPlan:
    """A nest in stages: for each stage the nets of its counters and of the copy that it has.

    `turn` are the regions of all stages, `stage` the stage of each; `wait` says that a turn begins a cycle late.
    """

    region: Staged
    counters: list[list[Var]]
    banks: list[Var]
    turn: Series
    stage: list[int]
    wait: bool
    report: LoopReport
    cycles: Count | None


@dataclass(eq=False)
class BranchPlan:
    """A branch around regions."""

    region: Branch
    then: Series
    orelse: Series
    cycles: Count | None = None


Plan = BlockPlan | PipePlan | RepeatPlan | LoopPlan | StagedPlan | BranchPlan


@dataclass(eq=False)
class Series:
    """Regions in the kernel's order, each of which begins when those that it waits for have ended.

    `waits` has their numbers, but for those that have ended before others of them begin; `cycles` is the whole's time.
    """

    plans: Sequence[Plan]
    waits: Sequence[Sequence[int]]
    cycles: Count | None

    def first(self) -> list[Region]:
        """The regions that wait for none."""
        return [p.region for p, waits in zip(self.plans, self.waits, strict=True) if not waits]

    def last(self) -> list[int]:
        """The numbers of those that none waits for."""
        return sorted(set(range(len(self.plans))).difference(*self.waits))


Planner = Callable[[Any, Sequence[Region]], Series]
"""Plans a sequence of regions."""

Emitter = Callable[[Any, Series, Expr], Expr]
"""Makes the netlist of a sequence of regions, which a pulse starts; the pulse at which all are done."""
