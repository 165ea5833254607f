"""From publish in this process to peek in another one, at a steady rate."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from confluent_kafka import Producer

import atomwire
from atomwire.bus import BusSettings, EventBus, EventConsumer
from atomwire.bus.log import RateLimitedLog
from atomwire.bus.properties import producer_properties
from benchmarks.bus import events
from benchmarks.bus.brokers import Broker

PER_SECOND = 1_000
# A Java broker compiles what it does all the time: a cold one takes the CPUs for that, and the tail
# shows nothing else.
WARM_UP_SECONDS = 60.0
# Before anything counts in a turn: a listener in its group, and a topic that is known.
SETTLING = 3_000
TURNS = 6

Nanoseconds = npt.NDArray[np.int64]
Publish = Callable[[bytes], object]
Publisher = Callable[[Broker, str, BusSettings], AbstractContextManager[Publish]]


@contextmanager
def bus(broker: Broker, topic: str, settings: BusSettings) -> Iterator[Publish]:
    """Publish by the bus."""
    with EventBus(broker.servers, topic, settings=settings) as open_bus:
        yield open_bus.publish
        assert open_bus.flush(30) == 0


@contextmanager
def raw_producer(broker: Broker, topic: str, settings: BusSettings) -> Iterator[Publish]:
    """Publish by confluent-kafka's own producer: what then takes long is not the bus's."""
    properties: dict[str, Any] = producer_properties(broker.servers, settings)
    producer = Producer(properties, logger=RateLimitedLog())

    def publish(event: bytes) -> None:
        producer.produce(topic, event, atomwire.peek_tenant_id(event))
        producer.poll(0)

    yield publish
    assert producer.flush(30) == 0


def warm_up(broker: Broker) -> None:
    """Have a broker do for a minute what will be measured."""
    measure(broker, BusSettings(profile="interactive"), WARM_UP_SECONDS, bus)


def in_turns(
    broker: Broker, settings: BusSettings, seconds: float, publishers: Mapping[str, Publisher]
) -> dict[str, list[Nanoseconds]]:
    """Return the latencies of each publisher by turn; each is first in half of them."""
    latencies: dict[str, list[Nanoseconds]] = {name: [] for name in publishers}
    order = list(publishers)
    for _ in range(TURNS):
        for name in order:
            latencies[name].append(measure(broker, settings, seconds / TURNS, publishers[name]))
        order.reverse()
    return latencies


def measure(
    broker: Broker, settings: BusSettings, seconds: float, publisher: Publisher
) -> Nanoseconds:
    """Return the latency of every event after the first ones."""
    topic = broker.topic()
    count = SETTLING + int(seconds * PER_SECOND)
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "latencies.npy"
        command = [sys.executable, "-m", "benchmarks.bus.latency"]
        arguments = [broker.servers, topic, str(count), str(result)]
        with (
            subprocess.Popen(
                [*command, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            ) as listener,
            publisher(broker, topic, settings) as publish,
        ):
            assert listener.stdout is not None
            assert listener.stdout.readline() == b"ready\n"
            encoders = [atomwire.Encoder(tenant).cell for tenant in events.TENANTS]

            def encode_and_publish(number: int) -> None:
                cell = encoders[number % len(encoders)]
                publish(cell(number, float(number)))

            steadily(count, PER_SECOND, encode_and_publish)
            # The bus may still linger.
            assert listener.wait(60) == 0, "the listener failed"
        latencies: Nanoseconds = np.load(result)
    return latencies[SETTLING:]


def steadily(count: int, per_second: float, work: Callable[[int], object]) -> None:
    """Call `work` with 0 to `count`, each when it is due."""
    start = time.perf_counter()
    for number in range(count):
        ahead = start + number / per_second - time.perf_counter()
        if ahead > 0:
            time.sleep(ahead)
        work(number)


def listen(brokers: str, topic: str, count: int, result: str) -> None:
    """Peek events until all have come; the event's own timestamp says when it was encoded."""
    latencies = np.full(count, -1, np.int64)
    latest = [-1] * len(events.TENANTS)
    consumer = EventConsumer(brokers, topic, f"{topic}-listener", group_protocol="consumer")
    print("ready", flush=True)
    left = count
    try:
        for batch in consumer.batches(max_wait=1.0):
            if not batch.messages:
                continue
            numbers = batch.coordinate_hashes()[:, 0]
            now = time.time_ns()
            for number, message in zip(numbers.tolist(), batch.messages, strict=True):
                latencies[number] = now - atomwire.peek_timestamp(message.value())
                tenant = number % len(latest)
                assert latest[tenant] < number, "a tenant is out of order, or an event came twice"
                latest[tenant] = number
            left -= len(numbers)
            if left <= 0:
                break
    finally:
        consumer.close()
    assert (latencies > 0).all(), "an event is missing"
    np.save(result, latencies)


if __name__ == "__main__":
    listen(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
