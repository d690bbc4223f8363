"""What is proved of the SystemVerilog of kernels: `python benchmarks/proofs.py [group ...] [--json FILE]`.

Groups are those of `gemel bench --hardware` (tablec, unrolled, systolic, polybench-i32, machsuite, ...), and
`machsuite-tiny`: that suite at small sizes, `layers`: those of the standard library; without one, `tablec`. `-k name`
takes the kernels with that in their names. One line a kernel, then how many of a group are proved.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from harness import machine

from gemel.bench.hardware.suites import every, layers, tiny
from gemel.errors import GemelError
from gemel.hwsynth.design import Design

Row = dict[str, Any]

SHOWN = {"unknown": "out of reach", "none": "no design"}
"""How the table says a status."""


def measured(group: str, name: str, make: Callable[[], Design], asked: argparse.Namespace) -> Row:
    """What became of a kernel's proof; nothing comes from the disk."""
    try:
        design = make()
        begun = time.perf_counter()
        proof = design.prove(seconds=asked.seconds, mutants=asked.mutants, timeout=asked.timeout)
    except GemelError as error:
        return {"group": group, "name": name, "status": "none", "why": f"{error.code} {error.what[:100]}", "seconds": 0}
    weak = [f"{o.name}: {o.detail}" for o in proof.obligations if o.status != "proved"]
    return {
        "group": group,
        "name": name,
        "status": proof.status,
        "why": "; ".join(weak),
        "seconds": round(time.perf_counter() - begun, 2),
        "mutants": proof.mutations.counts if proof.mutations else {},
        "left": [str(o) for o in proof.mutations.left] if proof.mutations else [],
    }


def main() -> int:
    """Prints the rows and writes them where asked."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("groups", nargs="*")
    options.add_argument("-k", default="")
    options.add_argument("--seconds", type=float, default=10.0, help="z3's time for each question")
    options.add_argument("--timeout", type=float, default=60.0, help="seconds for each obligation")
    options.add_argument("--mutants", type=int, default=0, help="changed circuits to refute for each kernel")
    options.add_argument("--json", type=Path)
    asked = options.parse_args()
    os.environ["GEMEL_CACHE"] = "off"
    rows: list[Row] = []
    for case in (*every(), *layers(), *tiny()):
        if case.group not in (asked.groups or ["tablec"]) or asked.k not in case.name or case.refused:
            continue
        clock = 1000 / case.clock_ns
        make = lambda c=case, clock=clock: c.kernel().synth_for(*c.arguments(), target=c.target, clock_mhz=clock)  # noqa: E731
        rows.append(row := measured(case.group, case.name, make, asked))
        written(rows, asked.json)
        print(f"{row['group']}/{row['name']}: {row['status']} in {row['seconds']} s {row['why'][:160]}", flush=True)
        for told in (row.get("mutants"), *row.get("left", ())):
            if told:
                print(f"  {told}", flush=True)
    for group in dict.fromkeys(r["group"] for r in rows):
        own = [r for r in rows if r["group"] == group]
        proved = [r for r in own if r["status"] == "proved"]
        median = statistics.median(r["seconds"] for r in own)
        print(f"{group}: {len(proved)} of {len(own)} proved, median {median:.2f} s")
    return 0


def written(rows: list[Row], path: Path | None) -> None:
    """Keeps the rows that there are, and a table of them beside."""
    if path:
        data = {"machine": machine(), "options": sys.argv[1:], "rows": rows}
        path.write_text(json.dumps(data, indent=1) + "\n")
        path.with_suffix(".md").write_text("\n".join(table(rows)) + "\n")


def table(rows: list[Row]) -> Iterator[str]:
    """What became of each kernel, as Markdown."""
    for group in dict.fromkeys(r["group"] for r in rows):
        own = [r for r in rows if r["group"] == group]
        yield f"{group}: {sum(r['status'] == 'proved' for r in own)} of {len(own)} proved\n"
        yield "| kernel | result | seconds | why not |"
        yield "| --- | --- | ---: | --- |"
        for r in own:
            why = r["why"].split("; ")[0][:160].replace("|", "/")
            yield f"| {r['name']} | {SHOWN.get(r['status'], r['status'])} | {r['seconds']} | {why} |"
        yield ""


if __name__ == "__main__":
    sys.exit(main())
