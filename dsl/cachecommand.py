"""`gemel cache`: what is kept on disk between processes."""

from __future__ import annotations

import os

import typer
from rich.console import Console
from rich.table import Table

app = typer.Typer(help="What is kept on disk between processes.", no_args_is_help=True)


@app.command()
def info() -> None:
    """Where compiled kernels are kept, how many, and how much room they take."""
    from gemel.codegen.cache import store

    there = store()
    if there is None:
        print("nothing is kept: GEMEL_CACHE is off or GEMEL_CACHE_MB is 0")
        return
    entries = there.entries()
    table = Table("what", "value")
    table.add_row("folder", str(there.folder))
    table.add_row("entries", f"{len(entries):,}")
    table.add_row("bytes", f"{sum(size for _, size, _ in entries):,} of at most {there.limit:,}")
    table.add_row("GEMEL_CACHE", os.environ.get("GEMEL_CACHE", "not set"))
    Console().print(table)


@app.command()
def clear() -> None:
    """Remove all kept kernels; they are compiled anew when they are needed."""
    from gemel.codegen.cache import store

    there = store()
    print(f"removed {there.clear() if there is not None else 0} entries")
