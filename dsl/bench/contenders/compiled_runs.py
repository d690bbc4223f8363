"""`torch.compile` of the functions that eager PyTorch runs."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from gemel.bench.contenders import torch_runs
from gemel.bench.workload import Maker, Run

facts = torch_runs.facts


def _function(family: str) -> Maker:
    def make(*args: Any) -> Run:
        tensors = torch_runs.given(family, args)
        f = torch.compile(torch_runs.FUNCTIONS[family], dynamic=False)
        return Run(partial(f, *tensors), torch_runs.back)

    return make


def _stepped(step: Any) -> Maker:
    def make(*args: Any) -> Run:
        return torch_runs.stepped(torch.compile(step, dynamic=False))(*args)

    return make


RUNS: dict[str, Maker] = {
    **{family: _function(family) for family in torch_runs.FUNCTIONS},
    **{family: _stepped(step) for family, step in torch_runs.STEPS.items()},
}
