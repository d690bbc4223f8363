"""What is kept on disk between processes: objects by the content that they were made of.

An entry is a file named by its key. It begins with a digest of the rest, so that one that is cut off or damaged is as
good as none and is written anew; it is written aside and renamed, so that processes may share the folder. Nothing here
fails: a folder that can't be read or written, or is full, means that nothing is kept.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

try:  # hashlib takes milliseconds to load, for algorithms that aren't asked for
    from _blake2 import blake2b
except ImportError:
    from hashlib import blake2b

MAGIC = b"gemel object 1\n"
DIGEST = 32
LIMIT_MB = 256
OFTEN = 32
"""Entries that a process writes between two looks at how much there is."""
KEEP = 0.8
"""How much of the limit is left when the oldest entries have gone."""
NEWER = 3600
"""Seconds after which a use of an entry is noted again."""
ASIDE = ".new-"


def place() -> Path | None:
    """The folder for what is worth keeping: GEMEL_CACHE, or the system's place for caches; None for GEMEL_CACHE=off."""
    given = os.environ.get("GEMEL_CACHE", "")
    if given.lower() == "off":
        return None
    return Path(given) if given else _system() / "gemel"


def _system() -> Path:
    if sys.platform == "darwin":
        return Path(os.path.expanduser("~"), "Library", "Caches")
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or os.path.expanduser("~\\AppData\\Local"))
    return Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))


class Key:
    """The name of the entry for the content that it is made of, part by part."""

    def __init__(self) -> None:
        self._whole = blake2b(digest_size=20)

    def bytes(self, data: bytes) -> None:
        """Takes in a part."""
        self._whole.update(len(data).to_bytes(8, "little") + data)

    def add(self, *parts: str) -> None:
        """Takes in parts that are text."""
        for part in parts:
            self.bytes(part.encode("utf-8", "surrogatepass"))

    def name(self) -> str:
        """The name for all that was taken in."""
        return self._whole.hexdigest()


def key(*parts: str) -> str:
    """The name of the entry for the content that it is made of."""
    whole = Key()
    whole.add(*parts)
    return whole.name()


def digest(content: bytes | memoryview) -> str:
    """What stands for a content in a key or a name."""
    return str(blake2b(content, digest_size=20).hexdigest())


@dataclass
class Store:
    """A folder of entries, of at most about `limit` bytes: the longest unused go first."""

    folder: Path
    limit: int = LIMIT_MB << 20
    _written: int = 0

    def get(self, name: str) -> bytes | None:
        """The content of an entry; None where there is none that is whole, or another user wrote it."""
        path = self.folder / name[:2] / name
        try:
            with path.open("rb") as file:
                facts = os.fstat(file.fileno())
                if hasattr(os, "getuid") and facts.st_uid not in (os.getuid(), 0):
                    return None
                data = file.read()
        except OSError:
            return None
        head = len(MAGIC) + DIGEST
        if not data.startswith(MAGIC) or _digest(data[head:]) != data[len(MAGIC) : head]:
            return None
        if time.time() - facts.st_mtime > NEWER:
            with suppress(OSError):
                os.utime(path)
        return data[head:]

    def put(self, name: str, content: bytes) -> None:
        """Keeps an entry, if that can be done."""
        with suppress(OSError):
            self._put(name, content)
            if self._written % OFTEN == 0:
                self.trim()
            self._written += 1

    def _put(self, name: str, content: bytes) -> None:
        folder = self.folder / name[:2]
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        aside = folder / f"{ASIDE}{os.getpid()}-{threading.get_ident()}-{name}"
        try:
            with aside.open("xb") as file:
                file.write(MAGIC + _digest(content) + content)
            os.replace(aside, folder / name)
        except BaseException:
            with suppress(OSError):
                aside.unlink()
            raise

    def entries(self) -> list[tuple[float, int, Path]]:
        """When each file was last used, its bytes and its path."""
        found = []
        for folder in _inside(self.folder):
            for file in _inside(Path(folder.path)) if len(folder.name) == 2 else ():
                with suppress(OSError):
                    facts = file.stat()
                    found.append((facts.st_mtime, facts.st_size, Path(file.path)))
        return found

    def trim(self) -> None:
        """Removes the longest unused entries where there are more than `limit` bytes, and what a crash left aside."""
        entries, old = sorted(self.entries()), time.time() - 24 * NEWER
        for used, _, path in entries:
            if path.name.startswith(ASIDE) and used < old:
                path.unlink(missing_ok=True)
        total = sum(size for _, size, _ in entries)
        if total <= self.limit:
            return
        for _, size, path in entries:
            path.unlink(missing_ok=True)
            total -= size
            if total <= self.limit * KEEP:
                return

    def clear(self) -> int:
        """Removes all entries that can be removed; gives how many."""
        removed = 0
        for _, _, path in self.entries():
            with suppress(OSError):
                path.unlink()
                removed += 1
        return removed


def _inside(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError:
        return []


def _digest(content: bytes) -> bytes:
    return blake2b(content, digest_size=DIGEST).digest()


def store() -> Store | None:
    """Where objects are kept, at most GEMEL_CACHE_MB megabytes; None where nothing is to be."""
    folder, given = place(), os.environ.get("GEMEL_CACHE_MB", "")
    limit = int(given) if given.isdigit() else LIMIT_MB
    return None if folder is None or not limit else _store(folder / "objects", limit)


@cache
def _store(folder: Path, megabytes: int) -> Store:
    return Store(folder, megabytes << 20)


def get(name: str) -> bytes | None:
    """The content of an entry of the `store`."""
    there = store()
    return None if there is None else there.get(name)


def put(name: str, content: bytes) -> None:
    """Keeps an entry in the `store`."""
    there = store()
    if there is not None:
        there.put(name, content)
