"""Encoding into memory of the caller's."""

import mmap

import numpy as np
import pytest

import atomwire
from atomwire import Molecules

CELLS = Molecules([1, 2, 3], numeric_value=[1.5, None, 3.5], text_commentary=["a", "b", None])
FIXED = {
    "event_id": "0197a1b2-c3d4-7e5f-8123-456789abcdef",
    "timestamp": 1_750_000_000_000_000_000,
    "region": "West",
}
EXPECTED = atomwire.encode("acme", CELLS, **FIXED)


@pytest.mark.parametrize("room", [0, 1, 7, 1000])
def test_the_same_bytes_as_encode_and_nothing_behind_them(room):
    buffer = bytearray(b"\xaa" * (len(EXPECTED) + room))
    size = atomwire.encode_into(buffer, "acme", CELLS, **FIXED)
    assert size == len(EXPECTED)
    assert buffer[:size] == EXPECTED
    assert buffer[size:] == b"\xaa" * room


@pytest.mark.parametrize("length", range(8))
def test_no_byte_of_what_was_there_before_shows_through(length):
    for arguments in ({"molecules": CELLS}, {"type": 4}, {"molecules": Molecules([])}):
        buffers = [bytearray([fill]) * 1000 for fill in (0, 0xFF)]
        written = [
            bytes(buffer[: atomwire.encode_into(buffer, "t" * (length + 1), **FIXED, **arguments)])
            for buffer in buffers
        ]
        assert written[0] == written[1]


def test_numpy_memoryview_and_mmap_take_an_event():
    array = np.zeros(1000, np.uint8)
    with mmap.mmap(-1, 1000) as mapped:
        for buffer in (array, memoryview(bytearray(1000)), array[100:], mapped):
            size = atomwire.encode_into(buffer, "acme", CELLS, **FIXED)
            assert bytes(memoryview(buffer)[:size]) == EXPECTED


@pytest.mark.parametrize("missing", [1, 8, len(EXPECTED)])
def test_a_buffer_that_is_too_small_is_left_alone(missing):
    room = len(EXPECTED) - missing
    buffer = bytearray(b"\xaa" * room)
    message = f"buffer: {room} bytes, but the event needs {len(EXPECTED)}"
    with pytest.raises(BufferError, match=message):
        atomwire.encode_into(buffer, "acme", CELLS, **FIXED)
    assert buffer == b"\xaa" * room


def test_what_cannot_be_written_to_is_refused():
    with pytest.raises(BufferError, match="buffer: cannot be written to in place"):
        atomwire.encode_into(bytes(1000), "acme", CELLS)
    frozen = np.zeros(1000, np.uint8)
    frozen.flags.writeable = False
    with pytest.raises(BufferError, match="buffer: cannot be written to in place"):
        atomwire.encode_into(frozen, "acme", CELLS)
    with pytest.raises(BufferError, match="buffer: cannot be written to in place"):
        atomwire.encode_into(np.zeros(2000, np.uint8)[::2], "acme", CELLS)
    with pytest.raises(TypeError, match="buffer: a list is not a writable buffer"):
        atomwire.encode_into([0] * 1000, "acme", CELLS)


def test_the_buffer_is_free_again_after_success_and_after_an_error():
    buffer = bytearray(1000)
    atomwire.encode_into(buffer, "acme", CELLS)
    buffer.extend(b"more")  # raises BufferError while somebody holds the memory
    del buffer[8:]
    with pytest.raises(BufferError):
        atomwire.encode_into(buffer, "acme", CELLS)
    buffer.extend(b"more")
