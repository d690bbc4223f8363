"""Certificates: what was proved of which text of which kernel, as a JSON record beside the files that it is about.

A record names the files by their hashes, and has a hash of itself; one that doesn't fit is refused. With the files it
is enough to prove anew: nothing else of the design is needed, and nothing in the files is executed.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemel.hwsynth.netlist import Contract
from gemel.hwsynth.placement import Placement
from gemel.hwsynth.prove import work
from gemel.hwsynth.prove.counterexample import Counterexample
from gemel.hwsynth.prove.drawn import words_of
from gemel.hwsynth.prove.mutants import Mutations
from gemel.hwsynth.prove.proof import Proof, Subject
from gemel.hwsynth.prove.subject import subject_of
from gemel.hwsynth.verilog import print_design
from gemel.semantics.errors import SynthesisError, ToolError
from gemel.semantics.ir import Buffer, Kernel, Var
from gemel.semantics.symbolic.points import checks
from gemel.semantics.text import print_kernel

if TYPE_CHECKING:
    from gemel.hwsynth.design import Design

FORMAT = "gemel proof 2"
RECORD, KERNEL = "proof/certificate.json", "proof/kernel.gemel"
UNPROVED = "unproved"

ASSUMED = (
    "the reference interpreter says what the kernel means",
    "yosys reads the text as the tools do that come after it",
    "memories outside of the module: a word arrives in the cycle after its request, and is that of before a write at"
    " the same edge",
    "runs in which a check of the kernel fails are left out where an obligation says so, and a check that the text"
    " doesn't make never fails",
    "what the op tower scales by a power of two lies between 1/4 and 4: then two products are one scaling",
    "z3 and the prover of Gemel are right; mutants say what the latter is worth",
    "of assertions on a run, yosys-abc is right",
)
"""What a proof rests on."""

PACKAGES = ("gemel", "pyosys", "z3-solver", "numpy")


@dataclass(frozen=True)
class Record:
    """A certificate as it was read: its fields, checked for their kinds."""

    fields: Mapping[str, Any]

    @property
    def status(self) -> str:
        """What it says of the design."""
        return str(self.fields["status"])

    @property
    def rtl(self) -> dict[str, str]:
        """The hash of each file of the text, instantiated ones first."""
        return dict(self.fields["rtl"])

    @property
    def settings(self) -> work.Settings:
        """How the proof was made."""
        return work.Settings(**self.fields["settings"])

    @property
    def checker(self) -> dict[str, str]:
        """The hash of the file with assertions on the handshake."""
        return dict(self.fields["checker"])

    def edited(self, texts: Mapping[str, str]) -> list[str]:
        """The files of the text that aren't as they were."""
        return [name for name, known in (self.rtl | self.checker).items() if digest(texts[name]) != known]

    def subject(self, kernel: Kernel, scheduled: Kernel, sv: str, checker: str) -> Subject:
        """What is to be proved of a text and its assertions; `scheduled` says which banks tensors have.

        Raises SynthesisError H10 where the record is of another kernel.
        """
        contracts = {name: Contract(*values) for name, values in self.fields["units"].items()}
        tensors = [*kernel.params, *kernel.results]
        names = self.fields["places"]
        lying = [*scheduled.params, *scheduled.results]
        if not len(tensors) == len(names) == len(lying):
            raise refused("it has other parameters than its kernel")
        places = {p: _placement(q, own) for p, q, own in zip(tensors, lying, names, strict=True)}
        made = checks(kernel)
        try:
            sites = {made[k]: n for n, at in enumerate(self.fields["checks"], 1) for k in at}
        except (IndexError, TypeError):
            raise refused("it has other checks than its kernel") from None
        top, cycles = self.fields["top"], self.fields["cycles"]
        return Subject(sv, top, contracts, kernel, places, cycles, self.fields["latencies"], checker, sites)


def _placement(p: Buffer | Var, names: Sequence[str | None]) -> Placement:
    return Placement.of(p, names) if isinstance(p, Buffer) else Placement(tuple(names))


def digest(text: str) -> str:
    """What stands for a text."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def refused(why: str) -> SynthesisError:
    """The error for a record that isn't to be believed."""
    mend = "write the folder anew with Design.write(), or prove without a record"
    return SynthesisError(f"the certificate is refused: {why}", code="H10", mend=mend)


# -------------------------------------------------------------------------------------------------------------- making


def proved(design: Design, options: Mapping[str, Any], workers: int, client: object, record: Path | None) -> Proof:
    """The proof of a design, with its record in a file if one is named."""
    subject, settings = subject_of(design), work.Settings(**options)
    return run(subject, settings, workers, client, record, files_of(design), design)


def run(
    subject: Subject,
    settings: work.Settings,
    workers: int,
    client: object,
    record: Path | None,
    files: Mapping[str, str],
    design: Design | None = None,
) -> Proof:
    """The proof of a subject; `record` has at any time what was found until then."""
    executors = work.processes(workers) if client is None else nullcontext(work.of_cluster(client))

    def keep(proof: Proof) -> None:
        if record is not None:
            write(record, certificate(subject, files, proof, settings))

    with work.shown(subject, settings) as seen, executors as executor:

        def told(proof: Proof) -> None:
            seen(proof)
            keep(proof)

        proof = work.full_proof(subject, settings, design, executor, told)
    keep(proof)
    return proof


def files_of(design: Design) -> dict[str, str]:
    """The files that a certificate is about, by their place in the folder: kernels, the text's modules, assertions."""
    subject = subject_of(design)
    printed = print_design(design.module)
    return {
        KERNEL: f"{print_kernel(subject.kernel)}\n",
        f"{printed[-1].name}.gemel": f"{design.scheduled}\n",
        **{f"rtl/{m.name}.sv": m.text for m in printed},
        f"tb/{printed[-1].name}_sva.sv": design.assertions,
    }


def of_design(design: Design, proof: Proof | None, options: Mapping[str, Any]) -> str:
    """The certificate of a design, as text."""
    return text_of(certificate(subject_of(design), files_of(design), proof, work.Settings(**options)))


def certificate(
    subject: Subject, files: Mapping[str, str], proof: Proof | None, settings: work.Settings
) -> dict[str, Any]:
    """The record of a proof; without one, of what would be proved."""
    kernel, schedule, *rtl, checker = files
    tensors = (*subject.kernel.params, *subject.kernel.results)
    fields: dict[str, Any] = {
        "format": FORMAT,
        "kernel": {kernel: digest(files[kernel])},
        "schedule": {schedule: digest(files[schedule])},
        "rtl": {name: digest(files[name]) for name in rtl},
        "checker": {checker: digest(files[checker])},
        "top": subject.top,
        "cycles": subject.cycles,
        "units": {n: [c.operation, c.latency, c.interval] for n, c in subject.contracts.items()},
        "latencies": dict(subject.latencies),
        "places": [list(subject.places[p].names) for p in tensors],
        "checks": _checks(subject),
        "tools": versions(),
        "settings": {k: v for k, v in asdict(settings).items() if k != "anew"},
        "assumed": ASSUMED,
        "status": UNPROVED if proof is None else proof.status,
        "complete": proof is not None and proof.complete,
        "obligations": [] if proof is None else [_obligation(o) for o in proof.obligations],
        "mutants": _mutants(proof.mutations) if proof and proof.mutations else None,
        "counterexample": _counterexample(subject, proof.counterexample) if proof and proof.counterexample else None,
    }
    return {**fields, "digest": _own(fields)}


def _checks(subject: Subject) -> list[list[int]]:
    """For each number of a check where in the kernel's text it is made."""
    made = [subject.sites.get(key, 0) for key in checks(subject.kernel)]
    most = max(subject.sites.values(), default=0)
    return [[k for k, code in enumerate(made) if code == n] for n in range(1, most + 1)]


def _obligation(o: Any) -> dict[str, Any]:
    shown = {"name": o.name, "status": o.status, "detail": o.detail, "seconds": round(o.seconds, 3)}
    return shown | ({"values": dict(o.values)} if o.values else {})


def _mutants(found: Mutations) -> dict[str, Any]:
    return {"seed": found.seed, **found.counts, "left": [str(o) for o in found.left]}


def _counterexample(subject: Subject, found: Counterexample) -> dict[str, Any]:
    d = found.difference
    types = {p.hint: p.dtype for p in subject.kernel.params}
    return {
        "obligation": found.obligation,
        "what": d.what,
        "where": d.where,
        "expected": d.expected,
        "found": d.found,
        "edge": d.edge,
        "arguments": {name: words_of(value, types[name]) for name, value in d.arguments.items()},
        "script": d.script,
    }


def versions() -> dict[str, str]:
    """Which tools are at work."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _own(fields: Mapping[str, Any]) -> str:
    """The hash of a record, but for the hash."""
    return digest(json.dumps({k: v for k, v in fields.items() if k != "digest"}, sort_keys=True))


def text_of(fields: Mapping[str, Any]) -> str:
    """A record as text."""
    return json.dumps(fields, indent=1) + "\n"


def write(path: Path, fields: Mapping[str, Any]) -> None:
    """Writes a record, all of it or nothing; raises ToolError X02 where that can't be done."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, encoding="utf-8", delete=False) as aside:
            aside.write(text_of(fields))
        os.replace(aside.name, path)
    except OSError as error:
        raise ToolError(f"{path} can't be written: {error.strerror}", code="X02", mend="choose another file") from None


# ------------------------------------------------------------------------------------------------------------- reading

_KINDS: Mapping[str, type | tuple[type, ...]] = {
    "format": str, "kernel": dict, "schedule": dict, "rtl": dict, "checker": dict, "top": str,
    "cycles": (int, type(None)), "units": dict, "latencies": dict, "places": list, "tools": dict, "settings": dict,
    "assumed": list, "status": str, "complete": bool, "obligations": list, "digest": str, "checks": list,
}  # fmt: skip


def read(text: str) -> Record:
    """The record that a text holds; raises SynthesisError H10 where that isn't one, or was changed."""
    try:
        fields = json.loads(text)
    except ValueError:
        raise refused("it is no JSON") from None
    if not isinstance(fields, dict) or fields.get("format") != FORMAT:
        raise refused(f"it isn't of the form {FORMAT!r}")
    wrong = [name for name, kind in _KINDS.items() if not isinstance(fields.get(name, ...), kind)]
    if wrong:
        raise refused(f"it has no valid {wrong[0]!r}")
    if fields["digest"] != _own(fields):
        raise refused("it was changed after it was made")
    return Record(fields)
