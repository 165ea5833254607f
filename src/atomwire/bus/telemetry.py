"""The active OpenTelemetry span, where opentelemetry is installed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["traceparent"]

try:
    # By name, because it is optional to the type checker too.
    _trace: Any = import_module("opentelemetry.trace")
except ImportError:
    _trace = None


def traceparent() -> str | None:
    """Return the W3C header of the active span, None when there is none."""
    if _trace is None:
        return None
    context = _trace.get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
