"""The molecules of a verified message as columns: views where they lie regularly, else copies."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from atomwire import _codec
from atomwire._columns import FIELDS, Column
from atomwire.molecules import Molecules

# As `_codec.scan` tells it.
Scan: TypeAlias = tuple[int, int | None, int | None, list[tuple[int, int | None]]]
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


def molecules_of(buffer: bytes, scan: Scan) -> Molecules:
    """Return the molecules of a verified message; columns are made when first asked for."""
    count, stride, hashes, fields = scan
    if count == 0:
        return Molecules._from_columns(0, [Column(np.empty((0, 2), np.uint64))] + [None] * 7)
    rows = _Rows(buffer, count, stride)
    lazy: dict[int, Callable[[], Column | None]] = {_HASH: rows.column(_HASH, hashes)}
    for field in range(1, len(FIELDS)):
        present, position = fields[field]
        if present and field in _TEXTS:
            lazy[field] = partial(_texts, buffer, field, count)
        elif present:
            lazy[field] = rows.column(field, position, masked=present != count)
    return Molecules._from_columns(count, [None] * len(FIELDS), lazy)


def _texts(buffer: bytes, field: int, count: int) -> Column:
    return Column(_codec.text_array(FIELDS[field], _codec.texts(buffer, field, count), count)[0])


class _Rows:
    """The fixed-size columns of one message.

    What cannot be a view is gathered: the first such column asked for brings the others along, so
    that the message is walked once.
    """

    def __init__(self, buffer: bytes, count: int, stride: int | None) -> None:
        self._buffer = buffer
        self._count = count
        self._stride = stride
        self._to_gather: tuple[list[int], list[int]] = ([], [])
        self._gathered: tuple[dict[int, Array], dict[int, Array]] | None = None

    def column(
        self, field: int, position: int | None, *, masked: bool = False
    ) -> Callable[[], Column]:
        """Announce a column; the result makes it."""
        if self._stride is None or field == _BOOLEAN:
            position = None
        if position is None:
            self._to_gather[0].append(field)
        if masked:
            self._to_gather[1].append(field)
        return partial(self._make, field, position, masked)

    def _make(self, field: int, position: int | None, masked: bool) -> Column:
        absent = self._gather()[1][field] if masked else None
        if position is None:
            values = self._gather()[0][field]
            # Any byte but zero is true on the wire, which a numpy bool must not hold.
            return Column(values != 0 if field == _BOOLEAN else values, absent)
        shape = self._shape(field)
        assert self._stride is not None
        strides = (self._stride, 8)[: len(shape)]
        return Column(np.ndarray(shape, _DTYPES[field], self._buffer, position, strides), absent)

    def _shape(self, field: int) -> tuple[int, ...]:
        return (self._count, 2) if field == _HASH else (self._count,)

    def _gather(self) -> tuple[dict[int, Array], dict[int, Array]]:
        if self._gathered is None:
            values, absent = self._to_gather
            gathered = (
                {field: np.empty(self._shape(field), _DTYPES[field]) for field in values},
                {field: np.empty(self._count, np.bool_) for field in absent},
            )
            _codec.gather(self._buffer, self._count, *gathered)
            self._gathered = gathered
        return self._gathered
