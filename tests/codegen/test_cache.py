"""The disk cache: what is kept is found again; what is damaged, foreign or can't be written is as good as none."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import gemel as gm
from gemel import f32, i32
from gemel.codegen import cache, elf, jit, keys
from gemel.codegen.cache import ASIDE, Store, key
from gemel.codegen.made import unpacked
from gemel.errors import BoundsError

N = gm.dims("N")

SCRIPT = """
import sys
import numpy as np
import gemel as gm
from gemel import f32, i32, i64

N = gm.dims("N")

@gm.kernel
def scaled(x: f32[N], at: i32[N], m: i64) -> f32[N]:
    y = gm.zeros((N,), f32)
    for i in range(N):
        y[i] = x[at[i]] * 2.0 + gm.cast((gm.cast(at[i], i64) * m * m) // (m + 3), f32)
    return y

x, at = np.arange(6, dtype=np.float32), np.array([5, 4, 3, 2, 1, 0], np.int32)
print(scaled(x, at, 10**17).tolist(), "llvmlite" in sys.modules)
if "fail" in sys.argv:
    at[3] = 6
    try:
        scaled(x, at, 1)
    except gm.errors.BoundsError as error:
        print(error)
if "twice" in sys.argv:
    for _ in range(100):
        last = scaled(x, at, 10**17)
    print(last.tolist())
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GEMEL_CACHE", str(tmp_path / "kept"))
    monkeypatch.delenv("GEMEL_CACHE_MB", raising=False)
    return tmp_path / "kept"


def files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file())


def ran(script: Path, *args: str, **env: str) -> list[str]:
    """What a fresh process prints."""
    done = subprocess.run(
        [sys.executable, str(script), *args], capture_output=True, text=True, env={**os.environ, **env}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    return path


def file_of(folder: Path, kind: str) -> Path:
    """The file with a kernel's code, or with its native entry, where there is one kernel."""
    (path,) = (p for p in files(folder) if ((cache.get(p.name) or b"")[:1] == b"{") == (kind == "kernel"))
    return path


def compiled(x: int = 1) -> gm.Kernel:
    """A new kernel object, so that nothing but the disk remembers it."""

    @gm.kernel
    def shifted(a: i32[N]) -> i32[N]:
        b = gm.empty((N,), i32)
        for i in range(N):
            b[i] = gm.cast(a[i] + x, i32)
        return b

    return shifted


def fresh(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Notes each time that LLVM compiles a kernel from here on."""
    seen: list[str] = []
    compile_it = jit.object_of

    def noted(text: str, level: int, unroll: bool) -> bytes:
        if "@kernel" in text:
            seen.append(text)
        return compile_it(text, level, unroll)

    monkeypatch.setattr(jit, "object_of", noted)
    monkeypatch.setattr("gemel.codegen.runtime.object_of", noted)
    return seen


# ------------------------------------------------------------------------------------------------------------ the store


def test_an_entry_is_found_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.get(key("a")) is None
    store.put(key("a"), b"content")
    assert store.get(key("a")) == b"content" and store.get(key("b")) is None
    store.put(key("a"), b"other")
    assert store.get(key("a")) == b"other" and len(files(tmp_path)) == 1


def test_keys_tell_parts_apart() -> None:
    assert len({key("ab", "c"), key("a", "bc"), key("abc"), key("ab", "c", "")}) == 4


@pytest.mark.parametrize("damage", ["empty", "cut", "longer", "bit", "magic"])
def test_a_damaged_entry_is_none_and_is_written_anew(tmp_path: Path, damage: str) -> None:
    store = Store(tmp_path)
    store.put(key("a"), b"content" * 100)
    (path,) = files(tmp_path)
    good = path.read_bytes()
    bad = {"empty": b"", "cut": good[:-3], "longer": good + b"x", "magic": b"X" + good[1:]}
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 1
    path.write_bytes(bad.get(damage, bytes(flipped)))
    assert store.get(key("a")) is None
    store.put(key("a"), b"content" * 100)
    assert path.read_bytes() == good


def test_the_longest_unused_go_first(tmp_path: Path) -> None:
    store = Store(tmp_path, limit=50_000)
    names = [key(str(n)) for n in range(100)]
    for n, name in enumerate(names):
        store.put(name, bytes(1000))
        age = 1000 - n if n else 0  # the first was used last
        os.utime(next(p for p in files(tmp_path) if p.name == name), (time.time() - age,) * 2)
    store.trim()
    left = sum(size for _, size, _ in store.entries())
    assert 0 < left <= 50_000
    assert store.get(names[0]) and store.get(names[-1]) and store.get(names[1]) is None
    Store(tmp_path, limit=left - 1).trim()
    assert sum(size for _, size, _ in store.entries()) <= left * cache.KEEP


def test_the_bound_is_kept_while_writing(tmp_path: Path) -> None:
    store = Store(tmp_path, limit=20_000)
    for n in range(200):
        store.put(key(str(n)), bytes(1000))
    assert sum(p.stat().st_size for p in files(tmp_path)) <= 20_000 + cache.OFTEN * 1100


def test_a_use_is_noted(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put(key("a"), b"content")
    (path,) = files(tmp_path)
    os.utime(path, (time.time() - 10_000,) * 2)
    store.get(key("a"))
    assert time.time() - path.stat().st_mtime < 100


def test_what_a_crash_left_aside_goes(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put(key("a"), b"content")
    left = files(tmp_path)[0].with_name(f"{ASIDE}1-2-x")
    left.write_bytes(b"half")
    store.trim()
    assert left.exists(), "another process may be at it"
    os.utime(left, (1, 1))
    store.trim()
    assert not left.exists() and store.get(key("a")) == b"content"


def test_clear(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put(key("a"), b"content")
    assert (store.clear(), store.clear(), files(tmp_path)) == (1, 0, [])


def write_and_read(folder: str, seed: int) -> int:
    """Writes and reads the same few entries as others do; gives how many were wrong."""
    store, wrong = Store(Path(folder), limit=30_000), 0
    for n in range(300):
        name = str((n * 7 + seed) % 10)
        store.put(key(name), name.encode() * 5000)
        found = store.get(key(name))
        wrong += found is not None and found != name.encode() * 5000
        if n % 50 == 0:
            store.trim()
    return wrong


@pytest.mark.slow
def test_processes_share_a_folder(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        assert pool.starmap(write_and_read, [(str(tmp_path), seed) for seed in range(4)]) == [0] * 4
    assert not [p for p in files(tmp_path) if p.name.startswith(ASIDE)]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file" / "below")
    store.put(key("a"), b"content")
    store.trim()
    assert (store.get(key("a")), store.entries(), store.clear()) == (None, [], 0)


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: the write fails halfway."""
    store = Store(tmp_path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        store.put(key("a"), bytes(5000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert store.get(key("a")) is None and files(tmp_path) == []
    store.put(key("a"), bytes(5000))
    assert store.get(key("a")) == bytes(5000)


def test_a_full_disk_while_a_kernel_is_called(folder: Path) -> None:
    a, before = np.arange(5, dtype=np.int32), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        assert all((compiled()(a) == a + 1).all() for _ in range(2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert files(folder) == []
    compiled()(a)
    assert len(files(folder)) == 2


def test_a_kernel_whose_code_went_from_the_disk(folder: Path) -> None:
    """The longest unused files go first, and an entry may stay behind."""
    a = np.arange(5, dtype=np.int32)
    compiled()(a)
    file_of(folder, "kernel").unlink()
    assert (compiled()(a) == a + 1).all() and len(files(folder)) == 2


def test_entries_of_other_users_are_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    store.put(key("a"), b"content")
    me = os.getuid()
    os.chown(files(tmp_path)[0], me if me else 12345, -1)
    monkeypatch.setattr(os, "getuid", lambda: me + 54321)
    assert store.get(key("a")) is None


# ---------------------------------------------------------------------------------------------------- kernels in it


def test_a_kept_kernel_is_not_compiled_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, a = fresh(monkeypatch), np.arange(5, dtype=np.int32)
    assert (compiled()(a) == a + 1).all() and len(seen) == 1
    assert (compiled()(a) == a + 1).all() and len(seen) == 1
    assert (compiled(2)(a) == a + 2).all() and len(seen) == 2
    assert (compiled()(a[:4]) == a[:4] + 1).all() and len(seen) == 3


def test_cache_off(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMEL_CACHE", "off")
    seen, a = fresh(monkeypatch), np.arange(5, dtype=np.int32)
    assert (compiled()(a) == compiled()(a)).all() and len(seen) == 2
    assert not folder.exists() and not Path("off").exists()


def test_no_room_is_as_good_as_off(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMEL_CACHE_MB", "0")
    compiled().compile(N=5)
    assert cache.store() is None and not folder.exists()


@pytest.mark.parametrize("kind", ["kernel", "entry"])
@pytest.mark.parametrize("damage", [b"", b"gemel object 1\n" + bytes(900)])
def test_a_damaged_kernel_is_compiled_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch, damage: bytes, kind: str
) -> None:
    seen, a = fresh(monkeypatch), np.arange(5, dtype=np.int32)
    compiled()(a)
    path = file_of(folder, kind)
    good = path.read_bytes()
    path.write_bytes(damage)
    assert (compiled()(a) == a + 1).all() and len(seen) == (2 if kind == "kernel" else 1)
    assert path.read_bytes() == good


def test_a_kept_kernel_tells_all_that_a_fresh_one_does(folder: Path) -> None:
    first, again = (compiled().compile(N=5) for _ in range(2))
    assert len(files(folder)) == 1
    assert (again.llvm, again.optimized, again.asm) == (first.llvm, first.optimized, first.asm)
    assert "kernel" in again.asm and again.vectors == first.vectors
    assert str(again.scheduled) == str(first.scheduled) and str(again.kernel) == str(first.kernel)


def test_strict_is_another_kernel() -> None:
    def total(x: f32[N]) -> f32:
        return x.sum()

    loose, strict = (gm.kernel(fp=fp)(total).specialize(N=64).ir for fp in ("relaxed", "strict"))
    assert keys.of_kernel(loose) != keys.of_kernel(strict)


def test_a_scheduled_kernel_is_another() -> None:
    schedule = compiled().schedule(N=64)
    assert keys.of_kernel(schedule.kernel.ir) != keys.of_kernel(compiled().specialize(N=64).ir)


def test_dumps_want_the_passes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GEMEL_DUMP", str(tmp_path))
    assert keys.of_kernel(compiled().specialize(N=4).ir) is None


@pytest.mark.slow
def test_fresh_processes(folder: Path, script: Path) -> None:
    """The second needs no LLVM; errors and the native entry are as in the first, whatever the order of hashes."""
    first = ran(script, "fail", PYTHONHASHSEED="1")
    assert first[0].endswith("True")
    kept = files(folder)
    for seed in "23":
        again = ran(script, "fail", PYTHONHASHSEED=seed)
        assert again[0] == first[0].replace("True", "False") and again[1:] == first[1:]
        assert "index 6 is out of range for axis 0 of x" in again[1]
    assert files(folder) == kept, "all was found"
    called, last = ran(script, "twice")
    assert called.startswith(last)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs /proc")
def test_a_read_only_folder_does_not_matter(script: Path) -> None:
    places = ("/proc/self/gemel", "/dev/null/x", "off")
    shown = [ran(script, GEMEL_CACHE=place, GEMEL_CACHE_MB="256") for place in places]
    assert shown[0] == shown[1] == shown[2]


@pytest.mark.slow
def test_cold_processes_at_once(folder: Path, script: Path) -> None:
    command, env = [sys.executable, str(script)], {**os.environ}
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) for _ in range(4)]
    values = {p.communicate()[0].split("]")[0] for p in started}
    assert len(values) == 1 and not [p for p in files(folder) if p.name.startswith(ASIDE)]


def test_the_command(folder: Path) -> None:
    from typer.testing import CliRunner

    from gemel.cli import app

    compiled().compile(N=5)
    run = CliRunner()
    told = run.invoke(app, ["cache", "info"]).output
    assert "entries" in told and "bytes" in told
    assert run.invoke(app, ["cache", "clear"]).output == "removed 1 entries\n"
    assert files(folder) == []
    assert "off" in run.invoke(app, ["cache", "info"], env={"GEMEL_CACHE": "off"}).output


# ------------------------------------------------------------------------------------------------------- loading it


def code_of(folder: Path) -> bytes:
    found = cache.get(file_of(folder, "kernel").name)
    assert found is not None
    return unpacked(found)[1]


def test_llvms_loader_does_what_ours_does(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a = np.arange(5, dtype=np.int32)
    compiled()(a)
    data = code_of(folder)
    monkeypatch.setattr(elf, "load", lambda data, find: None)
    assert jit.load(data).address("kernel")
    assert (compiled()(a) == a + 1).all()


def test_what_our_loader_does_not_know_it_leaves(folder: Path) -> None:
    compiled().compile(N=5)
    data = code_of(folder)
    for bad in (b"", data[:20], data[:200], b"\x7fELF\x01\x01" + data[6:], data[:18] + b"\xb7\x00" + data[20:]):
        assert elf.load(bad, lambda name: None) is None


def test_a_callee_that_is_not_there_is_left_to_llvm() -> None:
    text = (
        "declare i64 @gemel_nobody(i64)\ndefine i64 @f(i64 %x) {\n %y = call i64 @gemel_nobody(i64 %x)\n ret i64 %y\n}"
    )
    assert elf.load(jit.object_of(text, 1, True), lambda name: None) is None
    seen: list[str] = []
    assert elf.load(jit.object_of(text, 1, True), lambda name: seen.append(name) or 1) and seen == ["gemel_nobody"]


def test_data_that_is_written_to() -> None:
    text = """@n = internal global i64 40
@z = internal global i64 0
define i64 @next() {
  %a = load i64, ptr @n
  %b = add i64 %a, 1
  store i64 %b, ptr @n
  %c = load i64, ptr @z
  %d = add i64 %b, %c
  store i64 1, ptr @z
  ret i64 %d
}"""
    code = jit.compile_text(text)
    step = code.function("next", ctypes.c_int64)
    assert [step(), step()] == [41, 43]
    assert isinstance(code.loaded, elf.Image) or not elf.load(jit.object_of(text, 3, True), lambda name: None)


def test_errors_of_a_kept_kernel(folder: Path) -> None:
    def make() -> gm.Kernel:
        @gm.kernel
        def take(x: f32[N], at: i32) -> f32:
            return x[at]

        return take

    for _ in range(2):
        kernel = make()
        with pytest.raises(BoundsError, match="index 9 is out of range") as caught:
            kernel(np.zeros(4, np.float32), 9)
        assert caught.value.span is not None and caught.value.span.source_line().strip() == "return x[at]"
        assert kernel(np.arange(4, dtype=np.float32), 3) == 3
    assert len(files(folder)) == 2
