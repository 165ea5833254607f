"""Events in one SQLite database: written in transactions, and read around what is damaged."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import zlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self, TypeVar

__all__ = ["Chunk", "NumberedEvent", "Reader", "SpooledEvent", "Table", "Unreadable", "is_damage"]

_VERSION = 2
# From here on with checksums. The first of these had AUTOINCREMENT, which writes one page more with
# each event; SQLite goes on doing so in a file that has it.
_FIRST_CHECKED_VERSION = 1
_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE events (
    number INTEGER PRIMARY KEY,
    tenant_id TEXT NOT NULL,
    event BLOB NOT NULL,
    headers TEXT,
    checksum INTEGER NOT NULL
);
CREATE TABLE highest (number INTEGER NOT NULL);
INSERT INTO highest VALUES (0);
PRAGMA user_version = {_VERSION};
COMMIT;
"""  # noqa: S608
_PAGE_BYTES = 4096
# A page in the log has a header of its own; the log's index is as small.
_LOGGED_PAGE_BYTES = _PAGE_BYTES + 32
# Each thing appended or deleted may split or join pages beside it.
_PAGES_A_CHANGE = 3
# The log is written back to the file before it grows past this.
_LOG_BYTES = 32 * 2**20
# Room for what one transaction may log at most, whatever it deletes.
_LOG_RESERVE_BYTES = 256 * 2**20
# For a program that looks into the file: the bus's thread does not wait longer.
_BUSY_SECONDS = 0.2
# Failed looks into a damaged file, after which a range is given up as a whole.
_MOST_PROBES = 10_000
_LAST_POSSIBLE = 2**63 - 1
_ROWS_A_STATEMENT = 500
# Texts of statements, which are told apart by their number of rows.
_TEXTS_KEPT = 64
# Below every row: those put in front of others may be negative.
BEFORE_ALL = -(2**62)


_T = TypeVar("_T")


class SpooledEvent(NamedTuple):
    """An event as the disk keeps it."""

    tenant_id: str
    event: bytes
    headers: list[tuple[str, bytes]] | None


NumberedEvent = tuple[int, SpooledEvent]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Rows that cannot be read.

    Attributes
    ----------
    last : int
        The last of them.
    count : int
        How many at most, 0 when that is not known.
    tenant_id : str or None
        Whose they were, if that can be read.
    reason : str
        What is wrong with them.
    in_pages : bool
        Whether pages of the file are damaged, not only what is in a row.
    """

    last: int
    count: int
    tenant_id: str | None
    reason: str
    in_pages: bool


Rows = Generator[NumberedEvent | Unreadable, None, None]


class Chunk(NamedTuple):
    """What was read at once; at the end nothing, and nothing passed over.

    Attributes
    ----------
    events : list of (int, SpooledEvent)
        Rows and what is in them.
    passed_over : list of Unreadable
        What lies between them and cannot be read.
    end : int
        The last row of these, to go on behind it.
    """

    events: list[NumberedEvent]
    passed_over: list[Unreadable]
    end: int


class Reader:
    """Goes through rows, a chunk at a time."""

    def __init__(self, rows: Rows, after: int) -> None:
        self._rows = rows
        self._end = after
        self._next: NumberedEvent | None = None

    def take(self, max_events: int, max_bytes: int) -> Chunk:
        """Return the next chunk: `max_bytes` of events at most, but never none for that."""
        events: list[NumberedEvent] = []
        passed_over: list[Unreadable] = []
        size = 0
        while len(events) + len(passed_over) < max_events and size < max_bytes:
            each = self._next or next(self._rows, None)
            self._next = None
            if isinstance(each, Unreadable):
                passed_over.append(each)
                self._end = each.last
                continue
            if each is None:
                break
            size += len(each[1].event)
            if events and size > max_bytes:
                self._next = each
                break
            events.append(each)
            self._end = each[0]
        return Chunk(events, passed_over, self._end)

    def close(self) -> None:
        """End reading, which holds the log."""
        self._rows.close()


class _DamagedError(sqlite3.DatabaseError):
    """Damage that SQLite does not see."""


def is_damage(error: BaseException) -> bool:
    """Return whether a file is broken for good; anything else is trouble, and may pass."""
    name: str = getattr(error, "sqlite_errorname", "")
    return isinstance(error, _DamagedError) or name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB"))


class Table:
    """The events of a file. All methods raise what SQLite raises.

    Attributes
    ----------
    is_current : bool
        Whether it can be appended to: False for the layout that earlier versions wrote, which had
        no checksums.
    is_blank : bool
        Whether nobody has ever written to it.
    """

    def __init__(self, path: Path, database: sqlite3.Connection) -> None:
        self._path = path
        self._database = database
        self._log = path.with_name(path.name + "-wal")
        self._most_log = _LOG_RESERVE_BYTES
        self._logged_at_most: int | None = None  # so that its size is not asked for each time
        self._failed = False
        self.is_blank = False
        self.is_current = False
        self._has_sequence = False
        self._has_highest = False

    @classmethod
    def look(cls, path: Path) -> Self:
        """Open a file to read it. Its log stays as it is, even when this is closed."""
        table = cls(path, _connect(f"{path.absolute().as_uri()}?mode=ro", uri=True))
        with table._closed_on_error():
            table._find_layout()
        return table

    @classmethod
    def open(
        cls,
        path: Path,
        max_bytes: int | None = None,
        synchronous: Literal["normal", "full"] = "normal",
    ) -> Self:
        """Open a file to write to it; `max_bytes` bounds it together with its log.

        The log gets a part of its own. A transaction logs each page of the file once at most, so
        half is enough for any; much less is enough for what is written at once.
        """
        table = cls(path, _connect(str(path)))
        with table._closed_on_error():
            table._find_layout()
            if table.is_blank:
                table._lay_out()
            for setting in (
                "wal_autocheckpoint = 0",  # SQLite's own would let the log outgrow its part
                "secure_delete = OFF",  # it logs each page that is deleted, too
                f"synchronous = {synchronous}",
            ):
                table._run(f"PRAGMA {setting}")
            if max_bytes is not None:
                table._most_log = min(max_bytes // 2, _LOG_RESERVE_BYTES)
                pages = max((max_bytes - table._most_log) // _PAGE_BYTES, 8)
                table._run(f"PRAGMA max_page_count = {pages}")
            # So that it is known now whether it can be written to.
            table._run("DELETE FROM events WHERE number = ?", BEFORE_ALL)
        return table

    # ---- Read.

    def count(self) -> int:
        """Return how many events it holds."""
        return self._number("SELECT count(*) FROM events")

    def last_row(self) -> int:
        """Return the highest row that it has ever held; where that is not noted, that it holds."""
        highest = self._number("SELECT max(number) FROM events")
        if self._has_highest:
            return max(highest, self._number("SELECT max(number) FROM highest"))
        if self._has_sequence:
            return max(highest, self._number("SELECT max(seq) FROM sqlite_sequence"))
        return highest

    def first_row(self) -> int:
        """Return the lowest row that it holds, 1 when it is empty."""
        return self._number("SELECT coalesce(min(number), 1) FROM events")

    def _before_first(self) -> int:
        # Not from far below: what is damaged is looked for by halving, and that would never end.
        try:
            return min(self.first_row(), 1) - 1 if not self.is_blank else 0
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            return 0

    def is_empty(self) -> bool:
        """Return whether no event is in it."""
        return self.is_blank or not self._run("SELECT number FROM events LIMIT 1")

    def tenants(self) -> dict[str, int]:
        """Return how many events of each tenant it holds, most first."""
        found = self._run("SELECT tenant_id, count(*) FROM events GROUP BY 1 ORDER BY 2 DESC")
        return {tenant_id.decode(errors="replace"): count for tenant_id, count in found}

    def is_intact(self) -> bool:
        """Return whether every row can be reached; what is in the rows is not looked at."""
        try:
            return self._run("PRAGMA quick_check(1)") == [(b"ok",)]
        except sqlite3.DatabaseError as error:
            if is_damage(error):
                return False
            raise

    def reader(self, after: int, last: int | None = None) -> Reader:
        """Begin to read behind the row `after`, up to the row `last`."""
        if after == BEFORE_ALL:
            after = self._before_first()
        return Reader(self._rows(after, last or _LAST_POSSIBLE), after)

    def _rows(self, after: int, last: int) -> Rows:
        # A range that cannot be read to its end is halved, until what is damaged is alone.
        probes = 0
        ranges = [] if self.is_blank else [(after + 1, last)]
        while ranges:
            position, end = ranges.pop()
            try:
                for row in self._select(position, end):
                    each = self._checked(row)
                    if isinstance(each, Unreadable):
                        if not position <= each.last <= end:  # its number is damaged as well
                            each = replace(each, last=position - 1)
                    elif row[0] > end:
                        break
                    else:
                        position = row[0] + 1
                    yield each
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise
                probes += 1
                if position < end and probes < _MOST_PROBES:
                    middle = (position + end) // 2
                    ranges += [(middle + 1, end), (position, middle)]
                elif position <= end:
                    yield self._unreadable(position, end, str(error), last)

    def _select(self, first: int, last: int) -> sqlite3.Cursor:
        # Python returns a row when it has the next one; a row alone does not ask for the next.
        # Without an upper bound: a damaged number would end the reading there.
        which = "number = ?" if first == last else "number >= ? ORDER BY number"
        return self._database.execute(f"{self._columns} WHERE {which}", (first,))

    @property
    def _columns(self) -> str:
        checksum = "checksum" if self.is_current else "NULL"
        return f"SELECT number, tenant_id, event, headers, {checksum} FROM events"  # noqa: S608

    def _checked(self, row: tuple[Any, ...]) -> NumberedEvent | Unreadable:
        number, tenant_id, event, headers, checksum = row
        try:
            expected = _checksum(number, tenant_id, event, headers)
            if self.is_current and checksum != expected:
                return Unreadable(number, 1, _text_of(tenant_id), "its checksum is wrong", False)
            named = None if headers is None else _from_text(headers)
            return number, SpooledEvent(tenant_id.decode(), event, named)
        except (TypeError, ValueError, AttributeError) as error:
            reason = f"it is no event of ours ({error})"
            return Unreadable(number, 1, _text_of(tenant_id), reason, False)

    def _unreadable(self, first: int, end: int, reason: str, last: int) -> Unreadable:
        # Few rows lie below 1, which is where a spool begins: what was put in front of others.
        count = end - max(first, min(end, 1)) + 1 if last < _LAST_POSSIBLE else 0
        tenant_id = None
        if first == end:
            # The tenant stands at the row's begin, and the damage may lie behind it.
            with contextlib.suppress(sqlite3.Error):
                for row in self._run("SELECT tenant_id FROM events WHERE number = ?", first):
                    tenant_id = _text_of(row[0])
        return Unreadable(end, count, tenant_id, reason, True)

    # ---- Write.

    def write(self, append: Sequence[NumberedEvent], delete: Sequence[int]) -> int:
        """Delete rows and append others, all or nothing; return how many were deleted."""
        rows = [_row_of(number, event) for number, event in append]
        deletions = [(_deletion(len(part)), part) for part in _parts(delete)]
        insertions = [(_insertion(len(part)), list(chain(*part))) for part in _parts(rows)]
        self._keep_log_small(sum(map(_bytes_of, rows)), len(rows) + len(delete))
        self._failed = True
        if not deletions and len(insertions) == 1:
            # A statement is a transaction by itself, and what a durable publisher waits for.
            self._roll_back()
            self._database.execute(*insertions[0])
            self._failed = False
            return 0
        deleted = 0
        with self._transaction():
            if deletions:
                self._mark_highest()
            for query, numbers in deletions:
                deleted += self._database.execute(query, numbers).rowcount
            for query, values in insertions:
                self._database.execute(query, values)
        self._failed = False
        return max(deleted, 0)

    def go_on_after(self, row: int) -> None:
        """Have a new file's next rows follow on this one."""
        with self._transaction():
            self._database.execute("UPDATE highest SET number = ?", (row,))

    def _mark_highest(self) -> None:
        # So that it is known when the row itself is gone.
        if self._has_highest:
            self._database.execute(
                "UPDATE highest SET number = max(number, (SELECT max(number) FROM events)) "
                "WHERE EXISTS (SELECT 1 FROM events)"
            )

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    @property
    def connection(self) -> sqlite3.Connection:
        """What must not be closed after a fork."""
        return self._database

    def _keep_log_small(self, size: int, changes: int) -> None:
        pages = 2 * size // _PAGE_BYTES + _PAGES_A_CHANGE * changes + 8
        needed = pages * _LOGGED_PAGE_BYTES
        if self._failed:
            # It may be the log that has no room to grow. What is in it may find room in the file.
            with contextlib.suppress(sqlite3.OperationalError):
                self._run("PRAGMA wal_checkpoint(TRUNCATE)")
            self._logged_at_most = None
        bound = min(_LOG_BYTES, self._most_log)
        logged = self._logged_at_most
        if logged is None or logged + needed > bound:
            logged = self._logged()
            if logged and logged + needed > bound:
                # The whole log, so that its file is as large as what is in it.
                self._logged_at_most = None
                self._run("PRAGMA wal_checkpoint(TRUNCATE)")
                logged = self._logged()
                if logged and logged + needed > self._most_log:
                    raise sqlite3.OperationalError(
                        "its log has reached its size, and another program's reading holds it"
                    )
        self._logged_at_most = logged + needed

    def _logged(self) -> int:
        try:
            return self._log.stat().st_size
        except FileNotFoundError:
            return 0

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._roll_back()  # in case that this failed the last time
        try:
            self._database.execute("BEGIN IMMEDIATE")
            yield
            self._database.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._roll_back()
            raise

    def _roll_back(self) -> None:
        # A full disk has done it already.
        if self._database.in_transaction:
            self._database.execute("ROLLBACK")

    # ---- The file.

    def _find_layout(self) -> None:
        version = self._number("PRAGMA user_version")
        tables = self._number("SELECT count(*) FROM sqlite_master WHERE name = 'events'")
        if version > _VERSION:
            raise sqlite3.OperationalError("a newer version of atomwire has written it")
        if version >= _FIRST_CHECKED_VERSION and not tables:
            raise _DamagedError("its table is missing")
        self.is_blank = not tables
        self.is_current = version >= _FIRST_CHECKED_VERSION
        self._has_sequence = version == _FIRST_CHECKED_VERSION
        self._has_highest = version == _VERSION and self._finds_highest()
        if not self.is_blank:
            self._check_columns()

    def _check_columns(self) -> None:
        try:
            self._run(f"EXPLAIN {self._columns}")
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorname", "") != "SQLITE_ERROR":
                raise
            raise _DamagedError(f"its table is another: {error}") from error

    def _finds_highest(self) -> bool:
        # Without it the events can be read all the same.
        tables = self._number("SELECT count(*) FROM sqlite_master WHERE name = 'highest'")
        return bool(tables) and self._number("SELECT count(*) FROM highest") == 1

    def _lay_out(self) -> None:
        # A journal file would have to be played back, if the process ended just here.
        self._run("PRAGMA journal_mode = MEMORY")
        self._run(f"PRAGMA page_size = {_PAGE_BYTES}")
        self._run("PRAGMA journal_mode = WAL")
        self._database.executescript(_SCHEMA)
        self.is_blank, self.is_current, self._has_highest = False, True, True

    def _run(self, statement: str, *values: object) -> list[Any]:
        return self._database.execute(statement, values).fetchall()

    def _number(self, query: str) -> int:
        [(number,)] = self._run(query)
        return int(number or 0)

    @contextmanager
    def _closed_on_error(self) -> Iterator[None]:
        try:
            yield
        except UnicodeDecodeError as error:
            # What SQLite says of a damaged schema has the damage in it.
            self.close()
            raise _DamagedError("its schema cannot be read") from error
        except BaseException:
            self.close()
            raise


def _connect(name: str, uri: bool = False) -> sqlite3.Connection:
    # Threads take turns: the bus opens it, its thread uses it.
    database = sqlite3.connect(
        name, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=uri
    )
    # Text is decoded after its checksum was compared.
    database.text_factory = bytes
    return database


_Row = tuple[int, str, bytes, str | None, int]


def _parts(rows: Sequence[_T]) -> Iterator[Sequence[_T]]:
    # Python gives the interpreter's lock away for each statement, and where others are busy it gets
    # it back after milliseconds: a statement for each row would take seconds.
    for start in range(0, len(rows), _ROWS_A_STATEMENT):
        yield rows[start : start + _ROWS_A_STATEMENT]


@lru_cache(_TEXTS_KEPT)
def _deletion(rows: int) -> str:
    return f"DELETE FROM events WHERE number IN ({', '.join('?' * rows)})"  # noqa: S608


@lru_cache(_TEXTS_KEPT)
def _insertion(rows: int) -> str:
    return f"INSERT INTO events VALUES {', '.join(['(?, ?, ?, ?, ?)'] * rows)}"  # noqa: S608


def _row_of(number: int, event: SpooledEvent) -> _Row:
    tenant_id, value, headers = event
    text = None if headers is None else _to_text(headers)
    encoded = None if text is None else text.encode()
    return number, tenant_id, value, text, _checksum(number, tenant_id.encode(), value, encoded)


def _bytes_of(row: _Row) -> int:
    return len(row[1]) + len(row[2]) + len(row[3] or "")


def _checksum(number: int, tenant_id: bytes, event: bytes, headers: bytes | None) -> int:
    checksum = zlib.crc32(tenant_id, zlib.crc32(b"%d" % number))
    return zlib.crc32(headers or b"", zlib.crc32(event, checksum))


def _text_of(tenant_id: object) -> str | None:
    return tenant_id.decode(errors="replace") if isinstance(tenant_id, bytes) else None


def _to_text(headers: Sequence[tuple[str, bytes]]) -> str:
    return json.dumps([[name, value.decode("latin-1")] for name, value in headers])


def _from_text(text: bytes) -> list[tuple[str, bytes]]:
    return [(name, value.encode("latin-1")) for name, value in json.loads(text)]
