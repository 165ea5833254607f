"""What is encoded is what is decoded, and what the official reader reads."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import cells, official
from support.cells import Cell
from support.exercise import exercise
from support.strategies import (
    ANY_TEXT,
    CELLS,
    EVENTS,
    FLOATS,
    HASHES,
    INT64_ENDS,
    SOME_CELLS,
    UINT64_ENDS,
    arranged,
    maybe,
)

import atomwire
from atomwire import Encoder, Molecules

NUMBER_DTYPES = ["f2", "f4", "f8", "g", *(f"{kind}{size}" for kind in "iu" for size in "1248")]
INTEGER_DTYPES = [f"{kind}{size}" for kind in "iu" for size in "1248"]


def same(found, wanted):
    """Compare events, bit by bit; absent scalars of the envelope have their default."""
    assert found.tenant_id == wanted.tenant_id
    assert found.event_id == wanted.event_id
    assert found.trace_id == wanted.trace_id
    assert found.timestamp == wanted.timestamp
    assert found.type == wanted.type
    assert found.user_id == wanted.user_id
    assert found.schema_payload == wanted.schema_payload
    assert found.region == wanted.region
    assert cells.comparable(found.molecules or ()) == cells.comparable(wanted.molecules or ())


@given(EVENTS)
def test_decode_gives_back_what_was_encoded(fields):
    same(exercise(cells.encode(fields)), fields)


@given(EVENTS)
def test_the_official_reader_reads_what_was_encoded(fields):
    found = official.read(cells.encode(fields))
    same(found, fields)
    assert (found.molecules is None) == (fields.molecules is None)


@given(EVENTS, st.booleans(), st.booleans(), st.none() | st.integers(0, 1000))
def test_what_the_official_builder_wrote_is_decoded(fields, share_vtables, share_strings, shuffle):
    buf = official.write(
        fields,
        force_defaults=True,
        share_vtables=share_vtables,
        share_strings=share_strings,
        shuffle=shuffle,
    )
    event = exercise(buf)
    same(event, fields)
    again = atomwire.encode("acme", event.molecules)
    assert atomwire.decode(again).molecules == event.molecules


@given(EVENTS)
def test_other_writers_omit_zeros_and_both_readers_agree(fields):
    buf = official.write(fields)
    event = exercise(buf)
    found = official.read(buf)
    assert cells.comparable(event.molecules) == cells.comparable(found.molecules or ())
    assert event.timestamp == fields.timestamp
    assert event.type == fields.type


@given(SOME_CELLS, st.data())
def test_slices_are_what_slices_of_the_rows_are(rows, data):
    index = data.draw(st.slices(len(rows)))
    molecules = atomwire.decode(atomwire.encode("acme", cells.columns(rows))).molecules
    for whole in (molecules, cells.columns(rows)):
        part = whole[index]
        assert cells.comparable(part) == cells.comparable(rows[index])
        assert part == cells.columns(rows[index])
        sent = atomwire.decode(atomwire.encode("acme", part)).molecules
        assert cells.comparable(sent) == cells.comparable(rows[index])


@given(st.lists(st.tuples(HASHES, st.sampled_from(["int", "bytes", "bytearray", "view"]))))
def test_hashes_as_int_or_bytes(pairs):
    make = {
        "int": lambda it: it,
        "bytes": lambda it: it.to_bytes(16, "little"),
        "bytearray": lambda it: bytearray(it.to_bytes(16, "little")),
        "view": lambda it: memoryview(it.to_bytes(16, "little")),
    }
    buf = atomwire.encode("acme", Molecules([make[kind](value) for value, kind in pairs]))
    assert [row.coordinate_hash for row in official.read(buf).molecules] == [
        value for value, _ in pairs
    ]


@given(st.lists(HASHES, min_size=1, max_size=20), st.data())
def test_hashes_as_arrays_of_any_layout(hashes, data):
    words = np.array([[each & (2**64 - 1), each >> 64] for each in hashes], np.uint64)
    how = data.draw(st.sampled_from(["rows", "reversed", "strided", "fortran", "swapped", "bytes"]))
    arrays = {
        "rows": lambda: words,
        "reversed": lambda: np.ascontiguousarray(words[::-1])[::-1],
        "strided": lambda: np.repeat(words, 3, axis=0)[::3],
        "fortran": lambda: np.asfortranarray(words),
        "swapped": lambda: words.astype(">u8"),
        "bytes": lambda: words.view(np.uint8).reshape(-1, 16)[:, :],
    }
    buf = atomwire.encode("acme", Molecules(arrays[how]()))
    assert [row.coordinate_hash for row in official.read(buf).molecules] == hashes
    found = atomwire.peek_coordinate_hashes(buf)
    assert found.tolist() == words.tolist()


@st.composite
def masked_arrays(draw, elements, dtype):
    values = draw(st.lists(elements, max_size=20))
    array = draw(arranged(values, dtype))
    if draw(st.booleans()):
        absent = draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values)))
        return np.ma.MaskedArray(array, absent), absent
    return array, [False] * len(values)


def arrived(field, array, count):
    molecules = Molecules(range(count), **{field: array})
    buf = atomwire.encode("acme", molecules)
    rows = official.read(buf).molecules
    assert cells.comparable(rows) == cells.comparable(atomwire.decode(buf).molecules)
    assert cells.comparable(rows) == cells.comparable(molecules)
    return [getattr(row, field) for row in rows]


@pytest.mark.parametrize("dtype", NUMBER_DTYPES)
@given(data=st.data())
def test_numbers_of_every_dtype_layout_and_mask(dtype, data):
    kind = np.dtype(dtype)
    if kind.kind == "f":
        elements = st.floats(width=min(kind.itemsize * 8, 64))
    else:
        elements = st.integers(np.iinfo(kind).min, np.iinfo(kind).max)
    array, absent = data.draw(masked_arrays(elements, kind))
    values = np.asarray(np.ma.getdata(array)).astype(np.float64).tolist()
    wanted = [None if gone else value for value, gone in zip(values, absent, strict=True)]
    found = arrived("numeric_value", array, len(values))
    # A NaN that is widened stays one; its payload is its own business.
    assert [None if it is None else it if it == it else "nan" for it in found] == [
        None if it is None else it if it == it else "nan" for it in wanted
    ]
    assert [np.signbit(it) for it in found if it == 0.0] == [
        np.signbit(it) for it in wanted if it == 0.0
    ]


@given(st.data())
def test_every_bit_of_a_double_in_every_layout(data):
    patterns = data.draw(st.lists(UINT64_ENDS, min_size=1, max_size=20))
    array = data.draw(arranged(np.array(patterns, np.uint64).view(np.float64), np.float64))
    found = arrived("numeric_value", array, len(patterns))
    assert [cells.bits(each) for each in found] == patterns


@pytest.mark.parametrize("dtype", INTEGER_DTYPES)
@pytest.mark.parametrize("field", ["date_value", "timestamp", "security_mask"])
@given(data=st.data())
def test_integers_of_every_dtype_layout_and_mask(field, dtype, data):
    kind = np.dtype(dtype)
    low, high = np.iinfo(kind).min, np.iinfo(kind).max
    if field == "security_mask":
        elements = st.integers(max(low, 0), high)
    else:
        elements = st.integers(low, min(high, 2**63 - 1))
    array, absent = data.draw(masked_arrays(elements, kind))
    values = np.ma.getdata(array).tolist()
    wanted = [None if gone else value for value, gone in zip(values, absent, strict=True)]
    assert arrived(field, array, len(values)) == wanted


@given(masked_arrays(st.booleans(), np.bool_))
def test_booleans_in_every_layout_and_mask(drawn):
    array, absent = drawn
    values = np.ma.getdata(array).tolist()
    wanted = [None if gone else value for value, gone in zip(values, absent, strict=True)]
    assert arrived("boolean_value", array, len(values)) == wanted


@pytest.mark.parametrize("unit", ["D", "h", "m", "s", "ms", "us", "ns"])
@given(data=st.data())
def test_datetime64_of_every_unit_layout_and_mask(unit, data):
    step = int(np.timedelta64(1, unit) / np.timedelta64(1, "ns"))
    elements = st.integers(-((2**63 - 1) // step), (2**63 - 1) // step)
    array, absent = data.draw(masked_arrays(elements, f"M8[{unit}]"))
    values = np.ma.getdata(array).astype(np.int64).tolist()
    wanted = [None if gone else value * step for value, gone in zip(values, absent, strict=True)]
    # The smallest integer is "not a time", which is absent.
    found = arrived("date_value", array, len(values))
    assert found == [None if it == -(2**63) else it for it in wanted]


@given(st.lists(maybe(ANY_TEXT), max_size=20), st.sampled_from(["text_commentary", "error_value"]))
def test_texts_empty_huge_and_of_every_script(texts, field):
    assert arrived(field, texts, len(texts)) == texts


@given(st.lists(maybe(st.sampled_from(["a", "b", "", "ab", "aa"])), max_size=200))
def test_texts_that_repeat(texts):
    given = {"text_commentary": texts, "error_value": texts[::-1]}
    buf = atomwire.encode("acme", Molecules(range(len(texts)), **given))
    rows = official.read(buf).molecules
    assert [row.text_commentary for row in rows] == texts
    assert [row.error_value for row in rows] == texts[::-1]


@given(CELLS, st.integers(0, 20))
def test_one_value_for_all_rows(cell, count):
    columns = {name: value for name, value in cell._asdict().items() if value is not None}
    hashes = [columns.pop("coordinate_hash")] * count
    buf = atomwire.encode("acme", Molecules(hashes, **columns))
    assert cells.comparable(official.read(buf).molecules) == cells.comparable([cell] * count)


VALUES = {
    "numeric_value": FLOATS,
    "text_commentary": ANY_TEXT,
    "boolean_value": st.booleans(),
    "error_value": ANY_TEXT.map(atomwire.CellError),
}


@pytest.mark.parametrize("field", VALUES)
@given(
    data=st.data(),
    coordinate_hash=HASHES,
    timestamp=maybe(INT64_ENDS),
    security_mask=maybe(UINT64_ENDS),
)
def test_a_keystroke(field, data, coordinate_hash, timestamp, security_mask):
    value = data.draw(VALUES[field])
    buf = Encoder("acme").cell(
        coordinate_hash, value, timestamp=timestamp, security_mask=security_mask
    )
    exercise(buf)
    wanted = Cell(
        coordinate_hash, timestamp=timestamp, security_mask=security_mask, **{field: value}
    )
    assert cells.comparable(official.read(buf).molecules) == cells.comparable([wanted])


@given(EVENTS, st.integers(0, 100))
def test_encode_into_and_encoded_size_agree_with_encode(fields, room):
    expected = cells.encode(fields)
    arguments = {name: value for name, value in vars(fields).items() if name != "molecules"}
    if fields.molecules is not None:
        arguments["molecules"] = cells.columns(fields.molecules)
    assert atomwire.encoded_size(**arguments) == len(expected)
    buffer = bytearray(b"\xaa" * (len(expected) + room))
    assert atomwire.encode_into(buffer, **arguments) == len(expected)
    assert buffer == expected + b"\xaa" * room
