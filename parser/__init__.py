"""The text form of the IR, parsed. Nothing in a text is executed."""

from __future__ import annotations

import linecache
from functools import cache
from importlib.resources import files

from lark import Lark, UnexpectedInput
from lark.exceptions import UnexpectedCharacters, UnexpectedToken
from lark.lexer import PatternStr

from gemel.parser.reader import Reader
from gemel.semantics.check import check
from gemel.semantics.errors import GemelError, ParseError
from gemel.semantics.ir import Kernel
from gemel.semantics.span import Span

MAX_LENGTH = 50_000_000


@cache
def _grammar() -> Lark:
    text = files("gemel.parser").joinpath("gemel.lark").read_text()
    return Lark(text, parser="lalr", propagate_positions=True, maybe_placeholders=False)


def parse(text: str, filename: str = "<text>") -> Kernel:
    """The last kernel of a text.

    Raises ParseError for anything that is no valid kernel.
    """
    if not isinstance(text, str):
        raise ParseError(f"IR is read from text, not from {type(text).__name__}", code="I01", mend="pass str(k.ir)")
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    if len(text) > MAX_LENGTH:
        raise ParseError("the text is too long", code="I01", mend=f"at most {MAX_LENGTH:,} characters are read")
    try:
        return _parse(text, filename)
    except ParseError:
        raise
    except UnexpectedInput as error:
        raise _syntax(error, text, filename) from None
    except GemelError as error:
        code = "I02" if error.code == "I02" else "I01"
        raise ParseError(error.what, code=code, span=error.span, mend=error.mend) from None
    except RecursionError:
        raise ParseError("the text is nested too deeply", code="I01", mend="name parts with let") from None


def _parse(text: str, filename: str) -> Kernel:
    tree = _grammar().parse(text)
    reader = Reader(filename)
    kernel: Kernel | None = None
    for node in tree.children:
        kernel = reader.kernel(node)
        check(kernel)
    if kernel is None:
        raise ParseError("no kernel in the text", code="I01")
    return kernel


def _syntax(error: UnexpectedInput, text: str, filename: str) -> ParseError:
    if isinstance(error, UnexpectedToken) and error.token.type == "$END":
        last = text.splitlines() or [""]
        span = Span(filename, len(last), len(last[-1]) + 1, len(last), len(last[-1]) + 2)
        return ParseError(f"the text ends too early, at line {len(last)}", code="I01", span=span, mend=_wanted(error))
    line, column = max(error.line, 1), max(error.column, 1)
    size = 1
    what = "unexpected character"
    if isinstance(error, UnexpectedToken):
        what, size = f"unexpected {str(error.token)[:40]!r}", max(1, len(str(error.token).split("\n")[0]))
    elif isinstance(error, UnexpectedCharacters):
        what = f"unexpected character {error.char!r}"
    span = Span(filename, line, column, line, column + size)
    return ParseError(f"{what} at line {line}, column {column}", code="I01", span=span, mend=_wanted(error))


def _wanted(error: UnexpectedInput) -> str:
    names: set[str] = set(getattr(error, "accepts", None) or getattr(error, "expected", None) or ())
    names |= set(getattr(error, "allowed", None) or ())
    known = {t.name: t.pattern.value for t in _grammar().terminals if isinstance(t.pattern, PatternStr)}
    words = sorted(f"`{known[n]}`" if n in known else _WORDS.get(n, n.lower()) for n in names - {"$END"})
    return f"expected {'one of: ' if len(words) > 1 else ''}{', '.join(words[:12])}" if words else ""


_WORDS = {"NAME": "a name", "SIGNED": "a number", "ESCAPED_STRING": "a text in quotes", "INFIX": "an operator"}
