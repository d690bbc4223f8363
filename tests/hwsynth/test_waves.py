"""Wave files: the same changes in both formats, as a reader that isn't ours sees them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gemel as gm
from gemel import Int, bool_, i32, u8
from gemel.errors import ToolError
from gemel.hwsynth import fst
from gemel.hwsynth.fst import varint

Change = tuple[int, str, int]
K = gm.dims("K")


@gm.kernel
def mixed(x: u8[6], w: Int(70)[6], on: bool_[6]) -> i32[6]:
    out = gm.zeros((6,), i32)
    for i in range(6):
        if on[i]:
            out[i] = i32(x[i] + (w[i] >> 40))
    return out


@gm.kernel
def count(n: i32) -> i32:
    total: i32 = 0
    while total < n:
        total += 3
    return total


def dump(text: str) -> tuple[list[Change], list[str]]:
    """The changes of a VCD text by time and full name, and all names."""
    names: dict[str, str] = {}
    changes: list[Change] = []
    scope: list[str] = []
    head, _, body = text.partition("$enddefinitions")
    for words in map(str.split, head.splitlines()):
        match words:
            case ["$scope", _, name, *_]:
                scope.append(name)
            case ["$upscope", *_]:
                scope.pop()
            case ["$var", _, _, code, name, *_]:
                names[code] = ".".join([*scope, name])
    time = 0
    for word in body.splitlines()[1:]:
        if word.startswith("#"):
            time = int(word[1:])
        elif word.startswith("b"):
            value, code = word[1:].split()
            changes.append((time, names[code], int(value, 2)))
        elif word[:1] in ("0", "1"):
            changes.append((time, names[word[1:]], int(word[0])))
    return sorted(changes), sorted(names.values())


def arguments() -> tuple[Any, ...]:
    rng = np.random.default_rng(4)
    wide = np.array([(-1) ** k * (1 << (40 + 5 * k)) for k in range(6)], object)
    return rng.integers(0, 255, 6).astype(np.uint8), wide, np.array([1, 0, 1, 1, 0, 1], bool)


@pytest.mark.skipif(shutil.which("fst2vcd") is None, reason="needs fst2vcd, which comes with GTKWave")
@pytest.mark.parametrize("section", [1 << 23, 600])
def test_both_formats_have_the_same_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, section: int) -> None:
    """In one section, and in several."""
    monkeypatch.setattr(fst, "SECTION", section)
    design = mixed.synth()
    traced = [design.wave(tmp_path / name, *arguments()) for name in ("a.vcd", "a.fst")]
    assert traced[0].cycles == traced[1].cycles
    read = subprocess.run(["fst2vcd", tmp_path / "a.fst"], capture_output=True, text=True, check=True).stdout
    want, names = dump((tmp_path / "a.vcd").read_text())
    got, others = dump(read)
    assert names == others and "mixed_system.kernel.x_rdata" in names
    assert got == want
    assert "1ns" in read


def test_a_trace_is_much_smaller_than_a_dump(tmp_path: Path) -> None:
    design = count.synth()
    for name in ("a.vcd", "a.fst"):
        design.wave(tmp_path / name, 3000)
    small, large = ((tmp_path / name).stat().st_size for name in ("a.fst", "a.vcd"))
    assert small < large / 5
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.fst", "a.vcd"]


def test_blocks_fill_the_file(tmp_path: Path) -> None:
    mixed.synth().wave(tmp_path / "a.fst", *arguments())
    data, kinds = (tmp_path / "a.fst").read_bytes(), []
    while data:
        kinds.append(data[0])
        data = data[1 + int.from_bytes(data[1:9], "big") :]
    assert kinds == [fst.HEADER, fst.CHANGES, fst.GEOMETRY, fst.NAMES]


def test_a_place_that_can_not_be_written(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="choose another place"):
        count.synth().wave(tmp_path / "nowhere" / "a.fst", 5)


def test_integers_of_seven_bits_a_byte() -> None:
    assert [varint(n) for n in (0, 127, 128, 300)] == [b"\0", b"\x7f", b"\x80\x01", b"\xac\x02"]
