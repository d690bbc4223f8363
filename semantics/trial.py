"""Runs of a kernel in the reference interpreter that show all places where it fails, not the first alone."""

from __future__ import annotations

from collections.abc import Sequence

from gemel.semantics.arguments import bind
from gemel.semantics.errors import GemelError
from gemel.semantics.interp import Interpreter, environment
from gemel.semantics.ir import Assert, Kernel


class Trial:
    """A kernel that is run again and again to see where it fails: what narrows there does not stop it."""

    def __init__(self, kernel: Kernel, fuel: int) -> None:
        self.kernel, self.fuel = kernel, fuel
        self._lost: dict[Assert, GemelError] = {}
        self._run = Interpreter(fuel, self._lost)
        self._body = self._run.body(kernel.body)

    def __call__(self, args: Sequence[object]) -> list[GemelError]:
        """The errors of a run: one for each narrowing that loses its value, and that which the run stops with."""
        self._lost.clear()
        self._run.fuel = self.fuel
        try:
            self._body(environment(self.kernel, bind(self.kernel, args)))
        except GemelError as error:
            return [*self._lost.values(), error]
        return list(self._lost.values())
