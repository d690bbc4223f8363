"""What Gemel, Numba, Taichi and Triton say to the same mistakes: `python benchmarks/error_messages.py`.

The scripts are in `benchmarks/error_messages/`: the line with the mistake ends with `#!` and the expression at fault.
Peers that are installed beside this Python are run, or those of another one: `--python PATH`. Triton runs its
compiler's front end for a GPU that need not be there, and its interpreter for mistakes that show when a kernel runs.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from harness import RESULTS, machine

HERE = Path(__file__).parent / "error_messages"
PAGE = Path(__file__).parents[1] / "docs" / "error_messages.md"
TOOLS = ("gemel", "numba", "taichi", "triton")

BEFORE = {
    "gemel": "import numpy as np\nimport gemel as gm\nfrom gemel import f32, i32, i64, u8\n\nN = gm.dims('N')\n",
    "numba": "import numpy as np\nfrom numba import njit\n",
    "taichi": """import numpy as np
import taichi as ti
ti.init(arch=ti.cpu, debug=True, log_level=ti.ERROR, offline_cache=False)
V = ti.types.ndarray(dtype=ti.f32, ndim=1)
I = ti.types.ndarray(dtype=ti.i32, ndim=1)
""",
    "triton": """import os
os.environ["TRITON_INTERPRET"] = "{interpret}"
import torch
import triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

def compiled(f, types, **constants):
    types = {{**types, **dict.fromkeys(constants, "constexpr")}}
    triton.compile(ASTSource(f, signature=types, constexprs=constants), target=GPUTarget("cuda", 80, 32))

def interpreted(f, *args, **constants):
    f[(1,)](*args, **constants)
""",
}


@dataclass(frozen=True)
class Answer:
    """What a tool says: refused or not, the line of the message, and what the message shows."""

    refused: bool
    first: str
    line: bool
    points: bool
    mend: bool
    lines: int


def sections(path: Path) -> tuple[str, dict[str, str]]:
    """The title of a mistake, and its script for each tool."""
    text = path.read_text(encoding="utf-8")
    title, _, rest = text.partition("\n")
    found = re.split(r"^== (\w+)\n", rest, flags=re.MULTILINE)[1:]
    return title, dict(zip(found[::2], found[1::2], strict=True))


def answer(tool: str, script: str, python: str) -> Answer:
    """Runs a script and reads what it says."""
    before = BEFORE[tool]
    if tool == "triton":
        before = before.format(interpret=int("interpreted(" in script))
    marked = next(line for line in script.splitlines() if "#!" in line)
    clean, expression = (part.strip() for part in marked.split("#!"))
    text = before + re.sub(r"  #!.*", "", script)
    number = next(n for n, line in enumerate(text.splitlines(), 1) if line.strip() == clean)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "script.py").write_text(text, encoding="utf-8")
        done = subprocess.run([python, "script.py"], cwd=folder, capture_output=True, text=True, timeout=300)
    said = re.sub(r"\x1b\[[0-9;]*m", "", done.stderr)
    if not done.returncode:
        return Answer(False, "", False, False, False, 0)
    return Answer(
        True,
        message(said, script),
        names_line(said, number, clean),
        points(said, clean, expression),
        mends(said, script),
        said.count("\n"),
    )


def message(said: str, script: str) -> str:
    """What is wrong in the tool's words: what follows the last name of an error, without places and source lines."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    after = [n for n, line in enumerate(lines) if re.match(r"[\w.]*(Error|Exception)\b", line)]
    source = {line.strip() for line in re.sub(r"  #!.*", "", script).splitlines()}
    told = [line for line in lines[after[-1] if after else -1 :] if line not in source and not PLACE.match(line)]
    told = [re.sub(r"^(?:\w+\.)+(\w+(?:Error|Exception))", r"\1", line) for line in told]
    text = anonymous(" ".join(told[:3]))
    return text if len(text) <= 170 else text[:167] + "..."


def anonymous(text: str) -> str:
    """A text without the folders and addresses of this machine."""
    return re.sub(r"0x[0-9a-f]+", "0x...", re.sub(r"(?:/[\w.@+-]+)+/", "", text))


PLACE = re.compile(r'File "|at \S+:\d+|\d* ?\||[\^~ ]+$|note:|mend:|<source elided>')


def names_line(said: str, number: int, clean: str) -> bool:
    """Whether the number of the line with the mistake is told, or the line itself."""
    return re.search(rf"script\.py(\", line |:|\", line )\(?{number}\b", said) is not None or clean in said


def points(said: str, clean: str, expression: str) -> bool:
    """Whether carets under the line with the mistake start inside of the expression at fault."""
    lines = said.splitlines()
    for line, under in itertools.pairwise(lines):
        if clean in line and re.fullmatch(r"[\s|]*[\^~]+[\s\^~]*", under):
            at = line.index(clean)
            start = at + clean.index(expression)
            first = min(n for n, c in enumerate(under) if c in "^~")
            if start <= first < start + len(expression) and (first > at or start == at):
                return True
    return False


def mends(said: str, script: str) -> bool:
    """Whether the message holds a word of advice outside of source lines."""
    own = re.sub(r"(?s)Traceback.*?\n(?=\S)", "", said)
    own = "\n".join(line for line in own.splitlines() if line.strip() not in script)
    return re.search(ADVICE, own, re.IGNORECASE) is not None


ADVICE = r"mend:|did you mean|\buse [\w.`]+|should|please|instead|\btry \w|consider|\bhint\b"


def versions(python: str) -> dict[str, str]:
    """The tools that are there, with their versions."""
    script = "import importlib.metadata as m, json, sys\nfound = {}\nfor n in sys.argv[1:]:\n"
    script += "    try: found[n] = m.version(n)\n    except m.PackageNotFoundError: pass\nprint(json.dumps(found))"
    done = subprocess.run([python, "-c", script, *TOOLS[1:]], capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def measure(python: str) -> list[dict[str, object]]:
    """All answers, one row for each mistake."""
    there = versions(python)
    rows: list[dict[str, object]] = []
    for path in sorted(HERE.glob("*.txt")):
        title, scripts = sections(path)
        row: dict[str, object] = {"mistake": title}
        for tool, script in scripts.items():
            if tool == "gemel" or tool in there:
                found = answer(tool, script, sys.executable if tool == "gemel" else python)
                row[tool] = vars(found)
        rows.append(row)
        print(title, {t: str(row[t])[:150] for t in TOOLS if t in row}, flush=True)
    return rows


def main() -> None:
    """Runs the comparison, and writes the record and the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable, help="the Python that has the peers")
    python = parser.parse_args().python
    record = {"machine": machine(), "peers": versions(python), "rows": measure(python)}
    RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(), encoding="utf-8")


RECORD = RESULTS / "error_messages.json"
INTRODUCTION = """# The same mistakes in other compilers

What Gemel and other compilers for kernels in Python say to {count} mistakes; made by `python
benchmarks/error_messages.py` from the scripts in `benchmarks/error_messages/` ({date}; {versions}).
Numba runs with `boundscheck=True`, Taichi with `debug=True`. Of Triton it is the compiler's front end for a
GPU that need not be there, and its interpreter for what shows when a kernel runs.

"line": the message tells the number of the line with the mistake, or shows it. "points": a caret stands inside of the
expression at fault. "mend": the message advises (it holds one of `mend:`, did you mean, use ..., should, please,
instead, try, consider, hint). These are read off by the command, by the same rules for all. An accepted program ran
to its end: what it computes then is another matter (a fraction cut off, a number wrapped, memory behind an array read).

"""


def page() -> str:
    """The record as Markdown."""
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    rows, peers = record["rows"], record["peers"]
    tools = [t for t in TOOLS if t == "gemel" or t in peers]
    names = ", ".join(f"{t} {v}" for t, v in {"gemel": record["machine"]["gemel"], **peers}.items())
    text = INTRODUCTION.format(count=len(rows), date=record["machine"]["date"], versions=names)
    text += "| | refused | line | points | mend | median lines shown |\n|---|---|---|---|---|---|\n"
    text += "".join(_total(t, [r[t] for r in rows if t in r]) for t in tools)
    for row in rows:
        text += f"\n## {row['mistake'].capitalize()}\n\n| | line | points | mend | it says |\n|---|---|---|---|---|\n"
        text += "".join(_row(t, row[t]) for t in tools if t in row)
    return text


def _total(tool: str, answers: list[dict[str, object]]) -> str:
    refused = [a for a in answers if a["refused"]]
    counts = [str(sum(bool(a[key]) for a in answers)) for key in ("refused", "line", "points", "mend")]
    lines = statistics.median([int(str(a["lines"])) for a in refused])
    return f"| {tool} | {counts[0]} of {len(answers)} | {' | '.join(counts[1:])} | {lines:.0f} |\n"


def _row(tool: str, found: dict[str, object]) -> str:
    if not found["refused"]:
        return f"| {tool} | | | | accepted |\n"
    marks = " | ".join("yes" if found[key] else "-" for key in ("line", "points", "mend"))
    said = str(found["first"]).replace("|", "\\|").replace("`", "'").replace("](", "] (")  # no link
    return f"| {tool} | {marks} | `{said}` |\n"


if __name__ == "__main__":
    main()
