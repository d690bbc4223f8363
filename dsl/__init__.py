"""Gemel."""
