"""Events on the disk that wait for the broker, in the order in which they were accepted.

A spool belongs to one thread at a time, the bus's writer. It has no lock, and needs none.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Literal, TypeVar

from atomwire.bus.errors import SpoolError
from atomwire.bus.publish.leftovers import Leftovers
from atomwire.bus.publish.losses import Losses, LostEvent
from atomwire.bus.publish.spool_file import SpoolFile, make_private_directory
from atomwire.bus.publish.spool_table import (
    BEFORE_ALL,
    NumberedEvent,
    SpooledEvent,
    Table,
    Unreadable,
    is_damage,
)

__all__ = ["BEFORE_ALL", "LostEvent", "Spool", "SpooledEvent"]

# How much of a damaged file is carried over at once.
_CARRIED_EVENTS = 10_000
_CARRIED_BYTES = 4 * 2**20
_WAYS_OUT = {
    "SQLITE_FULL": "free some space on its disk, or raise spool_bytes",
    "SQLITE_BUSY": "another program has the file open: end that",
    "SQLITE_LOCKED": "another program has the file open: end that",
    "SQLITE_CANTOPEN": "see that its directory is there, and that descriptors are free",
}
_WAY_OUT = "see that this user may write to its directory, and that the disk is sound"


_T = TypeVar("_T")


class Spool:
    """The spool of one bus.

    A commit survives the process, killed or not; the machine's power only with
    ``synchronous="full"``.

    Trouble is not damage. What cannot be opened or written now raises `SpoolError` and may work
    the next time. Only what SQLite calls corrupt, or no database, is damage: what can be read is
    carried over to a new file, `take_lost` says what cannot, and the damaged file is set apart.

    Parameters
    ----------
    directory : str or PathLike
        Made when it is not there. Buses and processes may share it, each has a file of its own.
    topic : str
        Only what was meant for this topic is adopted.
    max_bytes : int
        Bounds the file and its log together. The log's part is half, 256 MiB at most.
    synchronous : {"normal", "full"}
        Whether a commit waits until the disk has it.

    Attributes
    ----------
    path : Path
        The file. It is another one after damage.

    Raises
    ------
    SpoolError
        The directory cannot be used.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        topic: str,
        max_bytes: int,
        *,
        synchronous: Literal["normal", "full"] = "normal",
    ) -> None:
        self._directory = Path(directory).absolute()
        self._topic = topic
        self._max_bytes = max_bytes
        self._synchronous: Literal["normal", "full"] = synchronous
        self._losses = Losses()
        try:
            make_private_directory(self._directory)
            self._leftovers = Leftovers(self._directory, topic, self._losses)
            self._use(*(self._take_first() or self._new()))
        except (OSError, sqlite3.Error) as error:
            raise SpoolError(
                f"spool_dir={str(directory)!r} cannot be used: {error}; {_way_out_of(error)}"
            ) from error

    # ---- The events of this spool.

    def commit(self, append: Sequence[SpooledEvent] = (), delete: Sequence[int] = ()) -> list[int]:
        """Delete rows and append events behind all others, in one transaction.

        Returns
        -------
        list of int
            The new rows, ascending, higher than any before.

        Raises
        ------
        SpoolError
            It cannot be written now. Nothing was changed, as after any other exception.
        """
        if not append and not delete:
            return []
        try:
            return self._sound(lambda: self._commit(append, delete))
        except (OSError, sqlite3.Error) as error:
            raise self._error_of(error) from error

    def rows_in_front(self, events: int) -> int:
        """Return the first of so many rows in front of all others, for `put_in_front`."""
        with self._errors_named():
            end = self._table.first_row()
        if end - events <= 0 < end:
            end = 0  # row 0 is the queue's word for an event that is not on the disk
        return end - events

    def put_in_front(
        self, first: int, events: Sequence[SpooledEvent], delete: Sequence[int] = ()
    ) -> None:
        """Delete rows and write events as the rows from `first` on, in one transaction.

        The rows lie in front of those that were there when `rows_in_front` was asked.

        Raises
        ------
        SpoolError
            As `commit` does.
        """
        rows = list(zip(range(first, first + len(events)), events, strict=True))
        with self._errors_named():
            self._sound(lambda: self._write(rows, delete))

    def read(self, after: int, max_events: int, max_bytes: int) -> list[tuple[int, SpooledEvent]]:
        """Return the next rows, in order, at most `max_bytes` of events but at least one row.

        What is damaged is passed over, and told by `take_lost`.
        """
        while True:
            with self._errors_named(), closing(self._table.reader(after, self._last)) as reader:
                chunk = reader.take(max_events, max_bytes)
            for each in chunk.passed_over:
                self._pass_over(each)
            if chunk.events or chunk.end == after:
                return chunk.events
            after = chunk.end

    def take_lost(self) -> list[LostEvent]:
        """Return what was found to be lost since the last call."""
        return self._losses.take()

    def count(self) -> int:
        """Return how many events it holds."""
        return self._held - self._passed_over

    def last_row(self) -> int:
        """Return the highest row in it, 0 when it is empty."""
        return self._last if self.count() else 0

    def tenants(self) -> dict[str, int]:
        """Return how many events of each tenant it holds, most first."""
        with self._errors_named():
            return self._table.tenants()

    # ---- The events of earlier processes.

    def adopt(self, max_bytes: int) -> int:
        """Append the next events that earlier processes have left, up to `max_bytes` or one event.

        Returns
        -------
        int
            How many. 0 when there are none, or none can be had now: it is tried again in later
            calls, at growing intervals.
        """
        events = self._leftovers.next(max_bytes)
        if not events:
            return 0
        try:
            self.commit(append=[event for _, event in events])
        except SpoolError as error:
            self._leftovers.postpone(error)
            return 0
        self._leftovers.moved()
        return len(events)

    # ---- The end.

    def close(self) -> None:
        """Close the file, and remove it when it is empty. It is given back whatever fails."""
        try:
            with self._errors_named():
                self._leftovers.close()
                is_done = self.count() == 0 and not self._has_damaged_pages
                is_empty = is_done and self._table.is_empty()
                self._table.close()
                if is_empty:
                    self._file.remove()
                elif is_done:
                    self._file.set_apart()  # nothing is left but what cannot be read
        finally:
            self._file.release()

    def abandon(self) -> None:
        """Leave everything to the parent process, after a fork."""
        for table in (self._table, *self._leftovers.abandon()):
            _keep_forever(table.connection)
        self._file.release()

    # ---- The file.

    def _take_first(self) -> tuple[SpoolFile, Table] | None:
        file = self._leftovers.claim_first()
        if file is None:
            return None
        try:
            return file, Table.open(file.path, self._max_bytes, self._synchronous)
        except BaseException as error:
            file.release()
            if not isinstance(error, sqlite3.Error):
                raise
            self._leftovers.put_back(file.path)
            return None

    def _new(self) -> tuple[SpoolFile, Table]:
        file = SpoolFile.new(self._directory, self._topic)
        try:
            return file, Table.open(file.path, self._max_bytes, self._synchronous)
        except BaseException:
            file.remove()
            raise

    def _use(self, file: SpoolFile, table: Table) -> None:
        try:
            last, held = table.last_row(), table.count()
        except BaseException:
            table.close()
            file.release()
            raise
        self._file, self._table, self.path = file, table, file.path
        self._last, self._held = last, held
        self._is_in_doubt = False
        # Rows that cannot be read are told once, however often they are passed over.
        self._told_to, self._passed_over = BEFORE_ALL, 0
        self._has_damaged_pages = False

    def _sound(self, write: Callable[[], _T]) -> _T:
        """Write to a file that is sound, a new one after damage."""
        if not self._has_damaged_pages:
            try:
                return write()
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise
        self._begin_anew()
        return write()

    def _commit(self, append: Sequence[SpooledEvent], delete: Sequence[int]) -> list[int]:
        self._settle_doubt()
        last = self._last + len(append)
        rows = list(range(self._last + 1, last + 1))
        self._write(list(zip(rows, append, strict=True)), delete, last)
        if rows:
            self._file.note_written(last)
        return rows

    def _write(
        self, rows: list[NumberedEvent], delete: Sequence[int], last: int | None = None
    ) -> None:
        self._settle_doubt()
        # An exception may come at any point, from outside too: then the file is asked.
        self._is_in_doubt = True
        deleted = self._table.write(rows, delete)
        self._held += len(rows) - deleted
        self._last = self._last if last is None else last
        self._is_in_doubt = False

    def _settle_doubt(self) -> None:
        if self._is_in_doubt:
            self._last, self._held = self._table.last_row(), self._table.count()

    def _pass_over(self, unreadable: Unreadable) -> None:
        self._has_damaged_pages |= unreadable.in_pages
        if unreadable.last > self._told_to:
            self._told_to = unreadable.last
            self._passed_over = min(self._passed_over + unreadable.count, self._held)
            self._tell(unreadable, self.path)

    def _tell(self, lost: Unreadable, path: Path) -> None:
        self._losses.note(lost.tenant_id, lost.count, f"{lost.reason} ({path})")

    # ---- Damage and trouble.

    def _begin_anew(self) -> None:
        """Carry over to a new file what can be read, with its rows, and set the old one apart."""
        old_file, old_table, told_to = self._file, self._table, self._told_to
        # Open until the end: it keeps the log when the other connection is closed.
        with closing(Table.look(old_file.path)) as readable:
            losses = self._carry_over(readable)
            old_table.close()
        for each in losses:
            if each.last > told_to:
                self._tell(each, old_file.apart())
        reason = f"a damaged spool was set apart as {old_file.apart()}"
        try:
            old_file.set_apart()
        except OSError as error:  # the next process does it
            reason = f"the damaged spool {old_file.path} could not be set apart: {error}"
        self._losses.note(None, 0, reason)

    def _carry_over(self, readable: Table) -> list[Unreadable]:
        last = self._last
        file, table = self._new()
        losses: list[Unreadable] = []
        try:
            table.go_on_after(last)
            with closing(readable.reader(BEFORE_ALL, last)) as reader:
                chunk = reader.take(_CARRIED_EVENTS, _CARRIED_BYTES)
                while chunk.events or chunk.passed_over:
                    table.write(chunk.events, ())
                    losses += chunk.passed_over
                    chunk = reader.take(_CARRIED_EVENTS, _CARRIED_BYTES)
            file.note_written(last)
        except BaseException:
            table.close()
            file.remove()
            raise
        self._use(file, table)
        return losses

    @contextmanager
    def _errors_named(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            raise self._error_of(error) from error

    def _error_of(self, error: Exception) -> SpoolError:
        return SpoolError(f"the spool {self.path} cannot be used: {error}; {_way_out_of(error)}")


def _way_out_of(error: Exception) -> str:
    name: str = getattr(error, "sqlite_errorname", "")
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        name = "SQLITE_CANTOPEN"
    return _WAYS_OUT.get("_".join(name.split("_")[:2]), _WAY_OUT)


def _keep_forever(connection: sqlite3.Connection) -> None:
    # A list would be emptied at the end of the process, and SQLite would close what the parent
    # has open.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))
