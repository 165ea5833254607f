"""The way in: events to the broker, each tenant's in the order in which they were published."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from confluent_kafka import KafkaError, KafkaException, Producer

from atomwire.bus.config import make_client, producer_properties
from atomwire.bus.connection import Connection
from atomwire.bus.delivery import FailedDeliveries
from atomwire.bus.errors import (
    BusClosedError,
    BusFullError,
    DeliveryError,
    EventTooLargeError,
    PublishError,
)
from atomwire.bus.log import RateLimitedLog
from atomwire.bus.message import Headers, message_headers, message_key, message_timestamp
from atomwire.bus.poller import Poller
from atomwire.bus.settings import BusSettings
from atomwire.bus.stats import BusStats

__all__ = ["EventBus"]

# What close() grants librdkafka for reporting the events that it gave up.
_PURGE_SECONDS = 5.0
_TENANTS_NAMED = 5


class EventBus:
    """Publishes events to a topic; all of a tenant stay in one partition, in order, without gaps.

    Publishing never waits for the broker: events queue up, and a thread of the bus sees to their
    delivery. Events do not expire while they wait. Close the bus, or use it as a context manager:
    what is still queued when the process ends is lost. A bus may be shared by threads, and not
    across a fork.

    Parameters
    ----------
    brokers : str
        Addresses, ``host:port``, separated by commas.
    topic : str
        The topic.
    settings : BusSettings, optional
        How to publish.
    **overrides
        Single settings, by name, that replace those of `settings`.

    Raises
    ------
    SettingsError
        An argument or a setting is unknown or not allowed.
    """

    def __init__(
        self,
        brokers: str = "localhost:9092",
        topic: str = "atom-events",
        *,
        settings: BusSettings | None = None,
        **overrides: Any,
    ) -> None:
        self._brokers = brokers
        self._topic = topic
        self._settings = (settings or BusSettings()).replace(**overrides)
        log = RateLimitedLog()
        self._failures = FailedDeliveries(log)
        self._connection = Connection(log)
        callbacks = {
            "on_delivery": self._failures,
            "error_cb": self._connection.on_error,
            "stats_cb": self._connection.on_statistics,
        }
        properties = producer_properties(brokers, self._settings) | callbacks
        self._producer = make_client(Producer, properties, log)
        self._produce: Callable[..., None] = self._producer.produce
        self._poller = Poller(self._producer)
        self._accepted = 0
        self._delivered = 0
        self._closed = False
        self._final: BusStats | None = None
        # Guards the fields above; nothing blocks under it, so publishing stays quick.
        self._lock = threading.Lock()
        # Held by whoever waits for the broker, so that close() cannot pull the producer away.
        self._waiting = threading.Lock()

    def publish(
        self, event: bytes, *, tenant_id: str | None = None, headers: Headers | None = None
    ) -> None:
        """Queue one event and return at once.

        Parameters
        ----------
        event : bytes
            An encoded AtomEvent. Its envelope is checked here, its molecules are not.
        tenant_id : str, optional
            The tenant that the event is expected to have.
        headers : Mapping[str, str | bytes], optional
            Headers of the message, beside those that the settings ask for.

        Raises
        ------
        TypeError
            `event` is not bytes.
        InvalidEventError
            `event` is no AtomEvent, or has no tenant. Nothing was queued.
        ValueError
            `tenant_id` is not the event's. Nothing was queued.
        BusFullError
            The queue is full.
        EventTooLargeError
            The event is larger than `max_event_bytes`.
        BusClosedError
            The bus was closed.
        PublishError
            The producer has failed for good.
        """
        key = message_key(event, tenant_id)
        if self._settings.headers:
            headers = message_headers(event, headers)
        elif headers is not None:
            headers = dict(headers)
        self._queue(event, key, headers)

    def publish_many(self, events: Iterable[bytes], *, tenant_id: str | None = None) -> None:
        """Queue events in the order given and return at once.

        Every event is checked before the first is queued. Should the bus then refuse one, those
        before it stay queued: the error's `accepted` is their number, so a caller continues with
        ``events[error.accepted:]``.

        Parameters
        ----------
        events : Iterable[bytes]
            Encoded AtomEvents, of one tenant or many.
        tenant_id : str, optional
            The tenant that all events are expected to have.

        Raises
        ------
        InvalidEventError, ValueError, PublishError, BusClosedError
            As `publish` does.
        """
        messages = [(event, message_key(event, tenant_id)) for event in events]
        with_headers = self._settings.headers
        # One produce() each: produce_batch takes neither timestamps nor headers, and when the
        # queue runs full in the middle it refuses some events and takes later ones.
        for accepted, (event, key) in enumerate(messages):
            try:
                self._queue(event, key, message_headers(event) if with_headers else None)
            except PublishError as error:
                error.accepted = accepted
                raise

    def flush(self, timeout: float = 10.0) -> int:
        """Wait until every queued event was delivered or given up; send without lingering.

        Parameters
        ----------
        timeout : float
            Longest wait, in seconds.

        Returns
        -------
        int
            Events still queued: 0 unless the time ran out.

        Raises
        ------
        BusClosedError
            The bus was closed.
        """
        _check_timeout(timeout)
        with self._waiting:
            if self._closed:
                raise self._closed_error()
            self._producer.flush(timeout)
        return self.stats().queued

    def close(self, timeout: float = 10.0) -> None:
        """Deliver what is queued, then release the producer. Closing again does nothing.

        Parameters
        ----------
        timeout : float
            Longest wait for the broker, in seconds.

        Raises
        ------
        DeliveryError
            Events that the bus had accepted were not delivered, now or before: how many, of which
            tenants, and why. Those whose acknowledgement alone is missing may have arrived.
        """
        _check_timeout(timeout)
        with self._lock:
            if self._closed:
                return
            self._closed = True
        with self._waiting:
            try:
                self._producer.flush(timeout)
            finally:
                self._release()
        stats = self.stats()
        if stats.delivered < stats.accepted:
            raise self._delivery_error(stats)

    def stats(self) -> BusStats:
        """Return the counts so far; they stay readable after `close`."""
        with self._lock:
            return self._final or self._count()

    def healthy(self) -> bool:
        """Whether the bus is open, a broker is connected and the producer has not failed for good.

        Learned from librdkafka once a second, so a fresh bus is healthy after about that time.
        """
        return not self._closed and self._connection.fatal_reason is None and self._connection.up

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self.close()
        except DeliveryError as undelivered:
            if error is None:
                raise
            error.add_note(str(undelivered))

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open"
        return f"<EventBus brokers={self._brokers!r} topic={self._topic!r} {state}>"

    def _queue(self, event: bytes, key: str, headers: Headers | None) -> None:
        timestamp = message_timestamp(event)
        with self._lock:
            if self._closed:
                raise self._closed_error()
            try:
                # By position: naming the arguments costs a tenth of the call.
                self._produce(self._topic, event, key, -1, None, None, timestamp, headers)
            except (BufferError, KafkaException) as error:
                raise self._refusal(error, len(event)) from None
            self._accepted += 1

    def _closed_error(self) -> BusClosedError:
        return BusClosedError(f"the bus to topic {self._topic!r} is closed; open a new EventBus")

    def _refusal(self, error: Exception, size: int) -> PublishError:
        if isinstance(error, BufferError):
            return BusFullError(
                f"the queue is full (queue_size={self._settings.queue_size:,} events, or 1 GiB): "
                f"{self._brokers} does not keep up{self._because()}; flush() and publish again, "
                "or raise queue_size"
            )
        reason: KafkaError = error.args[0]
        if reason.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            return EventTooLargeError(
                f"an event of {size:,} bytes does not fit "
                f"max_event_bytes={self._settings.max_event_bytes:,}; split it with "
                "Encoder.split(), or raise max_event_bytes and the broker's message.max.bytes"
            )
        if self._connection.fatal_reason is not None:
            return PublishError(
                f"the producer failed for good ({self._connection.fatal_reason}); "
                "close this bus and open a new one"
            )
        return PublishError(f"topic {self._topic!r} did not take the event: {reason.str()}")

    def _count(self) -> BusStats:
        # The queue before the failures: an event that fails in between is then counted in both,
        # which makes `delivered` late. The other way round it would run ahead of the truth.
        waiting = len(self._producer)
        failed = self._failures.total
        # librdkafka's length includes unserved log lines, so the difference may dip: hence max.
        self._delivered = max(self._delivered, self._accepted - failed - waiting)
        queued = self._accepted - failed - self._delivered
        return BusStats(self._accepted, self._delivered, failed, queued)

    def _release(self) -> None:
        # Given up, because librdkafka's own close would wait for the broker without end.
        self._producer.purge()
        self._producer.flush(_PURGE_SECONDS)
        # Nothing may poll the producer, or ask for its length, once it is closed.
        self._poller.stop()
        with self._lock:
            counts = self._count()
            self._final = replace(counts, failed=counts.failed + counts.queued, queued=0)
        self._producer.close()

    def _because(self) -> str:
        reason = self._connection.last_error or self._failures.last_reason
        return f" ({reason})" if reason else ""

    def _delivery_error(self, stats: BusStats) -> DeliveryError:
        by_tenant = self._failures.by_tenant()
        named = ", ".join(f"{t!r} {n:,}" for t, n in Counter(by_tenant).most_common(_TENANTS_NAMED))
        more = len(by_tenant) - _TENANTS_NAMED
        undelivered = stats.accepted - stats.delivered
        return DeliveryError(
            f"{undelivered:,} of {stats.accepted:,} events were not delivered to topic "
            f"{self._topic!r} at {self._brokers}{self._because()}; tenants: {named}"
            f"{f' and {more:,} more' if more > 0 else ''}; publish them again when the broker "
            "answers, or give close() a longer timeout",
            undelivered,
            by_tenant,
        )


def _check_timeout(timeout: float) -> None:
    if not 0 <= timeout < 1_000_000:
        raise ValueError(f"timeout={timeout!r}: must be seconds, from 0 to less than 1,000,000")
