"""Bringing columns into the shape that the encoder reads in place."""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.ma as ma  # numpy loads it lazily, which fails inside itself: in a signal handler, say
import numpy.typing as npt

from atomwire import _native
from atomwire.codec.integers import is_integer
from atomwire.codec.missing import is_missing, is_nat, plain
from atomwire.codec.timestamps import farthest, unix_nanoseconds

Array: TypeAlias = npt.NDArray[Any]

FIELDS = (
    "coordinate_hash",
    "numeric_value",
    "text_commentary",
    "date_value",
    "boolean_value",
    "error_value",
    "timestamp",
    "security_mask",
)


_TIMES = ("date_value", "timestamp")
# The usual types in a sequence; of others, a value may stand for a row without one.
_NEVER_MISSING = {float, int, bool, dt.datetime, dt.date, type(None)}
_FLOAT64, _INT64, _UINT64 = np.dtype(np.float64), np.dtype(np.int64), np.dtype(np.uint64)


class Column(NamedTuple):
    """Values of n rows (one value for all is a stride of 0), and which rows lack one."""

    values: Array
    absent: npt.NDArray[np.bool_] | None = None

    def array(self) -> Array:
        """Return the column as its users see it: they cannot write to it."""
        if self.absent is None:
            return _shown(self.values)
        return ma.MaskedArray(_shown(self.values), _shown(self.absent))

    def sealed(self) -> Column:
        """Return the column after nobody can write to its arrays, which must be its own."""
        read_only(self.values)
        if self.absent is not None:
            read_only(self.absent)
        return self

    def take(self, index: slice | Array) -> Column | None:
        """Return some rows."""
        column = self._rows(index)
        # A slice is a view on memory of somebody else's, all else is a copy.
        return column if column is None or isinstance(index, slice) else column.sealed()

    def _rows(self, index: slice | Array) -> Column | None:
        values = self.values[index]
        if values.dtype.kind == "O":
            return Column(values) if any(each is not None for each in values) else None
        if self.absent is None:
            return Column(values)
        return column_or_none(values, self.absent[index])


def read_only(array: Array) -> Array:
    """Return the array itself, which can no longer be written to."""
    array.flags.writeable = False
    return array


def _shown(array: Array) -> Array:
    # Whoever gave an array may go on with it, so only a view of it can be closed.
    return read_only(array.view()) if array.flags.writeable else array


def column_or_none(values: Array, absent: npt.NDArray[np.bool_] | None) -> Column | None:
    """Return a column without a needless mask; None when no row has a value."""
    if absent is None or not absent.any():
        return Column(values)
    return None if absent.all() else Column(values, absent)


def hashes(given: Any) -> npt.NDArray[np.uint64]:
    """Return coordinate hashes as ``uint64[n, 2]``, without a copy where that is possible."""
    if type(given) is np.ndarray and given.dtype is _UINT64 and given.shape[1:] == (2,):
        return given if given.strides[1] == 8 else np.ascontiguousarray(given)
    if ma.is_masked(given):
        raise ValueError("coordinate_hash: has masked values, but every row needs all 16 bytes")
    if hasattr(given, "__array__") or isinstance(given, memoryview):
        array = np.asarray(given)
        if array.dtype.kind == "O":
            return _hashes_of_sequence(array.tolist())
        if array.dtype == np.uint8 and array.ndim == 2 and array.shape[1] == 16:
            array = np.ascontiguousarray(array).view("<u8")
        if array.dtype.kind != "u" or array.dtype.itemsize != 8 or array.shape[1:] != (2,):
            raise TypeError(
                f"coordinate_hash: an array of {array.dtype} and shape {array.shape}, must be "
                "uint64 (n, 2) or uint8 (n, 16)"
            )
        if array.strides[1] != 8 or not array.dtype.isnative:
            array = np.ascontiguousarray(array, np.uint64)
        return array
    if isinstance(given, int | bytes | bytearray | str):
        raise TypeError("coordinate_hash: a single value, must be a sequence with one for each row")
    return _hashes_of_sequence(_listed("coordinate_hash", given))


def _hashes_of_sequence(given: Any) -> npt.NDArray[np.uint64]:
    joined = b"".join([_hash_bytes(each, row) for row, each in enumerate(given)])
    return np.frombuffer(joined, np.uint64).reshape(-1, 2)


def _hash_bytes(each: Any, row: int) -> bytes:
    if is_integer(each):
        try:
            return int(each).to_bytes(16, "little")
        except OverflowError:
            raise ValueError(f"coordinate_hash[{row}]: {each} does not fit into 128 bits") from None
    if isinstance(each, bytes | bytearray | memoryview):
        if len(each) != 16:
            raise ValueError(f"coordinate_hash[{row}]: {len(each)} bytes, must be 16")
        return bytes(each)
    raise TypeError(
        f"coordinate_hash[{row}]: {each!r} is a {type(each).__name__}, not an int or 16 bytes"
    )


def _as_stored(given: Any, dtype: np.dtype[Any], count: int) -> bool:
    """Tell whether it is a plain array of the dtype on the wire: the usual case, taken as it is."""
    return type(given) is np.ndarray and given.dtype is dtype and given.shape == (count,)


def numbers(field: str, given: Any, count: int) -> Column | None:
    """Return a column of any integer or float dtype."""
    if given is None:
        return None
    if _as_stored(given, _FLOAT64, count):
        return Column(given)
    if is_missing(given):
        return None
    values, absent = _split(field, given, 0.0, _to_number)
    if values.dtype.kind not in "iuf":
        raise TypeError(f"{field}: {values.dtype}, must be integers or floats")
    if values.dtype.itemsize not in (4, 8) and values.dtype.kind == "f":
        values = values.astype(np.float64)
    return _column(field, values, absent, count)


def times(field: str, given: Any, count: int) -> Column | None:
    """Return a column of Unix nanoseconds, of any integer dtype."""
    if given is None:
        return None
    if _as_stored(given, _INT64, count):
        return Column(given)
    if is_missing(given) or is_nat(given):
        return None
    values, absent = _split(field, given, 0, lambda each: unix_nanoseconds(each, field))
    if values.dtype.kind == "M":
        values, absent = _datetime64(field, values, absent)
    if values.dtype.kind not in "iu":
        raise TypeError(
            f"{field}: {values.dtype}, must be Unix nanoseconds as integers, or datetime64"
        )
    if values.dtype == np.uint64:
        _refuse(field, values, absent, values > np.uint64(2**63 - 1), "beyond 64-bit nanoseconds")
        values = values.astype(np.int64)
    return _column(field, values, absent, count)


def masks(field: str, given: Any, count: int) -> Column | None:
    """Return a column of integers without a sign."""
    if given is None:
        return None
    if _as_stored(given, _UINT64, count):
        return Column(given)
    if is_missing(given):
        return None
    values, absent = _split(field, given, 0, _to_mask)
    if values.dtype.kind not in "iu":
        raise TypeError(f"{field}: {values.dtype}, must be integers without a sign")
    if values.dtype.kind == "i":
        _refuse(field, values, absent, values < 0, "must not be negative")
    return _column(field, values, absent, count)


def booleans(field: str, given: Any, count: int) -> Column | None:
    """Return a column of bools."""
    if given is None or is_missing(given):
        return None
    values, absent = _split(field, given, False, _to_bool)
    if values.dtype.kind != "b":
        raise TypeError(f"{field}: {values.dtype}, must be bools")
    return _column(field, values, absent, count)


def texts(field: str, given: Any, count: int) -> Column | None:
    """Return a column of str objects, None in rows without a text."""
    if given is None or is_missing(given):
        return None
    if isinstance(given, str):
        scalar = np.empty((), object)
        scalar[()] = str(given)
        return Column(np.broadcast_to(read_only(scalar), count))
    if isinstance(given, bytes):
        raise TypeError(f"{field}: {given!r} is bytes, not a str or a sequence of str")
    if getattr(given, "ndim", 1) == 0:
        return texts(field, None if ma.is_masked(given) else given.item(), count)
    rows = _rows_of_texts(field, given)
    if len(rows) != count:
        raise ValueError(f"{field}: {len(rows)} rows, but coordinate_hash has {count}")
    values, any_present = _native.text_array(field, rows, count)
    return Column(values) if any_present else None


def _rows_of_texts(field: str, given: Any) -> Sequence[Any]:
    given = plain(given)
    if isinstance(given, ma.MaskedArray):
        rows = np.array(given.data, object)
        rows[ma.getmaskarray(given)] = None
        given = rows
    if isinstance(given, list | tuple):
        return given
    return _listed(field, given.tolist() if hasattr(given, "tolist") else given)


def equal(one: Column | None, other: Column | None, count: int) -> bool:
    """Tell whether two columns have the same rows set, to equal values."""
    if one is None or other is None:
        return one is other or count == 0
    if (one.absent is None) != (other.absent is None):
        return False
    if one.absent is not None and not np.array_equal(one.absent, other.absent):  # type: ignore[arg-type]
        return False
    same = one.values == other.values
    if one.values.dtype.kind == "f" and other.values.dtype.kind == "f":
        same |= np.isnan(one.values) & np.isnan(other.values)
    if one.absent is not None:
        same |= one.absent
    return bool(np.all(same))


# ---- Sequences, scalars, masked arrays: all become an array and its absent rows.


def _split(field: str, given: Any, blank: Any, convert: Any) -> tuple[Array, Any]:
    given = plain(given)
    if isinstance(given, ma.MaskedArray):
        absent = None if given.mask is ma.nomask else np.asarray(given.mask)
        return _in_native_order(np.asarray(given.data)), absent
    if hasattr(given, "__array__"):
        array = np.asarray(given)
        if array.dtype.kind != "O":
            return _in_native_order(array), None
        given = array.tolist()
        if array.ndim == 0:
            return np.asarray(_converted(field, given, convert)), None
    elif _is_scalar(given):
        return np.asarray(_converted(field, given, convert)), None
    elif not isinstance(given, list | tuple):
        given = _listed(field, given)
    return _from_sequence(field, given, blank, convert)


def _listed(field: str, given: Any) -> list[Any]:
    try:
        return list(given)
    except TypeError:
        raise TypeError(f"{field}: a {type(given).__name__}, must have one for each row") from None


def _is_scalar(given: Any) -> bool:
    return isinstance(given, int | float | str | bytes | dt.date | decimal.Decimal)


def _from_sequence(field: str, given: Any, blank: Any, convert: Any) -> tuple[Array, Any]:
    kinds = set(map(type, given))
    absent = None
    if not kinds <= _NEVER_MISSING:
        given = [None if _is_absent(field, each) else each for each in given]
        kinds = set(map(type, given))
    if type(None) in kinds:
        absent = np.fromiter((each is None for each in given), np.bool_, len(given))
    try:
        values = [blank if each is None else convert(each) for each in given]
    except (TypeError, ValueError):
        _blame(field, given, convert)
        raise
    return np.asarray(values, dtype=_dtype_of(blank, field)), absent


def _is_absent(field: str, value: Any) -> bool:
    return is_missing(value) or (field in _TIMES and is_nat(value))


def _dtype_of(blank: Any, field: str) -> Any:
    if isinstance(blank, bool):
        return np.bool_
    if isinstance(blank, float):
        return np.float64
    return np.uint64 if field == "security_mask" else np.int64


def _blame(field: str, given: Any, convert: Any) -> None:
    """Raise the error of the first value that does not fit, naming its row."""
    for row, each in enumerate(given):
        if each is not None:
            _converted(field, each, convert, f"{field}[{row}]")


def _converted(field: str, each: Any, convert: Any, where: str | None = None) -> Any:
    try:
        return convert(each)
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        reason = str(error).removeprefix(f"{field}: ")
        raise kind(f"{where or field}: {reason}") from None


def _to_number(each: Any) -> float:
    if type(each) is float:
        return each
    if isinstance(each, bool | np.bool_ | str | bytes | np.complexfloating | np.timedelta64):
        raise TypeError(f"{each!r} is a {type(each).__name__}, not a number")
    try:
        return float(each)
    except TypeError:
        raise TypeError(f"{each!r} is a {type(each).__name__}, not a number") from None
    except OverflowError:
        raise ValueError(f"{each!r} does not fit into a float") from None


def _to_mask(each: Any) -> int:
    if isinstance(each, bool) or not is_integer(each):
        raise TypeError(f"{each!r} is a {type(each).__name__}, not an integer")
    if not 0 <= each < 2**64:
        raise ValueError(f"{each!r} does not fit into 64 bits without a sign")
    return int(each)


def _to_bool(each: Any) -> bool:
    if not isinstance(each, bool | np.bool_):
        raise TypeError(f"{each!r} is a {type(each).__name__}, not a bool")
    return bool(each)


def _in_native_order(array: Array) -> Array:
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _datetime64(field: str, values: Array, absent: Any) -> tuple[Array, Any]:
    if np.datetime_data(values.dtype)[0] != "ns":
        # Before numpy wraps around in silence.
        beyond = np.abs(values.astype(np.int64)) > farthest(values.dtype)
        why = "outside the range of 64-bit nanoseconds"
        _refuse(field, values, absent, beyond & ~np.isnat(values), why)
        values = values.astype("datetime64[ns]")
    missing = np.isnat(values)
    if missing.any():
        absent = missing if absent is None else absent | missing
    return values.view(np.int64), absent


def _refuse(field: str, values: Array, absent: Any, bad: Array, why: str) -> None:
    if absent is not None:
        bad = bad & ~absent
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        where = f"{field}[{row}]" if values.ndim else field
        raise ValueError(f"{where}: {values.reshape(-1)[row]} is {why}".replace("is must", "must"))


def _column(field: str, values: Array, absent: Any, count: int) -> Column | None:
    if values.ndim == 0:
        values = np.broadcast_to(values, count)
        absent = None if absent is None else np.broadcast_to(absent, count)
    elif values.shape != (count,):
        rows = values.shape[0] if values.ndim == 1 else values.shape
        raise ValueError(f"{field}: {rows} rows, but coordinate_hash has {count}")
    return column_or_none(values, absent)
