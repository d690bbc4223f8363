"""The other judge of proofs: that it finds small kernels right, and changed ones wrong."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest
from needs import needs

HERE = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def judge() -> Any:
    sys.path.insert(0, str(HERE))
    try:
        spec = importlib.util.spec_from_file_location("judge", HERE / "judge.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(HERE))
    return module


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("distance", "d_rdata < least_held", "d_rdata <= least_held"),
        ("distance", "done <= last[6]", "done <= last[5]"),
        ("halvings", "steps + 8'd1", "steps + 8'd2"),
    ],
)
def test_a_kernel_is_its_reference_and_a_changed_one_is_not(judge: Any, name: str, old: str, new: str) -> None:
    needs("yosys")
    design = getattr(judge, name).synth()
    miter = judge.Miter(design)
    assert judge.judge(miter)[0] == "same"
    assert old in design.verilog
    design.__dict__["verilog"] = design.verilog.replace(old, new)
    assert judge.judge(miter)[0] == "different"
