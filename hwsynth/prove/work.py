"""A proof as pieces of work: one for each module, some for mutants; here, in processes, or on a cluster.

What a piece found is kept on disk under all that it depends on: the text, the kernel, the prover. What isn't decided is
not kept. Whoever waits sees the proof grow.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor, as_completed
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from gemel.codegen import cache as kept
from gemel.codegen import keys
from gemel.hwsynth.judges import split_modules
from gemel.hwsynth.prove import handshake
from gemel.hwsynth.prove.counterexample import contradicted, search
from gemel.hwsynth.prove.mutants import Mutations, Outcome, drawn, judged
from gemel.hwsynth.prove.proof import Obligation, Proof, Subject, cut, obligations, text_of
from gemel.hwsynth.prove.reference import Reference
from gemel.semantics.errors import ArgumentError, ToolError
from gemel.semantics.symbolic.points import checks
from gemel.semantics.symbolic.running import deep
from gemel.semantics.symbolic.verdict import NO_ANSWER, UNKNOWN
from gemel.semantics.text import print_kernel

if TYPE_CHECKING:
    from gemel.hwsynth.design import Design

PARTS = 4
"""Into how many pieces the mutants go for each process."""

CHECKER = "the checker of the handshake"

Seen = Callable[[Proof], None]
"""What is told of a proof that grows."""


@dataclass(frozen=True)
class Settings:
    """How a proof is made: z3's seconds for a question, mutants and their seed, and the limit of an obligation.

    `assertions` on the handshake are proved too. One that is made `anew` takes nothing that was kept.
    """

    seconds: float = 10.0
    mutants: int = 10
    seed: int = 1
    timeout: float | None = None
    assertions: bool = False
    anew: bool = False


@dataclass(frozen=True)
class Piece:
    """The obligations of a module, or of its `CHECKER`; or without one, each `of`-th mutant from `part` on."""

    module: str = ""
    part: int = 0
    of: int = 1


def full_proof(
    subject: Subject,
    settings: Settings,
    design: Design | None = None,
    executor: Executor | None = None,
    seen: Seen = lambda proof: None,
) -> Proof:
    """The proof of a subject, with a counterexample, or what became of mutants if everything is proved.

    Pieces go to `executor`, if there is one. `seen` is told of the proof so far, which isn't complete; Ctrl-C leaves it
    at what was told last. Raises ToolError where yosys is missing or fails.
    """
    modules = [subject.top, *dict.fromkeys(cut(subject)), *([CHECKER] if settings.assertions else [])]
    found: dict[str, list[Obligation]] = {name: [] for name in modules}

    def so_far() -> Proof:
        return Proof(subject.kernel.name, tuple(o for name in modules for o in found[name]), complete=False)

    def add(piece: Piece, o: Obligation) -> None:
        found[piece.module].append(o)
        seen(so_far())

    seen(so_far())
    _all(subject, settings, [Piece(name) for name in modules], executor, add)
    proof = replace(so_far(), complete=True)
    if not proof.ok:
        shown = search(subject, proof, design)
        return proof if shown is None else contradicted(proof, shown)
    return _with_mutants(subject, settings, proof, executor, seen) if settings.mutants else proof


def _with_mutants(subject: Subject, settings: Settings, proof: Proof, executor: Executor | None, seen: Seen) -> Proof:
    outcomes: dict[int, list[Outcome]] = {}
    parts = 1 if executor is None else PARTS * (os.cpu_count() or 1)

    def so_far() -> Mutations:
        return Mutations(settings.seed, tuple(o for n in sorted(outcomes) for o in outcomes[n]))

    def add(piece: Piece, o: Outcome) -> None:
        outcomes.setdefault(piece.part, []).append(o)
        seen(replace(proof, mutations=so_far(), complete=False))

    _all(subject, settings, [Piece("", n, parts) for n in range(parts)], executor, add)
    return replace(proof, mutations=so_far())


def _all(
    subject: Subject,
    settings: Settings,
    pieces: Sequence[Piece],
    executor: Executor | None,
    add: Callable[[Piece, Any], None],
) -> None:
    """All pieces, each result told as it comes."""
    if executor is None:
        for piece in pieces:
            done(subject, settings, piece, partial(add, piece))
        return
    waiting = {executor.submit(done, subject, settings, piece): piece for piece in pieces}
    try:
        for future in as_completed(waiting):
            for result in future.result():
                add(waiting[future], result)
    except BrokenExecutor as error:
        mend = 'a script that starts processes needs `if __name__ == "__main__":` before what it runs; or use workers=1'
        raise ToolError(f"a process that was to prove a part has ended: {error}", code="X02", mend=mend) from None
    finally:
        for future in waiting:
            future.cancel()


def done(
    subject: Subject, settings: Settings, piece: Piece, add: Callable[[Any], None] = lambda result: None
) -> list[Any]:
    """What a piece finds, as it was kept, or worked out; each result is told."""
    name = _key(subject, settings, piece)
    before = None if settings.anew else kept.get(name)
    if before is not None:
        made = [(Obligation if piece.module else Outcome)(**fields) for fields in json.loads(before)]
        for result in made:
            add(result)
        return made
    found: list[Any] = []

    def work() -> None:
        for result in _results(subject, settings, piece):
            found.append(result)
            add(result)

    deep(work, settings.timeout)
    if all(result.status not in (UNKNOWN, NO_ANSWER) for result in found):
        kept.put(name, json.dumps([asdict(result) for result in found]).encode())
    return found


def _results(subject: Subject, settings: Settings, piece: Piece) -> Iterator[Any]:
    if piece.module == CHECKER:
        yield from handshake.obligations(subject, settings.seconds)
        return
    if piece.module:
        yield from obligations(subject, piece.module, text_of(subject, piece.module), settings.seconds)
        return
    made = drawn(subject, settings.mutants, settings.seed)
    source = Reference(subject.kernel)
    yield from (judged(subject, source, *mutant) for mutant in islice(made, piece.part, None, piece.of))


def _key(subject: Subject, settings: Settings, piece: Piece) -> str:
    """All that a piece depends on; a unit's text and contract, or the whole."""
    key = kept.Key()
    key.add("proof", keys.compiler(), *keys.files(os.path.dirname(os.path.dirname(__file__))))
    texts = _texts(subject.sv, piece.module if piece.module not in ("", CHECKER) else subject.top)
    contracts = {n: (c.operation, c.latency, c.interval) for n, c in subject.contracts.items() if n in texts}
    key.add(*texts.values(), repr(contracts), repr((piece, settings.seconds, settings.timeout)))
    if piece.module == CHECKER:
        key.add(subject.checker, repr(subject.cycles))
    if piece.module in ("", subject.top):
        places = [(p.hint, place.names) for p, place in subject.places.items()]
        key.add(print_kernel(subject.kernel), repr(places), repr(subject.cycles))
        key.add(repr([subject.sites.get(check, 0) for check in checks(subject.kernel)]))
    if not piece.module:
        key.add(repr((settings.mutants, settings.seed)))
    return key.name()


def _texts(sv: str, module: str) -> dict[str, str]:
    """The text of a module, and of those that it mentions."""
    known, found, todo = split_modules(sv), dict[str, str](), [module]
    while todo:
        name = todo.pop()
        if name in known and name not in found:
            found[name] = known[name]
            todo += re.findall(r"\w+", known[name])
    return found


def processes(workers: int) -> AbstractContextManager[Executor | None]:
    """So many processes; none for one, whose work is done here.

    A script that asks for them guards what it does by `if __name__ == "__main__"`, as Python's processes want it.
    """
    if workers < 1:
        raise ArgumentError(f"{workers} processes", code="A05", mend="give at least 1")
    if workers == 1:
        return nullcontext()
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"))


def of_cluster(client: Any) -> Executor:
    """The executor of a Dask client, or what is one already; raises ArgumentError for anything else."""
    made = client.get_executor() if hasattr(client, "get_executor") else client
    if not hasattr(made, "submit"):
        raise ArgumentError(
            f"{type(client).__name__} runs no work", code="A06", mend="pass a distributed.Client, or an Executor"
        )
    executor: Executor = made
    return executor


@contextmanager
def shown(subject: Subject, settings: Settings) -> Iterator[Seen]:
    """A bar on standard error, where that is a terminal: what is told a `Seen` moves it."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda proof: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"proving {subject.kernel.name}", total=None)

        def seen(proof: Proof) -> None:
            if proof.mutations is not None:
                bar.update(task, description="mutants", completed=len(proof.mutations.outcomes))
            elif proof.obligations:
                bar.update(task, description=proof.obligations[-1].name, completed=len(proof.obligations))

        yield seen
