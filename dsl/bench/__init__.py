"""`gemel bench`: workloads on the CPU beside every peer that is installed."""
