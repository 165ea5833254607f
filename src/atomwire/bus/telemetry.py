"""The active OpenTelemetry span, where opentelemetry is installed."""

from __future__ import annotations

import logging
from importlib import import_module
from typing import Any

from atomwire.bus.log import RateLimitedLog

__all__ = ["traceparent"]

_log = RateLimitedLog()

try:
    # By name, because it is optional to the type checker too.
    _trace: Any = import_module("opentelemetry.trace")
except Exception:  # one that is installed may be broken, and the bus does not depend on it
    _trace = None


def traceparent() -> str | None:
    """Return the W3C header of the active span, None when there is none.

    The tracer is foreign code: when it fails, the event goes without the header.
    """
    if _trace is None:
        return None
    try:
        context = _trace.get_current_span().get_span_context()
        if not context.is_valid:
            return None
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
    except Exception as error:
        _log.log(logging.WARNING, "OpenTelemetry fails, events go without traceparent: %r", error)
        return None
