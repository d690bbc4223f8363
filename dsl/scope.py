"""Names while tracing: frames of functions, variables of the kernel, names that may be unset."""

from __future__ import annotations

import ast
import builtins
import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from gemel.semantics import build, ir
from gemel.semantics.dtypes import BOOL, IndexType, IntType
from gemel.semantics.errors import TraceError, TypeCheckError
from gemel.semantics.span import Span
from gemel.semantics.traverse import map_body
from gemel.semantics.typerules import holds
from gemel.source import FunctionNode, Source
from gemel.traced import Value
from gemel.tracer import tracer
from gemel.values import NUMPY_TYPES, as_expr, for_store, is_static, spelled_type


@dataclass(frozen=True)
class Cell:
    """A name that is a variable of the kernel; `declared` says that the user gave the type."""

    buffer: ir.Buffer
    declared: bool

    def load(self, span: Span) -> Value:
        """The variable's value."""
        return Value(ir.Load(self.buffer, (), span))

    def store(self, x: object, name: str, span: Span) -> None:
        """Sets the variable; an undeclared one refuses what its type can't hold.

        Raises TypeCheckError.
        """
        dtype = self.buffer.dtype
        if not self.declared and not is_static(x):
            self.refuse_narrowing(as_expr(x, span), name, span)
        tracer().emit(ir.Store(self.buffer, (), for_store(x, dtype, span, f"the variable {name}"), span))

    def refuse_narrowing(self, e: ir.Expr, name: str, span: Span) -> None:
        """An undeclared variable keeps its type.

        Raises TypeCheckError where it can't hold a value of the type of `e`.
        """
        if not self.declared and not holds(self.buffer.dtype, e.dtype):
            whole = isinstance(e.dtype, IntType | IndexType)
            own = self.buffer.dtype if isinstance(self.buffer.dtype, IntType) and whole else None
            kind = spelled_type(own) if own else "i32" if whole else spelled_type(e.dtype)
            start = declared(name, self.buffer.span.text(), kind)
            raise TypeCheckError(
                f"{name} is {self.buffer.dtype} before the loop and would become {e.dtype} in it",
                code="T04",
                span=span,
                mend=f"say its type where it starts: {start}; stores then narrow to it",
                notes=[(f"{name} starts here", self.buffer.span)],
            )


def declared(name: str, text: str, kind: str) -> str:
    """How an assignment `text` of `name` is written with the type `kind`."""
    found = re.fullmatch(rf"{name}\s*=\s*(.+)", text)
    return f"`{name}: {kind} = {found.group(1)}`" if found else f"`{name}: {kind} = ...`"


@dataclass(frozen=True)
class Unset:
    """A name without a value on some path."""

    why: str
    span: Span
    code: str = "P03"
    mend: str = ""


@dataclass
class Flag:
    """A bool variable that says that a jump was taken; it is kept only where something reads it."""

    buffer: ir.Buffer
    stored: bool = False
    read: bool = False

    def load(self, span: Span) -> ir.Expr:
        """Whether the jump was taken."""
        self.read = True
        return ir.Load(self.buffer, (), span)

    def set(self, span: Span) -> None:
        """Takes the jump."""
        self.stored = True
        tracer().emit(ir.Store(self.buffer, (), build.boolean(True, span), span))

    def cleared(self, span: Span) -> list[ir.Stmt]:
        """The statements that declare the flag, where it is read."""
        return [ir.Alloc(self.buffer, span), ir.Store(self.buffer, (), build.boolean(False, span), span)] * self.read


def new_flag(hint: str, span: Span) -> Flag:
    """A flag that is not declared yet."""
    return Flag(ir.Buffer(hint, BOOL, (), span))


def without_unread(body: Sequence[ir.Stmt], flags: Sequence[Flag | None]) -> tuple[ir.Stmt, ...]:
    """A block without the stores to flags that nothing reads."""
    dead = {f.buffer for f in flags if f is not None and not f.read}

    def drop(s: ir.Stmt) -> ir.Stmt | tuple[ir.Stmt, ...]:
        return () if isinstance(s, ir.Store) and s.buffer in dead else s

    return map_body(tuple(body), stmt=drop) if dead else tuple(body)


@dataclass
class Returns:
    """The `return` statements that depend on the kernel's values: a flag, and a provisional buffer for each value."""

    flag: Flag
    values: list[Any] = field(default_factory=list)
    tuple_of: int | None = None
    buffers: list[ir.Buffer] = field(default_factory=list)
    stores: dict[ir.Buffer, list[tuple[ir.Expr, Span]]] = field(default_factory=dict)
    first: Span | None = None


@dataclass
class Frame:
    """A function that is being traced."""

    source: Source
    locals: dict[str, Any]
    outer: Frame | dict[str, Any]
    globals: dict[str, Any]
    returns: Returns | None = None
    loops: list[LoopState] = field(default_factory=list)
    nodes: list[ast.For | ast.While] = field(default_factory=list)
    depth: int = 0
    jump: str = ""
    result: Any = None
    starts: dict[str, ast.stmt] = field(default_factory=dict)

    def span(self, node: ast.AST) -> Span:
        """Where a node stands."""
        return self.source.span(node)

    def lookup(self, name: str, span: Span) -> Any:
        """The value of a name, following Python's scopes.

        Raises TraceError where it has none or may have none.
        """
        found = self._find(name)
        if found is _MISSING and name in assigned_names(_body(self.source.node)):
            raise TraceError(
                f"{name} is used before it is set",
                code="P03",
                span=span,
                mend=f"give {name} a value before, with its type: `{name}: i32 = 0`",
            )
        if found is _MISSING:
            close = difflib.get_close_matches(name, [*self.locals, *self.globals], 1)
            mend = f"did you mean {close[0]}?" if close else "define it before the kernel, or import it"
            raise TraceError(
                f"{name} is not defined",
                code="P08",
                span=span,
                mend=f"from gemel import {name}" if name in map(str, NUMPY_TYPES.values()) else mend,
            )
        if isinstance(found, Unset):
            raise TraceError(
                f"{name} may be unset here" if found.code == "P03" else f"{name} has no single value here",
                code=found.code,
                span=span,
                mend=found.mend or f"give {name} a value before, on every path",
                notes=[(found.why, found.span)],
            )
        return found

    def _find(self, name: str) -> Any:
        if name in self.locals:
            return self.locals[name]
        if isinstance(self.outer, Frame):
            inner = self.outer._find(name)
            if inner is not _MISSING:
                return inner
        elif name in self.outer:
            return self.outer[name]
        if name in self.globals:
            return self.globals[name]
        return getattr(builtins, name, _MISSING)


_MISSING = object()


def _body(node: FunctionNode) -> Sequence[ast.AST]:
    return [] if isinstance(node, ast.Lambda) else node.body


@dataclass
class LoopState:
    """A loop around the statement being traced: its jump flags, and whether it is a loop of the kernel."""

    traced: bool
    depth: int
    broke: Flag
    skipped: Flag


def assigned_names(nodes: Sequence[ast.AST], in_place: bool = True) -> Iterator[str]:
    """The names that statements or targets bind in their own function; `in_place` says whether `x += y` counts."""
    own = list(_own_nodes(nodes))
    skipped = set() if in_place else {n.target for n in own if isinstance(n, ast.AugAssign)}
    for node in own:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node not in skipped:
            yield node.id


def loaded_names(nodes: list[ast.stmt]) -> set[str]:
    """The names that statements read, nested functions included."""
    found = {n.id for s in nodes for n in ast.walk(s) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    return found | {
        n.target.id
        for s in nodes
        for n in ast.walk(s)
        if isinstance(n, ast.AugAssign) and isinstance(n.target, ast.Name)
    }


def _own_nodes(nodes: Sequence[ast.AST]) -> Iterator[ast.AST]:
    for node in nodes:
        yield node
        if not isinstance(node, ast.FunctionDef | ast.Lambda | ast.ClassDef | ast.ListComp | ast.GeneratorExp):
            yield from _own_nodes(list(ast.iter_child_nodes(node)))


def jumps(nodes: list[ast.stmt], kind: type[ast.stmt]) -> bool:
    """Whether statements hold a break or continue that belongs to the loop around them, or a return."""
    for node in nodes:
        if isinstance(node, kind):
            return True
        if isinstance(node, ast.FunctionDef) or (isinstance(node, ast.For | ast.While) and kind is not ast.Return):
            continue
        children = [c for c in ast.iter_child_nodes(node) if isinstance(c, ast.stmt)]
        if jumps(children, kind):
            return True
    return False


def exposed(nodes: list[ast.stmt]) -> set[str]:
    """Names that statements may read before they bind them (an upper bound, by a walk in order of evaluation)."""
    bound: set[str] = set()
    found: set[str] = set()
    for node in nodes:
        _expose(node, bound, found)
    return found


def _expose(node: ast.stmt, bound: set[str], found: set[str]) -> None:
    if isinstance(node, ast.Assign | ast.AnnAssign):
        found |= _reads(node) - bound
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        bound |= {
            n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
        }
    elif isinstance(node, ast.If):
        found |= _reads(node.test) - bound
        then, orelse = set(bound), set(bound)
        for s in node.body:
            _expose(s, then, found)
        for s in node.orelse:
            _expose(s, orelse, found)
        bound |= then & orelse
    elif isinstance(node, ast.For | ast.While):
        inner = set(bound)
        found |= _reads(node.iter if isinstance(node, ast.For) else node.test) - bound
        if isinstance(node, ast.For):
            inner |= {n.id for n in ast.walk(node.target) if isinstance(n, ast.Name)}
        for s in [*node.body, *node.orelse]:
            _expose(s, inner, found)
    else:
        found |= loaded_names([node]) - bound


def _reads(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
