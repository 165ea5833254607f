"""Events and cells as plain values, to compare what went in with what came out."""

import struct
from dataclasses import dataclass
from typing import NamedTuple

import atomwire


class Cell(NamedTuple):
    """One molecule in the order of the schema; None is absent."""

    coordinate_hash: int
    numeric_value: float | None = None
    text_commentary: str | None = None
    date_value: int | None = None
    boolean_value: bool | None = None
    error_value: str | None = None
    timestamp: int | None = None
    security_mask: int | None = None


@dataclass(frozen=True)
class Fields:
    """One event; None is absent."""

    tenant_id: str | None = "acme"
    type: int | None = 1
    timestamp: int | None = 1_750_000_000_123_456_789
    event_id: str | None = "0197a1b2-c3d4-7e5f-8123-456789abcdef"
    trace_id: str | None = None
    user_id: str | None = None
    molecules: tuple[Cell, ...] | None = None
    schema_payload: str | None = None
    region: str | None = None


def bits(number):
    """Return the 64 bits of a float, so that NaNs and zeros compare by what they are."""
    return None if number is None else struct.unpack("<Q", struct.pack("<d", number))[0]


def comparable(cells):
    """Return cells as tuples that are equal when every bit is."""
    return [(each[0], bits(each[1]), *each[2:]) for each in cells]


def columns(cells):
    """Return cells as the columns that `atomwire.Molecules` takes."""
    names = Cell._fields[1:]
    values = zip(*(each[1:] for each in cells), strict=True) if cells else ((),) * len(names)
    given = {name: list(column) for name, column in zip(names, values, strict=True)}
    return atomwire.Molecules([each.coordinate_hash for each in cells], **given)


def encode(fields):
    """Encode with this package."""
    return atomwire.encode(
        fields.tenant_id,
        None if fields.molecules is None else columns(fields.molecules),
        type=fields.type,
        event_id=fields.event_id,
        trace_id=fields.trace_id,
        timestamp=fields.timestamp,
        user_id=fields.user_id,
        schema_payload=fields.schema_payload,
        region=fields.region,
    )


def decoded(event):
    """Return the fields of a decoded event; absent scalars have their default."""
    return Fields(
        tenant_id=event.tenant_id,
        type=int(event.type),
        timestamp=event.timestamp,
        event_id=event.event_id,
        trace_id=event.trace_id,
        user_id=event.user_id,
        molecules=tuple(comparable(event.molecules)),
        schema_payload=event.schema_payload,
        region=event.region,
    )
