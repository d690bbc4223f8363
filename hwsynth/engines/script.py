"""Scripts: what is done to a circuit cycle by cycle, and what is seen of it. Every simulator plays them.

An input keeps its value until it is set again; what is set counts from the next edge on. A script begins at power-up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gemel.hwsynth.nativesim import Words
from gemel.hwsynth.system import DONE, System


@dataclass(frozen=True)
class Set:
    """Gives inputs values."""

    values: Mapping[str, int]


@dataclass(frozen=True)
class Load:
    """Sets all words of memories."""

    memories: Mapping[str, Words]


@dataclass(frozen=True)
class Reset:
    """Passes edges with `rst` high."""

    cycles: int = 1


@dataclass(frozen=True)
class Step:
    """Passes edges, whatever `done` says."""

    cycles: int = 1


@dataclass(frozen=True)
class Wait:
    """Passes edges until `done` is high, but at most so many; none where it already is."""

    most: int


@dataclass(frozen=True)
class Look:
    """Takes down the outputs, and on demand the memories."""

    memories: bool = True


Action = Set | Load | Reset | Step | Wait | Look
Script = Sequence[Action]


@dataclass(frozen=True)
class Seen:
    """What a look found: outputs, memories, and how many edges have passed.

    Where `done` is low, an output may be missing that the circuit hasn't given a value yet.
    """

    outputs: Mapping[str, int]
    memories: Mapping[str, Words]
    edges: int


class Simulation(Protocol):
    """A powered-up circuit that Python drives, as `nativesim.NativeSim`."""

    def load(self, memory: str, words: Words) -> None: ...
    def dump(self, memory: str) -> Words: ...
    def __setitem__(self, name: str, value: int) -> None: ...
    def __getitem__(self, name: str) -> int: ...
    def run(self, max_cycles: int) -> int: ...
    def step(self, cycles: int) -> None: ...
    def reset(self, cycles: int = 1) -> None: ...


def play(sim: Simulation, system: System, script: Script) -> list[Seen]:
    """Plays a script on a freshly powered-up simulation; gives what its looks found."""
    seen = []
    edges = 0
    for action in script:
        match action:
            case Set():
                for name, value in action.values.items():
                    sim[name] = value
            case Load():
                for name, words in action.memories.items():
                    sim.load(name, words)
            case Reset():
                sim.reset(action.cycles)
                edges += action.cycles
            case Step():
                sim.step(action.cycles)
                edges += action.cycles
            case Wait():
                edges += 0 if sim[DONE] else sim.run(action.most)
            case Look():
                outputs = {o.name: sim[o.name] for o in system.module.outputs}
                dumped = {name: sim.dump(name) for name in system.memories} if action.memories else {}
                seen.append(Seen(outputs, dumped, edges))
    return seen
