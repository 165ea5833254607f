"""Points in time as Unix nanoseconds, the unit of every time on the wire."""

from __future__ import annotations

import datetime as dt
from typing import TypeAlias

import numpy as np

Timestamp: TypeAlias = "int | np.integer | dt.datetime | dt.date | np.datetime64"

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


def unix_nanoseconds(moment: Timestamp, field: str = "timestamp") -> int:
    """Convert a point in time to Unix nanoseconds.

    Parameters
    ----------
    moment : int, datetime.datetime, datetime.date or numpy.datetime64
        An integer is taken as Unix nanoseconds. A datetime without a time zone is taken as UTC,
        as numpy does; a date is its midnight in UTC.
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
    if isinstance(moment, int | np.integer):
        nanoseconds = int(moment)
    elif isinstance(moment, dt.datetime):
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


def _datetime64_nanoseconds(moment: np.datetime64) -> int:
    unit, _ = np.datetime_data(moment.dtype)
    if unit in ("ns", "ps", "fs", "as"):
        return int(moment.astype("datetime64[ns]").astype(np.int64))
    # By way of the coarser integer, because numpy wraps around in silence on overflow.
    if unit in ("Y", "M", "W", "D"):
        return int(moment.astype("datetime64[D]").astype(np.int64)) * 86_400_000_000_000
    return int(moment.astype("datetime64[us]").astype(np.int64)) * 1000
