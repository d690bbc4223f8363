"""The package as installed holds what the folders hold, and what is said in two places is the same in both."""

from __future__ import annotations

import re
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest
from house.sources import ROOT, folders, pyproject

import gemel

HIDDEN = re.compile(r"(^|/)(\.|__pycache__)")


def package_files(package: str) -> list[str]:
    """What belongs to a top folder, as paths relative to it."""
    folder = folders()[package]
    paths = (path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file())
    return [path for path in paths if not HIDDEN.search(path)]


def test_every_package_is_listed() -> None:
    found = []
    for package, folder in folders().items():
        for init in folder.rglob("__init__.py"):
            found.append(".".join((package, *init.parent.relative_to(folder).parts)))
    assert sorted(found) == sorted(pyproject()["tool"]["setuptools"]["packages"])


def test_every_folder_of_modules_is_a_package() -> None:
    parents = {path.parent for folder in folders().values() for path in folder.rglob("*.py")}
    assert [str(parent.relative_to(ROOT)) for parent in parents if not (parent / "__init__.py").exists()] == []


@pytest.mark.parametrize("package", folders())
def test_every_file_is_installed(package: str) -> None:
    """An editable install holds all; it is a plain one, as in CI, that shows what `package-data` leaves out."""
    spec = find_spec(package)
    assert spec is not None and spec.submodule_search_locations
    (place,) = spec.submodule_search_locations
    assert [path for path in package_files(package) if not (Path(place) / path).exists()] == []


def test_version_is_one() -> None:
    assert gemel.__version__ == version("gemel")


def test_makefile_runs_the_readmes_test_command() -> None:
    (readme,) = re.findall(r"^python3 -m venv .* (-m pytest.*)$", (ROOT / "README.md").read_text(), re.M)
    (make,) = re.findall(r"^test:.*\n\t\$\(PYTHON\) (.*)$", (ROOT / "Makefile").read_text(), re.M)
    assert readme == make


def test_readme_installs_extras_that_exist() -> None:
    asked = re.findall(r'"\.\[([\w,]+)\]"', (ROOT / "README.md").read_text())
    assert asked and {name for group in asked for name in group.split(",")} <= set(
        pyproject()["project"]["optional-dependencies"]
    )


def test_contributing_names_what_exists() -> None:
    named = re.findall(r"`([\w.-]*/[\w./-]*|[\w-]+\.(?:md|toml))`", (ROOT / "CONTRIBUTING.md").read_text())
    assert named and [name for name in named if not (ROOT / name).exists()] == []
