"""The spool: nothing lost and no tenant reordered, whatever happens to broker, process or disk."""

import signal
import subprocess
import sys
import textwrap
import threading

import pytest

from atomwire.bus import BusStats, DeliveryError, EventBus, SettingsError, SpoolError
from atomwire.bus.publish.spool import Spool
from atomwire.testing import EmbeddedBroker
from tests.support.bus import PATIENCE, TOPIC, by_tenant, event, eventually, nobody, read

ROOM = 2**30


@pytest.fixture
def away():
    with nobody() as address:
        yield address


def files(directory) -> list[str]:
    return sorted(each.name for each in directory.iterdir())


# ---- The place


def test_a_place_that_cannot_be_used_is_named(tmp_path):
    taken = tmp_path / "file"
    taken.write_text("")
    with pytest.raises(SpoolError, match="spool_dir="):
        EventBus("127.0.0.1:1", TOPIC, spool_dir=taken)


def test_a_bus_that_cannot_start_gives_its_spool_back(tmp_path):
    with pytest.raises(SettingsError):
        EventBus("127.0.0.1:1", TOPIC, spool_dir=tmp_path, librdkafka={"no.such": 1})
    assert files(tmp_path) == []


# ---- The broker is away, and comes back


def test_what_waits_is_delivered_by_the_next_bus_in_order(away, embedded_broker, tmp_path):
    published = {tenant: [event(tenant, n) for n in range(300)] for tenant in ("a", "b", "c")}
    turns = [each for group in zip(*published.values(), strict=True) for each in group]
    bus = EventBus(away, TOPIC, queue_size=50, spool_dir=tmp_path)
    for each in turns[:600]:
        bus.publish(each)
    bus.close(timeout=0)
    assert bus.stats() == BusStats(accepted=600, delivered=0, failed=0, queued=0, spooled=600)
    with EventBus(embedded_broker.bootstrap_servers, TOPIC, spool_dir=tmp_path) as bus:
        bus.publish_many(turns[600:])
        assert bus.flush(PATIENCE) == 0
        assert bus.stats() == BusStats(accepted=900, delivered=900, failed=0, queued=0)
        bus.publish(event("d"))
    assert files(tmp_path) == []
    arrived = by_tenant(read(embedded_broker, 901))
    assert {tenant: arrived[tenant] for tenant in published} == published


def test_headers_and_time_survive_the_disk(away, embedded_broker, tmp_path):
    bus = EventBus(away, TOPIC, queue_size=1, spool_dir=tmp_path)
    for n in range(3):
        bus.publish(event(number=n, timestamp=1_700_000_000_123_000_000), headers={"raw": b"\xff"})
    bus.close(timeout=0)
    with EventBus(embedded_broker.bootstrap_servers, TOPIC, spool_dir=tmp_path):
        pass
    for message in read(embedded_broker, 3):
        assert message.headers() == [("raw", b"\xff")]
        assert message.timestamp()[1] == 1_700_000_000_123


def test_a_tiny_queue_loses_and_reorders_nothing(embedded_broker, tmp_path):
    """The queue runs full all the time, so events go both ways, in turns."""
    published = {f"tenant-{n}": [event(f"tenant-{n}", i) for i in range(1_000)] for n in range(4)}
    address = embedded_broker.bootstrap_servers
    with EventBus(address, TOPIC, queue_size=7, linger_ms=0, spool_dir=tmp_path) as bus:

        def publish(events: list[bytes]) -> None:
            for each in events:
                bus.publish(each)

        threads = [threading.Thread(target=publish, args=(each,)) for each in published.values()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert bus.flush(PATIENCE) == 0
    assert bus.stats() == BusStats(accepted=4_000, delivered=4_000, failed=0, queued=0)
    assert by_tenant(read(embedded_broker, 4_000)) == published
    assert files(tmp_path) == []


def test_close_warns_of_what_waits(away, tmp_path, caplog):
    bus = EventBus(away, TOPIC, spool_dir=tmp_path)
    bus.publish_many([event(), event()])
    bus.close(timeout=0)
    assert any("2 events for topic 'cells'" in line for line in caplog.messages)


def test_a_failed_delivery_is_tried_again(away, tmp_path):
    bus = EventBus(away, TOPIC, spool_dir=tmp_path, librdkafka={"message.timeout.ms": 50})
    bus.publish_many([event(number=n) for n in range(5)])
    assert eventually(lambda: bus.stats().spooled == 5)
    assert bus.stats().failed == 0
    bus.close(timeout=0)
    spool = Spool(tmp_path, TOPIC, ROOM)
    assert spool.count() == 5
    spool.close()


# ---- The disk is full


def test_a_full_disk_is_told_and_loses_nothing(away, tmp_path, caplog):
    bus = EventBus(away, TOPIC, queue_size=10, spool_dir=tmp_path, spool_bytes=100_000)
    events = [event(number=n) for n in range(1_000)]
    bus.publish_many(events)
    assert eventually(lambda: bus._outbox.error is not None)
    assert not bus.healthy()
    assert bus.stats().accepted == 1_000
    assert eventually(lambda: any("full" in line for line in caplog.messages))
    with pytest.raises(DeliveryError, match="full") as caught:
        bus.close(timeout=0)
    stats = bus.stats()
    assert stats.failed == caught.value.undelivered
    assert stats.accepted == stats.failed + stats.spooled == 1_000
    spool = Spool(tmp_path, TOPIC, ROOM)
    assert spool.count() == stats.spooled
    spool.close()


def test_durable_refuses_what_the_disk_cannot_take(away, tmp_path):
    bus = EventBus(away, TOPIC, durable=True, spool_dir=tmp_path, spool_bytes=100_000)

    def publish_until_full() -> None:
        for n in range(10_000):
            bus.publish(event(number=n))

    with pytest.raises(SpoolError, match="full") as caught:
        publish_until_full()
    assert caught.value.accepted == 0
    accepted = bus.stats().accepted
    with pytest.raises(SpoolError):
        bus.publish_many(event(number=n) for n in range(10_000))
    assert bus.stats().accepted == accepted
    bus.close(timeout=0)
    assert bus.stats() == BusStats(accepted, delivered=0, failed=0, queued=0, spooled=accepted)


# ---- Durable


def test_durable_keeps_an_event_until_it_is_acknowledged(embedded_broker, tmp_path):
    published = [event(number=n) for n in range(500)]
    with EventBus(
        embedded_broker.bootstrap_servers, TOPIC, durable=True, spool_dir=tmp_path
    ) as bus:
        for each in published[:250]:
            bus.publish(each)
        bus.publish_many(published[250:])
        assert bus.flush(PATIENCE) == 0
        assert eventually(lambda: bus._outbox._spool.count() == 0)
    assert bus.stats() == BusStats(accepted=500, delivered=500, failed=0, queued=0)
    assert by_tenant(read(embedded_broker, 500)) == {"acme": published}
    assert files(tmp_path) == []


KILLED = """
    import sys
    from atomwire import Molecules, encode
    from atomwire.bus import EventBus
    bus = EventBus(sys.argv[1], "cells", durable=True, spool_dir=sys.argv[2], queue_size=20)
    for n in range(100):
        bus.publish(encode("acme", Molecules([n]), event_id=f"00000000-0000-7000-8000-{n:012}"))
        print(n, flush=True)
    sys.stdin.read()
"""


def test_a_killed_process_has_lost_nothing(away, embedded_broker, tmp_path):
    command = [sys.executable, "-c", textwrap.dedent(KILLED), away, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        for _ in range(100):
            assert process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    with EventBus(embedded_broker.bootstrap_servers, TOPIC, spool_dir=tmp_path) as bus:
        assert bus.flush(PATIENCE) == 0
    assert bus.stats() == BusStats(accepted=100, delivered=100, failed=0, queued=0)
    arrived = [message.value() for message in read(embedded_broker, 100)]
    assert [int(each.split(b"8000-")[1][:12]) for each in arrived] == list(range(100))


class SilentSession:
    """A producer that never says what became of its events."""

    def __init__(self, session) -> None:
        self._session = session

    def __getattr__(self, name):
        return getattr(self._session, name)

    def drain(self, *_: float) -> bool:
        return False


def test_what_was_never_reported_is_left_on_the_disk(tmp_path):
    with EmbeddedBroker() as broker:
        bus = EventBus(broker.bootstrap_servers, TOPIC, spool_dir=tmp_path, durable=True)
        assert eventually(bus.healthy)
    future = bus.submit(event())
    assert eventually(lambda: bus.stats().queued == 1)
    bus._recovery._session = SilentSession(bus._recovery._session)
    bus.close(0)
    assert "never reported" in str(future.exception(0))
    stats = bus.stats()
    assert (stats.accepted, stats.failed, stats.spooled) == (1, 0, 1)
    with (
        EmbeddedBroker() as broker,
        EventBus(broker.bootstrap_servers, TOPIC, spool_dir=tmp_path) as bus,
    ):
        assert bus.stats().accepted == 1
        assert bus.flush(PATIENCE) == 0
        read(broker, 1)
