"""Whatever happens, at every look: what was accepted is delivered, failed, queued or spooled."""

import threading
from contextlib import contextmanager, suppress

import pytest
from confluent_kafka import KafkaError

from atomwire.bus import BusError, DeliveryError, EventBus
from tests.support.bus import PATIENCE, TOPIC, event, eventually, nobody

TENANTS = [f"tenant-{n}" for n in range(5)]
MODES = {
    "raise": {"on_full": "raise", "queue_size": 500},
    "drop": {"on_full": "drop", "queue_size": 50},
    "block": {"on_full": "block", "queue_size": 50, "block_seconds": PATIENCE},
    "spool": {"queue_size": 300},
    "durable": {"durable": True, "queue_size": 300},
}


@pytest.fixture(params=MODES)
def settings(request, tmp_path):
    spool = {"spool_dir": tmp_path} if request.param in ("spool", "durable") else {}
    # Much lingers, so that a producer that fails has much to give back.
    return {**MODES[request.param], **spool, "linger_ms": 30, "batch_size": 10_000}


class Watcher:
    """Looks at the counts all the time, in two threads."""

    def __init__(self, bus):
        self._bus = bus
        self._done = threading.Event()
        self._threads = [threading.Thread(target=self._look) for _ in range(2)]
        self.wrong = []
        self.looks = 0

    def _look(self):
        before = self._bus.stats()
        while not self._done.is_set():
            now = self._bus.stats()
            parts = (now.delivered, now.failed, now.queued, now.spooled)
            grown = (
                now.accepted >= before.accepted
                and now.delivered >= before.delivered
                and now.failed >= before.failed
            )
            if now.accepted != sum(parts) or min(parts) < 0 or now.gathering < 0 or not grown:
                self.wrong.append((before, now))
            before = now
            self.looks += 1

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object):
        self._done.set()
        for thread in self._threads:
            thread.join()


@contextmanager
def work(bus):
    """Publish in every way from four threads, while the block runs; see that it was enough."""
    done = threading.Event()

    def run(number):
        while not done.is_set():
            for tenant in TENANTS:
                with suppress(BusError):
                    bus.publish(event(tenant, number))
                with suppress(BusError):
                    bus.write(tenant, number, 1.0)
                with suppress(BusError):
                    bus.submit(event(tenant, number))
            with suppress(BusError):
                bus.publish_many([event(tenant, number) for tenant in TENANTS] * 5)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        done.set()
        for thread in threads:
            thread.join()


def fail(bus):
    session = bus._recovery._session
    if session is not None:
        session.provoke_fatal_error(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, "sequence lost")
        eventually(lambda: bus._recovery._session not in (None, session))


def test_with_a_broker_through_failures_and_the_end(embedded_broker, settings):
    bus = EventBus(embedded_broker.bootstrap_servers, TOPIC, **settings)
    with Watcher(bus) as watcher:
        with work(bus):
            for _ in range(3):
                before = bus.stats().delivered
                assert eventually(lambda before=before: bus.stats().delivered > before + 100)
                fail(bus)
            bus.flush(0.3)
            with suppress(DeliveryError):
                bus.close(timeout=1)
        assert watcher.looks > 100
    assert watcher.wrong == []
    end = bus.stats()
    assert end.queued == end.gathering == 0


def test_without_a_broker(settings):
    with nobody() as address:
        bus = EventBus(address, TOPIC, **{**settings, "block_seconds": 0.01})
        with Watcher(bus) as watcher:
            with work(bus):
                assert eventually(lambda: bus.stats().accepted >= 50)
                fail(bus)
                bus.flush(0.3)
                with suppress(DeliveryError):
                    bus.close(timeout=0)
            assert watcher.looks > 100
        assert watcher.wrong == []
        end = bus.stats()
        assert end.queued == end.delivered == 0
        assert (end.failed == 0) == ("spool_dir" in settings)
