"""C programs around kernels compiled ahead of time: built for a target, run natively or under qemu-user."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gemel.codegen import header
from gemel.codegen.export import symbol
from gemel.codegen.objects import Library
from gemel.codegen.places import element_bytes, known_shape
from gemel.semantics.arguments import scalar
from gemel.semantics.convert import to_bits
from gemel.semantics.dtypes import FloatType, storage_bits
from gemel.semantics.interp import interpret
from gemel.semantics.ir import Buffer, Var
from gemel.semantics.storage import from_words, is_wide, to_words


@dataclass(frozen=True)
class Machine:
    """What builds and runs programs for a target; both are commands."""

    compiler: str
    emulator: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()


MACHINES = {
    "native": Machine("cc", (), ("cc",)),
    "x86-64": Machine("cc", (), ("cc", "x86-64")),
    "aarch64": Machine("aarch64-linux-gnu-gcc", ("qemu-aarch64",), ("aarch64-linux-gnu-gcc", "qemu-aarch64")),
    "riscv64": Machine("riscv64-linux-gnu-gcc", ("qemu-riscv64",), ("riscv64-linux-gnu-gcc", "qemu-riscv64")),
    "riscv64v": Machine(
        "riscv64-linux-gnu-gcc",
        ("qemu-riscv64", "-cpu", "rv64,v=true,vlen=256"),
        ("riscv64-linux-gnu-gcc", "qemu-riscv64"),
    ),
}

MAIN = """
#include <stdio.h>
#include <stdlib.h>
static void give(void *to, size_t size) {{ if (fread(to, 1, size, stdin) != size) exit(9); }}
static void take(const void *from, size_t size) {{ if (fwrite(from, 1, size, stdout) != size) exit(9); }}
{includes}
{functions}
int main(void) {{
{calls}
  return 0;
}}
"""


@dataclass(frozen=True)
class Run:
    """A kernel for a target, and the arguments of one call."""

    library: Library
    args: Sequence[Any]

    @property
    def buffers(self) -> list[Buffer]:
        source = self.library.source
        return [p for p in (*source.params, *source.results) if isinstance(p, Buffer)]

    def function(self, n: int) -> str:
        """A C function that reads the arguments, calls the kernel, and writes the status and all arrays."""
        source, lines, passed = self.library.source, [], []
        for k, p in enumerate((*source.params, *source.results)):
            kind = header.c_type(p.dtype)
            pointer = isinstance(p, Buffer) or is_wide(p.dtype)
            if pointer:
                lines.append(f"  static {kind} a{k}[{max(_bytes(p) // _size(p), 1)}];")
            else:
                lines.append(f"  {kind} a{k};")
            passed.append(f"a{k}")
            if k < len(source.params):
                lines.append(f"  give({'' if pointer else '&'}a{k}, {_bytes(p)});")
            else:
                lines.append(f"  memset(a{k}, 0xA5, sizeof a{k});")
        lines.append(f"  int32_t status = {symbol(source)}({', '.join(passed)});")
        lines.append("  take(&status, 4);")
        lines += [f"  take(a{k}, {_bytes(p)});" for k, p in self._places()]
        return "\n".join([f"static void run{n}(void) {{", *lines, "}"])

    def _places(self) -> list[tuple[int, Buffer]]:
        source = self.library.source
        every = enumerate((*source.params, *source.results))
        return [(k, p) for k, p in every if isinstance(p, Buffer)]

    def given(self) -> bytes:
        """The arguments as the program reads them."""
        return b"".join(_raw(p, a) for p, a in zip(self.library.source.params, self.args, strict=True))

    def split(self, output: bytes) -> tuple[int, list[bytes], bytes]:
        """The status, the arrays, and what is left of a program's output."""
        status, output, arrays = int.from_bytes(output[:4], "little", signed=True), output[4:], []
        for p in self.buffers:
            arrays.append(_plain(p, output[: _bytes(p)]))
            output = output[_bytes(p) :]
        return status, arrays, output

    def expected(self) -> list[bytes]:
        """The arrays after the reference interpreter ran the kernel as it is scheduled for the target."""
        args = [a.copy() if isinstance(a, np.ndarray) else a for a in self.args]
        made = interpret(self.library.scheduled, args)
        results = made if isinstance(made, tuple) else (made,) if self.library.source.results else ()
        source = self.library.source
        pairs = [*zip(source.params, args, strict=True), *zip(source.results, results, strict=True)]
        return [_raw(p, a) for p, a in pairs if isinstance(p, Buffer)]


def _bytes(p: Buffer | Var) -> int:
    count = int(np.prod(known_shape(p) or ())) if isinstance(p, Buffer) else 1
    return count * element_bytes(p.dtype)


def _plain(p: Buffer, data: bytes) -> bytes:
    """The bytes of an array with nothing in the bits above a width of more than 64 bits."""
    if not is_wide(p.dtype):
        return data
    words = np.frombuffer(data, np.uint64).reshape(-1, element_bytes(p.dtype) // 8)
    return to_words(np.array(from_words(words, p.dtype), object), p.dtype).tobytes()


def _size(p: Buffer | Var) -> int:
    """Bytes of the C type."""
    return 8 if is_wide(p.dtype) else element_bytes(p.dtype)


def _raw(p: Buffer | Var, arg: Any) -> bytes:
    if not isinstance(arg, np.ndarray):
        return _number(p, arg)
    return (to_words(arg, p.dtype) if is_wide(p.dtype) else arg).tobytes()


def _number(p: Buffer | Var, value: Any) -> bytes:
    if not isinstance(p.dtype, FloatType):
        return (int(value) % (1 << storage_bits(p.dtype))).to_bytes(element_bytes(p.dtype), "little")
    held = scalar(Var(p.hint, p.dtype, p.span), value)
    return to_bits(held, p.dtype).to_bytes(element_bytes(p.dtype), "little")


def outputs(runs: Sequence[Run], folder: Path) -> list[tuple[int, list[bytes]]]:
    """The status and arrays of each run, all in one C program for the target of the first."""
    target = runs[0].library.target.name
    for n, run in enumerate(runs):
        run.library.save(folder / f"k{n}.o")
        run.library.save(folder / f"k{n}.h")
    main = MAIN.format(
        includes="\n".join(["#include <string.h>", *(f'#include "k{n}.h"' for n in range(len(runs)))]),
        functions="\n".join(run.function(n) for n, run in enumerate(runs)),
        calls="\n".join(f"  run{n}();" for n in range(len(runs))),
    )
    (folder / "main.c").write_text(main)
    objects = [f"k{n}.o" for n in range(len(runs))]
    output = built_and_run(target, folder, ["main.c", *objects], b"".join(run.given() for run in runs))
    found = []
    for run in runs:
        status, arrays, output = run.split(output)
        found.append((status, arrays))
    assert output == b""
    return found


def built_and_run(target: str, folder: Path, files: Sequence[str], given: bytes = b"") -> bytes:
    """What a C program writes; warnings are errors."""
    machine = MACHINES[target]
    flags = ["-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-static"]
    built = [machine.compiler, *flags, "-o", "program", *files, "-lm"]
    subprocess.run(built, cwd=folder, check=True, timeout=120)
    ran = subprocess.run([*machine.emulator, "./program"], cwd=folder, input=given, capture_output=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout
