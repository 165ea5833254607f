"""Events as read from the wire."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from atomwire import _codec
from atomwire._columns import FIELDS, Column
from atomwire.event_type import EventType
from atomwire.molecules import Molecules

if TYPE_CHECKING:
    from typing_extensions import Buffer

# As `_codec.scan` tells it.
Scan: TypeAlias = tuple[int, int | None, int | None, list[tuple[int, int | None]]]

_DTYPES = {1: np.float64, 3: np.int64, 4: np.bool_, 6: np.int64, 7: np.uint64}
_TEXTS = (2, 5)


class Event:
    """One verified event; fields are read from its bytes when asked for.

    Made by `decode`.
    """

    def __init__(self, buffer: bytes, scan: Scan) -> None:
        self._buffer = buffer
        self._scan = scan

    @property
    def event_id(self) -> str | None:
        """UUID text; consumers deduplicate on it."""
        return _codec.peek_event_id(self._buffer)

    @property
    def trace_id(self) -> str | None:
        """OpenTelemetry trace id, 32 hex characters."""
        return _codec.peek_trace_id(self._buffer)

    @property
    def timestamp(self) -> int:
        """Unix nanoseconds."""
        return _codec.peek_timestamp(self._buffer)

    @property
    def type(self) -> EventType:
        """What kind of change it carries."""
        return _codec.peek_type(self._buffer)

    @property
    def tenant_id(self) -> str:
        """The tenant, never empty."""
        tenant_id = _codec.peek_tenant_id(self._buffer)
        assert tenant_id is not None  # verified
        return tenant_id

    @property
    def user_id(self) -> str | None:
        """Who made the change."""
        return _codec.peek_user_id(self._buffer)

    @property
    def schema_payload(self) -> str | None:
        """JSON text, for structural changes."""
        return _codec.peek_schema_payload(self._buffer)

    @property
    def region(self) -> str | None:
        """The region that all molecules share; None when mixed."""
        return _codec.peek_region(self._buffer)

    @cached_property
    def molecules(self) -> Molecules:
        """The changed cells; numeric columns are views on the message where its layout allows."""
        return read_molecules(self._buffer, self._scan)

    def __repr__(self) -> str:
        return (
            f"<Event {self.type.name} {self.event_id} of tenant {self.tenant_id!r}: "
            f"{self._scan[0]} molecules, {len(self._buffer)} bytes>"
        )


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
    buffer = buf if type(buf) is bytes else bytes(memoryview(buf))
    return Event(buffer, _codec.scan(buffer))


def read_molecules(buffer: bytes, scan: Scan) -> Molecules:
    """Return the molecules of a verified event as columns."""
    count, stride, hashes, fields = scan
    columns: list[Column | None] = [None] * len(FIELDS)
    lazy: dict[int, Callable[[], Column | None]] = {}
    columns[0] = Column(_hashes(buffer, count, stride, hashes))
    for field in range(1, len(FIELDS)):
        present, position = fields[field]
        if present == 0:
            continue
        if field in _TEXTS:
            lazy[field] = partial(_texts, buffer, field, count)
        else:
            lazy[field] = partial(_scalars, buffer, field, count, stride, position, present)
    return Molecules._from_columns(count, columns, lazy)


def _hashes(
    buffer: bytes, count: int, stride: int | None, position: int | None
) -> np.ndarray[tuple[int, int], np.dtype[np.uint64]]:
    if count and stride is not None and position is not None:
        return np.ndarray((count, 2), np.uint64, buffer, position, (stride, 8))
    gathered = np.empty((count, 2), np.uint64)
    _codec.gather(buffer, 0, gathered)
    return gathered


def _scalars(
    buffer: bytes, field: int, count: int, stride: int | None, position: int | None, present: int
) -> Column:
    dtype = _DTYPES[field]
    absent = None
    if present != count:
        absent = np.empty(count, np.bool_)
        _codec.absent_rows(buffer, field, absent)
    if stride is not None and position is not None and dtype is not np.bool_:
        return Column(np.ndarray((count,), dtype, buffer, position, (stride,)), absent)
    gathered: np.ndarray[Any, Any] = np.empty(count, np.uint8 if dtype is np.bool_ else dtype)
    _codec.gather(buffer, field, gathered)
    # Any byte but zero is true on the wire, which a numpy bool must not hold.
    return Column(gathered != 0 if dtype is np.bool_ else gathered, absent)


def _texts(buffer: bytes, field: int, count: int) -> Column:
    values = np.empty(count, object)
    values[:] = _codec.texts(buffer, field, count)
    values.flags.writeable = False
    return Column(values)
