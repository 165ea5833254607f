"""Events on the disk that wait for the broker: SQLite, in the order in which they were accepted."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atomwire._native import keep_forever
from atomwire.bus.errors import SpoolError
from atomwire.bus.log import LOGGER
from atomwire.bus.publish.spool_file import SpoolFile

if TYPE_CHECKING:
    from atomwire._native import Headers, Row

__all__ = ["Spool"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    number INTEGER PRIMARY KEY,
    tenant_id TEXT NOT NULL,
    event BLOB NOT NULL,
    timestamp INTEGER NOT NULL,
    headers TEXT
)
"""
_COLUMNS = "number, tenant_id, event, timestamp, headers"
_PAGE_BYTES = 4096
# The log of changes is written back after this many transactions.
_CHECKPOINT_CHANGES = 1_000


class Spool:
    """The spool of one bus. It adopts what earlier processes have left in its directory.

    Threads may share it. A commit survives the process, killed or not; with the machine's power
    the last moments may be lost.

    Parameters
    ----------
    directory : str
        Made when it is not there. Buses and processes may share it, each has a file of its own.
    topic : str
        Only what was meant for this topic is adopted.
    max_bytes : int
        Largest size of the file.

    Attributes
    ----------
    path : Path
        The file.

    Raises
    ------
    SpoolError
        The directory or the file cannot be used.
    """

    def __init__(self, directory: str | os.PathLike[str], topic: str, max_bytes: int) -> None:
        self._lock = threading.Lock()
        self._changes = 0
        self._max_pages = max(max_bytes // _PAGE_BYTES, 4)
        place = Path(directory)
        try:
            place.mkdir(parents=True, exist_ok=True)
            found = SpoolFile.left_behind(place, topic)
            self._file, self._database = self._open_first(found, place, topic)
            self.path = self._file.path
            for other in found:
                self._adopt(other)
        except (OSError, sqlite3.Error) as error:
            raise SpoolError(f"spool_dir={str(directory)!r} cannot be used: {error}") from error

    def append(self, rows: Iterable[Row]) -> None:
        """Write rows, all or none; those that are there already stay as they are.

        Raises
        ------
        SpoolError
            The disk is full, or `max_bytes` is reached, or the file cannot be written to.
        """
        with self._changing():
            self._database.executemany(
                f"INSERT OR IGNORE INTO events ({_COLUMNS}) VALUES (?, ?, ?, ?, ?)",  # noqa: S608
                [(*row[:4], _to_text(row[4])) for row in rows],
            )
        self._changes += 1

    def read(self, after: int, limit: int) -> list[Row]:
        """Return up to `limit` rows with higher numbers than `after`, in order."""
        query = f"SELECT {_COLUMNS} FROM events WHERE number > ? ORDER BY number LIMIT ?"  # noqa: S608
        with self._lock, _errors_of(self.path):
            rows = self._database.execute(query, (after, limit)).fetchall()
        return [(*row[:4], _from_text(row[4])) for row in rows]

    def delete(self, numbers: Sequence[int]) -> None:
        """Forget rows that were delivered."""
        with self._changing():
            self._database.executemany(
                "DELETE FROM events WHERE number = ?", [(number,) for number in numbers]
            )
        self._changes += 1

    def tidy(self) -> None:
        """Write the log of changes back now and then.

        SQLite would do it by itself, in a commit: which may be the caller's, and would wait.
        """
        if self._changes >= _CHECKPOINT_CHANGES:
            self._changes = 0
            with self._lock, _errors_of(self.path):
                self._database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def count(self) -> int:
        """Return how many events it holds."""
        return self._one("SELECT count(*) FROM events")

    def last_number(self) -> int:
        """Return the highest number in it, 0 when it is empty."""
        return self._one("SELECT coalesce(max(number), 0) FROM events")

    def tenants(self) -> dict[str, int]:
        """Return how many events of each tenant it holds, most first."""
        query = "SELECT tenant_id, count(*) FROM events GROUP BY 1 ORDER BY 2 DESC"
        with self._lock, _errors_of(self.path):
            return dict(self._database.execute(query).fetchall())

    def close(self) -> None:
        """Close the file, and remove it when it is empty."""
        left = self.count()
        with self._lock:
            self._database.close()
        if left:
            self._file.release()
        else:
            self._file.remove()

    def abandon(self) -> None:
        """Leave it to the parent process: after a fork it must not even be closed."""
        keep_forever(self._database)
        self._file.release()

    def _one(self, query: str) -> int:
        with self._lock, _errors_of(self.path):
            return int(self._database.execute(query).fetchone()[0])

    def _open_first(
        self, found: list[SpoolFile], place: Path, topic: str
    ) -> tuple[SpoolFile, sqlite3.Connection]:
        while found:
            file = found.pop(0)
            try:
                return file, self._open(file.path)
            except sqlite3.DatabaseError as error:
                _set_apart(file, error)
        file = SpoolFile.new(place, topic)
        return file, self._open(file.path)

    def _open(self, path: Path) -> sqlite3.Connection:
        database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        try:
            for statement in (
                f"PRAGMA page_size = {_PAGE_BYTES}",
                "PRAGMA journal_mode = WAL",
                "PRAGMA synchronous = NORMAL",
                "PRAGMA wal_autocheckpoint = 0",
                f"PRAGMA max_page_count = {self._max_pages}",
                _SCHEMA,
                "SELECT count(*), max(number) FROM events",
            ):
                database.execute(statement).fetchall()
        except sqlite3.Error:
            database.close()
            raise
        return database

    def _adopt(self, other: SpoolFile) -> None:
        # Renumbered behind our own: numbers are those of one process.
        try:
            self._open(other.path).close()
        except sqlite3.DatabaseError as error:
            _set_apart(other, error)
            return
        self._database.execute("ATTACH ? AS other", (str(other.path),))
        try:
            with self._changing():
                self._database.execute(
                    "INSERT INTO events (tenant_id, event, timestamp, headers) "
                    "SELECT tenant_id, event, timestamp, headers FROM other.events ORDER BY number"
                )
        except SpoolError:
            self._database.execute("DETACH other")
            other.release()  # no room for it now: it stays for the next process
            return
        self._database.execute("DETACH other")
        other.remove()

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with self._lock, _errors_of(self.path):
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._database.execute("COMMIT")
            except BaseException:
                # A full disk has rolled it back already.
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                self._changes = _CHECKPOINT_CHANGES  # the log may be what has no room to grow
                raise


@contextmanager
def _errors_of(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise SpoolError(f"the spool {path} cannot be used: {error}") from error


def _set_apart(file: SpoolFile, error: Exception) -> None:
    apart = file.set_apart()
    LOGGER.log(logging.ERROR, "a spool cannot be read (%s); it was set apart as %s", error, apart)


def _to_text(headers: Headers | None) -> str | None:
    if headers is None:
        return None
    return json.dumps([[name, value.decode("latin-1")] for name, value in headers])


def _from_text(text: Any) -> Headers | None:
    if text is None:
        return None
    return [(name, value.encode("latin-1")) for name, value in json.loads(text)]
