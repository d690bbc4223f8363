"""The source of a function: its syntax tree, and the place of each node in the user's file."""

from __future__ import annotations

import ast
import functools
import linecache
import os
import textwrap
import types
from collections.abc import Callable, Iterator
from contextlib import suppress
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
    text: str
    file: str
    line_offset: int
    column_offset: int

    @functools.cached_property
    def tests(self) -> frozenset[ast.BoolOp]:
        """Each `and` and `or` of which only the truth is asked."""
        return frozenset(found for n in ast.walk(self.node) for test in _conditions(n) for found in _operators(test))

    def span(self, node: ast.AST) -> Span:
        """Where a node stands."""
        line = getattr(node, "lineno", 1)
        column = getattr(node, "col_offset", 0)
        if isinstance(node, ast.FunctionDef):  # its name, not all of its signature
            end = column + len("def ") + len(node.name)
            return self._span(line, column, line, end)
        end_line = getattr(node, "end_lineno", line) or line
        end_column = getattr(node, "end_col_offset", column + 1) or column + 1
        return self._span(line, column, end_line, end_column)

    def _span(self, line: int, column: int, end_line: int, end_column: int) -> Span:
        return Span(
            self.file,
            line + self.line_offset,
            column + self.column_offset + 1,
            end_line + self.line_offset,
            end_column + self.column_offset + 1,
        )


def _conditions(node: ast.AST) -> list[ast.expr]:
    match node:
        case ast.If() | ast.While() | ast.IfExp() | ast.Assert():
            return [node.test]
        case ast.comprehension():
            return node.ifs
        case ast.UnaryOp(op=ast.Not()):
            return [node.operand]
        case _:
            return []


def _operators(test: ast.expr) -> Iterator[ast.BoolOp]:
    if isinstance(test, ast.BoolOp):
        yield test
        for value in test.values:
            yield from _operators(value)


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
        lines, first, file = _block(fn) or _told(fn)
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
    place = Span(file, first, 1, first, 2)
    later = next((n for n in tree.body if isinstance(n, ast.AsyncFunctionDef)), None)
    if later is not None:
        mend = "write `def`; kernels run to their end, there is nothing to await"
        at, start = first + later.lineno - 1, indent + later.col_offset + 1
        raise TraceError("`async def` of a kernel", code="P01", span=Span(file, at, start, at, start + 9), mend=mend)
    node = _find(tree, fn)
    if node is None:
        raise TraceError(
            f"the source of {fn.__name__} can't be told from what stands on its line",
            code="P04",
            span=place,
            mend="define it with `def` on lines of its own",
        )
    return Source(node, text, file, max(first, 1) - 1, indent)


def _told(fn: Callable[..., Any]) -> tuple[list[str], int, str]:
    """The lines of a function, the number of the first, and their file; as Python tells."""
    import inspect

    lines, first = inspect.getsourcelines(fn)
    return lines, first, inspect.getsourcefile(fn) or fn.__code__.co_filename


def _block(fn: Callable[..., Any]) -> tuple[list[str], int, str] | None:
    """The same for a `def` in a file, where that is easily seen: Python's tokenizer takes milliseconds to load.

    A line that is not further in than the first ends the block, unless what is before it is no whole statement.
    """
    file, first = fn.__code__.co_filename, fn.__code__.co_firstlineno
    if hasattr(fn, "__wrapped__") or not os.path.isfile(file):
        return None
    linecache.checkcache(file)
    lines = linecache.getlines(file)[first - 1 :]
    if not lines or not lines[0].lstrip().startswith(("@", "def ")):
        return None
    indent = len(lines[0]) - len(lines[0].lstrip())
    for end in range(1, len(lines) + 1):
        if end == len(lines) or _ends(lines[end], indent):
            with suppress(SyntaxError):
                ast.parse(textwrap.dedent("".join(lines[:end])))
                return lines[:end], first, file
    return None


def _ends(line: str, indent: int) -> bool:
    code = line.strip()
    return bool(code) and not code.startswith("#") and len(line) - len(line.lstrip()) <= indent


def _find(tree: ast.Module, fn: Callable[..., Any]) -> FunctionNode | None:
    if fn.__name__ != "<lambda>":
        return next((n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == fn.__name__), None)
    found = [n for n in ast.walk(tree) if isinstance(n, ast.Lambda)]
    same = [n for n in found if _code(n, fn) == essence(fn.__code__)]
    return same[0] if same else found[0] if len(found) == 1 else None


def _code(node: ast.Lambda, fn: Callable[..., Any]) -> object:
    """What a lambda compiles to where it may use the names that `fn` takes from around it."""
    free = fn.__code__.co_freevars
    around = ast.parse(f"def around({', '.join(free)}): return 0")
    outer = around.body[0]
    if isinstance(outer, ast.FunctionDef):
        outer.body = [ast.Return(node)]
    code = compile(ast.fix_missing_locations(around), "<lambda>", "exec")
    inner = next(c for c in code.co_consts if isinstance(c, types.CodeType))
    return essence(next(c for c in inner.co_consts if isinstance(c, types.CodeType)))


def essence(code: types.CodeType) -> object:
    """What a function does, wherever it stands."""
    consts = [essence(c) if isinstance(c, types.CodeType) else repr(c) for c in code.co_consts]
    return code.co_code, consts, code.co_names, code.co_varnames, code.co_freevars


def closure_of(fn: Callable[..., Any]) -> dict[str, Any]:
    """The names that a function takes from the functions around it."""
    code, cells = fn.__code__, fn.__closure__ or ()
    found = {}
    for name, cell in zip(code.co_freevars, cells, strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:
            continue
    return found
