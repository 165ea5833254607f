"""Single cells: at once after a quiet spell, gathered while more come, never out of order."""

import datetime as dt
import threading
from itertools import pairwise

import numpy as np
import pytest

from atomwire import (
    CellError,
    Encoder,
    EventType,
    Molecules,
    decode,
    encode,
    peek_event_id,
    verify,
)
from atomwire.bus import BusClosedError, BusStats, EventBus, EventTooLargeError
from tests.support.bus import PATIENCE, TOPIC, event, eventually, read

# Cells wait until something else sends them.
FOREVER_MS = PATIENCE * 1_000


@pytest.fixture
def bus(embedded_broker):
    bus = EventBus(embedded_broker.bootstrap_servers, TOPIC, linger_ms=FOREVER_MS)
    yield bus
    bus.close(PATIENCE)


def events(broker, count):
    messages = read(broker, count)
    for message in messages:
        verify(message.value())
    return [decode(message.value()) for message in messages]


def test_ids_of_the_bus_and_of_the_codec_come_from_one_clock(embedded_broker):
    ids = []
    with EventBus(embedded_broker.bootstrap_servers, TOPIC, linger_ms=0) as bus:
        for number in range(1_000):
            ids.append(peek_event_id(encode("acme", type=EventType.HEARTBEAT)))
            bus.write("acme", number, float(number))
    written = [each.event_id for each in events(embedded_broker, 1_000)]
    both = [each for pair in zip(ids, written, strict=True) for each in pair]
    assert all(before < after for before, after in pairwise(both))


def hashes(broker, count) -> list[list[int]]:
    return [[cell.coordinate_hash for cell in each.molecules] for each in events(broker, count)]


def test_the_first_cell_goes_at_once_and_others_are_gathered(bus, embedded_broker):
    for number in range(5):
        bus.write("acme", number, float(number))
    assert (bus.stats().accepted, bus.stats().gathering) == (1, 4)
    assert bus.flush(PATIENCE) == 0
    assert hashes(embedded_broker, 2) == [[0], [1, 2, 3, 4]]
    assert bus.stats() == BusStats(accepted=2, delivered=2, failed=0, queued=0)


def test_gathered_cells_go_after_the_linger(embedded_broker):
    with EventBus(embedded_broker.bootstrap_servers, TOPIC, linger_ms=5) as bus:
        for round_ in range(3):
            for number in range(100):
                bus.write("acme", 100 * round_ + number, 1.0)
            assert eventually(lambda: bus.stats().gathering == 0)
        accepted = bus.stats().accepted
    arrived = [each for part in hashes(embedded_broker, accepted) for each in part]
    assert arrived == list(range(300))


def test_without_linger_every_cell_goes_at_once(embedded_broker):
    with EventBus(embedded_broker.bootstrap_servers, TOPIC, profile="interactive") as bus:
        for number in range(10):
            bus.write("acme", number, 1.0)
        assert bus.stats().accepted == 10
    assert hashes(embedded_broker, 10) == [[number] for number in range(10)]


VALUES = [
    (1.5, "numeric_value", 1.5),
    (float("inf"), "numeric_value", float("inf")),
    (7, "numeric_value", 7.0),
    (np.float32(0.5), "numeric_value", 0.5),
    (np.int64(-3), "numeric_value", -3.0),
    (True, "boolean_value", True),
    (np.bool_(False), "boolean_value", False),
    ("text", "text_commentary", "text"),
    ("", "text_commentary", ""),
    ("🙂 ä", "text_commentary", "🙂 ä"),
    (CellError("#DIV/0!"), "error_value", CellError("#DIV/0!")),
    (dt.date(1970, 1, 2), "date_value", 86_400_000_000_000),
    (dt.datetime(1970, 1, 1, tzinfo=dt.UTC), "date_value", 0),
    (np.datetime64(5, "ns"), "date_value", 5),
    (None, None, None),
]


@pytest.mark.parametrize("rounds", [1, 3])
def test_every_kind_of_value_in_one_event(bus, embedded_broker, rounds):
    written = VALUES * rounds
    bus.write("acme", 0, 0.0)
    for number, (value, _, _) in enumerate(written):
        stamps = {"timestamp": number, "security_mask": 2**64 - 1} if number % 2 else {}
        bus.write("acme", number, value, **stamps)
    bus.flush(PATIENCE)
    cells = list(events(embedded_broker, 2)[1].molecules)
    assert len(cells) == len(written)
    fields = {field for _, field, _ in VALUES if field}
    for number, (cell, (_, field, wanted)) in enumerate(zip(cells, written, strict=True)):
        assert cell.coordinate_hash == number
        for each in fields:
            assert getattr(cell, each) == (wanted if each == field else None)
        assert cell.timestamp == (number if number % 2 else None)
        assert cell.security_mask == (2**64 - 1 if number % 2 else None)


@pytest.mark.parametrize(
    "hash_", [2**128 - 1, np.uint64(9), b"\x01" * 16, bytearray(16), np.zeros(2, np.uint64)]
)
def test_every_kind_of_hash(bus, embedded_broker, hash_):
    bus.write("acme", hash_, 1.0)
    bus.flush(PATIENCE)
    wanted = int(hash_) if isinstance(hash_, int | np.integer) else bytes(hash_)
    if isinstance(wanted, bytes):
        wanted = int.from_bytes(wanted, "little")
    assert hashes(embedded_broker, 1) == [[wanted]]


@pytest.mark.parametrize(
    "cell",
    [
        (-1, 1.0),
        (2**128, 1.0),
        ("hash", 1.0),
        (b"short", 1.0),
        (1, object()),
        (1, 10**400),
        (1, np.timedelta64(1, "s")),
        (1, b"bytes"),
        (1, "\ud800"),
        (1, dt.date(3000, 1, 1)),
        (1, 1.0, {"timestamp": "now"}),
        (1, 1.0, {"security_mask": -1}),
        (1, 1.0, {"security_mask": 2**64}),
        (1, 1.0, {"security_mask": True}),
        (1, 1.0, {"security_mask": 1.5}),
    ],
)
def test_a_bad_cell_is_refused_in_the_codecs_words(bus, cell):
    hash_, value, options = (*cell, {})[:3]
    with pytest.raises((TypeError, ValueError)) as wanted:
        Encoder("acme").cell(hash_, value, **options)
    bus.write("acme", 1, 1.0)
    with pytest.raises(type(wanted.value)) as caught:
        bus.write("acme", hash_, value, **options)
    assert str(caught.value) == str(wanted.value)
    assert bus.stats().gathering == 0


@pytest.mark.parametrize("tenant_id", ["", None, 3])
def test_a_bad_tenant_is_refused(bus, tenant_id):
    with pytest.raises((TypeError, ValueError), match="tenant_id"):
        bus.write(tenant_id, 1, 1.0)


def test_cells_events_and_molecules_keep_the_order_of_the_calls(bus, embedded_broker):
    bus.write("acme", 0, 1.0)
    bus.write("acme", 1, 1.0)
    bus.write("other", 100, 1.0)
    bus.write("other", 101, 1.0)
    bus.publish(event("acme", 2))
    bus.write("acme", 3, 1.0)
    bus.write_molecules("acme", Molecules([4, 5]))
    bus.write("acme", 6, 1.0)
    bus.publish_many([event("acme", 7), event("acme", 8)])
    bus.write("acme", 9, 1.0)
    bus.submit(event("acme", 10))
    assert bus.stats().gathering == 1
    bus.flush(PATIENCE)
    arrived = events(embedded_broker, 12)
    mine = [
        cell.coordinate_hash
        for each in arrived
        if each.tenant_id == "acme"
        for cell in each.molecules
    ]
    assert mine == list(range(11))


def test_user_and_region_part_events(bus, embedded_broker):
    for number, who in enumerate([{}, {}, {"user_id": "u"}, {"user_id": "u"}, {"region": "EMEA"}]):
        bus.write("acme", number, 1.0, **who)
    bus.flush(PATIENCE)
    arrived = events(embedded_broker, 4)
    assert [(each.user_id, each.region) for each in arrived] == [
        (None, None),
        (None, None),
        ("u", None),
        (None, "EMEA"),
    ]


def test_many_cells_become_events_of_bounded_size(bus, embedded_broker):
    for number in range(20_000):
        bus.write("acme", number, float(number))
    bus.flush(PATIENCE)
    count = bus.stats().accepted
    messages = read(embedded_broker, count)
    assert max(len(message.value()) for message in messages) <= 65_536
    assert count < 30
    arrived = [cell.coordinate_hash for each in messages for cell in decode(each.value()).molecules]
    assert arrived == list(range(20_000))


def test_a_long_text_goes_and_one_too_long_is_refused(bus, embedded_broker):
    bus.write("acme", 0, 1.0)
    bus.write("acme", 1, 1.0)
    with pytest.raises(EventTooLargeError, match="max_event_bytes"):
        bus.write("acme", 2, "x" * 1_000_000)
    bus.write("acme", 3, "y" * 500_000)
    bus.write("acme", 4, 1.0)
    bus.flush(PATIENCE)
    arrived = [each for part in hashes(embedded_broker, bus.stats().accepted) for each in part]
    assert arrived == [0, 1, 3, 4]


def test_threads_share_the_gathering(embedded_broker):
    tenants = [f"tenant-{n}" for n in range(4)]
    with EventBus(embedded_broker.bootstrap_servers, TOPIC, linger_ms=1) as bus:

        def write(tenant_id: str) -> None:
            for number in range(5_000):
                bus.write(tenant_id, number, 1.0)

        threads = [threading.Thread(target=write, args=(each,)) for each in tenants]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        bus.flush(PATIENCE)
        accepted = bus.stats().accepted
    arrived = {each: [] for each in tenants}
    for each in events(embedded_broker, accepted):
        arrived[each.tenant_id] += [cell.coordinate_hash for cell in each.molecules]
    assert all(cells == list(range(5_000)) for cells in arrived.values())


def test_close_sends_what_was_gathered(embedded_broker):
    bus = EventBus(embedded_broker.bootstrap_servers, TOPIC, linger_ms=FOREVER_MS)
    for number in range(10):
        bus.write("acme", number, 1.0)
    bus.close(PATIENCE)
    assert hashes(embedded_broker, 2) == [[0], list(range(1, 10))]
    with pytest.raises(BusClosedError):
        bus.write("acme", 1, 1.0)


def test_gathered_events_carry_the_type_header(embedded_broker):
    address = embedded_broker.bootstrap_servers
    with EventBus(address, TOPIC, headers=True, linger_ms=FOREVER_MS) as bus:
        bus.write("acme", 1, 1.0)
        bus.write("acme", 2, 1.0)
    assert [each.headers() for each in read(embedded_broker, 2)] == [[("type", b"1")]] * 2


def test_molecules_are_split_to_the_limit(embedded_broker):
    count = 5_000
    values = np.arange(count, dtype=np.float64)
    keys = np.stack([np.arange(count, dtype=np.uint64)] * 2, axis=1)
    with EventBus(embedded_broker.bootstrap_servers, TOPIC, max_event_bytes=20_000) as bus:
        bus.write_molecules("acme", Molecules(keys, values), user_id="u", region="EMEA")
        bus.write_molecules("acme", Molecules([]))
        assert bus.flush(PATIENCE) == 0
    arrived = events(embedded_broker, bus.stats().accepted)
    assert len(arrived) > 5
    assert {(each.user_id, each.region) for each in arrived} == {("u", "EMEA")}
    assert np.concatenate([each.molecules.numeric_value for each in arrived]).tolist() == list(
        values
    )
