"""Imports point one way between the folders, nothing is imported by its folder's bare name, and there is no cycle."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from house.sources import ROOT, Import, Module, all_imports, folders, imports, modules

MAY_IMPORT = {
    "semantics": set(),
    "parser": {"semantics"},
    "codegen": {"semantics"},
    "hwsynth": {"semantics", "codegen"},  # docs/decisions/0002: the netlist simulator uses codegen's op table
    "dsl": {"semantics", "parser", "codegen", "hwsynth", "stdlib", "examples"},
    "stdlib": {"dsl"},
    "examples": {"dsl", "stdlib"},
}
NOT_AT_START = {"parser", "codegen", "hwsynth", "stdlib", "examples"}  # `import gemel` must not load them

MUTUAL = (
    {
        "gemel.assignments",
        "gemel.calls",
        "gemel.expressions",
        "gemel.functions",
        "gemel.looping",
        "gemel.quantified",
        "gemel.statements",
    },  # an evaluator recurs, as syntax does
    {"gemel.arith", "gemel.traced"},  # a size that meets its first operator loads the operators
    {"gemel.codegen.elementary", "gemel.codegen.llvmops"},  # a function's body is made of ops
    {  # an op of the tower has smaller ops as its meaning
        "gemel.semantics.build",
        "gemel.semantics.ops",
        "gemel.semantics.tower",
        "gemel.semantics.tower.error",
        "gemel.semantics.tower.exponential",
        "gemel.semantics.tower.formula",
        "gemel.semantics.tower.logarithm",
        "gemel.semantics.tower.roots",
        "gemel.semantics.tower.trigonometric",
    },
    {"gemel.semantics.ir", "gemel.semantics.text"},  # a kernel prints itself
    {"gemel.semantics.convert", "gemel.semantics.dtypes", "gemel.semantics.rounding"},  # a type converts its constants
)


AT_REQUEST = ("gemel.fuzzing", "gemel.tuning")  # need Hypothesis, Optuna; their commands and the tests load them


def told(found: Iterable[Import]) -> list[str]:
    return sorted(map(str, found))


def cycle(edges: Iterable[Import]) -> list[str]:
    graph: dict[str, set[str]] = {}
    for edge in edges:
        graph.setdefault(edge.source.name, set()).add(edge.target.name)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_every_folder_has_a_rule() -> None:
    assert {folder.name for folder in folders().values()} == set(MAY_IMPORT)


def test_folders_import_one_way() -> None:
    def wrong(found: Import) -> bool:
        return found.target.layer not in MAY_IMPORT[found.source.layer] | {found.source.layer}

    assert told(filter(wrong, all_imports())) == []


def test_front_end_loads_back_ends_in_functions_only() -> None:
    def eager(found: Import) -> bool:
        if found.source.name.startswith(AT_REQUEST):
            return False
        loads = found.target.layer in NOT_AT_START or found.target.name.startswith(AT_REQUEST)
        return found.source.layer == "dsl" and loads and not (found.deferred or found.typing)

    assert told(filter(eager, all_imports())) == []


def test_no_cycle_at_start() -> None:
    assert cycle(found for found in all_imports() if not (found.deferred or found.typing)) == []


def test_no_hidden_cycle() -> None:
    """An import inside a function hides a cycle; it doesn't mend one."""

    def counts(found: Import) -> bool:
        ends = {found.source.name, found.target.name}
        return not found.typing and not any(ends <= group for group in MUTUAL)

    assert cycle(filter(counts, all_imports())) == []


def banned(path: Path) -> list[str]:
    """`import semantics` works from the root of the repository, and gives a second copy of each class."""
    names = {folder.name for folder in folders().values()}
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            asked = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            asked = [node.module or ""]
        else:
            continue
        found += [f"{path.relative_to(ROOT)}:{node.lineno} {name}" for name in asked if name.split(".")[0] in names]
    return found


def test_nothing_is_imported_by_its_bare_folder_name() -> None:
    others = [path for name in ("tests", "docs", "benchmarks") for path in (ROOT / name).rglob("*.py")]
    paths = [module.path for module in modules().values()] + others
    assert [line for path in paths for line in banned(path)] == []


def test_the_rules_see_imports(tmp_path: Path) -> None:
    """A rule that reads no imports would hold for ever."""
    path = tmp_path / "probe.py"
    path.write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from gemel.parser import parse\nelse:\n    import gemel.semantics\n"
        "from . import _version\n"
        "def late():\n    from gemel import codegen\n"
    )
    seen = [(i.target.name, i.deferred, i.typing) for i in imports(Module("gemel.probe", "dsl", path))]
    assert seen == [
        ("gemel.parser", False, True),
        ("gemel.semantics", False, False),
        ("gemel._version", False, False),
        ("gemel.codegen", True, False),
    ]
