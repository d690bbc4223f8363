"""Scalar LLVM instructions made vector ones: the same operations on W lanes.

An op has one definition in LLVM IR, `llvmops`, and it is scalar, straight-line text. What comes from a vector operand
becomes a vector instruction here; the rest stays scalar and is spread over the lanes where it meets a vector.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from gemel.codegen.elementary import SCALED
from gemel.codegen.emitter import Emitter

NAME = r'%[\w."-]+'
VALUE = rf"(?:{NAME}|[-\w.]+)"
TYPE = r"(?:i\d+|float|double|half|ptr)"

BINARY = re.compile(
    rf"(?P<op>add|sub|mul|[us]div|[us]rem|shl|lshr|ashr|and|or|xor|f(?:add|sub|mul|div|rem)|[if]cmp \w+)"
    rf"(?P<flags>(?: (?:nuw|nsw|exact|disjoint))*) (?P<type>{TYPE}) (?P<a>{VALUE}), (?P<b>{VALUE})"
)
UNARY = re.compile(rf"fneg (?P<type>{TYPE}) (?P<a>{VALUE})")
CAST = re.compile(rf"(?P<op>\w+(?: nneg)?) (?P<type>{TYPE}) (?P<a>{VALUE}) to (?P<to>{TYPE})")
SELECT = re.compile(rf"select i1 (?P<c>{VALUE}), (?P<type>{TYPE}) (?P<a>{VALUE}), {TYPE} (?P<b>{VALUE})")
CALL = re.compile(rf'call (?P<type>{TYPE}) @(?P<name>"[^"]+"|[\w.]+)\((?P<args>.*)\)')
ARGUMENT = re.compile(rf"(?P<type>{TYPE}) (?P<value>{VALUE})")
ELEMENT = re.compile(rf'getelementptr inbounds (?P<type>{TYPE}), ptr (?P<base>@(?:"[^"]+"|[\w.]+)), i64 (?P<a>{VALUE})')
LOAD = re.compile(rf"load (?P<type>{TYPE}), ptr (?P<a>{NAME})")
LINE = re.compile(rf"\s*(?P<name>{NAME}) = (?P<rest>.*)")
DEFINITION = re.compile(
    rf'define internal (?P<type>{TYPE}) @"(?P<name>[^"]+)"\((?P<params>.*)\) alwaysinline nounwind \{{'
)
WIDTH = {"float": 32, "double": 64, "half": 16, "i8": 8, "i16": 16, "i32": 32, "i64": 64}
SUFFIX = {"float": "f32", "double": "f64", "half": "f16"}
PLAIN_ARGUMENTS = ("llvm.abs.", "llvm.ctlz.", "llvm.cttz.")
"""Intrinsics whose second argument is a literal of its own."""


class NotWide(Exception):
    """Text that has no vector form here: the loop is emitted as a scalar one."""


def vector(lanes: int, kind: str) -> str:
    """A vector type."""
    return f"<{lanes} x {kind}>"


def spread(out: Emitter, lanes: int, kind: str, value: str) -> str:
    """A scalar in each lane."""
    if not value.startswith("%"):
        return f"splat ({kind} {value})"
    one = out.value(f"insertelement {vector(lanes, kind)} poison, {kind} {value}, i64 0")
    t = vector(lanes, kind)
    return out.value(f"shufflevector {t} {one}, {t} poison, <{lanes} x i32> zeroinitializer")


@dataclass
class Widener:
    """Vector forms of scalar lines; `wide` are the names that are vectors."""

    out: Emitter
    lanes: int
    wide: set[str] = field(default_factory=set)
    definitions: dict[str, str] = field(default_factory=dict)
    _spread: dict[tuple[str, str, str], str] = field(default_factory=dict)

    def lines(self, lines: Iterable[str]) -> None:
        """Emits the vector form of straight-line text.

        Raises NotWide where an instruction has none.
        """
        for line in lines:
            found = LINE.fullmatch(line)
            if found is None:
                raise NotWide(line)
            name, rest = found["name"], found["rest"]
            if not any(word in self.wide for word in re.findall(NAME, rest)):
                self.out.lines.append(line)
                continue
            self.out.lines.append(f"  {name} = {self._instruction(rest)}")
            self.wide.add(name)

    def _instruction(self, text: str) -> str:
        for pattern, rewrite in self._FORMS:
            found = pattern.fullmatch(text)
            if found is not None:
                return rewrite(self, found)
        raise NotWide(text)

    def operand(self, kind: str, value: str) -> str:
        """An operand as a vector."""
        if value in self.wide:
            return value
        key = (self.out.block, kind, value)  # what is spread in a block is known to be there in that block only
        if key not in self._spread or not value.startswith("%"):
            self._spread[key] = spread(self.out, self.lanes, kind, value)
        return self._spread[key]

    def _type(self, kind: str) -> str:
        return vector(self.lanes, kind)

    def _binary(self, m: re.Match[str]) -> str:
        kind = m["type"]
        a, b = self.operand(kind, m["a"]), self.operand(kind, m["b"])
        return f"{m['op']}{m['flags']} {self._type(kind)} {a}, {b}"

    def _unary(self, m: re.Match[str]) -> str:
        return f"fneg {self._type(m['type'])} {self.operand(m['type'], m['a'])}"

    def _cast(self, m: re.Match[str]) -> str:
        return f"{m['op']} {self._type(m['type'])} {self.operand(m['type'], m['a'])} to {self._type(m['to'])}"

    def _select(self, m: re.Match[str]) -> str:
        t, kind = self._type(m["type"]), m["type"]
        a, b = self.operand(kind, m["a"]), self.operand(kind, m["b"])
        cond = f"{self._type('i1')} {m['c']}" if m["c"] in self.wide else f"i1 {m['c']}"
        return f"select {cond}, {t} {a}, {t} {b}"

    def _element(self, m: re.Match[str]) -> str:
        return f"getelementptr inbounds {m['type']}, ptr {m['base']}, {self._type('i64')} {m['a']}"

    def _load(self, m: re.Match[str]) -> str:
        return gather(self.out, self.lanes, m["type"], m["a"], None, 1)

    def _call(self, m: re.Match[str]) -> str:
        name, kind = m["name"], m["type"]
        given = [(a["type"], a["value"]) for a in ARGUMENT.finditer(m["args"])]
        if name.startswith('"'):
            return self._call_own(name.strip('"'), kind, given)
        if not name.startswith("llvm."):
            raise NotWide(name)
        parts = [f"v{self.lanes}{p}" if re.fullmatch(r"[if]\d+", p) else p for p in name.split(".")]
        plain = name.startswith(PLAIN_ARGUMENTS)
        args = [(self._type(t), self.operand(t, v)) for t, v in given[: 1 if plain else None]]
        args += given[1:] if plain else []
        return self._called(self._type(kind), ".".join(parts), args)

    def _called(self, result: str, name: str, args: list[tuple[str, str]]) -> str:
        self.out.declarations.add(f"declare {result} @{name}({', '.join(t for t, _ in args)})")
        return f"call {result} @{name}({', '.join(f'{t} {v}' for t, v in args)})"

    def _call_own(self, name: str, kind: str, given: list[tuple[str, str]]) -> str:
        """A call of a function of the module, of which a vector form is made."""
        if name == f"{SCALED}.{kind}":
            return self._scaled(kind, given)
        wide = f"{name}.x{self.lanes}"
        text = self.definitions.get(name)
        if text is None:
            raise NotWide(name)
        self.out.declarations |= _widened(text, wide, self.lanes, self.definitions, self.out.scales)
        args = ", ".join(f"{self._type(t)} {self.operand(t, v)}" for t, v in given)
        return f'call {self._type(kind)} @"{wide}"({args})'

    def _scaled(self, kind: str, given: list[tuple[str, str]]) -> str:
        """x * 2**k in one instruction for each register, or as it has been made in others."""
        x, k, made = (self.operand(t, v) for t, v in given)
        whole, most = self._type(kind), 512 // WIDTH[kind]
        if not self.out.scales or self.lanes * WIDTH[kind] < 128 or self.lanes & (self.lanes - 1):
            return f"select i1 true, {whole} {made}, {whole} {made}"
        if self.lanes <= most:
            return scale(self.out, self.lanes, kind, x, k)
        parts = []
        for first in range(0, self.lanes, most):
            pair = (part(self.out, self.lanes, kind, v, first, most) for v in (x, k))
            parts.append(self.out.value(scale(self.out, most, kind, *pair)))
        return _joined(self.out, most, kind, parts)

    _FORMS: tuple[tuple[re.Pattern[str], Callable[[Widener, re.Match[str]], str]], ...] = (
        (BINARY, _binary),
        (CAST, _cast),
        (SELECT, _select),
        (CALL, _call),
        (UNARY, _unary),
        (ELEMENT, _element),
        (LOAD, _load),
    )


def suffix(lanes: int, kind: str) -> str:
    """How a vector type is written in the name of an intrinsic."""
    return f"v{lanes}{SUFFIX.get(kind, kind)}"


def gather(out: Emitter, lanes: int, kind: str, pointers: str, mask: str | None, align: int) -> str:
    """The text of a load of each lane's own place; lanes outside of the mask are zero."""
    t, p, m = vector(lanes, kind), vector(lanes, "ptr"), vector(lanes, "i1")
    name = f"llvm.masked.gather.{suffix(lanes, kind)}.v{lanes}p0"
    out.declarations.add(f"declare {t} @{name}({p}, i32, {m}, {t})")
    return f"call {t} @{name}({p} {pointers}, i32 {align}, {m} {mask or 'splat (i1 true)'}, {t} zeroinitializer)"


def scale(out: Emitter, lanes: int, kind: str, x: str, k: str) -> str:
    """The text of x * 2**k for a register that is full."""
    t, bits = vector(lanes, kind), lanes * WIDTH[kind]
    name, mask = f"llvm.x86.avx512.mask.scalef.p{kind[0].replace('f', 's')}.{bits}", f"i{max(8, lanes)}"
    args = [f"{t} {x}", f"{t} {k}", f"{t} zeroinitializer", f"{mask} -1"]
    args += ["i32 4"] if bits == 512 else []  # rounds as everything else does
    out.declarations.add(f"declare {t} @{name}({', '.join(a.rsplit(' ', 1)[0] for a in args)})")
    return f"call {t} @{name}({', '.join(args)})"


def part(out: Emitter, lanes: int, kind: str, value: str, first: int, count: int) -> str:
    """Some lanes of a vector."""
    t, which = vector(lanes, kind), ", ".join(f"i32 {first + n}" for n in range(count))
    return out.value(f"shufflevector {t} {value}, {t} poison, <{count} x i32> <{which}>")


def _joined(out: Emitter, lanes: int, kind: str, parts: list[str]) -> str:
    """The text of the last step that makes one vector of two, four, ... parts."""
    while True:
        t, which = vector(lanes, kind), ", ".join(f"i32 {n}" for n in range(2 * lanes))
        pairs = zip(parts[::2], parts[1::2], strict=True)
        texts = [f"shufflevector {t} {a}, {t} {b}, <{2 * lanes} x i32> <{which}>" for a, b in pairs]
        if len(texts) == 1:
            return texts[0]
        parts, lanes = [out.value(text) for text in texts], 2 * lanes


def own_functions(declarations: Iterable[str]) -> dict[str, str]:
    """The module's functions that may be widened, by name."""
    found = {}
    for text in declarations:
        head = re.search(r'^define internal \S+ @"([^"]+)"', text, re.MULTILINE)
        if head is not None:
            found[head[1]] = text
    return found


def _widened(text: str, name: str, lanes: int, definitions: dict[str, str], scales: bool) -> set[str]:
    """The vector form of a function, and what it needs."""
    head = next((m for line in text.splitlines() if (m := DEFINITION.fullmatch(line))), None)
    if head is None:
        raise NotWide(name)
    body = text[text.index("entry:") :].splitlines()[1:-1]
    out = Emitter(scales=scales)
    params = [(a["type"], a["value"]) for a in ARGUMENT.finditer(head["params"])]
    w = Widener(out, lanes, {value for _, value in params}, definitions)
    out._count = 10_000  # names of its own beside those of the text
    result = _straight(w, body, [value for _, value in params], params[0][0])
    given = ", ".join(f"{vector(lanes, t)} {v}" for t, v in params)
    kind = vector(lanes, head["type"])
    made = [f'define internal {kind} @"{name}"({given}) alwaysinline nounwind {{', "entry:", *out.lines]
    return {"\n".join([*made, f"  ret {kind} {result}", "}"]), *out.declarations}


def _straight(w: Widener, body: list[str], params: list[str], kind: str) -> str:
    """Emits a function's body; a rare case is computed one by one, where a lane has it. Gives the result."""
    branch = next((n for n, line in enumerate(body) if line.lstrip().startswith("br i1")), None)
    if branch is None:
        w.lines(body[:-1])
        return w.operand(kind, body[-1].split()[-1])
    cond = re.findall(VALUE, body[branch].split(",")[0])[-1]
    usual = body.index("usual:")
    w.lines(body[:branch])
    w.lines(body[usual + 1 : -1])
    far = CALL.fullmatch(body[branch + 2].split(" = ")[1])
    if far is None:
        raise NotWide(body[branch + 2])
    return _patched(w, cond, w.operand(kind, body[-1].split()[-1]), far, body[branch + 2 : usual], params, kind)


def _patched(
    w: Widener, cond: str, usual: str, far: re.Match[str], rare: list[str], params: list[str], kind: str
) -> str:
    """The usual result, with the lanes in which the rare case is taken computed apart."""
    out, lanes = w.out, w.lanes
    mask = w.operand("i1", cond)
    any_ = out.value(f"call i1 @llvm.vector.reduce.or.v{lanes}i1({vector(lanes, 'i1')} {mask})")
    out.declarations.add(f"declare i1 @llvm.vector.reduce.or.v{lanes}i1({vector(lanes, 'i1')})")
    out.branch(any_, "lane", "done")
    t = vector(lanes, kind)
    out.start("lane")
    out.lines.append("  %lane.n = phi i64 [ 0, %entry ], [ %lane.next, %kept ]")
    out.lines.append(f"  %lane.r = phi {t} [ {usual}, %entry ], [ %lane.s, %kept ]")
    out.branch(out.value(f"extractelement {vector(lanes, 'i1')} {mask}, i64 %lane.n"), "take", "kept")
    out.start("take")
    value = out.value(f"extractelement {t} {params[0]}, i64 %lane.n")
    name = far["name"] if far["name"].startswith('"') else f'"{far["name"]}"'
    one = out.value(f"call {kind} @{name}({kind} {value})")
    taken = out.value(f"insertelement {t} %lane.r, {kind} {one}, i64 %lane.n")
    out.jump("kept")
    out.start("kept")
    out.lines.append(f"  %lane.s = phi {t} [ %lane.r, %lane ], [ {taken}, %take ]")
    out.lines.append("  %lane.next = add i64 %lane.n, 1")
    out.branch(out.value(f"icmp eq i64 %lane.next, {lanes}"), "done", "lane")
    out.start("done")
    return out.value(f"phi {t} [ {usual}, %entry ], [ %lane.s, %kept ]")
