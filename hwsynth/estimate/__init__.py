"""What a design takes up on its target and how fast it can run, found without a synthesis tool."""

from gemel.hwsynth.estimate.design import Estimate, estimate

__all__ = ["Estimate", "estimate"]
