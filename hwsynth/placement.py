"""Where a tensor lies outside of the module: in one memory, or in one for each bank."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gemel.hwsynth.banking import Layout, gathered, is_banked, scattered
from gemel.semantics.interp import interpret
from gemel.semantics.ir import Buffer, Kernel
from gemel.semantics.storage import Array


@dataclass(frozen=True, eq=False)
class Placement:
    """A tensor's memories, by name; None for those that are never accessed. `layout` says what is in which."""

    names: tuple[str | None, ...]
    layout: Layout | None = None

    @staticmethod
    def of(b: Buffer, names: Iterable[str | None]) -> Placement:
        """The placement of a parameter or result of a scheduled kernel."""
        return Placement(tuple(names), Layout(b, True) if is_banked(b) else None)

    @property
    def padded(self) -> bool:
        """Whether some words have no element."""
        return self.layout is not None and any((places < 0).any() for places in self.layout.places)

    def apart(self, flat: Array) -> dict[str, Array]:
        """The words of each memory from all words of the tensor, in row-major order."""
        return {name: flat if places is None else gathered(flat, places) for name, places in self._accessed()}

    def together(self, memories: Mapping[str, Array], flat: Array) -> Array:
        """All words of the tensor from those of the memories; `flat` has those of the others."""
        if self.layout is None:
            (name,) = self.names
            return flat if name is None else memories[name][: len(flat)]
        made = np.array(flat)
        for name, places in self._accessed():
            if places is not None:
                scattered(memories[name], places, made)
        return made

    def _accessed(self) -> Iterator[tuple[str, Array | None]]:
        every = self.layout.places if self.layout else [None]
        yield from ((name, places) for name, places in zip(self.names, every, strict=True) if name is not None)


def on_banks(whole: Kernel, lowered: Kernel) -> Callable[..., Any]:
    """A lowered kernel, interpreted on the arguments of the one that it was made of."""

    def run(*args: Any, **options: Any) -> Any:
        layouts = [Layout(p, True) if isinstance(p, Buffer) and is_banked(p) else None for p in whole.params]
        own = [
            [a] if k is None else [gathered(a.reshape(-1), places).reshape(k.shape) for places in k.places]
            for a, k in zip(args, layouts, strict=True)
        ]
        results = interpret(lowered, [x for parts in own for x in parts], **options)
        for a, parts, k in zip(args, own, layouts, strict=True):
            if k is not None and a.flags.writeable:
                a[...] = _joined(k, parts)
        return _results(whole, results)

    return run


def _results(whole: Kernel, results: Any) -> Any:
    rest = iter(results if isinstance(results, tuple) else (results,))
    found = []
    for b in whole.results:
        k = Layout(b, True) if is_banked(b) else None
        found.append(next(rest) if k is None else _joined(k, [next(rest) for _ in k.numbers]))
    return found[0] if len(found) == 1 else tuple(found) if found else None


def _joined(k: Layout, parts: Sequence[Array]) -> Array:
    flat = np.empty(int(np.prod(k.sizes)), parts[0].dtype)
    for places, words in zip(k.places, parts, strict=True):
        scattered(np.asarray(words).reshape(-1), places, flat)
    return flat.reshape(k.sizes)
