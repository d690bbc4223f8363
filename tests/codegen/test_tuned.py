"""What tuning has found is used by later runs for that kernel, these sizes and this machine; what is damaged is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import gemel as gm
from gemel import f32, i32
from gemel.codegen import keys, tuned
from gemel.codegen.tuned import Entry
from gemel.errors import ToolError

N = gm.dims("N")

STEPS = "split('i', 8, 'a', 'b')\nvectorize('b')\n"
ENTRY = Entry(STEPS, 1.5, "scaled", "some machine", 40, "2026-01-02")


def made(factor: int = 3) -> gm.Kernel:
    """A new kernel object, so that nothing but the disk remembers it."""

    @gm.kernel
    def scaled(x: i32[N]) -> i32[N]:
        y = gm.empty((N,), i32)
        for i in range(N):
            y[i] = gm.cast(x[i] * factor, i32)
        return y

    return scaled


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GEMEL_TUNED", str(tmp_path / "tuned"))
    return tmp_path / "tuned"


def kept(k: gm.Kernel, entry: Entry = ENTRY, **sizes: int) -> Path:
    """An entry for a kernel, as tuning would write it."""
    folder = tuned.place()
    assert folder is not None
    path = folder / f"{tuned.name(k.specialize(**sizes).ir)}{tuned.SUFFIX}"
    tuned.write(path, entry)
    return path


def is_tuned(k: gm.Kernel, size: int) -> bool:
    """Whether calls of a kernel run the steps of ENTRY, with the right result."""
    x = np.arange(size, dtype=np.int32)
    assert k(x).tolist() == k.interpret(x).tolist()
    code = k.compile(N=size)
    assert (code.vectors) == bool(k.schedule("cpu", N=size).note)
    return code.vectors


def test_later_runs_use_what_was_found(folder: Path) -> None:
    assert not is_tuned(made(), 20) and not folder.exists(), "a look changes nothing"
    kept(made(), N=20)
    assert is_tuned(made(), 20)
    assert not is_tuned(made(), 21), "other sizes"
    assert not is_tuned(made(4), 20), "another kernel"
    assert is_tuned(made().specialize(N=20), 20)


def test_a_schedule_says_where_it_is_from(folder: Path) -> None:
    kept(made(), N=20)
    found, default = made().schedule("cpu", N=20), made().schedule("default", N=20)
    assert found.note == "tuned: 1.50 times as fast as the default, the best of 40 on 2026-01-02"
    assert found.text == f"# {found.note}\n{STEPS}" and str(found).startswith(f"# {found.note}\nscaled\n")
    assert made().schedule(N=20).replay(found.text).text == STEPS
    assert (default.note, default.text) == ("", "")
    assert made().schedule_for(np.zeros(20, np.int32), start="cpu").note == found.note
    assert not made().schedule("cpu").note, "sizes are open"


def test_no_steps_may_be_the_best(folder: Path) -> None:
    @gm.kernel
    def total(x: f32[N]) -> f32:
        return gm.sum(x)

    kept(total, replace(ENTRY, steps="# no steps\n"), N=640)
    found, default = total.schedule("cpu", N=640), total.schedule("default", N=640)
    assert found.note and found.text == f"# {found.note}\n" and default.text
    x = np.random.default_rng(1).standard_normal(640).astype(np.float32)
    assert total(x) == found.kernel.interpret(x) != default.kernel.interpret(x)


def test_it_can_be_switched_off(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept(made(), N=20)
    monkeypatch.setenv("GEMEL_TUNED", "off")
    assert tuned.place() is None and list(tuned.entries()) == []
    assert not is_tuned(made(), 20)


def test_it_lies_beside_the_kept_objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GEMEL_TUNED")
    monkeypatch.setenv("GEMEL_CACHE", str(tmp_path))
    assert tuned.place() == tmp_path / "tuned"
    monkeypatch.setenv("GEMEL_CACHE", "off")
    assert tuned.place() is None


@pytest.mark.parametrize("what", ["machine", "threads", "version"])
def test_another_machine_or_version_has_entries_of_its_own(
    folder: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    kept(made(), N=20)
    match what:
        case "machine":
            monkeypatch.setattr(keys, "machine", lambda: "another one")
        case "threads":
            monkeypatch.setattr(tuned.threads, "count", lambda: 77)
        case _:
            monkeypatch.setattr(gm, "__version__", "0.0.0")
    assert not is_tuned(made(), 20)


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe", b"no digest", b"0123\n{}", None],
    ids=["empty", "not text", "one line", "wrong digest", "cut off"],
)
def test_a_damaged_entry_is_as_good_as_none(folder: Path, content: bytes | None) -> None:
    path = kept(made(), N=20)
    path.write_bytes(path.read_bytes()[:-9] if content is None else content)
    assert not is_tuned(made(), 20) and list(tuned.entries()) == []


@pytest.mark.parametrize(
    "steps",
    ["split('gone', 8)\n", "split('i', 'x')\n", "nothing\n", "import os\n", "split('i', 8)\nsplit('i', 8)\n"],
)
def test_steps_that_cannot_be_taken_leave_the_default(folder: Path, steps: str) -> None:
    kept(made(), replace(ENTRY, steps=steps), N=20)
    assert not is_tuned(made(), 20)


def test_fields_of_another_time_are_no_entry(folder: Path) -> None:
    path = kept(made(), N=20)
    text = path.read_text().partition("\n")[2].replace("gain", "profit")
    path.write_text(f"{tuned.cache.key(text)}\n{text}")
    assert not is_tuned(made(), 20)


def test_a_schedule_of_the_users_has_its_way(folder: Path) -> None:
    k = made().schedule(N=20).split("i", 4).kernel
    kept(k)
    assert not k.compile().vectors and not k.schedule("cpu").note


def test_kept_objects_are_told_apart(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMEL_CACHE", str(tmp_path / "kept"))
    monkeypatch.delenv("GEMEL_CACHE_MB")
    assert not is_tuned(made(), 20)
    path = kept(made(), N=20)
    assert is_tuned(made(), 20) and is_tuned(made(), 20), "made, and from the disk"
    path.unlink()
    assert not is_tuned(made(), 20)


def test_a_verified_kernel_has_the_same_entry(folder: Path) -> None:
    kept(made(), N=20)
    k = made()
    assert k.verify().ok and is_tuned(k, 20)


def test_libraries_for_this_machine_are_tuned_too(folder: Path) -> None:
    before = made().compile(N=20).library.llvm
    kept(made(), N=20)
    assert made().compile(N=20).library.vectors and made().compile(N=20).library.llvm != before


def test_a_folder_that_cannot_be_written_is_told(folder: Path) -> None:
    folder.write_text("a file")
    with pytest.raises(ToolError) as caught:
        kept(made(), N=20)
    assert caught.value.code == "X02" and "GEMEL_TUNED" in caught.value.mend
    assert not is_tuned(made(), 20)


def test_entries_are_listed(folder: Path) -> None:
    paths = {kept(made(), N=20), kept(made(), N=21)}
    assert {path for path, _ in tuned.entries()} == paths
    assert all(entry == ENTRY for _, entry in tuned.entries())
