"""What earlier processes have left in a spool directory, and how the next one takes it over.

Events are first written to the new place and then deleted from the old one: a process that is
killed in between leaves a duplicate, never a gap.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections import deque
from pathlib import Path

from atomwire.bus.publish.losses import Losses
from atomwire.bus.publish.spool_file import SpoolFile
from atomwire.bus.publish.spool_table import (
    BEFORE_ALL,
    Chunk,
    NumberedEvent,
    Reader,
    Table,
    is_damage,
)

__all__ = ["Leftovers"]

_MOST_EVENTS = 10_000
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 60.0


class Leftovers:
    """The files of a topic that were there when the bus began, one open at a time.

    What has trouble is left alone and tried again, at growing intervals.

    Parameters
    ----------
    directory : Path
        Where they are.
    topic : str
        Whose they are.
    losses : Losses
        Told of what cannot be read.
    """

    def __init__(self, directory: Path, topic: str, losses: Losses) -> None:
        self._paths = deque(SpoolFile.paths(directory, topic))
        self._losses = losses
        self._current: _Leftover | None = None
        self._pause = _FIRST_PAUSE_SECONDS
        self._not_before = 0.0

    def claim_first(self) -> SpoolFile | None:
        """Claim the oldest that can be opened, to be written to again; None if there is none.

        Nor is there one if the oldest can only be read: its events come before all others.
        """
        for path in tuple(self._paths):
            try:
                leftover = _Leftover.claim(path, self._losses)
            except (OSError, sqlite3.Error):
                continue
            if leftover is None:
                self._paths.remove(path)
                continue
            if not leftover.is_sound:
                leftover.close()
                return None
            self._paths.remove(path)
            return leftover.give_away()
        return None

    def put_back(self, path: Path) -> None:
        """Take back what was claimed and could not be used."""
        self._paths.appendleft(path)

    def next(self, max_bytes: int) -> list[NumberedEvent]:
        """Return the next events; the same again until `moved` is called."""
        if time.monotonic() < self._not_before:
            return []
        try:
            while self._current is not None or self._paths:
                if self._current is None:
                    self._current = self._claim_next()
                elif events := self._current.read(max_bytes):
                    return events
                else:
                    self._current.finish()
                    self._current = None
        except (OSError, sqlite3.Error) as error:
            self.postpone(error)
        return []

    def moved(self) -> None:
        """Forget what `next` has returned."""
        assert self._current is not None
        self._current.forget()
        self._pause = _FIRST_PAUSE_SECONDS

    def postpone(self, error: Exception) -> None:
        """Do without for a while."""
        reason = f"what a spool has left waits there, and is tried again ({error})"
        self._losses.note(None, 0, reason)
        self._not_before = time.monotonic() + self._pause
        self._pause = min(2 * self._pause, _LONGEST_PAUSE_SECONDS)

    def close(self) -> None:
        """Leave the rest to the next process."""
        if self._current is not None:
            self._current.close()
            self._current = None
        self._paths.clear()

    def abandon(self) -> list[Table]:
        """Leave everything to the parent process; return what must never be closed."""
        current, self._current = self._current, None
        self._paths.clear()
        return [] if current is None else current.abandon()

    def _claim_next(self) -> _Leftover | None:
        path = self._paths.popleft()
        try:
            return _Leftover.claim(path, self._losses)
        except BaseException:
            self._paths.append(path)  # another's turn, meanwhile
            raise


class _Leftover:
    """A file that is emptied, or, when it is damaged, read as far as it can be and set apart.

    It is read through a connection that cannot write: while that is open the log stays as it is,
    and nothing that a damaged file may still hold is overwritten.
    """

    def __init__(self, file: SpoolFile, table: Table, losses: Losses) -> None:
        self._file = file
        self._table = table
        self._losses = losses
        self._writable: Table | None = None
        self._after = BEFORE_ALL
        self._salvage: Reader | None = None
        self._events: list[NumberedEvent] = []
        self._moved: list[int] = []
        written = file.last_written()
        self._last: int | None = written or None
        self._unaccounted = self._missing = 0
        self._is_damaged = False
        try:
            self._unaccounted = 0 if table.is_blank else table.count()
            last = 0 if table.is_blank else table.last_row()
            self._last = last or None
            self._missing = max(written - last, 0)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            self._is_damaged = True
        # Rows in disorder are skipped, and moved too late, if they are looked for one by one.
        self._is_damaged |= self._missing > 0 or not (table.is_blank or table.is_intact())

    @classmethod
    def claim(cls, path: Path, losses: Losses) -> _Leftover | None:
        """Open a file; None when another bus has it, or nothing at all can be read."""
        file = SpoolFile.claim_left_behind(path)
        if file is None:
            return None
        try:
            table = _look(file, losses)
            if table is None:
                return None
            try:
                return cls(file, table, losses)
            except BaseException:
                table.close()
                raise
        except BaseException:
            file.release()
            raise

    @property
    def is_sound(self) -> bool:
        """Whether the bus may go on with it as its own."""
        return not self._is_damaged and (self._table.is_current or self._table.is_blank)

    def give_away(self) -> SpoolFile:
        """Return the file, still claimed."""
        self._table.close()
        return self._file

    def read(self, max_bytes: int) -> list[NumberedEvent]:
        """Return the next events; the same again until `forget` is called."""
        self._delete_moved()
        while not self._events:
            chunk = self._take(max_bytes)
            self._events, self._after = chunk.events, chunk.end
            for each in chunk.passed_over:
                self._is_damaged = True
                self._unaccounted -= each.count
                reason = f"{each.reason} ({self._file.apart()})"
                self._losses.note(each.tenant_id, each.count, reason)
            if not chunk.events and not chunk.passed_over:
                if self._is_damaged or self._table.is_empty():
                    break
                # Damage that SQLite does not notice has led past some rows.
                self._is_damaged = True
                self._after = BEFORE_ALL
        return self._events

    def forget(self) -> None:
        """Delete what was read, unless the file is to be kept."""
        self._moved += [number for number, _ in self._events]
        self._unaccounted -= len(self._events)
        self._events = []
        # If there is trouble, the next reading begins with it.
        with contextlib.suppress(sqlite3.Error):
            self._delete_moved()

    def finish(self) -> None:
        """Remove the file; or set it apart, when something in it could not be read."""
        self._close_tables()
        if self._is_damaged:
            self._file.set_apart()
            self._tell()
        else:
            self._file.remove()

    def close(self) -> None:
        """Leave the file to the next process."""
        self._close_tables()
        self._file.release()

    def _close_tables(self) -> None:
        if self._salvage is not None:
            self._salvage.close()
        if self._writable is not None:
            if self._is_damaged:
                self._writable.close()  # first: the other one keeps the log
            else:
                self._table.close()
            self._writable.close()
        self._table.close()

    def abandon(self) -> list[Table]:
        """Leave it to the parent process."""
        self._file.release()
        return [self._table, *filter(None, [self._writable])]

    def _take(self, max_bytes: int) -> Chunk:
        if self._is_damaged:
            # One reading from here to the end: a damaged file cannot be relied on to find a row.
            if self._salvage is None:
                self._salvage = self._table.reader(self._after, self._last)
            return self._salvage.take(_MOST_EVENTS, max_bytes)
        # Each time anew, so that the reading does not hold the log.
        with contextlib.closing(self._table.reader(self._after, self._last)) as reader:
            return reader.take(_MOST_EVENTS, max_bytes)

    def _delete_moved(self) -> None:
        if self._is_damaged or not self._moved:
            return
        try:
            if self._writable is None:
                self._writable = Table.open(self._file.path)
            self._writable.write((), self._moved)
        except sqlite3.Error as error:
            if not is_damage(error):
                raise
            self._is_damaged = True
        self._moved = []

    def _tell(self) -> None:
        apart = self._file.apart()
        self._losses.note(None, 0, f"a damaged spool was set apart as {apart}")
        if self._missing > 0:
            self._losses.note(None, self._missing, f"its end was lost ({apart})")
        if self._unaccounted > 0:
            self._losses.note(None, self._unaccounted, f"cannot be found in it ({apart})")


def _look(file: SpoolFile, losses: Losses) -> Table | None:
    """Open a file to read; one without anything to read is set apart."""
    try:
        return Table.look(file.path)
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        written = file.last_written()
        file.set_apart()
        reason = f"a spool cannot be read ({error}); it was set apart as {file.apart()}"
        losses.note(None, written, reason)
        return None
