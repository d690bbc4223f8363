"""Runs with known results: what goes into memories and ports, what has to come out, and in how many cycles.

What comes out is what the kernel gives on this CPU; the simulated hardware has given the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gemel.codegen.runtime import compile_kernel
from gemel.hwsynth.handover.interface import Interface
from gemel.semantics.arguments import bind
from gemel.semantics.convert import to_bits
from gemel.semantics.errors import GemelError, SynthesisError
from gemel.semantics.ir import Buffer
from gemel.semantics.samples import Spread, sample
from gemel.semantics.storage import same_bits, to_values

if TYPE_CHECKING:
    from gemel.hwsynth.design import Design

RUNS = 4
"""Runs of a set of vectors."""

CYCLES = 1_000_000
"""Cycles after which no further run is added: Icarus takes some seconds for as many."""


@dataclass(frozen=True)
class Run:
    """The words of each memory before and after, as bits; so too scalars and results by port. A memory that isn't in
    `given` holds what it happens to hold."""

    given: Mapping[str, Sequence[int]]
    scalars: Mapping[str, int]
    expected: Mapping[str, Sequence[int]]
    results: Mapping[str, int]
    cycles: int


def runs(interface: Interface, args: Sequence[Any]) -> list[Run]:
    """The run of `args`, and some of random arguments; of random ones alone where there are no `args`.

    Raises what a call of the kernel on `args` raises, SynthesisError N01 where hardware and kernel differ.
    """
    found = [run(interface, args)] if args else []
    for candidate in _random(interface):
        if len(found) == RUNS or sum(r.cycles for r in found) > CYCLES:
            break
        try:
            found.append(run(interface, candidate))
        except SynthesisError:
            raise
        except GemelError:  # arguments that the kernel refuses
            continue
    return found or [run(interface, sample(interface.design.source))]


def _random(interface: Interface) -> Iterator[Sequence[Any]]:
    for spread in (Spread.ALL, Spread.SMALL):  # what any value is refused for, small ones may be right for
        yield from (sample(interface.design.source, seed, spread) for seed in range(2 * RUNS))


def run(interface: Interface, args: Sequence[Any]) -> Run:
    """The run of some arguments; raises as `runs`."""
    design = interface.design
    own, theirs = _copies(args), _copies(args)
    result = compile_kernel(design.scheduled)(*own)
    simulated = design.simulate(*theirs)
    results = result if isinstance(result, tuple) else (result,)
    others = simulated.outputs if isinstance(simulated.outputs, tuple) else (simulated.outputs,)
    pairs = zip(map(np.asarray, (*own, *results)), map(np.asarray, (*theirs, *others)), strict=True)
    if not all(same_bits(a, b) for a, b in pairs):
        raise SynthesisError(f"hardware and kernel {design.source.name} differ", code="N01", span=design.source.span)
    after = dict(zip(design.source.params, own, strict=True)) | dict(zip(design.source.results, results, strict=False))
    bound = bind(design.source, args)
    before = dict(zip(design.source.params, args, strict=True))
    written = {m.name for m in interface.memories if m.writes}
    return Run(
        {name: words for b, a in before.items() if isinstance(b, Buffer) for name, words in _apart(design, b, a)}
        | {name: [0] * len(words) for b in _padded(design) for name, words in _apart(design, b, after[b])},
        {port: to_bits(bound.scalars[p], p.dtype) for p, port in interface.scalars.items()},
        {n: w for b, a in after.items() if _is_tensor(b) for n, w in _apart(design, b, a) if n in written},
        {port: to_bits(after[b], b.dtype) for b, port in interface.results.items()},
        simulated.cycles,
    )


def _copies(args: Sequence[Any]) -> list[Any]:
    return [a.copy() if isinstance(a, np.ndarray) else a for a in args]


def _apart(design: Design, b: Any, array: Any) -> Iterator[tuple[str, list[int]]]:
    """The words of each memory of a tensor, as bits."""
    words = np.empty(array.size, object)
    words[:] = [to_bits(v, b.dtype) for v in to_values(array, b.dtype)]
    yield from ((name, [int(w) for w in part]) for name, part in design.places[b].apart(words).items())


def _is_tensor(b: object) -> bool:
    """Whether something lies in memories."""
    return isinstance(b, Buffer) and bool(b.rank)


def _padded(design: Design) -> list[Buffer]:
    """Results that lie in memories with words that no element has: those stay what they are."""
    return [b for b in design.source.results if b.rank and design.places[b].padded]


def hex_files(interface: Interface, made: Sequence[Run]) -> dict[str, str]:
    """The words of all runs, one run after the other, a word a line: `A.in.hex`, `C.out.hex`, `cycles.hex`."""
    files = {"cycles.hex": "".join(f"{r.cycles:x}\n" for r in made)}
    for m in interface.memories:
        for end, pick in (("in", "given"), ("out", "expected")):
            if m.name in getattr(made[0], pick):
                files[f"{m.name}.{end}.hex"] = "".join(_lines(getattr(r, pick)[m.name], m.words) for r in made)
    for port in interface.scalars.values():
        files[f"{port}.in.hex"] = "".join(f"{r.scalars[port]:x}\n" for r in made)
    for port in interface.results.values():
        files[f"{port}.out.hex"] = "".join(f"{r.results[port]:x}\n" for r in made)
    return files


def _lines(words: Sequence[int], count: int) -> str:
    return "".join(f"{w:x}\n" for w in (*words, *[0] * (count - len(words))))
