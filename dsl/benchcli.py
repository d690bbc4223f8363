"""`gemel bench`: workloads on this CPU beside installed peers; kernels as hardware beside published figures."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gemel.errors import ArgumentError, ToolError

if TYPE_CHECKING:
    from gemel.bench.session import Plan, Times
    from gemel.bench.workload import Workload

console = Console()

Names = Annotated[list[str] | None, typer.Argument(metavar="NAME...", help="Workloads or groups, by how they begin.")]
Threads = Annotated[int, typer.Option(min=1, help="Cores for each contender.")]
Quick = Annotated[bool, typer.Option("--quick", help="Few and short turns.")]
Json = Annotated[Path | None, typer.Option(help="Write the record here, and a picture beside it (.svg).")]
Listed = Annotated[bool, typer.Option("--list", help="Name the workloads and the contenders, and end.")]
Clock = Annotated[str, typer.Option(help="wall, or cpu: time of the process alone, for a busy machine and 1 thread.")]
Only = Annotated[str, typer.Option(help="Contenders, with commas; all that are installed by default.")]
Hardware = Annotated[bool, typer.Option("--hardware", help="Kernels as hardware beside published figures.")]
Target = Annotated[str, typer.Option(help="With --hardware: a target for all kernels.")]
Family = Annotated[str, typer.Option(help="With --hardware: the cells that yosys maps to: xcup, xc7, ecp5, ice40.")]
Identity = Annotated[bool, typer.Option("--identity", help="With --hardware: compare the bits of every engine.")]


def bench(
    names: Names = None,
    threads: Threads = 1,
    quick: Quick = False,
    json: Json = None,
    listed: Listed = False,
    clock: Clock = "wall",
    contenders: Only = "",
    hardware: Hardware = False,
    target: Target = "",
    family: Family = "",
    identity: Identity = False,
) -> None:
    """Measure workloads on this CPU beside NumPy, Numba, PyTorch, JAX and ONNX Runtime, as far as these are installed.

    Each result is checked first. In a checkout, `npbench` and `polybench` are groups too.
    With `--hardware`, kernels become hardware, are simulated natively and in Verilator, synthesised by yosys, and shown
    beside the figures that other tools have published.
    """
    if hardware:
        return _hardware(
            names or [], listed, json, {"target": target, "family": family, "quick": quick, "identity": identity}
        )
    from gemel.bench.catalogue import catalogue, chosen, suites_here
    from gemel.bench.session import QUICK, Plan

    if clock not in ("wall", "cpu") or (clock == "cpu" and threads > 1):
        raise ArgumentError(f"no clock {clock!r} here", code="A06", mend="wall, or with one thread cpu")
    plan = replace(QUICK if quick else Plan(), threads=threads, clock=clock, suites=suites_here())
    known = catalogue(plan.suites)
    if listed:
        return _list(known)
    some = chosen(known, names or [], threads)
    first = not names or any("first result".startswith(n) or n == "overhead" for n in names)
    if not some and not first:
        raise ArgumentError(
            f"there is no workload {names[0] if names else ''!r}", code="A09", mend="gemel bench --list"
        )
    _show(_measured(plan, some, _contenders(contenders), first), json)


def _hardware(names: list[str], listed: bool, path: Path | None, settings: dict[str, Any]) -> None:
    from gemel.bench.hardware import command
    from gemel.bench.hardware.measure import Settings

    if listed:
        command.listed(console)
    else:
        command.run(console, names, Settings(**settings), path)


def _contenders(asked: str) -> list[str]:
    from gemel.bench.contenders.known import MODULES, OURS, installed, missing

    names = asked.split(",") if asked else installed()
    for name in names:
        if name not in MODULES:
            raise ArgumentError(f"there is no contender {name!r}", code="A06", mend=f"choose from {', '.join(MODULES)}")
        if missing(name):
            raise ToolError(f"{name} is not installed", code="X01", mend=f"pip install {' '.join(missing(name))}")
    return names if OURS in names else [OURS, *names]


def _list(known: list[Workload]) -> None:
    from gemel.bench.contenders.known import MODULES, missing

    table = Table("group", "workload")
    for w in known:
        table.add_row(w.group, escape(w.name))
    console.print(table)
    for name in MODULES:
        lacks = " ".join(missing(name))
        console.print(f"{name}: {'missing; pip install ' + lacks if lacks else 'installed'}")


def _measured(plan: Plan, some: list[Workload], names: list[str], first: bool) -> dict[str, Any]:
    """The record of a run."""
    from gemel.bench import machine, record
    from gemel.bench.session import Session

    measured: list[tuple[Workload, dict[str, Times]]] = []
    starts: list[dict[str, Any]] = []
    start = {"machine": machine.machine(), "date": machine.now()}
    before = machine.load()
    with console.status("starting") as status, Session(plan, names) as session:
        versions, peaks = session.versions(), session.roofs()
        say: Callable[[str], None] = status.update
        with suppress(KeyboardInterrupt):  # what has been measured is shown
            for n, w in enumerate(some, 1):
                measured.append((w, session.measure(w, say)))
                if n % 5 == 0 or n == len(some):
                    peaks = {k: max(v, peaks[k]) for k, v in session.roofs().items()}
            if first:
                starts = _first(plan, list(session.workers), say)
    rows = [record.row(w, times, record.roof(w, peaks, plan.threads)) for w, times in measured] + starts
    load = {"start": before, "end": machine.load()}
    return record.record(plan, {**start, "load": load, "versions": versions, "roofs": peaks}, rows)


def _first(plan: Plan, names: list[str], say: Callable[[str], None]) -> list[dict[str, Any]]:
    from gemel.bench import fresh, record

    found = fresh.measure(names, plan, say)
    return [record.compared({"workload": name, "group": "overhead"}, times) for name, times in found.items()]


def _show(data: dict[str, Any], path: Path | None) -> None:
    from gemel.bench import picture, record, report

    console.print(report.heading(data), highlight=False)
    console.print(report.table(data["rows"], ""))
    for line in report.notes(data["rows"]):
        console.print(escape(line), highlight=False)
    for line in report.failures(data["rows"]):
        console.print(f"[red]{escape(line)}[/]", highlight=False)
    if data["mean ratio"]:
        console.print(f"geometric mean of best peer / ours: {data['mean ratio']:.2f}")
    if path is not None:
        record.write(path, data)
        path.with_suffix(".svg").write_text(picture.svg(data), encoding="utf-8")
