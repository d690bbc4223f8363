"""The terms that stand for words, and what is seen of them at once."""

from __future__ import annotations

from typing import Any

Value = Any
"""An int or a Term; `Any`, as the hot paths of a symbolic run take either."""


class Term:
    """A word of `w` bits: an operator on words; `uid` numbers terms in the order in which they were made."""

    __slots__ = ("args", "op", "uid", "w")

    def __init__(self, op: str, w: int, args: tuple[Any, ...], uid: int) -> None:
        self.op, self.w, self.args, self.uid = op, w, args, uid

    def __repr__(self) -> str:
        inner = ", ".join(map(str, self.args))
        return str(self.args[0]) if self.op == "var" else f"{self.op}{self.w}({inner})"


def operands(t: Term) -> tuple[Value, ...]:
    """The words that a term is made of."""
    match t.op:
        case "var":
            return ()
        case "app":
            return t.args[1:]
        case "cat":
            return t.args[1::2]
        case "ext" | "sext":
            return t.args[:1]
        case "poly":
            return tuple(dict.fromkeys(atom for mono, _ in t.args for atom, _ in mono))
        case _:
            return t.args


def may_be_negative(a: Value) -> bool:
    """Whether a word of some extended operand may be a number below 0."""
    return type(a) is int or not (a.op == "cat" and a.args[1] == 0)


def copied(a: Value) -> Term | None:
    """The symbolic bit that all bits of a word are copies of, if there is one."""
    if type(a) is not Term:
        return None
    bit: Term = a.args[0] if a.op == "sext" else a
    return bit if bit.w == 1 else None


def least(a: Value, is_signed: bool) -> int:
    """How many low bits of an extended word say all of it."""
    if type(a) is int:
        return a.bit_length() + is_signed
    if a.op == "cat" and a.args[1] == 0:
        return int(a.w - a.args[0] + is_signed)
    if is_signed and a.op == "sext":
        return int(a.args[0].w)
    return int(a.w)
