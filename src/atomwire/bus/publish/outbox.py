"""The way to the disk and back: one thread writes and reads the spool of a bus, and nobody else.

State: all of it is the thread's, until the thread that closes the bus takes over after its end.
Publishers of a durable bus wait in the queue, so that one commit serves all who wait. The one lock
keeps a fork out while SQLite is at work; nobody else waits for it.
"""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from atomwire._native import SendQueue, check_no_lock
from atomwire.bus.errors import SpoolError
from atomwire.bus.log import RateLimitedLog
from atomwire.bus.publish.spool import BEFORE_ALL, Spool, SpooledEvent
from atomwire.bus.publish.worker import Gate, Worker
from atomwire.bus.settings import BusSettings

__all__ = ["Outbox"]

# The row on the disk or 0, tenant, event and headers.
Row = tuple[int, str, bytes, list[tuple[str, bytes]] | None]

_EVENTS_AT_ONCE = 1_000
_BYTES_AT_ONCE = 4 * 2**20
_FEWER_ROWS = 16
_IDLE_SECONDS = 1.0
# After trouble with the disk, and how long nothing is written then.
_PAUSE_SECONDS = 0.05
_STORE_PAUSE_SECONDS = 0.5
# For what the disk is at when the process forks.
_HOLD_SECONDS = 2.0


class Outbox:
    """Keeps events on the disk that find no room in memory, or must survive the process.

    Parameters
    ----------
    queue : SendQueue
        Gives events to write, and takes those that were read back.
    open_spool : Callable[[], Spool]
        Opens the spool, or raises `SpoolError`.
    settings : BusSettings
        Whether publishers wait for the disk, and how much is read back at once.
    log : RateLimitedLog
        For trouble with the disk.

    Attributes
    ----------
    error : str or None
        The trouble, for as long as it lasts.
    left : int
        Events that wait for the next bus, once it is closed.
    """

    def __init__(
        self,
        queue: SendQueue,
        open_spool: Callable[[], Spool],
        settings: BusSettings,
        log: RateLimitedLog,
    ) -> None:
        self._queue = queue
        self._open_spool = open_spool
        # Publishers of a durable bus wait to hear of it.
        self._store_pause = 0.0 if settings.durable else _STORE_PAUSE_SECONDS
        self._store_after = 0.0
        # What is read back has to fit into memory with what the producer has.
        self._read_events = min(_EVENTS_AT_ONCE, max(settings.queue_size // 2, 1))
        self._read_bytes = min(_BYTES_AT_ONCE, settings.queue_bytes // 4)
        self._log = log
        self._spool: Spool | None = None
        self._read_up_to = BEFORE_ALL
        # Rows on the disk of which the queue is told next.
        self._written: list[int] = []
        self._stopping = Gate()
        self._at_disk = threading.RLock()
        self.worker = Worker(self._run, "atomwire-outbox")
        self.error: str | None = None
        self.left = 0

    def open(self) -> None:
        """Open the spool, and take over what earlier processes have left in it.

        Raises
        ------
        SpoolError
            It cannot be opened.
        """
        check_no_lock("opening a file")
        spool = self._open_spool()
        self._spool = spool
        self._read_up_to = BEFORE_ALL
        self._queue.adopt(spool.count())
        self._tell_lost(spool)

    def stop(self, seconds: float) -> bool:
        """End the thread, after what publishers wait for; False when the disk holds it."""
        self._stopping.open()
        self._queue.stop_disk()
        return self.worker.join(seconds)

    def finish(self) -> None:
        """Write what is left in memory, and close the spool.

        Raises
        ------
        SpoolError
            It cannot be written. What was on the disk stays there.
        """
        spool = self._spool
        if spool is None:
            return
        self._spool = None
        with self._at_disk:
            try:
                with suppress(SpoolError):  # those rows are sent once more, and that is all
                    self._remove(spool)
                self._write_head(spool)
                self._write_tail(spool)
            finally:
                self.left = spool.count()
                spool.close()

    def hold(self) -> bool:
        """Keep off the disk until `let_go`, for a fork; False when it takes too long."""
        return self._at_disk.acquire(timeout=_HOLD_SECONDS)

    def let_go(self) -> None:
        """Go on."""
        self._at_disk.release()

    def abandon(self) -> None:
        """Leave it to the parent process, after a fork."""
        if self._spool is not None:
            self._spool.abandon()

    # ---- The thread.

    def _run(self) -> None:
        while not self._turn():
            pass

    def _turn(self) -> bool:
        """Do what there is to do; True when it is time to end."""
        try:
            if self._spool is None:
                with self._at_disk:
                    self._open_again()
            store, remove, read, stop = self._await_work()
            spool = self._spool
            if spool is None:
                return True
            waits = store and not stop and time.monotonic() < self._store_after
            with self._at_disk:
                self._work(spool, store and not waits, remove, read)
            if not waits:
                self.error = None
                if stop:
                    self._tell_written()
                return stop
        except SpoolError as error:
            self._tell_written()
            self._complain(error)
        except Exception as error:
            self._tell_written()
            self._say("the spool failed; trying again: %s", traceback.format_exc())
            self.error = self.error or str(error)
        # At the end nobody tries again: what could not be written is told.
        return self._stopping.wait(_PAUSE_SECONDS)

    def _await_work(self) -> tuple[bool, bool, bool, bool]:
        """Tell what was written, and wait for what there is to do."""
        written, self._written = self._written, []
        stayed, *work = self._queue.await_disk_work(written, _IDLE_SECONDS)
        if stayed:
            self._read_up_to = written[stayed - 1]
        store, remove, read, stop = work
        return store, remove, read, stop

    def _tell_written(self) -> None:
        written, self._written = self._written, []
        stayed = self._queue.written(written)
        if stayed:
            self._read_up_to = written[stayed - 1]

    def _open_again(self) -> None:
        try:
            self.open()
        except BaseException as error:
            self.error = str(error)  # before publishers are told, who look for it
            self._queue.not_written()
            raise

    def _work(self, spool: Spool, store: bool, remove: bool, read: bool) -> None:
        check_no_lock("using the disk")
        # What is there is read first: where nothing more can be written, that makes room.
        if read:
            self._read(spool)
        if store:
            self._store(spool, remove)
        elif remove:
            self._remove(spool)
        elif not read:
            self._queue.adopt(spool.adopt(_BYTES_AT_ONCE))
        self._tell_lost(spool)

    def _store(self, spool: Spool, remove: bool) -> None:
        rows = self._queue.take_for_disk(_EVENTS_AT_ONCE, _BYTES_AT_ONCE)
        removals = self._queue.take_removals() if remove else []
        try:
            self._written = spool.commit(append=_events_of(rows), delete=removals)
        except BaseException as error:
            self.error = str(error)  # before publishers are told, who look for it
            self._queue.not_written()
            self._queue.not_removed(removals)
            self._store_after = time.monotonic() + self._store_pause
            # That makes room where there is none.
            self._remove(spool)
            raise

    def _remove(self, spool: Spool) -> None:
        # On a full disk even a deletion has no room but for a few rows at a time.
        removals = self._queue.take_removals()
        at_once = len(removals)
        try:
            while removals:
                try:
                    spool.commit(delete=removals[:at_once])
                except SpoolError:
                    if at_once == 1:
                        raise
                    at_once = max(at_once // _FEWER_ROWS, 1)
                else:
                    del removals[:at_once]
        except BaseException:
            self._queue.not_removed(removals)
            raise

    def _read(self, spool: Spool) -> None:
        events = spool.read(self._read_up_to, self._read_events, self._read_bytes)
        for row, event in events:
            self._queue.read_back(row, *event)
            self._read_up_to = row
        if not events:
            # The rest is not there, or cannot be read: the spool has told why.
            self._queue.lose_rows(self._queue.counts()[5])

    # ---- The end.

    def _write_head(self, spool: Spool) -> None:
        # What came back from the producer is older than the rows that wait, and goes in front.
        if self._queue.head_is_stored():
            return
        first = spool.rows_in_front(self._queue.head_size())
        while rows := self._queue.take_head_for_disk(_EVENTS_AT_ONCE, _BYTES_AT_ONCE):
            stored = [row[0] for row in rows if row[0]]
            with self._not_written_on_error():
                spool.put_in_front(first, _events_of(rows), stored)
            self._queue.left_on_disk()
            first += len(rows)

    def _write_tail(self, spool: Spool) -> None:
        while rows := self._queue.take_for_disk(_EVENTS_AT_ONCE, _BYTES_AT_ONCE):
            with self._not_written_on_error():
                spool.commit(append=_events_of(rows))
            self._queue.left_on_disk()

    @contextmanager
    def _not_written_on_error(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._queue.not_written()
            raise

    # ---- Words.

    def _say(self, message: str, *args: object) -> None:
        # The delivery thread passes it on. A handler of the log may wait for what is to be written,
        # or have a lock that one who waits for it needs.
        self._log.later(logging.ERROR, message, *args)
        self._queue.waken()

    def _complain(self, error: SpoolError) -> None:
        self.error = str(error)
        self._say(
            "%s; events wait in memory, and when that is full publishing fails",
            str(error),
        )

    def _tell_lost(self, spool: Spool) -> None:
        for lost in spool.take_lost():
            tenant = "an unknown tenant" if lost.tenant_id is None else f"tenant {lost.tenant_id!r}"
            self._say(
                "the spool has lost %d events of %s: %s",
                lost.count,
                tenant,
                lost.reason,
            )


def _events_of(rows: list[Row]) -> list[SpooledEvent]:
    return [SpooledEvent(*row[1:]) for row in rows]
