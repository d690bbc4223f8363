"""`gemel tune`: a kernel's schedule for this machine, searched and kept."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gemel.errors import ArgumentError, ToolError
from gemel.named import load, sizes

if TYPE_CHECKING:
    from gemel.kernel import Kernel

console = Console()

Name = Annotated[str, typer.Argument(metavar="FILE.py:FUNCTION", help="The kernel; its file is executed.")]
Sizes = Annotated[list[str] | None, typer.Argument(metavar="NAME=VALUE...", help="Sizes and static arguments.")]
Trials = Annotated[int, typer.Option(min=0, help="Candidates to try, those of earlier runs included.")]
Minutes = Annotated[float, typer.Option(help="How long to search at most; no limit by default.")]
Made = Annotated[str, typer.Option("--args", help="A function of the file that gives the arguments, and so the sizes.")]
Seed = Annotated[int, typer.Option(help="Of random arguments, and of the search.")]
Anew = Annotated[bool, typer.Option("--anew", help="Forget the candidates of earlier runs first.")]
Listed = Annotated[bool, typer.Option("--list", help="Show what there is to choose, and end.")]
Shown = Annotated[bool, typer.Option("--show", help="Show what has been found: for this kernel, or all.")]
Forget = Annotated[str, typer.Option(metavar="KEY", help="Drop an entry by its key in --show; `all` drops every one.")]
Folder = Annotated[Path | None, typer.Option("--db", help="The folder of what is found, instead of GEMEL_TUNED.")]
Dask = Annotated[str, typer.Option(metavar="ADDRESS", help="Measure on the workers of a Dask cluster.")]
Jobs = Annotated[int, typer.Option(min=1, help="Candidates that the cluster measures at a time.")]


def tune(
    kernel: Name = "",
    given: Sizes = None,
    trials: Trials = 100,
    minutes: Minutes = 0.0,
    made: Made = "",
    seed: Seed = 0,
    anew: Anew = False,
    listed: Listed = False,
    shown: Shown = False,
    forget: Forget = "",
    db: Folder = None,
    dask: Dask = "",
    jobs: Jobs = 1,
) -> None:
    """Search for a schedule that is faster than a kernel's default on this machine; later runs use what is found.

    Each candidate is checked and measured beside the default, by turns. A search goes on where an earlier one ended;
    Ctrl-C ends it early. Executes the file.
    """
    if db is not None:
        os.environ["GEMEL_TUNED"] = str(db)
    if forget:
        return _forget(forget)
    if not kernel:
        if shown:
            return _show_all()
        raise ArgumentError("no kernel is named", code="A09", mend="write file.py:function, or --show")
    k, args = _case(kernel, given, made)
    if listed:
        return _list(k, args)
    if shown:
        return _show(k, args)
    _search(k, args, trials, minutes, seed, anew, dask, jobs)


def _search(
    k: Kernel, args: tuple[Any, ...], trials: int, minutes: float, seed: int, anew: bool, dask: str, jobs: int
) -> None:
    from gemel.tuning.tune import tune as search

    with ExitStack() as stack:
        executor = stack.enter_context(cluster(dask)).get_executor() if dask else None
        limit = minutes if minutes > 0 else math.inf
        found = search(
            k, *args, trials=trials, minutes=limit, seed=seed, anew=anew, executor=executor, jobs=jobs if dask else 1
        )
    console.print(escape(str(found)), highlight=False)
    if found.kept is not None:
        console.print(f"kept as {found.kept.stem[:8]}; later runs use it", highlight=False)


def cluster(address: str) -> Any:
    """A client of a Dask cluster.

    Raises ToolError where Dask or the cluster is missing.
    """
    try:
        from distributed import Client
    except ModuleNotFoundError:
        raise ToolError("Dask is missing", code="X01", mend="pip install distributed") from None
    try:
        return Client(address)
    except (OSError, ValueError) as error:
        raise ToolError(f"there is no Dask cluster at {address}: {error}", code="X02") from None


def _case(name: str, given: list[str] | None, made: str) -> tuple[Kernel, tuple[Any, ...]]:
    """The kernel at its sizes, and the arguments that a function of its file gives."""
    k = load(name)
    k = k.specialize(**sizes(given)) if given else k
    if not made:
        k._static_ir({})
        return k, ()
    function = k.fn.__globals__.get(made) if k.fn is not None else None
    if not callable(function):
        raise ArgumentError(f"{name.rpartition(':')[0]} has no function {made}", code="A09", mend=f"def {made}(): ...")
    args = function()
    return k, args if isinstance(args, tuple) else (args,)


def _source(k: Kernel, args: tuple[Any, ...]) -> Any:
    return k._sized_ir(args)[0] if args else k._static_ir({})


def _list(k: Kernel, args: tuple[Any, ...]) -> None:
    from gemel.tuning.tune import space_of

    space = space_of(_source(k, args))
    table = Table("choice", "default", "among")
    for c in space.choices:
        show: Callable[[int], str] = str if not isinstance(c.usual, bool) else _yes
        table.add_row(escape(c.name), show(c.usual), " ".join(map(show, c.among)))
    console.print(table)
    console.print(f"about {space.size:,} schedules", highlight=False)


def _yes(value: int) -> str:
    return "yes" if value else "no"


def _show(k: Kernel, args: tuple[Any, ...]) -> None:
    from gemel.codegen import tuned

    source = _source(k, args)
    entry = tuned.find(source)
    if entry is None:
        console.print("nothing has been found for this kernel, these sizes and this machine")
    else:
        console.print(f"{tuned.name(source)[:8]} {entry}\n{entry.steps}", highlight=False, markup=False)


def _show_all() -> None:
    from gemel.codegen import tuned

    table = Table("key", "kernel", "times as fast", "machine", "date")
    for path, e in tuned.entries():
        table.add_row(path.stem[:8], escape(e.kernel), f"{e.gain:.2f}", escape(e.machine), e.date)
    console.print(f"{tuned.place() or 'GEMEL_TUNED is off'}", highlight=False, soft_wrap=True)
    console.print(table if table.rows else "nothing has been found yet")


def _forget(name: str) -> None:
    from gemel.codegen import tuned

    found = [path for path, _ in tuned.entries() if name == "all" or path.stem.startswith(name)]
    if not found and name != "all":
        raise ArgumentError(f"there is no entry {name}", code="A09", mend="gemel tune --show has the keys")
    for path in found:
        path.unlink(missing_ok=True)
    console.print(f"dropped: {len(found)}", highlight=False)
