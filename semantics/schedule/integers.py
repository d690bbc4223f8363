"""Places and conditions of a kernel as z3's integers and booleans."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import z3

from gemel.semantics import ops
from gemel.semantics.dtypes import is_integer
from gemel.semantics.intervals import of_type
from gemel.semantics.ir import Apply, Buffer, Const, Expr, For, Kernel, Let, Load, Ref, Var
from gemel.semantics.ranges import MAX_SIZE
from gemel.semantics.schedule.terms import Facts, Leaf, Number, Term, Unknown, Whole
from gemel.semantics.traverse import Body

Place = tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class Frame:
    """A place in a block, and the places of the blocks around it; `var` is that of a loop whose body the block is."""

    body: Body
    pos: int
    outer: Frame | None = None
    loop: For | None = None
    at: Any = None
    reading: tuple[object, Buffer, Place] | None = None

    def before(self, n: int) -> Frame:
        """The place before a statement of the same block."""
        return replace(self, pos=n)


@dataclass
class Integers:
    """The integers of one kernel; `dims` is shared with the kernel that it is compared with."""

    kernel: Kernel
    facts: Facts
    dims: dict[str, Any]
    numbers: dict[Any, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.numbers = {p: n for n, p in enumerate([*self.kernel.params, *self.kernel.results])}
        for v in (*self.kernel.dims, *self.kernel.params):
            if isinstance(v, Var) and is_integer(v.dtype):
                self.symbol(v)

    def value(self, e: Expr, frame: Frame) -> Term:
        """What an expression is at a place."""
        raise NotImplementedError

    def symbol(self, v: Var) -> Any:
        """A size, or a parameter that is an integer."""
        name = f"p{self.numbers[v]}" if v in self.numbers else v.hint
        if name not in self.dims:
            self.dims[name] = z3.Int(name)
            low, high = (of_type(v.dtype) or (0, 0)) if v in self.numbers else (0, MAX_SIZE)
            self.facts.known += [self.dims[name] >= low, self.dims[name] <= high]
        return self.dims[name]

    def whole(self, e: Expr, frame: Frame) -> Any:
        """An integer expression as z3 has it.

        Raises Unknown where it depends on what arrays hold.
        """
        match e:
            case Const():
                return z3.IntVal(int(e.value))
            case Ref():
                found = binding(e.var, frame)
                if found is None:
                    return self.symbol(e.var)
                return found.at if binds(found, e.var) else self.whole(let_value(found), found)
            case Load():
                inner = self.value(e, frame)
                if isinstance(inner, Whole):
                    return inner.value
                if isinstance(inner, Number) and is_integer(inner.dtype):
                    return z3.IntVal(int(inner.value))
                if isinstance(inner, Leaf) and is_integer(e.dtype) and inner.at:
                    sorts = [z3.IntSort()] * (len(inner.at) + 1)
                    return z3.Function(f"element{inner.of}", *sorts)(*inner.at)  # the same wherever it is read
            case Apply() if e.op in WHOLE and all(is_integer(a.dtype) for a in e.args):
                made = WHOLE[e.op]([self.whole(a, frame) for a in e.args])
                if made is not None and self._kept(e, made):
                    return made
            case Apply() if e.op is ops.SELECT:
                return z3.If(self.truth(e.args[0], frame), *(self.whole(a, frame) for a in e.args[1:]))
        raise Unknown(f"a place depends on what an array holds (line {e.span.line})")

    def _kept(self, e: Apply, made: Any) -> bool:
        """Whether the type of a cast holds the value; other ops have types that do."""
        if e.op not in ops.NARROWING:
            return True
        low, high = of_type(e.dtype) or (0, 0)
        least, most = of_type(e.args[0].dtype) or (0, 0)
        return (low <= least and most <= high) or self.facts.sure(z3.And(made >= low, made <= high))

    def truth_or_none(self, e: Expr, frame: Frame) -> Any | None:
        try:
            return self.truth(e, frame)
        except Unknown:
            return None

    def truth(self, e: Expr, frame: Frame) -> Any:
        """A condition as z3 has it.

        Raises Unknown where it depends on what arrays hold.
        """
        match e:
            case Const():
                return z3.BoolVal(bool(e.value))
            case Apply() if e.op in TRUTH and not is_integer(e.args[0].dtype):
                return TRUTH[e.op]([self.truth(a, frame) for a in e.args])
            case Apply() if e.op in ops.RELATIONS and all(is_integer(a.dtype) for a in e.args):
                return ops.RELATIONS[e.op](*(self.whole(a, frame) for a in e.args))
            case _:
                raise Unknown(f"a condition depends on what an array holds (line {e.span.line})")


def binding(v: Var, frame: Frame) -> Frame | None:
    """Where a variable gets its value: the frame of a loop's body, or one that stands at a `Let`."""
    f: Frame | None = frame
    while f is not None:
        for n in range(min(f.pos, len(f.body)) - 1, -1, -1):
            s = f.body[n]
            if isinstance(s, Let) and s.var is v:
                return f.before(n)
        if binds(f, v):
            return f
        f = f.outer
    return None


def binds(f: Frame, v: Var) -> bool:
    return f.loop is not None and f.loop.var is v


def let_value(f: Frame) -> Expr:
    s = f.body[f.pos]
    if not isinstance(s, Let):
        raise TypeError("no let")
    return s.value


def _divided(args: list[Any]) -> Any | None:
    return args[0] / args[1] if z3.is_int_value(args[1]) and args[1].as_long() > 0 else None


def _remainder(args: list[Any]) -> Any | None:
    return args[0] % args[1] if z3.is_int_value(args[1]) and args[1].as_long() > 0 else None


WHOLE: dict[ops.Op, Callable[[list[Any]], Any]] = {
    ops.ADD: lambda a: a[0] + a[1],
    ops.SUB: lambda a: a[0] - a[1],
    ops.MUL: lambda a: a[0] * a[1],
    ops.NEG: lambda a: -a[0],
    ops.MIN: lambda a: z3.If(a[0] <= a[1], a[0], a[1]),
    ops.MAX: lambda a: z3.If(a[0] >= a[1], a[0], a[1]),
    ops.FLOORDIV: _divided,
    ops.MOD: _remainder,
    ops.CAST: lambda a: a[0],
    ops.NARROW: lambda a: a[0],
}
TRUTH: dict[ops.Op, Callable[[list[Any]], Any]] = {
    ops.LAND: z3.And,
    ops.LOR: z3.Or,
    ops.AND: z3.And,
    ops.OR: z3.Or,
    ops.LNOT: lambda a: z3.Not(a[0]),
}
