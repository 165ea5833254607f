"""What tests of the bus share: events, a look at what the broker holds, and waiting for facts."""

import logging
import socket
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from confluent_kafka import Consumer, Message, TopicPartition

from atomwire import Molecules, encode
from atomwire.testing import EmbeddedBroker

TOPIC = "cells"
# Far more than anything takes: reached only when a test fails.
PATIENCE = 60.0


def event(tenant_id: str = "acme", number: int = 1, **fields: object) -> bytes:
    return encode(tenant_id, Molecules([number], numeric_value=float(number)), **fields)


def read(broker: EmbeddedBroker, count: int) -> list[Message]:
    """Read `count` messages with a plain client, and see that there are no more."""
    messages = read_all(broker, at_least=count)
    assert len(messages) == count
    return messages


def read_all(broker: EmbeddedBroker, at_least: int = 0) -> list[Message]:
    """Read what the broker holds with a plain client, once it is as much as expected."""
    consumer = Consumer(
        {
            "bootstrap.servers": broker.bootstrap_servers,
            "group.id": "unused",
            # The mock cluster does not wake a fetch that waits for a partition.
            "fetch.wait.max.ms": 10,
        },
        logger=logging.getLogger("test"),
    )
    partitions = [TopicPartition(TOPIC, n, 0) for n in range(EmbeddedBroker.PARTITIONS)]
    consumer.assign(partitions)

    def stored() -> int:
        return sum(consumer.get_watermark_offsets(each, timeout=PATIENCE)[1] for each in partitions)

    messages: list[Message] = []
    deadline = time.monotonic() + PATIENCE
    while len(messages) < max(at_least, stored()) and time.monotonic() < deadline:
        messages += [each for each in consumer.consume(10_000, 0.1) if each.error() is None]
    assert len(messages) == stored()
    consumer.close()
    return messages


def by_tenant(messages: list[Message]) -> dict[str, list[bytes]]:
    values = defaultdict(list)
    for message in messages:
        values[message.key().decode()].append(message.value())
    return dict(values)


def eventually(condition: Callable[[], object]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return bool(condition())


@contextmanager
def nobody() -> Iterator[str]:
    """An address where connections are refused, and stay so: it is taken, and not listened on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"
