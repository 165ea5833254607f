"""What a bus is made of, and how the parts are put together. Nothing is opened here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from atomwire._native import SendQueue
from atomwire.bus.log import RateLimitedLog
from atomwire.bus.properties import bus_properties, make_session
from atomwire.bus.publish.delivery import Delivery
from atomwire.bus.publish.outbox import Outbox
from atomwire.bus.publish.recovery import Recovery
from atomwire.bus.publish.spool import Spool
from atomwire.bus.publish.stats import BusStats
from atomwire.bus.settings import BusSettings

if TYPE_CHECKING:
    from atomwire._native import ProducerSession

__all__ = ["Parts"]

_WRITE_HEADERS = [("type", b"1")]


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of one bus in one process; a forked child makes its own.

    Attributes
    ----------
    brokers, topic, settings
        As the bus got them.
    queue : SendQueue
        Where every event is.
    log : RateLimitedLog
        What the bus has to say.
    recovery : Recovery
        The producer.
    delivery : Delivery
        The thread that hears what became of events.
    outbox : Outbox or None
        The thread at the disk, where there is one.
    """

    brokers: str
    topic: str
    settings: BusSettings
    queue: SendQueue
    log: RateLimitedLog
    recovery: Recovery
    delivery: Delivery
    outbox: Outbox | None

    @classmethod
    def make(cls, brokers: str, topic: str, settings: BusSettings) -> Self:
        """Make the parts of a bus; nothing is opened, and no thread begins."""

        def make_producer(topic_limit: int | None) -> ProducerSession:
            # The properties are made anew each time, because there are secrets in them.
            return make_session(queue, bus_properties(brokers, settings, topic_limit), topic)

        queue = _make_queue(settings)
        log = RateLimitedLog()
        recovery = Recovery(queue, make_producer, log, settings.max_event_bytes)
        delivery = Delivery(queue, recovery, log)
        outbox = None
        if settings.spool_dir is not None:
            outbox = Outbox(queue, lambda: _open_spool(topic, settings), settings, log)
        return cls(brokers, topic, settings, queue, log, recovery, delivery, outbox)

    def stats(self) -> BusStats:
        """Return the counts so far."""
        accepted, delivered, failed, in_flight, backlog, spooled, dropped, gathering, _ = (
            self.queue.counts()
        )
        if self.outbox is None:
            queued = in_flight + backlog
        else:
            queued, spooled = in_flight, backlog + spooled
        return BusStats(accepted, delivered, failed, queued, spooled, dropped, gathering)

    @property
    def waits(self) -> bool:
        """Whether anything is on its way."""
        _, _, _, in_flight, backlog, spooled, _, gathering, left = self.queue.counts()
        return in_flight + backlog + spooled - left + gathering > 0

    @property
    def is_own_thread(self) -> bool:
        """Whether the caller is a thread of the bus."""
        outbox = self.outbox
        return self.delivery.worker.is_current() or (
            outbox is not None and outbox.worker.is_current()
        )


def _make_queue(settings: BusSettings) -> SendQueue:
    return SendQueue(
        linger_ms=settings.linger_ms,
        max_event_bytes=settings.max_event_bytes,
        queue_size=settings.queue_size,
        queue_bytes=settings.queue_bytes,
        disk=settings.spool_dir is not None,
        durable=settings.durable,
        drop=settings.on_full == "drop",
        expire_ms=0 if settings.spool_dir is not None else _message_timeout_of(settings),
        cell_headers=_WRITE_HEADERS if settings.headers else [],
    )


def _open_spool(topic: str, settings: BusSettings) -> Spool:
    assert settings.spool_dir is not None
    return Spool(settings.spool_dir, topic, settings.spool_bytes, synchronous=settings.synchronous)


def _message_timeout_of(settings: BusSettings) -> float:
    """Return librdkafka's bound on an event's age in milliseconds, which its own default is not."""
    for name in ("message.timeout.ms", "delivery.timeout.ms"):
        if name in settings.librdkafka:
            return float(settings.librdkafka[name])
    return 0.0
