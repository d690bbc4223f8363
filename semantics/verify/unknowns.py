"""Unknowns of z3, numbered in the order in which they are made, so that it shows what a loop brought in."""

from __future__ import annotations

from itertools import count
from typing import Any

import z3

_serial = count(1)


def mark() -> int:
    """A point in time: what is made later has a serial number that isn't less."""
    return next(_serial)


def fresh_int(hint: str) -> Any:
    """An unknown integer."""
    return z3.Int(f"{hint}!{next(_serial)}")


def fresh_bool(hint: str) -> Any:
    """An unknown bool."""
    return z3.Bool(f"{hint}!{next(_serial)}")


def serial_of(name: str) -> int:
    """When an unknown was made; 0 for functions of ops, which are the same everywhere."""
    _, _, tail = name.rpartition("!")
    return int(tail) if tail.isdigit() else 0
