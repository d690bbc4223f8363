"""`gemel bench`: what it measures is right, and it measures what it says."""

from __future__ import annotations

import io
import json
import os
import time
import tomllib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from house.sources import ROOT

from gemel.bench import catalogue, machine, picture, record, roofline, worker
from gemel.bench.contenders import known
from gemel.bench.session import Plan, Session, Times
from gemel.bench.workload import Run, Workload
from gemel.bench.workloads import every

WORKLOADS = {w.name: w for w in every()}
SMALL = ("gemm 33x65x129", "small gemm 16", "call 16x16", "linear+gelu 32x256x256")
SUITES = str(ROOT / "benchmarks")
PLAN = Plan(rounds=2, seconds=0.01, patience=60.0)


def checked(w: Workload, contender: str) -> float:
    """The error of a contender's result."""
    maker = known.load(contender).RUNS[w.family]
    run: Run = maker(*w.arguments())
    return run.checked(w.expected(), w.rtol)


@pytest.mark.parametrize("contender", ["gemel", "numpy"])
@pytest.mark.parametrize("name", SMALL)
def test_small_results_are_right(name: str, contender: str) -> None:
    assert checked(WORKLOADS[name], contender) <= WORKLOADS[name].rtol


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in WORKLOADS if n not in SMALL])
def test_our_result_is_right(name: str) -> None:
    assert checked(WORKLOADS[name], "gemel") <= WORKLOADS[name].rtol


def test_every_family_has_a_run_of_ours_and_of_numpys() -> None:
    families = {w.family for w in WORKLOADS.values()}
    assert families == set(known.load("gemel").RUNS)
    assert families - set(known.load("numpy").RUNS) == {"gemm_bf16"}  # which NumPy doesn't have


def test_names_are_unique() -> None:
    every_name = [w.name for w in catalogue.catalogue(SUITES)]
    assert len(every_name) == len(set(every_name)) > 100


@pytest.mark.parametrize("got", [[1.0, 2.5], [1.0, float("nan")], [1.0]])
def test_a_wrong_result_is_refused(got: list[float]) -> None:
    with pytest.raises(ValueError, match=r"wrong result|elements"):
        Run(lambda: np.array(got)).checked(np.array([1.0, 2.0]), 1e-3)


def test_a_right_result_has_its_error() -> None:
    assert Run(lambda: np.array([1.0, 2.002])).checked(np.array([1.0, 2.0]), 1e-2) == pytest.approx(1e-3)


# -------------------------------------------------------------------------------------------------------------- suites


def test_sizes_of_suites_are_those_of_their_kernels() -> None:
    sizes = tomllib.loads(Path(SUITES, "suites", "sizes.toml").read_text())
    import importlib

    for suite, kernels in sizes.items():
        cases = {c.name: c for c in importlib.import_module(f"suites.{suite}").suite.cases}
        for name, presets in kernels.items():
            for preset, at in presets.items():
                assert set(at) == set(cases[name].small), f"{suite}/{name} {preset}"


def test_a_suite_kernel_is_restored_before_each_call() -> None:
    (w,) = catalogue.chosen(catalogue.catalogue(SUITES), ["npbench/lu S"], 1)
    run = w.makers["gemel"](*w.arguments())
    for _ in range(2):
        assert run.checked(w.expected(), w.rtol) <= w.rtol


# ------------------------------------------------------------------------------------------------------------ measuring


def answers(*commands: dict[str, Any]) -> list[dict[str, Any]]:
    """What a worker for NumPy answers, in this process."""
    out = io.StringIO()
    worker.serve("numpy", "", io.StringIO("".join(json.dumps(c) + "\n" for c in commands)), out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_worker_loads_checks_and_times(tmp_path: Path) -> None:
    w = WORKLOADS["small gemm 16"]
    expected = tmp_path / "expected.npy"
    np.save(expected, w.expected())
    load = {"do": "load", "workload": w.name, "expected": str(expected)}
    hello, loaded, times, _, after = answers(
        {"do": "hello"},
        load,
        {"do": "time", "seconds": 0.0, "least": 3},
        {"do": "drop"},
        {"do": "time", "seconds": 0.0, "least": 1},
    )
    assert hello["facts"]["numpy"] == np.__version__
    assert 0 < loaded["error"] < w.rtol
    assert len(times["wall"]) == len(times["cpu"]) == 3 and 0 < min(times["wall"]) < 1e-3
    assert "nothing is loaded" in after["failed"]


def test_short_calls_are_repeated_as_often_as_they_are_short_once_warm() -> None:
    calls = 0

    def call() -> None:
        nonlocal calls
        calls += 1
        if calls < 5:
            time.sleep(0.01)

    own = worker.Worker("numpy", "")
    own.run = Run(call)
    assert own._repeats() > 100  # the first calls alone would say: once


def test_a_worker_tells_of_a_wrong_result(tmp_path: Path) -> None:
    expected = tmp_path / "expected.npy"
    np.save(expected, np.zeros(256))
    (answer,) = answers({"do": "load", "workload": "small gemm 16", "expected": str(expected)})
    assert "wrong result" in answer["failed"]


def state(pid: int) -> str:
    """How the system sees a process: T is stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc")
def test_a_session_alternates_and_stops_who_waits() -> None:
    with Session(PLAN, ["gemel", "numpy"]) as session:
        assert {"gemel", "numpy"} <= set(session.versions())
        found = session.measure(WORKLOADS["small gemm 16"])
        assert all(len(t.medians) == PLAN.rounds and not t.failed for t in found.values())
        processes = [w.process for w in session.workers.values()]
        assert [state(p.pid) for p in processes if p] == ["T", "T"]
        assert session.roofs()["flops"] > 1e9
    assert all(p and p.poll() is not None for p in processes)


@pytest.mark.slow
def test_a_worker_that_dies_is_told_and_made_anew() -> None:
    with Session(PLAN, ["numpy"]) as session:
        own = session.workers["numpy"]
        own.ask(60.0, do="hello")
        assert own.process
        own.process.kill()
        assert own.ask(60.0, do="hello") == {"failed": "the process ended"}
        assert "facts" in own.ask(60.0, do="hello")


def test_no_setting_holds_a_blas_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    made = machine.environment(2)
    assert "OPENBLAS_CORETYPE" not in made
    assert made["OPENBLAS_NUM_THREADS"] == made["GEMEL_THREADS"] == made["NUMBA_NUM_THREADS"] == "2"


def test_cores_are_among_those_of_this_process() -> None:
    if hasattr(os, "sched_getaffinity"):
        assert set(machine.cores(1)) <= os.sched_getaffinity(0)


# -------------------------------------------------------------------------------------------------------------- records


def timed(*medians: float) -> Times:
    """Times with these medians."""
    return Times(medians=list(medians), samples=list(medians))


def test_a_row_compares_with_the_best_peer() -> None:
    peers = {"gemel": timed(2.0, 1.0, 3.0), "numpy": timed(8.0), "jax": timed(4.0), "numba": Times(failed="no")}
    row = record.compared({"workload": "w"}, peers, {"seconds": 1.0, "bound": "L2"})
    assert row["best"] == {"peer": "jax", "ratio": 2.0}
    assert row["reached"] == 0.5
    assert row["times"]["numba"] == {"failed": "no"}
    assert record.mean_ratio([row, {"best": {"ratio": 8.0}}, {}]) == pytest.approx(4.0)


def test_a_failed_turn_ends_a_contender() -> None:
    t = timed(1.0)
    t.add({"failed": "crashed"}, "wall")
    assert t.median is None and t.record() == {"failed": "crashed"}


def test_the_roof_is_set_by_what_takes_longer() -> None:
    roofs = {"flops": 1e11, "L1": 4e11, "L2": 2e11, "L3": 1e11, "DRAM": 2e10}
    product, total = WORKLOADS["gemm 512"], WORKLOADS["sum 1e7"]
    limit = record.roof(product, roofs, 1)
    assert limit == {"seconds": 2 * 512**3 / 1e11, "bound": "arithmetic"}
    limit = record.roof(total, roofs, 1)
    assert limit and limit["bound"] in ("DRAM", "L3") and limit["seconds"] >= 4e7 / 1e11
    assert record.roof(WORKLOADS["fork and join"], roofs, 1) is None


def test_the_picture_has_a_bar_for_each_row() -> None:
    rows = [record.compared({"workload": f"<{n}>"}, {"gemel": timed(1.0), "numpy": timed(n)}) for n in (0.2, 1.0, 40.0)]
    facts = {
        "machine": {"cpu": "a & b"},
        "load": {"start": [1.0]},
        "date": "2026-01-01",
        "settings": {"threads": 1, "clock": "wall"},
    }
    root = ElementTree.fromstring(picture.svg({**facts, "rows": rows}))
    names = [e.text for e in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"<0.2>", "<1.0>", "<40.0>"} <= set(names)
    assert len(list(root.iter("{http://www.w3.org/2000/svg}rect"))) == 1 + len(rows)


@pytest.mark.slow
def test_peaks_are_plausible() -> None:
    assert 1e9 < roofline.arithmetic() < 1e13
    assert roofline.bandwidth(16 << 10) > 1e9
