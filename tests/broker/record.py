"""What a topic holds in the end, and whether that is what was published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

import atomwire
from atomwire.bus.log import RateLimitedLog

_SECONDS = 60.0

Published = Mapping[str, Sequence[str]]


def read_topic(
    brokers: str, topic: str, properties: Mapping[str, object] | None = None
) -> list[list[bytes]]:
    """Return all events of a topic, by partition, from the first to the last."""
    reader = Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": "record",
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 10,
            **(properties or {}),
        },
        logger=RateLimitedLog(),
    )
    try:
        count = len(reader.list_topics(topic, timeout=_SECONDS).topics[topic].partitions)
        places = [TopicPartition(topic, number, OFFSET_BEGINNING) for number in range(count)]
        ends = [reader.get_watermark_offsets(place, timeout=_SECONDS)[1] for place in places]
        events: list[list[bytes]] = [[] for _ in places]
        reader.assign(places)
        missing = sum(ends)
        while missing:
            messages = reader.consume(min(missing, 10_000), _SECONDS)
            assert messages, f"{missing} of {sum(ends)} messages do not arrive"
            for message in messages:
                assert message.error() is None, message.error()
                events[message.partition()].append(message.value())
            missing -= len(messages)
        return events
    finally:
        reader.close()


def check(
    published: Published,
    partitions: Sequence[Sequence[bytes]],
    *,
    duplicates: bool = False,
    unsure: int = 0,
    between: bool = False,
) -> int:
    """Assert that nothing is lost, that each tenant is in order, and nothing came from nowhere.

    Parameters
    ----------
    published : Mapping[str, Sequence[str]]
        The event ids of each tenant, in the order in which the bus took them.
    partitions : Sequence[Sequence[bytes]]
        What the topic holds.
    duplicates : bool
        Events may be there twice, if they are the same to the byte.
    unsure : int
        How many more events than those a tenant may have: a publisher that was killed may have
        published an event without having told. They are its last, or
    between : bool
        ... anywhere between the others.

    Returns
    -------
    int
        Duplicates.
    """
    seen: dict[str, bytes] = {}
    arrived: dict[str, list[str]] = {}
    homes: dict[str, set[int]] = {}
    repeated = 0
    for number, events in enumerate(partitions):
        for event in events:
            tenant, event_id = atomwire.peek_tenant_id(event), atomwire.peek_event_id(event)
            assert tenant is not None
            assert event_id is not None
            homes.setdefault(tenant, set()).add(number)
            if event_id in seen:
                assert seen[event_id] == event, f"two events with the id {event_id}"
                repeated += 1
                continue
            seen[event_id] = event
            arrived.setdefault(tenant, []).append(event_id)
    scattered = {tenant: home for tenant, home in homes.items() if len(home) > 1}
    assert not scattered
    lost = {t: len(set(ids) - set(arrived.get(t, ()))) for t, ids in published.items()}
    assert not any(lost.values()), f"lost, of {len(seen)}: {lost}"
    for tenant, ids in arrived.items():
        sent = list(published.get(tenant, ()))
        told = set(sent)
        assert len(ids) <= len(sent) + unsure, f"tenant {tenant!r} has events of nobody"
        in_order = [each for each in ids if each in told] if between else ids[: len(sent)]
        assert in_order == sent, f"tenant {tenant!r} is out of order"
    if not duplicates:
        assert repeated == 0, f"{repeated} duplicates of {len(seen)}"
    return repeated
