"""Kernels with one constant, comparison or sign changed, and arguments for them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

import gemel as gm
from gemel.semantics.arguments import shape_of
from gemel.semantics.errors import GemelError
from gemel.semantics.ir import Buffer, Kernel
from gemel.semantics.samples import Spread, random_values

SPREADS = (Spread.SMALL, Spread.CORNERS, Spread.SMALL, Spread.ALL)
RUNS = 80
CHANGES = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "+": "-", "-": "+", "==": "!="}
PLACE = re.compile(r"(?<=[ \[(])(?P<number>\d+)(?=[\]),: \n])|(?<= )(?P<op><=|>=|==|<|>|\+|-)(?= )")


def mutants(kernel: Kernel, rng: np.random.Generator, most: int) -> Iterator[tuple[Any, list[list[Any]]]]:
    """At most so many changed kernels, each with arguments."""
    text = str(kernel)
    head = text.index("{")
    places = [m for m in PLACE.finditer(text) if m.start() > head]
    for n in rng.permutation(len(places))[:most]:
        m = places[n]
        change = CHANGES.get(m["op"] or "") or str(int(m["number"]) + int(rng.choice((-1, 1))))
        try:
            made = gm.parse(text[: m.start()] + change + text[m.end() :]).ir
        except GemelError:
            continue
        yield made, [list(_arguments(made, rng, SPREADS[turn % 4])) for turn in range(RUNS)]


def _arguments(kernel: Kernel, rng: np.random.Generator, spread: Spread) -> Iterator[Any]:
    sizes = {d: int(rng.integers(0, 6)) for d in kernel.dims}
    for p in kernel.params:
        yield random_values(p, shape_of(p, sizes) if isinstance(p, Buffer) else (), rng, spread)
