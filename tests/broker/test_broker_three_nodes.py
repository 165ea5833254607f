"""A cluster loses the node that leads."""

from __future__ import annotations

import pytest

from atomwire.bus import EventBus
from tests.broker.cluster import Cluster
from tests.broker.conftest import NewTopicOf
from tests.broker.load import Load
from tests.broker.record import check, read_topic

pytestmark = pytest.mark.faults

CLOSE_SECONDS = 120.0


def test_leader_killed(trio: Cluster, new_topic: NewTopicOf) -> None:
    topic = new_topic(trio.bootstrap_servers, 3)
    bus = EventBus(trio.bootstrap_servers, topic)
    with Load(bus) as load:
        load.more()
        leader = trio.leader(topic, 0)
        leader.kill()
        # The rest goes on without it ...
        load.delivered(4_000)
        # ... and takes it back.
        leader.start()
        trio.wait_ready()
        load.more()
    bus.close(CLOSE_SECONDS)
    check(load.published, read_topic(trio.bootstrap_servers, topic))


def test_leader_hung(trio: Cluster, new_topic: NewTopicOf) -> None:
    topic = new_topic(trio.bootstrap_servers, 3)
    bus = EventBus(
        trio.bootstrap_servers,
        topic,
        librdkafka={"socket.timeout.ms": 1_000, "request.timeout.ms": 1_000},
    )
    with Load(bus) as load:
        load.more()
        leader = trio.leader(topic, 0)
        # It comes back believing that it leads, while another does.
        leader.pause()
        load.delivered(4_000)
        leader.resume()
        load.more()
    bus.close(CLOSE_SECONDS)
    check(load.published, read_topic(trio.bootstrap_servers, topic))
