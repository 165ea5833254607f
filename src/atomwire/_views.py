"""The molecules of a verified message as columns: views where they lie regularly, else copies."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from atomwire import _codec
from atomwire._columns import FIELDS, Column

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

    def __init__(self, buffer: bytes, layout: _codec.Layout) -> None:
        self._buffer = buffer
        self._layout = layout
        self._gathered: tuple[dict[int, Array], dict[int, Array]] | None = None

    def has(self, field: int) -> bool:
        """Tell whether any molecule has the field."""
        return self._layout.fields[field][0] > 0

    def column(self, field: int) -> Column | None:
        """Return one column, None when no molecule has the field."""
        count, stride = self._layout.count, self._layout.stride
        present = self._layout.fields[field][0]
        if count == 0 and field == _HASH:
            return Column(np.empty((0, 2), np.uint64))
        if present == 0:
            return None
        if field in _TEXTS:
            texts = _codec.texts(self._buffer, field, count)
            return Column(_codec.text_array(FIELDS[field], texts, count)[0])
        absent = self._gather()[1][field] if present != count else None
        position = self._position(field)
        if position is None or stride is None:
            values = self._gather()[0][field]
            # Any byte but zero is true on the wire, which a numpy bool must not hold.
            return Column(values != 0 if field == _BOOLEAN else values, absent)
        shape = self._shape(field)
        strides = (stride, 8)[: len(shape)]
        return Column(np.ndarray(shape, _DTYPES[field], self._buffer, position, strides), absent)

    def _position(self, field: int) -> int | None:
        """Return where a view on the field starts; None when there can be none."""
        if self._layout.stride is None or field == _BOOLEAN:
            return None
        return self._layout.hashes if field == _HASH else self._layout.fields[field][1]

    def _shape(self, field: int) -> tuple[int, ...]:
        count = self._layout.count
        return (count, 2) if field == _HASH else (count,)

    def _gather(self) -> tuple[dict[int, Array], dict[int, Array]]:
        if self._gathered is None:
            count, fields = self._layout.count, self._layout.fields
            present = [field for field in _DTYPES if self.has(field)]
            gathered = (
                {
                    field: np.empty(self._shape(field), _DTYPES[field])
                    for field in present
                    if self._position(field) is None
                },
                {field: np.empty(count, np.bool_) for field in present if fields[field][0] < count},
            )
            _codec.gather(self._buffer, self._layout, *gathered)
            self._gathered = gathered
        return self._gathered
