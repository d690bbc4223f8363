"""Legal, unique SystemVerilog names from hints."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gemel.semantics.ir import Kernel

_WORDS = """
accept_on alias always always_comb always_ff always_latch and assert assign assume automatic before begin bind bins
binsof bit break buf bufif0 bufif1 byte case casex casez cell chandle checker class clocking cmos config const
constraint context continue cover covergroup coverpoint cross deassign default defparam design disable dist do edge
else end endcase endchecker endclass endclocking endconfig endfunction endgenerate endgroup endinterface endmodule
endpackage endprimitive endprogram endproperty endsequence endspecify endtable endtask enum event eventually expect
export extends extern final first_match for force foreach forever fork forkjoin function generate genvar global highz0
highz1 if iff ifnone ignore_bins illegal_bins implements implies import incdir include initial inout input inside
instance int integer interconnect interface intersect join join_any join_none large let liblist library local
localparam logic longint macromodule matches medium modport module nand negedge nettype new nexttime nmos nor
noshowcancelled not notif0 notif1 null or output package packed parameter pmos posedge primitive priority program
property protected pull0 pull1 pulldown pullup pulsestyle_ondetect pulsestyle_onevent pure rand randc randcase
randsequence rcmos real realtime ref reg reject_on release repeat restrict return rnmos rpmos rtran rtranif0 rtranif1
s_always s_eventually s_nexttime s_until s_until_with scalared sequence shortint shortreal showcancelled signed small
soft solve specify specparam static string strong strong0 strong1 struct super supply0 supply1 sync_accept_on
sync_reject_on table tagged task this throughout time timeprecision timeunit tran tranif0 tranif1 tri tri0 tri1 triand
trior trireg type typedef union unique unique0 unsigned until until_with untyped use uwire var vectored virtual void
wait wait_order wand weak weak0 weak1 while wildcard wire with within wor xnor xor
"""

_CPP_WORDS = """
alignas alignof and_eq asm atomic_cancel atomic_commit atomic_noexcept auto bitand bitor bool catch char char16_t
char32_t char8_t compl concept consteval constexpr constinit const_cast co_await co_return co_yield decltype delete
double dynamic_cast explicit false float friend goto inline int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t
uint64_t long mutable namespace noexcept not_eq nullptr operator or_eq private public reinterpret_cast reflexpr
requires short sizeof static_assert static_cast switch synchronized template thread_local throw true try typeid
typename using volatile wchar_t xor_eq override NULL abort abs main errno
"""

KEYWORDS = frozenset((*_WORDS.split(), *_CPP_WORDS.split()))
"""The reserved words of IEEE 1800-2017, and those of C++, which Verilator complains about."""


def legal(hint: str) -> str:
    """The nearest legal identifier: accents dropped, runs of other characters one underscore, no reserved word."""
    plain = unicodedata.normalize("NFKD", hint).encode("ascii", "ignore").decode()
    name = re.sub(r"[\W_]+", "_", plain)
    name = f"n{name}" if not name or name == "_" or name[0].isdigit() else name
    return f"{name}_" if name in KEYWORDS else name


class Names:
    """The names of one scope; each is given once."""

    def __init__(self, taken: tuple[str, ...] = ()) -> None:
        self._taken = set(taken)
        self._next: dict[str, int] = {}

    def fresh(self, hint: str) -> str:
        """`hint` made legal, with a number behind it where the name is taken."""
        name = base = legal(hint)
        count = self._next.get(base, 1)
        while name in self._taken:
            name, count = f"{base}_{count}", count + 1
        self._next[base] = count
        self._taken.add(name)
        return name


def signature(kernel: Kernel) -> str:
    """A kernel's name with its parameters and results, as its text has them; the kernels that it calls come before."""
    heads = [line for line in str(kernel).splitlines() if line.startswith("kernel ")]
    return heads[-1].removeprefix("kernel ").removesuffix(" {")
