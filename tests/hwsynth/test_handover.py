"""The folder for a hardware team: what is in it, and that it works without Gemel."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from designs import DESIGNS
from needs import needs

from gemel.errors import GemelError, SynthesisError
from gemel.hwsynth import tools
from gemel.hwsynth.handover.interface import Interface
from gemel.hwsynth.handover.trace import trace
from gemel.hwsynth.handover.vectors import RUNS, runs
from gemel.hwsynth.targets import files, targets

KINDS = {"ecp5": "lpf", "ice40": "pcf", "xilinx7": "xdc", "xcup": "xdc"}


def folder(name: str, where: Path, **options: str) -> Path:
    return Path(DESIGNS[name].synth(**options).write(where / name))


def run(command: list[str], where: Path, status: int = 0) -> str:
    done = subprocess.run(command, cwd=where, capture_output=True, text=True, timeout=300)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def icarus(made: Path, status: int = 0) -> str:
    """What the testbench prints, built from the files that the file list names."""
    compiler, runner = tools.icarus()
    name = made.name
    rtl = [f"rtl/{n}" for n in (made / "rtl" / f"{name}.f").read_text().split()]
    run([compiler, "-g2012", "-Wall", "-Wno-timescale", "-o", "tb/tb", *rtl, f"tb/{name}_tb.sv"], made)
    return run([runner, "-n", "tb"], made / "tb", status)


@pytest.mark.parametrize("name", ["gemm", "softmax", "search"])
def test_the_testbench_checks_itself(name: str, tmp_path: Path) -> None:
    needs("icarus")
    made = folder(name, tmp_path)
    assert icarus(made) == f"PASS {name}: {RUNS} runs\n"
    vectors = next((made / "tb" / "vectors").glob("*.out.hex"))
    first, *rest = vectors.read_text().split()
    vectors.write_text("\n".join([f"{int(first, 16) ^ 1:x}", *rest]) + "\n")
    assert f"FAIL {name}: 1 differences" in icarus(made, status=1)


def test_a_run_that_takes_another_time_fails(tmp_path: Path) -> None:
    needs("icarus")
    made = folder("prefix", tmp_path)
    cycles = made / "tb" / "vectors" / "cycles.hex"
    cycles.write_text("".join(f"{int(n, 16) + 1:x}\n" for n in cycles.read_text().split()))
    assert "expected after" in icarus(made, status=1)


@pytest.mark.slow
@pytest.mark.parametrize("reset", ["sync", "async", "none"])
@pytest.mark.parametrize("name", DESIGNS)
def test_every_design_passes_its_testbench(name: str, reset: str, tmp_path: Path) -> None:
    needs("icarus")
    assert icarus(folder(name, tmp_path, reset=reset)).startswith(f"PASS {name}")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gemm", "fir", "softmax", "average"])
def test_cocotb_from_a_clean_directory(name: str, tmp_path: Path) -> None:
    needs("icarus")
    if importlib.util.find_spec("cocotb") is None:
        pytest.skip("cocotb is not installed")
    made = folder(name, tmp_path)
    assert "4 tests, 0 failed" in run([sys.executable, "run_cocotb.py"], made / "tb")


@pytest.mark.slow
def test_fusesoc_runs_the_testbench(tmp_path: Path) -> None:
    needs("icarus")
    if importlib.util.find_spec("fusesoc") is None:
        pytest.skip("fusesoc is not installed")
    made = folder("gemm", tmp_path)
    command = [sys.executable, "-m", "fusesoc.main", "--cores-root", ".", "run", "--target=sim", "gemel:kernels:gemm"]
    assert "PASS gemm" in run(command, made)


@pytest.mark.slow
def test_the_synthesis_script_does_what_it_says(tmp_path: Path) -> None:
    needs("yosys", "icarus")
    made = folder("average", tmp_path)
    script = (made / "syn" / "average.ys").read_text()
    program = f"""
from pyosys import libyosys as ys
d = ys.Design()
for line in {script!r}.splitlines():
    if not line.startswith("#"): ys.run_pass(line, d)
"""
    run([sys.executable, "-c", program], made / "syn")
    assert "TRELLIS_FF" in (made / "syn" / "cells.txt").read_text()


def test_pages_and_facts_say_what_is_there(tmp_path: Path) -> None:
    made = folder("search", tmp_path)
    sheet = (made / "datasheet.md").read_text()
    facts = json.loads((made / "report.json").read_text())
    text = (made / "rtl" / "search.sv").read_text()
    for port in facts["ports"]:
        assert f"| `{port['name']}` | {port['direction']} |" in sheet
        assert re.search(rf"\b{port['name']},?$", text, re.MULTILINE)
    assert "R01: " in sheet and "designs.py:" in sheet  # the check of an index
    assert facts["cycles"] is None and len(facts["runs"]) == RUNS
    assert [e["code"] for e in facts["errors"]] == [1]
    assert f"{made.parent}" not in "".join(p.read_text() for p in made.rglob("*") if p.is_file())


def test_the_datasheet_has_area_clock_and_proof(tmp_path: Path) -> None:
    design = DESIGNS["prefix"].synth()
    before = (design.write(tmp_path / "before") / "datasheet.md").read_text()
    assert "None was made before this folder was written" in before
    area = design.report.estimate.resources
    assert " | ".join(f"{round(n):,}" for n in area.values()) in before and design.report.clock in before
    proof = design.prove(mutants=2)
    after = (design.write(tmp_path / "after") / "datasheet.md").read_text()
    assert f"for all inputs: {proof.status}." in after and "2 mutants: " in after
    assert all(f"| {o.verdict} | {o.name} |" in after for o in proof.obligations)


def test_nothing_names_a_place_of_this_machine(tmp_path: Path) -> None:
    made = folder("fir", tmp_path)
    own = str(Path(__file__).parent)
    assert [p for p in made.rglob("*") if p.is_file() and own in p.read_text()] == []


def test_a_target_of_ones_own_has_constraints_a_script_and_a_capacity(tmp_path: Path) -> None:
    text = files.place("ecp5").read_text()
    for old, new in (('"lpf"', '"xdc"'), ('"synth_ecp5"', '"synth_nexus"'), ("bits = 3833856", "bits = 9")):
        assert old in text
        text = text.replace(old, new)
    mine = tmp_path / "mine.toml"
    mine.write_text(text)
    made = folder("transpose", tmp_path, target=str(mine))
    assert "create_clock" in (made / "constraints" / "transpose.xdc").read_text()
    assert "synth_nexus -top transpose" in (made / "syn" / "transpose.ys").read_text()
    with pytest.raises(SynthesisError, match="the largest mine, LFE5U-85F, has 9 in memories") as error:
        folder("softmax", tmp_path, target=str(mine))
    assert error.value.code == "H04"
    mine.write_text(text.replace('"xdc"', '"qsf"'))
    with pytest.raises(SynthesisError, match="no constraints are in the format 'qsf'"):
        folder("transpose", tmp_path, target=str(mine))


@pytest.mark.parametrize("target", targets())
def test_constraints_fit_the_target(target: str, tmp_path: Path) -> None:
    made = folder("transpose", tmp_path, target=target)
    kind = KINDS.get(target, "sdc")
    text = (made / "constraints" / f"transpose.{kind}").read_text()
    wanted = {"lpf": 'FREQUENCY PORT "clk" 100 MHZ;', "pcf": "set_frequency clk 100"}
    assert wanted.get(kind, "create_clock -name clk -period 10.000") in text
    assert f"constraints/transpose.{kind}" in (made / "transpose.core").read_text()


@pytest.mark.parametrize("name", ["gemm", "gcd", "average"])
def test_the_picture_is_of_a_run(name: str) -> None:
    interface = Interface(DESIGNS[name].synth())
    first = runs(interface, ())[0]
    shown = dict(trace(interface, first).cycles)
    assert [n for n, row in shown.items() if row["start"]] == [0]
    assert [n for n, row in shown.items() if row["done"]] == [first.cycles]
    assert not shown[0]["busy"] and shown[1]["busy"] and not shown[first.cycles]["busy"]


def test_picture_and_page_are_well_formed(tmp_path: Path) -> None:
    made = folder("average", tmp_path)
    root = ET.parse(made / "waveform.svg").getroot()
    names = {e.text for e in root.iter() if e.get("class") == "n"}
    assert {"clk", "start", "busy", "done", "n", "result", "x_ren", "x_raddr", "x_rdata"} == names
    page = (made / "datasheet.html").read_text()
    assert "<svg" in page and "http" not in page.replace("http://www.w3.org/2000/svg", "")


def test_the_first_run_is_that_of_the_arguments(tmp_path: Path) -> None:
    data = np.array([5, 6, 7], np.uint8)
    made = Path(DESIGNS["crc"].synth().write(tmp_path / "crc", data))
    assert (made / "tb" / "vectors" / "data.in.hex").read_text().split()[:3] == ["5", "6", "7"]
    want = int(DESIGNS["crc"].kernel(data))
    assert int((made / "tb" / "vectors" / "result.out.hex").read_text().split()[0], 16) == want


def test_arguments_that_fail_leave_no_folder(tmp_path: Path) -> None:
    table, x = np.zeros(32, np.uint8), np.full(8, 200, np.uint8)
    with pytest.raises(GemelError):
        DESIGNS["lookup"].synth().write(tmp_path / "out", x, table)
    assert list(tmp_path.iterdir()) == []


def test_a_second_design_leaves_no_vectors_of_the_first(tmp_path: Path) -> None:
    DESIGNS["gemm"].synth().write(tmp_path)
    DESIGNS["fir"].synth().write(tmp_path)
    assert not (tmp_path / "tb" / "vectors" / "A.in.hex").exists()
