"""Targets as data files: those that come with Gemel by name, others by the path of their file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from gemel.hwsynth.targets.tables import Table, table
from gemel.semantics.errors import SynthesisError

MEASURED = "# Measured by `gemel calibrate"
"""How the line begins from which on a data file is what calibration wrote."""


@dataclass(frozen=True)
class Fabric:
    """What logic is made of. `tables`: what a look-up table costs by its number of inputs, from none on.

    Sums of fewer bits than `carry_from` have no chain of carries; with `carry_gates` the operands' difference before
    the chain is a look-up table that takes in more logic. Chains of `shift_registers` registers or more (0: never)
    become one table; multipliers take in registers with `dsp_registers`; constant tables of up to `rom_words` words
    are logic. Without `enables`, a register's enable and reset are gates. Where area is one figure, `tables` has it for
    gates, and `register_area` for a bit of a register.
    """

    tables: tuple[float, ...] = (0, 1, 1, 1, 1)
    carry_from: int = 5
    carry_gates: bool = False
    shift_registers: int = 0
    dsp_registers: bool = False
    rom_words: int = 64
    enables: bool = True
    register_area: float = 0.0

    @property
    def inputs(self) -> int:
        """The most inputs of a table that costs no more than another."""
        return max(n for n, cost in enumerate(self.tables) if cost <= self.tables[2])


@dataclass(frozen=True)
class Way:
    """A cell with `latency` registers on the way, as its text's parameters set it; times in ns, with the routes."""

    latency: int
    setup: float
    delay: float
    set: str


@dataclass(frozen=True)
class Hard:
    """A cell whose registers synthesis leaves unused where it finds the cell's function in a text: it is instantiated.

    `text` is in the module's place; in it `@SET@` stands for a way's parameters. Of a memory `shapes` are the words
    that a block may have, and the bits of each word then, from the fewest words on.
    """

    area: Mapping[str, float]
    ways: tuple[Way, ...]
    text: str
    shapes: tuple[tuple[int, int], ...] = ()
    write: float = 0.0
    """Of a memory the ns from what is written to the edge that writes it, with the route."""


CONSTRAINTS = ("lpf", "pcf", "xdc", "sdc")
"""The formats of constraint files; the last one is what tools without a format of their own read."""


@dataclass(frozen=True)
class Memories:
    """The bits of the memories of the largest device that synthesis finds memories in a text for.

    `block` is the size of a block RAM as it is said.
    """

    device: str
    bits: int
    block: str = ""


@dataclass(frozen=True)
class Target:
    """A technology. Delays are in ns; an operator's has the route to it, so that they add up along a path."""

    name: str
    description: str
    family: str
    """The row of `judges.FAMILIES` that maps to its cells; `gates` for a liberty."""
    multiplier: tuple[int, int]
    """The widest operands of one hardware multiplier, in bits, signed; the wider one first."""
    register: float
    """From the clock edge to a register's output, and the setup of the next, without the route between."""
    level: float
    """One gate with the route to it."""
    rows: Mapping[str, Table]
    device: Mapping[str, str] = field(default_factory=dict)
    capacity: Mapping[str, float] = field(default_factory=dict)
    resources: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Of each resource the cells that take it, and how much each does."""
    fabric: Fabric = Fabric()
    memories: Memories | None = None
    """None where nothing limits what a kernel keeps inside of its module."""
    constraints: str = CONSTRAINTS[-1]
    synthesis: str = "synth -flatten"
    """The yosys command in a design's folder, without its top."""
    cells: Mapping[str, Hard] = field(default_factory=dict)
    """Cells to be instantiated: `multiply`, `memory`."""
    tools: Mapping[str, Any] = field(default_factory=dict)
    made: str = ""
    """How the figures were found."""

    @property
    def macro(self) -> str:
        """What is defined where a text is synthesised for the family."""
        return f"GEMEL_{self.family.upper()}"

    @property
    def memory(self) -> float:
        """Clock to output of a synchronous memory of usual size."""
        return self.read_delay(1024)

    def read_delay(self, words: int) -> float:
        """Clock to output of a synchronous memory."""
        return self.rows["memory"].delay(words)

    def used(self, cells: Mapping[str, float]) -> dict[str, float]:
        """The resources that mapped cells take."""
        return {r: sum(cells.get(c, 0) * n for c, n in takes.items()) for r, takes in self.resources.items()}


def targets() -> tuple[str, ...]:
    """The names of the targets that come with Gemel."""
    return tuple(sorted(p.name.removesuffix(".toml") for p in _folder().iterdir() if p.name.endswith(".toml")))


def target(name: str) -> Target:
    """The target of a name, or of a path that ends in `.toml`.

    Raises SynthesisError H06 for an unknown one, and for a file that is no target.
    """
    if name.endswith(".toml"):
        return read(Path(name))
    return _known(name)


@cache
def _known(name: str) -> Target:
    if name not in targets():
        mend = f"use one of {', '.join(targets())}, or the path of a target's data file"
        raise SynthesisError(f"unknown target {name!r}", code="H06", mend=mend)
    return parse(name, _folder().joinpath(f"{name}.toml").read_text())


def read(path: Path) -> Target:
    """The target in a file; raises SynthesisError H06 where it is none."""
    try:
        return parse(path.stem, path.read_text())
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SynthesisError(
            f"{path} is no target: {error}",
            code="H06",
            mend="docs/howto/add-a-target.md says what such a file holds; `gemel calibrate` writes its measured part",
        ) from error


def place(name: str) -> Path:
    """The data file of a target, by name or path."""
    return Path(name) if name.endswith(".toml") else Path(str(_folder())) / f"{name}.toml"


def parse(name: str, text: str) -> Target:
    """A data file's target."""
    data = tomllib.loads(text)
    stated = {key: data[key] for key in ("description", "family")}
    wide, narrow = data["multiplier"]
    measured = data["measured"]
    rows = {op: table(row) for op, row in data["ops"].items()}
    tools: dict[str, Any] = {key: data[key] for key in ("placer", "model", "liberty") if key in data}
    parts: dict[str, Any] = {key: data.get(key, {}) for key in ("device", "capacity", "resources")}
    parts["fabric"] = fabric(data.get("fabric", {}))
    parts["memories"] = Memories(**data["memories"]) if "memories" in data else None
    parts["cells"] = {name: _hard(stated) for name, stated in data.get("cells", {}).items()}
    parts |= {key: data[key] for key in ("constraints", "synthesis") if key in data}
    if parts.get("constraints", CONSTRAINTS[-1]) not in CONSTRAINTS:
        raise ValueError(
            f"no constraints are in the format {parts['constraints']!r}; there is {', '.join(CONSTRAINTS)}"
        )
    return Target(
        name=name,
        **stated,
        multiplier=(wide, narrow),
        **parts,
        register=measured["register"],
        level=measured["level"],
        rows=rows,
        tools=tools,
        made=measured["by"],
    )


def fabric(stated: Mapping[str, Any]) -> Fabric:
    """The fabric that a data file states."""
    values: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in stated.items()}
    return Fabric(**values)


def _hard(stated: Mapping[str, Any]) -> Hard:
    shapes = tuple((words, bits) for words, bits in stated.get("shapes", ()))
    return Hard(
        stated["area"],
        tuple(Way(**way) for way in stated["ways"]),
        stated["text"].strip("\n"),
        shapes,
        stated.get("write", 0.0),
    )


def _folder() -> Any:
    return files("gemel.hwsynth.targets")
