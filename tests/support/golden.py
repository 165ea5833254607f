"""Golden events of every type, and the writers that put them into bytes."""

import functools

from support import cells, official
from support.cells import Cell, Fields

HASH = 0x0F0E0D0C0B0A09080706050403020100

MIXED = (
    Cell(HASH, numeric_value=1234.5, timestamp=1_750_000_000_000_000_001, security_mask=3),
    Cell(HASH + 1, text_commentary="Größe, 売上 😀", timestamp=1_750_000_000_000_000_002),
    Cell(HASH + 2, date_value=-86_400_000_000_000, security_mask=2**64 - 1),
    Cell(HASH + 3, boolean_value=True),
    Cell(HASH + 4, error_value="#DIV/0!", timestamp=5),
    Cell(HASH + 5, text_commentary="", error_value="#DIV/0!"),
    Cell(2**128 - 1),
)

EVENTS = {
    "a keystroke": Fields(molecules=(Cell(HASH, numeric_value=42.5),), region="West"),
    "alike cells": Fields(
        molecules=tuple(
            Cell(HASH + row, numeric_value=row + 0.5, timestamp=row + 1) for row in range(5)
        ),
    ),
    "zeros": Fields(
        molecules=(
            Cell(0, 0.0, "", 0, False, "", 0, 0),
            Cell(1, numeric_value=0.0),
            Cell(2, boolean_value=False),
            Cell(3, date_value=0),
        ),
        timestamp=0,
        type=0,
    ),
    "mixed cells": Fields(
        molecules=MIXED,
        trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
        user_id="jörg@example.org",
        region="Süd",
    ),
    "no cells": Fields(molecules=()),
    "a calculation": Fields(type=2, molecules=(Cell(HASH), Cell(HASH + 1))),
    "a schema change": Fields(type=3, schema_payload='{"dimension": "Region", "moved": true}'),
    "a heartbeat": Fields(type=4),
    "an unknown type": Fields(type=0, event_id=None, timestamp=None),
    "a newer type": Fields(type=77, event_id=None),
}

WRITERS = {
    "official": official.write,
    "official, defaults forced": functools.partial(official.write, force_defaults=True),
    "official, vtables unshared": functools.partial(
        official.write, force_defaults=True, share_vtables=False
    ),
    "official, strings shared": functools.partial(official.write, share_strings=True),
    "official, fields unordered": functools.partial(official.write, shuffle=7),
    "official, before optional values": functools.partial(official.write, older=True),
}


@functools.cache
def golden(name, writer):
    """Return a golden buffer; the writer "atomwire" is this package."""
    fields = EVENTS[name]
    if writer == "atomwire":
        given = {"event_id": "0197a1b2-c3d4-7e5f-8123-456789abcdef", "timestamp": 0}
        wanted = {key: value for key, value in vars(fields).items() if value is not None}
        return cells.encode(Fields(**{**given, **wanted}))
    return WRITERS[writer](fields)


ALL = [(name, writer) for name in EVENTS for writer in (*WRITERS, "atomwire")]
