"""The end of regions that run at the same time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from gemel.hwsynth import logic as lg
from gemel.hwsynth.generate.pieces import Generator
from gemel.hwsynth.netlist import Register
from gemel.semantics.dtypes import BOOL
from gemel.semantics.ir import Expr, Ref
from gemel.semantics.span import Span


def joined(gen: Generator, pulses: Sequence[Expr], span: Span, missing: Sequence[Expr] = ()) -> Expr:
    """The pulse at which the last one of some has come; each comes once.

    `missing` says which of them don't come this time, where that may be so; at least one does.
    """
    if len(pulses) == 1:
        return pulses[0]
    nets = [gen.net("arrived", BOOL, span, "has ended before others") for _ in pulses]
    ended = [lg.either(p, Ref(net, span)) for p, net in zip(pulses, nets, strict=True)]
    here = ended
    if missing:
        here = [lg.any_of(pulses), *(lg.either(e, m) for e, m in zip(ended, missing, strict=True))]
    whole = gen.named("all_done", reduce(lg.both, here), span)
    for net, value in zip(nets, ended, strict=True):
        waits = lg.both(value, lg.neg(whole))
        alive = waits if gen.kill is None else lg.both(waits, lg.neg(Ref(gen.kill, span)))
        gen.registers.append(Register(net, alive, None, 0))
    return whole
