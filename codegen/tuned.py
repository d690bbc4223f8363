"""What tuning has found: for a kernel at its sizes, on this machine, the steps by which it is computed best.

An entry is a file of a folder, named by all that it depends on, and looked up when a kernel is compiled. It begins with
a digest of the rest, so that a damaged one is as good as none; so is one of another version of Gemel. The steps are
parsed and checked like a user's: no entry can change what a kernel computes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import gemel.semantics
from gemel.codegen import cache, keys, threads
from gemel.semantics.errors import ToolError

if TYPE_CHECKING:
    from gemel.semantics.ir import Kernel

SUFFIX = ".tuned"


@dataclass(frozen=True)
class Entry:
    """Steps, how many times as fast as the default they were measured, and where they are from."""

    steps: str
    gain: float
    kernel: str
    machine: str
    trials: int
    date: str

    def __str__(self) -> str:
        return f"tuned: {self.gain:.2f} times as fast as the default, the best of {self.trials} on {self.date}"


def place() -> Path | None:
    """The folder of the entries: GEMEL_TUNED, or one beside the kept objects; None for GEMEL_TUNED=off."""
    given = os.environ.get("GEMEL_TUNED", "")
    if given.lower() == "off":
        return None
    kept = cache.place()
    return Path(given) if given else None if kept is None else kept / "tuned"


def name(kernel: Kernel, machine: str = "", count: int = 0) -> str:
    """The name of the entry for a kernel on a machine with so many threads; on this one by default."""
    facts = (machine or keys.machine(), str(count or threads.count()), gemel.__version__)
    return cache.key("tuned", *keys.content(kernel), *facts)


def find(kernel: Kernel) -> Entry | None:
    """The entry for a source-level kernel with known sizes; None where nothing has been found, or it has a schedule."""
    folder = place()
    if folder is None or kernel.scheduled or not folder.is_dir():
        return None
    return read(folder / f"{name(kernel)}{SUFFIX}")


def steps(kernel: Kernel) -> str:
    """The steps for a kernel; nothing where it is computed by default."""
    entry = find(kernel)
    return "" if entry is None else entry.steps


def state() -> str:
    """What there is, unread: another state may have other steps for a kernel."""
    folder, found = place(), []
    if folder is not None:
        with suppress(OSError), os.scandir(folder) as files:
            found = [(f.name, f.stat().st_mtime_ns) for f in files if f.name.endswith(SUFFIX)]
    return repr(sorted(found))


def read(path: Path) -> Entry | None:
    """The entry of a file; None where there is none that is whole."""
    import json

    with suppress(OSError, ValueError, TypeError):
        digest, _, text = path.read_text(encoding="utf-8").partition("\n")
        if digest == cache.key(text):
            return Entry(**json.loads(text))
    return None


def write(path: Path, entry: Entry) -> None:
    """Keeps an entry: all of it or nothing.

    Raises ToolError where the folder can't be written.
    """
    import json

    text = json.dumps(asdict(entry), indent=1)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text(f"{cache.key(text)}\n{text}", encoding="utf-8")
        aside.replace(path)
    except OSError as error:
        with suppress(OSError):
            aside.unlink()
        raise ToolError(
            f"{path.parent} can't be written: {error}", code="X02", mend="set GEMEL_TUNED to another folder"
        ) from None


def entries() -> Iterator[tuple[Path, Entry]]:
    """All entries that are whole."""
    folder = place()
    for path in sorted(folder.glob(f"*{SUFFIX}")) if folder is not None else ():
        entry = read(path)
        if entry is not None:
            yield path, entry
