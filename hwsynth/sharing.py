"""How many functional units of each kind a design may have, and what these have to do for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gemel.hwsynth.units import Operation
from gemel.semantics import ops
from gemel.semantics.dtypes import FLOATS
from gemel.semantics.errors import SynthesisError

RESOURCES = ("add", "mul", "div")
"""The kinds of units for integers."""

FLOAT_OPS = (ops.ADD, ops.SUB, ops.MUL, ops.DIV, ops.FMA, ops.SQRT, *ops.ELEMENTARY)
FLOAT_RESOURCES = tuple(f"{t}_{op.name}" for t in FLOATS for op in FLOAT_OPS)
"""Those for floats."""


@dataclass
class Sharing:
    """The limits on units. Where there is one, all operations of that kind are done by one kind of unit.

    Which that is shows when all regions have been generated once: `met` collects the operations, and `fast` the kinds
    that pipelined loops use, where units have to take operands in each cycle. `common` is then the operation that does
    for all.
    """

    limits: Mapping[str, int] = field(default_factory=dict)
    common: dict[str, Operation] = field(default_factory=dict)
    met: dict[str, Operation] = field(default_factory=dict)
    fast: set[str] = field(default_factory=set)

    def serving(self, operation: Operation) -> Operation:
        """The operation to use for one."""
        kind = operation.resource
        if kind not in self.limits:
            return operation
        known = self.met.get(kind)
        self.met[kind] = operation if known is None or operation.wider is None else operation.wider(known, operation)
        return self.common.get(kind, operation)

    def known(self) -> Sharing:
        """The limits with what is known now of the operations."""
        return Sharing(self.limits, self.met, fast=self.fast)


def limits_of(resources: Mapping[str, int] | None) -> dict[str, int]:
    """The limits as given by a user.

    Raises SynthesisError H08 for a name that no unit has, or a number that is none.
    """
    given = dict(resources or {})
    for name, count in given.items():
        if name not in (*RESOURCES, *FLOAT_RESOURCES):
            mend = f"use one of {', '.join(RESOURCES)}, or for floats one like f32_add"
            raise SynthesisError(f"no unit is called {name!r}", code="H08", mend=mend)
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            raise SynthesisError(
                f"{count!r} units of {name}", code="H08", mend="give the most units that there may be, at least 1"
            )
    return given
