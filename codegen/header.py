"""The C header of a kernel compiled ahead of time."""

from __future__ import annotations

import re
from math import prod
from typing import assert_never

from gemel.codegen.export import FINE, FULL, message, plain, symbol
from gemel.codegen.lower import OUT_OF_MEMORY, Lowered
from gemel.codegen.places import element_bytes, known_shape
from gemel.codegen.targets import Target
from gemel.semantics.dtypes import F32, F64, BoolType, DType, FixedType, FloatType, IndexType, IntType
from gemel.semantics.dtypes import storage_bits as bits
from gemel.semantics.ir import Buffer, Kernel, Var
from gemel.semantics.storage import is_wide, odd_width, value_range
from gemel.semantics.traverse import stored

KEYWORDS = frozenset(
    [
        "auto",
        "break",
        "case",
        "char",
        "const",
        "continue",
        "default",
        "do",
        "double",
        "else",
        "enum",
        "extern",
        "float",
        "for",
        "goto",
        "if",
        "inline",
        "int",
        "long",
        "register",
        "restrict",
        "return",
        "short",
        "signed",
        "sizeof",
        "static",
        "struct",
        "switch",
        "typedef",
        "union",
        "unsigned",
        "void",
        "volatile",
        "while",
        "bool",
        "true",
        "false",
        "nullptr",
        "alignas",
        "alignof",
        "constexpr",
        "thread_local",
        "typeof",
        "and",
        "bitand",
        "bitor",
        "catch",
        "class",
        "compl",
        "concept",
        "delete",
        "explicit",
        "export",
        "friend",
        "mutable",
        "namespace",
        "new",
        "not",
        "operator",
        "or",
        "private",
        "protected",
        "public",
        "requires",
        "template",
        "this",
        "throw",
        "try",
        "typeid",
        "typename",
        "using",
        "virtual",
        "xor",
    ]
)
"""What is no name of a parameter in C or C++."""


def c_type(dtype: DType) -> str:
    """The C type of an element or a number; more than 64 bits are an array of such."""
    if is_wide(dtype):
        return "uint64_t"
    match dtype:
        case BoolType():
            return "uint8_t"
        case FloatType():
            return {F32: "float", F64: "double"}.get(dtype, f"uint{bits(dtype)}_t")
        case IndexType():
            return "int64_t"
        case IntType() | FixedType():
            return f"{'' if dtype.signed else 'u'}int{bits(dtype)}_t"
        case _:
            assert_never(dtype)


def meaning(dtype: DType) -> str:
    """What a C value of a type stands for, where the type alone doesn't say it."""
    if is_wide(dtype):
        return f"{bits(dtype) // 64} words each, the least significant first"
    match dtype:
        case BoolType():
            return "0 or 1"
        case FloatType():
            return "" if dtype in (F32, F64) else f"the bits of a {dtype}"
        case FixedType():
            return f"x * 2^-{dtype.frac}, x in {_range(dtype)}"
        case IndexType() | IntType():
            return f"in {_range(dtype)}" if odd_width(dtype) else ""
        case _:
            assert_never(dtype)


def _range(dtype: DType) -> str:
    lo, hi = value_range(dtype)
    return f"{lo}..{hi}"


def names(kernel: Kernel) -> list[str]:
    """The names of the parameters and results in C, each once."""
    found: list[str] = []
    for p in (*kernel.params, *kernel.results):
        name = plain(p.hint)
        if name in KEYWORDS or name.startswith("_") or name[0].isdigit():
            name = f"p{name}"
        while name in found:
            name += "_"
        found.append(name)
    return found


def header(source: Kernel, promoted: Kernel, lowered: Lowered, target: Target) -> str:
    """The text of the header; `source` has the user's types."""
    function, guard = symbol(source), f"{symbol(source).upper()}_H"
    called, changed = names(source), stored(promoted.body)
    uses = ["read and written" if p in changed else "read" for p in promoted.params] + ["result"] * len(source.results)
    things = list(zip(called, (*source.params, *source.results), uses, strict=True))
    params = ", ".join(_parameter(*thing) for thing in things)
    return "\n".join(
        [
            f"/* {source.name}, compiled by Gemel for {target.name}: {target.description}. Needs no Python. */",
            f"#ifndef {guard}",
            f"#define {guard}",
            "",
            "#include <stdint.h>",
            "",
            "#ifdef __cplusplus",
            'extern "C" {',
            "#endif",
            "",
            *_statuses(promoted, lowered),
            "",
            "/*",
            *(_described(*thing) for thing in things),
            *_TERMS,
            " */",
            f"int32_t {function}({params or 'void'});",
            "",
            "/* What a status means; a null pointer for a number that is none. */",
            f"const char *{function}_message(int32_t status);",
            "",
            "#ifdef __cplusplus",
            "}",
            "#endif",
            "#endif",
            "",
        ]
    )


_TERMS = (
    " *",
    " * Arrays are contiguous, in row-major order, aligned as C aligns their elements. An array that is written",
    " * overlaps no other. The function keeps nothing between calls, starts no thread, and may run in several at once.",
    " * Large local arrays come from aligned_alloc or malloc and go to free. After a status that isn't 0, what was",
    " * written is not to be relied on.",
)


def _statuses(kernel: Kernel, lowered: Lowered) -> list[str]:
    function, prefix = symbol(kernel), symbol(kernel).upper()
    rows = [(f"{prefix}_OK", 0, FINE), (f"{prefix}_NO_MEMORY", OUT_OF_MEMORY, FULL)]
    rows += [(f"{prefix}_CHECK_{n}", n, message(kernel, site)) for n, site in enumerate(lowered.sites, 1)]
    lines = [f"  {name} = {status}, /* {_comment(text)} */" for name, status, text in rows]
    return [f"enum {function}_status {{", *lines, "};"]


def _comment(text: str) -> str:
    """A text that neither ends a comment nor seems to begin one."""
    return re.sub(r"[/*](?=[/*])", r"\g<0> ", text)


def _parameter(name: str, p: Buffer | Var, use: str) -> str:
    if isinstance(p, Var) and not is_wide(p.dtype):
        return f"{c_type(p.dtype)} {name}"
    return f"{'const ' if use == 'read' else ''}{c_type(p.dtype)} *{name}"


def _described(name: str, p: Buffer | Var, use: str) -> str:
    shape = known_shape(p) or () if isinstance(p, Buffer) else ()
    size = "".join(f"[{n}]" for n in shape)
    note = meaning(p.dtype)
    storage = f", {prod(shape) * element_bytes(p.dtype)} bytes" if isinstance(p, Buffer) else ""
    return f" * {name}: {p.dtype}{size}, {use}{storage}{f'; {note}' if note else ''}"
