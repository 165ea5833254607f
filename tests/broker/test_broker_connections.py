"""Connections break or crawl between the bus and the broker."""

from __future__ import annotations

import pytest

from atomwire.bus import EventBus
from tests.broker.cluster import Cluster
from tests.broker.conftest import NewTopicOf
from tests.broker.load import Load
from tests.broker.proxy import Proxy
from tests.broker.record import check, read_topic

pytestmark = pytest.mark.faults

CLOSE_SECONDS = 120.0


def test_cut_again_and_again(kafka: Cluster, proxy: Proxy, new_topic: NewTopicOf) -> None:
    topic = new_topic(kafka.bootstrap_servers)
    bus = EventBus(kafka.proxied_servers, topic)
    with Load(bus) as load:
        for _ in range(10):
            load.delivered(500)
            proxy.cut()
        load.more()
    bus.close(CLOSE_SECONDS)
    assert proxy.connections > 10, "the bus went around the proxy"
    check(load.published, read_topic(kafka.bootstrap_servers, topic))


def test_answers_lost(kafka: Cluster, proxy: Proxy, new_topic: NewTopicOf) -> None:
    topic = new_topic(kafka.bootstrap_servers)
    bus = EventBus(kafka.proxied_servers, topic)
    with Load(bus) as load:
        for _ in range(5):
            load.delivered(500)
            proxy.lose_answers()  # the broker has the events, the bus does not know
            load.more(500)
            proxy.cut()
        load.more()
    bus.close(CLOSE_SECONDS)
    check(load.published, read_topic(kafka.bootstrap_servers, topic))


def test_slow(kafka: Cluster, proxy: Proxy, new_topic: NewTopicOf) -> None:
    topic = new_topic(kafka.bootstrap_servers)
    proxy.delay(0.3)
    bus = EventBus(kafka.proxied_servers, topic)
    with Load(bus) as load:
        load.more(3_000)
        proxy.cut()
        load.more(3_000)
        proxy.delay(0.0)
        load.more()
    bus.close(CLOSE_SECONDS)
    check(load.published, read_topic(kafka.bootstrap_servers, topic))


def test_refused(kafka: Cluster, proxy: Proxy, new_topic: NewTopicOf) -> None:
    topic = new_topic(kafka.bootstrap_servers)
    bus = EventBus(kafka.proxied_servers, topic)
    with Load(bus) as load:
        load.more()
        proxy.refuse()
        load.more(3_000)
        proxy.accept()
        load.more()
    bus.close(CLOSE_SECONDS)
    check(load.published, read_topic(kafka.bootstrap_servers, topic))


@pytest.mark.parametrize("recovery", ["rebootstrap", "none"])
def test_no_broker_in_the_metadata(
    kafka: Cluster, proxy: Proxy, new_topic: NewTopicOf, recovery: str
) -> None:
    # librdkafka then parts with all brokers, and goes back to `bootstrap.servers` by itself most of
    # the time, and with "none" never.
    topic = new_topic(kafka.bootstrap_servers)
    options = {"topic.metadata.refresh.interval.ms": 200, "metadata.recovery.strategy": recovery}
    bus = EventBus(kafka.proxied_servers, topic, librdkafka=options)
    with Load(bus) as load:
        load.more()
        for _ in range(2):
            proxy.hide_brokers()
            load.go_on(3.0)
            proxy.hide_brokers(False)
            load.delivered()
    bus.close(CLOSE_SECONDS)
    check(load.published, read_topic(kafka.bootstrap_servers, topic))
