"""What pandas hands over arrives exactly, and what it calls missing is 'not set'."""

import datetime as dt
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import atomwire
from atomwire import Encoder, Molecules

TIMES = ["date_value", "timestamp"]
NANOSECONDS = [1_700_000_000_123_456_789, -1, -(2**63) + 1, 2**63 - 1]


def arrived(molecules, field):
    found = atomwire.decode(atomwire.encode("acme", molecules)).molecules
    return [getattr(row, field) for row in found]


@pytest.mark.parametrize("field", TIMES)
@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York", "Asia/Kathmandu"])
@pytest.mark.parametrize("nanoseconds", NANOSECONDS[:2])
def test_a_timestamp_keeps_its_nanoseconds(nanoseconds, zone, field):
    moment = pd.Timestamp(nanoseconds, tz="UTC").tz_convert(zone)
    assert arrived(Molecules([1], **{field: [moment]}), field) == [nanoseconds]
    assert arrived(Molecules([1, 2], **{field: moment}), field) == [nanoseconds] * 2
    event = atomwire.decode(Encoder("acme").cell(1, moment, timestamp=moment))
    assert event.molecules[0].date_value == event.molecules[0].timestamp == nanoseconds
    assert atomwire.peek_timestamp(atomwire.encode("a", type=4, timestamp=moment)) == nanoseconds


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_a_timestamp_of_any_unit(unit):
    moment = pd.Timestamp("2024-02-29 12:00:01").as_unit(unit)
    expected = 1_709_208_001 * 10**9
    assert arrived(Molecules([1], timestamp=[moment]), "timestamp") == [expected]
    assert arrived(Molecules([1], timestamp=pd.Series([moment])), "timestamp") == [expected]


def test_a_timestamp_that_the_wire_cannot_have():
    with pytest.raises(ValueError, match=r"timestamp: .*outside the range"):
        Encoder("acme").cell(1, 1.0, timestamp=pd.Timestamp("3000-01-01"))
    with pytest.raises(ValueError, match=r"timestamp\[0\]: .*outside the range"):
        Molecules([1], timestamp=[pd.Timestamp("3000-01-01", tz="UTC")])
    with pytest.raises(ValueError, match=r"timestamp\[0\]: .*outside the range"):
        Molecules([1], timestamp=pd.Series([pd.Timestamp("3000-01-01", tz="UTC")]))


@pytest.mark.parametrize("field", TIMES)
@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
@pytest.mark.parametrize("shape", [pd.Series, pd.DatetimeIndex, list, lambda it: it.astype(object)])
def test_columns_of_times(shape, zone, field):
    times = pd.Series(pd.to_datetime(NANOSECONDS[:2], utc=True)).dt.tz_convert(zone)
    times = pd.concat([times, pd.Series([pd.NaT], dtype=times.dtype)], ignore_index=True)
    found = arrived(Molecules([1, 2, 3], **{field: shape(times)}), field)
    assert found == [*NANOSECONDS[:2], None]


@pytest.mark.parametrize("field", TIMES)
@pytest.mark.parametrize("missing", [pd.NaT, pd.NA, None, np.datetime64("NaT", "ns")])
def test_no_time_in_a_sequence_is_not_set(missing, field):
    assert arrived(Molecules([1, 2], **{field: [5, missing]}), field) == [5, None]
    day = dt.datetime(1970, 1, 2, tzinfo=dt.UTC)
    assert arrived(Molecules([1, 2], **{field: (missing, day)}), field) == [None, 86_400 * 10**9]
    assert getattr(Molecules([1, 2], **{field: [missing] * 2}), field) is None
    assert getattr(Molecules([1, 2], **{field: missing}), field) is None


@pytest.mark.parametrize("missing", [pd.NaT, np.datetime64("NaT", "ns")])
def test_a_cell_must_say_none_for_not_set(missing):
    with pytest.raises(ValueError, match="date_value: NaT is not a point in time"):
        Encoder("acme").cell(1, missing)
    with pytest.raises(ValueError, match="timestamp: NaT is not a point in time"):
        Encoder("acme").cell(1, 1.0, timestamp=missing)


@pytest.mark.parametrize(
    ("field", "values", "dtype"),
    [
        ("numeric_value", [1, 2**53 + 1], "Int64"),
        ("numeric_value", [1.5, -2], "Float64"),
        ("numeric_value", [1, 2], "UInt8"),
        ("boolean_value", [True, False], "boolean"),
        ("security_mask", [1, 2**64 - 1], "UInt64"),
        ("timestamp", [1, 2**63 - 1], "Int64"),
        ("text_commentary", ["a", "\N{EURO SIGN}"], "string"),
        ("text_commentary", ["a", "b"], "str"),
        ("text_commentary", ["a", "b"], "category"),
        ("error_value", ["#N/A", "#REF!"], "string"),
    ],
)
def test_missing_in_columns_of_pandas_own_is_not_set(field, values, dtype):
    expected = [float(each) for each in values] if field == "numeric_value" else values
    column = pd.Series(values, dtype=dtype)
    assert arrived(Molecules([1, 2], **{field: column}), field) == expected
    column = pd.Series([*values, None], dtype=dtype)
    assert arrived(Molecules([1, 2, 3], **{field: column}), field) == [*expected, None]
    assert arrived(Molecules([1, 2, 3], **{field: [*values, pd.NA]}), field) == [*expected, None]
    assert getattr(Molecules([1, 2], **{field: [pd.NA] * 2}), field) is None
    assert getattr(Molecules([1, 2], **{field: pd.NA}), field) is None


@pytest.mark.parametrize("field", ["numeric_value", "boolean_value", "text_commentary"])
def test_no_time_is_no_other_value(field):
    with pytest.raises(TypeError, match=rf"{field}\[1\]: NaT is a NaTType"):
        Molecules([1, 2], **{field: [None, pd.NaT]})


def test_pandas_is_never_imported():
    code = (
        "import sys, atomwire; atomwire.Molecules([1], timestamp=[None], numeric_value=[object()]"
        "[:0] or [1]); sys.exit('pandas' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
