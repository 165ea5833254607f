"""Changed cells as columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias, overload

import numpy as np
import numpy.typing as npt

from atomwire import _native
from atomwire.codec import columns_in
from atomwire.codec.cell_error import CellError
from atomwire.codec.columns_in import FIELDS, Column
from atomwire.codec.columns_out import MessageColumns
from atomwire.codec.integers import is_integer

Array: TypeAlias = npt.NDArray[Any]


# Stands for a column of a message that nobody has asked for yet.
_NOT_READ = Column(np.empty(0))
_UNREAD = (_NOT_READ,) * len(FIELDS)


def _rows(index: Any) -> Array:
    rows = np.asarray(index)
    if rows.ndim == 1 and rows.size == 0:
        return rows.astype(np.intp)
    if rows.ndim != 1 or rows.dtype.kind not in "iub":
        raise TypeError(
            f"index: {index!r}, must be an int, a slice, or an array of row numbers or of bools"
        )
    return rows


class Molecule(NamedTuple):
    """One changed cell; None where a field is not set."""

    coordinate_hash: int
    numeric_value: float | None = None
    text_commentary: str | None = None
    date_value: int | None = None
    boolean_value: bool | None = None
    error_value: CellError | None = None
    timestamp: int | None = None
    security_mask: int | None = None

    @property
    def value(self) -> float | str | int | bool | None:
        """The cell's value: the first of the value fields that is set.

        A date is Unix nanoseconds as int, an error a `CellError`.
        """
        for value in self[1:6]:
            if value is not None:
                return value
        return None


def _restored(count: int, columns: Sequence[Column | None]) -> Molecules:
    """Columns out of a pickle, or of a deep copy."""
    return Molecules._from_columns(
        count, [None if column is None else column.sealed() for column in columns]
    )


class Molecules:
    """The changed cells of an event, as columns of equal length.

    Immutable: the columns given are kept, not copied, wherever their type allows, and must not be
    written to afterwards.

    Parameters
    ----------
    coordinate_hash : array_like
        The cells: ``uint64[n, 2]`` (low word first), ``uint8[n, 16]`` (little-endian), or a
        sequence of int or of 16-byte bytes.
    numeric_value : array_like or float, optional
        Any integer or float dtype; stored as float64. NaN is a value.
    text_commentary, error_value : sequence of str, or str, optional
    date_value, timestamp : array_like or scalar, optional
        Unix nanoseconds as integers, or datetime64, or datetime objects.
    boolean_value : array_like or bool, optional
    security_mask : array_like or int, optional
        Integers without a sign, 64 bits.

    Each column but the first may be one scalar for all rows. A row that lacks a value is masked
    (`numpy.ma`), None in a sequence, NaT in a column of times, or what pandas has for missing in a
    Series of a dtype of its own. NaN in a column of floats is a value.

    Raises
    ------
    TypeError, ValueError
        Naming the column and the first value that does not fit.

    Examples
    --------
    >>> cells = Molecules(coordinate_hash=[1, 2, 3], numeric_value=[1.5, None, 3.5])
    >>> len(cells)
    3
    >>> cells[1].numeric_value is None
    True
    """

    __slots__ = ("_columns", "_count", "_memory", "_source")

    def __init__(
        self,
        coordinate_hash: Any,
        numeric_value: Any = None,
        text_commentary: Any = None,
        date_value: Any = None,
        boolean_value: Any = None,
        error_value: Any = None,
        timestamp: Any = None,
        security_mask: Any = None,
    ) -> None:
        hashes = columns_in.hashes(coordinate_hash)
        count = len(hashes)
        self._count = count
        self._columns: list[Column | None] = [
            Column(hashes),
            columns_in.numbers("numeric_value", numeric_value, count),
            columns_in.texts("text_commentary", text_commentary, count),
            columns_in.times("date_value", date_value, count),
            columns_in.booleans("boolean_value", boolean_value, count),
            columns_in.texts("error_value", error_value, count),
            columns_in.times("timestamp", timestamp, count),
            columns_in.masks("security_mask", security_mask, count),
        ]
        self._source: MessageColumns | None = None
        self._memory: _native.HeldColumns | None = None

    @classmethod
    def _from_columns(cls, count: int, columns: Sequence[Column | None]) -> Molecules:
        """Columns that are known to be in shape."""
        molecules = cls.__new__(cls)
        molecules._count = count
        molecules._columns = list(columns)
        molecules._source = None
        molecules._memory = None
        return molecules

    @classmethod
    def _from_message(cls, count: int, source: MessageColumns) -> Molecules:
        """Columns of a message, made when first asked for."""
        molecules = cls._from_columns(count, _UNREAD)
        molecules._source = source
        return molecules

    def _column(self, field: int) -> Column | None:
        column = self._columns[field]
        if column is _NOT_READ:
            assert self._source is not None
            column = self._columns[field] = self._source.column(field)
        return column

    def _native_columns(self) -> _native.HeldColumns:
        if self._memory is None:
            columns = tuple(self._column(field) for field in range(len(FIELDS)))
            self._memory = _native.HeldColumns(self._count, columns)
        return self._memory

    def _array(self, field: int) -> Array | None:
        column = self._column(field)
        return None if column is None else column.array()

    @property
    def coordinate_hash(self) -> npt.NDArray[np.uint64]:
        """The cells, ``uint64[n, 2]``, low word first."""
        array = self._array(0)
        assert array is not None
        return array

    @property
    def numeric_value(self) -> Array | None:
        """Numbers, masked where a row has none; None when no row has one."""
        return self._array(1)

    @property
    def text_commentary(self) -> Array | None:
        """Texts as an object array, None in rows without; None when no row has one."""
        return self._array(2)

    @property
    def date_value(self) -> Array | None:
        """Dates as int64 Unix nanoseconds, masked where a row has none; None when no row has."""
        return self._array(3)

    @property
    def boolean_value(self) -> Array | None:
        """Booleans, masked where a row has none; None when no row has one."""
        return self._array(4)

    @property
    def error_value(self) -> Array | None:
        """Errors such as ``#DIV/0!`` as an object array; None when no row has one."""
        return self._array(5)

    @property
    def timestamp(self) -> Array | None:
        """Times of the writes as int64 Unix nanoseconds; None when no row has one."""
        return self._array(6)

    @property
    def security_mask(self) -> Array | None:
        """Access-control bits as uint64, masked where a row has none; None when no row has."""
        return self._array(7)

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Molecule: ...
    @overload
    def __getitem__(self, index: slice | Array) -> Molecules: ...
    def __getitem__(self, index: int | slice | Array) -> Molecule | Molecules:
        """One row by its number, or some rows by a slice or a numpy index."""
        if is_integer(index):
            row = index + self._count if index < 0 else index
            if not 0 <= row < self._count:
                raise IndexError(f"row {index} is out of range: there are {self._count}")
            return next(self[row : row + 1].__iter__())
        if not isinstance(index, slice):
            index = _rows(index)
        columns = [self._column(field) for field in range(len(FIELDS))]
        taken = [None if column is None else column.take(index) for column in columns]
        assert taken[0] is not None
        return Molecules._from_columns(len(taken[0].values), taken)

    def __iter__(self) -> Iterator[Molecule]:
        """Iterate over the rows."""
        pairs = self.coordinate_hash.tolist()
        hashes = [low | high << 64 for low, high in pairs]
        others: list[Sequence[Any]] = []
        for field in range(1, len(FIELDS)):
            array = self._array(field)
            others.append([None] * self._count if array is None else array.tolist())
        errors = [None if error is None else CellError(error) for error in others[4]]
        others[4] = errors
        return map(Molecule, hashes, *others)

    def __eq__(self, other: object) -> bool:
        """Tell whether every row has the same fields set, to equal values (NaN equals NaN)."""
        if not isinstance(other, Molecules):
            return NotImplemented
        return self._count == other._count and all(
            columns_in.equal(self._column(field), other._column(field), self._count)
            for field in range(len(FIELDS))
        )

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the columns; what is on the way into an event is made anew."""
        return _restored, (self._count, [self._column(field) for field in range(len(FIELDS))])

    def __copy__(self) -> Molecules:
        """Return the same object: it never changes."""
        return self

    def __repr__(self) -> str:
        given = [name for field, name in enumerate(FIELDS) if self._has(field)]
        return f"<Molecules: {self._count} rows of {', '.join(given)}>"

    def _has(self, field: int) -> bool:
        column = self._columns[field]
        if column is _NOT_READ and self._source is not None:
            return self._source.has(field)
        return column is not None

    def to_numpy(self) -> Array:
        """Return the rows as a structured array of shape (n,), with the columns that are set.

        Hashes are ``('<u8', (2,))``, texts are objects. When rows lack a field, the result is a
        `numpy.ma.MaskedArray` with a mask for each field.
        """
        columns = {
            name: column
            for field, name in enumerate(FIELDS)
            if (column := self._column(field)) is not None
        }
        dtype = [
            (name, column.values.dtype, column.values.shape[1:]) for name, column in columns.items()
        ]
        rows = np.empty(self._count, dtype)
        for name, column in columns.items():
            rows[name] = column.values
        if all(column.absent is None for column in columns.values()):
            return rows
        absent = np.zeros(self._count, [(name, np.bool_, rows[name].shape[1:]) for name in columns])
        for name, column in columns.items():
            if column.absent is not None:
                absent[name] = column.absent
        return np.ma.MaskedArray(rows, absent)
