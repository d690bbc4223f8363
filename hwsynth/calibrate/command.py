"""Calibration of a target: what its tools make of every sweep, written into its data file."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import linear_regression
from typing import Any

from gemel.hwsynth import tools
from gemel.hwsynth.calibrate.flows import Measured, measure
from gemel.hwsynth.calibrate.sweep import SWEEPS, Sweep, register_bits
from gemel.hwsynth.targets import files
from gemel.hwsynth.verilog import verilog
from gemel.semantics.errors import SynthesisError

DIGITS = 3


def calibrate(name: str, seeds: int = 3, jobs: int = 1, told: Callable[[str], None] = lambda line: None) -> Path:
    """Measures a target and writes what it found into its data file; sweeps that were measured before are kept.

    `told` is called with a line for each sweep. Raises SynthesisError H06 for a file that says too little of the
    target, ToolError where a tool is missing or fails.
    """
    path = files.place(name)
    stated = _stated(path)
    sweeps = [s for s in SWEEPS if s.name not in stated.get("ops", {})]
    with ThreadPoolExecutor(jobs) as pool:
        found = dict(zip(sweeps, pool.map(lambda s: _row(s, stated, seeds, told), sweeps), strict=True))
    head = path.read_text().split(files.MEASURED)[0]  # it may have been edited meanwhile
    text = head.rstrip() + "\n\n" + "\n".join(_lines(path.stem, stated, found, seeds)) + "\n"
    files.parse(path.stem, text)
    path.write_text(text)
    return path


def _stated(path: Path) -> dict[str, Any]:
    """What a person wrote of the target."""
    try:
        data = tomllib.loads(path.read_text().split(files.MEASURED)[0])
    except (OSError, ValueError) as error:
        raise SynthesisError(
            f"{path} can't be read: {error}", code="H06", mend="give a target's name or file"
        ) from error
    missing = [key for key in ("description", "family", "multiplier", "resources") if key not in data]
    if missing or not any(key in data for key in ("placer", "model", "liberty")):
        lacks = ", ".join(missing) or "a table placer, model or liberty"
        raise SynthesisError(
            f"{path} lacks {lacks}", code="H06", mend="docs/howto/add-a-target.md says what a target's file holds"
        )
    return data


def _row(s: Sweep, stated: Mapping[str, Any], seeds: int, told: Callable[[str], None]) -> list[Measured]:
    sizes = [n for n in s.sizes if n <= stated.get("largest", {}).get(s.name, n)]
    modules = [s.make(n) for n in sizes]
    asked = json.dumps([[verilog(m) for m in modules], _asked(stated), seeds, versions(stated)], sort_keys=True)
    kept = tools.cache_dir() / "calibration" / f"{hashlib.sha256(asked.encode()).hexdigest()[:32]}.json"
    if kept.exists():
        told(f"{s.name}: as measured before")
        return [Measured(**m) for m in json.loads(kept.read_text())]
    found = measure(modules, stated, seeds)
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps([asdict(m) for m in found]))
    told(f"{s.name}: " + ", ".join(f"{n}: {m.period:.2f} ns" for n, m in zip(sizes, found, strict=True)))
    return found


def _asked(stated: Mapping[str, Any]) -> dict[str, Any]:
    return {key: stated[key] for key in ("family", "placer", "model", "liberty") if key in stated}


def versions(stated: Mapping[str, Any]) -> str:
    """The tools that measure a target, with their versions."""
    names = ["pyosys", *([f"yowasp-{stated['placer']['program']}"] if "placer" in stated else [])]
    return ", ".join(f"{n} {_version(n)}" for n in names)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "of the system"


# -------------------------------------------------------------------------------------------------------------- writing


def _lines(name: str, stated: Mapping[str, Any], found: Mapping[Sweep, Sequence[Measured]], seeds: int) -> list[str]:
    register, level = _register_and_level(next(rows for s, rows in found.items() if s.name == "parity"), stated)
    how = f"{versions(stated)}, {_way(stated, seeds)}"
    lines = [f"{files.MEASURED} {name}`: ns with the route to an operator, and what it takes up.", ""]
    lines += [
        "[measured]",
        f"by = {json.dumps(how)}",
        f"register = {round(register, DIGITS)}",
        f"level = {round(level, DIGITS)}",
    ]
    bit = _register_bit(stated, found)
    for s, rows in found.items():
        lines += _table(s, stated, rows, register, bit)
    return lines


LEAST_REGISTER = 0.25
"""The part of a period with one gate that a register has at least: routes of large parities are long ones."""


def _register_and_level(parities: Sequence[Measured], stated: Mapping[str, Any]) -> tuple[float, float]:
    """Clock to output and setup of registers without the route between them; a gate with the route to it.

    Where a placer measures, by the line through the periods of parities of one, two, three levels of gates.
    """
    first, *_ = periods = [m.period for m in parities]
    if "liberty" in stated:
        register = stated["liberty"]["register"]
    elif "model" in stated:
        register = min(stated["model"]["clocked"].values()) + stated["model"]["setup"]
    else:
        line = linear_regression(range(1, len(periods) + 1), periods)
        register = max(line.intercept, LEAST_REGISTER * first)
    return register, first - register


def _way(stated: Mapping[str, Any], seeds: int) -> str:
    if "placer" in stated:
        return f"the median of {seeds} seeds"
    if "model" in stated:
        return f"cell delays as stated above, {stated['model']['route']} ns for a route"
    return "delays by abc, without wires"


def _table(
    s: Sweep, stated: Mapping[str, Any], rows: Sequence[Measured], register: float, bit: Mapping[str, float]
) -> list[str]:
    sizes = s.sizes[: len(rows)]
    lines = ["", f"[ops.{s.name}]", f"size = {list(sizes)}"]
    lines.append(f"delay = {[round(max(0.0, m.period - register), DIGITS) for m in rows]}")
    for resource, takes in stated["resources"].items():
        around = [bit[resource] * register_bits(s.make(n)) * (s.name != "register") for n in sizes]
        column = [round(max(0.0, _used(takes, m) - a), 1) for m, a in zip(rows, around, strict=True)]
        if any(column):
            lines.append(f"{resource} = {[int(v) if v == int(v) else v for v in column]}")
    return lines


def _register_bit(stated: Mapping[str, Any], found: Mapping[Sweep, Sequence[Measured]]) -> dict[str, float]:
    """What one bit of a register takes."""
    sweep, rows = next((s, rows) for s, rows in found.items() if s.name == "register")
    bits = register_bits(sweep.make(sweep.sizes[0]))
    return {r: _used(takes, rows[0]) / bits for r, takes in stated["resources"].items()}


def _used(takes: Mapping[str, float], m: Measured) -> float:
    return sum(m.cells.get(cell, 0) * n for cell, n in takes.items())
