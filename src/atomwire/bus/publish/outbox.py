"""The way to the disk and back: one thread writes and reads the spool of a bus, and nobody else.

State: all of it is the thread's, until the thread that closes the bus takes over after its end.
Publishers of a durable bus wait in the queue, so that one commit serves all who wait.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from atomwire._native import SendQueue, check_no_lock
from atomwire.bus.errors import SpoolError
from atomwire.bus.log import LOGGER, RateLimitedLog
from atomwire.bus.publish.spool import BEFORE_ALL, Spool, SpooledEvent
from atomwire.bus.publish.worker import Worker

__all__ = ["Outbox"]

# The row on the disk or 0, tenant, event and headers.
Row = tuple[int, str, bytes, list[tuple[str, bytes]] | None]

_EVENTS_AT_ONCE = 1_000
_BYTES_AT_ONCE = 4 * 2**20
_IDLE_SECONDS = 1.0
# After trouble with the disk; shorter where publishers wait to hear of it.
_PAUSE_SECONDS = 0.5
_DURABLE_PAUSE_SECONDS = 0.05


class Outbox:
    """Keeps events on the disk that find no room in memory, or must survive the process.

    Parameters
    ----------
    queue : SendQueue
        Gives events to write, and takes those that were read back.
    open_spool : Callable[[], Spool]
        Opens the spool, or raises `SpoolError`.
    durable : bool
        Whether publishers wait for the disk.
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
        durable: bool,
        log: RateLimitedLog,
    ) -> None:
        self._queue = queue
        self._open_spool = open_spool
        self._pause = _DURABLE_PAUSE_SECONDS if durable else _PAUSE_SECONDS
        self._log = log
        self._spool: Spool | None = None
        self._read_up_to = BEFORE_ALL
        self._stopping = threading.Event()
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
        self._stopping.set()
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
        try:
            self._remove(spool)
            self._write_head(spool)
            while rows := self._queue.take_for_disk(_EVENTS_AT_ONCE, _BYTES_AT_ONCE):
                self._write_last(spool, rows, in_front=False)
        finally:
            self.left = spool.count()
            spool.close()

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
                self.open()
            store, remove, read, stop = self._queue.await_disk_work(_IDLE_SECONDS)
            spool = self._spool
            if spool is None:
                return True
            check_no_lock("using the disk")
            if store:
                self._store(spool)
            elif remove:
                self._remove(spool)
            if read:
                self._read(spool)
            if not (store or remove or read):
                self._queue.adopt(spool.adopt(_BYTES_AT_ONCE))
            self._tell_lost(spool)
            self.error = None
            return bool(stop)
        except SpoolError as error:
            self._complain(error)
        except Exception as error:
            LOGGER.exception("the spool failed; trying again")
            self.error = self.error or str(error)
        # At the end nobody tries again: what could not be written is told.
        return self._stopping.wait(self._pause)

    def _store(self, spool: Spool) -> None:
        rows = self._queue.take_for_disk(_EVENTS_AT_ONCE, _BYTES_AT_ONCE)
        removals = self._queue.take_removals()
        try:
            written = spool.commit(append=_events_of(rows), delete=removals)
        except BaseException:
            self._queue.not_written()
            self._queue.not_removed(removals)
            # That makes room where there is none.
            self._remove(spool)
            raise
        kept = self._queue.written(written)
        if kept:
            self._read_up_to = written[kept - 1]

    def _remove(self, spool: Spool) -> None:
        removals = self._queue.take_removals()
        if not removals:
            return
        try:
            spool.commit(delete=removals)
        except BaseException:
            self._queue.not_removed(removals)
            raise

    def _read(self, spool: Spool) -> None:
        events = spool.read(self._read_up_to, _EVENTS_AT_ONCE, _BYTES_AT_ONCE)
        for row, event in events:
            self._queue.read_back(row, *event)
            self._read_up_to = row
        if not events:
            # The rest is not there, or cannot be read: the spool has told why.
            self._queue.lose_rows(self._queue.counts()[5])

    # ---- The end.

    def _write_head(self, spool: Spool) -> None:
        # What came back from the producer is older than the rows that wait, so it goes in front of
        # them: the newest part first.
        if self._queue.head_is_stored():
            return
        while rows := self._queue.take_head_for_disk(_EVENTS_AT_ONCE, _BYTES_AT_ONCE):
            self._write_last(spool, rows, in_front=True)

    def _write_last(self, spool: Spool, rows: list[Row], in_front: bool) -> None:
        stored = [row[0] for row in rows if row[0]]
        try:
            if in_front:
                spool.put_in_front(_events_of(rows), stored)
            else:
                spool.commit(append=_events_of(rows), delete=stored)
        except BaseException:
            self._queue.not_written()
            raise
        self._queue.left_on_disk()

    # ---- Words.

    def _complain(self, error: SpoolError) -> None:
        self.error = str(error)
        self._log.log(
            logging.ERROR,
            "%s; events wait in memory, and when that is full publishing fails",
            str(error),
        )

    def _tell_lost(self, spool: Spool) -> None:
        for lost in spool.take_lost():
            tenant = "an unknown tenant" if lost.tenant_id is None else f"tenant {lost.tenant_id!r}"
            self._log.log(
                logging.ERROR,
                "the spool has lost %d events of %s: %s",
                lost.count,
                tenant,
                lost.reason,
            )


def _events_of(rows: list[Row]) -> list[SpooledEvent]:
    return [SpooledEvent(*row[1:]) for row in rows]
