"""Decoded events, and the columns of their molecules."""

import numpy as np
import pytest
from support import cells, golden, official, patch
from support.cells import Cell, Fields
from support.exercise import exercise

import atomwire
from atomwire import CellError, EventType, InvalidEventError, Molecules

HASH = 0x0F0E0D0C0B0A09080706050403020100


def molecules_of(rows, **writer):
    return atomwire.decode(official.write(Fields(molecules=rows), **writer)).molecules


def test_every_field_of_the_envelope():
    event = atomwire.decode(golden.golden("mixed cells", "official"))
    assert event.event_id == "0197a1b2-c3d4-7e5f-8123-456789abcdef"
    assert event.trace_id == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert event.timestamp == 1_750_000_000_123_456_789
    assert event.type is EventType.MOLECULE_WRITE
    assert event.tenant_id == "acme"
    assert event.user_id == "jörg@example.org"
    assert event.schema_payload is None
    assert event.region == "Süd"
    assert len(event.molecules) == 7


@pytest.mark.parametrize("writer", [*golden.WRITERS, "atomwire"])
def test_columns_say_which_rows_lack_a_field(writer):
    molecules = atomwire.decode(golden.golden("mixed cells", writer)).molecules
    assert molecules.coordinate_hash.dtype == np.uint64
    assert molecules.numeric_value.tolist() == [1234.5, *[None] * 6]
    assert molecules.text_commentary.tolist() == [
        *(None, "Größe, 売上 😀", None, None, None, "", None)
    ]
    assert molecules.date_value.tolist() == [None, None, -86_400_000_000_000, *[None] * 4]
    assert molecules.boolean_value.tolist() == [None, None, None, True, None, None, None]
    assert molecules.error_value.tolist() == [*[None] * 4, "#DIV/0!", "#DIV/0!", None]
    assert molecules.security_mask.tolist() == [3, None, 2**64 - 1, None, None, None, None]
    kinds = (np.float64, np.int64, np.bool_, np.int64, np.uint64)
    columns = (
        molecules.numeric_value,
        molecules.date_value,
        molecules.boolean_value,
        molecules.timestamp,
        molecules.security_mask,
    )
    for kind, column in zip(kinds, columns, strict=True):
        assert column.dtype == kind


@pytest.mark.parametrize("writer", [*golden.WRITERS, "atomwire"])
def test_a_column_that_no_row_has_is_none(writer):
    molecules = atomwire.decode(golden.golden("a calculation", writer)).molecules
    for field in Cell._fields[1:]:
        assert getattr(molecules, field) is None
    assert len(molecules) == 2


@pytest.mark.parametrize("name", ["no cells", "a heartbeat", "a schema change"])
@pytest.mark.parametrize("writer", ["official", "atomwire"])
def test_an_event_without_molecules_has_empty_ones(name, writer):
    molecules = atomwire.decode(golden.golden(name, writer)).molecules
    assert len(molecules) == 0
    assert list(molecules) == []
    assert molecules == Molecules([])
    assert molecules.coordinate_hash.shape == (0, 2)
    assert molecules.to_numpy().shape == (0,)


def test_rows_have_the_types_of_python():
    rows = list(atomwire.decode(golden.golden("mixed cells", "official")).molecules)
    assert [type(row.value) for row in rows] == [
        float,
        str,
        int,
        bool,
        CellError,
        str,
        type(None),
    ]
    assert all(type(row.coordinate_hash) is int for row in rows)


@pytest.mark.parametrize("count", [1, 2, 255, 1000, 5000])
def test_numeric_columns_of_our_own_layout_are_views_on_the_message(count):
    buf = atomwire.encode(
        "acme",
        Molecules(
            np.arange(2 * count, dtype=np.uint64).reshape(-1, 2),
            numeric_value=np.arange(count) / 3,
            date_value=np.arange(count) - 1,
            timestamp=np.arange(count),
            security_mask=np.arange(count, dtype=np.uint64),
        ),
    )
    memory = np.frombuffer(buf, np.uint8)
    molecules = atomwire.decode(buf).molecules
    for column in (
        molecules.coordinate_hash,
        molecules.numeric_value,
        molecules.date_value,
        molecules.timestamp,
        molecules.security_mask,
    ):
        assert np.shares_memory(column, memory)
        assert column.flags.aligned
        assert not column.flags.writeable
    assert molecules.numeric_value.tolist() == (np.arange(count) / 3).tolist()
    assert molecules.date_value.tolist() == list(range(-1, count - 1))
    assert molecules.coordinate_hash.ravel().tolist() == list(range(2 * count))


def test_columns_outlive_event_and_message():
    def column():
        buf = atomwire.encode("acme", Molecules([HASH] * 3, numeric_value=[1.0, 2.0, 3.0]))
        return atomwire.decode(bytearray(buf)).molecules.numeric_value

    values = column()
    _ = [bytes(1000) for _ in range(1000)]
    assert values.tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("make", [bytearray, memoryview, lambda it: np.frombuffer(it, np.uint8)])
def test_any_buffer(make):
    buf = golden.golden("mixed cells", "official")
    event = atomwire.decode(make(buf))
    assert cells.comparable(event.molecules) == cells.comparable(golden.MIXED)


def test_what_can_be_written_to_is_copied():
    buf = bytearray(golden.golden("mixed cells", "atomwire"))
    event = atomwire.decode(buf)
    buf[:] = bytes(len(buf))
    assert cells.comparable(event.molecules) == cells.comparable(golden.MIXED)
    buf.extend(b"not held")


def test_what_is_no_event_is_refused():
    with pytest.raises(InvalidEventError, match="AtomEvent: 0 bytes are fewer"):
        atomwire.decode(b"")
    with pytest.raises(InvalidEventError):
        atomwire.decode(b"PAR1 this is something else")
    with pytest.raises(TypeError):
        atomwire.decode("text")


def test_a_repr_that_tells_what_it_is():
    text = repr(atomwire.decode(golden.golden("mixed cells", "official")))
    for part in ("MOLECULE_WRITE", "'acme'", "7 molecules", "0197a1b2-c3d4-7e5f-8123-456789abcdef"):
        assert part in text
    assert "TYPE_77" in repr(atomwire.decode(golden.golden("a newer type", "official")))


def test_any_byte_but_zero_is_true():
    buf = official.write(Fields(molecules=(Cell(1, boolean_value=True),)))
    at = patch.field(buf, patch.molecule(buf, 0), 4)
    for byte in (1, 2, 0x80, 0xFF):
        molecules = exercise(patch.with_bytes(buf, at, bytes([byte]))).molecules
        assert molecules.boolean_value.tolist() == [True]
        assert atomwire.decode(atomwire.encode("acme", molecules)).molecules == molecules
    assert exercise(patch.with_bytes(buf, at, b"\0")).molecules.boolean_value.tolist() == [False]


def test_records_of_different_length_under_one_stride():
    # Two long records and a short one without the field, as the last of the buffer: a column at
    # a constant stride would lead outside it.
    rows = tuple(Cell(row, numeric_value=None if row % 2 else 1.5) for row in range(6))
    for count in range(1, 7):
        for writer in golden.WRITERS.values():
            event = exercise(writer(Fields(molecules=rows[:count])))
            assert cells.comparable(event.molecules) == cells.comparable(rows[:count])
