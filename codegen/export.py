"""The C function of a kernel compiled ahead of time, as LLVM IR around the function `@kernel` of `lower`.

`int32_t gemel_NAME(params..., results...)` takes arrays as pointers and numbers by value in the types that `header`
says, sets results to zero where the code doesn't fill them, and gives what `@kernel` gives; `gemel_NAME_message` says
in words what a status means. The values of a failed check are not kept.
"""

from __future__ import annotations

import re
from math import prod
from pathlib import Path

from gemel.codegen import llvmops
from gemel.codegen.emitter import Emitter, llvm_type
from gemel.codegen.lower import OUT_OF_MEMORY, Lowered, Site
from gemel.codegen.places import alignment, element_bytes, known_shape
from gemel.semantics.dtypes import BoolType
from gemel.semantics.ir import Apply, Buffer, Kernel, Let, Ref, Var
from gemel.semantics.ops import CAST
from gemel.semantics.storage import is_wide
from gemel.semantics.text import print_expr
from gemel.semantics.traverse import statements

FINE = "fine"
FULL = "no memory for a local array"


def plain(name: str) -> str:
    """A name as C can have it."""
    return re.sub(r"[^A-Za-z0-9_]", "_", name)


def symbol(kernel: Kernel) -> str:
    """The name of a kernel's C function."""
    return f"gemel_{plain(kernel.name)}"


def message(kernel: Kernel, site: Site) -> str:
    """What a failed check means: the place, and the message with expressions in place of their values."""
    check, text = site.check, site.check.message
    lets = {s.var: s.value for s in statements(kernel.body) if isinstance(s, Let)}
    for n, value in enumerate(check.values):
        shown = lets.get(value.var, value) if isinstance(value, Ref) else value
        while isinstance(shown, Apply) and shown.op is CAST:
            (shown,) = shown.args
        text = text.replace(f"{{{n}}}", re.sub(r":[a-z]\w*", "", print_expr(shown)))
    return f"{Path(check.span.file).name}:{check.span.line}: {text}"


def exported(kernel: Kernel, lowered: Lowered, half: bool, pointer_bits: int) -> str:
    """The module of a promoted kernel with its C functions."""
    text = lowered.text if pointer_bits == 64 else _narrow_memory(lowered.text)
    entry = _entry(kernel, lowered, Emitter(half=half))
    known = set(text.split("\n"))
    declared = [line for line in entry if not (line.startswith("declare") and line in known)]
    return "\n".join([text, *declared, *_messages(kernel, lowered), ""])


def _entry(kernel: Kernel, lowered: Lowered, out: Emitter) -> list[str]:
    params, passed = [], []
    for n, p in enumerate((*kernel.params, *kernel.results)):
        pointer = isinstance(p, Buffer) or is_wide(p.dtype)
        params.append(f"{'ptr' if pointer else llvmops.memory_type(p.dtype)} %a{n}")
        passed.append(f"ptr %a{n}" if pointer else _scalar(out, p, f"%a{n}"))
    for n, (b, filled) in enumerate(zip(kernel.results, lowered.filled, strict=True), len(kernel.params)):
        size = prod(known_shape(b) or ()) * element_bytes(b.dtype)
        if not filled and size:
            place = ("ptr", f"align {alignment(b.dtype)} %a{n}")
            out.call("void", "llvm.memset.p0.i64", place, ("i8", "0"), ("i64", str(size)), ("i1", "false"))
    status = out.value(f"call i64 @kernel({', '.join([*passed, 'ptr %error'])})")
    code = out.value(f"trunc i64 {status} to i32")
    return [
        *sorted(out.declarations),
        f"define signext i32 @{symbol(kernel)}({', '.join(params)}) #0 {{",
        f"  %error = alloca [{max(lowered.record, 1)} x i8], align 8",
        *out.lines,
        f"  ret i32 {code}",
        "}",
    ]


def _scalar(out: Emitter, p: Buffer | Var, given: str) -> str:
    """A number as `@kernel` takes it: bits that an odd width leaves over are not looked at, a bool is 0 or 1."""
    value = llvmops.from_memory(out, given, p.dtype)
    if isinstance(p.dtype, BoolType):
        return f"i8 {out.value(f'zext i1 {value} to i8')}"
    return f"{llvm_type(p.dtype)} {value}"


def _messages(kernel: Kernel, lowered: Lowered) -> list[str]:
    """`const char *gemel_NAME_message(int32_t status)`."""
    texts = {0: FINE, OUT_OF_MEMORY: FULL, **{n: message(kernel, site) for n, site in enumerate(lowered.sites, 1)}}
    name, lines = f"{symbol(kernel)}_message", []
    for status, text in texts.items():
        data = text.encode() + b"\0"
        shown = "".join(f"\\{byte:02X}" for byte in data)
        lines.append(f'@message{status % (1 << 32)} = private unnamed_addr constant [{len(data)} x i8] c"{shown}"')
    cases = " ".join(f"i32 {status}, label %m{status % (1 << 32)}" for status in texts)
    lines += [f"define ptr @{name}(i32 %status) #0 {{", f"  switch i32 %status, label %other [ {cases} ]"]
    for status in texts:
        lines += [f"m{status % (1 << 32)}:", f"  ret ptr @message{status % (1 << 32)}"]
    return [*lines, "other:", "  ret ptr null", "}"]


_MEMORY = """
declare noalias ptr @malloc(i32)
declare noalias ptr @aligned_alloc(i32, i32)
define internal ptr @gemel.malloc(i64 %n) {
  %big = icmp ugt i64 %n, 2147483647
  br i1 %big, label %no, label %yes
no:
  ret ptr null
yes:
  %m = trunc i64 %n to i32
  %p = call ptr @malloc(i32 %m)
  ret ptr %p
}
define internal ptr @gemel.aligned_alloc(i64 %a, i64 %n) {
  %big = icmp ugt i64 %n, 2147483647
  br i1 %big, label %no, label %yes
no:
  ret ptr null
yes:
  %b = trunc i64 %a to i32
  %m = trunc i64 %n to i32
  %p = call ptr @aligned_alloc(i32 %b, i32 %m)
  ret ptr %p
}
"""


def _narrow_memory(text: str) -> str:
    """The module with C's memory functions as they are where a `size_t` has 32 bits."""
    if "@free(" not in text:
        return text
    lines = [line for line in text.split("\n") if not re.match(r"declare noalias ptr @(malloc|aligned_alloc)\(", line)]
    renamed = re.sub(r"@(malloc|aligned_alloc)\(", r"@gemel.\1(", "\n".join(lines))
    return renamed + _MEMORY
