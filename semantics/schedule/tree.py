"""A kernel as the tree of its loops, for people who schedule it."""

from __future__ import annotations

from collections.abc import Iterator

from gemel.semantics.ir import Alloc, Assert, Call, For, If, Kernel, LoopKind, Reduce, Stmt, Store, While
from gemel.semantics.text import print_expr
from gemel.semantics.traverse import Body


def tree(kernel: Kernel) -> str:
    """The loops with their bounds and kinds, and what they store to."""
    return "\n".join([kernel.name, *_lines(kernel.body, "  ")])


def _lines(body: Body, indent: str) -> Iterator[str]:
    seen = ""
    for s in body:
        line = _line(s)
        if line and line != seen:
            yield indent + line
        seen = line
        match s:
            case For() | While():
                yield from _lines(s.body, indent + "  ")
            case If():
                yield from _lines(s.then, indent + "  ")
                yield from _lines(s.orelse, indent + "  ")
            case _:
                pass


def _line(s: Stmt) -> str:
    match s:
        case For():
            kind = "" if s.kind is LoopKind.SERIAL else f"  {s.kind.value}"
            kind += f", every {s.every} cycles" if s.every else ""
            return f"{s.var.hint} in {print_expr(s.lo)} .. {print_expr(s.hi)}{kind}"
        case While():
            return "while"
        case If():
            return f"if {print_expr(s.cond)}"
        case Alloc():
            return f"alloc {s.buffer.hint}[{', '.join(map(print_expr, s.buffer.shape))}]"
        case Store():
            return f"{s.buffer.hint} ="
        case Reduce():
            return f"{s.buffer.hint} {s.op.name}="
        case Call():
            return f"call {s.kernel.name}"
        case Assert():
            return f"check {s.check.name.lower()}"
        case _:
            return ""
