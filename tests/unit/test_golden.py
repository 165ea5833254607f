"""Events of the official builder, in every manner it has, are read field by field."""

import pytest
from support import cells, golden, official
from support.exercise import exercise

import atomwire


@pytest.mark.parametrize(("name", "writer"), golden.ALL)
def test_decode_reads_what_the_official_reader_reads(name, writer):
    buf = golden.golden(name, writer)
    expected = official.read(buf)
    event = exercise(buf)
    assert event is not None
    assert event.event_id == expected.event_id
    assert event.trace_id == expected.trace_id
    assert event.timestamp == (expected.timestamp or 0)
    assert event.type == (expected.type or 0)
    assert event.tenant_id == expected.tenant_id
    assert event.user_id == expected.user_id
    assert event.schema_payload == expected.schema_payload
    assert event.region == expected.region
    assert cells.comparable(event.molecules) == cells.comparable(expected.molecules or ())


@pytest.mark.parametrize(("name", "writer"), golden.ALL)
def test_peeks_read_what_the_official_reader_reads(name, writer):
    buf = golden.golden(name, writer)
    expected = official.read(buf)
    hashes = [each.coordinate_hash for each in expected.molecules or ()]
    assert atomwire.peek_event_id(buf) == expected.event_id
    assert atomwire.peek_trace_id(buf) == expected.trace_id
    assert atomwire.peek_timestamp(buf) == (expected.timestamp or 0)
    assert atomwire.peek_type(buf) == (expected.type or 0)
    assert atomwire.peek_tenant_id(buf) == expected.tenant_id
    assert atomwire.peek_user_id(buf) == expected.user_id
    assert atomwire.peek_schema_payload(buf) == expected.schema_payload
    assert atomwire.peek_region(buf) == expected.region
    assert atomwire.peek_molecule_count(buf) == len(hashes)
    assert [atomwire.peek_coordinate_hash(buf, row) for row in range(len(hashes))] == hashes
    found = atomwire.peek_coordinate_hashes(buf)
    assert [int(low) | int(high) << 64 for low, high in found] == hashes


VALUES = ("numeric_value", "date_value", "boolean_value")
ABOUT_THE_CELL = ("timestamp", "security_mask")


@pytest.mark.parametrize("name", golden.EVENTS)
@pytest.mark.parametrize(
    ("writer", "left_out"),
    [
        ("official, defaults forced", ()),
        ("official", ABOUT_THE_CELL),
        ("official, before optional values", (*VALUES, *ABOUT_THE_CELL)),
    ],
)
def test_zeros_that_are_written_are_set_and_omitted_ones_are_not(name, writer, left_out):
    # A zero, a false and the epoch as a value are written; those from before the optional values
    # left them out, as every builder leaves out the zeros of what has a default.
    rows = [
        each._replace(**{field: getattr(each, field) or None for field in left_out})
        for each in golden.EVENTS[name].molecules or ()
    ]
    found = atomwire.decode(golden.golden(name, writer)).molecules
    assert cells.comparable(found) == cells.comparable(rows)


@pytest.mark.parametrize(("name", "writer"), golden.ALL)
def test_what_was_decoded_can_be_encoded_again(name, writer):
    event = atomwire.decode(golden.golden(name, writer))
    again = atomwire.decode(atomwire.encode("acme", event.molecules))
    assert again.molecules == event.molecules
    assert cells.comparable(again.molecules) == cells.comparable(event.molecules)


@pytest.mark.parametrize("share_vtables", [True, False])
@pytest.mark.parametrize("shuffle", [None, 1])
def test_many_molecules_of_the_official_builder(share_vtables, shuffle):
    # Back to front, and with more distinct vtables than any reader would keep.
    rows = tuple(
        cells.Cell(
            2**100 + row,
            numeric_value=row / 7 if row % 2 else None,
            text_commentary=f"row {row}" if row % 3 == 0 else None,
            date_value=row if row % 5 == 0 else None,
            boolean_value=row % 4 == 0 if row % 7 else None,
            error_value="#N/A" if row % 11 == 0 else None,
            timestamp=row if row % 13 else None,
            security_mask=row if row % 17 else None,
        )
        for row in range(2000)
    )
    buf = official.write(
        cells.Fields(molecules=rows),
        force_defaults=True,
        share_vtables=share_vtables,
        shuffle=shuffle,
    )
    event = exercise(buf)
    assert cells.comparable(event.molecules) == cells.comparable(rows)
