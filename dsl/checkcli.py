"""`gemel check`: a folder of hardware is proved anew, from its files alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gemel.errors import ToolError
from gemel.tunecli import cluster

if TYPE_CHECKING:
    from gemel.hwsynth.prove.certificate import Record
    from gemel.hwsynth.prove.proof import Proof

console = Console()

Folder = Annotated[Path, typer.Argument(help="A folder that Design.write() or `gemel synth --out` made.")]
Seconds = Annotated[float, typer.Option(help="z3's time for each question that normal forms leave.")]
Count = Annotated[int, typer.Option("--mutants", min=0, help="Changed texts on which the proof is tried.")]
Seed = Annotated[int, typer.Option(help="Which changed texts.")]
Timeout = Annotated[float, typer.Option(help="Seconds that an obligation may take; no limit by default.")]
Assertions = Annotated[
    bool, typer.Option("--assertions", help="Also the assertions on the handshake, if not yet proved.")
]
Workers = Annotated[int, typer.Option(min=1, help="Processes that share the work.")]
Dask = Annotated[str, typer.Option(metavar="ADDRESS", help="Share the work on a Dask cluster.")]
RecordFile = Annotated[Path | None, typer.Option("--record", help="Write the certificate of what is found here.")]

COLOURS = {"proved": "green", "refuted": "red"}


def check(
    folder: Folder,
    seconds: Seconds = 10.0,
    mutants: Count = 10,
    seed: Seed = 1,
    timeout: Timeout = 0.0,
    assertions: Assertions = False,
    workers: Workers = 1,
    dask: Dask = "",
    record: RecordFile = None,
) -> None:
    """Prove the SystemVerilog in a folder against the kernel beside it, as its certificate names them.

    Text that was edited is told, and proved or refuted as it is now. Ctrl-C leaves in the file of --record what was
    found until then. Assertions on the handshake are proved again where the certificate has them. Nothing in the folder
    is executed, and nothing is taken from earlier proofs. Ends with 1 where not everything is proved.
    """
    from gemel.hwsynth.prove import certificate, work

    read, subject, files = opened(folder)
    edited = read.edited(files)
    settings = work.Settings(seconds, mutants, seed, timeout or None, assertions or read.settings.assertions, anew=True)
    with ExitStack() as stack:
        client = stack.enter_context(cluster(dask)) if dask else None
        proof = certificate.run(subject, settings, workers, client, record, files)
    console.print(table_of(proof))
    for line in told(read, edited, proof):
        console.print(escape(line))
    if not proof.ok:
        raise typer.Exit(1)


def opened(folder: Path) -> tuple[Record, Any, dict[str, str]]:
    """A folder's certificate, what is to be proved, and the files that it is about; nothing is executed.

    Raises SynthesisError H10 where these don't belong together, ParseError where a kernel is no valid one.
    """
    from gemel.hwsynth.prove import certificate
    from gemel.parser import parse

    record = certificate.read(_text(folder, certificate.RECORD))
    known = {**record.fields["kernel"], **record.fields["schedule"]}
    texts = {name: _text(folder, name) for name in (*known, *record.rtl, *record.checker)}
    for name, was in known.items():
        if certificate.digest(texts[name]) != was:
            raise certificate.refused(f"{name} isn't the file that it is about")
    kernel, scheduled = (parse(texts[name], name) for name in known)
    sv = "\n".join(texts[name] for name in record.rtl)
    checker = "\n".join(texts[name] for name in record.checker)
    return record, record.subject(kernel, scheduled, sv, checker), texts


def _text(folder: Path, name: str) -> str:
    from gemel.hwsynth.prove.certificate import refused

    path = folder / name
    if folder.resolve() not in path.resolve().parents:
        raise refused(f"{name} isn't in its folder")
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "no text"
        raise ToolError(
            f"{path} can't be read: {why}", code="X02", mend="name a folder that Design.write() made"
        ) from None


def table_of(proof: Proof) -> Table:
    """The obligations as a table."""
    table = Table("status", "obligation", "", "s")
    for o in proof.obligations:
        status = f"[{COLOURS.get(o.status, 'yellow')}]{o.status}[/]"
        table.add_row(status, escape(o.name), escape(o.detail), f"{o.seconds:.2f}")
    return table


def told(record: Record, edited: list[str], proof: Proof) -> Iterator[str]:
    """What is to be said beside the table."""
    for part in (proof.mutations, proof.counterexample):
        yield from str(part or "").splitlines()
    for name in edited:
        yield f"{name} was edited after the certificate was made"
    if record.status == "proved" and not proof.ok:
        yield "the certificate says that this is proved; it isn't" + (" any more" if edited else "")
    text = "the text as it was edited" if edited else "the text"
    meaning = {"proved": f"{text} computes the kernel", "refuted": f"{text} doesn't compute the kernel"}
    yield f"{proof.kernel}: {proof.status}: {meaning.get(proof.status, 'not everything could be shown')}"
