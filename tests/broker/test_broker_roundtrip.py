"""Through a real broker and back: what a mock cluster might take more lightly."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from confluent_kafka import TIMESTAMP_CREATE_TIME

import atomwire
from atomwire.bus import EventBus, EventConsumer, EventTooLargeError
from tests.broker.conftest import NewTopicOf
from tests.broker.record import check, read_topic

NOW = 1_760_000_000_123_456_789


def _collect(consumer: EventConsumer, count: int, *, commit: bool = True) -> list[bytes]:
    events: list[bytes] = []
    for batch in consumer.batches(max_wait=0.1):
        events += [message.value() for message in batch.messages]
        if commit:
            batch.commit()
        if len(events) >= count:
            break
    return events


@pytest.mark.parametrize("group_protocol", ["classic", "consumer"])
@pytest.mark.parametrize("profile", ["batched", "interactive", "throughput"])
def test_every_event_once_and_in_order(
    brokers: str, new_topic: NewTopicOf, profile: str, group_protocol: str
) -> None:
    topic = new_topic(brokers)
    encoders = [atomwire.Encoder(f"tenant-{number}") for number in range(20)]
    events = [encoder.cell(n, float(n)) for n in range(100) for encoder in encoders]
    with EventBus(brokers, topic, profile=profile) as bus:
        bus.publish_many(events)
    with closing(
        EventConsumer(brokers, topic, f"{topic}-group", group_protocol=group_protocol)
    ) as consumer:
        arrived = _collect(consumer, len(events))
    assert sorted(arrived) == sorted(events)
    for encoder_number in range(20):
        mine = [e for e in arrived if atomwire.peek_tenant_id(e) == f"tenant-{encoder_number}"]
        assert mine == events[encoder_number :: len(encoders)]


@pytest.mark.parametrize("mode", ["plain", "spool", "durable"])
def test_an_event_ahead_of_time_costs_its_batch_nothing(
    brokers: str, new_topic: NewTopicOf, tmp_path: Path, mode: str
) -> None:
    """The broker refuses messages that are more than an hour ahead, with all of their batch."""
    topic = new_topic(brokers, partitions=1)
    ahead = time.time_ns() + 2 * 3_600 * 10**9
    encoder = atomwire.Encoder("acme")
    events = [encoder.cell(n, 1.0, timestamp=ahead if n == 25 else None) for n in range(51)]
    spool = {} if mode == "plain" else {"spool_dir": tmp_path}
    with EventBus(brokers, topic, linger_ms=100, durable=mode == "durable", **spool) as bus:
        bus.publish_many(events[:50])
        for number in range(10):
            bus.write("other", number, 1.0, timestamp=ahead)
        bus.publish(events[50])
        assert bus.flush(60) == 0
        assert bus.stats().failed == 0
    with closing(EventConsumer(brokers, topic, f"{topic}-group")) as consumer:
        arrived = _collect(consumer, bus.stats().delivered)
    assert [e for e in arrived if atomwire.peek_tenant_id(e) == "acme"] == events


def test_message_is_as_the_contract_has_it(brokers: str, new_topic: NewTopicOf) -> None:
    topic = new_topic(brokers)
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    event = atomwire.encode(
        "Z\u00fcrich", atomwire.Molecules([1], [2.0]), timestamp=NOW, trace_id=trace_id
    )
    with EventBus(brokers, topic, headers=True) as bus:
        bus.publish(event, headers={"origin": b"test"})
    with closing(EventConsumer(brokers, topic, f"{topic}-group")) as consumer:
        batch = next(batch for batch in consumer.batches(max_wait=0.1) if len(batch))
    (message,) = batch.messages
    assert message.value() == event
    assert message.key() == "Z\u00fcrich".encode()
    assert message.timestamp() == (TIMESTAMP_CREATE_TIME, NOW // 1_000_000)
    headers = dict(message.headers())
    assert headers["type"] == b"1"
    assert headers["trace_id"] == trace_id.encode()
    assert headers["origin"] == b"test"


@pytest.mark.parametrize("compression", ["lz4", "snappy", "zstd", "gzip", "none"])
def test_compression(brokers: str, new_topic: NewTopicOf, compression: str) -> None:
    topic = new_topic(brokers, 1)
    molecules = atomwire.Molecules(np.arange(2_000, dtype=np.uint64).reshape(-1, 2), 1.5)
    events = [atomwire.encode("acme", molecules) for _ in range(20)]
    with EventBus(brokers, topic, compression=compression) as bus:
        bus.publish_many(events)
    assert read_topic(brokers, topic) == [events]


def test_largest_event_that_the_broker_takes(brokers: str, new_topic: NewTopicOf) -> None:
    topic = new_topic(brokers, 1)
    with EventBus(brokers, topic, compression="none") as bus:
        # Incompressible, and as large as the settings allow.
        noise = np.random.default_rng(1).integers(0, 2**64, (100_000, 2), np.uint64)
        parts = list(atomwire.Encoder("acme").split(atomwire.Molecules(noise, 1.5), 999_000))
        bus.publish_many(parts)
        with pytest.raises(EventTooLargeError, match="max_event_bytes"):
            bus.publish(atomwire.encode("acme", atomwire.Molecules(noise, 1.5)))
    assert read_topic(brokers, topic) == [parts]


def test_group_goes_on_after_what_it_committed(brokers: str, new_topic: NewTopicOf) -> None:
    topic = new_topic(brokers, 1)
    encoder = atomwire.Encoder("acme")
    events = [encoder.cell(n, float(n)) for n in range(300)]
    with EventBus(brokers, topic) as bus:
        bus.publish_many(events)
    with closing(EventConsumer(brokers, topic, f"{topic}-group")) as consumer:
        stream = consumer.batches(max_events=100, max_wait=0.1)
        first: list[bytes] = []
        while len(first) < 100:
            batch = next(stream)
            first += [message.value() for message in batch.messages]
            batch.commit()
        _collect(consumer, 100, commit=False)
    with closing(EventConsumer(brokers, topic, f"{topic}-group")) as consumer:
        rest = _collect(consumer, 300 - len(first))
    assert first + rest == events


def test_threads_share_a_bus(brokers: str, new_topic: NewTopicOf) -> None:
    topic = new_topic(brokers)

    def publish(tenant: str) -> list[str]:
        encoder = atomwire.Encoder(tenant)
        events = [encoder.cell(n, float(n)) for n in range(2_000)]
        for event in events:
            bus.publish(event)
        return [str(atomwire.peek_event_id(event)) for event in events]

    tenants = [f"tenant-{number}" for number in range(8)]
    with EventBus(brokers, topic) as bus, ThreadPoolExecutor(len(tenants)) as pool:
        published = dict(zip(tenants, pool.map(publish, tenants), strict=True))
    check(published, read_topic(brokers, topic))
