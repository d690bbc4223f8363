"""Outside tools as processes: they end with the process that started them, whatever ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

TOOL = "import os, time; open('pid', 'w').write(str(os.getpid())); os.rename('pid', 'begun'); time.sleep(60)"

WAITS = f"""
import sys, threading
from pathlib import Path
from gemel.hwsynth import tools

def work():
    tools.run("a tool", [sys.executable, "-c", {TOOL!r}], Path("."), 60)

if "thread" in sys.argv:
    threading.Thread(target=work, daemon=True).start()
    while not Path("begun").exists():
        pass
else:
    work()
"""


def started(folder: Path, *args: str) -> tuple[subprocess.Popen[str], int]:
    """A process that runs a tool, and the tool's number."""
    child = subprocess.Popen([sys.executable, "-c", WAITS, *args], cwd=folder, text=True)
    until = time.monotonic() + 60
    while not (folder / "begun").exists() and time.monotonic() < until:
        time.sleep(0.01)
    return child, int((folder / "begun").read_text())


def ends(pid: int) -> bool:
    """Whether a process is gone soon; one that nobody has asked for its exit code counts as gone."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.01)
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent has been killed")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_tool_ends_with_a_process_that_is_killed(tmp_path: Path, number: signal.Signals) -> None:
    child, tool = started(tmp_path)
    os.kill(child.pid, number)
    assert child.wait(30) == -number
    assert ends(tool)


def test_a_tool_ends_when_the_program_does_that_waits_for_it_in_a_thread(tmp_path: Path) -> None:
    child, tool = started(tmp_path, "thread")
    assert child.wait(30) == 0
    assert ends(tool)
