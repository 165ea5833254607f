"""Events a second: the bus and its peers in turn, so that both meet the same weather."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from confluent_kafka import Producer

import atomwire
from atomwire.bus import BusSettings, EventBus
from atomwire.bus.log import RateLimitedLog
from atomwire.bus.properties import producer_properties
from benchmarks.bus import events
from benchmarks.bus.brokers import Broker
from tests.broker.go_service import GoService
from tests.broker.record import read_topic

# Events of one measurement; the embedded broker keeps no more than so many.
COUNT = 200_000
COUNT_EMBEDDED = 50_000
FLUSH_SECONDS = 120.0
CHUNK = 1_000
GO_CHUNK = 100
# Room for all of them, however far behind the broker is.
QUEUE = 2 * COUNT
QUEUE_BYTES = 1 << 30
GO_WRITER = "kafka-go Writer"
BATCH_SIZES = (100, 300, 1_000, 10_000)


@dataclass(frozen=True)
class Rate:
    """Events a second until all were handed over, and until all were acknowledged."""

    handed: float
    acknowledged: float


@dataclass(frozen=True)
class Pair:
    """A contender and its peer, in several rounds."""

    what: str
    broker: str
    peer: str
    ours: Sequence[Rate]
    theirs: Sequence[Rate]
    target: float | None  # None where only what the machine gives is of interest

    def ratio(self, side: str) -> float:
        """Return the median of the rounds' ratios."""
        return statistics.median(
            getattr(mine, side) / getattr(other, side)
            for mine, other in zip(self.ours, self.theirs, strict=True)
        )


Run = Callable[[Broker], Rate]


def in_turn(rounds: int, broker: Broker, one: Run, other: Run) -> tuple[list[Rate], list[Rate]]:
    """Run both `rounds` times, and take turns in who goes first."""
    ours: list[Rate] = []
    theirs: list[Rate] = []
    pair = [(one, ours), (other, theirs)]
    for number in range(rounds + 1):
        for run, rates in pair if number % 2 else reversed(pair):
            rate = run(broker)
            if number:  # the first round is to warm up
                rates.append(rate)
    return ours, theirs


def publish(broker: Broker, rounds: int) -> Pair:
    """Encode and publish, against produce() of ready-made bytes."""
    settings = BusSettings(queue_size=QUEUE, queue_bytes=QUEUE_BYTES)
    ours, theirs = in_turn(
        rounds,
        broker,
        lambda broker: _bus_publish(broker, settings),
        lambda broker: _raw_produce(broker, settings),
    )
    target = 1.0 if broker.cluster is not None else 0.9
    return Pair("encode + publish", broker.name, "produce()", ours, theirs, target)


def publish_many(broker: Broker, rounds: int) -> Pair:
    """Publish many at once, against produce_batch()."""
    settings = BusSettings(queue_size=QUEUE, queue_bytes=QUEUE_BYTES)
    ours, theirs = in_turn(
        rounds,
        broker,
        lambda broker: _bus_publish_many(broker, settings),
        lambda broker: _raw_produce_batch(broker, settings),
    )
    return Pair("publish_many", broker.name, "produce_batch()", ours, theirs, 1.2)


def go_writer(broker: Broker, rounds: int, service: GoService) -> Pair:
    """Ready-made events one by one, against kafka-go's Writer, which gets a hundred at once."""
    settings = BusSettings(queue_size=QUEUE, queue_bytes=QUEUE_BYTES, compression="snappy")
    ours, theirs = in_turn(
        rounds, broker, lambda broker: _bus_ready(broker, settings), _go_writer(service)
    )
    target = 1.3 if broker.cluster is not None else None
    return Pair("publish, snappy", broker.name, GO_WRITER, ours, theirs, target)


def go_writer_throughput(broker: Broker, rounds: int, service: GoService) -> Pair:
    """Both get a hundred events at once, and the bus may fill its batches."""
    settings = BusSettings(
        profile="throughput", queue_size=QUEUE, queue_bytes=QUEUE_BYTES, compression="snappy"
    )
    ours, theirs = in_turn(
        rounds,
        broker,
        lambda broker: _bus_publish_many(broker, settings, GO_CHUNK),
        _go_writer(service),
    )
    what = "publish_many by the hundred, snappy, profile throughput"
    target = 2.0 if broker.cluster is not None else None
    return Pair(what, broker.name, GO_WRITER, ours, theirs, target)


def batch_sizes(broker: Broker, rounds: int) -> dict[int, list[Rate]]:
    """Publish many at once in batches of different sizes, all else as in the default profile."""
    measured: dict[int, list[Rate]] = {size: [] for size in BATCH_SIZES}
    for _ in range(rounds):
        for size, found in measured.items():
            settings = BusSettings(
                batch_size=size, queue_size=QUEUE, queue_bytes=QUEUE_BYTES, compression="snappy"
            )
            found.append(_bus_publish_many(broker, settings, GO_CHUNK))
    return measured


def _go_writer(service: GoService) -> Run:
    def go(broker: Broker) -> Rate:
        topic, ready = broker.topic(), events.cells(_count(broker))
        rate = len(ready) / service.bench(broker.servers, topic, ready, len(ready))
        return Rate(rate, rate)

    return go


def coalesced(broker: Broker, count: int) -> Rate:
    """Cells a second by write(), one call for each."""
    topic = broker.topic()
    values = [float(number) for number in range(count)]
    with EventBus(broker.servers, topic, queue_size=QUEUE, queue_bytes=QUEUE_BYTES) as bus:
        write = bus.write
        # The loop costs as little as Python lets it; one tenant, as a spread writes.
        start = time.perf_counter()
        for number, value in enumerate(values):
            write("acme", number, value)
        handed = time.perf_counter()
        assert bus.flush(FLUSH_SECONDS) == 0
        done = time.perf_counter()
    _check_cells(broker, topic, count)
    return Rate(count / (handed - start), count / (done - start))


def coalesced_columns(broker: Broker, count: int) -> Rate:
    """Cells a second by write_molecules() from numpy columns."""
    topic = broker.topic()
    numbers = np.arange(count, dtype=np.uint64)
    hashes = np.column_stack((numbers, np.zeros_like(numbers)))
    values = numbers.astype(np.float64)
    with EventBus(broker.servers, topic, queue_size=QUEUE, queue_bytes=QUEUE_BYTES) as bus:
        start = time.perf_counter()
        bus.write_molecules("acme", atomwire.Molecules(hashes, values))
        handed = time.perf_counter()
        assert bus.flush(FLUSH_SECONDS) == 0
        done = time.perf_counter()
    _check_cells(broker, topic, count)
    return Rate(count / (handed - start), count / (done - start))


def _check_cells(broker: Broker, topic: str, count: int) -> None:
    arrived = [
        np.asarray(atomwire.decode(event).molecules.numeric_value)
        for partition in read_topic(broker.servers, topic)
        for event in partition
    ]
    assert np.array_equal(np.concatenate(arrived), np.arange(count, dtype=np.float64))


def _bus_publish(broker: Broker, settings: BusSettings) -> Rate:
    topic, count = broker.topic(), _count(broker)
    encoders = [atomwire.Encoder(tenant).cell for tenant in events.TENANTS]
    work = [(encoders[n % len(encoders)], events.FIRST_HASH + n, float(n)) for n in range(count)]
    with EventBus(broker.servers, topic, settings=settings) as bus:
        publish = bus.publish
        _warm(lambda _, event: publish(event), bus.flush)
        start = time.perf_counter()
        for cell, number, value in work:
            publish(cell(number, value))
        rate = _rate(count, start, bus.flush)
    events.check_numbers(broker.servers, topic, count)
    return rate


def _bus_ready(broker: Broker, settings: BusSettings) -> Rate:
    topic, ready = broker.topic(), events.cells(_count(broker))
    with EventBus(broker.servers, topic, settings=settings) as bus:
        publish = bus.publish
        _warm(lambda _, event: publish(event), bus.flush)
        start = time.perf_counter()
        for _, event in ready:
            publish(event)
        rate = _rate(len(ready), start, bus.flush)
    events.check_all(broker.servers, topic, ready)
    return rate


def _bus_publish_many(broker: Broker, settings: BusSettings, chunk: int = CHUNK) -> Rate:
    topic, ready = broker.topic(), events.cells(_count(broker))
    only = [event for _, event in ready]
    chunks = [only[at : at + chunk] for at in range(0, len(only), chunk)]
    with EventBus(broker.servers, topic, settings=settings) as bus:
        _warm(lambda _, event: bus.publish(event), bus.flush)
        start = time.perf_counter()
        for some in chunks:
            bus.publish_many(some)
        rate = _rate(len(ready), start, bus.flush)
    events.check_all(broker.servers, topic, ready)
    return rate


def _raw_produce(broker: Broker, settings: BusSettings) -> Rate:
    topic, ready = broker.topic(), events.cells(_count(broker))
    producer = _raw(broker, settings)
    _warm(lambda tenant, event: producer.produce(topic, event, tenant), producer.flush)
    produce, poll = producer.produce, producer.poll
    start = time.perf_counter()
    for number, (tenant, event) in enumerate(ready):
        produce(topic, event, tenant)
        if not number % 1_000:
            poll(0)
    rate = _rate(len(ready), start, producer.flush)
    events.check_all(broker.servers, topic, ready)
    return rate


def _raw_produce_batch(broker: Broker, settings: BusSettings) -> Rate:
    topic, ready = broker.topic(), events.cells(_count(broker))
    producer = _raw(broker, settings)
    _warm(lambda tenant, event: producer.produce(topic, event, tenant), producer.flush)
    chunks = [
        [{"key": tenant, "value": event} for tenant, event in ready[at : at + CHUNK]]
        for at in range(0, len(ready), CHUNK)
    ]
    start = time.perf_counter()
    for chunk in chunks:
        assert producer.produce_batch(topic, chunk) == len(chunk)
    rate = _rate(len(ready), start, producer.flush)
    events.check_all(broker.servers, topic, ready)
    return rate


def _count(broker: Broker) -> int:
    return COUNT if broker.cluster is not None else COUNT_EMBEDDED


def _raw(broker: Broker, settings: BusSettings) -> Producer:
    properties: dict[str, Any] = producer_properties(broker.servers, settings)
    return Producer(properties, logger=RateLimitedLog())


def _warm(publish: Callable[[str, bytes], object], flush: Callable[[float], int]) -> None:
    """Have connections, metadata and a producer id before the clock starts.

    The id alone may take librdkafka half a second: it asks before it is connected, and then waits.
    """
    for tenant, event in events.cells(len(events.TENANTS)):
        publish(tenant, event)
    assert flush(FLUSH_SECONDS) == 0


def _rate(count: int, start: float, flush: Callable[[float], int]) -> Rate:
    handed = time.perf_counter()
    assert flush(FLUSH_SECONDS) == 0
    done = time.perf_counter()
    return Rate(count / (handed - start), count / (done - start))
