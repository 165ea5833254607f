"""Events that wait on the disk: for the broker, for the next process."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from atomwire.bus import EventBus
from tests.broker.cluster import Cluster
from tests.broker.conftest import NewTopicOf
from tests.broker.load import Load
from tests.broker.node import Node
from tests.broker.publisher import Publisher
from tests.broker.record import check, read_topic

pytestmark = pytest.mark.faults

CLOSE_SECONDS = 120.0


def _deliver(brokers: str, topic: str, spool_dir: Path) -> None:
    """Do what the next process does: open the spool, and deliver what is in it."""
    bus = EventBus(brokers, topic, spool_dir=spool_dir)
    assert bus.flush(CLOSE_SECONDS) == 0
    bus.close(CLOSE_SECONDS)
    assert not list(spool_dir.glob("*.spool*"))


@pytest.mark.parametrize("durable", [False, True])
def test_full_queue_waits_on_the_disk(
    kafka: Cluster, node: Node, new_topic: NewTopicOf, tmp_path: Path, durable: bool
) -> None:
    topic = new_topic(kafka.bootstrap_servers)
    bus = EventBus(
        kafka.bootstrap_servers, topic, queue_size=1_000, spool_dir=tmp_path, durable=durable
    )
    with Load(bus) as load:
        load.more()
        node.kill()
        load.more(4_000)
        assert bus.stats().spooled
        node.start()
        kafka.wait_ready()
        load.delivered(5_000)
    bus.close(CLOSE_SECONDS)
    check(load.published, read_topic(kafka.bootstrap_servers, topic))
    assert load.refused == 0
    assert not list(tmp_path.glob("*.spool*"))


@pytest.mark.parametrize("durable", [False, True])
def test_closed_while_the_broker_is_away(
    kafka: Cluster, node: Node, new_topic: NewTopicOf, tmp_path: Path, durable: bool
) -> None:
    topic = new_topic(kafka.bootstrap_servers)
    bus = EventBus(
        kafka.bootstrap_servers, topic, queue_size=1_000, spool_dir=tmp_path, durable=durable
    )
    with Load(bus) as load:
        load.more()
        node.kill()
        load.more(3_000)
    bus.close(0.5)
    node.start()
    kafka.wait_ready()
    _deliver(kafka.bootstrap_servers, topic, tmp_path)
    # What was on its way when the broker died may have arrived without the bus learning of it.
    check(load.published, read_topic(kafka.bootstrap_servers, topic), duplicates=True)


def test_publisher_killed(brokers: str, new_topic: NewTopicOf, tmp_path: Path) -> None:
    topic = new_topic(brokers)
    with Publisher(brokers, topic, spool_dir=tmp_path, durable=True) as publisher:
        publisher.more()
        publisher.kill()
    _deliver(brokers, topic, tmp_path)
    # Acknowledged and killed before the spool had forgotten them, events are there twice. One
    # event of one tenant may have been taken and not told of.
    arrived = read_topic(brokers, topic)
    check(publisher.published, arrived, duplicates=True, unsure=1)


def test_publisher_killed_while_the_broker_is_away(
    kafka: Cluster, node: Node, new_topic: NewTopicOf, tmp_path: Path
) -> None:
    topic = new_topic(kafka.bootstrap_servers)
    node.kill()
    with Publisher(
        kafka.bootstrap_servers, topic, spool_dir=tmp_path, durable=True, queue_size=500
    ) as publisher:
        publisher.more()
        publisher.kill()
    node.start()
    kafka.wait_ready()
    _deliver(kafka.bootstrap_servers, topic, tmp_path)
    check(publisher.published, read_topic(kafka.bootstrap_servers, topic), unsure=1)


def test_publisher_killed_again_and_again(
    kafka: Cluster, node: Node, new_topic: NewTopicOf, tmp_path: Path
) -> None:
    topic = new_topic(kafka.bootstrap_servers)
    published: dict[str, list[str]] = {}
    unsure = 0
    for number in range(4):
        with Publisher(
            kafka.bootstrap_servers, topic, spool_dir=tmp_path, durable=True
        ) as publisher:
            publisher.more(500)
            if number % 2:
                node.kill()
                publisher.more(500)
            publisher.kill()
        if number % 2:
            node.start()
            kafka.wait_ready()
        for tenant, ids in publisher.published.items():
            published.setdefault(tenant, []).extend(ids)
        unsure += 1
    _deliver(kafka.bootstrap_servers, topic, tmp_path)
    arrived = read_topic(kafka.bootstrap_servers, topic)
    # The events that were not told of lie between the others.
    check(published, arrived, duplicates=True, unsure=unsure, between=True)


@pytest.mark.parametrize("durable", [False, True])
def test_disk_full(
    kafka: Cluster, node: Node, new_topic: NewTopicOf, tmp_path: Path, durable: bool
) -> None:
    topic = new_topic(kafka.bootstrap_servers)
    with Publisher(
        kafka.bootstrap_servers,
        topic,
        file_bytes=300_000,  # of the spool, or of its log
        spool_dir=tmp_path,
        durable=durable,
        queue_size=500,
        block_seconds=0.1,
    ) as publisher:
        publisher.more()
        node.kill()
        publisher.refused()  # says so, rather than losing events
        node.start()
        kafka.wait_ready()
        if durable:  # a file that is full to the last page has no room to forget events, either
            publisher.give_room()
        publisher.more()
        publisher.finish()
    check(publisher.published, read_topic(kafka.bootstrap_servers, topic))


@pytest.mark.parametrize("durable", [False, True])
def test_spool_full(
    kafka: Cluster, node: Node, new_topic: NewTopicOf, tmp_path: Path, durable: bool
) -> None:
    topic = new_topic(kafka.bootstrap_servers)
    bus = EventBus(
        kafka.bootstrap_servers,
        topic,
        queue_size=500,
        spool_dir=tmp_path,
        spool_bytes=300_000,
        durable=durable,
        block_seconds=0.1,
    )
    with Load(bus) as load:
        load.more()
        node.kill()
        load.is_refused()
        node.start()
        kafka.wait_ready()
        load.more()
    bus.close(CLOSE_SECONDS)
    check(load.published, read_topic(kafka.bootstrap_servers, topic))
    assert os.listdir(tmp_path) == []
