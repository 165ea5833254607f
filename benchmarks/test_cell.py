"""One molecule in one event: the keystroke."""

from __future__ import annotations

from typing import Any

import atomwire
from benchmarks import data
from benchmarks.measure import CALLS, measure_calls
from benchmarks.peers import messagepack, official

GROUP = "encode one molecule in one event"
HASH = data.numeric(1).hashes[0].tobytes()
NUMBER = int.from_bytes(HASH, "little")


def test_encoder_cell(benchmark: Any) -> None:
    cell = atomwire.Encoder(data.TENANT).cell
    event = atomwire.decode(cell(NUMBER, 1.5))
    assert event.molecules[0] == atomwire.Molecule(NUMBER, 1.5)
    assert event.event_id != atomwire.decode(cell(NUMBER, 1.5)).event_id
    values = [float(n) for n in range(CALLS)]
    measure_calls(
        benchmark,
        GROUP,
        "atomwire Encoder.cell, fresh id and time",
        lambda value: cell(NUMBER, value),
        values,
    )


def test_encode(benchmark: Any) -> None:
    molecules = atomwire.Molecules([NUMBER], [1.5])
    assert atomwire.decode(atomwire.encode(data.TENANT, molecules)).molecules == molecules
    measure_calls(
        benchmark,
        GROUP,
        "atomwire encode, Molecules at hand",
        lambda tenant: atomwire.encode(tenant, molecules),
        [data.TENANT] * CALLS,
    )


def test_msgspec(benchmark: Any) -> None:
    decoded = messagepack.decoder.decode(messagepack.encode_cell(HASH, 1.5))
    assert decoded.molecules[0].numeric_value == 1.5
    assert decoded.molecules[0].coordinate_hash == HASH
    values = [float(n) for n in range(CALLS)]
    measure_calls(
        benchmark,
        GROUP,
        "msgspec MessagePack, struct built, constant id and time",
        lambda value: messagepack.encode_cell(HASH, value),
        values,
    )


def test_official_python(benchmark: Any) -> None:
    cells = data.numeric(1)
    assert atomwire.decode(official.encode(cells)).molecules == cells.molecules()
    measure_calls(
        benchmark,
        GROUP,
        "official Python flatbuffers, constant id and time",
        official.encode,
        [cells] * 20,
    )
