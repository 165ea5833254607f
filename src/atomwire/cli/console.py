"""Where output goes: results to stdout, progress to stderr."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

Advance = Callable[[int], None]
"""Takes how many bytes of the file have been read so far."""


def print_json(document: Mapping[str, object]) -> None:
    """Print one JSON document for a machine, as plain text."""
    json.dump(document, sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")


def counted(number: int, noun: str) -> str:
    """Write a number with its noun: 1 event, 12,000 events."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


@contextmanager
def progress_bar(what: str, total: int | None) -> Iterator[Advance]:
    """Show a bar over the bytes of a file; nothing at all when stderr is no terminal."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(what, total=total)
        yield lambda position: bar.update(task, completed=position)
