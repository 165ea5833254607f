"""A full queue: what each policy does, and that the counts tell it."""

import sys
import threading
import time

import pytest

from atomwire import Encoder, Molecules
from atomwire.bus import BusFullError, BusStats, DeliveryError, EventBus
from tests.support.bus import PATIENCE, TOPIC, by_tenant, event, eventually, nobody, read


@pytest.fixture
def away():
    with nobody() as address:
        yield address


def close_in_vain(bus: EventBus) -> None:
    with pytest.raises(DeliveryError):
        bus.close(timeout=0)


def test_drop_counts_what_it_drops(away):
    bus = EventBus(away, TOPIC, queue_size=10, on_full="drop")
    bus.publish_many(event(number=n) for n in range(15))
    bus.publish(event())
    assert bus.stats() == BusStats(accepted=10, delivered=0, failed=0, queued=10, dropped=6)
    with pytest.raises(BusFullError):
        bus.submit(event())
    close_in_vain(bus)


def test_drop_drops_gathered_cells_as_one_event(away):
    bus = EventBus(away, TOPIC, queue_size=2, on_full="drop", linger_ms=300)
    bus.write("acme", 1, 1.0)
    bus.write("acme", 2, 2.0)
    bus.write("acme", 3, 3.0)
    bus.publish(event("other"))
    assert eventually(lambda: bus.stats().gathering == 0)
    assert bus.stats() == BusStats(accepted=2, delivered=0, failed=0, queued=2, dropped=1)
    close_in_vain(bus)


def test_drop_drops_a_full_event_of_cells(away):
    bus = EventBus(away, TOPIC, queue_size=2, on_full="drop", linger_ms=PATIENCE * 1_000)
    bus.write("acme", 0, 1.0)
    bus.publish(event("other"))
    for number in range(2_000):
        bus.write("acme", number, 1.0)
    assert bus.stats().dropped == 1
    assert bus.stats().gathering < 1_000
    close_in_vain(bus)


def test_a_tenant_of_a_class_of_its_own_is_dropped_as_any_other(away):
    class Tenant(str):
        __slots__ = ()

    bus = EventBus(away, TOPIC, queue_size=1, on_full="drop", linger_ms=0)
    for number in range(2):
        bus.write(Tenant("acme"), number, 1.0)
    assert bus.stats() == BusStats(accepted=1, delivered=0, failed=0, queued=1, dropped=1)
    close_in_vain(bus)


def test_block_raises_after_its_bound(away):
    bus = EventBus(away, TOPIC, queue_size=1, on_full="block", block_seconds=0.05)
    bus.publish(event())
    with pytest.raises(BusFullError, match="queue_size=1"):
        bus.publish(event())
    assert bus.stats().accepted == 1
    close_in_vain(bus)


def test_block_waits_for_room(embedded_broker):
    published = [event(number=n) for n in range(2_000)]
    settings = {"queue_size": 10, "on_full": "block", "block_seconds": PATIENCE, "linger_ms": 0}
    with EventBus(embedded_broker.bootstrap_servers, TOPIC, **settings) as bus:
        for each in published[:1_000]:
            bus.publish(each)
        bus.publish_many(published[1_000:])
    assert by_tenant(read(embedded_broker, 2_000)) == {"acme": published}


def test_raise_keeps_what_was_gathered(away):
    bus = EventBus(away, TOPIC, queue_size=2, linger_ms=PATIENCE * 1_000)
    bus.write("acme", 1, 1.0)
    bus.write("acme", 2, 2.0)
    bus.publish(event("other"))
    # The cell that waits must go first, and there is no room for it.
    with pytest.raises(BusFullError):
        bus.publish(event("acme"))
    assert bus.stats().gathering == 1
    assert bus.stats().accepted == 2
    with pytest.raises(DeliveryError) as caught:
        bus.close(timeout=0)
    assert caught.value.by_tenant == {"acme": 2, "other": 1}


def test_write_molecules_says_how_far_it_came(away):
    cells = Molecules(list(range(100)))
    limit = len(Encoder("acme").molecules(cells[:30])) + 200
    bus = EventBus(away, TOPIC, queue_size=2, max_event_bytes=limit)
    with pytest.raises(BusFullError) as caught:
        bus.write_molecules("acme", cells)
    assert 0 < caught.value.accepted < 100
    assert bus.stats().accepted == 2
    close_in_vain(bus)


def test_room_comes_back_while_the_caller_does_not_pause(embedded_broker):
    with EventBus(embedded_broker.bootstrap_servers, TOPIC, queue_size=1_000) as bus:
        bus.publish(event())
        assert eventually(lambda: bus.stats().delivered == 1)
        interval = sys.getswitchinterval()
        sys.setswitchinterval(2 * PATIENCE)  # no other thread runs Python until we wait
        try:
            for _ in range(3):
                bus.publish_many([event(number=n) for n in range(1_000)])
                deadline = time.monotonic() + PATIENCE
                while bus.stats().queued and time.monotonic() < deadline:
                    pass
        finally:
            sys.setswitchinterval(interval)
        assert bus.stats() == BusStats(accepted=3_001, delivered=3_001, failed=0, queued=0)


def test_spool_takes_what_finds_no_room(away, tmp_path):
    bus = EventBus(away, TOPIC, queue_size=10, spool_dir=tmp_path)
    bus.publish_many(event(number=n) for n in range(500))
    stats = bus.stats()
    assert stats == BusStats(accepted=500, delivered=0, failed=0, queued=0, spooled=500)
    bus.close(timeout=0)
    assert bus.stats() == BusStats(accepted=500, delivered=0, failed=0, queued=0, spooled=500)


def test_the_caller_does_not_touch_the_disk(away, tmp_path, monkeypatch):
    bus = EventBus(away, TOPIC, queue_size=1, spool_dir=tmp_path)
    writers = set()
    spool = bus._outbox._spool
    commit = spool.commit

    def spy(**changes):
        writers.add(threading.current_thread().name)
        return commit(**changes)

    monkeypatch.setattr(spool, "commit", spy)
    for n in range(100):
        bus.publish(event(number=n))
    assert eventually(lambda: spool.count() == 100)
    assert writers == {"atomwire-outbox"}
    bus.close(timeout=0)
