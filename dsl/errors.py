"""The errors that Gemel raises; all derive from GemelError."""

from gemel.semantics.errors import (
    CATALOGUE,
    ArgumentError,
    BoundsError,
    CheckError,
    CompileError,
    DivisionError,
    GemelError,
    OutOfMemoryError,
    ParseError,
    ScheduleError,
    ShapeError,
    SynthesisError,
    ToolError,
    TraceError,
    TypeCheckError,
)

__all__ = [
    "CATALOGUE",
    "ArgumentError",
    "BoundsError",
    "CheckError",
    "CompileError",
    "DivisionError",
    "GemelError",
    "OutOfMemoryError",
    "ParseError",
    "ScheduleError",
    "ShapeError",
    "SynthesisError",
    "ToolError",
    "TraceError",
    "TypeCheckError",
]
