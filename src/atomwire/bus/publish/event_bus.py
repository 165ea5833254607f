"""The way in: events to the broker, each tenant's in the order in which they were published.

State: what became of events is the native queue's (src/bus). A bus itself is opened once, and
closed once, by whichever thread comes first; no lock is held meanwhile, so any of its methods may
be called from a signal handler, a finalizer, a log handler or a future's callback.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from atomwire._native import (
    Claim,
    Encoder,
    Publisher,
    check_event,
    check_events,
    keep_forever,
    peek_molecule_count,
)
from atomwire.bus.errors import BusError, DeliveryError, PublishError
from atomwire.bus.publish import lifecycle
from atomwire.bus.publish.admission import Admission, Outcome
from atomwire.bus.publish.closing import Closing
from atomwire.bus.publish.delivery import promise
from atomwire.bus.publish.draining import drain
from atomwire.bus.publish.durable import Durable
from atomwire.bus.publish.headers import (
    Headers,
    headers_of_all,
    message_headers,
    own_headers,
)
from atomwire.bus.publish.parts import Parts
from atomwire.bus.publish.stats import BusStats
from atomwire.bus.publish.words import NO_THREAD, Words
from atomwire.bus.settings import BusSettings
from atomwire.codec.molecules import Molecules

if TYPE_CHECKING:
    from atomwire._native import Headers as RawHeaders
    from atomwire.bus.position import Position

__all__ = ["EventBus"]


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
            self._closing.at_once()
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
        own = headers_of_all(listed) if self._settings.headers else None
        accepted = 0
        try:
            if self._settings.durable:
                accepted = self._admission.store_many(listed, own)
                return
            while accepted < len(listed):
                if own is None and self._queue.attended:
                    accepted = self._queue.offer_many(listed, accepted)
                    if accepted == len(listed):
                        return
                # Each without room is dealt with by itself, as the settings say.
                self._admission.take(listed[accepted], None, None if own is None else own[accepted])
                accepted += 1
        except PublishError as error:
            error.accepted = max(accepted, error.accepted)
            raise

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
        room = self._words.room_for_event(tenant_id)
        parts = encoder.split(molecules, room)
        while True:
            try:
                event = next(parts, None)
            except ValueError as error:
                too_large = self._words.too_large_cell(error, room)
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
        claim, future = Claim(), promise()
        own = self._headers_of(event, headers)
        try:
            number = self._admission.take(event, tenant_id, own, wanted=True, claim=claim)
            if not number:
                raise self._words.full()
            self._delivery.owe(number, future)
        except PublishError:
            raise
        except BaseException:
            if claim.number:  # a signal handler has raised; what becomes of it is told all the same
                self._delivery.owe(claim.number, future)
            raise
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
            Events that still wait, in memory or in the spool: 0 unless the time ran out. What only
            the next process will read (`docs/bus.md`) does not count.

        Raises
        ------
        BusClosedError
            The bus was closed.
        """
        _check_timeout(timeout)
        if self._closed:
            raise self._words.closed()
        self._attend()
        deadline = time.monotonic() + timeout
        closing = self._closing
        return drain(self._parts, lambda: deadline, lambda: closing.is_begun, closing.ended)

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
        if not self._closed and self._parts.waits:
            self._attend()
        self._closing.close(timeout)

    def stats(self) -> BusStats:
        """Return the counts so far; they stay readable after `close`."""
        return self._parts.stats()

    def healthy(self) -> bool:
        """Whether the bus is open, a broker is connected, and nothing keeps events from it.

        False, too, while the topic is missing, a failed producer is being replaced, the new one
        has not got anything done yet, or the spool cannot be written to. Learned from librdkafka
        once a second, so a fresh bus is healthy after about that time.
        """
        if self._closed:
            return False
        return self._recovery.healthy and self._words.spool_error is None

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
        parts = self._parts = Parts.make(self._brokers, self._topic, settings)
        self._queue, self._delivery = parts.queue, parts.delivery
        self._recovery, self._outbox, self._log = parts.recovery, parts.outbox, parts.log
        self._words = Words(parts)
        self._closing = Closing(parts, self._words, lambda: lifecycle.closed(self))
        durable = Durable(parts, self._words, self._attend, self._closing.ended)
        self._admission = Admission(parts, self._words, durable, self._attend)
        # What `publish` may do without a look at the settings.
        self._plain = not settings.headers and not settings.durable

    def _open(self) -> None:
        if self._outbox is not None:
            self._outbox.open()
        self._recovery.open()
        self._attend()
        if not self._queue.attended:
            raise BusError(NO_THREAD)

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
            self._log.log(logging.WARNING, NO_THREAD)
            return
        queue.attended = True
        lifecycle.opened(self)

    # ---- A fork, and the end.

    @property
    def _closed(self) -> bool:
        return self._closing.is_begun

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
            self._closing.at_once()

    # ---- Events.

    def _headers_of(self, event: bytes, headers: Headers | None) -> RawHeaders | None:
        if self._settings.headers:
            check_event(event)
            return message_headers(event, headers)
        return own_headers(headers)

    def _write_otherwise(self, outcome: Outcome, cell: tuple[Any, ...]) -> None:
        """Take a cell that found no room, or the first one."""
        self._admission.take_cell(outcome, cell)

    def _publish_otherwise(
        self, event: bytes, tenant_id: str | None, headers: Headers | None
    ) -> None:
        """Publish an event with headers, durably, or one that found no room."""
        self._admission.take(event, tenant_id, self._headers_of(event, headers))


def _check_timeout(timeout: float) -> None:
    if not isinstance(timeout, int | float) or not 0 <= timeout < 1_000_000:
        raise ValueError(f"timeout={timeout!r}: must be seconds, from 0 to less than 1,000,000")
