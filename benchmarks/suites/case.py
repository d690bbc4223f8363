"""What a suite's kernel comes with: inputs at several sizes and a reference in plain NumPy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gemel.semantics.storage import same_bits

Sizes = Mapping[str, int]


@dataclass(frozen=True)
class Case:
    """A kernel of a suite.

    `inputs(rng, **sizes)` makes fresh arguments. `reference(*arguments)` does in NumPy what the kernel does: it changes
    the same arguments in place and returns the same results. `sizes` has "tiny" (the interpreter and RTL simulation
    take a second at most) and "small" (the CPU). Floats agree within `rtol`, relative to each result's largest value.
    """

    name: str
    kernel: Any
    inputs: Callable[..., tuple[Any, ...]]
    reference: Callable[..., Any]
    tiny: Sizes
    small: Sizes
    rtol: float = 1e-9
    note: str = ""


@dataclass(frozen=True)
class Skipped:
    """A kernel of a suite that has no Gemel version, and why."""

    name: str
    why: str


@dataclass
class Suite:
    """The kernels of one suite."""

    name: str
    cases: list[Case] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


def arguments(case: Case, sizes: Sizes, seed: int = 1) -> tuple[Any, ...]:
    """Fresh arguments of the case."""
    return case.inputs(np.random.default_rng(seed), **sizes)


def copied(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments with arrays of their own."""
    return tuple(a.copy() if isinstance(a, np.ndarray) else a for a in args)


def outcome(run: Callable[..., Any], args: tuple[Any, ...]) -> list[np.ndarray]:
    """What a run leaves: its results, then every array argument as it is afterwards."""
    mine = copied(args)
    result = run(*mine)
    results = () if result is None else result if isinstance(result, tuple) else (result,)
    return [np.asarray(r) for r in (*results, *(a for a in mine if isinstance(a, np.ndarray)))]


def close(got: list[np.ndarray], wanted: list[np.ndarray], rtol: float) -> str:
    """Empty where the two outcomes agree; else what differs."""
    if len(got) != len(wanted):
        return f"{len(got)} results and arrays, {len(wanted)} wanted"
    for n, (g, w) in enumerate(zip(got, wanted, strict=True)):
        if g.shape != w.shape:
            return f"array {n} has shape {g.shape}, {w.shape} wanted"
        if not np.issubdtype(np.asarray(w).dtype, np.floating):
            if not (g == w).all():
                return f"array {n} differs in {int((g != w).sum())} elements"
            continue
        scale = max(float(np.abs(w[np.isfinite(w)]).max(initial=0.0)), 1e-300)
        if not np.allclose(g.astype(float), w.astype(float), rtol=rtol, atol=rtol * scale, equal_nan=True):
            worst = float(np.nanmax(np.abs(g.astype(float) - w.astype(float)))) / scale
            return f"array {n} is off by {worst:.2g} of its largest value"
    return ""


def identical(got: list[np.ndarray], wanted: list[np.ndarray]) -> bool:
    """Whether two engines left the same bits."""
    return len(got) == len(wanted) and all(map(same_bits, got, wanted))
