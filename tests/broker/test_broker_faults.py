"""The only broker dies, goes away or hangs while events are published."""

from __future__ import annotations

import os

import pytest

from atomwire.bus import EventBus
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
