"""Counterexamples: inputs for which a text errs, played again by the simulators, with a wave."""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from gemel.hwsynth.engines.native import NativeModel
from gemel.hwsynth.engines.run import check_arguments
from gemel.hwsynth.engines.script import Action, Load, Look, Reset, Script, Seen, Set, Step
from gemel.hwsynth.nativesim import Words
from gemel.hwsynth.prove.proof import Obligation, Proof, Subject
from gemel.hwsynth.prove.reading import read
from gemel.hwsynth.prove.trial import Difference, Trial, differs, full, given_run, simple
from gemel.semantics.arguments import shape_of
from gemel.semantics.convert import from_bits
from gemel.semantics.dtypes import width_of
from gemel.semantics.errors import ToolError
from gemel.semantics.ir import Buffer, Var
from gemel.semantics.storage import filled
from gemel.semantics.symbolic.verdict import PROVED, REFUTED

if TYPE_CHECKING:
    from gemel.hwsynth.design import Design

SECONDS = 20
"""Time after which no further trial is begun."""

TRIALS = 24
"""Trials on drawn numbers in the search for a counterexample."""

SIMPLE = 6
"""How many of them are one run after a reset; these come first."""


@dataclass(frozen=True, eq=False)
class Counterexample:
    """A run in which a text errs: what of the proof it contradicts, and where it errs.

    `arguments` are the kernel's in the run that errs. `expected` is what the interpreter, or the handshake, asks for at
    `where`, and `found` what the text gives there after `edge` clock edges.
    """

    obligation: str
    difference: Difference
    design: Design | None = None

    @property
    def arguments(self) -> Mapping[str, Any]:
        """The kernel's arguments by name."""
        return self.difference.arguments

    @property
    def where(self) -> str:
        """A port, or a word as in `C[1, 2]`."""
        return self.difference.where

    @property
    def expected(self) -> int:
        """What is to be there, as a word."""
        return self.difference.expected

    @property
    def found(self) -> int:
        """What is there, as a word."""
        return self.difference.found

    @property
    def edge(self) -> int:
        """How many clock edges since power-up have passed."""
        return self.difference.edge

    def replay(self, engine: str = "native") -> int:
        """What a simulator finds at the place, as a word: "native" (of the netlist), "verilator", "icarus".

        Raises ToolError where an outside simulator is missing, where there is a text only and no design, or where the
        place is a port to a memory, which only the wave shows.
        """
        design = self._design()
        if self.difference.buffer is None and self.where not in {o.name for o in design.system.module.outputs}:
            raise ToolError(f"{self.where} is within what is simulated", code="X02", mend="see the wave")
        return self._at(design, design.model(engine).play(self._script(design))[-1])

    def errs(self) -> bool:
        """Whether the native simulator errs there too."""
        try:
            return self.replay() != self.expected
        except ToolError:
            return False

    def replays(self) -> dict[str, int | str]:
        """What the native simulator and Verilator find, or why they can't say."""
        found: dict[str, int | str] = {}
        for engine in ("native", "verilator"):
            try:
                found[engine] = self.replay(engine)
            except ToolError as error:
                found[engine] = error.what
        return found

    def wave(self, path: str | os.PathLike[str]) -> None:
        """Writes the signals of the run as the native simulator has them, as FST where the name ends so, else as VCD.

        Raises ToolError where there is a text only and no design.
        """
        design = self._design()
        model = design.model("native")
        assert isinstance(model, NativeModel)
        model.trace(self._script(design), path)

    def __str__(self) -> str:
        d = self.difference
        lines = [f"{self.where} is {self._shown(d.found)}, not {self._shown(d.expected)}, after {d.edge} clock edges"]
        lines += [f"  {d.what} ({self.obligation})"]
        lines += [f"  {name} = {_array(value)}" for name, value in d.arguments.items()]
        return "\n".join(lines)

    # --------------------------------------------------------------------------------------------------------- helpers

    def _shown(self, word: int) -> str:
        b = self.difference.buffer
        return str(word) if b is None else str(from_bits(word, b.dtype))

    def _design(self) -> Design:
        if self.design is None:
            raise ToolError(
                "there is no netlist to be simulated, only its text", code="X02", mend="simulate the design"
            )
        return self.design

    def _script(self, design: Design) -> Script:
        return [*_actions(design, self.difference.script), Look()]

    def _at(self, design: Design, seen: Seen) -> int:
        d = self.difference
        if d.buffer is None:
            return int(seen.outputs[d.where])
        b = next(p for p in design.places if p.hint == d.buffer.hint and isinstance(p, Buffer))
        place, mask = design.places[b], (1 << width_of(b.dtype)) - 1
        if place.names[0] in seen.outputs:
            return int(seen.outputs[place.names[0] or ""]) & mask
        flat = np.zeros(math.prod(shape_of(b, {})), dtype=object)
        memories = {name: _plain(words) for name, words in seen.memories.items()}
        return int(place.together(memories, flat)[d.index]) & mask


def _plain(words: Words) -> Any:
    """An engine's words as Python's integers."""
    if words.ndim == 1:
        return np.array([int(w) for w in words], dtype=object)
    return np.array([sum(int(limb) << (64 * k) for k, limb in enumerate(row)) for row in words], dtype=object)


def _array(value: Any) -> str:
    if not isinstance(value, np.ndarray):
        return str(value)
    return np.array2string(value, separator=", ", threshold=64).replace("\n", "\n      ")


def _actions(design: Design, script: Sequence[Any]) -> Iterator[Action]:
    """A script of a trial as the engines play it."""
    reset = False
    for kind, what in script:
        if kind == "step":
            yield (Reset if reset else Step)(what)
        elif kind == "load":
            yield Load(_words(design, what))
        else:
            reset = bool(what.get("rst", reset))
            types = design.system.scalars
            values = {n: int(from_bits(v, types[n])) if n in types else v for n, v in what.items() if n != "rst"}
            if values:
                yield Set(values)


def _words(design: Design, memories: Mapping[str, Sequence[int]]) -> dict[str, Words]:
    """Words of memories as the engines take them."""
    empty, _ = check_arguments(design.system, {}, {})
    for name, cells in memories.items():
        into = empty[name]
        for n, word in enumerate(cells):
            if into.ndim == 1:
                into[n] = np.array(word, np.uint64).astype(into.dtype)
            else:
                into[n] = [(word >> (64 * k)) & ((1 << 64) - 1) for k in range(into.shape[1])]
    return {name: empty[name] for name in memories}


# -------------------------------------------------------------------------------------------------------------- search


def search(subject: Subject, proof: Proof, design: Design | None) -> Counterexample | None:
    """A run that contradicts an obligation that isn't proved: by the values that refute it, else by trials.

    The first that errs in the native simulator too, if the netlist is there and one does.
    """
    weak = [o for o in proof.obligations if o.status != PROVED]
    if not weak:
        return None
    kept: Counterexample | None = None
    for name, found in _differences(subject, weak):
        shown = Counterexample(name, found, design)
        if design is None or shown.errs():
            return shown
        kept = kept or shown
    return kept


def _differences(subject: Subject, weak: Sequence[Obligation]) -> Iterator[tuple[str, Difference]]:
    text = read(subject.sv, subject.top).text()
    for o in weak:
        for values in _arguments(subject, o.values) if o.values else ():
            found = differs(subject, text, 1, partial(_one_run, values))
            if found is not None:
                yield o.name, found
    end = time.monotonic() + SECONDS
    for seed in range(TRIALS):
        found = differs(subject, text, seed, simple if seed < SIMPLE else full) if time.monotonic() < end else None
        if found is not None:
            yield weak[0].name, found


def _one_run(values: Mapping[Buffer | Var, Any], trial: Trial) -> None:
    """A run after a reset."""
    trial.begin()
    trial.whole(given_run(trial.subject, values))


def contradicted(proof: Proof, found: Counterexample) -> Proof:
    """A proof with a counterexample: what it contradicts is refuted."""
    obligations = tuple(
        replace(o, status=REFUTED, detail=f"{found.difference.what}: {found.where} ({o.detail})")
        if o.name == found.obligation and o.status != REFUTED
        else o
        for o in proof.obligations
    )
    return replace(proof, obligations=obligations, counterexample=found)


_ELEMENT = re.compile(r"(\w+)\[(\d+)\]$")


def _arguments(subject: Subject, words: Mapping[str, int]) -> Iterator[dict[Buffer | Var, Any]]:
    """Arguments from the words of symbols."""
    if any(_ELEMENT.match(name) for name in words):
        yield {p: _value(p, lambda name, n: words.get(name, 0)) for p in subject.kernel.params}
        return
    pool = list(words.values())
    for turn in range(2 * len(pool)):
        yield {p: _value(p, _Taken(pool, turn + k)) for k, p in enumerate(subject.kernel.params)}


@dataclass(frozen=True)
class _Taken:
    """Words for elements, each in turn from a pool."""

    pool: Sequence[int]
    first: int

    def __call__(self, name: str, n: int) -> int:
        return self.pool[(self.first + n) % len(self.pool)]


def _value(p: Buffer | Var, word: Callable[[str, int], int]) -> Any:
    mask = (1 << width_of(p.dtype)) - 1
    if isinstance(p, Var):
        return from_bits(word(p.hint, 0) & mask, p.dtype)
    shape = shape_of(p, {})
    cells = [from_bits(word(f"{p.hint}[{n}]", n) & mask, p.dtype) for n in range(math.prod(shape))]
    return filled(cells, p.dtype, shape)
