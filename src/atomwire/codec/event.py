"""Events as read from the wire."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from atomwire import _native
from atomwire.codec.columns_out import MessageColumns
from atomwire.codec.event_type import EventType
from atomwire.codec.molecules import Molecules

if TYPE_CHECKING:
    from typing_extensions import Buffer


class Event:
    """One verified event; fields are read from its bytes when asked for.

    Made by `decode`.
    """

    def __init__(self, buffer: bytes, layout: _native.MessageLayout) -> None:
        self._buffer = buffer
        self._layout = layout

    @property
    def event_id(self) -> str | None:
        """UUID text; consumers deduplicate on it."""
        return _native.peek_event_id(self._buffer)

    @property
    def trace_id(self) -> str | None:
        """OpenTelemetry trace id, 32 hex characters."""
        return _native.peek_trace_id(self._buffer)

    @property
    def timestamp(self) -> int:
        """Unix nanoseconds."""
        return _native.peek_timestamp(self._buffer)

    @property
    def type(self) -> EventType:
        """What kind of change it carries."""
        return _native.peek_type(self._buffer)

    @property
    def tenant_id(self) -> str:
        """The tenant, never empty."""
        tenant_id = _native.peek_tenant_id(self._buffer)
        assert tenant_id is not None  # verified
        return tenant_id

    @property
    def user_id(self) -> str | None:
        """Who made the change."""
        return _native.peek_user_id(self._buffer)

    @property
    def schema_payload(self) -> str | None:
        """JSON text, for structural changes."""
        return _native.peek_schema_payload(self._buffer)

    @property
    def region(self) -> str | None:
        """The region that all molecules share; None when mixed."""
        return _native.peek_region(self._buffer)

    @cached_property
    def molecules(self) -> Molecules:
        """The changed cells; numeric columns are views on the message where its layout allows."""
        return Molecules._from_message(
            self._layout.count, MessageColumns(self._buffer, self._layout)
        )

    def __eq__(self, other: object) -> bool:
        """Tell whether both are the same message, byte for byte."""
        if not isinstance(other, Event):
            return NotImplemented
        return self._buffer == other._buffer

    def __hash__(self) -> int:
        return hash(self._buffer)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the message; it is verified anew, since a pickle may come from anywhere."""
        return decode, (self._buffer,)

    def __repr__(self) -> str:
        return (
            f"<Event {self.type.name} {self.event_id} of tenant {self.tenant_id!r}: "
            f"{self._layout.count} molecules, {len(self._buffer)} bytes>"
        )


def _copied(buf: Buffer) -> bytes:
    try:
        return bytes(memoryview(buf))
    except TypeError:
        raise TypeError(f"buf: a {type(buf).__name__} is not a bytes-like object") from None


def decode(buf: Buffer) -> Event:
    """Verify a whole event and return it for reading.

    Parameters
    ----------
    buf : bytes-like
        One message. `bytes` are kept and read in place; anything that could still be written to
        is copied first.

    Raises
    ------
    InvalidEventError
        When `verify` refuses it.
    """
    buffer = buf if type(buf) is bytes else _copied(buf)
    return Event(buffer, _native.scan(buffer))
