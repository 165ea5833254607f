"""Numbers, dates, booleans and texts in one event."""

from __future__ import annotations

from typing import Any

import pytest
from atomwire_bench_native import builder_O2

import atomwire
from benchmarks import data
from benchmarks.measure import measure

COUNT = 10_000
SCALARS = "encode 10,000 molecules of mixed kinds"
TEXTS = "encode 10,000 molecules with texts"


def cells_of(group: str) -> data.Cells:
    return data.mixed(COUNT, with_texts=False) if group == SCALARS else data.commented(COUNT)


def native(cells: data.Cells) -> Any:
    return builder_O2.Builder(
        cells.hashes,
        numbers=cells.pair("numbers"),
        dates=cells.pair("dates"),
        booleans=cells.pair("booleans"),
        timestamps=cells.pair("timestamps"),
        texts=cells.texts,
    )


@pytest.mark.parametrize("group", [SCALARS, TEXTS])
def test_atomwire(benchmark: Any, group: str) -> None:
    cells = cells_of(group)
    molecules = cells.molecules()
    buffer = bytearray(atomwire.encoded_size(data.TENANT, molecules))
    atomwire.encode_into(buffer, data.TENANT, molecules)
    assert atomwire.decode(buffer).molecules == molecules
    measure(
        benchmark,
        group,
        "atomwire",
        lambda: atomwire.encode_into(buffer, data.TENANT, molecules),
        each=COUNT,
    )


@pytest.mark.parametrize("group", [SCALARS, TEXTS])
def test_atomwire_from_columns(benchmark: Any, group: str) -> None:
    cells = cells_of(group)
    buffer = bytearray(atomwire.encoded_size(data.TENANT, cells.molecules()))
    assert atomwire.decode(buffer[: atomwire.encode_into(buffer, data.TENANT, cells.molecules())])
    measure(
        benchmark,
        group,
        "atomwire, Molecules made from columns and lists each time",
        lambda: atomwire.encode_into(buffer, data.TENANT, cells.molecules()),
        each=COUNT,
    )


@pytest.mark.parametrize("group", [SCALARS, TEXTS])
def test_builder(benchmark: Any, group: str) -> None:
    cells = cells_of(group)
    builder = native(cells)
    tenant, event_id = data.TENANT.encode(), data.EVENT_ID.encode()
    builder.build(tenant, event_id, data.NOW)
    ours = cells.molecules()
    theirs = atomwire.decode(builder.result()).molecules
    assert (theirs.coordinate_hash == ours.coordinate_hash).all()
    assert (theirs.timestamp == ours.timestamp).all()
    measure(
        benchmark,
        group,
        "flatc's C++ builder, reused, -O2",
        lambda: builder.build(tenant, event_id, data.NOW),
        each=COUNT,
    )


def test_copying_the_texts(benchmark: Any) -> None:
    cells = data.commented(COUNT)
    builder = native(cells)
    joined = "".join(text for text in cells.texts if text is not None).encode()
    buffer = bytearray(len(joined))
    assert builder.copy_texts(buffer) == len(joined)
    assert buffer == joined
    measure(
        benchmark,
        TEXTS,
        "copy of the texts' bytes, one by one",
        lambda: builder.copy_texts(buffer),
        each=COUNT,
    )


def test_the_same_without_texts(benchmark: Any) -> None:
    cells = data.commented(COUNT)
    molecules = atomwire.Molecules(cells.hashes, cells.numbers, timestamp=cells.timestamps)
    buffer = bytearray(atomwire.encoded_size(data.TENANT, molecules))
    assert len(atomwire.decode(atomwire.encode(data.TENANT, molecules)).molecules) == COUNT
    measure(
        benchmark,
        TEXTS,
        "atomwire, the same cells without their texts",
        lambda: atomwire.encode_into(buffer, data.TENANT, molecules),
        each=COUNT,
    )
