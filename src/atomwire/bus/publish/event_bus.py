"""The way in: events to the broker, each tenant's in the order in which they were published.

State: what became of events is the native queue's (src/bus). A bus itself is opened once, and
closed once, by whichever thread comes first; no lock is held meanwhile, so any of its methods may
be called from a signal handler, a finalizer, a log handler or a future's callback.
"""

from __future__ import annotations

import logging
import math
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self

from confluent_kafka import KafkaError

from atomwire._native import (
    AWAITS_DISK,
    CLOSED,
    FULL,
    NO_MEMORY,
    TOO_LARGE,
    Encoder,
    Publisher,
    SendQueue,
    check_event,
    check_events,
    keep_forever,
    peek_molecule_count,
)
from atomwire.bus.errors import (
    BusClosedError,
    BusError,
    BusFullError,
    DeliveryError,
    EventTooLargeError,
    PublishError,
    SpoolError,
)
from atomwire.bus.log import RateLimitedLog
from atomwire.bus.properties import bus_properties, make_session
from atomwire.bus.publish import lifecycle
from atomwire.bus.publish.delivery import Delivery
from atomwire.bus.publish.headers import Headers, message_headers, own_headers
from atomwire.bus.publish.outbox import Outbox
from atomwire.bus.publish.recovery import Recovery
from atomwire.bus.publish.spool import Spool
from atomwire.bus.publish.stats import BusStats
from atomwire.bus.publish.worker import Gate, Worker
from atomwire.bus.settings import BusSettings
from atomwire.codec.errors import InvalidEventError
from atomwire.codec.molecules import Molecules
from atomwire.codec.timestamps import Timestamp

if TYPE_CHECKING:
    from atomwire._native import Hash, ProducerSession, Value
    from atomwire._native import Headers as RawHeaders
    from atomwire.bus.position import Position

__all__ = ["EventBus"]

# How long a wait goes without a look at signals and at everything else.
_SLICE_SECONDS = 0.1
_TENANTS_NAMED = 5
# What a message needs beside its key, value and the contract's headers.
_MESSAGE_OVERHEAD = 64
_CONTRACT_HEADERS = 256
_WRITE_HEADERS = [("type", b"1")]
# What a thread of the bus gets to end; it may be in the middle of something of the program's, or
# the disk may hold it.
_THREAD_SECONDS = 12.0
# A storm of signals whose handlers raise must not keep a closing bus for ever.
_MOST_INTERRUPTS = 1_000
_NO_THREAD = "the system has no thread to give; the bus tries again with the next call"

# (verdict, number, size) of the queue; None for a cell that was taken.
_Outcome = tuple[int, int, int] | None


class EventBus(Publisher):
    """Publishes events to a topic; all of a tenant stay in one partition, in order, without gaps.

    Publishing never waits for the broker: events queue up, and threads of the bus see to their
    delivery. Events do not expire while they wait. Close the bus, or use it as a context manager;
    a bus that is open when the process ends is closed then, within `exit_seconds`. Threads may
    share it, and every method may be called from anywhere: from a signal handler, a finalizer, a
    log handler, a future's callback. After a fork the child has a bus of its own by the same name,
    empty and with the same settings; what the parent's has taken stays with the parent.

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
    BusError
        Threads are not to be had, or not real ones (gevent, eventlet).
    """

    def __init__(
        self,
        brokers: str = "localhost:9092",
        topic: str = "atom-events",
        *,
        settings: BusSettings | None = None,
        **overrides: Any,
    ) -> None:
        lifecycle.check_threads()
        self._brokers = brokers
        self._topic = topic
        self._settings = (settings or BusSettings()).replace(**overrides)
        self._furnish()
        try:
            self._open()
        except BaseException:
            self._closed = True
            self._close_by = 0.0
            self._closing.run_here()
            raise

    def publish_many(self, events: Iterable[bytes], *, tenant_id: str | None = None) -> None:
        """Queue events in the order given and return at once.

        Every event is checked before the first is queued. Should the bus then refuse one, those
        before it stay queued: the error's `accepted` is their number, so a caller continues with
        ``events[error.accepted:]``. A `durable` bus stores them together.

        Parameters
        ----------
        events : Iterable[bytes]
            Encoded AtomEvents, of one tenant or many.
        tenant_id : str, optional
            The tenant that all events are expected to have.

        Raises
        ------
        TypeError, InvalidEventError, ValueError
            As `publish` does, naming the event by its index. Nothing was queued.
        PublishError, BusClosedError
            As `publish` does.
        """
        listed = list(events)
        check_events(listed, tenant_id)
        own = _headers_of_all(listed) if self._settings.headers else None
        accepted = 0
        try:
            if self._settings.durable:
                accepted = self._store_many(listed, own)
                return
            while accepted < len(listed):
                if own is None and self._queue.attended:
                    accepted = self._queue.offer_many(listed, accepted)
                    if accepted == len(listed):
                        return
                # Each without room is dealt with by itself, as the settings say.
                self._take(listed[accepted], None, None if own is None else own[accepted])
                accepted += 1
        except PublishError as error:
            error.accepted = max(accepted, error.accepted)
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

        A cell after a quiet spell goes to the producer at once, and waits for others there,
        `linger_ms` at most. While cells of its tenant keep coming, those within `linger_ms` become
        one event. A tenant's cells and events keep the order of the
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
        queue = self._queue
        outcome = queue.write(
            tenant_id, coordinate_hash, value, timestamp, security_mask, user_id, region
        )
        if outcome is not None or not queue.attended:
            self._write_otherwise(
                outcome,
                (tenant_id, coordinate_hash, value, timestamp, security_mask, user_id, region),
            )

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
        room = self._room_for_event(tenant_id)
        parts = encoder.split(molecules, room)
        while True:
            try:
                event = next(parts, None)
            except ValueError as error:
                too_large = self._too_large_cell(error, room)
                too_large.accepted = accepted
                raise too_large from None
            if event is None:
                return
            try:
                self.publish(event)
            except PublishError as error:
                error.accepted = accepted
                raise
            accepted += peek_molecule_count(event)

    def submit(
        self, event: bytes, *, tenant_id: str | None = None, headers: Headers | None = None
    ) -> Future[Position]:
        """Queue one event, and return a future of its acknowledgement.

        Parameters
        ----------
        event, tenant_id, headers
            As for `publish`.

        Returns
        -------
        concurrent.futures.Future of Position
            Done when the broker has acknowledged the event, with its partition and offset; with a
            `DeliveryError` when it was given up, or the bus was closed before.
            `asyncio.wrap_future` makes it awaitable. Callbacks run in a thread of the bus.

        Raises
        ------
        TypeError, InvalidEventError, ValueError, PublishError, BusClosedError
            As `publish` does. Under ``on_full="drop"`` a dropped event raises `BusFullError`.
        """
        number = self._take(event, tenant_id, self._headers_of(event, headers), wanted=True)
        if not number:
            raise self._full_error()
        return self._delivery.future_of(number)

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
        self._attend()
        deadline = time.monotonic() + timeout
        return self._drain(lambda: deadline)

    def close(self, timeout: float = 10.0) -> None:
        """Deliver what is queued, then release the producer.

        What was not delivered by then waits in the spool, for the next bus that opens the same
        `spool_dir`; without a spool it is given up. Whatever fails meanwhile, everything is
        released. Closing again waits for the end of the first, and may have less patience. An
        exception out of a signal handler ends the wait for the broker, and is raised when the bus
        is closed. In a thread of the bus, so in a future's callback, closing is begun and not
        waited for.

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
        if self._ended:
            self._tell_at_end()
            return
        if not self._closed and self._waits():
            self._attend()
        self._close_by = min(self._close_by, time.monotonic() + timeout)
        self._closed = True
        if self._in_own_thread():
            self._nobody_waits = True
            self._closing.begin()
            return
        try:
            self._closing.begin()
        except RuntimeError:  # no thread to be had; at the end of the process, say
            self._closing.run_here()
        if not self._closing.is_current():  # or this is a signal handler in the middle of it
            self._raise_at_end(self._await_end())

    def stats(self) -> BusStats:
        """Return the counts so far; they stay readable after `close`."""
        accepted, delivered, failed, in_flight, backlog, spooled, dropped, gathering = (
            self._queue.counts()
        )
        if self._outbox is None:
            queued = in_flight + backlog
        else:
            queued, spooled = in_flight, backlog + spooled
        return BusStats(accepted, delivered, failed, queued, spooled, dropped, gathering)

    def healthy(self) -> bool:
        """Whether the bus is open, a broker is connected, and nothing keeps events from it.

        False, too, while the topic is missing, a failed producer is being replaced, the new one
        has not got anything done yet, or the spool cannot be written to. Learned from librdkafka
        once a second, so a fresh bus is healthy after about that time.
        """
        if self._closed:
            return False
        return self._recovery.healthy and self._spool_error is None

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

    # ---- The beginning.

    def _furnish(self) -> None:
        """Make the parts of a bus; nothing is opened, and no thread begins."""
        settings = self._settings
        self._closed = False
        # Signal handlers run in the main thread, and what they raise must not end this halfway.
        self._closing = Worker(self._end, "atomwire-closing")
        self._close_by = math.inf
        self._nobody_waits = False
        self._ended: Gate = Gate()
        self._end_told = threading.Lock()
        self._errors: list[BaseException] = []
        self._log = RateLimitedLog()
        # What `publish` may do without a look at the settings.
        self._plain = not settings.headers and not settings.durable
        self._queue = SendQueue(
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
        self._recovery = Recovery(
            self._queue, self._make_session, self._log, settings.max_event_bytes
        )
        self._delivery = Delivery(self._queue, self._recovery, self._log)
        self._outbox = (
            None
            if settings.spool_dir is None
            else Outbox(self._queue, self._open_spool, settings, self._log)
        )

    def _open(self) -> None:
        if self._outbox is not None:
            self._outbox.open()
        self._recovery.open()
        self._attend()
        if not self._queue.attended:
            raise BusError(_NO_THREAD)

    def _make_session(self, topic_limit: int | None) -> ProducerSession:
        # The properties are made anew each time, because there are secrets in them.
        properties = bus_properties(self._brokers, self._settings, topic_limit)
        return make_session(self._queue, properties, self._topic)

    def _open_spool(self) -> Spool:
        settings = self._settings
        assert settings.spool_dir is not None
        return Spool(
            settings.spool_dir,
            self._topic,
            settings.spool_bytes,
            synchronous=settings.synchronous,
        )

    def _attend(self) -> None:
        """Begin the threads that have not begun: in a forked child, or for want of threads."""
        queue = self._queue
        if queue.attended or self._closed:
            return
        try:
            if not queue.start_sender():
                return
            self._delivery.worker.begin()
            if self._outbox is not None:
                self._outbox.worker.begin()
        except RuntimeError:
            self._log.log(logging.WARNING, _NO_THREAD)
            return
        queue.attended = True
        lifecycle.opened(self)

    # ---- A fork, and the end.

    @property
    def exit_seconds(self) -> float:
        """Longest wait for the broker when the process ends."""
        return self._settings.exit_seconds

    def hold_disk(self) -> Callable[[], None] | None:
        """Keep off the disk for a fork; return what lets it go on.

        SQLite has locks of its own, which the child would find held for ever.
        """
        outbox = self._outbox
        return outbox.let_go if outbox is not None and outbox.hold() else None

    def restart_in_child(self) -> None:
        """Leave everything to the parent process; threads begin with the first use."""
        keep_forever(self._queue)
        self._recovery.abandon()
        if self._outbox is not None:
            self._outbox.abandon()
        closed = self._closed
        self._furnish()
        if closed:  # another thread of the parent was at it
            self._closed = True
            self._closing.run_here()

    def _waits(self) -> bool:
        _, _, _, in_flight, backlog, spooled, _, gathering = self._queue.counts()
        return in_flight + backlog + spooled + gathering > 0

    def _in_own_thread(self) -> bool:
        outbox = self._outbox
        return self._delivery.worker.is_current() or (
            outbox is not None and outbox.worker.is_current()
        )

    def _end(self) -> None:
        """Do all that has to be done at the end, whatever fails, and nothing of the program's."""
        outbox = self._outbox

        def steps() -> Iterable[Callable[[], object]]:
            yield self._queue.close
            yield lambda: self._queue.attended and self._drain(lambda: self._close_by)
            yield lambda: self._delivery.stop(_THREAD_SECONDS)
            yield self._recovery.close
            yield self._queue.stop_sender
            yield self._queue.end_gathering
            if outbox is not None:
                yield lambda: self._end_outbox(outbox)
            yield lambda: self._queue.give_up_all(KafkaError._DESTROY)

        for step in steps():
            try:
                step()
            except BaseException as error:  # the rest has to be done
                self._errors.append(error)
        lifecycle.closed(self)
        self._ended.open()
        if self._nobody_waits:
            try:
                self._tell_at_end()
                self._raise_at_end(None)
            except DeliveryError as error:
                self._log.log(logging.ERROR, "%s", error)

    def _await_end(self) -> BaseException | None:
        """Wait until all is done and told; return what a signal handler has raised meanwhile."""
        interrupt = None
        for _ in range(_MOST_INTERRUPTS):
            try:
                while not self._ended.wait(_SLICE_SECONDS):
                    pass
                self._tell_at_end()
                break
            except BaseException as error:
                interrupt = error
                self._close_by = 0.0
        return interrupt

    def _tell_at_end(self) -> None:
        self._delivery.settle()
        what = (
            "its outcome is not known" if self._outbox is None else "the event waits in the spool"
        )
        self._delivery.end_futures(f"the bus was closed; {what}")
        self._log.speak()

    def _end_outbox(self, outbox: Outbox) -> None:
        before = -1
        while not outbox.stop(_THREAD_SECONDS):
            # It may be slow, where others keep the interpreter; it is stuck when nothing moves.
            waiting = self._queue.counts()[4]
            if waiting == before:
                return
            before = waiting
        outbox.finish()

    def _raise_at_end(self, interrupt: BaseException | None) -> None:
        if not self._end_told.acquire(blocking=False):
            if interrupt is not None:
                raise interrupt
            return
        left = self._outbox.left if self._outbox is not None else 0
        if left:
            self._log.log(
                logging.WARNING,
                "%d events for topic %r at %s wait in spool_dir=%r for the next bus%s",
                left,
                self._topic,
                self._brokers,
                str(self._settings.spool_dir),
                self._because(),
            )
        final = self.stats()
        undelivered = self._delivery_error(final) if final.failed else None
        for error in self._errors:
            if not isinstance(error, SpoolError):
                text = "".join(traceback.format_exception(error))
                self._log.log(logging.ERROR, "closing the bus met an error: %s", text)
        if interrupt is not None:
            if undelivered is not None:
                interrupt.add_note(str(undelivered))
            raise interrupt
        if undelivered is not None:
            raise undelivered

    # ---- Waiting.

    def _drain(self, deadline: Callable[[], float]) -> int:
        self._queue.begin_flush()
        try:
            while True:
                remaining = max(deadline() - time.monotonic(), 0.0)
                waiting = self._queue.await_empty(min(remaining, _SLICE_SECONDS))
                if not waiting or not remaining or self._ended:
                    return waiting
                if self._delivery.worker.is_current():
                    if self._closed:
                        return waiting  # the thread that closes the bus waits for this one
                    self._delivery.turn()  # nobody else would
        finally:
            self._queue.end_flush()

    def _until_taken(
        self, outcome: _Outcome, again: Callable[[], _Outcome], drop: Callable[[], None]
    ) -> int:
        """Do as `on_full` says until an event is taken; return its number, 0 if it was dropped."""
        deadline: float | None = None
        while outcome is not None and outcome[0]:
            verdict, number, size = outcome
            if verdict == AWAITS_DISK:
                return self._await_disk(number)
            if verdict != FULL:
                self._refuse(verdict, size)
            policy = self._settings.on_full
            if policy == "drop":
                drop()
                return 0
            now = time.monotonic()
            if deadline is None:
                deadline = now + self._settings.block_seconds
            # With a spool, what is full is the room in front of the disk: that is soon written.
            if policy == "raise" or now >= deadline or self._spool_error is not None:
                raise self._full_error()
            self._queue.await_room(number, min(deadline - now, _SLICE_SECONDS))
            outcome = again()
        return 0 if outcome is None else outcome[1]

    def _await_disk(self, number: int) -> int:
        """Wait for the commit that has the event; nothing is held meanwhile."""
        outbox = self._outbox
        assert outbox is not None
        if outbox.worker.is_current():
            self._queue.accept_unstored(number)
            return number
        try:
            while True:
                ended = bool(self._ended)  # before the look: what was stored until then is seen
                stored = self._queue.await_stored(number, _SLICE_SECONDS)
                if stored:
                    return number
                if stored is False:
                    raise SpoolError(outbox.error or "the event could not be written to the spool")
                if ended:
                    raise self._closed_error()
                if not self._queue.attended:
                    self._attend()
                    if not self._queue.attended:
                        raise SpoolError(f"the spool is not there: {_NO_THREAD}")
        except BaseException:
            self._queue.withdraw(number)
            raise

    # ---- Events.

    def _headers_of(self, event: bytes, headers: Headers | None) -> RawHeaders | None:
        if self._settings.headers:
            check_event(event)
            return message_headers(event, headers)
        return own_headers(headers)

    def _publish_otherwise(
        self, event: bytes, tenant_id: str | None, headers: Headers | None
    ) -> None:
        """Publish an event with headers, durably, or one that found no room."""
        self._take(event, tenant_id, self._headers_of(event, headers))

    def _write_otherwise(self, outcome: _Outcome, cell: tuple[Any, ...]) -> None:
        """Write a cell that found no room, or the first one."""
        self._attend()
        self._until_taken(
            outcome, lambda: self._queue.write(*cell), lambda: self._queue.drop_cells(cell[0])
        )

    def _take(
        self, event: bytes, tenant_id: str | None, own: RawHeaders | None, wanted: bool = False
    ) -> int:
        self._attend()

        def offer() -> _Outcome:
            return self._queue.offer(event, tenant_id, own, wanted)

        return self._until_taken(offer(), offer, self._queue.drop)

    def _store_many(self, events: list[bytes], own: list[RawHeaders] | None) -> int:
        """Have all events written together, and wait for the last of them."""
        self._attend()
        numbers: list[int] = []
        stored = 0
        refused: tuple[int, int, int] | None = None
        try:
            for index, event in enumerate(events):
                headers = None if own is None else own[index]
                after = numbers[-1] if numbers else 0
                outcome = self._queue.offer(event, None, headers, False, after)
                while outcome[0] == FULL and stored < len(numbers):
                    self._await_disk(numbers[stored])  # which makes room
                    stored += 1
                    outcome = self._queue.offer(event, None, headers, False, after)
                if outcome[0] == AWAITS_DISK:
                    numbers.append(outcome[1])
                    continue
                if outcome[0] != FULL:
                    refused = outcome
                    break  # those before it are waited for
                numbers.append(
                    self._until_taken(
                        outcome,
                        lambda e=event, h=headers: self._queue.offer(e, None, h),  # type: ignore[misc]
                        self._queue.drop,
                    )
                )
                stored += 1
            for number in numbers[stored:]:
                self._await_disk(number)
                stored += 1
            if refused is not None:
                self._refuse(refused[0], refused[2])
        except BaseException as error:
            for number in numbers[stored:]:
                self._queue.withdraw(number)
            if isinstance(error, PublishError):
                error.accepted = stored
            raise
        return stored

    # ---- Words.

    @property
    def _spool_error(self) -> str | None:
        return None if self._outbox is None else self._outbox.error

    def _refuse(self, verdict: int, size: int) -> NoReturn:
        if verdict == CLOSED:
            raise self._closed_error()
        if verdict == TOO_LARGE:
            raise self._too_large(size)
        if verdict == NO_MEMORY:
            raise MemoryError
        raise SpoolError(self._spool_error or "the spool refused an event of the same call before")

    def _closed_error(self) -> BusClosedError:
        return BusClosedError(f"the bus to topic {self._topic!r} is closed; open a new EventBus")

    def _too_large(self, size: int) -> EventTooLargeError:
        limit, way_out = self._limit()
        return EventTooLargeError(
            f"an event of {size:,} bytes with its key and headers does not fit {limit}; split it "
            f"with Encoder.split(), or {way_out}"
        )

    def _limit(self) -> tuple[str, str]:
        """Return what bounds an event, and what to do about it."""
        limit = self._queue.event_limit
        if limit < self._settings.max_event_bytes:
            return f"the topic's max.message.bytes={limit:,}", "raise the topic's limit"
        way_out = "raise max_event_bytes and the broker's message.max.bytes"
        return f"max_event_bytes={limit:,}", way_out

    def _room_for_event(self, tenant_id: str) -> int:
        beside = len(tenant_id.encode()) + _MESSAGE_OVERHEAD
        if self._settings.headers:
            beside += _CONTRACT_HEADERS
        return max(self._queue.event_limit - beside, 0)

    def _too_large_cell(self, error: ValueError, room: int) -> EventTooLargeError:
        limit, way_out = self._limit()
        cell = str(error).removeprefix(f"max_bytes: {room}, but ")
        return EventTooLargeError(
            f"{cell}, and beside key and headers {limit} leaves room for {room:,}; {way_out}"
        )

    def _full_error(self) -> BusFullError:
        settings = self._settings
        return BusFullError(
            f"the queue is full (queue_size={settings.queue_size:,} events, "
            f"queue_bytes={settings.queue_bytes:,}): {self._brokers} does not keep up"
            f"{self._because()}; flush() and publish again, or raise queue_size or queue_bytes, "
            "or give the bus a spool_dir with room"
        )

    def _because(self) -> str:
        recovery = self._recovery
        reason = self._spool_error or recovery.last_error or recovery.reason
        return f" ({reason})" if reason else ""

    def _delivery_error(self, stats: BusStats) -> DeliveryError:
        by_tenant = self._queue.given_up()
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


def _message_timeout_of(settings: BusSettings) -> float:
    """Return librdkafka's bound on an event's age in milliseconds, which its own default is not."""
    for name in ("message.timeout.ms", "delivery.timeout.ms"):
        if name in settings.librdkafka:
            return float(settings.librdkafka[name])
    return 0.0


def _headers_of_all(events: list[bytes]) -> list[RawHeaders]:
    made: list[RawHeaders] = []
    try:
        for event in events:
            made.append(message_headers(event))
    except InvalidEventError as error:
        raise InvalidEventError(
            f"events[{len(made)}].{error.field}", error.position, error.reason
        ) from None
    return made


def _check_timeout(timeout: float) -> None:
    if not isinstance(timeout, int | float) or not 0 <= timeout < 1_000_000:
        raise ValueError(f"timeout={timeout!r}: must be seconds, from 0 to less than 1,000,000")
