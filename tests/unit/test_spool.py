"""The spool: nothing lost and no tenant reordered, whatever happens to broker, process or disk."""

import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading

import pytest

from atomwire.bus import BusStats, DeliveryError, EventBus, SettingsError, SpoolError
from atomwire.bus.publish.spool import Spool
from tests.support.bus import PATIENCE, TOPIC, by_tenant, event, eventually, nobody, read

ROOM = 2**30


@pytest.fixture
def away():
    with nobody() as address:
        yield address


def row(number: int, tenant_id: str = "acme", headers: object = None) -> tuple[object, ...]:
    return number, tenant_id, event(tenant_id, number), 1_700_000_000_000 + number, headers


def files(directory) -> list[str]:
    return sorted(each.name for each in directory.iterdir())


# ---- The file


def test_rows_come_back_in_order_and_whole(tmp_path):
    spool = Spool(tmp_path, TOPIC, ROOM)
    rows = [row(3, headers=[("a", b"\x00\xff"), ("a", b"")]), row(1), row(2, "tenant-ä")]
    spool.append(rows)
    assert spool.read(0, 10) == [rows[1], rows[2], rows[0]]
    assert spool.read(1, 1) == [rows[2]]
    assert (spool.count(), spool.last_number()) == (3, 3)
    assert spool.tenants() == {"acme": 2, "tenant-ä": 1}
    spool.close()


def test_a_row_that_is_there_stays_as_it_is(tmp_path):
    spool = Spool(tmp_path, TOPIC, ROOM)
    spool.append([row(1)])
    spool.append([row(1, "other"), row(2)])
    assert spool.read(0, 10) == [row(1)[:2] + spool.read(0, 1)[0][2:], spool.read(1, 1)[0]]
    assert spool.tenants() == {"acme": 2}
    spool.close()


def test_an_empty_spool_leaves_nothing_behind(tmp_path):
    spool = Spool(tmp_path, TOPIC, ROOM)
    spool.append([row(1)])
    spool.delete([1])
    spool.close()
    assert files(tmp_path) == []


def test_the_next_one_adopts_what_is_left_behind(tmp_path):
    first, second = (Spool(tmp_path, TOPIC, ROOM) for _ in range(2))
    assert first.path != second.path
    first.append([row(1, "a"), row(2, "a")])
    second.append([row(1, "b"), row(2, "b")])
    first.close()
    second.close()
    third = Spool(tmp_path, TOPIC, ROOM)
    assert third.tenants() == {"a": 2, "b": 2}
    events = [each[2] for each in third.read(0, 10)]
    assert [each[0] for each in third.read(0, 10)] == [1, 2, 3, 4]
    assert len(set(events)) == 4
    assert len([name for name in files(tmp_path) if name.endswith(".spool")]) == 1
    third.close()


def test_what_another_has_open_is_left_alone(tmp_path):
    first = Spool(tmp_path, TOPIC, ROOM)
    first.append([row(1)])
    second = Spool(tmp_path, TOPIC, ROOM)
    assert second.count() == 0
    first.append([row(2)])
    assert first.count() == 2
    first.close()
    second.close()


@pytest.mark.parametrize("other", ["cell", "cells.x", "cells2", "ce/lls"])
def test_another_topics_events_are_left_alone(tmp_path, other):
    spool = Spool(tmp_path, other, ROOM)
    spool.append([row(1)])
    spool.close()
    mine = Spool(tmp_path, TOPIC, ROOM)
    assert mine.count() == 0
    mine.close()
    again = Spool(tmp_path, other, ROOM)
    assert again.count() == 1
    again.close()


def test_a_damaged_file_is_set_apart(tmp_path, caplog):
    spool = Spool(tmp_path, TOPIC, ROOM)
    spool.append([row(1)])
    path = spool.path
    spool.close()
    path.write_bytes(b"this is no database" * 1_000)
    again = Spool(tmp_path, TOPIC, ROOM)
    assert again.count() == 0
    assert (tmp_path / (path.name + ".damaged")).exists()
    assert "set apart" in caplog.text
    again.close()


def test_a_full_spool_takes_all_rows_or_none(tmp_path):
    spool = Spool(tmp_path, TOPIC, 100_000)
    spool.append([row(1)])
    with pytest.raises(SpoolError, match="full"):
        spool.append([row(number) for number in range(2, 2_000)])
    assert spool.count() == 1
    spool.delete([1])
    spool.append([row(2)])
    assert spool.count() == 1
    spool.close()


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
        assert eventually(lambda: not bus._lane.diverted)
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
    assert eventually(lambda: bus._keeper.spool_error is not None)
    assert not bus.healthy()
    assert bus.stats().accepted == 1_000
    assert any("full" in line for line in caplog.messages)
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
        assert eventually(lambda: bus._keeper._spool.count() == 0)
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


def test_a_lock_ends_with_the_process(tmp_path):
    def leave_behind() -> None:
        spool = Spool(tmp_path, TOPIC, ROOM)
        spool.append([row(1)])
        os.kill(os.getpid(), signal.SIGKILL)

    process = multiprocessing.get_context("fork").Process(target=leave_behind)
    process.start()
    process.join(PATIENCE)
    spool = Spool(tmp_path, TOPIC, ROOM)
    assert spool.count() == 1
    spool.close()


def test_the_file_is_a_database_that_anyone_can_read(tmp_path):
    spool = Spool(tmp_path, TOPIC, ROOM)
    spool.append([row(1)])
    path = spool.path
    spool.close()
    with sqlite3.connect(path) as database:
        [(tenant_id, value)] = database.execute("SELECT tenant_id, event FROM events")
    database.close()
    assert tenant_id == "acme"
    assert len(value) == len(event())
