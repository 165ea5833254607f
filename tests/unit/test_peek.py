"""Peeking at single fields of a message that nobody has verified."""

import contextlib
import mmap

import numpy as np
import pytest
from support import golden, official, patch
from support.cells import Cell, Fields
from support.exercise import PEEKS, TEXT_PEEKS

import atomwire
from atomwire import InvalidEventError, Molecules

BUF = golden.golden("mixed cells", "official")
HASHES = [each.coordinate_hash for each in golden.MIXED]
ROOT = patch.root(BUF)


def pairs(hashes):
    return [[each & (2**64 - 1), each >> 64] for each in hashes]


@pytest.mark.parametrize("index", range(-len(HASHES), len(HASHES)))
def test_the_hash_of_any_molecule_also_counted_from_the_end(index):
    assert atomwire.peek_coordinate_hash(BUF, index) == HASHES[index]


def test_the_first_hash_unless_told_otherwise():
    assert atomwire.peek_coordinate_hash(BUF) == HASHES[0]


@pytest.mark.parametrize("index", [7, -8, 2**31, 2**63 - 1, -(2**63), 2**63, 2**200, -(2**200)])
def test_an_index_past_the_end_is_an_index_error(index):
    with pytest.raises(IndexError):
        atomwire.peek_coordinate_hash(BUF, index)


def test_an_index_error_tells_how_many_there_are():
    with pytest.raises(IndexError, match="the event has 7 molecules"):
        atomwire.peek_coordinate_hash(BUF, 7)
    with pytest.raises(IndexError, match="the event has 0 molecules"):
        atomwire.peek_coordinate_hash(atomwire.encode("acme", type=4))


def test_an_index_may_be_anything_that_python_counts_with():
    assert atomwire.peek_coordinate_hash(BUF, np.int8(1)) == HASHES[1]
    assert atomwire.peek_coordinate_hash(BUF, index=True) == HASHES[1]
    for index in (1.0, "1", None):
        with pytest.raises(TypeError):
            atomwire.peek_coordinate_hash(BUF, index)


def test_all_hashes_as_pairs_of_words():
    found = atomwire.peek_coordinate_hashes(BUF)
    assert found.dtype == np.uint64
    assert found.shape == (7, 2)
    assert found.tolist() == pairs(HASHES)


def test_all_hashes_into_a_given_array():
    out = np.zeros((10, 2), np.uint64)
    found = atomwire.peek_coordinate_hashes(BUF, out)
    assert found.base is out
    assert found.tolist() == out[:7].tolist() == pairs(HASHES)
    assert not out[7:].any()
    exact = np.zeros((7, 2), np.uint64)
    assert atomwire.peek_coordinate_hashes(BUF, out=exact) is exact


def test_no_hashes_of_an_event_without_molecules():
    for buf in (atomwire.encode("acme", type=4), atomwire.encode("acme", Molecules([]))):
        assert atomwire.peek_coordinate_hashes(buf).shape == (0, 2)
        assert atomwire.peek_molecule_count(buf) == 0


@pytest.mark.parametrize(
    ("out", "error", "message"),
    [
        ([[0, 0]], TypeError, "out: a list is not a writable buffer"),
        (np.zeros((7, 2)), TypeError, r"out: must be a uint64 array of shape \(n, 2\)"),
        (np.zeros((7, 2), np.int64), TypeError, "out: must be a uint64 array"),
        (np.zeros((7, 2), ">u8"), TypeError, "out: must be a uint64 array"),
        (np.zeros((7, 2), np.uint32), TypeError, "out: must be a uint64 array"),
        (np.zeros(14, np.uint64), TypeError, "out: must be a uint64 array"),
        (np.zeros((7, 3), np.uint64), TypeError, "out: must be a uint64 array"),
        (np.zeros((7, 2, 1), np.uint64), TypeError, "out: must be a uint64 array"),
        (np.zeros((14, 2), np.uint64)[::2], TypeError, "out: must be contiguous"),
        (np.zeros((7, 4), np.uint64)[:, :2], TypeError, "out: must be contiguous"),
        (np.zeros((2, 7), np.uint64).T, TypeError, "out: must be contiguous"),
        (np.zeros((6, 2), np.uint64), ValueError, "out: has 6 rows, 7 are needed"),
    ],
)
def test_an_array_that_cannot_take_the_hashes_is_refused(out, error, message):
    with pytest.raises(error, match=message):
        atomwire.peek_coordinate_hashes(BUF, out)


def test_a_frozen_array_is_refused():
    out = np.zeros((7, 2), np.uint64)
    out.flags.writeable = False
    with pytest.raises(BufferError, match="out: cannot be written to in place"):
        atomwire.peek_coordinate_hashes(BUF, out)


@pytest.mark.parametrize("peek", PEEKS)
def test_any_contiguous_buffer_will_do(peek):
    expected = peek(BUF)
    unaligned = memoryview(b"x" + BUF)[1:]
    with mmap.mmap(-1, len(BUF)) as mapped:
        mapped[:] = BUF
        buffers = (bytearray(BUF), memoryview(BUF), unaligned, np.frombuffer(BUF, np.uint8), mapped)
        for buf in buffers:
            assert np.array_equal(peek(buf), expected)


@pytest.mark.parametrize("peek", PEEKS)
def test_what_is_no_buffer_is_a_type_error(peek):
    for buf in ("text", None, 5, [1, 2]):
        with pytest.raises(TypeError):
            peek(buf)
    with pytest.raises((BufferError, ValueError)):
        peek(memoryview(BUF)[::2])


@pytest.mark.parametrize("peek", PEEKS)
@pytest.mark.parametrize("size", range(8))
def test_too_few_bytes_for_any_event(peek, size):
    message = rf"AtomEvent: {size} bytes are fewer than the smallest event has \(at byte 0\)"
    with pytest.raises(InvalidEventError, match=message):
        peek(bytes(size))


@pytest.mark.parametrize("peek", PEEKS)
def test_a_root_outside_the_buffer(peek):
    with pytest.raises(InvalidEventError) as caught:
        peek(patch.with_u32(BUF, 0, len(BUF) - 3))
    assert caught.value.field == "AtomEvent"
    assert caught.value.position == len(BUF) - 3
    assert "the offset leads outside the buffer" in caught.value.reason
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("soffset", [-(2**31), 2**31 - 1, ROOT + 1, ROOT + 4 - len(BUF)])
def test_a_vtable_outside_the_buffer(soffset):
    for peek in PEEKS:
        with pytest.raises(InvalidEventError, match="AtomEvent: its vtable lies outside the buf"):
            peek(patch.with_u32(BUF, ROOT, soffset))


@pytest.mark.parametrize("size", [0, 2, 3, 5, 21])
def test_a_vtable_of_a_size_that_none_has(size):
    buf = patch.with_u16(BUF, patch.vtable(BUF, ROOT), size)
    for peek in PEEKS:
        with pytest.raises(InvalidEventError, match=f"AtomEvent: a vtable of {size} bytes"):
            peek(buf)


@pytest.mark.parametrize(
    ("peek", "field_id"), list(zip(TEXT_PEEKS, (0, 1, 4, 5, 7, 8), strict=True))
)
class TestTexts:
    BUF = official.write(
        Fields(
            trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
            user_id="u",
            schema_payload="{}",
            region="West",
            molecules=(Cell(1),),
        )
    )

    def name(self, peek):
        return peek.__name__.removeprefix("peek_")

    def refused(self, peek, buf, field_id, reason):
        with pytest.raises(InvalidEventError) as caught:
            peek(buf)
        assert caught.value.field == self.name(peek)
        assert reason in caught.value.reason
        for other in TEXT_PEEKS:  # only the path that is walked is checked
            if other is not peek:
                assert other(buf) == other(self.BUF)

    def test_absent_is_none(self, peek, field_id):
        at = patch.slot(self.BUF, patch.root(self.BUF), field_id)
        assert peek(self.BUF) is not None
        assert peek(patch.with_u16(self.BUF, at, 0)) is None

    def test_a_field_outside_the_buffer(self, peek, field_id):
        at = patch.slot(self.BUF, patch.root(self.BUF), field_id)
        buf = patch.with_u16(self.BUF, at, 0xFFFF)
        self.refused(peek, buf, field_id, "the value ends outside the buffer")

    def test_an_offset_of_zero(self, peek, field_id):
        at = patch.field(self.BUF, patch.root(self.BUF), field_id)
        buf = patch.with_u32(self.BUF, at, 0)
        self.refused(peek, buf, field_id, "the offset is zero")

    @pytest.mark.parametrize("offset", [2**31 - 1, 2**31, 2**32 - 1, 2**32 - 4])
    def test_an_offset_outside_the_buffer(self, peek, field_id, offset):
        at = patch.field(self.BUF, patch.root(self.BUF), field_id)
        buf = patch.with_u32(self.BUF, at, offset)
        self.refused(peek, buf, field_id, "the offset leads outside the buffer")

    @pytest.mark.parametrize("length", [10_000, 2**31 - 1, 2**31, 2**32 - 1])
    def test_a_length_outside_the_buffer(self, peek, field_id, length):
        at = patch.vector(self.BUF, patch.root(self.BUF), field_id)
        buf = patch.with_u32(self.BUF, at, length)
        self.refused(peek, buf, field_id, "the value ends outside the buffer")

    def test_text_that_is_not_utf8(self, peek, field_id):
        at = patch.vector(self.BUF, patch.root(self.BUF), field_id) + 4
        buf = patch.with_bytes(self.BUF, at, b"\xff")
        self.refused(peek, buf, field_id, "the string is not UTF-8")


def test_scalars_that_are_absent_peek_as_their_default():
    buf = official.write(Fields(type=None, timestamp=None))
    assert atomwire.peek_type(buf) is atomwire.EventType.UNKNOWN
    assert atomwire.peek_timestamp(buf) == 0


@pytest.mark.parametrize(
    ("peek", "field_id"), [(atomwire.peek_timestamp, 2), (atomwire.peek_type, 3)]
)
def test_a_scalar_outside_the_buffer(peek, field_id):
    buf = patch.with_u16(BUF, patch.slot(BUF, ROOT, field_id), 0xFFFF)
    with pytest.raises(InvalidEventError, match="the value ends outside the buffer"):
        peek(buf)


@pytest.mark.parametrize("count", [1000, 2**29, 2**30, 2**31, 2**32 - 1])
def test_a_vector_that_claims_more_molecules_than_fit(count):
    buf = patch.with_u32(BUF, patch.vector(BUF, ROOT, 6), count)
    for peek in (
        atomwire.peek_molecule_count,
        atomwire.peek_coordinate_hash,
        atomwire.peek_coordinate_hashes,
    ):
        with pytest.raises(InvalidEventError, match="molecules: the value ends outside"):
            peek(buf)


@pytest.mark.parametrize("length", [0, 15, 17, 32, 100])
def test_a_hash_that_is_not_sixteen_bytes(length):
    at = patch.vector(BUF, patch.molecule(BUF, 3), 0)
    buf = patch.with_u32(BUF, at, length)
    for peek in (lambda it: atomwire.peek_coordinate_hash(it, 3), atomwire.peek_coordinate_hashes):
        with pytest.raises(InvalidEventError) as caught:
            peek(buf)
        assert caught.value.field == "molecules[3].coordinate_hash"
        assert caught.value.position == at
        assert caught.value.reason == f"a hash of {length} bytes, must be 16"
    assert atomwire.peek_coordinate_hash(buf, 0) == HASHES[0]


def test_a_hash_that_is_missing():
    (buf,) = [official.write(Fields(molecules=(Cell(None, numeric_value=1.0),)))]
    for peek in (atomwire.peek_coordinate_hash, atomwire.peek_coordinate_hashes):
        with pytest.raises(InvalidEventError, match=r"molecules\[0\].coordinate_hash: missing"):
            peek(buf)


def test_a_molecule_outside_the_buffer():
    at = patch.vector(BUF, ROOT, 6) + 4 + 4 * 2
    for offset, reason in ((2**31, "the offset leads outside"), (0, "the offset is zero")):
        buf = patch.with_u32(BUF, at, offset)
        with pytest.raises(InvalidEventError, match=rf"molecules\[2\]: {reason}"):
            atomwire.peek_coordinate_hash(buf, 2)
        with pytest.raises(InvalidEventError, match=rf"molecules\[2\]: {reason}"):
            atomwire.peek_coordinate_hashes(buf)
        assert atomwire.peek_coordinate_hash(buf, 1) == HASHES[1]


@pytest.mark.parametrize("peek", PEEKS)
def test_the_buffer_is_free_again_after_success_and_after_an_error(peek):
    for buf in (bytearray(BUF), bytearray(10)):
        with contextlib.suppress(InvalidEventError):
            peek(buf)
        buf.extend(b"more")  # raises BufferError while somebody holds the memory
