"""A kernel's module with its memories around it, as it is simulated.

A kernel module has, for each external memory `X`, the ports `X_raddr, X_ren, X_rdata` of a read port and/or
`X_waddr, X_wen, X_wdata` of a write port; further ports have `_p1`, `_p2`, ... behind these names. All its other
ports stay: `start, done, busy, error, error_code`, an input per scalar parameter, an output per result of rank 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gemel.hwsynth.dag import net_type
from gemel.hwsynth.netlist import Input, Instance, Memory, Module, NetType, Output, ReadPort, Register, WritePort
from gemel.semantics.errors import SynthesisError
from gemel.semantics.ir import Expr, Ref, Var
from gemel.semantics.span import Span

START, DONE, ERROR, ERROR_CODE = "start", "done", "error", "error_code"


@dataclass(frozen=True)
class External:
    """A memory outside of the kernel module."""

    name: str
    dtype: NetType
    depth: int
    span: Span
    latency: int = 1
    """The cycles from a read's address to its word; with 2 the memory has an output register."""


@dataclass(frozen=True, eq=False)
class System:
    """The wrapped module, its external memories and its scalar inputs by name."""

    module: Module
    memories: Mapping[str, External]
    scalars: Mapping[str, NetType]


def system(kernel: Module, memories: Sequence[External]) -> System:
    """The kernel module with its memories connected.

    Raises SynthesisError N01 where a memory has no complete port.
    """
    return _Wrapper(kernel, memories).system()


class _Wrapper:
    def __init__(self, kernel: Module, memories: Sequence[External]) -> None:
        self.kernel, self.externals = kernel, memories
        self.inputs: dict[str, Expr] = {}
        self.outputs = {o.name: Var(o.name, o.value.dtype, o.value.span) for o in kernel.outputs}
        self.taken: set[str] = set()
        self.registers: list[Register] = []

    def system(self) -> System:
        k = self.kernel
        memories = tuple(map(self.memory, self.externals))
        ports = tuple(
            Input(Var(i.var.hint, i.var.dtype, i.var.span)) for i in k.inputs if i.var.hint not in self.inputs
        )
        self.inputs |= {p.var.hint: Ref(p.var, p.var.span) for p in ports}
        outputs = tuple(Output(n, Ref(v, v.span)) for n, v in self.outputs.items() if n not in self.taken)
        inside = Instance(k, "kernel", self.inputs, self.outputs, k.span)
        parts = (), tuple(self.registers), memories, (inside,)
        module = Module(f"{k.name}_system", ports, outputs, *parts, k.span, reset=k.reset)
        scalars = {p.var.hint: net_type(p.var) for p in ports if p.var.hint != START}
        return System(module, {e.name: e for e in self.externals}, scalars)

    def memory(self, e: External) -> Memory:
        reads, writes = tuple(self.reads(e)), tuple(self.writes(e))
        if not reads and not writes:
            raise SynthesisError(f"module {self.kernel.name} has no port for memory {e.name}", code="N01", span=e.span)
        return Memory(e.name, e.dtype, e.depth, None, reads, writes, e.span, observed=True, calm=True)

    def reads(self, e: External) -> Iterator[ReadPort]:
        for suffix in self.suffixes(f"{e.name}_raddr"):
            data = Var(f"{e.name}_rdata{suffix}", e.dtype, e.span)
            self.inputs[data.hint] = Ref(data, e.span)
            word = data if e.latency == 1 else Var(f"{e.name}_word{suffix}", e.dtype, e.span)
            if word is not data:
                self.registers.append(Register(data, Ref(word, e.span)))
            yield ReadPort(self.output(f"{e.name}_raddr{suffix}"), self.output(f"{e.name}_ren{suffix}"), word)

    def writes(self, e: External) -> Iterator[WritePort]:
        for suffix in self.suffixes(f"{e.name}_waddr"):
            addr, data, enable = (self.output(f"{e.name}_{part}{suffix}") for part in ("waddr", "wdata", "wen"))
            yield WritePort(addr, data, enable)

    def suffixes(self, name: str) -> Iterator[str]:
        """The suffixes of the ports that there are: nothing, `_p1`, `_p2`, ..."""
        count = 0
        while name + (suffix := f"_p{count}" if count else "") in self.outputs:
            yield suffix
            count += 1

    def output(self, name: str) -> Expr:
        if name not in self.outputs:
            raise SynthesisError(f"module {self.kernel.name} has no output {name}", code="N01", span=self.kernel.span)
        self.taken.add(name)
        return Ref(self.outputs[name], self.kernel.span)
