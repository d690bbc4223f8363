"""The source of a function: its syntax tree, and the place of each node in the user's file."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from gemel.semantics.errors import TraceError
from gemel.semantics.span import Span

FunctionNode = ast.FunctionDef | ast.Lambda


@dataclass(frozen=True)
class Source:
    """A function's syntax tree with the offsets that lead back to its file."""

    node: FunctionNode
    file: str
    line_offset: int
    column_offset: int

    def span(self, node: ast.AST) -> Span:
        """Where a node stands."""
        line = getattr(node, "lineno", 1)
        column = getattr(node, "col_offset", 0)
        end_line = getattr(node, "end_lineno", line) or line
        end_column = getattr(node, "end_col_offset", column + 1) or column + 1
        return Span(
            self.file,
            line + self.line_offset,
            column + self.column_offset + 1,
            end_line + self.line_offset,
            end_column + self.column_offset + 1,
        )


_cache: WeakKeyDictionary[Callable[..., Any], Source] = WeakKeyDictionary()


def source_of(fn: Callable[..., Any]) -> Source:
    """The source of a plain Python function.

    Raises TraceError where it can't be had, as for functions typed into a REPL that doesn't keep them.
    """
    if fn not in _cache:
        _cache[fn] = _read(fn)
    return _cache[fn]


def _read(fn: Callable[..., Any]) -> Source:
    try:
        lines, first = inspect.getsourcelines(fn)
        file = inspect.getsourcefile(fn) or fn.__code__.co_filename
    except (OSError, TypeError):
        raise TraceError(
            f"the source of {fn.__name__} can't be read",
            code="P04",
            mend="write the kernel in a file or a notebook, or start `gemel repl`",
        ) from None
    text = "".join(lines)
    dedented = textwrap.dedent(text)
    indent = len(lines[0]) - len(lines[0].lstrip()) if dedented != text else 0
    try:
        tree = ast.parse(dedented)
    except SyntaxError:
        tree = ast.parse(f"({dedented.strip().rstrip(',')})") if "lambda" in dedented else ast.Module([], [])
    node = _find(tree, fn)
    if node is None:
        raise TraceError(
            f"the source of {fn.__name__} can't be separated from its line",
            code="P04",
            span=Span(file, first, 1, first, 2),
            mend="define it with `def` on lines of its own",
        )
    return Source(node, file, max(first, 1) - 1, indent)


def _find(tree: ast.Module, fn: Callable[..., Any]) -> FunctionNode | None:
    names = fn.__code__.co_varnames[: fn.__code__.co_argcount]
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == fn.__name__:
            return node
        if isinstance(node, ast.Lambda) and fn.__name__ == "<lambda>" and tuple(a.arg for a in node.args.args) == names:
            return node
    return None
