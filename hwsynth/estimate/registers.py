"""What registers take up, and what of their logic goes into the enable and reset that a register has."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from gemel.hwsynth.dag import shape
from gemel.hwsynth.estimate.network import FALSE, TRUE
from gemel.hwsynth.estimate.words import Bits, Hard, Words, extended
from gemel.hwsynth.netlist import Register, Wire
from gemel.semantics import ops
from gemel.semantics.convert import to_bits
from gemel.semantics.dtypes import width_of
from gemel.semantics.ir import Apply, Const, Expr, Ref, Var


@dataclass(frozen=True)
class Flop:
    """A bit of a register with what it needs; equal ones are one."""

    data: int
    enable: int
    reset: int
    value: int | None


@dataclass
class Registers:
    """The registers of a module; `wires` by net, `readers` counts the uses of each net."""

    words: Words
    wires: dict[Var, Wire]
    readers: Counter[Var]

    def __post_init__(self) -> None:
        self.reset = self.words.net.leaf(0.0)

    def taken(self, registers: tuple[Register, ...]) -> dict[tuple[Var, int], int | tuple[Var, int]]:
        """Notes what registers take, and the bits that they need; gives bits that are constant or equal to others."""
        shifted = self._shifted(registers)
        packed = self._packed(registers)
        first: dict[Flop, tuple[Var, int]] = {}
        found: dict[tuple[Var, int], int | tuple[Var, int]] = {}
        for r in registers:
            area = {"lut": shifted[r]} if r in shifted else {} if r in packed else {"ff": 1.0}
            for n, flop in enumerate(self._flops(r)):
                place = (r.var, n)
                if flop.data <= TRUE and flop.value in (None, flop.data):
                    found[place] = flop.data
                elif first.setdefault(flop, place) != place:
                    found[place] = first[flop]
                needs = (flop.data, flop.enable, flop.reset)
                out = self.words.of[r.var][n]
                if out > TRUE:
                    self.words.hard.append(Hard("registers", area, (out,), tuple(b for b in needs if b > TRUE)))
        return found

    def _flops(self, r: Register) -> list[Flop]:
        w = self.words
        if not w.target.fabric.enables:
            return [Flop(b, TRUE, FALSE, None) for b in self._in_gates(r)]
        value, resets, known = self._without_reset(r)
        enable = w.bits(r.enable)[0] if r.enable is not None else TRUE
        reset = FALSE
        for c in resets:
            reset = w.net.either(reset, w.net.both(c, enable))
        if r.reset is not None:
            reset = w.net.either(reset, self.reset)
        bits = [None if known is None else to_bits(known, r.var.dtype) >> n & 1 for n in range(len(value))]
        return [Flop(b, enable, reset, k) for b, k in zip(value, bits, strict=True)]

    def _in_gates(self, r: Register) -> Bits:
        """The next value with the enable as a choice, and reset as a gate."""
        w = self.words
        value = extended(w.bits(r.next), width_of(r.var.dtype), shape(r.next).signed)
        if r.enable is not None:
            (c,) = w.bits(r.enable)
            value = tuple(w.net.choose(c, a, b) for a, b in zip(value, w.of[r.var], strict=True))
        if r.reset is not None:
            value = tuple(w.net.both(b, self.reset) for b in value)
        return value

    def _without_reset(self, r: Register) -> tuple[Bits, list[int], int | None]:
        """The next value without choices of one constant, which the register's own reset makes."""
        w, value, resets = self.words, r.next, []
        known = r.reset
        while True:
            value = self._through(value)
            if not (isinstance(value, Apply) and value.op is ops.SELECT):
                break
            cond, a, b = value.args
            constant, rest, when = (a, b, 0) if isinstance(a, Const) else (b, a, 1)
            if not isinstance(constant, Const) or known not in (None, int(constant.value)):
                break
            known = int(constant.value)
            resets.append(w.bits(cond)[0] ^ when)
            value = rest
        if isinstance(value, Const) and resets:
            known = int(value.value) if known is None else known
        return extended(w.bits(value), width_of(r.var.dtype), shape(value).signed), resets, known

    def _through(self, e: Expr) -> Expr:
        """What a net stands for that nothing else reads."""
        while isinstance(e, Ref) and e.var in self.wires and self.readers[e.var] == 1:
            e = self.wires[e.var].value
        return e

    # ------------------------------------------------------------------------------------- shift registers, multipliers

    def _shifted(self, registers: tuple[Register, ...]) -> dict[Register, float]:
        """Registers that only hand on, in chains long enough for a table to hold them, and each one's share of it."""
        least = self.words.target.fabric.shift_registers
        if not least:
            return {}
        by_net = {r.var: r for r in registers}
        before = {r: s for r in registers if (s := self._before(r, by_net)) is not None}
        followed = set(before.values())
        found: dict[Register, float] = {}
        for last in (r for r in before if r not in followed):
            chain = [last]
            while chain[-1] in before:
                chain.append(before[chain[-1]])
            if chain[-1].reset is not None or self._differs(chain[-1], last):
                chain.pop()
            if len(chain) >= least:
                found |= dict.fromkeys(chain, -(-len(chain) // 32) / len(chain))
        return found

    def _before(self, r: Register, by_net: dict[Var, Register]) -> Register | None:
        """The register that only hands its value on to this one, in the same cycles."""
        source = by_net.get(r.next.var) if isinstance(r.next, Ref) else None
        if source is None or r.reset is not None or self.readers[source.var] != 1:
            return None
        return None if source.reset is not None or self._differs(source, r) else source

    def _differs(self, a: Register, b: Register) -> bool:
        return _enable(a) is not _enable(b)

    def _packed(self, registers: tuple[Register, ...]) -> set[Register]:
        """Registers that multipliers have inside: those that take a product, and those that only products read."""
        if not self.words.target.fabric.dsp_registers:
            return set()
        return {r for r in registers if r.reset is None and _is_product(self._through(r.next))}


def _is_product(e: Expr) -> bool:
    while isinstance(e, Apply) and e.op in (ops.CAST, ops.BITCAST, ops.BITS):
        e = e.args[0]
    return isinstance(e, Apply) and e.op is ops.MUL


def _enable(r: Register) -> object:
    return r.enable.var if isinstance(r.enable, Ref) else r.enable
