"""Certificates: what they say, that a folder is proved anew from its files, and what is refused."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import z3
from typer.testing import CliRunner

import gemel as gm
from gemel import f32, i32, u8
from gemel.checkcli import opened
from gemel.cli import app
from gemel.errors import ArgumentError, GemelError, ToolError
from gemel.hwsynth.prove import certificate, work
from gemel.hwsynth.prove.subject import subject_of
from gemel.semantics.solvers import new_solver
from gemel.semantics.symbolic import running
from gemel.semantics.symbolic.running import OutOfTime, deep, watch

TABLE = np.array([3, 1, 4, 1, 5, 9, 2, 6], np.int32)


@gm.kernel
def scaled(A: i32[8], s: i32) -> i32[8]:
    B = gm.empty((8,), i32)
    for i in range(8):
        B[i] = A[i] * s + TABLE[i]
    return B


@gm.kernel
def banked(A: i32[8], J: u8[8]) -> i32[8]:
    B = gm.zeros((8,), i32)
    for i in range(8):
        B[i] = A[7 - i] + gm.cast(J[i], i32)
    return B


@gm.kernel
def fsum(A: f32[3]) -> f32:
    t: f32 = 0.0
    for i in range(3):
        t += A[i]
    return t


def ran(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["check", *arguments], env={"COLUMNS": "200"}, catch_exceptions=True)
    if isinstance(done.exception, GemelError):
        raise done.exception
    return done.exit_code, done.output


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    design = scaled.synth()
    assert design.prove(mutants=4).ok
    return Path(design.write(tmp_path_factory.mktemp("made") / "scaled"))


@pytest.fixture
def copied(folder: Path, tmp_path: Path) -> Path:
    for path in (*folder.rglob("*.gemel"), *folder.rglob("*.sv"), *folder.rglob("*.json")):
        into = tmp_path / path.relative_to(folder)
        into.parent.mkdir(parents=True, exist_ok=True)
        into.write_bytes(path.read_bytes())
    return tmp_path


def edited(folder: Path, name: str, old: str, new: str) -> None:
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new, 1))


def test_the_record_says_what_was_shown_of_what(folder: Path) -> None:
    fields = json.loads((folder / certificate.RECORD).read_text())
    assert (fields["status"], fields["complete"]) == ("proved", True)
    assert {"pyosys", "z3-solver", "gemel"} <= fields["tools"].keys()
    assert [*fields["rtl"]][-1] == "rtl/scaled.sv"
    assert fields["mutants"]["refuted"] >= 4
    assert all(o["status"] == "proved" and o["seconds"] >= 0 for o in fields["obligations"])
    assert fields["assumed"] and fields["cycles"]


def test_a_folder_is_proved_from_its_files_alone(copied: Path) -> None:
    code, told = ran(str(copied), "--mutants", "2")
    assert code == 0
    assert "scaled: proved: the text computes the kernel" in told
    assert "edited" not in told


def test_text_that_was_edited_and_is_right_is_proved(copied: Path) -> None:
    edited(copied, "rtl/scaled.sv", "endmodule", "  // reviewed\nendmodule")
    code, told = ran(str(copied), "--mutants", "0")
    assert code == 0
    assert "rtl/scaled.sv was edited after the certificate was made" in told
    assert "the text as it was edited computes the kernel" in told


def test_text_that_was_edited_and_is_wrong_is_refuted_with_arrays(copied: Path, tmp_path: Path) -> None:
    edited(copied, "rtl/scaled.sv", "assign B_wdata = ", "assign B_wdata = 32'sd1 + ")
    record = tmp_path / "new.json"
    code, told = ran(str(copied), "--record", str(record))
    assert code == 1
    assert "the certificate says that this is proved; it isn't any more" in told
    shown = certificate.read(record.read_text()).fields["counterexample"]
    assert shown["found"] == (shown["expected"] + 1) % 2**32
    assert re.fullmatch(r"B\[\d\]", shown["where"])
    assert len(shown["arguments"]["A"]) == 8


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda t: t.replace('"complete": true', '"complete": false'), "it was changed after it was made"),
        (lambda t: t[: len(t) // 2], "it is no JSON"),
        (lambda t: "[]", "it isn't of the form"),
        (lambda t: t.replace("gemel proof 2", "gemel proof 7"), "it isn't of the form"),
        (lambda t: json.dumps({k: v for k, v in json.loads(t).items() if k != "rtl"}), "it has no valid 'rtl'"),
    ],
    ids=["changed", "cut off", "another kind", "another version", "incomplete"],
)
def test_a_corrupt_certificate_is_refused(copied: Path, change: Any, why: str) -> None:
    path = copied / certificate.RECORD
    path.write_text(change(path.read_text()))
    with pytest.raises(GemelError, match=re.escape(why)) as error:
        ran(str(copied))
    assert error.value.code == "H10"


def test_a_certificate_of_another_kernel_is_refused(copied: Path) -> None:
    edited(copied, certificate.KERNEL, "A[", "A[0 + ")
    with pytest.raises(GemelError, match=r"kernel.gemel isn't the file"):
        opened(copied)


def test_a_certificate_reads_no_files_elsewhere(copied: Path) -> None:
    fields = json.loads((copied / certificate.RECORD).read_text())
    fields["rtl"] = {"../../secret.sv": "0"}
    fields["digest"] = certificate._own(fields)
    (copied / certificate.RECORD).write_text(json.dumps(fields))
    with pytest.raises(GemelError, match="isn't in its folder"):
        opened(copied)


def test_a_folder_without_files_is_told(copied: Path) -> None:
    (copied / "rtl" / "scaled.sv").unlink()
    with pytest.raises(ToolError, match="can't be read"):
        opened(copied)


@pytest.mark.parametrize("make", [lambda: banked.schedule().partition("A", 0, 2).kernel.synth(), fsum.synth])
def test_what_is_read_from_a_folder_is_what_was_to_be_proved(make: Any, tmp_path: Path) -> None:
    design = make()
    where = Path(design.write(tmp_path / "made"))
    _, subject, _ = opened(where)
    own = subject_of(design)
    assert (subject.sv, subject.top, subject.cycles, subject.contracts) == (own.sv, own.top, own.cycles, own.contracts)
    assert str(subject.kernel) == str(own.kernel)
    for a, b in zip(subject.places.values(), own.places.values(), strict=True):
        assert a.names == b.names
        assert (a.layout is None) == (b.layout is None)
    assert json.loads((where / certificate.RECORD).read_text())["status"] == "unproved"


# ----------------------------------------------------------------------------------------------------------------- work


def test_what_was_found_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GEMEL_CACHE", str(tmp_path))
    monkeypatch.setenv("GEMEL_CACHE_MB", "16")
    subject, settings = subject_of(scaled.synth()), work.Settings(mutants=2)
    first = work.full_proof(subject, settings)
    monkeypatch.setattr(work, "_results", lambda *args: pytest.fail("it was known"))
    assert work.full_proof(subject, settings) == first
    with pytest.raises(BaseException, match="it was known"):
        work.full_proof(subject, replace(settings, anew=True))


def test_other_text_is_not_what_was_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    subject, settings = subject_of(scaled.synth()), work.Settings()
    unit = next(iter(subject.contracts))
    changed = replace(subject, sv=subject.sv.replace("// scaled", "// scaled by hand", 1))
    top, own = (work.Piece(name) for name in (subject.top, unit))
    assert work._key(subject, settings, top) != work._key(changed, settings, top)
    assert work._key(subject, settings, own) == work._key(changed, settings, own)
    assert work._key(subject, settings, own) != work._key(subject, replace(settings, seconds=1.0), own)


def test_work_goes_to_an_executor_and_comes_to_the_same() -> None:
    design = scaled.synth()
    alone = design.prove(mutants=4)
    with ThreadPoolExecutor(2) as executor:
        found = design.prove(mutants=4, client=executor)
    assert [(o.name, o.status) for o in found.obligations] == [(o.name, o.status) for o in alone.obligations]
    assert found.mutations is not None and alone.mutations is not None
    assert found.mutations.counts == alone.mutations.counts


@pytest.mark.slow
def test_work_goes_to_processes() -> None:
    design = scaled.synth()
    settings = work.Settings(mutants=2, anew=True)
    with work.processes(2) as executor:
        found = work.full_proof(subject_of(design), settings, design, executor)
    assert found.ok and found.mutations is not None


@pytest.mark.slow
def test_work_goes_to_a_dask_cluster() -> None:
    distributed = pytest.importorskip("distributed")
    with distributed.Client(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as client:
        assert scaled.synth().prove(mutants=0, client=client).ok


def test_what_runs_no_work_is_refused() -> None:
    with pytest.raises(ArgumentError, match="runs no work"):
        scaled.synth().prove(client=object())
    with pytest.raises(ArgumentError, match="0 processes"):
        scaled.synth().prove(workers=0)


def test_an_obligation_that_takes_too_long_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    from gemel.hwsynth.prove import proof as proving

    monkeypatch.setattr(proving.Run, "_settled", lambda self: [time.sleep(0.01) for _ in range(3000)])
    proof = work.full_proof(subject_of(scaled.synth()), work.Settings(mutants=0, timeout=0.2, anew=True))
    late = [o for o in proof.obligations if "takes more than 0.2 s" in o.detail]
    assert [o.status for o in late] == ["unknown"]
    assert proof.status == "unknown" and not proof.ok


def test_a_piece_in_time_is_not_stopped() -> None:
    seen = []

    def run() -> None:
        for n in range(4):
            with watch().piece():
                time.sleep(0.1)
            seen.append(n)

    deep(run, 0.3)
    assert seen == [0, 1, 2, 3]
    with pytest.raises(OutOfTime):
        deep(lambda: _piece(30), 0.2)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_limit_that_a_finaliser_swallows_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "AGAIN", 0.2)

    class Slow:
        def __del__(self) -> None:
            for _ in range(60):
                time.sleep(0.01)

    def work() -> None:
        with watch().piece():
            Slow()
            for _ in range(500):
                time.sleep(0.01)

    with pytest.raises(OutOfTime):
        deep(work, 0.1)


def _piece(seconds: float) -> None:
    with watch().piece():
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.01)


def test_ctrl_c_leaves_a_record_of_what_was_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = tmp_path / "record.json"
    seen: list[Any] = []

    def stop(fields: Any) -> None:
        seen.append(fields)
        if len(seen) == 3:
            raise KeyboardInterrupt

    design = scaled.synth()
    original = certificate.write

    def write(path: Path, fields: Any) -> None:
        original(path, fields)
        stop(fields)

    monkeypatch.setattr(certificate, "write", write)
    settings = work.Settings(mutants=0, anew=True)
    with pytest.raises(KeyboardInterrupt):
        certificate.run(subject_of(design), settings, 1, None, record, certificate.files_of(design), design)
    fields = certificate.read(record.read_text()).fields
    assert (fields["status"], fields["complete"], len(fields["obligations"])) == ("unknown", False, 2)
    assert not seen[0]["obligations"]  # there is a record before anything is found


class Broken(ThreadPoolExecutor):
    """An executor whose processes have ended, as those of a script without a guard do."""

    def submit(self, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_exception(BrokenProcessPool("terminated abruptly"))
        return future


def test_processes_that_end_are_told_with_a_mend() -> None:
    with pytest.raises(ToolError, match="__name__"):
        work.full_proof(subject_of(scaled.synth()), work.Settings(mutants=0), executor=Broken(1))


def test_the_thread_of_stopped_work_ends() -> None:
    ended = threading.Event()

    def run() -> None:
        try:
            _piece(30)
        finally:
            ended.set()

    threading.Timer(0.2, lambda: __import__("_thread").interrupt_main()).start()
    with pytest.raises(KeyboardInterrupt):
        deep(run)
    assert ended.wait(5)


def test_ctrl_c_ends_a_question_to_z3_and_what_would_come_after_it() -> None:
    a, b = z3.BitVecs("a b", 64)

    def asked() -> None:
        end = time.monotonic() + 20
        while time.monotonic() < end:  # one question may have its answer before the signal
            solver = new_solver()
            solver.set("timeout", 4000)
            solver.add(a * b == 0x7FFFFFFFFFFFFF1D, z3.UGT(a, 1), z3.UGT(b, 1), z3.ULT(a, 1 << 31))
            solver.check()

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            deep(asked)
    finally:
        signal.signal(signal.SIGINT, before)
