"""Points in time as Unix nanoseconds."""

import datetime as dt

import numpy as np
import pytest

import atomwire
from atomwire import Molecules

DAY = 86_400_000_000_000
EAST = dt.timezone(dt.timedelta(hours=5, minutes=30))


def sent(moment):
    return atomwire.peek_timestamp(atomwire.encode("acme", type=4, timestamp=moment))


@pytest.mark.parametrize(
    ("moment", "nanoseconds"),
    [
        (0, 0),
        (-(2**63), -(2**63)),
        (2**63 - 1, 2**63 - 1),
        (np.int64(-5), -5),
        (np.uint8(255), 255),
        (dt.datetime(1970, 1, 1), 0),
        (dt.datetime(1970, 1, 1, tzinfo=dt.UTC), 0),
        (dt.datetime(1970, 1, 1, 5, 30, tzinfo=EAST), 0),
        (dt.datetime(1969, 12, 31, 23, 59, 59, 999_999), -1000),
        (dt.datetime(2262, 4, 11, 23, 47, 16, 854_775, tzinfo=dt.UTC), 2**63 - 1 - 807),
        (dt.datetime(2025, 6, 15, 15, 6, 40, 123_456), 1_750_000_000_123_456_000),
        (dt.date(1970, 1, 2), DAY),
        (dt.date(1969, 12, 31), -DAY),
        (np.datetime64(-1, "ns"), -1),
        (np.datetime64(1, "us"), 1000),
        (np.datetime64(1, "ms"), 10**6),
        (np.datetime64(-1, "s"), -(10**9)),
        (np.datetime64(1, "m"), 60 * 10**9),
        (np.datetime64(1, "h"), 3600 * 10**9),
        (np.datetime64(1, "D"), DAY),
        (np.datetime64(1, "W"), 7 * DAY),
        (np.datetime64("1970-02"), 31 * DAY),
        (np.datetime64("1971"), 365 * DAY),
        (np.datetime64("1969"), -365 * DAY),
        (np.datetime64(3, "25s"), 75 * 10**9),
        (np.datetime64(1999, "ps"), 1),
        (np.datetime64(-1, "ps"), -1),
        (np.datetime64(10**9, "as"), 1),
    ],
)
def test_points_in_time(moment, nanoseconds):
    assert sent(moment) == nanoseconds


@pytest.mark.parametrize(
    "moment",
    [
        2**63,
        -(2**63) - 1,
        2**200,
        np.uint64(2**63),
        dt.datetime.min,
        dt.datetime.max,
        dt.datetime(1677, 9, 21, 0, 12, 43, 145_223),
        dt.datetime(2262, 4, 11, 23, 47, 16, 854_776),
        dt.date.min,
        dt.date.max,
        *(
            np.datetime64(sign * number, unit)
            for unit in ("Y", "M", "W", "D", "h", "m", "s", "ms", "us")
            for number in (2**54, 2**58, 2**61, 2**62, 2**63 - 1)
            for sign in (1, -1)
        ),
    ],
)
def test_outside_the_range_of_the_wire(moment):
    with pytest.raises(ValueError, match=r"timestamp: .* is outside the range of 64-bit Unix nano"):
        sent(moment)


@pytest.mark.parametrize(
    ("moment", "message"),
    [
        (True, "timestamp: True is a bool, not a point in time"),
        (1.5, "timestamp: 1.5 is a float, not Unix nanoseconds as int, a datetime, a date or a"),
        ("2025-01-01", "timestamp: '2025-01-01' is a str, not Unix nanoseconds"),
        (dt.timedelta(1), r"timestamp: .* is a timedelta, not Unix nanoseconds"),
        (dt.time(1), r"timestamp: .* is a time, not Unix nanoseconds"),
    ],
)
def test_what_is_no_point_in_time(moment, message):
    with pytest.raises(TypeError, match=message):
        sent(moment)


def test_not_a_time():
    with pytest.raises(ValueError, match="timestamp: NaT is not a point in time"):
        sent(np.datetime64("NaT", "ns"))


@pytest.mark.parametrize("unit", ["Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "as"])
def test_arrays_agree_with_single_values(unit):
    numbers = [-100, -1, 0, 1, 7, 250, 2**40, -(2**40), 2**62, -(2**62), 2**63 - 1]
    for number in numbers:
        array = np.array([number], f"M8[{unit}]")
        try:
            single = sent(array[0])
        except ValueError:
            with pytest.raises(ValueError, match=r"date_value\[0\]: .* outside the range"):
                Molecules([1], date_value=array)
        else:
            assert Molecules([1], date_value=array).date_value.tolist() == [single]
