"""LLVM's passes and its code generator, for the JIT and for other machines.

This module needs nothing of Gemel's: run as a program it is the process of its own in which code for other machines is
made. A mistake of an LLVM back end may end the process, and it must not be the user's.
"""

from __future__ import annotations

import base64
import json
import re
import sys
from typing import Any

import llvmlite.binding as llvm

WIDE = re.compile(r"\bi(?:6[5-9]|[7-9]\d|\d{3,})\b")
"""An integer type that no register holds."""

WIDE_VECTOR = re.compile(r"x i(?:6[5-9]|[7-9]\d|\d{3,})>")
"""A vector of such integers, which LLVM 22 doesn't always get right."""

LAYOUT = re.compile(r"^target datalayout.*$", re.MULTILINE)
"""A line that names wide integers where there are none."""

LONG = 6_000
"""Lines of one basic block from which on LLVM selects instructions the quick way: the other takes the square of it."""

UNKNOWN, REJECTED, WIDE_VECTORS = 3, 4, 5
"""Exit codes of the program: LLVM has no such target; it doesn't take the text; `WideVectors`."""


class WideVectors(Exception):
    """Vectors of integers of more than 64 bits were left after LLVM's passes: lanes have to be computed one by one."""


def optimize(module: Any, text: str, machine: Any, level: int, unroll: bool) -> None:
    """LLVM's passes on the module of a text. Without `unroll` loops stay as they are.

    What still has wide integers is not vectorised: LLVM 22 gets <4 x i128> wrong for AVX-512.

    Raises WideVectors.
    """
    if not WIDE.search(text):
        _passes(module, machine, level, True, unroll)
        return
    _passes(module, machine, level, False, unroll)
    left = LAYOUT.sub("", str(module))
    if WIDE_VECTOR.search(text) and WIDE_VECTOR.search(left):
        raise WideVectors
    if not WIDE.search(left):
        _passes(module, machine, level, True, unroll)


def _passes(module: Any, machine: Any, level: int, vectorize: bool, unroll: bool) -> None:
    if level <= 0:
        return
    options = llvm.create_pipeline_tuning_options(speed_level=level)
    options.loop_vectorization = options.slp_vectorization = vectorize and level > 1
    options.loop_unrolling = unroll and level > 1
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)


def level_of_code(text: str, level: int) -> int:
    """How hard the code generator may work on a text."""
    return 0 if _longest_block(text) > LONG else max(level, 0)


def _longest_block(text: str) -> int:
    """The lines of the longest basic block; labels begin at the margin."""
    longest = lines = 0
    for line in text.splitlines() if text.count("\n") > LONG else ():
        lines = lines + 1 if line.startswith(" ") else 0
        longest = max(longest, lines)
    return longest


def generate(job: dict[str, Any]) -> dict[str, str]:
    """The LLVM IR as given and after LLVM's passes, the assembly and, base64, the object of a job's texts.

    A job is what `objects` sends: the module's text, those of `helpers` to be linked into it, the names of functions
    that it keeps to itself, the target, and how to optimise.
    """
    machine = _machine(job, job["level"])
    module = llvm.parse_assembly(job["text"])
    module.verify()
    for name in job["internal"]:
        module.get_function(name).linkage = "internal"
    module.name, module.triple, module.data_layout = job["name"], job["triple"], str(machine.target_data)
    for text in job["helpers"]:
        helper = llvm.parse_assembly(text)
        helper.triple, helper.data_layout = module.triple, module.data_layout
        module.link_in(helper)
    given = str(module)
    optimize(module, "\n".join([job["text"], *job["helpers"]]), machine, job["level"], job["unroll"])
    machine = _machine(job, level_of_code(job["text"], job["level"]))
    return {
        "llvm": given,
        "optimized": str(module),
        "asm": machine.emit_assembly(module),
        "object": base64.b64encode(machine.emit_object(module)).decode() if job["objects"] else "",
    }


def _machine(job: dict[str, Any], level: int) -> Any:
    return _target(job["triple"]).create_target_machine(
        cpu=job["cpu"],
        features=job["features"],
        opt=level,
        reloc="pic",
        codemodel="default",
        abiname=job["abi"],
    )


def _target(triple: str) -> Any:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    try:
        return llvm.Target.from_triple(triple)
    except RuntimeError:
        sys.exit(UNKNOWN)


def main() -> None:
    """Reads a job as JSON, writes what `generate` gives as JSON."""
    try:
        made = generate(json.load(sys.stdin))
    except WideVectors:
        sys.exit(WIDE_VECTORS)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        sys.exit(REJECTED)
    json.dump(made, sys.stdout)


if __name__ == "__main__":
    main()
