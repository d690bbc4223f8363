"""Long simulations: what a terminal shows, and Ctrl-C."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gemel.hwsynth.progress import Progress, shown, tell

SCRIPT = """
import sys
import gemel as gm
from gemel import i64

@gm.kernel
def count(n: i64) -> i64:
    total: i64 = 0
    while total < n:
        total += 1
    return total

design = count.synth()
design.simulate(3)
print("begun", flush=True)
try:
    design.simulate(1 << 60, max_cycles=1 << 62)
except KeyboardInterrupt:
    print("ended", design.simulate(70).outputs, flush=True)
"""


def test_ctrl_c_ends_a_run_at_once_and_the_design_lives_on(tmp_path: Path) -> None:
    (tmp_path / "long.py").write_text(SCRIPT)
    with subprocess.Popen([sys.executable, tmp_path / "long.py"], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "begun\n"
        time.sleep(0.3)
        assert child.poll() is None
        sent = time.monotonic()
        os.kill(child.pid, signal.SIGINT)
        assert child.stdout.readline() == "ended 70\n"
        assert time.monotonic() - sent < 5
        assert child.wait(60) == 0


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_line_comes_after_a_while_and_goes() -> None:
    out, clock = Terminal(), Clock()
    progress = Progress(40_000_000, out, clock)
    clock.now += 0.5
    progress.tell(5_000_000)
    assert out.getvalue() == ""
    clock.now += 1.5
    progress.tell(20_000_000)
    line = "20,000,000 cycles, 10.0 Mcycle/s, 50 % of 40,000,000, 2 s left"
    assert out.getvalue() == f"\r{line}"
    clock.now += 0.1
    progress.tell(21_000_000)
    assert out.getvalue() == f"\r{line}"
    progress.clear()
    assert out.getvalue().endswith(f"\r{' ' * len(line)}\r")


def test_without_a_total_there_is_no_share() -> None:
    assert Progress(None, Terminal(), Clock()).line(3_000_000, 2.0) == "3,000,000 cycles, 1.5 Mcycle/s"


def test_nothing_is_shown_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(sys, "stderr", out)
    with shown(10):
        tell(5)
    assert out.getvalue() == ""


def test_a_terminal_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    out = Terminal()
    monkeypatch.setattr(sys, "stderr", out)
    monkeypatch.setattr("gemel.hwsynth.progress.PATIENCE", 0.0)
    with shown(10):
        tell(5)
    tell(7)
    assert "5 cycles" in out.getvalue() and "7 cycles" not in out.getvalue()
