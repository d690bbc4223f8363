"""Who runs the workloads: one module each, with a table of runs by family; a peer counts where it can be imported."""
