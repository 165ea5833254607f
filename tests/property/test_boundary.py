"""A fuzzer at the Python boundary.

Whatever is passed as columns and arguments either becomes an event that decodes to what the columns
say, or is refused by a TypeError or ValueError that names the argument at fault.
"""

import datetime as dt
import decimal
import fractions

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from support import cells, official
from support.cells import Cell
from support.strategies import INT64_ENDS, UINT64_ENDS

import atomwire
from atomwire import CellError, Encoder, Molecules

NAMES = Cell._fields

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**130), 2**130),
    INT64_ENDS,
    UINT64_ENDS,
    st.floats(),
    st.complex_numbers(),
    st.text(max_size=5),  # surrogates among them
    st.binary(max_size=20),
    st.binary(min_size=16, max_size=16),
    st.datetimes(timezones=st.none() | st.just(dt.UTC)),
    st.dates(),
    st.timedeltas(),
    st.decimals(),
    st.fractions(),
    st.sampled_from([object(), int, ..., CellError("#N/A"), 10**400, decimal.Decimal("sNaN")]),
    st.sampled_from(
        [
            np.float32(1.5),
            np.float16("inf"),
            np.longdouble(1),
            np.complex64(1j),
            np.int8(-1),
            np.uint64(2**64 - 1),
            np.bool_(True),
            np.str_("text"),
            np.bytes_(b"text"),
            np.datetime64("NaT", "ns"),
            np.datetime64(5, "s"),
            np.datetime64(2**62, "h"),
            np.timedelta64(5, "ns"),
            np.void(b"1234"),
            np.ma.masked,
        ]
    ),
)

SEQUENCES = st.one_of(
    st.lists(SCALARS, max_size=4),
    st.lists(SCALARS, max_size=4).map(tuple),
    st.lists(st.integers(0, 2**130), max_size=4),
    st.lists(st.none() | st.floats(), max_size=4),
    st.lists(st.none() | st.text(max_size=5), max_size=4),
    st.lists(st.none() | st.booleans(), max_size=4),
    st.lists(st.lists(SCALARS, max_size=2), max_size=3),
    st.dictionaries(st.integers(), st.floats(), max_size=3),
    st.binary(max_size=4).map(bytearray),
    st.binary(max_size=4).map(memoryview),
    st.integers(0, 4).map(range),
    st.lists(SCALARS, max_size=4).map(iter),
)

DTYPES = st.one_of(
    npst.boolean_dtypes(),
    npst.integer_dtypes(endianness="?"),
    npst.unsigned_integer_dtypes(endianness="?"),
    npst.floating_dtypes(endianness="?"),
    npst.complex_number_dtypes(endianness="?"),
    npst.datetime64_dtypes(endianness="?"),
    npst.timedelta64_dtypes(endianness="?"),
    npst.byte_string_dtypes(endianness="?", max_len=16),
    npst.unicode_string_dtypes(endianness="?", max_len=4),
    st.just(np.dtype([("a", "u1"), ("b", "f8")])),
)
SHAPES = st.one_of(
    st.integers(0, 4).map(lambda count: (count,)),
    st.just(()),
    st.tuples(st.integers(0, 4), st.sampled_from([1, 2, 16])),
    npst.array_shapes(max_dims=3, max_side=4),
)


@st.composite
def arrays(draw):
    array = draw(npst.arrays(draw(DTYPES), draw(SHAPES)))
    how = draw(st.sampled_from(["plain", "reversed", "masked", "object", "transposed", "frozen"]))
    if how == "reversed" and array.ndim:
        return array[::-1]
    if how == "masked" and array.dtype.names is None:
        return np.ma.MaskedArray(array, draw(npst.arrays(bool, array.shape)))
    if how == "object":
        return array.astype(object)
    if how == "transposed":
        return array.T
    if how == "frozen":
        array.flags.writeable = False
    return array


ANYTHING = SCALARS | SEQUENCES | arrays()
HASHES = st.one_of(
    st.lists(st.integers(0, 2**128 - 1), max_size=4),
    st.integers(0, 4).map(lambda count: np.ones((count, 2), np.uint64)),
    ANYTHING,
)
MORE_TRIES = settings(max_examples=1500)


def names_one_of(error, names):
    assert isinstance(error, TypeError | ValueError), repr(error)
    assert not isinstance(error, UnicodeError)
    assert str(error).startswith(tuple(names)), repr(error)


@MORE_TRIES
@given(HASHES, st.dictionaries(st.sampled_from(NAMES[1:]), ANYTHING, max_size=3))
def test_columns_are_encoded_as_they_are_or_refused_by_name(hashes, columns):
    try:
        molecules = Molecules(hashes, **columns)
        buf = atomwire.encode("acme", molecules)
    except Exception as error:
        names_one_of(error, ["coordinate_hash", *columns])
        return
    rows = cells.comparable(atomwire.decode(buf).molecules)
    assert rows == cells.comparable(official.read(buf).molecules)
    # Columns keep their dtype until they are encoded: a number may become a float on the way.
    wire = [Cell(*row)._replace(numeric_value=_as_float(row[1])) for row in molecules]
    assert rows == cells.comparable(wire)


def _as_float(number):
    return None if number is None else float(number)


@given(SCALARS | arrays(), SCALARS | arrays(), SCALARS, SCALARS)
@settings(max_examples=500)
def test_a_keystroke_is_encoded_or_refused_by_name(coordinate_hash, value, timestamp, mask):
    try:
        buf = Encoder("acme").cell(coordinate_hash, value, timestamp=timestamp, security_mask=mask)
    except Exception as error:
        fields = ("value", "date_value", "text_commentary", "error_value", "timestamp")
        names_one_of(error, ["coordinate_hash", "security_mask", *fields])
        return
    (row,) = official.read(buf).molecules
    assert cells.comparable([row]) == cells.comparable(atomwire.decode(buf).molecules)
    if isinstance(coordinate_hash, int):
        assert row.coordinate_hash == coordinate_hash
    if isinstance(value, str):
        assert value in (row.text_commentary, row.error_value)


ARGUMENTS = ("tenant_id", "molecules", "type", "event_id", "trace_id", "timestamp", "user_id")


@given(
    st.dictionaries(
        st.sampled_from([*ARGUMENTS, "schema_payload", "region"]), ANYTHING, min_size=1, max_size=3
    )
)
@settings(max_examples=500)
def test_arguments_are_encoded_or_refused_by_name(arguments):
    given_arguments = {"tenant_id": "acme", "type": 4, **arguments}
    try:
        buf = atomwire.encode(**given_arguments)
    except Exception as error:
        names_one_of(error, arguments)
        return
    event = atomwire.decode(buf)
    for name in ("tenant_id", "trace_id", "user_id", "schema_payload", "region"):
        assert getattr(event, name) == given_arguments.get(name)


ANY_INDEX = st.one_of(SCALARS, SEQUENCES, arrays(), st.slices(4), st.tuples(st.slices(4)))


@given(ANY_INDEX)
@settings(max_examples=500)
def test_any_index_gives_rows_or_an_error_and_never_memory_of_others(index):
    molecules = Molecules([5, 6, 7], numeric_value=[0.5, None, 2.5], text_commentary="x")
    try:
        part = molecules[index]
    except (TypeError, IndexError, ValueError):
        return
    if isinstance(part, Molecules):
        found = atomwire.decode(atomwire.encode("acme", part)).molecules
        assert found == part
        assert {row.coordinate_hash for row in found} <= {5, 6, 7}
    else:
        assert part in list(molecules)


@given(st.lists(st.one_of(ANYTHING, st.just(atomwire.encode("acme", Molecules([1]))))), ANYTHING)
@settings(max_examples=500)
def test_peek_batch_takes_anything_or_refuses_it(bufs, out):
    for each in (None, out):
        try:
            found = atomwire.peek_batch(bufs, each)
        except (TypeError, ValueError, IndexError, BufferError):
            continue
        assert len(found) == len(bufs)


def test_fractions_are_numbers():
    rows = list(Molecules([1], numeric_value=[fractions.Fraction(1, 2)]))
    assert rows[0].numeric_value == 0.5
