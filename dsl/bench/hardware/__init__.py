"""`gemel bench --hardware`: kernels as hardware beside the published figures of other tools."""
