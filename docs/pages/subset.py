"""Which Python a kernel may use: each construct is traced, and the page says what happened."""

from __future__ import annotations

import ast
import linecache
from dataclasses import dataclass
from typing import Any

import gemel as gm
from gemel.errors import GemelError
from pages import markdown
from pages.markdown import table

HEAD = "def example(x: gm.i32[N], n: gm.i32) -> gm.i32:\n"
NAMES = {"gm": gm, "N": gm.dims("N"), "i32": gm.i32, "u8": gm.u8, "f32": gm.f32}


@dataclass(frozen=True)
class Construct:
    """A construct, a kernel's body that uses it, and what it means; `means` is empty where it is refused."""

    name: str
    body: str
    means: str = ""

    @property
    def source(self) -> str:
        lines = self.body.strip().splitlines()
        return HEAD + "".join(f"    {line}\n" for line in lines)


STATEMENTS = (
    Construct(
        "`x[i] = e`, `a, b = e`, `a = b = e`",
        "a, b = n, 2\nc = d = a\nx[0] = b\nreturn c + d",
        "stores and names; a name that a loop or branch reassigns is a variable",
    ),
    Construct("`name: type = e`", "t: i32 = 0\nreturn t", "a variable of that type"),
    Construct(
        "`x += e` and the like", "x[0] += 1\nreturn x[0]", "accumulates; into a float the order of a sum doesn't matter"
    ),
    Construct(
        "`for` over `range`, `reversed(range(...))`, `gm.grid`, `gm.parallel`, a tensor",
        "t: i32 = 0\nfor i in reversed(range(n)):\n    t += i\nfor v in x:\n    t += v\nreturn t",
        "a loop of the kernel; bounds may depend on data",
    ),
    Construct(
        "`for` over anything else",
        "t: i32 = 0\nfor c in [1, 2]:\n    t += c\nreturn t",
        "runs while tracing; each turn leaves its statements",
    ),
    Construct(
        "`while`",
        "t: i32 = n\nwhile t > 9:\n    t -= 9\nreturn t",
        "a loop of the kernel, or of tracing where tracing knows the condition; `while True` by what leaves it",
    ),
    Construct(
        "`if`, `elif`, `else`",
        "if n > 0:\n    return 1\nelif n < 0:\n    return -1\nelse:\n    return 0",
        "a branch of the kernel, or of tracing where tracing knows the condition",
    ),
    Construct(
        "`break`, `continue`",
        "t: i32 = 0\nfor i in range(n):\n    if i == 3:\n        continue\n    if i == 5:\n        break\n    t += 1\nreturn t",
        "also under conditions of the kernel",
    ),
    Construct(
        "`return`",
        "if n > 0:\n    return n\nreturn 0",
        "also early, and of several values; all returns agree in number and shape",
    ),
    Construct("`assert e, message`", "assert n > 0, 'n is positive'\nreturn n", "proved, else checked at run time"),
    Construct("`def` inside", "def twice(v):\n    return v + v\nreturn twice(n)", "a helper, traced at each call"),
    Construct("an expression as a statement", "gm.assume(n > 0)\nreturn n", "for calls that state or store something"),
    Construct("`pass`", "pass\nreturn n", "nothing"),
    Construct("`for ... else`, `while ... else`", "for i in range(n):\n    pass\nelse:\n    x[0] = 1\nreturn n"),
    Construct("`try`", "try:\n    return n\nexcept ValueError:\n    return 0"),
    Construct("`try` with `except*`", "try:\n    t = n\nexcept* ValueError:\n    t = 0\nreturn t"),
    Construct("`raise`", "raise ValueError"),
    Construct("`with`", "with open('f') as f:\n    return n"),
    Construct("`match`", "match n:\n    case 1:\n        return 2\nreturn n"),
    Construct("`del`", "del n\nreturn 0"),
    Construct("`global`", "global g\nreturn n"),
    Construct("`nonlocal`", "t = 0\ndef f():\n    nonlocal t\n    return t\nreturn f()"),
    Construct("`import`", "import math\nreturn n"),
    Construct("`from ... import`", "from math import pi\nreturn n"),
    Construct("`class`", "class C:\n    pass\nreturn n"),
    Construct("`x.attribute = e`", "x.name = n\nreturn n"),
    Construct(
        "`async def`, `await`, `async for`, `async with`",
        "async def f():\n    await g\n    async with g:\n        async for i in g:\n            pass\nreturn n",
    ),
)
EXPRESSIONS = (
    Construct(
        "`+ - * / // % **`, `-x`",
        "return gm.cast((n + 1) * 2 - n // 3 % 5 + (-n) ** 2, i32)",
        "exact; `/` of floats; `**` by a known exponent from 0 to 64, or of floats",
    ),
    Construct(
        "`& ^ << >> ~` and or",
        "return gm.cast((n & 15) << 2 ^ ~n >> 1 | 1, i32)",
        "two's complement of any length, as in Python",
    ),
    Construct("`x @ y`", "return gm.cast(x @ x, i32)", "the product of tensors of rank 1 and 2"),
    Construct("`== != < <= > >=`, chained", "return 1 if 0 <= n < 9 else 0", "of exact values"),
    Construct(
        "`and`, `or`, `not`",
        "return 1 if n > 0 and not n > 9 or n == 20 else 0",
        "the second part only where it is asked for; of numbers, one of the two",
    ),
    Construct("`a if c else b`", "return n if n > 0 else 0", "a choice of numbers"),
    Construct(
        "`x[i]`, `x[1:, ::2]`, `x[None]`, `x[...]`",
        "return x[1:][0] + 0 * x[None, ...][0, 0] if n < 0 else n",
        "elements and views",
    ),
    Construct(
        "`x.shape`, `x.T`, `x.sum()`",
        "return x.T.sum(dtype=i32)",
        "attributes and methods of tensors; of Python objects, their own",
    ),
    Construct(
        "calls",
        "return max(abs(n), *[1, 2])",
        "of gm functions, kernels, Python functions (traced), and types (`i32(x)`)",
    ),
    Construct("`lambda`", "f = lambda v: v + 1\nreturn f(n)", "a helper"),
    Construct("tuples and lists", "parts = [n, *(1, 2)]\nreturn parts[0]", "of tracing: indices must be known"),
    Construct("sets and dicts of known things", "s = {1, 2}\nd = {'a': 3}\nreturn n + len(s) + d['a']", "of tracing"),
    Construct(
        "comprehensions",
        "a = [n * c for c in range(3) if c]\nb = {c for c in range(2)}\nd = {c: c for c in range(2)}\nreturn sum(a) + sum(v for v in b) + len(d)",
        "unrolled while tracing",
    ),
    Construct(
        "`all(... for ...)`, `any(... for ...)`",
        "return 1 if all(x[i] > 0 for i in range(N)) else 0",
        "a loop of the kernel; in contracts a statement about all elements",
    ),
    Construct(
        "`sum(... for ...)`",
        "return gm.cast(sum(x[i] for i in range(N) if x[i] > 0), i32)",
        "a loop of the kernel where the number of terms isn't known, else unrolled; the type is that of `gm.sum`",
    ),
    Construct("`:=`", "return (t := n + 1) + t", "names a value"),
    Construct("strings and f-strings", "assert n > 0, f'n is {1 + 1}'\nreturn n", "for messages"),
    Construct("`print(...)`", "print('types:', n * n)\nreturn n", "runs once, while tracing"),
    Construct(
        "`is`, `is not`, `in`, `not in` of known things",
        "a = None\nreturn n if a is None and 1 in (1, 2) and 3 not in (1, 2) and n is not None else 0",
        "run while tracing",
    ),
    Construct("`in` with a kernel's value", "return 1 if n in (1, 2) else 0"),
    Construct("a list indexed by a kernel's value", "table = [1, 2, 3]\nreturn table[n]"),
    Construct("a tensor as an index", "y = x[x]\nreturn 0"),
    Construct("a starred target", "a, *b = (1, 2, 3)\nreturn n"),
    Construct("`yield`", "yield n"),
    Construct("`yield from`", "yield from [n]"),
)


def traced(c: Construct) -> GemelError | None:
    """The error that tracing a construct ends with."""
    name = f"example: {c.name}"
    text = c.source.replace(HEAD, f"@gm.kernel\n{HEAD}")
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    names: dict[str, Any] = dict(NAMES)
    try:
        exec(compile(text, name, "exec"), names)
        _ = names["example"].ir
    except GemelError as error:
        return error
    return None


def _supported(cs: tuple[Construct, ...]) -> str:
    return table(["Python", "in a kernel"], [(c.name, c.means) for c in cs if c.means])


def _refused(cs: tuple[Construct, ...]) -> str:
    rows = []
    for c in cs:
        error = None if c.means else traced(c)
        if error is not None:
            rows.append((c.name, error.what, error.mend, error.code))
    return table(["Python", "the error says", "instead", "code"], rows)


def nodes() -> set[type[ast.AST]]:
    """The kinds of syntax that some construct shows."""
    return {type(n) for c in (*STATEMENTS, *EXPRESSIONS) for n in ast.walk(ast.parse(c.source))}


def _builtins() -> str:
    from gemel.calls import REPLACED

    names = [getattr(f, "__name__", str(f)) for f in REPLACED]
    return ", ".join(f"`{'np.' if n in ('minimum', 'maximum') else ''}{n}`" for n in names)


def page() -> str:
    """The page."""
    return markdown.page(
        "Python in a kernel",
        "A kernel's function is evaluated once, on symbolic values. What depends on these becomes part of the program; the rest is Python that runs then. "
        "Each line below was traced to make this page.",
        "## Statements",
        _supported(STATEMENTS),
        "## Expressions",
        _supported(EXPRESSIONS),
        f"Of Python's own functions these take a kernel's values: {_builtins()}. Other functions may be called with whatever tracing knows.",
        "## Refused",
        _refused((*STATEMENTS, *EXPRESSIONS)),
    )
