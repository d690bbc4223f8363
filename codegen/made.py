"""What the passes make of a kernel for this CPU: made when it is asked for, since a kept object does without."""

from __future__ import annotations

import ast
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from gemel.codegen.cache import key
from gemel.semantics.errors import CompileError

if TYPE_CHECKING:
    from gemel.codegen.lower import Lowered
    from gemel.semantics.ir import Kernel


@dataclass(frozen=True)
class Facts:
    """What a caller of the code has to know: the bytes of the error record, which results the code fills, which
    parameters it stores to, whether a run is brief, whether it has vector loops and was allowed to, whether it keeps
    memory and begins with a setup; and the digest of its LLVM IR."""

    record: int
    filled: tuple[bool, ...]
    changed: tuple[bool, ...]
    brief: bool
    vectors: bool
    widened: bool
    keeps: bool
    begins: bool
    digest: str

    @property
    def how(self) -> tuple[int, bool]:
        """LLVM's level, and whether it unrolls: loops that a schedule has made explicit stay as they are."""
        return (2, False) if self.vectors else (3, True)


def packed(facts: Facts, code: bytes) -> bytes:
    """Facts and object as one entry of the cache."""
    return repr(asdict(facts)).encode() + b"\n" + code


def unpacked(entry: bytes) -> tuple[Facts, bytes]:
    """The reverse of `packed`."""
    line, _, code = entry.partition(b"\n")
    return Facts(**ast.literal_eval(line.decode())), code


@dataclass(frozen=True)
class Made:
    """A source-level kernel on its way to code for this CPU, by default or by steps that have been found."""

    source: Kernel
    steps: str = ""

    @cached_property
    def scheduled(self) -> Kernel:
        """The kernel with the order of computation decided."""
        from gemel.codegen.pipeline import SCHEDULE, schedule_for
        from gemel.semantics.pipeline import run

        return run(self.source, schedule_for(None, self.steps) if self.steps else SCHEDULE, "cpu")

    @cached_property
    def kernel(self) -> Kernel:
        """What the other passes make of that."""
        from gemel.codegen.pipeline import CPU
        from gemel.semantics.pipeline import run

        return run(self.scheduled, CPU, "cpu")

    def lowered(self, widened: bool) -> Lowered:
        """The LLVM IR, with vector loops if it may have some."""
        from gemel.codegen.cpu import converts_half, dots, scales
        from gemel.codegen.lower import lower

        return lower(self.kernel, converts_half(), widened, scales=scales(), dots=dots())

    def facts(self, lowered: Lowered, widened: bool) -> Facts:
        """What a caller has to know."""
        from gemel.codegen.once import steady
        from gemel.codegen.rules.effort import is_brief
        from gemel.semantics.traverse import stored

        before = steady(self.kernel.body)
        run = replace(self.kernel, body=tuple(s for s in self.kernel.body if s not in before))
        changed = stored(self.kernel.body)
        return Facts(
            lowered.record,
            lowered.filled,
            tuple(p in changed for p in self.kernel.params),
            is_brief(run),
            lowered.vectors,
            widened,
            lowered.keeps,
            lowered.begins,
            key(lowered.text),
        )

    def again(self, facts: Facts) -> Lowered:
        """The LLVM IR of kept code.

        Raises CompileError where it isn't what the code was made of, which is a mistake of ours.
        """
        lowered = self.lowered(facts.widened)
        if key(lowered.text) != facts.digest:
            raise CompileError(
                f"the kept code of {self.source.name} is not what it would be now",
                code="C02",
                span=self.source.span,
                mend="run `gemel cache clear`, or set GEMEL_CACHE=off",
            )
        return lowered
