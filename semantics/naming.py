"""Operands in the user's words, for messages."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gemel.semantics.ir import Const, Expr, Load, Ref
from gemel.semantics.span import Span


def spelled(e: Expr, within: Span) -> str:
    """How the user wrote an operand in the source line of `within`; "" where that isn't known."""
    line = within.source_line()
    for text in _candidates(e, within):
        if text and re.search(rf"(?<![\w.]){re.escape(text)}(?!\w)", line):
            return text
    return ""


def _candidates(e: Expr, within: Span) -> list[str]:
    match e:
        case Const():
            return [str(e.value) if isinstance(e.value, float) or abs(e.value) < 1 << 1000 else hex(e.value)]
        case Ref():
            return [e.var.hint, _own_text(e.span, within)]
        case Load() if not e.indices:
            return [e.buffer.hint]
        case Load():
            return [_own_text(e.span, within), e.buffer.hint]
        case _:
            return [_own_text(e.span, within)]


def _own_text(span: Span, within: Span) -> str:
    """The text of a span inside of `within`; "" for `within` itself."""
    return span.text() if span != within and span.line == within.line else ""


def told(args: Sequence[Expr], within: Span) -> str:
    """Which operand has which type, as `x is i32, y is f32`; "" where an operand's text isn't known or says nothing."""
    names = [spelled(a, within) for a in args]
    if not all(names) or sum(not isinstance(a, Const) for a in args) < 2:
        return ""
    return ", ".join(f"{n} is {a.dtype}" for n, a in zip(names, args, strict=True) if not isinstance(a, Const))


def filled(mend: str, args: Sequence[Expr], within: Span) -> str:
    """A mend with the operands' texts in its places `{0}`, `{1}`; what isn't known is called x, y."""
    if "{" not in mend:
        return mend
    names = [spelled(a, within) or fallback for a, fallback in zip(args, "xyz", strict=False)]
    for n, name in enumerate(names):
        mend = mend.replace(f"({{{n}}})", f"({name})").replace(f"{{{n}}}", name if _atomic(name) else f"({name})")
    return mend


def _atomic(text: str) -> bool:
    return re.fullmatch(r"[\w.]+(\[[^\[\]]*\])?|\w[\w.]*\([^()]*\)", text) is not None
