"""Vectors of molecules, from columns to bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from atomwire_bench_native import builder_O2, builder_O3

import atomwire
from benchmarks import data
from benchmarks.measure import measure
from benchmarks.peers import arrow, json, messagepack, official, protobuf

COUNT = 10_000
INTO = "encode 10,000 molecules into a buffer"
NEW = "encode 10,000 molecules as new bytes"


def check(event: bytes, cells: data.Cells) -> None:
    """Assert that the official reader and our own find the cells in it."""
    atomwire.verify(event)
    molecules = atomwire.decode(event).molecules
    np.testing.assert_array_equal(molecules.coordinate_hash, cells.hashes)
    np.testing.assert_array_equal(molecules.numeric_value, cells.numbers)
    np.testing.assert_array_equal(molecules.timestamp, cells.timestamps)
    last = official.root(event).Molecules(len(cells) - 1)
    assert last.NumericValue() == cells.numbers[-1]
    assert last.CoordinateHashAsNumpy().tobytes() == cells.hashes[-1].tobytes()


@pytest.mark.parametrize("columns", ["new", "ready"])
def test_atomwire_into_a_buffer(benchmark: Any, columns: str) -> None:
    cells = data.numeric(COUNT)
    buffer = bytearray(atomwire.encoded_size(data.TENANT, cells.molecules()))
    atomwire.encode_into(buffer, data.TENANT, cells.molecules())
    check(bytes(buffer), cells)
    if columns == "ready":
        molecules = cells.molecules()
        measure(
            benchmark,
            INTO,
            "atomwire, Molecules at hand",
            lambda: atomwire.encode_into(buffer, data.TENANT, molecules),
            each=COUNT,
        )
    else:
        measure(
            benchmark,
            INTO,
            "atomwire",
            lambda: atomwire.encode_into(buffer, data.TENANT, cells.molecules()),
            each=COUNT,
        )


def test_memcpy(benchmark: Any) -> None:
    cells = data.numeric(COUNT)
    event = atomwire.encode(data.TENANT, cells.molecules())
    buffer = bytearray(len(event))
    view = memoryview(buffer)

    def copy() -> None:
        view[:] = event

    copy()
    assert buffer == event
    measure(benchmark, INTO, "memcpy of the same bytes", copy, each=COUNT)


@pytest.mark.parametrize(("level", "module"), [("-O2", builder_O2), ("-O3", builder_O3)])
def test_builder(benchmark: Any, level: str, module: Any) -> None:
    cells = data.numeric(COUNT)
    builder = module.Builder(
        cells.hashes,
        numbers=cells.pair("numbers"),
        timestamps=cells.pair("timestamps"),
        masks=cells.pair("masks"),
    )
    tenant, event_id = data.TENANT.encode(), data.EVENT_ID.encode()
    builder.build(tenant, event_id, data.NOW)
    check(builder.result(), cells)
    measure(
        benchmark,
        INTO,
        f"flatc's C++ builder, reused, {level}",
        lambda: builder.build(tenant, event_id, data.NOW),
        each=COUNT,
    )


def test_atomwire_new_bytes(benchmark: Any) -> None:
    cells = data.numeric(COUNT)
    check(atomwire.encode(data.TENANT, cells.molecules()), cells)
    measure(
        benchmark,
        NEW,
        "atomwire",
        lambda: atomwire.encode(data.TENANT, cells.molecules()),
        each=COUNT,
    )


def test_bytes_of_bytearray(benchmark: Any) -> None:
    event = bytearray(atomwire.encode(data.TENANT, data.numeric(COUNT).molecules()))
    assert bytes(event) == event
    measure(benchmark, NEW, "bytes(bytearray) of that size", lambda: bytes(event), each=COUNT)


def test_official_python(benchmark: Any) -> None:
    cells = data.numeric(COUNT)
    check(official.encode(cells), cells)
    measure(
        benchmark, NEW, "official Python flatbuffers", lambda: official.encode(cells), each=COUNT
    )


def test_msgspec(benchmark: Any) -> None:
    event = messagepack.event(data.numeric(COUNT))
    assert messagepack.decoder.decode(messagepack.encoder.encode(event)) == event
    measure(
        benchmark,
        NEW,
        "msgspec MessagePack, structs at hand",
        lambda: messagepack.encoder.encode(event),
        each=COUNT,
    )


def test_orjson(benchmark: Any) -> None:
    event = json.event(data.numeric(COUNT))
    assert json.loads(json.dumps(event)) == event
    measure(benchmark, NEW, "orjson, dicts at hand", lambda: json.dumps(event), each=COUNT)


def test_protobuf(benchmark: Any) -> None:
    event = protobuf.event(data.numeric(COUNT))
    assert protobuf.generated().AtomEvent.FromString(event.SerializeToString()) == event
    measure(benchmark, NEW, "protobuf (upb), message at hand", event.SerializeToString, each=COUNT)


def test_arrow(benchmark: Any) -> None:
    cells = data.numeric(COUNT)
    batch = arrow.decode(arrow.encode(cells))
    np.testing.assert_array_equal(batch["numeric_value"].to_numpy(), cells.numbers)
    assert batch["coordinate_hash"][0].as_py() == cells.hashes[0].tobytes()
    measure(benchmark, NEW, "pyarrow IPC stream", lambda: arrow.encode(cells), each=COUNT)
