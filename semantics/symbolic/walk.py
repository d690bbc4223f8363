"""Going through terms without recursion: they may be as deep as a run is long."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from gemel.semantics.symbolic.numbers import signed
from gemel.semantics.symbolic.terms import Term, Value, Words, operands


def postorder(
    roots: Iterable[Value], done: Callable[[Term], bool], below: Callable[[Term], Iterable[Value]] = operands
) -> Iterator[Term]:
    """Terms, each once and after those below it; what is `done` isn't entered (the caller makes it so on the way)."""
    stack: list[Value] = [r for r in roots if type(r) is Term]
    while stack:
        t = stack[-1]
        if done(t):
            stack.pop()
            continue
        waits = [x for x in below(t) if type(x) is Term and not done(x)]
        if waits:
            stack += waits
        else:
            stack.pop()
            yield t


def rebuilt(words: Words, roots: Iterable[Value], made: dict[Term, Value]) -> list[Value]:
    """Terms with those in `made` replaced, built anew by the constructors; `made` gets what is built."""
    roots = list(roots)
    first = min((t.uid for t in made), default=0)  # what is older than all of these is made of none

    def kept(t: Term) -> bool:
        return t.uid < first or t in made

    for t in postorder(roots, kept):
        made[t] = rebuild(words, t, tuple(made.get(x, x) if type(x) is Term else x for x in operands(t)))
    return [made.get(r, r) if type(r) is Term else r for r in roots]


def rebuild(words: Words, t: Term, args: tuple[Value, ...]) -> Value:
    """A term's operator on other operands."""
    match t.op:
        case "var":
            return t
        case "app":
            return words.app(t.args[0], t.w, *args)
        case "cat":
            return words.cat(*[x for pair in zip(t.args[::2], args, strict=True) for x in pair])
        case "ext":
            return words.ext(args[0], t.args[1], t.w)
        case "sext":
            return words.sext(args[0], t.args[0].w, t.w)
        case "eq" | "ult" | "slt":
            return getattr(words, t.op)(width(t.args), *args)
        case "and" | "or":
            return getattr(words, t.op + "_")(t.w, *args)
        case "shl" | "lshr" | "ashr":
            return getattr(words, t.op)(t.w, *args, t.args[1].w)
        case "udiv" | "urem":
            return words.divided(t.op, t.w, *args)
        case "pick":
            return words.pick(t.w, args[0], args[1:])
        case "times":
            return words.mul(t.w, *args)
        case "poly":
            return _sum(words, t, dict(zip(operands(t), args, strict=True)))
        case _:
            return getattr(words, t.op)(t.w, *args)


def width(args: tuple[Value, ...]) -> int:
    """The width that operands have in common."""
    return next(int(a.w) for a in args if type(a) is Term)


def _sum(words: Words, t: Term, made: dict[Term, Value]) -> Value:
    total: Value = 0
    for mono, factor in t.args:
        product: Value = factor
        for atom, kind in mono:
            product = words.mul(t.w, product, words.resized(made[atom], atom.w, t.w, kind == "s"))
        total = words.add(t.w, total, product)
    return total


# ---------------------------------------------------------------------------------------------------------- evaluation


def evaluated(roots: Iterable[Value], known: dict[Term, int], words: Words, apps: Callable[..., int]) -> list[int]:
    """Terms as numbers, where `known` has all symbols; `apps` gives those of functions: of name, width and operands."""
    roots = list(roots)
    for t in postorder(roots, known.__contains__):
        args = tuple(known[x] if type(x) is Term else x for x in operands(t))
        if t.op == "app":
            known[t] = apps(t.args[0], t.w, *args)
        elif t.op == "sext":
            known[t] = signed(args[0], t.args[0].w) & ((1 << t.w) - 1)
        else:
            known[t] = rebuild(words, t, args)
    return [known[r] if type(r) is Term else r for r in roots]


def symbols(roots: Iterable[Value]) -> list[Term]:
    """The symbols of terms, in the order in which they were made."""
    return sorted((t for t in terms_of(roots) if t.op == "var"), key=lambda t: t.uid)


def terms_of(roots: Iterable[Value]) -> list[Term]:
    """All terms below roots, operands first."""
    seen: dict[Term, None] = {}
    for t in postorder(roots, seen.__contains__):
        seen[t] = None
    return list(seen)
