"""Read chosen columns of a CSV file, plain or gzipped, in chunks of rows."""

import csv
import gzip
import io
import stat
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import IO, Final

from atomwire.cli.errors import CommandError

CHUNK_ROWS: Final = 10_000

_GZIP_MAGIC: Final = b"\x1f\x8b"
_BYTE_ORDER_MARK: Final = "\ufeff"


@dataclass(frozen=True, slots=True)
class Rows:
    """A chunk of a file's rows, in the file's order.

    Attributes
    ----------
    lines : list of int
        The line of the file on which each row starts, counted from 1.
    columns : mapping of str to sequence of str
        The chosen columns by name.
    position : int
        How many bytes of the file, as it lies on the disk, have been read so far.
    """

    lines: list[int]
    columns: Mapping[str, Sequence[str]]
    position: int

    def __len__(self) -> int:
        return len(self.lines)


def read_rows(
    path: Path, names: Sequence[str], *, delimiter: str = ",", chunk_rows: int = CHUNK_ROWS
) -> Iterator[Rows]:
    """Read the columns `names` of the file `path`.

    The first line names the columns. Blank lines are skipped. Fields come as they stand,
    with no blanks cut off.

    Raises
    ------
    CommandError
        If the file cannot be read, is no UTF-8, is no well-formed CSV, or lacks a column.
    """
    with _named_errors(path), path.open("rb") as file:
        position = file.tell if file.seekable() else lambda: 0
        reader = _Reader(path, _unzipped(file), delimiter)
        indices = _find(path, reader.header, names)
        for lines, rows in reader.chunks(chunk_rows):
            columns = list(zip(*rows, strict=True))
            chosen = {name: columns[index] for name, index in indices.items()}
            yield Rows(lines, chosen, position())


def file_size(path: Path) -> int | None:
    """Return the size of a file in bytes; None for a pipe, which can be read only once."""
    try:
        status = path.stat()
    except OSError:
        return 0  # opening it will tell what is wrong
    streams = stat.S_ISFIFO(status.st_mode) or stat.S_ISCHR(status.st_mode)
    return None if streams else status.st_size


class _Reader:
    """Rows of one CSV stream, each with the line it starts on; every error names its line."""

    def __init__(self, path: Path, stream: IO[bytes], delimiter: str) -> None:
        self._path = path
        self._reader = csv.reader(self._decoded(stream), delimiter=delimiter, strict=True)
        self._rows = self._numbered()
        _, header = next(self._rows, (0, None))
        if header is None:
            raise CommandError(f"{path} is empty: its first line must name the columns")
        self.header = [name.strip() for name in header]

    def chunks(self, size: int) -> Iterator[tuple[list[int], list[list[str]]]]:
        """Take the rows below the header, `size` at a time."""
        lines: list[int] = []
        rows: list[list[str]] = []
        width = len(self.header)
        for line, row in self._rows:
            if len(row) != width:
                raise CommandError(
                    f"{self._path}, line {line}: {len(row)} fields, but the header has {width}"
                )
            lines.append(line)
            rows.append(row)
            if len(rows) == size:
                yield lines, rows
                lines, rows = [], []
        if rows:
            yield lines, rows

    def _numbered(self) -> Iterator[tuple[int, list[str]]]:
        # A quoted field may hold line breaks, so a row can span lines: it is known by its first.
        first = 1
        try:
            for row in self._reader:
                if row:
                    yield first, row
                first = self._reader.line_num + 1
        except csv.Error as error:
            raise CommandError(f"{self._path}, line {first}: no valid CSV: {error}") from error

    def _decoded(self, stream: IO[bytes]) -> Iterator[str]:
        # Line by line, because a TextIOWrapper decodes blocks and cannot tell the bad line.
        for number, line in enumerate(stream, start=1):
            try:
                text = line.decode("utf-8")
            except UnicodeDecodeError as error:
                raise CommandError(
                    f"{self._path}, line {number}: byte 0x{line[error.start]:02x} is not UTF-8: "
                    "save the file as UTF-8"
                ) from error
            yield text.removeprefix(_BYTE_ORDER_MARK) if number == 1 else text


@contextmanager
def _named_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, zlib.error) as error:
        # gzip raises its own errors without an errno; the system's read better without it.
        reason = getattr(error, "strerror", None) or str(error)
        raise CommandError(f"cannot read {path}: {reason}") from error


def _unzipped(file: io.BufferedReader) -> IO[bytes]:
    # Looked up in the bytes, not in the name: 0x8b never starts a character of UTF-8.
    zipped = file.peek(len(_GZIP_MAGIC)).startswith(_GZIP_MAGIC)
    return io.BufferedReader(gzip.GzipFile(fileobj=file)) if zipped else file


def _find(path: Path, header: Sequence[str], names: Sequence[str]) -> dict[str, int]:
    return {name: _index(path, header, name) for name in names}


def _index(path: Path, header: Sequence[str], name: str) -> int:
    count = header.count(name)
    if count == 1:
        return header.index(name)
    existing = f"the columns are: {', '.join(header)}"
    if count > 1:
        raise CommandError(f"{path} has {count} columns {name!r}: rename all but one; {existing}")
    near = get_close_matches(name, header, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise CommandError(f"{path} has no column {name!r}: {hint}{existing}")
