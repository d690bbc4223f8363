"""Rewrites: each maps a valid kernel to a valid kernel with the same meaning."""
