"""From a message back to columns."""

from __future__ import annotations

from typing import Any

import numpy as np
from atomwire_bench_native import builder_O2

import atomwire
from benchmarks import data
from benchmarks.measure import measure
from benchmarks.peers import arrow, messagepack, protobuf

COUNT = 10_000
GROUP = "read 10,000 molecules into columns"


def read(event: bytes) -> float:
    """Verify, and have every column as an array."""
    molecules = atomwire.decode(event).molecules
    return (
        molecules.coordinate_hash,
        molecules.numeric_value,
        molecules.timestamp,
        molecules.security_mask,
    )


def check(columns: Any, cells: data.Cells) -> None:
    hashes, numbers, timestamps, masks = columns
    np.testing.assert_array_equal(hashes, cells.hashes)
    np.testing.assert_array_equal(numbers, cells.numbers)
    np.testing.assert_array_equal(timestamps, cells.timestamps)
    np.testing.assert_array_equal(masks, cells.masks)


def test_own_layout(benchmark: Any) -> None:
    cells = data.numeric(COUNT)
    event = atomwire.encode(data.TENANT, cells.molecules())
    columns = read(event)
    check(columns, cells)
    message = np.frombuffer(event, np.uint8)
    assert all(np.shares_memory(column, message) for column in columns)
    measure(benchmark, GROUP, "atomwire, its own layout", lambda: read(event), each=COUNT)


def built(cells: data.Cells) -> bytes:
    """Return the cells as flatc's builder lays them out."""
    builder = builder_O2.Builder(
        cells.hashes,
        numbers=cells.pair("numbers"),
        timestamps=cells.pair("timestamps"),
        masks=cells.pair("masks"),
    )
    builder.build(data.TENANT.encode(), data.EVENT_ID.encode(), data.NOW)
    return builder.result()


def test_layout_of_the_builder(benchmark: Any) -> None:
    cells = data.numeric(COUNT)
    event = built(cells)
    check(read(event), cells)
    measure(
        benchmark, GROUP, "atomwire, the layout of flatc's builder", lambda: read(event), each=COUNT
    )


def test_irregular_layout_of_the_builder(benchmark: Any) -> None:
    """One zero in a hundred masks: the builder omits it, so records differ and are gathered."""
    cells = data.with_zero_masks(COUNT)
    event = built(cells)
    hashes, numbers, timestamps, masks = read(event)
    check((hashes, numbers, timestamps, np.ma.filled(masks, 0)), cells)
    assert not np.shares_memory(numbers, np.frombuffer(event, np.uint8))
    measure(
        benchmark,
        GROUP,
        "atomwire, the builder's records of different sizes, gathered",
        lambda: read(event),
        each=COUNT,
    )


def test_all_hashes(benchmark: Any) -> None:
    cells = data.numeric(COUNT)
    event = atomwire.encode(data.TENANT, cells.molecules())
    out = np.empty((COUNT, 2), np.uint64)
    np.testing.assert_array_equal(atomwire.peek_coordinate_hashes(event, out), cells.hashes)
    measure(
        benchmark,
        GROUP,
        "atomwire peek_coordinate_hashes",
        lambda: atomwire.peek_coordinate_hashes(event, out),
        each=COUNT,
    )


def test_msgspec(benchmark: Any) -> None:
    event = messagepack.event(data.numeric(COUNT))
    encoded = messagepack.encoder.encode(event)
    assert messagepack.decoder.decode(encoded) == event
    measure(
        benchmark,
        GROUP,
        "msgspec MessagePack, into structs",
        lambda: messagepack.decoder.decode(encoded),
        each=COUNT,
    )


def test_protobuf(benchmark: Any) -> None:
    event = protobuf.event(data.numeric(COUNT))
    encoded = event.SerializeToString()
    parse = protobuf.generated().AtomEvent.FromString
    assert parse(encoded) == event
    measure(benchmark, GROUP, "protobuf (upb), parsed only", lambda: parse(encoded), each=COUNT)


def test_arrow(benchmark: Any) -> None:
    cells = data.numeric(COUNT)
    encoded = arrow.encode(cells)
    assert arrow.decode(encoded).num_rows == COUNT
    measure(benchmark, GROUP, "pyarrow IPC stream", lambda: arrow.decode(encoded), each=COUNT)
