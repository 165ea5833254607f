"""What became of the events: acknowledged, given up, or to be handed over again, in order."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future
from itertools import islice
from typing import TYPE_CHECKING

from confluent_kafka import KafkaError

from atomwire._native import Lane, milliseconds_of
from atomwire.bus.errors import DeliveryError, SpoolError
from atomwire.bus.log import LOGGER, RateLimitedLog
from atomwire.bus.publish.line import Line
from atomwire.bus.publish.spool import Spool
from atomwire.bus.publish.worker import Worker

if TYPE_CHECKING:
    from atomwire._native import Headers, Row

__all__ = ["Keeper"]

_ROWS_AT_ONCE = 1_000
# How long the thread lets work come together once there is some, and how often it looks at a full
# queue.
_GATHERING_SECONDS = 0.01
# What is on its way gets this long to be acknowledged before a producer is replaced.
_IN_FLIGHT_SECONDS = 1.0
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0

# The broker will never take such an event.
_REFUSED_FOR_GOOD = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError._BAD_MSG,
        KafkaError.INVALID_MSG,
        KafkaError.INVALID_MSG_SIZE,
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_TIMESTAMP,
    }
)
_PURGED = frozenset({KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT})
# The producer has failed for good, or has been purged because of that.
_PRODUCER_FAILED = _PURGED | frozenset(
    {
        KafkaError._FATAL,
        KafkaError._FENCED,
        KafkaError._INCONSISTENT,
        KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER,
        KafkaError.UNKNOWN_PRODUCER_ID,
        KafkaError.INVALID_PRODUCER_EPOCH,
    }
)


class Keeper:
    """Keeps the events that are not delivered yet, and the producer they go to.

    Its thread writes what the lane has set aside to the spool, hands it over when there is room,
    and replaces a producer that failed. Without a spool the events wait in memory.

    Parameters
    ----------
    lane : Lane
        Where events come from and go to.
    new_line : Callable[[Keeper], Line]
        Makes the producer, and the next one when it has failed.
    spool : Spool or None
        The events on the disk.
    queue_size : int
        Of the producer.
    log : RateLimitedLog
        For what became of events.
    """

    def __init__(
        self,
        lane: Lane,
        new_line: Callable[[Keeper], Line],
        spool: Spool | None,
        queue_size: int,
        log: RateLimitedLog,
    ) -> None:
        self._lane = lane
        self._new_line = new_line
        self._spool = spool
        # Handing over goes on when half the queue is free, so that it is not tried all the time.
        self._full_from = max(queue_size // 2, 1)
        self._log = log
        self._lock = threading.Lock()
        self._futures: dict[int, Future[None]] = {}
        self._returned: list[Row] = []
        self._to_delete: list[int] = []
        self._front: deque[Row] = deque()
        self._given_up: Counter[str] = Counter()
        self._broken = False
        self._closing = False
        self._pause = 0.0
        self._not_before = 0.0
        self._disk_not_before = 0.0
        self._delivered_before = 0
        self._waking = threading.Event()
        self._worker = Worker(self._run, "atomwire-keeper")
        self._stopping = False
        self.spool_error: str | None = None
        self.last_reason: str | None = None
        self.line = new_line(self)
        left = spool.count() if spool is not None else 0
        if spool is not None and left:
            lane.count_adopted(left, spool.last_number())
        lane.open(self.line.producer, diverted=left > 0)
        if left:
            self.wake()

    # ---- Called by any thread.

    def wake(self) -> None:
        """Have the thread look after what is set aside."""
        if self._waking.is_set():
            return
        self._waking.set()
        if not self._stopping:
            self._worker.begin()

    def replace_line(self, reason: str | None = None) -> None:
        """Have the producer replaced, and what it has not delivered handed over again."""
        self.last_reason = reason or self.last_reason
        self._broken = True
        self.wake()

    def submit(self, publish: Callable[[], int]) -> Future[None] | None:
        """Publish an event whose acknowledgement is awaited; None when there is no room."""
        future: Future[None] = Future()
        future.set_running_or_notify_cancel()
        # Not apart: the acknowledgement may come before the future is in its place.
        with self._lock:
            number = publish()
            if not number:
                return None
            self._futures[number] = future
        return future

    def settle(self) -> None:
        """Take what the producer has reported."""
        if not self._lane.settled.some():
            return
        resolved: list[tuple[Future[None], DeliveryError | None]] = []
        with self._lock:
            acknowledged, failures, forgotten = self._lane.settled.take()
            for number in acknowledged:
                if (future := self._futures.pop(number, None)) is not None:
                    resolved.append((future, None))
            if self._spool is not None:
                self._to_delete += acknowledged
            for failure in failures:
                self._take_failure(*failure, resolved)
            self._lane.count_failed(forgotten)
        _resolve(resolved)
        if self._to_delete or self._broken:
            self.wake()

    def given_up(self) -> dict[str, int]:
        """Return the events of each tenant that were given up, most first."""
        with self._lock:
            return dict(self._given_up.most_common())

    # ---- At the end.

    def stop(self) -> None:
        """Stop the thread, and wait for it."""
        self._stopping = True
        self._waking.set()
        self._worker.join()

    def finish(self) -> int:
        """Release the producer; return how many undelivered events stay in the spool.

        Without a spool, or when it cannot take them, they are given up.
        """
        self.stop()
        self._closing = True
        self._lane.divert()
        self.line.retire(0.0)
        self.settle()
        rows = [*self._returned, *self._front, *self._lane.take_waiting()]
        rows.sort(key=lambda row: row[0])
        left = 0
        if self._spool is not None:
            try:
                self._forget_delivered()
                self._spool.append(rows)
                rows = []
            except SpoolError as error:
                self._complain(error)
                # What `durable` has stored is on the disk all the same.
                rows = [row for row in rows if row[0] > self._lane.number_stored]
            left = self._count_and_close(self._spool)
        resolved: list[tuple[Future[None], DeliveryError | None]] = []
        reason = self.spool_error or self.last_reason or "the bus was closed"
        with self._lock:
            for row in rows:
                self._give_up(row[0], row[1], reason, resolved)
            kept = DeliveryError("the bus was closed; the event waits in the spool", 1, {})
            resolved += [(future, kept) for future in self._futures.values()]
            self._futures.clear()
        _resolve(resolved)
        return left

    def abandon(self) -> None:
        """Leave everything to the parent process."""
        self.line.abandon()
        if self._spool is not None:
            self._spool.abandon()

    # ---- The thread.

    def _run(self) -> None:
        seconds: float | None = None
        while True:
            if self._waking.wait(seconds) and not self._stopping:
                # One transaction for many events; and who publishes wakes nobody meanwhile.
                time.sleep(_GATHERING_SECONDS)
            self._waking.clear()
            if self._stopping:
                return
            try:
                seconds = self._look_after()
                if seconds == 0:
                    self._waking.set()  # nobody who publishes has to wake it meanwhile
            except SpoolError as error:
                self._complain(error)
                seconds = _FIRST_PAUSE_SECONDS
            except Exception:
                LOGGER.exception("looking after events failed; going on")
                seconds = _FIRST_PAUSE_SECONDS

    def _look_after(self) -> float | None:
        """Do what can be done now; return when to look again, None for when woken.

        0 is after the next gathering.
        """
        self.settle()
        if self._spool is not None:
            self._on_disk(self._spool.tidy)
        self._on_disk(self._forget_delivered)
        if self._broken and time.monotonic() >= self._not_before:
            self._replace()
        again: float | None = None
        if self._lane.diverted:
            self._on_disk(self._take_waiting)
            rest = self._not_before - time.monotonic()
            again = rest if rest > 0 else self._hand_over()
        if (rest := self._disk_not_before - time.monotonic()) > 0:
            return rest if again is None else min(rest, again)
        return again

    def _on_disk(self, work: Callable[[], object]) -> object:
        """Do what needs the disk, and if the disk is full, go on without it for a while.

        Handing over must not wait for room: it is what makes room.
        """
        if time.monotonic() < self._disk_not_before:
            return None
        try:
            return work()
        except SpoolError as error:
            self._complain(error)
            return None

    def _forget_delivered(self) -> None:
        if self._spool is None or not self._to_delete:
            return
        with self._lock:
            numbers, self._to_delete = self._to_delete, []
        try:
            self._spool.delete(numbers)
        except SpoolError:
            with self._lock:
                self._to_delete = numbers + self._to_delete
            raise
        self.spool_error = None

    def _replace(self) -> None:
        self._broken = False
        fatal = self.line.fatal_reason
        self._log.log(
            logging.WARNING,
            "replacing the producer (%s); what it has not delivered is published again",
            fatal or self.last_reason,
        )
        self._lane.divert()
        self.line.retire(_IN_FLIGHT_SECONDS)
        self.settle()
        self._broken = False
        self._on_disk(self._forget_delivered)
        with self._lock:
            rows, self._returned = self._returned, []
        # Before all that is on the disk and was not handed over yet.
        self._front = deque(sorted([*rows, *self._front], key=lambda row: row[0]))
        self._on_disk(self._store_front)
        self._wait_longer(fatal is not None)
        try:
            self.line = self._new_line(self)
        except Exception as error:  # a certificate that is being exchanged, say
            self._broken = True
            self.last_reason = str(error)
            self._log.log(logging.ERROR, "no new producer, trying again: %s", error)
            return
        self._lane.open(self.line.producer, diverted=True)

    def _wait_longer(self, fatal: bool) -> None:
        # A failure that repeats itself (no right to write, say) must not become a busy loop.
        delivered = self._lane.counts()[1]
        progress = delivered > self._delivered_before
        self._delivered_before = delivered
        if progress or (fatal and not self._pause):
            self._pause = 0.0
        self._not_before = time.monotonic() + self._pause
        self._pause = min(max(2 * self._pause, _FIRST_PAUSE_SECONDS), _LONGEST_PAUSE_SECONDS)

    def _take_waiting(self) -> bool:
        rows = self._lane.take_waiting()
        if self._spool is None:
            self._front.extend(rows)
        elif rows:
            self._store(rows)
        return bool(rows)

    def _store_front(self) -> None:
        if self._spool is not None and self._front:
            self._spool.append(self._front)
            self._front.clear()

    def _store(self, rows: list[Row]) -> None:
        assert self._spool is not None
        try:
            self._spool.append(rows)
        except SpoolError:
            self._lane.put_back(rows)
            raise
        self.spool_error = None

    def _hand_over(self) -> float | None:
        while not self._stopping and not self._broken:
            if self._lane.in_flight >= self._full_from:
                return 0.0
            stored = self._lane.number_stored
            rows = self._next_rows()
            if not rows:
                if self._on_disk(self._take_waiting):
                    continue
                if time.monotonic() < self._disk_not_before:
                    self._take_waiting_past_disk()
                if not self._front and self._lane.rejoin(stored):
                    return None
                continue
            for row in rows:
                if not self._hand_over_one(row):
                    return 0.0
        return _FIRST_PAUSE_SECONDS if self._broken else None

    def _take_waiting_past_disk(self) -> None:
        # All that is on the disk was handed over; `durable` has stored what is waiting, too.
        stored = self._lane.number_stored
        self._front.extend(row for row in self._lane.take_waiting() if row[0] > stored)

    def _next_rows(self) -> list[Row]:
        if self._front or self._spool is None:
            return list(islice(self._front, _ROWS_AT_ONCE))
        return self._spool.read(self._lane.number_handed_over, _ROWS_AT_ONCE)

    def _hand_over_one(self, row: Row) -> bool:
        try:
            taken = self._lane.hand_over(row)
        except Exception as error:  # the producer will never take it
            taken = True
            resolved: list[tuple[Future[None], DeliveryError | None]] = []
            with self._lock:
                self._give_up(row[0], row[1], str(error), resolved)
            _resolve(resolved)
            self._on_disk(self._forget_delivered)
        if taken and self._front:
            self._front.popleft()
        return taken

    # ---- Failures.

    def _take_failure(
        self,
        number: int,
        tenant_id: str,
        event: bytes,
        headers: Headers | None,
        error: int,
        reason: str,
        resolved: list[tuple[Future[None], DeliveryError | None]],
    ) -> None:
        if error not in _PURGED:
            self.last_reason = reason
        if self._is_worth_another_try(error):
            self._returned.append((number, tenant_id, event, milliseconds_of(event), headers))
            self._broken = True
            return
        self._give_up(number, tenant_id, reason, resolved)

    def _is_worth_another_try(self, error: int) -> bool:
        if error in _REFUSED_FOR_GOOD:
            return False
        if self._spool is not None:
            return True
        if self._closing:
            return False
        return error in _PRODUCER_FAILED or self.line.fatal_reason is not None

    def _give_up(
        self,
        number: int,
        tenant_id: str,
        reason: str,
        resolved: list[tuple[Future[None], DeliveryError | None]],
    ) -> None:
        self._lane.count_failed(1)
        self._given_up[tenant_id] += 1
        if self._spool is not None:
            self._to_delete.append(number)
        message = f"an event of tenant {tenant_id!r} was not delivered: {reason}"
        if (future := self._futures.pop(number, None)) is not None:
            resolved.append((future, DeliveryError(message, 1, {tenant_id: 1})))
        # The reason first: one line of a kind, not one of each tenant.
        self._log.log(
            logging.ERROR, "an event was not delivered: %s (tenant %r)", reason, tenant_id
        )

    def _complain(self, error: SpoolError) -> None:
        self.spool_error = str(error)
        self._disk_not_before = time.monotonic() + _FIRST_PAUSE_SECONDS
        self._log.log(
            logging.ERROR,
            "%s; events wait in memory, and when that is full publishing fails",
            str(error),
        )

    def _count_and_close(self, spool: Spool) -> int:
        try:
            left = spool.count()
            spool.close()
        except SpoolError as error:
            self._complain(error)
            return 0
        return left


def _resolve(resolved: list[tuple[Future[None], DeliveryError | None]]) -> None:
    # Outside of every lock: a future's callbacks are the caller's code.
    for future, error in resolved:
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
