"""The only broker dies, goes away or hangs while events are published."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress

import pytest

import atomwire
from atomwire.bus import ConsumerError, EventBus, EventConsumer
from tests.broker.cluster import Cluster
from tests.broker.conftest import NewTopicOf
from tests.broker.load import Load
from tests.broker.node import Node
from tests.broker.record import check, read_topic

pytestmark = pytest.mark.faults

OUTAGE_SECONDS = float(os.environ.get("BROKER_OUTAGE_SECONDS", "5"))
CLOSE_SECONDS = 120.0


def test_killed_and_restarted(kafka: Cluster, node: Node, new_topic: NewTopicOf) -> None:
    topic = new_topic(kafka.bootstrap_servers)
    bus = EventBus(kafka.bootstrap_servers, topic)
    with Load(bus) as load:
        for _ in range(2):
            load.more()
            node.kill()
            load.more()
            node.start()
            kafka.wait_ready()
        load.more()
    bus.close(CLOSE_SECONDS)
    check(load.published, read_topic(kafka.bootstrap_servers, topic))
    assert bus.stats().delivered == sum(map(len, load.published.values()))


def test_away_for_a_while(kafka: Cluster, node: Node, new_topic: NewTopicOf) -> None:
    topic = new_topic(kafka.bootstrap_servers)
    # Smaller than what is published meanwhile: the bus fills up, and the load waits.
    bus = EventBus(kafka.bootstrap_servers, topic, queue_size=5_000)
    with Load(bus) as load:
        load.more()
        node.kill()
        load.go_on(OUTAGE_SECONDS)
        node.start()
        kafka.wait_ready()
        load.more()
    bus.close(CLOSE_SECONDS)
    check(load.published, read_topic(kafka.bootstrap_servers, topic))


def test_hung(kafka: Cluster, node: Node, new_topic: NewTopicOf) -> None:
    topic = new_topic(kafka.bootstrap_servers)
    # Requests time out, so the producer must send again what may have arrived.
    bus = EventBus(
        kafka.bootstrap_servers,
        topic,
        librdkafka={"socket.timeout.ms": 1_000, "request.timeout.ms": 1_000},
    )
    with Load(bus) as load:
        load.more()
        node.pause()
        load.go_on(OUTAGE_SECONDS)
        node.resume()
        kafka.wait_ready()
        load.more()
    bus.close(CLOSE_SECONDS)
    check(load.published, read_topic(kafka.bootstrap_servers, topic))


def test_absent_from_the_start(kafka: Cluster, node: Node, new_topic: NewTopicOf) -> None:
    topic = new_topic(kafka.bootstrap_servers)
    node.kill()
    bus = EventBus(kafka.bootstrap_servers, topic)
    with Load(bus) as load:
        load.more()
        node.start()
        load.more()
    bus.close(CLOSE_SECONDS)
    check(load.published, read_topic(kafka.bootstrap_servers, topic))


def test_consumer_goes_on(kafka: Cluster, node: Node, new_topic: NewTopicOf) -> None:
    topic = new_topic(kafka.bootstrap_servers)
    bus = EventBus(kafka.bootstrap_servers, topic)
    consumer = EventConsumer(kafka.bootstrap_servers, topic, f"{topic}-group")
    arrived: list[bytes] = []
    enough = threading.Event()

    def consume() -> None:
        for batch in consumer.batches(max_wait=0.1):
            arrived.extend(message.value() for message in batch.messages)
            with suppress(ConsumerError):  # the broker is away: these will come again
                batch.commit()
            if enough.is_set() and not batch.messages:
                return

    with ThreadPoolExecutor(1) as pool:
        consuming = pool.submit(consume)
        with Load(bus) as load:
            load.more()
            node.kill()
            load.more()
            node.start()
            kafka.wait_ready()
            load.delivered(2_000)
        bus.close(CLOSE_SECONDS)
        total = sum(map(len, load.published.values()))
        while len(set(arrived)) < total and not consuming.done():
            wait([consuming], 0.1)
        enough.set()
        consuming.result(CLOSE_SECONDS)
    consumer.close()
    check(load.published, _by_tenant(arrived), duplicates=True)


def _by_tenant(events: list[bytes]) -> list[list[bytes]]:
    tenants: dict[str | None, list[bytes]] = {}
    for event in events:
        tenants.setdefault(atomwire.peek_tenant_id(event), []).append(event)
    return list(tenants.values())


def test_submitted_events_are_acknowledged_in_the_end(
    kafka: Cluster, node: Node, new_topic: NewTopicOf
) -> None:
    topic = new_topic(kafka.bootstrap_servers)
    encoder = atomwire.Encoder("acme")
    events = [encoder.cell(number, 1.0) for number in range(300)]
    with EventBus(kafka.bootstrap_servers, topic) as bus:
        futures = [bus.submit(event) for event in events[:100]]
        node.kill()
        futures += [bus.submit(event) for event in events[100:]]
        assert not futures[-1].done()
        node.start()
        assert not wait(futures, CLOSE_SECONDS).not_done
        assert [future.exception() for future in futures] == [None] * len(events)
    ids = [str(atomwire.peek_event_id(event)) for event in events]
    check({"acme": ids}, read_topic(kafka.bootstrap_servers, topic))
