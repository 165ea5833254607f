"""An event as a Kafka message: key, timestamp and headers, as the wire contract has them."""

from __future__ import annotations

from collections.abc import Mapping

from atomwire._codec import peek_tenant_id, peek_timestamp, peek_trace_id, peek_type
from atomwire.errors import InvalidEventError

__all__ = ["Headers", "message_headers", "message_key", "message_timestamp"]

Headers = Mapping[str, str | bytes]

_NANOSECONDS_PER_MILLISECOND = 1_000_000


def message_key(event: bytes, tenant_id: str | None) -> str:
    """Return the tenant of `event`, which the key must be.

    Raises
    ------
    TypeError
        `event` is not bytes.
    InvalidEventError
        `event` is no AtomEvent, or has no tenant.
    ValueError
        `tenant_id` is not the event's.
    """
    if not isinstance(event, bytes):
        raise TypeError(f"event: must be bytes, not {type(event).__name__}")
    key = peek_tenant_id(event)
    if not key:
        raise InvalidEventError("tenant_id", 0, "is null or empty, and it is the Kafka key")
    if tenant_id is not None and tenant_id != key:
        raise ValueError(f"tenant_id={tenant_id!r}: the event's own is {key!r}, and is the key")
    return key


def message_timestamp(event: bytes) -> int:
    """Return the event's time in milliseconds, or 0 (librdkafka's 'now') when it has none."""
    timestamp = peek_timestamp(event) // _NANOSECONDS_PER_MILLISECOND
    return timestamp if timestamp > 0 else 0


def message_headers(event: bytes, extra: Headers | None = None) -> dict[str, str | bytes]:
    """Return the contract's headers, the type's number and the trace id if any, and `extra`."""
    headers: dict[str, str | bytes] = {"type": str(int(peek_type(event)))}
    trace_id = peek_trace_id(event)
    if trace_id:
        headers["trace_id"] = trace_id
    if extra:
        headers.update(extra)
    return headers
