"""The first hash of each of many messages."""

import numpy as np
import pytest
from support import golden, patch

import atomwire
from atomwire import InvalidEventError, Molecules

HASHES = [2**127 + 5, 0, 2**128 - 1, 12345]
BUFS = [atomwire.encode("acme", Molecules([each, 1])) for each in HASHES]
PAIRS = [[each & (2**64 - 1), each >> 64] for each in HASHES]


class Message:
    """As a Kafka client hands them out."""

    def __init__(self, value):
        self._value = value

    def value(self):
        return self._value


def test_one_row_a_message():
    found = atomwire.peek_batch(BUFS)
    assert found.dtype == np.uint64
    assert found.shape == (4, 2)
    assert found.tolist() == PAIRS


@pytest.mark.parametrize(
    "bufs",
    [
        tuple(BUFS),
        iter(BUFS),
        (buf for buf in BUFS),
        [bytearray(buf) for buf in BUFS],
        [memoryview(buf) for buf in BUFS],
        [np.frombuffer(buf, np.uint8) for buf in BUFS],
        [Message(buf) for buf in BUFS],
        [BUFS[0], Message(bytearray(BUFS[1])), bytearray(BUFS[2]), Message(BUFS[3])],
    ],
    ids=["tuple", "iterator", "generator", "bytearrays", "views", "arrays", "messages", "mixed"],
)
def test_messages_of_any_kind(bufs):
    assert atomwire.peek_batch(bufs).tolist() == PAIRS


def test_every_writer():
    bufs = [golden.golden("mixed cells", writer) for writer in (*golden.WRITERS, "atomwire")]
    first = golden.MIXED[0].coordinate_hash
    expected = [[first & (2**64 - 1), first >> 64]] * len(bufs)
    assert atomwire.peek_batch(bufs).tolist() == expected


def test_none_of_them():
    assert atomwire.peek_batch([]).shape == (0, 2)


def test_into_a_given_array():
    out = np.zeros((6, 2), np.uint64)
    found = atomwire.peek_batch(BUFS, out)
    assert found.base is out
    assert found.tolist() == out[:4].tolist() == PAIRS
    assert not out[4:].any()
    exact = np.zeros((4, 2), np.uint64)
    assert atomwire.peek_batch(BUFS, out=exact) is exact


@pytest.mark.parametrize(
    ("out", "error", "message"),
    [
        ([[0, 0]], TypeError, "out: a list is not a writable buffer"),
        (bytes(64), BufferError, "out: cannot be written to in place"),
        (np.zeros((4, 2), np.int64), TypeError, "out: must be a uint64 array"),
        (np.zeros((8, 2), np.uint64)[::2], TypeError, "out: must be contiguous"),
        (np.zeros((3, 2), np.uint64), ValueError, "out: has 3 rows, 4 are needed"),
    ],
)
def test_an_array_that_cannot_take_them_is_refused(out, error, message):
    with pytest.raises(error, match=message):
        atomwire.peek_batch(BUFS, out)


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        (5, TypeError, r"bufs\[2\]: a int is neither a buffer nor a Kafka message"),
        (None, TypeError, r"bufs\[2\]: a NoneType is neither a buffer nor a Kafka message"),
        ("text", TypeError, r"bufs\[2\]: a str is neither a buffer nor a Kafka message"),
        (Message(None), ValueError, r"bufs\[2\]: the message has no value"),
        (b"", InvalidEventError, r"bufs\[2\].AtomEvent: 0 bytes are fewer"),
        (atomwire.encode("acme", type=4), IndexError, r"bufs\[2\]: the event has no molecules"),
        (
            patch.with_u32(BUFS[0], patch.vector(BUFS[0], patch.molecule(BUFS[0], 0), 0), 15),
            InvalidEventError,
            r"bufs\[2\].molecules\[0\].coordinate_hash: a hash of 15 bytes, must be 16",
        ),
    ],
    ids=["int", "None", "str", "tombstone", "no bytes", "no molecules", "a short hash"],
)
def test_the_message_at_fault_is_named(bad, error, message):
    with pytest.raises(error, match=message):
        atomwire.peek_batch([BUFS[0], BUFS[1], bad, BUFS[3]])


def test_bytes_alone_are_no_batch():
    with pytest.raises(TypeError, match=r"bufs\[0\]: a int is neither a buffer nor a Kafka"):
        atomwire.peek_batch(BUFS[0])


def test_an_error_of_the_message_itself_comes_through():
    class Broken:
        def value(self):
            raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        atomwire.peek_batch([BUFS[0], Broken()])


def test_a_list_that_grows_while_it_is_read_leads_nowhere():
    class Growing:
        def value(self):
            if len(bufs) < 5000:
                bufs.extend([BUFS[1]] * 1000)
            return BUFS[0]

    bufs = [Growing(), BUFS[3]]
    assert atomwire.peek_batch(bufs).tolist() == [PAIRS[0], PAIRS[3]]


def test_a_list_that_shrinks_while_it_is_read_gives_fewer_rows():
    class Shrinking:
        def value(self):
            del bufs[1:]
            return BUFS[0]

    bufs = [Shrinking(), BUFS[1], BUFS[2]]
    assert atomwire.peek_batch(bufs).tolist() == [PAIRS[0]]


def test_the_buffers_are_free_again_after_success_and_after_an_error():
    bufs = [bytearray(BUFS[0]), bytearray(BUFS[1])]
    atomwire.peek_batch(bufs)
    bufs[0].extend(b"more")  # raises BufferError while somebody holds the memory
    with pytest.raises(InvalidEventError):
        atomwire.peek_batch([*bufs, b""])
    bufs[1].extend(b"more")
