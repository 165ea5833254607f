"""The headers of an event's Kafka message, as the wire contract has them."""

from __future__ import annotations

from collections.abc import Mapping

from atomwire import _native
from atomwire._native import peek_trace_id, peek_type
from atomwire.bus.telemetry import traceparent

__all__ = ["Headers", "message_headers", "own_headers"]

Headers = Mapping[str, str | bytes]


def own_headers(headers: Headers | None) -> _native.Headers | None:
    """Return headers that a caller gave as the producer takes them."""
    if headers is None:
        return None
    return [(name, _bytes(name, value)) for name, value in headers.items()]


def message_headers(event: bytes, extra: Headers | None = None) -> _native.Headers:
    """Return the contract's headers, the type's number and the trace if any, and `extra`."""
    headers: dict[str, str | bytes] = {"type": str(int(peek_type(event)))}
    trace_id = peek_trace_id(event)
    if trace_id:
        headers["trace_id"] = trace_id
    span = traceparent()
    if span:
        headers["traceparent"] = span
    if extra:
        headers.update(extra)
    return own_headers(headers) or []


def _bytes(name: str, value: str | bytes) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    raise TypeError(f"headers[{name!r}]: must be str or bytes, not {type(value).__name__}")
