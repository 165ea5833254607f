"""What publishers promised and what the broker holds, by readers that are not this package.

Events are read with a plain client and with the official Python `flatbuffers`. Each holds its
number among those of its tenant in one publisher's life: that life is its `user_id`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from support import official

from atomwire.bus.log import RateLimitedLog
from tests.broker.writer import Line

_SECONDS = 60.0


class Arrival(NamedTuple):
    """An event as it lies in a partition."""

    line: Line
    number: int
    event_id: str
    partition: int
    value: bytes


@dataclass
class Ledger:
    """What was promised of one line.

    Attributes
    ----------
    accepted : dict[int, str]
        Event ids by number: those for which the bus returned.
    given_up : set[int]
        The numbers that are to fail, and to be nowhere.
    killed : bool
        The publisher was killed: it may have published one event more than it told of, and what it
        had sent may arrive beside what its successor sends again.
    complete : bool
        What was accepted must arrive. Otherwise some may be missing, but none out of order.
    """

    accepted: dict[int, str] = field(default_factory=dict)
    given_up: set[int] = field(default_factory=set)
    killed: bool = False
    complete: bool = True


def read_topics(brokers: str, topics: Sequence[str]) -> dict[str, list[Arrival]]:
    """Return all that lies in some topics, every partition from its first event to its last."""
    reader = Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": "ledger",
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 10,
        },
        logger=RateLimitedLog(),
    )
    arrivals: dict[str, list[Arrival]] = {topic: [] for topic in topics}
    try:
        known = reader.list_topics(timeout=_SECONDS).topics
        places = [
            TopicPartition(topic, number, OFFSET_BEGINNING)
            for topic in topics
            for number in known[topic].partitions
        ]
        missing = sum(reader.get_watermark_offsets(each, timeout=_SECONDS)[1] for each in places)
        reader.assign(places)
        while missing:
            messages = reader.consume(min(missing, 10_000), _SECONDS)
            assert messages, f"{missing} messages do not arrive"
            missing -= len(messages)
            for message in messages:
                assert message.error() is None, message.error()
                arrivals[message.topic()].append(_arrival(message.partition(), message.value()))
    finally:
        reader.close()
    return arrivals


def problems(ledgers: Mapping[Line, Ledger], arrivals: Iterable[Arrival]) -> list[str]:
    """Return what is wrong with what arrived; nothing is, if nothing is returned."""
    found: list[str] = []
    by_line: dict[Line, list[Arrival]] = defaultdict(list)
    values: dict[str, bytes] = {}
    for each in arrivals:
        by_line[each.line].append(each)
        if values.setdefault(each.event_id, each.value) != each.value:
            found.append(f"two events with the id {each.event_id}")
    for line, ledger in ledgers.items():
        found += (f"{line.tenant}: {what}" for what in _of_line(ledger, by_line.pop(line, [])))
    found += (f"{line} is nobody's" for line in by_line)
    return found


def _of_line(ledger: Ledger, arrivals: Sequence[Arrival]) -> Iterator[str]:
    if len({each.partition for each in arrivals}) > 1:
        yield "in several partitions"
    ids: dict[int, str] = {}
    for each in arrivals:
        if ids.setdefault(each.number, each.event_id) != each.event_id:
            yield f"number {each.number} has two ids"
    promised = ledger.accepted.items()
    untold = max(ledger.accepted, default=-1) + 1 if ledger.killed else None
    if foreign := set(ids.items()) - promised - {(n, ids[n]) for n in ids if n == untold}:
        yield f"{len(foreign)} events that were not accepted: {sorted(foreign)[:3]}"
    if risen := ids.keys() & ledger.given_up:
        yield f"given up, and yet there: {sorted(risen)[:3]}"
    expected = ledger.accepted.keys() - ledger.given_up
    if ledger.complete and (lost := expected - ids.keys()):
        yield f"lost {len(lost)} of {len(expected)}: {sorted(lost)[:3]} ..."
    numbers = [each.number for each in arrivals]
    if ledger.killed:
        numbers = list(dict.fromkeys(numbers))
    yield from _disorder(sorted(ids), numbers)


def _disorder(numbers: Sequence[int], arrived: Sequence[int]) -> Iterator[str]:
    """Look for an event with a later one before it that is not there once more behind it.

    What is there twice was sent again from some event on, with all that followed: whoever reads to
    the end has the last state of each cell.
    """
    following = dict(zip([-1, *numbers], numbers, strict=False))
    before = -1
    for number in arrived:
        if number > before and number != following[before]:
            yield f"out of order: {number} after {before}"
            return
        before = number
    if numbers and before != numbers[-1]:
        yield f"out of order: ends with {before}, not {numbers[-1]}"


def _arrival(partition: int, value: bytes) -> Arrival:
    event = official.root(value)
    line = Line(event.TenantId().decode(), event.UserId().decode())
    number = int(event.Molecules(0).NumericValue())
    return Arrival(line, number, event.EventId().decode(), partition, value)
