"""The way in: events to the broker, each tenant's in the order in which they were published."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

from confluent_kafka import KafkaError

from atomwire._native import Encoder, Lane, Publisher, Settled, peek_molecule_count
from atomwire.bus.errors import (
    BusClosedError,
    BusFullError,
    DeliveryError,
    EventTooLargeError,
    PublishError,
)
from atomwire.bus.log import LOGGER, RateLimitedLog
from atomwire.bus.properties import make_producer, producer_properties
from atomwire.bus.publish.headers import Headers, message_headers, own_headers
from atomwire.bus.publish.keeper import Keeper
from atomwire.bus.publish.lifecycle import OPEN_BUSES, close_at_exit_of_child
from atomwire.bus.publish.line import Line
from atomwire.bus.publish.linger import Linger
from atomwire.bus.publish.spool import Spool
from atomwire.bus.publish.stats import BusStats
from atomwire.bus.settings import BusSettings
from atomwire.codec.molecules import Molecules
from atomwire.codec.timestamps import Timestamp

if TYPE_CHECKING:
    from atomwire._native import Hash, Value
    from atomwire._native import Headers as RawHeaders

__all__ = ["EventBus"]

# How long a wait for the broker goes without a look at everything else.
_SLICE_SECONDS = 0.1
_PAUSE_SECONDS = 0.002
_TENANTS_NAMED = 5
# An event of gathered cells goes out at this size at the latest, which keeps the call short.
_GATHER_BYTES = 1 << 16
# What a message holds beside its value: the key, the headers and librdkafka's own.
_BESIDE_VALUE_BYTES = 1_024
# Events that may wait in memory for the disk, or for a new producer.
_ROOM = 10_000
_WRITE_HEADERS = [("type", b"1")]
_NO_TOPIC = (KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION)


class EventBus(Publisher):
    """Publishes events to a topic; all of a tenant stay in one partition, in order, without gaps.

    Publishing never waits for the broker: events queue up, and threads of the bus see to their
    delivery. Events do not expire while they wait. Close the bus, or use it as a context manager;
    a bus that is open when the process ends is closed then, within `exit_seconds`. Threads may
    share it. After a fork the child has a bus of its own by the same name, empty and with the same
    settings; what the parent's has taken stays with the parent.

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
    SpoolError
        The spool cannot be opened.
    """

    _keeper: Keeper
    _linger: Linger
    _closing: threading.Lock
    _closed: bool
    _final: BusStats | None

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
        self._with_headers = self._settings.headers
        self._start()
        OPEN_BUSES.add(self)

    def publish_many(self, events: Iterable[bytes], *, tenant_id: str | None = None) -> None:
        """Queue events in the order given and return at once.

        Every event is checked before the first is queued. Should the bus then refuse one, those
        before it stay queued: the error's `accepted` is their number, so a caller continues with
        ``events[error.accepted:]``. A `durable` bus stores all of them at once.

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
        listed = list(events)
        accepted = 0
        try:
            if self._with_headers:
                self._lane.check_many(listed, tenant_id)
                for event in listed:
                    self._take(event, tenant_id, message_headers(event))
                    accepted += 1
                return
            # Each without room is dealt with by itself, as the settings say.
            while (accepted := self._lane.publish_many(listed, accepted, tenant_id)) < len(listed):
                self.publish(listed[accepted])
                accepted += 1
        except PublishError as error:
            error.accepted = max(accepted, getattr(error, "taken", 0))
            raise

    def write(
        self,
        tenant_id: str,
        coordinate_hash: Hash,
        value: Value | None,
        *,
        timestamp: Timestamp | None = None,
        security_mask: int | None = None,
        user_id: str | None = None,
        region: str | None = None,
    ) -> None:
        """Write one cell and return at once.

        A cell after a quiet spell goes out at once. While cells of its tenant keep coming, those
        within `linger_ms` become one event. A tenant's cells and events keep the order of the
        calls.

        Parameters
        ----------
        tenant_id : str
            Never empty.
        coordinate_hash : int or 16 bytes
            The cell.
        value : float, int, str, bool, datetime, date, datetime64, CellError or None
            Its type says which value field it becomes.
        timestamp : int, datetime or datetime64, optional
            When the cell was written; the event carries the time when it was made.
        security_mask : int, optional
            64 bits without a sign.
        user_id, region : str, optional
            Of the event; cells that differ in them become different events.

        Raises
        ------
        TypeError, ValueError
            Naming the argument, its value and what it must be.
        BusFullError, EventTooLargeError, SpoolError, BusClosedError, PublishError
            As `publish` does. The cell was not taken; cells before it may still wait for room.
        """
        if not self._lane.write(
            tenant_id, coordinate_hash, value, timestamp, security_mask, user_id, region
        ):
            cell = (tenant_id, coordinate_hash, value, timestamp, security_mask, user_id, region)
            self._find_room(partial(self._lane.write, *cell), tenant_id)

    def write_molecules(
        self,
        tenant_id: str,
        molecules: Molecules,
        *,
        user_id: str | None = None,
        region: str | None = None,
        trace_id: str | None = None,
    ) -> None:
        """Write many cells as events that fit the broker's limit, in order.

        Parameters
        ----------
        tenant_id : str
            Never empty.
        molecules : Molecules
            Any number.
        user_id, region, trace_id : str, optional
            Of the events.

        Raises
        ------
        TypeError, ValueError
            As `Encoder` does.
        BusFullError, EventTooLargeError, SpoolError, BusClosedError, PublishError
            As `publish` does; the error's `accepted` is how many molecules were taken.
        """
        encoder = Encoder(tenant_id, user_id=user_id, region=region, trace_id=trace_id)
        accepted = 0
        for event in encoder.split(molecules, self._settings.max_event_bytes - _BESIDE_VALUE_BYTES):
            try:
                self.publish(event)
            except PublishError as error:
                error.accepted = accepted
                raise
            accepted += peek_molecule_count(event)

    def submit(
        self, event: bytes, *, tenant_id: str | None = None, headers: Headers | None = None
    ) -> Future[None]:
        """Queue one event, and return a future of its acknowledgement.

        Parameters
        ----------
        event, tenant_id, headers
            As for `publish`.

        Returns
        -------
        concurrent.futures.Future
            Done when the broker has acknowledged the event, with a `DeliveryError` when it was
            given up or the bus was closed before. `asyncio.wrap_future` makes it awaitable.

        Raises
        ------
        TypeError, InvalidEventError, ValueError, PublishError, BusClosedError
            As `publish` does. Under ``on_full="drop"`` a dropped event raises `BusFullError`.
        """
        own = self._headers_of(event, headers)
        future: Future[None] | None = None

        def again() -> bool:
            nonlocal future
            future = self._keeper.submit(
                lambda: self._lane.publish(event, tenant_id, own, reported=True)
            )
            return future is not None

        if not again():
            self._find_room(again)
        if future is None:
            raise self._full_error()
        return future

    def flush(self, timeout: float = 10.0) -> int:
        """Wait until every event was delivered or given up; send without lingering.

        Parameters
        ----------
        timeout : float
            Longest wait, in seconds.

        Returns
        -------
        int
            Events that still wait, in memory or in the spool: 0 unless the time ran out.

        Raises
        ------
        BusClosedError
            The bus was closed.
        """
        _check_timeout(timeout)
        if self._closed:
            raise self._closed_error()
        return self._drain(time.monotonic() + timeout)

    def close(self, timeout: float = 10.0) -> None:
        """Deliver what is queued, then release the producer. Closing again does nothing.

        What was not delivered by then waits in the spool, for the next bus that opens the same
        `spool_dir`; without a spool it is given up.

        Parameters
        ----------
        timeout : float
            Longest wait for the broker, in seconds.

        Raises
        ------
        DeliveryError
            Events that the bus had accepted were given up, now or before: how many, of which
            tenants, and why. Those whose acknowledgement alone is missing may have arrived.
        """
        _check_timeout(timeout)
        with self._closing:
            if self._closed:
                return
            self._closed = True
        OPEN_BUSES.discard(self)
        if isinstance(self._keeper, _InChild):
            self._final = BusStats(accepted=0, delivered=0, failed=0, queued=0)
            return
        try:
            self._lane.close()
            self._linger.stop()
            self._drain(time.monotonic() + timeout)
        finally:
            self._lane.flush_all(force=True)
            left = self._keeper.finish()
            final = self._final = self._count()
        if left:
            LOGGER.warning(
                "%d events for topic %r at %s wait in spool_dir=%r for the next bus%s",
                left,
                self._topic,
                self._brokers,
                str(self._settings.spool_dir),
                self._because(),
            )
        if final.failed:
            raise self._delivery_error(final)

    def stats(self) -> BusStats:
        """Return the counts so far; they stay readable after `close`."""
        return self._final or self._count()

    def healthy(self) -> bool:
        """Whether the bus is open, a broker is connected, and nothing keeps events from it.

        False, too, while a failed producer is being replaced or the spool cannot be written to.
        Learned from librdkafka once a second, so a fresh bus is healthy after about that time.
        """
        if self._closed:
            return False
        line = self._keeper.line
        return line.fatal_reason is None and line.up and self._keeper.spool_error is None

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

    # ---- Beginning and end.

    def _start(self) -> None:
        settings = self._settings
        self._closed = False
        self._final = None
        self._closing = threading.Lock()
        self._log = RateLimitedLog()
        spool = None
        if settings.spool_dir is not None:
            spool = Spool(settings.spool_dir, self._topic, settings.spool_bytes)
        lane = Lane(
            linger_seconds=settings.linger_ms / 1_000,
            max_event_bytes=settings.max_event_bytes,
            gather_bytes=min(_GATHER_BYTES, settings.max_event_bytes),
            room=max(settings.queue_size, _ROOM),
            store=spool.append if spool is not None and settings.durable else None,
            refused=self._on_refused,
            gathering=lambda: self._linger.wake(),
            waiting=lambda: self._keeper.wake(),
            closed_error=self._closed_error,
            cell_headers=_WRITE_HEADERS if settings.headers else None,
        )
        self._linger = Linger(lane, settings.on_full == "drop", self._log)
        try:
            new_line = partial(self._new_line, lane.settled)
            self._keeper = Keeper(lane, new_line, spool, settings.queue_size, self._log)
        except BaseException:
            if spool is not None:
                spool.close()
            raise
        self._lane = lane

    def _new_line(self, settled: Settled, keeper: Keeper) -> Line:
        # Made anew each time, because there are secrets in them.
        properties = producer_properties(self._brokers, self._settings)
        producer = make_producer(properties, self._topic, settled)
        return Line(producer, self._log, keeper.settle, keeper.replace_line)

    def close_at_exit(self) -> None:
        """Close at the end of the process, within the bound that is set for it."""
        self.close(self._settings.exit_seconds)

    def restart_in_child(self) -> None:
        """Leave everything to the parent process, and start anew with the first use."""
        if isinstance(self._keeper, _InChild):
            return  # a child of a child that has not used it
        self._keeper.abandon()
        self._lane = cast("Lane", _InChild(self, "_lane"))
        self._keeper = cast("Keeper", _InChild(self, "_keeper"))

    def _start_in_child(self) -> None:
        self._start()
        close_at_exit_of_child()

    # ---- Waiting.

    def _drain(self, deadline: float) -> int:
        while True:
            self._lane.flush_all()
            remaining = max(deadline - time.monotonic(), 0.0)
            self._keeper.line.flush(min(remaining, _SLICE_SECONDS))
            self._keeper.settle()
            stats = self._count()
            waiting = stats.queued + stats.spooled + bool(stats.gathering)
            if not waiting or not remaining:
                return waiting
            # The producer may have nothing to wait for, while the spool has.
            time.sleep(min(remaining, _PAUSE_SECONDS))

    def _find_room(self, again: Callable[[], object], cells_of: str | None = None) -> None:
        """Do as `on_full` says about an event, or the cells of a tenant, without room."""
        policy = self._settings.on_full
        if policy == "drop":
            if cells_of is None:
                self._lane.count_dropped(1)
            else:
                self._lane.drop_tenant(cells_of)
            return
        # With a spool, what is full is the room in front of the disk: that is soon written.
        if policy in ("block", "spool"):
            deadline = time.monotonic() + self._settings.block_seconds
            while time.monotonic() < deadline and self._keeper.spool_error is None:
                time.sleep(_PAUSE_SECONDS)
                if again():
                    return
        raise self._full_error()

    # ---- Events.

    def _headers_of(self, event: bytes, headers: Headers | None) -> RawHeaders | None:
        if self._with_headers:
            self._lane.check_many([event])
            return message_headers(event, headers)
        return own_headers(headers)

    def _publish_otherwise(
        self, event: bytes, tenant_id: str | None, headers: Headers | None
    ) -> None:
        """Publish an event with headers, or one that found no room."""
        self._take(event, tenant_id, self._headers_of(event, headers))

    def _take(self, event: bytes, tenant_id: str | None, own: RawHeaders | None) -> None:
        if not self._lane.publish(event, tenant_id, own):
            self._find_room(partial(self._lane.publish, event, tenant_id, own))

    def _on_refused(self, error: int, size: int) -> bool:
        """Decide about an event that the producer did not take; the lane calls this."""
        if error == KafkaError._QUEUE_FULL:
            return self._settings.on_full == "spool"
        if error in (0, KafkaError.MSG_SIZE_TOO_LARGE):
            raise self._too_large(size)
        reason = KafkaError(error).str()
        failed = error in (KafkaError._FATAL, KafkaError._FENCED)
        if failed or (self._settings.on_full == "spool" and error in _NO_TOPIC):
            # A topic that is not there may be made yet; only a new producer asks for it soon.
            self._keeper.replace_line(reason)
            return True
        raise PublishError(f"topic {self._topic!r} did not take the event: {reason}")

    # ---- Words.

    def _closed_error(self) -> BusClosedError:
        return BusClosedError(f"the bus to topic {self._topic!r} is closed; open a new EventBus")

    def _too_large(self, size: int) -> EventTooLargeError:
        return EventTooLargeError(
            f"an event of {size:,} bytes does not fit "
            f"max_event_bytes={self._settings.max_event_bytes:,}; split it with "
            "Encoder.split(), or raise max_event_bytes and the broker's message.max.bytes"
        )

    def _full_error(self) -> BusFullError:
        return BusFullError(
            f"the queue is full (queue_size={self._settings.queue_size:,} events, or 1 GiB): "
            f"{self._brokers} does not keep up{self._because()}; flush() and publish again, "
            "or raise queue_size, or give the bus a spool_dir with room"
        )

    def _because(self) -> str:
        keeper = self._keeper
        reason = keeper.spool_error or keeper.line.last_error or keeper.last_reason
        return f" ({reason})" if reason else ""

    def _count(self) -> BusStats:
        accepted, delivered, failed, dropped, in_flight, _, cells = self._lane.counts()
        left = accepted - delivered - failed
        queued = left if self._settings.spool_dir is None else min(in_flight, left)
        return BusStats(accepted, delivered, failed, queued, left - queued, dropped, cells)

    def _delivery_error(self, stats: BusStats) -> DeliveryError:
        by_tenant = self._keeper.given_up()
        named = ", ".join(f"{t!r} {n:,}" for t, n in Counter(by_tenant).most_common(_TENANTS_NAMED))
        more = len(by_tenant) - _TENANTS_NAMED
        return DeliveryError(
            f"{stats.failed:,} of {stats.accepted:,} events were not delivered to topic "
            f"{self._topic!r} at {self._brokers}{self._because()}; tenants: {named}"
            f"{f' and {more:,} more' if more > 0 else ''}; publish them again when the broker "
            "answers, or give close() a longer timeout, or the bus a spool_dir",
            stats.failed,
            by_tenant,
        )


class _InChild:
    """Stands for a part of a bus in a forked child until it is used."""

    def __init__(self, bus: EventBus, name: str) -> None:
        self._bus = bus
        self._name = name

    def __getattr__(self, name: str) -> Any:
        if getattr(self._bus, self._name) is self:
            self._bus._start_in_child()
        return getattr(getattr(self._bus, self._name), name)


def _check_timeout(timeout: float) -> None:
    if not 0 <= timeout < 1_000_000:
        raise ValueError(f"timeout={timeout!r}: must be seconds, from 0 to less than 1,000,000")
