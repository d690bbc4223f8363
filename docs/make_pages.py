"""Writes the generated pages of the documentation: `python docs/make_pages.py`."""

from __future__ import annotations

from pathlib import Path

from pages import PAGES

DOCS = Path(__file__).parent

if __name__ == "__main__":
    for name, make in PAGES.items():
        (DOCS / name).write_text(make(), encoding="utf-8")
        print(f"docs/{name}")
