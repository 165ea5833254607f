"""What tests of the spool share: events, a look at the directory, and damage to a file."""

import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from atomwire.bus.publish.spool import Spool, SpooledEvent

ROOM = 2**30
TOPIC = "cells"
PAGE_BYTES = 4096


def spooled(number: int = 1, tenant_id: str = "acme", size: int = 20) -> SpooledEvent:
    """Each number another event; the spool looks into none."""
    return SpooledEvent(tenant_id, b"%019d." % number * (size // 20), None)


def leave(directory: Path, events: list[SpooledEvent], topic: str = TOPIC) -> Path:
    """Leave a file behind; one in use next to it is not touched."""
    spool = Spool(directory / "elsewhere", topic, ROOM)
    spool.commit(events)
    spool.close()
    moved = directory / spool.path.name
    for each in (spool.path, spool.path.with_name(spool.path.name + ".lock")):
        each.rename(directory / each.name)
    return moved


def adopt_all(spool: Spool, max_bytes: int = 2**20) -> int:
    adopted = 0
    while count := spool.adopt(max_bytes):
        adopted += count
    return adopted


def held(spool: Spool) -> list[SpooledEvent]:
    return [event for _, event in spool.read(0, 2**20, 2**30)]


def files(directory: Path) -> list[str]:
    return sorted(each.name for each in directory.iterdir() if each.is_file())


def lost(spool: Spool) -> dict[str | None, int]:
    found: dict[str | None, int] = {}
    for tenant_id, count, reason in spool.take_lost():
        assert reason
        found[tenant_id] = found.get(tenant_id, 0) + count
    return found


def beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


@contextmanager
def held_by_another_program(path: Path) -> Iterator[None]:
    """The file locked as a program does that wants it for itself."""
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA locking_mode = EXCLUSIVE")
    database.execute("BEGIN EXCLUSIVE")
    yield
    database.rollback()
    database.close()


_LOCKING = """
    import sqlite3, sys
    database = sqlite3.connect(sys.argv[1], isolation_level=None)
    database.execute("BEGIN EXCLUSIVE")
    print("locked", flush=True)
    sys.stdin.read()
"""


@contextmanager
def locked_by_another_program(path: Path) -> Iterator[None]:
    """A file in use locked as by a program that writes to it."""
    command = [sys.executable, "-c", textwrap.dedent(_LOCKING), str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline()
        yield
        process.stdin.close()
