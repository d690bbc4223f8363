"""The commands of `gemel`, from its command line parser."""

from __future__ import annotations

from typing import Any

import typer

from gemel.cli import app
from pages import markdown
from pages.markdown import code, table


def _parameter(p: Any) -> tuple[str, str, str]:
    option = p.param_type_name == "option"
    name = ", ".join(p.opts) if option else str(p.metavar or p.name)
    default = code(p.default) if option and p.default is not None and not p.required else ""
    return code(name), default, getattr(p, "help", None) or ""


def _command(name: str, command: Any) -> str:
    rows = [_parameter(p) for p in command.params if p.name != "help"]
    listed = "\n\n" + table(["argument", "default", ""], rows) if rows else ""
    return f"## gemel {name}\n\n{(command.help or '').strip()}{listed}"


def page() -> str:
    """The page."""
    group: Any = typer.main.get_command(app)
    return markdown.page(
        "The gemel command",
        "A kernel is named `file.py:function`; a command that takes one executes that file. Sizes and static arguments are given as `NAME=VALUE`. "
        "An error is printed as a message, and the command ends with 1.",
        *(_command(name, command) for name, command in sorted(group.commands.items())),
    )
