"""Runs of a kernel, by what they leave."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from gemel.bench.hardware.cases import Arguments, Case
from gemel.errors import GemelError
from gemel.semantics.storage import same_bits

if TYPE_CHECKING:
    from gemel.hwsynth.design import Design

Outcome = list[np.ndarray[Any, Any]]


def outcome(run: Callable[..., Any], args: Arguments) -> Outcome:
    """What a run leaves: its results, then every array argument as it is afterwards."""
    mine = tuple(a.copy() if isinstance(a, np.ndarray) else a for a in args)
    result = run(*mine)
    results = () if result is None else result if isinstance(result, tuple) else (result,)
    return [np.asarray(r) for r in (*results, *(a for a in mine if isinstance(a, np.ndarray)))]


def same(got: Outcome, wanted: Outcome) -> bool:
    """Whether two runs left the same bits."""
    return len(got) == len(wanted) and all(map(same_bits, got, wanted))


def expected(case: Case, design: Design) -> Outcome:
    """What is right: what the interpreter makes of the kernel as the hardware computes it."""
    return outcome(design.kernel if case.large else design.kernel.interpret, case.arguments())


def simulated(case: Case, design: Design, engine: str) -> tuple[Outcome, int]:
    """What a simulation leaves, and its cycles."""
    cycles = 0

    def run(*args: Any) -> Any:
        nonlocal cycles
        made = design.simulate(*args, engine=engine)
        cycles = made.cycles
        return made.outputs

    return outcome(run, case.arguments()), cycles


def told(error: GemelError) -> str:
    """An error on one line."""
    return f"{error.code}: {error.what}".splitlines()[0][:160]
