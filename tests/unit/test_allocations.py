"""peek_batch makes no Python object for a message: the interpreter's own counters say so."""

import sys
import tracemalloc

import numpy as np
import pytest
from confluent_kafka import Message

import atomwire

EVENTS = [atomwire.Encoder("acme").cell(number, 1.5) for number in range(2_000)]


def peak_bytes(bufs, out):
    """Return the most memory that one call holds at any moment, freed again or not."""
    atomwire.peek_batch(bufs, out)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        atomwire.peek_batch(bufs, out)
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "wrap", [bytes, memoryview, bytearray, lambda event: Message("topic", value=event)]
)
def test_peak_memory_does_not_depend_on_how_many_messages(wrap):
    bufs = [wrap(event) for event in EVENTS]
    out = np.empty((len(bufs), 2), np.uint64)
    few = [bufs[:10], out[:10]]

    assert peak_bytes(bufs, out) == peak_bytes(*few)


def test_the_counters_see_an_object():
    """The guard of the guard: a peek that makes an int is seen."""
    event = atomwire.Encoder("acme").cell(2**127, 1.5)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        assert atomwire.peek_coordinate_hash(event) == 2**127
        assert tracemalloc.get_traced_memory()[1] > before
    finally:
        tracemalloc.stop()


def test_no_block_stays_behind():
    out = np.empty((len(EVENTS), 2), np.uint64)
    atomwire.peek_batch(EVENTS, out)
    before = sys.getallocatedblocks()
    for _ in range(200):
        atomwire.peek_batch(EVENTS, out)
    assert sys.getallocatedblocks() - before < 20
