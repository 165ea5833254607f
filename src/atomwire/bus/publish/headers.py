"""The headers of an event's Kafka message, as the wire contract has them."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from atomwire import _native
from atomwire._native import peek_trace_id, peek_type
from atomwire.bus.telemetry import traceparent
from atomwire.codec.errors import InvalidEventError

__all__ = ["Headers", "headers_of_all", "message_headers", "own_headers"]

# A name may come more than once in pairs.
Headers: TypeAlias = Mapping[str, str | bytes] | Iterable[tuple[str, str | bytes]]


def own_headers(headers: Headers | None) -> _native.Headers | None:
    """Return headers that a caller gave as the producer takes them, in order; None for none.

    Raises
    ------
    TypeError, ValueError
        Naming the header, and what it must be. Nothing is queued before all are checked.
    """
    if headers is None:
        return None
    if isinstance(headers, str | bytes) or not isinstance(headers, Iterable):
        raise TypeError(
            f"headers={reprlib.repr(headers)}: must be a mapping of names to values, "
            "or pairs of them"
        )
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return [_header(pair) for pair in pairs] or None


def message_headers(event: bytes, extra: Headers | None = None) -> _native.Headers:
    """Return the contract's headers, the type's number and the trace if any, and `extra`.

    Of the contract's, those that `extra` has too give way.
    """
    own = own_headers(extra) or []
    given = {name for name, _ in own}
    contract = {
        "type": str(int(peek_type(event))),
        "trace_id": peek_trace_id(event),
        "traceparent": traceparent(),
    }
    return [
        *((name, text.encode()) for name, text in contract.items() if text and name not in given),
        *own,
    ]


def headers_of_all(events: list[bytes]) -> list[_native.Headers]:
    """Return the contract's headers of each event; a bad one is named by its index."""
    made: list[_native.Headers] = []
    try:
        for event in events:
            made.append(message_headers(event))
    except InvalidEventError as error:
        raise InvalidEventError(
            f"events[{len(made)}].{error.field}", error.position, error.reason
        ) from None
    return made


def _header(pair: object) -> tuple[str, bytes]:
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise TypeError(f"headers: {reprlib.repr(pair)} must be a pair of a name and a value")
    name, value = pair
    where = f"headers[{reprlib.repr(name)}]"
    if not isinstance(name, str):
        raise TypeError(f"{where}: the name must be str, not {type(name).__name__}")
    if not name or "\0" in name:
        raise ValueError(f"{where}: the name must not be empty, and not hold a NUL")
    _utf8(name, f"{where}: the name")
    if isinstance(value, bytes):
        return name, value
    if isinstance(value, str):
        return name, _utf8(value, f"{where}={reprlib.repr(value)}: a text")
    if value is None:
        raise TypeError(f"{where}=None: must be str or bytes; leave the header out, or give b''")
    raise TypeError(f"{where}: must be str or bytes, not {type(value).__name__}")


def _utf8(text: str, what: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{what} must be encodable as UTF-8 (a lone surrogate)") from None
