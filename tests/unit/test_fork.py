"""Forks: the child has a bus of its own, and the parent's goes on as if nothing had happened."""

import multiprocessing
import os
import sys
import threading
from collections import Counter

import pytest

from atomwire import decode
from atomwire.bus import BusStats, EventBus
from tests.support.bus import PATIENCE, TOPIC, by_tenant, event, eventually, nobody, read, read_all
from tests.support.programs import in_child

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")


@pytest.mark.parametrize("spooling", [False, True])
def test_a_child_has_a_bus_of_its_own(embedded_broker, tmp_path, spooling):
    options = {"spool_dir": tmp_path} if spooling else {}
    with EventBus(embedded_broker.bootstrap_servers, TOPIC, linger_ms=60_000, **options) as bus:
        bus.publish(event("parent"))
        bus.write("gathered", 1, 1.0)
        bus.write("gathered", 2, 1.0)

        def publish() -> None:
            bus.publish(event("child"))
            bus.write("child", 1, 1.0)
            assert bus.flush(PATIENCE) == 0
            assert bus.stats() == BusStats(accepted=2, delivered=2, failed=0, queued=0)
            bus.close()

        assert in_child(publish) == 0
        assert bus.flush(PATIENCE) == 0
        assert bus.stats().delivered == 3
    keys = sorted(message.key() for message in read(embedded_broker, 5))
    assert keys == [b"child", b"child", b"gathered", b"gathered", b"parent"]
    assert list(tmp_path.iterdir()) == []


def test_a_child_that_uses_nothing_starts_nothing(embedded_broker):
    with EventBus(embedded_broker.bootstrap_servers, TOPIC) as bus:
        bus.publish(event())

        def look() -> None:
            assert len(os.listdir("/proc/self/task")) == 1

        if sys.platform == "linux":
            assert in_child(look) == 0
    read(embedded_broker, 1)


def test_a_child_of_multiprocessing_delivers_at_its_end(embedded_broker):
    with EventBus(embedded_broker.bootstrap_servers, TOPIC, linger_ms=1_000) as bus:
        context = multiprocessing.get_context("fork")
        child = context.Process(target=lambda: bus.publish(event("child")))
        child.start()
        child.join(PATIENCE)
        assert child.exitcode == 0
    assert [message.key() for message in read(embedded_broker, 1)] == [b"child"]


def test_a_closed_bus_stays_closed_in_a_child(embedded_broker):
    bus = EventBus(embedded_broker.bootstrap_servers, TOPIC)
    bus.close()

    def use() -> None:
        with pytest.raises(Exception, match="is closed"):
            bus.publish(event())

    assert in_child(use) == 0


def test_a_child_of_a_child_has_one_too(embedded_broker):
    with EventBus(embedded_broker.bootstrap_servers, TOPIC) as bus:

        def publish() -> None:
            bus.publish(event())
            assert bus.flush(PATIENCE) == 0

        def fork_again() -> None:
            assert in_child(publish) == 0

        assert in_child(fork_again) == 0
        assert in_child(bus.close) == 0
        assert bus.stats() == BusStats(accepted=0, delivered=0, failed=0, queued=0)
    read(embedded_broker, 1)


MODES = ["plain", "spool", "durable"]


def options_of(mode: str, directory) -> dict[str, object]:
    return {} if mode == "plain" else {"spool_dir": directory, "durable": mode == "durable"}


def in_threads(count: int, function) -> None:
    threads = [threading.Thread(target=function, args=(number,)) for number in range(count)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(PATIENCE)
        assert not each.is_alive()


@pytest.mark.parametrize("mode", MODES)
def test_four_threads_of_the_child_use_the_bus_first(embedded_broker, tmp_path, mode):
    address = embedded_broker.bootstrap_servers
    with EventBus(address, TOPIC, linger_ms=0, **options_of(mode, tmp_path)) as bus:
        bus.publish(event("parent"))
        assert bus.flush(PATIENCE) == 0

        def use_it() -> None:
            gate = threading.Barrier(4)

            def write(thread: int) -> None:
                gate.wait(PATIENCE)
                for number in range(200):
                    bus.write(f"thread{thread}", number + 1, float(number))

            in_threads(4, write)
            assert bus.flush(PATIENCE) == 0
            stats = bus.stats()
            assert stats.accepted == stats.delivered == 800, stats
            bus.close()

        assert in_child(use_it) == 0
        assert bus.stats().delivered == 1
    arrived = by_tenant(read(embedded_broker, 801))
    for thread in range(4):
        values = [decode(each).molecules.numeric_value[0] for each in arrived[f"thread{thread}"]]
        assert values == list(range(200))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", MODES)
def test_forks_while_other_threads_publish(embedded_broker, tmp_path, mode):
    """A child of each moment publishes, and so does a child of it; the parent loses nothing."""
    rounds = 4
    published = Counter()
    address = embedded_broker.bootstrap_servers
    with EventBus(address, TOPIC, linger_ms=1, **options_of(mode, tmp_path)) as bus:
        ended = threading.Event()

        def publish(thread: int) -> None:
            tenant = f"parent{thread}"
            while not ended.is_set():
                published[tenant] += 1
                bus.publish(event(tenant, published[tenant]))
                bus.write(f"cells{thread}", 1, 1.0)

        def grandchild() -> None:
            bus.publish(event("grandchild"))
            assert bus.flush(PATIENCE) == 0
            assert bus.stats().delivered == 1
            bus.close()

        def child() -> None:
            bus.publish(event("child"))
            assert in_child(grandchild) == 0
            bus.close()
            assert bus.stats().delivered == 1

        threads = [threading.Thread(target=publish, args=(number,)) for number in range(3)]
        for each in threads:
            each.start()
        try:
            codes = [in_child(child) for _ in range(rounds)]
        finally:
            ended.set()
            for each in threads:
                each.join()
        assert codes == [0] * rounds
        assert bus.flush(PATIENCE) == 0
    arrived = by_tenant(read_all(embedded_broker))
    assert len(arrived["child"]) == len(arrived["grandchild"]) == rounds
    for tenant, count in published.items():
        values = [decode(each).molecules.numeric_value[0] for each in arrived[tenant]]
        assert values == list(range(1, count + 1))
    assert list(tmp_path.iterdir()) == []


def test_a_bus_that_another_thread_is_closing_is_closed_in_the_child(tmp_path):
    with nobody() as address:
        bus = EventBus(address, TOPIC, spool_dir=tmp_path)
        bus.publish(event())
        closing = threading.Thread(target=bus.close, args=(2.0,))
        closing.start()
        assert eventually(lambda: "closed" in repr(bus))

        def use() -> None:
            with pytest.raises(Exception, match="is closed"):
                bus.publish(event())
            bus.close()

        assert in_child(use) == 0
        closing.join(PATIENCE)
        assert bus.stats().spooled == 1


# ---- SQLite has locks of its own, which a child would find held for ever.


@pytest.fixture
def at_the_disk(embedded_broker, tmp_path, monkeypatch):
    """A bus whose thread is in the middle of a commit, and what lets it go on."""
    came, go_on = threading.Event(), threading.Event()
    with EventBus(
        embedded_broker.bootstrap_servers, TOPIC, **options_of("durable", tmp_path)
    ) as bus:
        commit = bus._outbox._spool.commit

        def slow(*args: object, **named: object) -> list[int]:
            came.set()
            assert go_on.wait(PATIENCE)
            return commit(*args, **named)

        monkeypatch.setattr(bus._outbox._spool, "commit", slow)
        publisher = threading.Thread(target=bus.publish, args=(event("parent"),))
        publisher.start()
        assert came.wait(PATIENCE)
        yield go_on
        go_on.set()
        publisher.join(PATIENCE)
        assert bus.flush(PATIENCE) == 0
        assert bus.stats().delivered == 1


def test_a_fork_waits_for_the_disk(at_the_disk):
    later = threading.Timer(0.3, at_the_disk.set)
    later.start()

    def look() -> None:
        assert at_the_disk.is_set()

    assert in_child(look) == 0
    later.join()


def test_a_fork_does_not_wait_for_ever(at_the_disk, monkeypatch):
    monkeypatch.setattr("atomwire.bus.publish.outbox._HOLD_SECONDS", 0.1)
    assert in_child(lambda: None) == 0
    assert not at_the_disk.is_set()
