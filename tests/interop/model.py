"""Random events, and the lines that every language's program must make of them."""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

import atomwire

TEXT_PIECES = (
    *("", "a", "Umsatz", "grün", "日本語", "😀"),
    *("\0", "#DIV/0!", "x" * 40, ",; -=[]", "\n"),
)
NUMBER_BITS = (
    0x0000000000000000,  # 0.0
    0x8000000000000000,  # -0.0
    0x7FF0000000000000,  # infinity
    0xFFF0000000000000,
    0x7FF8000000000000,  # NaN
    0xFFF8DEADBEEF0001,  # NaN with a payload
    0x0000000000000001,  # the smallest
    0x7FEFFFFFFFFFFFFF,  # the largest
)
CANONICAL_NAN = "7ff8000000000000"
INT64_EXTREMES = (0, 1, -1, 2**63 - 1, -(2**63))
UINT64_EXTREMES = (0, 1, 2**63, 2**64 - 1)
FIELDS = (
    "numeric_value",
    "text_commentary",
    "date_value",
    "boolean_value",
    "error_value",
    "timestamp",
    "security_mask",
)


class Row(NamedTuple):
    """One molecule, None where a field is not set; the number as its bits."""

    coordinate_hash: int
    numeric_value: int | None
    text_commentary: str | None
    date_value: int | None
    boolean_value: bool | None
    error_value: str | None
    timestamp: int | None
    security_mask: int | None


class Event(NamedTuple):
    """One event."""

    event_id: str
    trace_id: str | None
    timestamp: int
    type: int
    tenant_id: str
    user_id: str | None
    schema_payload: str | None
    region: str | None
    rows: list[Row] | None


def random_events(seed: int, count: int) -> Iterator[Event]:
    """Return `count` events that depend on nothing but the seed."""
    dice = random.Random(seed)
    for _ in range(count):
        yield random_event(dice)


def random_event(dice: random.Random) -> Event:
    def perhaps(make: Any) -> Any:
        return make() if dice.random() < 0.5 else None

    def text() -> str:
        return "".join(dice.choices(TEXT_PIECES, k=dice.randrange(4)))

    return Event(
        event_id=hex_id(dice),
        trace_id=perhaps(lambda: f"{dice.getrandbits(128):032x}"),
        timestamp=dice.choice((*INT64_EXTREMES, dice.getrandbits(62))),
        type=dice.randrange(5),
        tenant_id=text() + "tenant",
        user_id=perhaps(text),
        schema_payload=perhaps(text),
        region=perhaps(text),
        rows=random_rows(dice, text),
    )


def hex_id(dice: random.Random) -> str:
    digits = f"{dice.getrandbits(128):032x}"
    return "-".join(
        (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]),
    )


def random_rows(dice: random.Random, text: Any) -> list[Row] | None:
    kind = dice.random()
    if kind < 0.1:
        return None
    count = 1 if kind < 0.4 else dice.randrange(9) if kind < 0.99 else dice.randrange(40, 400)
    # How likely a row has each field: never, always, or now and then.
    chances = [dice.choice((0.0, 0.0, 1.0, 1.0, 0.5, 0.9)) for _ in FIELDS]
    shared = [text() for _ in range(3)]
    makers = (
        lambda: dice.choice((*NUMBER_BITS, dice.getrandbits(64), dice.getrandbits(64))),
        lambda: dice.choice((*shared, text())),
        lambda: dice.choice((*INT64_EXTREMES, dice.getrandbits(63))),
        lambda: dice.random() < 0.5,
        lambda: dice.choice(("#DIV/0!", "#N/A", text())),
        lambda: dice.choice((*INT64_EXTREMES, dice.getrandbits(63))),
        lambda: dice.choice((*UINT64_EXTREMES, dice.getrandbits(64))),
    )
    return [
        Row(
            dice.getrandbits(128),
            *(
                make() if dice.random() < chance else None
                for make, chance in zip(makers, chances, strict=True)
            ),
        )
        for _ in range(count)
    ]


def number_of(bits: int) -> float:
    return struct.unpack("<d", struct.pack("<Q", bits))[0]


# ---- This package's side.


def encode(event: Event) -> bytes:
    molecules = None if event.rows is None else columns(event.rows)
    return atomwire.encode(
        event.tenant_id,
        molecules,
        type=event.type,
        event_id=event.event_id,
        trace_id=event.trace_id,
        timestamp=event.timestamp,
        user_id=event.user_id,
        schema_payload=event.schema_payload,
        region=event.region,
    )


def columns(rows: list[Row]) -> atomwire.Molecules:
    given: dict[str, Any] = {
        field: [getattr(row, field) for row in rows]
        for field in FIELDS
        if any(getattr(row, field) is not None for row in rows)
    }
    if "numeric_value" in given:  # through numpy, so that a NaN keeps its payload
        bits = given["numeric_value"]
        values = np.array([each or 0 for each in bits], np.uint64).view(np.float64)
        given["numeric_value"] = np.ma.MaskedArray(values, [each is None for each in bits])
    return atomwire.Molecules([row.coordinate_hash for row in rows], **given)


def line_as_decoded(buffer: bytes) -> str:
    """Return the line of an event as this package reads it, by columns and by peeks."""
    event = atomwire.decode(buffer)
    assert atomwire.peek_event_id(buffer) == event.event_id
    assert atomwire.peek_trace_id(buffer) == event.trace_id
    assert atomwire.peek_tenant_id(buffer) == event.tenant_id
    assert atomwire.peek_user_id(buffer) == event.user_id
    assert atomwire.peek_schema_payload(buffer) == event.schema_payload
    assert atomwire.peek_region(buffer) == event.region
    molecules = event.molecules
    assert atomwire.peek_molecule_count(buffer) == len(molecules)
    hashes = molecules.coordinate_hash
    assert np.array_equal(atomwire.peek_coordinate_hashes(buffer), hashes)
    if len(molecules):
        low, high = map(int, hashes[-1])
        assert atomwire.peek_coordinate_hash(buffer, -1) == low | high << 64
    head = (
        text(event.event_id),
        text(event.trace_id),
        str(atomwire.peek_timestamp(buffer)),
        str(int(atomwire.peek_type(buffer))),
        text(event.tenant_id),
        text(event.user_id),
        text(event.schema_payload),
        text(event.region),
    )
    return " ".join(head) + f" [{';'.join(decoded_rows(molecules))}]"


def decoded_rows(molecules: atomwire.Molecules) -> Iterator[str]:
    count = len(molecules)
    cells: list[list[str]] = []
    for field in FIELDS:
        values = getattr(molecules, field)
        if values is None:
            cells.append(["-"] * count)
        elif field in ("text_commentary", "error_value"):
            cells.append([text(each) for each in values])
        else:
            absent = np.ma.getmaskarray(values)
            plain = np.ma.getdata(values)
            if field == "numeric_value":
                words = [f"{bits:016x}" for bits in plain.copy().view(np.uint64).tolist()]
            else:
                words = [str(int(each)) for each in plain.tolist()]
            cells.append(["-" if gone else word for word, gone in zip(words, absent, strict=True)])
    hashes = [row.tobytes().hex() for row in molecules.coordinate_hash]
    return map(",".join, zip(hashes, *cells, strict=True))


# ---- Lines.


def text(value: str | None) -> str:
    return "-" if value is None else "=" + value.encode().hex()


def integer(value: int | None) -> str:
    return "-" if value is None else str(int(value))


def line_of(event: Event) -> str:
    molecules = "-" if event.rows is None else f"[{';'.join(map(row_line, event.rows))}]"
    return " ".join(
        (
            text(event.event_id),
            text(event.trace_id),
            str(event.timestamp),
            str(event.type),
            text(event.tenant_id),
            text(event.user_id),
            text(event.schema_payload),
            text(event.region),
            molecules,
        )
    )


def row_line(row: Row) -> str:
    return ",".join(
        (
            row.coordinate_hash.to_bytes(16, "little").hex(),
            "-" if row.numeric_value is None else f"{row.numeric_value:016x}",
            text(row.text_commentary),
            integer(row.date_value),
            integer(row.boolean_value),
            text(row.error_value),
            integer(row.timestamp),
            integer(row.security_mask),
        )
    )


def without_defaults(event: Event) -> Event:
    """Return what is left when a builder leaves out scalars equal to their default.

    A cell's value has no default: its zero, false and epoch are written.
    """
    if event.rows is None:
        return event
    rows = [
        row._replace(timestamp=row.timestamp or None, security_mask=row.security_mask or None)
        for row in event.rows
    ]
    return event._replace(rows=rows)


def without_zero_values(event: Event) -> Event:
    """Return what is left when a builder leaves out a cell's zero, false or epoch too."""
    if event.rows is None:
        return event
    rows = [
        row._replace(
            numeric_value=None if row.numeric_value in NUMBER_BITS[:2] else row.numeric_value,
            date_value=row.date_value or None,
            boolean_value=row.boolean_value or None,
        )
        for row in event.rows
    ]
    return event._replace(rows=rows)


def with_one_nan(event: Event) -> Event:
    """Return the event as a language sees it that has only one NaN."""
    if event.rows is None:
        return event
    rows = [
        row._replace(numeric_value=int(CANONICAL_NAN, 16))
        if row.numeric_value is not None and math.isnan(number_of(row.numeric_value))
        else row
        for row in event.rows
    ]
    return event._replace(rows=rows)


def without_empty_vector(line: str) -> str:
    """Return the line as this package reads it: an absent vector is an empty one."""
    return line[:-1] + "[]" if line.endswith(" -") else line
