"""Real cells: the world's population by location, year, sex and age group."""

from __future__ import annotations

from typing import Any

import numpy as np
from atomwire_bench_native import builder_O2

import atomwire
from benchmarks import data
from benchmarks.measure import measure
from benchmarks.peers import arrow

GROUP = "population.csv.gz, 346,332 cells"


def test_atomwire(benchmark: Any) -> None:
    cells = data.population()
    molecules = cells.molecules()
    buffer = bytearray(atomwire.encoded_size(data.TENANT, molecules))
    atomwire.encode_into(buffer, data.TENANT, molecules)
    assert atomwire.decode(buffer).molecules == molecules
    measure(
        benchmark,
        GROUP,
        "atomwire",
        lambda: atomwire.encode_into(buffer, data.TENANT, molecules),
        each=len(cells),
    )


def test_split_to_the_broker(benchmark: Any) -> None:
    cells = data.population()
    molecules = cells.molecules()
    encoder = atomwire.Encoder(data.TENANT)
    parts = list(encoder.split(molecules, 1_000_000))
    assert max(map(len, parts)) <= 1_000_000
    hashes = np.concatenate([atomwire.peek_coordinate_hashes(part) for part in parts])
    np.testing.assert_array_equal(hashes, cells.hashes)
    measure(
        benchmark,
        GROUP,
        "atomwire, split into events of 1 MB",
        lambda: [None for _ in encoder.split(molecules, 1_000_000)],
        each=len(cells),
    )


def test_memcpy(benchmark: Any) -> None:
    event = atomwire.encode(data.TENANT, data.population().molecules())
    view = memoryview(bytearray(len(event)))

    def copy() -> None:
        view[:] = event

    copy()
    assert view == event
    measure(benchmark, GROUP, "memcpy of the same bytes", copy, each=len(data.population()))


def test_builder(benchmark: Any) -> None:
    cells = data.population()
    builder = builder_O2.Builder(
        cells.hashes,
        numbers=cells.pair("numbers"),
        timestamps=cells.pair("timestamps"),
        masks=cells.pair("masks"),
    )
    tenant, event_id = data.TENANT.encode(), data.EVENT_ID.encode()
    builder.build(tenant, event_id, data.NOW)
    theirs = atomwire.decode(builder.result()).molecules
    np.testing.assert_array_equal(theirs.coordinate_hash, cells.hashes)
    measure(
        benchmark,
        GROUP,
        "flatc's C++ builder, reused, -O2",
        lambda: builder.build(tenant, event_id, data.NOW),
        each=len(cells),
    )


def test_arrow(benchmark: Any) -> None:
    cells = data.population()
    assert arrow.decode(arrow.encode(cells)).num_rows == len(cells)
    measure(benchmark, GROUP, "pyarrow IPC stream", lambda: arrow.encode(cells), each=len(cells))
