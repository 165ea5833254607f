"""The whole buffer, checked: what verify refuses, and what it says of it."""

import contextlib
import mmap
import pickle
import struct

import numpy as np
import pytest
from support import golden, official, patch
from support.cells import Cell, Fields
from support.exercise import exercise

import atomwire
from atomwire import InvalidEventError, Molecules

HASH = 0x0F0E0D0C0B0A09080706050403020100
ROW = Cell(HASH, 1.5, "text", 5, True, "#N/A", 6, 7)
BUF = official.write(Fields(molecules=(Cell(HASH + 1), ROW), region="West"))
ROOT = patch.root(BUF)
TABLE = patch.molecule(BUF, 1)


def refused(buf, field, reason, position=None):
    assert exercise(buf) is None
    with pytest.raises(InvalidEventError) as caught:
        atomwire.verify(buf)
    assert caught.value.field == field
    assert reason in caught.value.reason
    if position is not None:
        assert caught.value.position == position
    assert str(caught.value) == f"{field}: {caught.value.reason} (at byte {caught.value.position})"


@pytest.mark.parametrize(("name", "writer"), golden.ALL)
def test_every_golden_buffer_is_accepted(name, writer):
    assert atomwire.verify(golden.golden(name, writer)) is None


def test_any_contiguous_buffer_will_do():
    with mmap.mmap(-1, len(BUF)) as mapped:
        mapped[:] = BUF
        for buf in (bytearray(BUF), memoryview(BUF), np.frombuffer(BUF, np.uint8), mapped):
            atomwire.verify(buf)
    with pytest.raises((BufferError, ValueError)):
        atomwire.verify(memoryview(BUF)[::2])
    with pytest.raises(TypeError):
        atomwire.verify("text")


@pytest.mark.parametrize("size", range(8))
def test_too_short(size):
    refused(BUF[:size], "AtomEvent", f"{size} bytes are fewer than the smallest event has", 0)


def test_a_tenant_that_is_missing_or_empty():
    buf = official.write(Fields(tenant_id=None))
    refused(buf, "tenant_id", "missing", patch.root(buf))
    buf = official.write(Fields(tenant_id=""))
    refused(buf, "tenant_id", "empty")
    refused(patch.with_u32(BUF, patch.vector(BUF, ROOT, 4), 0), "tenant_id", "empty")


@pytest.mark.parametrize("length", [0, 15, 17])
def test_a_hash_that_is_not_sixteen_bytes(length):
    raw = bytes(length)
    buf = official.write(Fields(molecules=(Cell(HASH), Cell(raw))))
    refused(buf, "molecules[1].coordinate_hash", f"a hash of {length} bytes, must be 16")


def test_a_hash_that_is_missing():
    buf = official.write(Fields(molecules=(Cell(HASH), Cell(None, numeric_value=1.0))))
    refused(buf, "molecules[1].coordinate_hash", "missing", patch.molecule(buf, 1))


TEXTS = [
    *(
        (ROOT, field_id, name)
        for field_id, name in ((0, "event_id"), (4, "tenant_id"), (8, "region"))
    ),
    (TABLE, 2, "molecules[1].text_commentary"),
    (TABLE, 5, "molecules[1].error_value"),
]


@pytest.mark.parametrize(("table", "field_id", "name"), TEXTS)
class TestTexts:
    def test_without_its_nul(self, table, field_id, name):
        at = patch.vector(BUF, table, field_id)
        end = at + 4 + patch.u32(BUF, at)
        refused(patch.with_bytes(BUF, end, b"x"), name, "the string does not end in NUL", end)

    @pytest.mark.parametrize(
        "raw",
        [
            b"\x80",  # a continuation without a lead
            b"\xc0\x80",  # overlong
            b"\xc1\xbf",
            b"\xe0\x80\x80",
            b"\xf0\x80\x80\x80",
            b"\xed\xa0\x80",  # a surrogate
            b"\xf4\x90\x80\x80",  # beyond U+10FFFF
            b"\xf5\x80\x80\x80",
            b"\xff",
            b"\xc3(",  # cut off
            b"\xe2\x82(",
            b"\xf0\x9f\x98(",
        ],
    )
    def test_not_utf8(self, table, field_id, name, raw):
        at = patch.vector(BUF, table, field_id)
        raw = raw[: patch.u32(BUF, at)]
        refused(patch.with_bytes(BUF, at + 4, raw), name, "the string is not UTF-8", at + 4)

    def test_cut_off_by_the_end_of_the_string(self, table, field_id, name):
        at = patch.vector(BUF, table, field_id)
        end = at + 4 + patch.u32(BUF, at)
        refused(patch.with_bytes(BUF, end - 1, b"\xc3"), name, "the string is not UTF-8")

    @pytest.mark.parametrize("offset", [2**32 - 4, 2**31, 100_000])
    def test_an_offset_outside(self, table, field_id, name, offset):
        at = patch.field(BUF, table, field_id)
        refused(patch.with_u32(BUF, at, offset), name, "the offset leads outside the buffer", at)

    def test_an_offset_of_zero(self, table, field_id, name):
        at = patch.field(BUF, table, field_id)
        refused(patch.with_u32(BUF, at, 0), name, "the offset is zero", at)

    @pytest.mark.parametrize("length", [2**32 - 1, 2**31, 100_000])
    def test_a_length_outside(self, table, field_id, name, length):
        at = patch.vector(BUF, table, field_id)
        refused(patch.with_u32(BUF, at, length), name, "the value ends outside the buffer", at)

    def test_misaligned(self, table, field_id, name):
        at = patch.field(BUF, table, field_id)
        buf = patch.with_u32(BUF, at, patch.u32(BUF, at) + 1)
        with pytest.raises(InvalidEventError) as caught:
            atomwire.verify(buf)
        assert caught.value.field == name


WELL_FORMED = ["\u0000", "\u007f", "\u0080", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\uffff"]


@pytest.mark.parametrize("edge", [*WELL_FORMED, "\U00010000", "\U0010ffff"])
@pytest.mark.parametrize("before", range(9))
def test_well_formed_utf8_at_every_distance(edge, before):
    text = "a" * before + edge + "b" * 3
    event = exercise(official.write(Fields(region=text)))
    assert event.region == text


SCALARS = [
    (ROOT, 2, 8, "timestamp"),
    (TABLE, 1, 8, "molecules[1].numeric_value"),
    (TABLE, 3, 8, "molecules[1].date_value"),
    (TABLE, 6, 8, "molecules[1].timestamp"),
    (TABLE, 7, 8, "molecules[1].security_mask"),
    (TABLE, 4, 1, "molecules[1].boolean_value"),
    (ROOT, 3, 1, "type"),
]


@pytest.mark.parametrize(("table", "field_id", "width", "name"), SCALARS)
def test_a_scalar_outside(table, field_id, width, name):
    distance = (0xFFFF - table) // 8 * 8 + (8 - table % 8) % 8
    buf = patch.with_u16(BUF, patch.slot(BUF, table, field_id), distance)
    refused(buf, name, "the value ends outside the buffer")


@pytest.mark.parametrize(("table", "field_id", "width", "name"), SCALARS[:5])
def test_a_scalar_that_is_misaligned(table, field_id, width, name):
    at = patch.slot(BUF, table, field_id)
    refused(patch.with_u16(BUF, at, patch.u16(BUF, at) + 4), name, "not aligned to its size")


def test_tables_and_vtables_outside():
    vector = patch.vector(BUF, ROOT, 6)
    refused(patch.with_u32(BUF, 0, len(BUF)), "AtomEvent", "the offset leads outside", len(BUF))
    refused(patch.with_u32(BUF, vector + 8, 2**31), "molecules[1]", "the offset leads outside")
    refused(patch.with_u32(BUF, vector + 8, 0), "molecules[1]", "the offset is zero", vector + 8)
    for table, name in ((ROOT, "AtomEvent"), (TABLE, "molecules[1]")):
        for soffset in (2**31 - 1, -(2**31), table + 3 - len(BUF)):
            refused(patch.with_u32(BUF, table, soffset), name, "its vtable lies outside", table)
        vtable = patch.vtable(BUF, table)
        for size in (0, 2, 7, 0xFFFF):
            reason = f"a vtable of {size} bytes (must be even and at least 4)"
            refused(patch.with_u16(BUF, vtable, size), name, reason, vtable)
        refused(patch.with_u16(BUF, vtable, 0xFFFE), name, "its vtable lies outside", vtable)


@pytest.mark.parametrize("count", [3, 1000, 2**30, 2**31, 2**32 - 1])
def test_a_vector_that_claims_more_molecules_than_there_are(count):
    assert exercise(patch.with_u32(BUF, patch.vector(BUF, ROOT, 6), count)) is None


def one_cell_many_times(count):
    """Return an event by hand, whose elements all lead to one table."""
    table = 52 + 4 * count + 8
    return b"".join(
        [
            struct.pack("<I", 24),
            struct.pack("<9H2x", 18, 12, 0, 0, 0, 0, 4, 0, 8),
            struct.pack("<iII", 20, 8, 16),
            struct.pack("<I4s4x", 4, b"acme"),
            struct.pack("<I", count),
            (table - (52 + 4 * np.arange(count))).astype("<u4").tobytes(),
            struct.pack("<3H2x", 6, 8, 4),
            struct.pack("<iI", 8, 4),
            struct.pack("<I", 16) + HASH.to_bytes(16, "little"),
        ]
    )


def test_one_table_for_several_molecules():
    event = exercise(one_cell_many_times(3))
    assert [row.coordinate_hash for row in event.molecules] == [HASH] * 3


def test_one_molecule_more_than_an_event_may_carry():
    buf = one_cell_many_times(999_999)
    atomwire.verify(buf)
    assert len(atomwire.decode(buf).molecules) == 999_999
    buf = one_cell_many_times(1_000_000)
    reason = "1000000 molecules, more than the 999999 that one event may carry"
    with pytest.raises(InvalidEventError, match=f"molecules: {reason}"):
        atomwire.verify(buf)
    with pytest.raises(InvalidEventError, match=f"molecules: {reason}"):
        atomwire.decode(buf)


def bomb(rows, length):
    """Return an event whose texts all end at the same place, each inside the one before."""
    texts = ["x"] * rows + ["y" * length]
    buf = bytearray(atomwire.encode("acme", Molecules(range(rows + 1), text_commentary=texts)))
    start = patch.vector(buf, patch.molecule(buf, rows), 2) + 4
    headers = iter(range(start + -start % 4, start + length - 4, 4))
    for row in range(rows):
        # Only lengths whose bytes are ASCII, so that all of it is text.
        header = next(it for it in headers if (start + length - it - 4) & 0x80808080 == 0)
        struct.pack_into("<I", buf, header, start + length - header - 4)
        at = patch.field(buf, patch.molecule(buf, row), 2)
        struct.pack_into("<I", buf, at, header - at)
    return bytes(buf)


@pytest.mark.parametrize("rows", [2, 10, 1000])
def test_strings_that_claim_each_others_bytes(rows):
    buf = bomb(rows, 100_000)
    for call in (atomwire.verify, atomwire.decode):
        with pytest.raises(InvalidEventError, match="strings overlap: together they are longer"):
            call(buf)


def test_one_string_for_many_molecules_is_no_bomb():
    text = "shared by all of them " * 10
    buf = official.write(
        Fields(molecules=tuple(Cell(row, text_commentary=text) for row in range(500))),
        share_strings=True,
    )
    assert len(buf) < 500 * len(text)
    assert exercise(buf).molecules.text_commentary.tolist() == [text] * 500


def test_the_error_travels_between_processes():
    error = InvalidEventError("tenant_id", 12, "missing")
    again = pickle.loads(pickle.dumps(error))
    assert (again.field, again.position, again.reason) == ("tenant_id", 12, "missing")
    assert str(again) == "tenant_id: missing (at byte 12)"
    assert isinstance(again, ValueError)


def test_the_buffer_is_free_again_after_success_and_after_an_error():
    for buf in (bytearray(BUF), bytearray(10)):
        for call in (atomwire.verify, atomwire.decode):
            with contextlib.suppress(InvalidEventError):
                call(buf)
        buf.extend(b"more")  # raises BufferError while somebody holds the memory
