"""Every truncation and every one-byte change of every golden buffer."""

import pytest
from support import cells, golden, official
from support.exercise import exercise

SMALL = 260  # bytes up to which every value of every byte is tried


def same_as_official(buf, event):
    """Compare what was decoded with what the official reader makes of the same bytes."""
    expected = official.read(bytes(buf))
    assert event.tenant_id == expected.tenant_id
    assert event.event_id == expected.event_id
    assert event.region == expected.region
    assert event.timestamp == (expected.timestamp or 0)
    assert event.type == (expected.type or 0)
    assert cells.comparable(event.molecules) == cells.comparable(expected.molecules or ())


@pytest.mark.parametrize(("name", "writer"), golden.ALL)
def test_every_truncation(name, writer):
    buf = golden.golden(name, writer)
    for size in range(len(buf)):
        event = exercise(buf[:size])
        if event is not None:  # only padding was cut off
            same_as_official(buf[:size], event)


@pytest.mark.parametrize(("name", "writer"), golden.ALL)
def test_every_one_byte_change(name, writer):
    buf = golden.golden(name, writer)
    accepted = 0
    for at, byte in enumerate(buf):
        for value in {0, 0xFF, byte ^ 0x80, byte ^ 1, (byte + 1) & 0xFF, (byte + 4) & 0xFF}:
            changed = bytearray(buf)
            changed[at] = value
            event = exercise(changed)
            if event is not None:
                accepted += 1
                same_as_official(changed, event)
    assert accepted > 0


@pytest.mark.parametrize(
    ("name", "writer"),
    [each for each in golden.ALL if each[1] in ("official", "atomwire")],
)
def test_every_value_of_every_byte(name, writer):
    buf = golden.golden(name, writer)
    if len(buf) > SMALL:
        return
    for at in range(len(buf)):
        changed = bytearray(buf)
        for value in range(256):
            changed[at] = value
            exercise(changed)


def test_most_golden_buffers_are_small_enough_for_every_value():
    small = [name for name in golden.EVENTS if len(golden.golden(name, "official")) <= SMALL]
    assert len(small) >= 6
