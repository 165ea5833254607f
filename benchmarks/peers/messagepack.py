"""msgspec: structs as MessagePack, the fastest general encoder of Python objects."""

from __future__ import annotations

import msgspec

from benchmarks.data import EVENT_ID, NOW, TENANT, Cells


class Molecule(msgspec.Struct, array_like=True, gc=False):
    coordinate_hash: bytes
    numeric_value: float | None = None
    timestamp: int | None = None
    security_mask: int | None = None


class Event(msgspec.Struct, array_like=True, gc=False):
    event_id: str
    timestamp: int
    type: int
    tenant_id: str
    molecules: list[Molecule]


encoder = msgspec.msgpack.Encoder()
decoder = msgspec.msgpack.Decoder(Event)


def event(cells: Cells) -> Event:
    """Build the objects."""
    columns = zip(
        cells.hashes,
        cells.numbers.tolist(),
        cells.timestamps.tolist(),
        cells.masks.tolist(),
        strict=True,
    )
    molecules = [Molecule(h.tobytes(), n, t, m) for h, n, t, m in columns]
    return Event(EVENT_ID, NOW, 1, TENANT, molecules)


def encode_cell(hash_bytes: bytes, value: float) -> bytes:
    """Build and encode one cell. The id and the time are constants: no cost for making them."""
    return encoder.encode(Event(EVENT_ID, NOW, 1, TENANT, [Molecule(hash_bytes, value)]))
