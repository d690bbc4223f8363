"""Code made ahead of time: for this or another machine, without need of Python when it runs."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

from gemel.codegen import export, tuned, widediv
from gemel.codegen.folded import Compute
from gemel.codegen.header import header
from gemel.codegen.lower import Lowered, lower
from gemel.codegen.pipeline import alone, schedule_for
from gemel.codegen.targets import NATIVE, Target
from gemel.semantics.errors import CompileError, GemelError, ToolError
from gemel.semantics.ir import Kernel
from gemel.semantics.pipeline import run

SECONDS = 600
"""How long LLVM or a linker may take."""

HERE = ("cc", "gcc", "clang")
"""C compilers that link for this machine."""


@dataclass(frozen=True)
class Library:
    """A kernel as C functions for a target: as text, object, shared library and header.

    `source` is the kernel, `scheduled` the same with the order of computation decided: it has the bits that the code
    has. Parallel loops run in the caller's thread. `compute` runs kernels here; None: nothing is computed beforehand.
    """

    source: Kernel
    scheduled: Kernel
    target: Target
    compute: Compute | None = None

    @cached_property
    def kernel(self) -> Kernel:
        """What the passes made of the kernel."""
        return run(self.scheduled, alone(self.compute), "cpu")

    @cached_property
    def _made(self) -> tuple[Lowered, dict[str, str]]:
        for vectors in (True, False):
            target = self.target
            lowered = lower(self.kernel, target.half, vectors, alone=True, scales=target.scales, dots=target.dots)
            made = _generate(self.target, self._job(lowered))
            if made is not None:
                return lowered, made
        raise CompileError(f"{self.source.name}: vectors of wide integers are left", code="C02", span=self.source.span)

    def _job(self, lowered: Lowered) -> dict[str, Any]:
        text = export.exported(self.kernel, lowered, self.target.half, self.target.pointer_bits)
        return {
            "name": self.source.name,
            "text": text,
            "helpers": [widediv.linked()] if widediv.needed(text) else [],
            "internal": ["kernel"],
            "level": 2 if lowered.vectors else 3,
            "unroll": not lowered.vectors,
        }

    @property
    def vectors(self) -> bool:
        """Whether there are explicit vector loops in the code."""
        return self._made[0].vectors

    @property
    def llvm(self) -> str:
        """The LLVM IR as generated."""
        return self._made[1]["llvm"]

    @property
    def optimized(self) -> str:
        """The LLVM IR after LLVM's passes."""
        return self._made[1]["optimized"]

    @property
    def asm(self) -> str:
        """The assembly."""
        return self._made[1]["asm"]

    @cached_property
    def object(self) -> bytes:
        """The object file."""
        return base64.b64decode(self._made[1]["object"])

    @cached_property
    def header(self) -> str:
        """The C header."""
        return header(self.source, self.kernel, self._made[0], self.target)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes a file of the kind that its name ends in: .so (.dylib), .o, .h, .s or .ll; all of it or nothing.

        Raises CompileError for another ending; ToolError where it can't be written, or no linker is found.
        """
        place = Path(path)
        kinds = {".o": "object", ".h": "header", ".s": "asm", ".ll": "llvm", ".so": "shared", ".dylib": "shared"}
        if place.suffix not in kinds:
            raise CompileError(
                f"a file that ends in {place.suffix!r} is of no kind known here",
                code="C01",
                mend=f"name it to end in one of {', '.join(kinds)}",
            )
        content = self._shared() if kinds[place.suffix] == "shared" else getattr(self, kinds[place.suffix])
        write_whole(place, content if isinstance(content, bytes) else content.encode())
        return place

    def _shared(self) -> bytes:
        linker = _linker(self.target)
        with tempfile.TemporaryDirectory() as scratch:
            made, linked = Path(scratch, "kernel.o"), Path(scratch, "linked")
            made.write_bytes(self.object)
            _run([linker, "-shared", "-o", str(linked), str(made), "-lm"])
            return linked.read_bytes()

    def __call__(self, *args: Any) -> NoReturn:
        """Raises CompileError: the code is for another machine."""
        raise CompileError(
            f"{self.source.name} was compiled for {self.target.name}; it can't be called here",
            code="C03",
            span=self.source.span,
            mend='leave the target out, or say target="native"',
        )

    def __repr__(self) -> str:
        return f"<kernel {self.source.name} compiled for {self.target.name}>"


def library(source: Kernel, target: Target, compute: Compute | None = None) -> Library:
    """The C functions of a source-level kernel with known sizes for a target."""
    steps = tuned.steps(source) if target.name == NATIVE else ""
    return Library(source, run(source, schedule_for(target.host, steps), "cpu"), target, compute)


def write_whole(place: Path, content: bytes) -> None:
    """Writes a file, all of it or nothing.

    Raises ToolError where the place can't be written.
    """
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent) as scratch:
            made = Path(scratch, place.name)
            made.write_bytes(content)
            made.replace(place)
    except OSError as error:
        raise ToolError(f"{place} can't be written: {error}", code="X02", mend="choose another place") from None


def _generate(target: Target, job: dict[str, Any]) -> dict[str, str] | None:
    """What `machine.generate` makes, in a process of its own; None where vectors of wide integers were left."""
    whole = {
        **job,
        "triple": target.triple,
        "cpu": target.cpu,
        "features": target.features,
        "abi": target.abi,
        "objects": True,
    }
    from gemel.codegen import machine

    path = os.pathsep.join(filter(None, sys.path))
    ended = _ended([sys.executable, "-P", machine.__file__], json.dumps(whole), {**os.environ, "PYTHONPATH": path})
    if ended.returncode == machine.WIDE_VECTORS:
        return None
    if ended.returncode:
        raise _refused(target, ended.returncode, ended.stderr)
    made: dict[str, str] = json.loads(ended.stdout)
    return made


def _refused(target: Target, status: int, words: str) -> GemelError:
    from gemel.codegen import machine

    if status == machine.UNKNOWN:
        return CompileError(
            f"this LLVM has no code generator for {target.name} ({target.triple})",
            code="C01",
            mend="install llvmlite from PyPI: its builds have all targets; or choose another target",
        )
    what = "rejects the generated code" if status == machine.REJECTED else "gave up"
    return CompileError(f"LLVM {what} for {target.name}: {words.strip()[-2000:]}", code="C02")


def _linker(target: Target) -> str:
    names = (*target.linkers, *HERE) if target.here else target.linkers
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        mend = f"install one of {', '.join(names)}, or save the object (.o) and link it yourself"
        if not names:
            mend = "save the object (.o) and link it with your own tools"
        raise ToolError(f"no linker for {target.name} was found", code="X01", mend=mend)
    return found


def _run(command: Sequence[str]) -> None:
    """Runs a linker.

    Raises ToolError where it fails, as well.
    """
    ended = _ended(command)
    if ended.returncode:
        raise ToolError(f"{command[0]} failed: {ended.stderr.strip()[-2000:]}", code="X02")


def _ended(
    command: Sequence[str], given: str = "", env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a program to its end, whatever its exit code.

    Raises ToolError where it can't be started or takes too long.
    """
    try:
        return subprocess.run(list(command), input=given, capture_output=True, text=True, timeout=SECONDS, env=env)
    except OSError as error:
        raise ToolError(f"{command[0]} can't be run: {error.strerror}", code="X01") from None
    except subprocess.TimeoutExpired:
        raise ToolError(f"{command[0]} took more than {SECONDS} s", code="X03") from None
