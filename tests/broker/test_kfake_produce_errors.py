"""Whatever a broker answers to a Produce request, once or for a while: all arrives, in order.

Only an event that the broker refuses when it travels alone is given up. All errors are tried at
once, each on a topic and with a bus of its own.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError

import atomwire
from atomwire import EventBus
from atomwire.bus import BusFullError, DeliveryError, SpoolError
from tests.broker.kfake import FOREVER, INIT_PRODUCER_ID, METADATA, FakeKafka, Fault
from tests.broker.ledger import Ledger, problems, read_topics
from tests.broker.writer import Line, Writer

MODES: Mapping[str, Mapping[str, Any]] = {
    "plain": {},
    "spool": {"queue_size": 100},  # so that events go over the disk
    "durable": {"durable": True},
}
TENANTS = [f"tenant-{number}" for number in range(8)]
TICK_SECONDS = 0.025
PATIENCE_SECONDS = 45.0

# What a broker says of an event, and so of the batch that it is in.
EVENT_ERRORS = {4, 10, 32, 87}
# As the protocol numbers them. Left out is DUPLICATE_SEQUENCE_NUMBER (46): it says that the broker
# has the events, and one that says so of others loses them for every client.
RETRIABLE = [2, 3, 5, 6, 7, 8, 9, 13, 14, 15, 16, 19, 20, 41, 56, 72, 74, 75, 78, 83, 89, 100, 103]
NOT_RETRIABLE = [
    *(-1, 1, 11, 17, 18, 21, 29, 31, 33, 34, 35, 37, 38, 40, 42, 43, 44, 45, 47, 48, 49, 50, 51),
    *(52, 53, 54, 55, 57, 58, 59, 60, 76, 77, 90, 91, 107, 108, 114, 120),
    136,  # younger than the client
]
ERRORS = sorted([*RETRIABLE, *NOT_RETRIABLE, *EVENT_ERRORS])

Ledgers = dict[Line, Ledger]

modes = pytest.mark.parametrize("mode", MODES)
# Once (0), for a while, and for long: where outages may be as long.
LONG_SECONDS = 10.0
long = [
    pytest.mark.faults,
    pytest.mark.skipif(
        float(os.environ.get("BROKER_OUTAGE_SECONDS", "5")) < LONG_SECONDS,
        reason="BROKER_OUTAGE_SECONDS is shorter",
    ),
]
durations = pytest.mark.parametrize("seconds", [0.0, 1.5, pytest.param(LONG_SECONDS, marks=long)])


class Stream:
    """Publishes an event of each tenant every 25 ms, from the thread that calls."""

    def __init__(self, bus: EventBus) -> None:
        self._bus = bus
        self.writer = Writer("1", TENANTS)
        self.ledgers: Ledgers = {line: Ledger() for line in self.writer.lines}

    def run(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for line in self.writer.lines:
                self.publish(line)
            time.sleep(TICK_SECONDS)

    def until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < deadline, "nothing happens"
            self.run(0.2)

    def publish(self, line: Line) -> None:
        number, event = self.writer.next(line)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                self._bus.publish(event)
                break
            except (BusFullError, SpoolError):
                assert time.monotonic() < deadline, "full, and stays so"
                time.sleep(TICK_SECONDS)
        self.accepted(line, number, event)

    def accepted(self, line: Line, number: int, event: bytes) -> None:
        self.ledgers[line].accepted[number] = str(atomwire.peek_event_id(event))


@modes
@pytest.mark.parametrize("partitions", [[0], None], ids=["one", "all"])
@durations
def test_an_error_passes(
    fake_kafka: FakeKafka,
    tmp_path: Path,
    mode: str,
    partitions: list[int] | None,
    seconds: float,
) -> None:
    def provoke(error: int, topic: str, bus: EventBus, stream: Stream) -> Iterator[str]:
        fault = fake_kafka.refuse(
            error,
            topic=topic,
            partitions=partitions,
            count=FOREVER if seconds else 1,
            # One that is refused alone is given up.
            at_least=2 if error in EVENT_ERRORS else 0,
        )
        yield from _comes_and_goes(bus, stream, [fault], seconds)

    _try(fake_kafka, _of_mode(mode, tmp_path), ERRORS, provoke)


OTHERS: Mapping[str, Callable[[FakeKafka, str, int], list[Fault]]] = {
    "connections cut": lambda fake, topic, count: [fake.drop(topic=topic, count=count)],
    "throttled": lambda fake, topic, count: [fake.delay(0.3, topic=topic, count=count)],
    "fenced": lambda fake, topic, count: [
        fake.refuse(6, topic=topic, count=count),
        fake.fence(topic=topic, count=count),
    ],
    "rights lost": lambda fake, topic, count: [
        fake.refuse(29, topic=topic, count=count),
        fake.refuse(29, topic=topic, count=count, key=METADATA),
    ],
}


@modes
@durations
def test_another_fault_passes(
    fake_kafka: FakeKafka, tmp_path: Path, mode: str, seconds: float
) -> None:
    def provoke(what: str, topic: str, bus: EventBus, stream: Stream) -> Iterator[str]:
        faults = OTHERS[what](fake_kafka, topic, FOREVER if seconds else 1)
        yield from _comes_and_goes(bus, stream, faults, seconds)

    _try(fake_kafka, _of_mode(mode, tmp_path), list(OTHERS), provoke)


@durations
def test_no_new_producer_id(fake_kafka: FakeKafka, tmp_path: Path, seconds: float) -> None:
    count = FOREVER if seconds else len(MODES)
    refused: list[Fault] = []

    def provoke(mode: str, topic: str, bus: EventBus, stream: Stream) -> Iterator[str]:
        stream.until(lambda: bus.stats().delivered)
        fatal = fake_kafka.refuse(47, topic=topic)
        refused.append(fake_kafka.refuse(31, key=INIT_PRODUCER_ID, count=count))
        yield from _comes_and_goes(bus, stream, [fatal, refused[-1]], seconds)

    settings = {mode: _of_mode(mode, tmp_path / mode) for mode in MODES}
    _try(fake_kafka, settings, list(MODES), provoke)
    assert any(fault.hits for fault in refused)


def test_leaders_move(fake_kafka: FakeKafka, tmp_path: Path) -> None:
    def provoke(mode: str, topic: str, bus: EventBus, stream: Stream) -> Iterator[str]:
        for _ in range(5):
            fake_kafka.shuffle_leaders()
            stream.run(0.3)
        yield from _all_delivered(bus)

    settings = {mode: _of_mode(mode, tmp_path / mode) for mode in MODES}
    _try(fake_kafka, settings, list(MODES), provoke)


@modes
@pytest.mark.parametrize("named", [False, True], ids=["batch", "record"])
def test_one_event_is_to_blame(
    fake_kafka: FakeKafka, tmp_path: Path, mode: str, named: bool
) -> None:
    """The broker refuses every batch with it; with `named`, it says which record it was."""

    def provoke(error: int, topic: str, bus: EventBus, stream: Stream) -> Iterator[str]:
        culprit = stream.writer.lines[3]
        refuse = fake_kafka.blame if named else fake_kafka.refuse
        for _ in range(2):
            number, event = stream.writer.next(culprit)
            event_id = str(atomwire.peek_event_id(event))
            with refuse(error, topic=topic, contains=event_id.encode(), count=FOREVER) as fault:
                future = bus.submit(event)
                stream.accepted(culprit, number, event)
                stream.ledgers[culprit].given_up.add(number)
                stream.until(future.done)
                refusal = future.exception()
                if not isinstance(refusal, DeliveryError):
                    yield f"the culprit: {refusal!r}"
                elif KafkaError(error).str() not in str(refusal):
                    yield f"the culprit's reason: {refusal}"
                if not fault.hits:
                    yield "never happened"
            stream.run(0.3)
        yield from _all_delivered(bus, failed={culprit.tenant: 2})

    _try(fake_kafka, _of_mode(mode, tmp_path), sorted(EVENT_ERRORS), provoke)


@modes
def test_a_topic_takes_less_than_the_bus(fake_kafka: FakeKafka, tmp_path: Path, mode: str) -> None:
    """`max.message.bytes` is lower than ours: batches are refused, their events are not."""

    def provoke(_: str, topic: str, bus: EventBus, stream: Stream) -> Iterator[str]:
        stream.run(0.5)
        yield from _all_delivered(bus)

    # One event fits with its batch's header, and three do not.
    _try(
        fake_kafka,
        {**_of_mode(mode, tmp_path), "linger_ms": 200, "compression": "none"},
        ["small"],
        provoke,
        max_message_bytes=600,
    )


def _of_mode(mode: str, folder: Path) -> dict[str, Any]:
    return {**MODES[mode], **({} if mode == "plain" else {"spool_dir": folder})}


def _comes_and_goes(
    bus: EventBus, stream: Stream, faults: Sequence[Fault], seconds: float
) -> Iterator[str]:
    with ExitStack() as stack:
        for fault in faults:
            stack.enter_context(fault)
        stream.until(lambda: any(fault.hits for fault in faults))
        # Of several that come once, some come later.
        stream.run(seconds or 0.5)
    stream.run(0.3)
    yield from _all_delivered(bus)


def _all_delivered(bus: EventBus, failed: Mapping[str, int] | None = None) -> Iterator[str]:
    """Close the bus, and say what it says that it should not."""
    if left := bus.flush(PATIENCE_SECONDS):
        yield f"{left} left: {bus.stats()}"
    by_tenant: Mapping[str, int] = {}
    try:
        bus.close(1.0)
    except DeliveryError as error:
        by_tenant = error.by_tenant
    stats = bus.stats()
    if by_tenant != (failed or {}):
        yield f"given up: {by_tenant}"
    if stats.failed != sum(by_tenant.values()):
        yield f"{stats.failed} failed, and close() tells of {by_tenant}"
    if stats.accepted != stats.delivered + stats.failed:
        yield str(stats)


def _try(
    fake: FakeKafka,
    settings: Mapping[str, Any],
    causes: Sequence[Any],
    provoke: Callable[[Any, str, EventBus, Stream], Iterator[str]],
    **config: object,
) -> None:
    """Provoke every cause at once, and assert that no promise is broken."""
    topics = fake.new_topics(len(causes), **config)
    wrong: dict[str, list[str]] = defaultdict(list)
    ledgers: dict[str, Ledgers] = {}

    def run(cause: Any, topic: str) -> None:
        own = dict(settings.get(cause, settings))
        if "spool_dir" in own:
            own["spool_dir"] /= topic
        with ExitStack() as stack:
            bus = EventBus(fake.bootstrap_servers, topic, **own)
            stack.callback(_give_up, bus)
            stream = Stream(bus)
            ledgers[topic] = stream.ledgers
            stream.run(0.2)
            wrong[topic] += provoke(cause, topic, bus, stream)

    with ThreadPoolExecutor(len(causes)) as pool:
        runs = [pool.submit(run, *each) for each in zip(causes, topics, strict=True)]
    for topic, each in zip(topics, runs, strict=True):
        if (error := each.exception()) is not None:
            wrong[topic].append(repr(error))
    arrived = read_topics(fake.bootstrap_servers, topics)
    broken = [
        f"{_name(cause)}: {'; '.join(found)}"
        for cause, topic in zip(causes, topics, strict=True)
        if (found := wrong[topic] + problems(ledgers.get(topic, {}), arrived[topic]))
    ]
    assert not broken, "\n".join([f"{len(broken)} of {len(causes)}:", *broken])


def _give_up(bus: EventBus) -> None:
    with suppress(DeliveryError):
        bus.close(0)


def _name(cause: Any) -> str:
    return cause if isinstance(cause, str) else f"{KafkaError(cause).name()} ({cause})"
