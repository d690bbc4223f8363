"""The sources of the package, as the house rules see them: modules, their folders and what they import."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


@cache
def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def folders() -> dict[str, Path]:
    """Package name to source folder, as `package-dir` maps them."""
    mapping = pyproject()["tool"]["setuptools"]["package-dir"]
    return {package: ROOT / folder for package, folder in mapping.items()}


@dataclass(frozen=True)
class Module:
    """A source file of the package and its place there."""

    name: str
    layer: str
    path: Path

    @property
    def is_package(self) -> bool:
        return self.path.name == "__init__.py"

    def tree(self) -> ast.Module:
        return _tree(self.path)


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


@cache
def modules() -> dict[str, Module]:
    found = {}
    for package, folder in folders().items():
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            name = ".".join((package, *parts)).removesuffix(".__init__")
            found[name] = Module(name, folder.name, path)
    return found


@dataclass(frozen=True)
class Import:
    """A module of ours that a module imports; a deferred import runs in a function, one for typing never runs."""

    source: Module
    target: Module
    line: int
    deferred: bool
    typing: bool

    def __str__(self) -> str:
        return f"{self.source.path.relative_to(ROOT)}:{self.line} imports {self.target.name}"


def _statements(body: ast.AST, deferred: bool, typing: bool) -> Iterator[tuple[ast.stmt, bool, bool]]:
    """Every import statement, with whether it stands in a function and whether under `if TYPE_CHECKING`."""
    for node in ast.iter_child_nodes(body):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node, deferred, typing
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for statement in node.body:
                yield from _statements(ast.Module([statement], []), deferred, True)
            for statement in node.orelse:
                yield from _statements(ast.Module([statement], []), deferred, typing)
        else:
            inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _statements(node, deferred or inside, typing)


def _base(module: Module, statement: ast.ImportFrom) -> str:
    """What the names of a `from` import are looked up in, with leading dots resolved."""
    if not statement.level:
        return statement.module or ""
    parts = module.name.split(".")
    kept = parts[: len(parts) - statement.level + module.is_package]
    return ".".join([*kept, *([statement.module] if statement.module else [])])


def imported_names(module: Module, statement: ast.stmt) -> Iterator[str]:
    """The dotted names that an import statement asks for."""
    if isinstance(statement, ast.Import):
        yield from (alias.name for alias in statement.names)
    elif isinstance(statement, ast.ImportFrom):
        base = _base(module, statement)
        yield from (f"{base}.{alias.name}" for alias in statement.names)


def _ours(name: str) -> Module | None:
    """The module that a dotted name is, or is an attribute of."""
    known = modules()
    return known.get(name) or known.get(name.rpartition(".")[0])


def imports(module: Module) -> Iterator[Import]:
    for statement, deferred, typing in _statements(module.tree(), False, False):
        for name in imported_names(module, statement):
            target = _ours(name)
            if target is not None and target != module:
                yield Import(module, target, statement.lineno, deferred, typing)


@cache
def all_imports() -> list[Import]:
    return [found for module in modules().values() for found in imports(module)]
