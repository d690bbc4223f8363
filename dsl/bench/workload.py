"""What a workload is, and what a contender makes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Arguments = tuple[Any, ...]
SEED = 2026


@dataclass(frozen=True)
class Run:
    """One contender's way to do a workload.

    `call` is what is timed (a `partial` where it is short: that costs less than a lambda); `result` makes an array of
    what it gave; `reset` restores arguments that a call changes.
    """

    call: Callable[[], Any]
    result: Callable[[Any], Any] = np.asarray
    reset: Callable[[], None] | None = None

    def checked(self, expected: Array, rtol: float) -> float:
        """The greatest error relative to the largest value expected.

        Raises ValueError where it is above `rtol`.
        """
        if self.reset:
            self.reset()
        got = flat(self.result(self.call()))
        if got.shape != expected.shape:
            raise ValueError(f"{got.size} elements, not {expected.size}")
        scale = max(float(np.abs(expected).max(initial=0.0)), 1e-30)
        error = float(np.abs(got - expected).max(initial=0.0)) / scale
        if not error <= rtol:
            raise ValueError(f"wrong result: relative error {error:.2g}, allowed {rtol:.2g}")
        return error


Maker = Callable[..., Run]
"""Makes a run of a workload's arguments."""


@dataclass(frozen=True)
class Workload:
    """Work that contenders are measured on.

    `family` is the key of the contenders' tables. `reference` computes the result from the arguments in float64;
    results have to agree with it within `rtol` times its largest value. `flops` are those that the formula asks for,
    elementary functions counted as none; `traffic` the bytes that have to be moved, by default those of arguments and
    result.
    `kind` is the element type that sets the arithmetic peak. `makers` are runs by contender for a workload that the
    contenders' own tables don't have.
    """

    name: str
    family: str
    group: str
    inputs: Callable[[np.random.Generator], Arguments]
    reference: Callable[..., Any]
    flops: float = 0.0
    traffic: float | None = None
    rtol: float = 1e-4
    kind: str = "f32"
    calls: int = 1
    least_threads: int = 1
    note: str = ""
    makers: Mapping[str, Maker] = field(default_factory=dict)

    def arguments(self) -> Arguments:
        """Fresh arguments, each time the same."""
        return self.inputs(np.random.default_rng(SEED))

    def expected(self) -> Array:
        """The result in float64."""
        wide = (
            a.astype(np.float64) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a for a in self.arguments()
        )
        return flat(self.reference(*wide))


def flat(value: Any) -> Array:
    """A result, or several, as one row of float64 (complex ones as pairs)."""
    parts = value if isinstance(value, tuple | list) else (value,)
    rows = [np.ascontiguousarray(np.asarray(p)).ravel() for p in parts]
    rows = [r.view(r.real.dtype) if r.dtype.kind == "c" else r for r in rows]
    return np.concatenate([r.astype(np.float64) for r in rows]) if rows else np.zeros(0)
