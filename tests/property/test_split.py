"""Splitting gives back the whole, in order, within the limit."""

from hypothesis import given
from hypothesis import strategies as st
from support import cells
from support.strategies import CELLS

import atomwire
from atomwire import Encoder


@given(st.lists(CELLS, max_size=60), st.integers(0, 4000), st.none() | st.just("West"))
def test_the_whole_in_order_within_the_limit(rows, max_bytes, region):
    encoder = Encoder("acme", region=region)
    alone = [len(encoder.molecules(cells.columns([row]))) for row in rows]
    too_large = [number for number, size in enumerate(alone) if size > max_bytes]
    found = []
    message = ""
    try:
        for buf in encoder.split(cells.columns(rows), max_bytes):
            assert len(buf) <= max_bytes
            event = atomwire.decode(buf)
            assert len(event.molecules) > 0
            assert event.region == region
            found += cells.comparable(event.molecules)
    except ValueError as error:
        message = str(error)
    if too_large:
        # What fits before the first molecule that does not has been handed out.
        assert f"molecules[{too_large[0]}] alone makes an event of" in message
        assert found == cells.comparable(rows[: too_large[0]])
    else:
        assert not message
        assert found == cells.comparable(rows)


@given(st.integers(1, 3000), st.integers(400, 60_000))
def test_full_events_are_nearly_full(count, max_bytes):
    molecules = atomwire.Molecules(range(count), numeric_value=1.5)
    encoder = Encoder("acme")
    events = list(encoder.split(molecules, max_bytes))
    assert sum(atomwire.peek_molecule_count(buf) for buf in events) == count
    # Records are of one size: no more events than if each were filled to two thirds.
    assert len(events) <= 1 + 1.5 * len(encoder.molecules(molecules)) / (max_bytes - 250)
