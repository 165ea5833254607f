"""Bytes that somebody made up, or goes on changing."""

import resource
import threading
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import golden, patch
from support.exercise import PEEKS, exercise, read_all

import atomwire

GOLDEN = st.sampled_from(golden.ALL).map(lambda each: golden.golden(*each))
PLACES = st.integers(0, 2000)
WORDS = st.sampled_from([0, 1, 2, 4, 8, 16, 2**31 - 1, 2**31, 2**32 - 1, 2**32 - 4])


@given(st.binary(max_size=200))
@settings(max_examples=1000)
def test_any_bytes(buf):
    exercise(buf)


@given(GOLDEN, st.lists(st.tuples(PLACES, st.integers(0, 255)), min_size=1, max_size=6))
@settings(max_examples=1000)
def test_several_bytes_changed(buf, changes):
    changed = bytearray(buf)
    for at, value in changes:
        changed[at % len(changed)] = value
    exercise(changed)


@given(GOLDEN, st.lists(st.tuples(PLACES, WORDS), min_size=1, max_size=4))
@settings(max_examples=1000)
def test_several_words_changed(buf, changes):
    for at, value in changes:
        buf = patch.with_u32(buf, at % (len(buf) // 4) * 4, value)
    exercise(buf)


@given(GOLDEN, GOLDEN, PLACES, PLACES)
@settings(max_examples=500)
def test_pieces_of_two_events(one, other, cut, start):
    exercise(one[: cut % len(one)] + other[start % len(other) :])


def memory_of(call, buf):
    tracemalloc.start()
    try:
        with pytest.raises(atomwire.InvalidEventError):
            call(buf)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def claims():
    """Yield small events in which each length in turn claims gigabytes."""
    buf = golden.golden("mixed cells", "atomwire")
    root = patch.root(buf)
    for claim in (2**29 - 1, 2**30, 2**31 - 1, 2**31, 2**32 - 1):
        yield patch.with_u32(buf, patch.vector(buf, root, 6), claim)
        yield patch.with_u32(buf, patch.vector(buf, root, 4), claim)
        for row, field_id in ((1, 2), (4, 5)):
            yield patch.with_u32(buf, patch.vector(buf, patch.molecule(buf, row), field_id), claim)


def test_claims_of_giant_lengths_take_no_memory():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for buf in claims():
        assert memory_of(atomwire.verify, buf) < 100_000
        assert memory_of(atomwire.decode, buf) < 100_000
        exercise(buf)
    # Nor does the native side: ru_maxrss counts in KiB (bytes on macOS, where this is generous).
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_an_out_array_is_not_asked_for_before_the_claim_is_checked():
    buf = golden.golden("alike cells", "atomwire")
    buf = patch.with_u32(buf, patch.vector(buf, patch.root(buf), 6), 2**30 - 1)
    assert memory_of(atomwire.peek_coordinate_hashes, buf) < 100_000


@pytest.mark.parametrize("name", ["mixed cells", "alike cells", "a schema change"])
def test_a_buffer_that_another_thread_changes_leads_nowhere(name):
    source = np.frombuffer(golden.golden(name, "official"), np.uint8)
    # Large enough that numpy copies without the GIL.
    shared = np.zeros(1 << 16, np.uint8)
    shared[: len(source)] = source
    random = np.random.default_rng(1)
    variants = [shared.copy()]
    for _ in range(30):
        variant = shared.copy()
        at = random.integers(0, len(source), 6)
        variant[at] = random.choice(np.array([0, 1, 4, 0x7F, 0x80, 0xFF], np.uint8), 6)
        variants.append(variant)
    done = threading.Event()

    def change():
        while not done.is_set():
            for variant in variants:
                np.copyto(shared, variant)

    writer = threading.Thread(target=change)
    writer.start()
    try:
        for _ in range(3000):
            for call in (*PEEKS, atomwire.verify):
                try:
                    call(shared)
                except (atomwire.InvalidEventError, IndexError):
                    continue
            try:
                event = atomwire.decode(shared)
            except atomwire.InvalidEventError:
                continue
            read_all(event)  # a copy: verified once, and the same from then on
    finally:
        done.set()
        writer.join()


def test_large_vectors_read_without_the_gil_while_they_change():
    count = 20_000
    buf = atomwire.encode(
        "acme",
        atomwire.Molecules(np.ones((count, 2), np.uint64), text_commentary=["a", "b"] * 10_000),
    )
    shared = bytearray(buf)
    words = np.frombuffer(shared, np.uint32)
    original = words.copy()
    done = threading.Event()

    def change():
        random = np.random.default_rng(2)
        while not done.is_set():
            at = random.integers(0, len(words), 50)
            words[at] = random.integers(0, 2**32, 50, np.uint32)
            words[:] = original

    writer = threading.Thread(target=change)
    writer.start()
    out = np.zeros((count, 2), np.uint64)
    try:
        for _ in range(300):
            for call in (atomwire.verify, lambda it: atomwire.peek_coordinate_hashes(it, out)):
                try:
                    call(shared)
                except (atomwire.InvalidEventError, IndexError, ValueError):
                    continue
    finally:
        done.set()
        writer.join()
