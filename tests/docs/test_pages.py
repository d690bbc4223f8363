"""Generated pages say what the sources and the results files say, and the site builds."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from docs.documents import ROOT
from pages import PAGES, api, coverage, results, subset

import gemel as gm
from gemel.errors import GemelError
from gemel.semantics import ops
from gemel.semantics.verify.report import KINDS

LATER = {"TypeAlias", "TemplateStr", "Interpolation"}
"""Syntax that newer versions of Python have."""


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_up_to_date(name: str) -> None:
    assert (ROOT / "docs" / name).read_text() == PAGES[name](), "run make pages, and review what changed"


def test_the_formulas_of_result_types_are_the_type_rules() -> None:
    assert not results.mistakes()
    lied = results.Formula(ops.ADD, "x + y", "ii", "i", "max(a, b)")
    assert list(results.wrong(lied))


@pytest.mark.parametrize("construct", [*subset.STATEMENTS, *subset.EXPRESSIONS], ids=lambda c: c.name)
def test_what_the_page_of_python_says_of_a_construct(construct: subset.Construct) -> None:
    error = subset.traced(construct)
    if construct.means:
        assert error is None, str(error)
    else:
        assert error is not None
        assert error.mend


def test_every_kind_of_statement_and_expression_is_shown() -> None:
    kinds = {kind for base in (ast.stmt, ast.expr) for kind in base.__subclasses__()}
    assert {k.__name__ for k in kinds - subset.nodes()} <= LATER


def test_every_public_name_is_described() -> None:
    assert not api.missing()
    for names in api.GROUPS.values():
        for name in names.split():
            assert len(api.described(getattr(gm, name))) > 20, name


def test_reasons_are_given_for_kernels_that_are_not_entirely_proved() -> None:
    for suite, reasons in coverage.reasons().items():
        rows = {row["kernel"]: row for row in coverage.results(suite)["rows"]}
        for kernel in reasons:
            assert not coverage.passes(rows[kernel], "verified"), f"{suite}/{kernel} is proved: drop the reason"


def test_the_verifier_page_has_every_kind() -> None:
    text = (ROOT / "docs/reference/verifier.md").read_text()
    for kind in KINDS.values():
        assert f"| `{kind}` |" in text


def test_the_tutorial_has_every_class_of_error() -> None:
    text = (ROOT / "docs/tutorial/09-errors.md").read_text()
    kinds = [k.__name__ for k in vars(gm.errors).values() if isinstance(k, type) and issubclass(k, GemelError)]
    for kind in kinds:
        assert f"`{kind}`" in text or f"`gm.errors.{kind}`" in text, kind


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site/tutorial/01-first-kernel.html").exists()
