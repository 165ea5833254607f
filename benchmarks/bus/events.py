"""The events that everybody publishes: single cells of a hundred tenants."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import cycle, islice

import atomwire
from tests.broker import record

FIRST_HASH = 1 << 64
TENANTS = tuple(f"tenant-{number}" for number in range(100))


def cells(count: int) -> list[tuple[str, bytes]]:
    """Return `count` events with their tenants; one molecule in each, all ids distinct."""
    encoders = {tenant: atomwire.Encoder(tenant) for tenant in TENANTS}
    return [
        (tenant, encoders[tenant].cell(number, float(number)))
        for number, tenant in enumerate(islice(cycle(TENANTS), count))
    ]


def check_all(brokers: str, topic: str, published: Iterable[tuple[str, bytes]]) -> None:
    """Assert that the topic holds these events, each once and each tenant's in order.

    Events before the first of them are nobody's concern: they warmed the producer up.
    """
    ids: dict[str, list[str]] = {}
    for tenant, event in published:
        ids.setdefault(tenant, []).append(str(atomwire.peek_event_id(event)))
    wanted = {event_id for tenant_ids in ids.values() for event_id in tenant_ids}
    arrived = [
        [event for event in events if atomwire.peek_event_id(event) in wanted]
        for events in record.read_topic(brokers, topic)
    ]
    record.check(ids, arrived)


def check_numbers(brokers: str, topic: str, count: int) -> None:
    """Assert that the topic holds the cells 0 to `count`, each once and each tenant's in order.

    They have hashes from 1 << 64: smaller ones warmed the producer up.
    """
    seen: set[int] = set()
    for events in record.read_topic(brokers, topic):
        latest: dict[str | None, int] = {}
        for event in events:
            number = atomwire.peek_coordinate_hash(event) - FIRST_HASH
            if number < 0:
                continue
            tenant = atomwire.peek_tenant_id(event)
            assert latest.get(tenant, -1) < number, f"tenant {tenant!r} is out of order"
            latest[tenant] = number
            seen.add(number)
    assert seen == set(range(count))
