"""Functions and files stay small, by the numbers that we hold ourselves to."""

from __future__ import annotations

import ast
from statistics import median

from house.sources import modules

LONGEST_FILE = 600


def percentile_90(lengths: list[int]) -> int:
    return sorted(lengths)[len(lengths) * 9 // 10]


def file_lengths() -> dict[str, int]:
    return {name: len(module.path.read_text(encoding="utf-8").splitlines()) for name, module in modules().items()}


def function_lengths() -> list[int]:
    """Lines from `def` to the last one, docstring included."""
    nodes = (node for module in modules().values() for node in ast.walk(module.tree()))
    functions = (node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return [(node.end_lineno or node.lineno) - node.lineno + 1 for node in functions]


def test_functions_are_small() -> None:
    lengths = function_lengths()
    assert median(lengths) <= 7
    assert percentile_90(lengths) <= 30


def test_files_are_small() -> None:
    lengths = file_lengths()
    assert [f"{name}: {length}" for name, length in lengths.items() if length > LONGEST_FILE] == []
    assert percentile_90(list(lengths.values())) <= 400
