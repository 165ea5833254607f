"""A tenant is in one partition, whichever service wrote its events."""

from __future__ import annotations

import random
import string

import pytest

import atomwire
from atomwire.bus import EventBus
from tests.broker.conftest import NewTopicOf
from tests.broker.go_service import GoService
from tests.broker.record import check, read_topic

# Their hash is 0x80000000: its absolute value is no int32.
EDGES = ("3wujz9a", "gq3p75b")


def _tenants() -> list[str]:
    pick = random.Random(20)
    alphabet = string.ascii_letters + string.digits + "-_./ "
    words = {"".join(pick.choices(alphabet, k=pick.randint(2, 40))) for _ in range(2_000)}
    others = {
        "".join(chr(pick.randint(0xA1, 0xD7FF)) for _ in range(pick.randint(1, 12)))
        for _ in range(500)
    }
    astral = {chr(pick.randint(0x1F300, 0x1FAFF)) * pick.randint(1, 3) for _ in range(100)}
    odd = {" ", "\t", "\n", "\x00", "a\x00b", "\u00e9", "e\u0301", "\ufeff", "x" * 10_000}
    return sorted(words | others | astral | odd | set(string.printable) | set(EDGES))


TENANTS = _tenants()


@pytest.mark.parametrize("partitions", [1, 3, 4, 7, 12, 64])
def test_go_and_python_agree(
    go_service: GoService, brokers: str, new_topic: NewTopicOf, partitions: int
) -> None:
    topic = new_topic(brokers, partitions)
    events = [
        [(t, atomwire.encode(t, type=atomwire.EventType.HEARTBEAT)) for t in TENANTS]
        for _ in range(2)
    ]
    with EventBus(brokers, topic) as bus:
        bus.publish_many([event for _, event in events[0]])
    go_service.publish(brokers, topic, events[1])
    published = {
        tenant: [str(atomwire.peek_event_id(event)) for event in (ours, theirs)]
        for (tenant, ours), (_, theirs) in zip(*events, strict=True)
    }
    # Asserts, beside the rest, that no tenant is in two partitions.
    arrived = read_topic(brokers, topic)
    check(published, arrived)
    assert all(arrived), "a partition is empty"
