"""One hash of one message, and the hashes of many."""

from __future__ import annotations

from typing import Any

import numpy as np
from atomwire_bench_native import builder_O2

import atomwire
from benchmarks import data
from benchmarks.measure import CALLS, measure, measure_calls
from benchmarks.peers import official

ONE = "peek one coordinate_hash"
MANY = "peek the hashes of 1,000 messages"


def messages() -> tuple[list[bytes], np.ndarray]:
    hashes = data.numeric(CALLS).hashes
    cell = atomwire.Encoder(data.TENANT).cell
    return [cell(row.tobytes(), 1.5) for row in hashes], hashes


def as_ints(hashes: np.ndarray) -> list[int]:
    return [int.from_bytes(row.tobytes(), "little") for row in hashes]


def test_atomwire(benchmark: Any) -> None:
    events, hashes = messages()
    assert [atomwire.peek_coordinate_hash(event) for event in events] == as_ints(hashes)
    measure_calls(benchmark, ONE, "atomwire", atomwire.peek_coordinate_hash, events)


def test_empty_call(benchmark: Any) -> None:
    events, _ = messages()
    assert builder_O2.empty(events[0]) is None
    measure_calls(benchmark, ONE, "an empty call into an extension", builder_O2.empty, events)


def test_official_python(benchmark: Any) -> None:
    events, hashes = messages()
    assert [official.peek(event) for event in events] == as_ints(hashes)
    measure_calls(benchmark, ONE, "official Python, byte by byte", official.peek, events)


def test_official_python_with_numpy(benchmark: Any) -> None:
    events, hashes = messages()
    assert [official.peek_numpy(event) for event in events] == as_ints(hashes)
    measure_calls(benchmark, ONE, "official Python, AsNumpy", official.peek_numpy, events)


def test_batch(benchmark: Any) -> None:
    events, hashes = messages()
    out = np.empty((len(events), 2), np.uint64)
    np.testing.assert_array_equal(atomwire.peek_batch(events, out), hashes)
    measure(benchmark, MANY, "atomwire", lambda: atomwire.peek_batch(events, out), each=len(events))


def test_batch_one_by_one(benchmark: Any) -> None:
    events, hashes = messages()
    peek = atomwire.peek_coordinate_hash
    assert [peek(event) for event in events] == as_ints(hashes)
    measure(
        benchmark,
        MANY,
        "a list of peek_coordinate_hash",
        lambda: [peek(event) for event in events],
        each=len(events),
    )
