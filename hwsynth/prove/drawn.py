"""Words that are drawn in place of symbols, and arrays as words."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from gemel.hwsynth.prove.units import BY_0, applied
from gemel.semantics.convert import to_bits
from gemel.semantics.dtypes import DType
from gemel.semantics.storage import to_values
from gemel.semantics.symbolic.terms import Term, Value, Words


class Drawn(Words):
    """Words in which a symbol is a number that is drawn."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.random = random.Random(seed)

    def fresh(self, hint: str, w: int) -> Any:
        """Any word."""
        return self.random.getrandbits(w)

    def var(self, name: str, w: int) -> Any:
        """Any word: now and then one near the ends of its range."""
        top = (1 << w) - 1
        if self.random.random() < 0.25:
            return self.random.choice((0, 1, top, top >> 1, (top >> 1) + 1, top - 1)) & top
        return self.random.getrandbits(w)

    def app(self, name: str, w: int, *args: Value) -> Any:
        """A function of numbers; any word where it means nothing, as a division by 0 does."""
        if Term in map(type, args):
            return super().app(name, w, *args)
        return self.random.getrandbits(w) if name.startswith(BY_0) else applied(name, w, *args)


def words_of(array: Any, dtype: DType) -> list[int]:
    """The words of an array or a number in row-major order."""
    return [int(to_bits(v, dtype)) for v in to_values(np.asarray(array), dtype)]
