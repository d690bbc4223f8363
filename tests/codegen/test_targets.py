"""Code for other machines as text and files; what can't be had is told, with the mend."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from needs import needs

import gemel as gm
from gemel import bf16, bool_, f16, f32, f64, i8, i32, index, u16
from gemel.codegen import objects, targets
from gemel.codegen.export import symbol
from gemel.codegen.header import names
from gemel.codegen.objects import Library, library
from gemel.codegen.targets import target
from gemel.errors import CompileError, ShapeError, ToolError

M, N = gm.dims("M N")
Q = gm.Fixed(12, 4)


@gm.kernel
def scale(x: f32[M, N], s: f32, y: f32[M, N]):
    for i, j in gm.grid(M, N):
        y[i, j] = x[i, j] * s


@gm.kernel
def every(a: bool_, b: i8, c: gm.UInt(5), d: index, e: bf16, f: f16, g: f64, h: Q, x: Q[N], at: i32[M]) -> u16[N]:
    y = gm.zeros((N,), u16)
    for i in range(M):
        assert at[i] >= 0, "negative */ at"
        if a:
            y[at[i]] = 1
    return y


MACHINE = {
    "x86-64": r"mulps",
    "x86-64-v3": r"vmulps\s.*%ymm",
    "x86-64-v4": r"vmulps\s.*%zmm",
    "aarch64": r"fmul\s+v\d+\.4s",
    "riscv64": r"fmul\.s",
    "riscv64v": r"vfmul\.vf",
    "wasm32": r"f32x4\.mul",
}


def test_the_table_is_what_is_tried() -> None:
    assert set(MACHINE) == set(targets.targets())


@pytest.mark.slow
@pytest.mark.parametrize("name", MACHINE)
def test_text_for_each_target(name: str, tmp_path: Path) -> None:
    """Vectors are as wide as the machine's, and all kinds of file are written."""
    made = scale.compile(target=name, M=64, N=64)
    assert re.search(MACHINE[name], made.asm) and made.target.triple in made.llvm and "gemel_scale" in made.optimized
    written = {kind: made.save(tmp_path / f"lib.{kind}").read_bytes() for kind in ("o", "h", "s", "ll")}
    assert written["o"][:4] == (b"\0asm" if name == "wasm32" else b"\x7fELF")
    assert written["s"].decode() == made.asm and written["ll"].decode() == made.llvm
    assert b"int32_t gemel_scale(const float *x, float s, float *y);" in written["h"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["lib.h", "lib.ll", "lib.o", "lib.s"]


def test_the_header(golden: Any) -> None:
    """Types, ranges, shapes, statuses."""
    golden(library(every.specialize(M=3, N=8).ir, target("x86-64-v3")).header, ".h")


@pytest.mark.parametrize("compiler", [["cc", "-std=c99"], ["c++", "-std=c++17"]])
def test_the_header_compiles(tmp_path: Path, compiler: list[str]) -> None:
    needs(compiler[0])
    place = library(every.specialize(M=3, N=8).ir, target("native")).save(tmp_path / "every.h")
    source = tmp_path / ("main.c" if compiler[0] == "cc" else "main.cpp")
    source.write_text(
        f'#include "{place.name}"\n#include "{place.name}"\nint main(void) {{ return GEMEL_EVERY_OK; }}\n'
    )
    strict = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only"]
    subprocess.run([*compiler, *strict, str(source)], check=True)


def test_names_that_c_has_already() -> None:
    @gm.kernel
    def größe(int: f32[N], double: f32[N], größe: f32[N], gr__e: f32[N]) -> f32[N]:
        return int + double + größe + gr__e

    kernel = größe.specialize(N=4).ir
    assert symbol(kernel) == "gemel_gr__e"
    called = names(kernel)
    assert called[:4] == ["pint", "pdouble", "gr__e", "gr__e_"] and len({*called}) == 5


# --------------------------------------------------------------------------------------------------------------- errors


def test_unknown_target() -> None:
    with pytest.raises(CompileError, match="unknown target 'z80'") as caught:
        scale.compile(target="z80", M=4, N=4)
    assert caught.value.code == "C01" and "riscv64" in caught.value.mend and "native" in caught.value.mend


def test_sizes_are_needed() -> None:
    with pytest.raises(ShapeError) as caught:
        scale.compile(target="aarch64", M=4)
    assert caught.value.code == "S04"


def test_code_for_another_machine_is_not_called() -> None:
    made = scale.compile(target="aarch64", M=4, N=4)
    with pytest.raises(CompileError, match="compiled for aarch64; it can't be called here") as caught:
        made(np.zeros((4, 4), np.float32), 1.0, np.zeros((4, 4), np.float32))
    assert caught.value.code == "C03" and "native" in caught.value.mend


def other(**changes: Any) -> Library:
    return library(scale.specialize(M=4, N=4).ir, replace(target("aarch64"), **changes))


def test_a_target_that_llvm_lacks() -> None:
    with pytest.raises(CompileError, match="no code generator for aarch64") as caught:
        _ = other(triple="m88k-unknown-linux-gnu").asm
    assert caught.value.code == "C01" and "llvmlite" in caught.value.mend


def test_llvm_that_gives_up_takes_nobody_along() -> None:
    """LLVM ends the process for a request that it can't fulfil."""
    with pytest.raises(CompileError) as caught:
        _ = other(triple="riscv64-unknown-linux-gnu", cpu="generic-rv32", abi="ilp32d").asm
    assert caught.value.code == "C02"


def test_llvm_cannot_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects.sys, "executable", "/nowhere/python")
    with pytest.raises(ToolError) as caught:
        _ = other().asm
    assert caught.value.code == "X01"


def test_unknown_kind_of_file(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match=r"ends in '.exe'") as caught:
        scale.compile(M=4, N=4).save(tmp_path / "scale.exe")
    assert caught.value.code == "C01" and ".so" in caught.value.mend


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ToolError, match="can't be written") as caught:
        scale.compile(M=4, N=4).save(tmp_path / "file" / "scale.o")
    assert caught.value.code == "X02" and [p.name for p in tmp_path.iterdir()] == ["file"]


def test_no_linker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match="no linker for aarch64") as caught:
        other().save(tmp_path / "lib.so")
    assert caught.value.code == "X01" and "aarch64-linux-gnu-gcc" in caught.value.mend and not [*tmp_path.iterdir()]


def test_a_linker_that_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake = tmp_path / "aarch64-linux-gnu-gcc"
    fake.write_text("#!/bin/sh\necho no room >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(ToolError, match="no room") as caught:
        other().save(tmp_path / "lib.so")
    assert caught.value.code == "X02" and [p.name for p in tmp_path.iterdir()] == [fake.name]


def test_wasm_has_no_linker_here(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="no linker for wasm32") as caught:
        scale.compile(target="wasm32", M=4, N=4).save(tmp_path / "lib.so")
    assert "your own tools" in caught.value.mend
