"""Send a sample's rows through a broker and collect what comes out."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from atomwire import EventType, encode, peek_event_id
from atomwire.bus import BusSettings, EventBus
from atomwire.cli.broker import require_topic
from atomwire.cli.cells import cells
from atomwire.cli.console import Advance
from atomwire.cli.demo.listener import Arrival, Listener
from atomwire.cli.demo.sample import Sample
from atomwire.cli.events import CellEvent, encode_cells, room_for_event
from atomwire.cli.rows import read_rows
from atomwire.testing import EmbeddedBroker

TENANT: Final = "demo"
TOPIC: Final = "atom-events"

SETTINGS: Final = BusSettings()

_AHEAD: Final = 2 * 1024 * 1024
"""Bytes that may be published and not yet consumed: the embedded broker holds 5 MiB."""


@dataclass(slots=True)
class Trip:
    """What was measured under way, and what arrived."""

    molecules: int = 0
    bytes: int = 0
    batches: int = 0
    encode_ns: int = 0
    seconds: float = 0.0
    published_ns: dict[str | None, int] = field(default_factory=dict)
    arrivals: list[Arrival] = field(default_factory=list)

    def latencies_ns(self) -> list[int]:
        """Return for each event the time from ``publish`` to the consumer's hand."""
        return [
            arrival.received_ns - self.published_ns[peek_event_id(arrival.data)]
            for arrival in self.arrivals
        ]


def travel(sample: Sample, advance: Advance) -> Trip:
    """Publish every row of the sample to an embedded broker, and consume at the same time."""
    trip = Trip()
    with EmbeddedBroker() as broker:
        # A consumer of a topic that is not there yet would look for it again only much later.
        require_topic(broker.bootstrap_servers, TOPIC, SETTINGS)
        with (
            Listener(broker.bootstrap_servers, TOPIC) as listener,
            EventBus(broker.bootstrap_servers, TOPIC, settings=SETTINGS) as bus,
        ):
            _heartbeat(bus)
            listener.wait_for_heartbeats(1)
            start = time.perf_counter()
            for event in _events(sample, trip, advance):
                listener.wait_for_bytes(trip.bytes - _AHEAD)
                _publish(event, bus, trip)
            _heartbeat(bus)
            listener.wait_for_heartbeats(2)
            trip.seconds = time.perf_counter() - start
    trip.arrivals = listener.arrivals
    trip.batches = listener.batches
    return trip


def _events(sample: Sample, trip: Trip, advance: Advance) -> Iterator[CellEvent]:
    path, layout = sample.path(), sample.layout
    for rows in read_rows(path, layout.columns, chunk_rows=sample.chunk_rows):
        for group in cells(path, rows, layout):
            # The thread's own time: while it waits for the consumer's thread, it does not encode.
            start = time.thread_time_ns()
            events = list(encode_cells(TENANT, group, room_for_event(SETTINGS)))
            trip.encode_ns += time.thread_time_ns() - start
            yield from events
        advance(rows.position)


def _heartbeat(bus: EventBus) -> None:
    bus.publish(encode(TENANT, type=EventType.HEARTBEAT))


def _publish(event: CellEvent, bus: EventBus, trip: Trip) -> None:
    trip.published_ns[peek_event_id(event.data)] = time.perf_counter_ns()
    bus.publish(event.data)
    trip.molecules += event.molecules
    trip.bytes += len(event.data)
