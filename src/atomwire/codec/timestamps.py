"""Points in time as Unix nanoseconds, the unit of every time on the wire."""

from __future__ import annotations

import datetime as dt
from typing import TypeAlias

import numpy as np

from atomwire.codec.integers import is_integer

Timestamp: TypeAlias = "int | np.integer | dt.datetime | dt.date | np.datetime64"

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
_NANOSECONDS = {
    "W": 7 * 86_400_000_000_000,
    "D": 86_400_000_000_000,
    "h": 3_600_000_000_000,
    "m": 60_000_000_000,
    "s": 1_000_000_000,
    "ms": 1_000_000,
    "us": 1000,
    "ns": 1,
}
_FARTHEST = {"Y": 292, "M": 3507}


def unix_nanoseconds(moment: Timestamp, field: str = "timestamp") -> int:
    """Convert a point in time to Unix nanoseconds.

    Parameters
    ----------
    moment : int, datetime.datetime, datetime.date or numpy.datetime64
        An integer is taken as Unix nanoseconds. A datetime without a time zone is taken as UTC,
        as numpy does; a date is its midnight in UTC. A Timestamp of pandas keeps its nanoseconds.
    field : str
        Named in errors.

    Raises
    ------
    TypeError
        For any other type.
    ValueError
        Outside the 64-bit range (years 1677 to 2262), or NaT.
    """
    if isinstance(moment, bool):
        raise TypeError(f"{field}: {moment!r} is a bool, not a point in time")
    if is_integer(moment):
        nanoseconds = int(moment)
    elif isinstance(moment, dt.datetime):
        if type(moment) is not dt.datetime and hasattr(moment, "to_datetime64"):
            # A Timestamp of pandas: a datetime by its class, but one with nanoseconds.
            return unix_nanoseconds(moment.to_datetime64(), field)
        aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)
        nanoseconds = (aware - _EPOCH) // _MICROSECOND * 1000
    elif isinstance(moment, dt.date):
        nanoseconds = (moment - _EPOCH.date()).days * 86_400_000_000_000
    elif isinstance(moment, np.datetime64):
        if np.isnat(moment):
            raise ValueError(f"{field}: NaT is not a point in time")
        nanoseconds = _datetime64_nanoseconds(moment)
    else:
        raise TypeError(
            f"{field}: {moment!r} is a {type(moment).__name__}, not Unix nanoseconds as int, "
            "a datetime, a date or a numpy.datetime64"
        )
    if not -(2**63) <= nanoseconds < 2**63:
        raise ValueError(f"{field}: {moment!r} is outside the range of 64-bit Unix nanoseconds")
    return nanoseconds


def farthest(dtype: np.dtype[np.datetime64]) -> int:
    """Return how far from the epoch a datetime64 may be, in its unit, to fit into nanoseconds."""
    unit, step = np.datetime_data(dtype)
    nanoseconds = _NANOSECONDS.get(unit)
    reach = _FARTHEST.get(unit, 2**63 - 1) if nanoseconds is None else (2**63 - 1) // nanoseconds
    return reach // step


def _datetime64_nanoseconds(moment: np.datetime64) -> int:
    # In Python's integers, because numpy wraps around in silence on overflow.
    unit, step = np.datetime_data(moment.dtype)
    number = int(moment.astype(np.int64))
    if unit in _NANOSECONDS:
        return number * step * _NANOSECONDS[unit]
    if abs(number) > farthest(moment.dtype):
        return 2**63
    return int(moment.astype("datetime64[ns]").astype(np.int64))
