"""The molecules of a verified message as columns: views where they lie regularly, else copies."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from atomwire import _native
from atomwire.codec.columns_in import FIELDS, Column, read_only

Array: TypeAlias = npt.NDArray[Any]

_HASH = 0
_TEXTS = (2, 5)
_BOOLEAN = 4
_DTYPES: dict[int, Any] = {
    _HASH: np.uint64,
    1: np.float64,
    3: np.int64,
    _BOOLEAN: np.uint8,
    6: np.int64,
    7: np.uint64,
}


class MessageColumns:
    """The columns of one verified message, made when asked for.

    What cannot be a view is gathered: the first such column asked for brings the others along, so
    that the message is walked once.
    """

    __slots__ = ("_buffer", "_gathered", "_layout")

    def __init__(self, buffer: bytes, layout: _native.MessageLayout) -> None:
        self._buffer = buffer
        self._layout = layout
        self._gathered: dict[int, Column] | None = None

    def has(self, field: int) -> bool:
        """Tell whether any molecule has the field."""
        return self._layout.fields[field][0] > 0

    def column(self, field: int) -> Column | None:
        """Return one column, None when no molecule has the field."""
        if self._gathered is not None and field in self._gathered:
            return self._gathered[field]
        layout = self._layout
        count = layout.count
        if count == 0:
            return Column(np.empty((0, 2), np.uint64)) if field == _HASH else None
        present, position = layout.fields[field]
        if present == 0:
            return None
        if field in _TEXTS:
            texts = _native.texts(self._buffer, field, count)
            return Column(_native.text_array(FIELDS[field], texts, count)[0])
        if self._viewable(field):
            start = layout.hashes if field == _HASH else position
            shape = _shape(field, count)
            strides = (layout.stride, 8)[: len(shape)]
            values = np.ndarray(shape, _DTYPES[field], self._buffer, start, strides)  # type: ignore[arg-type]
            return Column(values, self._absent(field) if present != count else None)
        return self._gather()[field]

    def _viewable(self, field: int) -> bool:
        layout = self._layout
        if layout.stride is None or field == _BOOLEAN:
            return False
        return (layout.hashes if field == _HASH else layout.fields[field][1]) is not None

    def _absent(self, field: int) -> npt.NDArray[np.bool_]:
        absent = np.empty(self._layout.count, np.bool_)
        _native.gather(self._buffer, self._layout, {}, {field: absent})
        return read_only(absent)

    def _gather(self) -> dict[int, Column]:
        """Copy all columns that cannot be views."""
        layout = self._layout
        count = layout.count
        values: dict[int, Array] = {}
        absent: dict[int, npt.NDArray[np.bool_]] = {}
        for field, dtype in _DTYPES.items():
            present = layout.fields[field][0]
            if present and not self._viewable(field):
                values[field] = np.empty(_shape(field, count), dtype)
                if present != count:
                    absent[field] = np.empty(count, np.bool_)
        _native.gather(self._buffer, layout, values, absent)
        if _BOOLEAN in values:
            # Any byte but zero is true on the wire, which a numpy bool must not hold.
            values[_BOOLEAN] = values[_BOOLEAN] != 0
        gathered = {
            field: Column(array, absent.get(field)).sealed() for field, array in values.items()
        }
        self._gathered = gathered
        return gathered


def _shape(field: int, count: int) -> tuple[int, ...]:
    return (count, 2) if field == _HASH else (count,)
