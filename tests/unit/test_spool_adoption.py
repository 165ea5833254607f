"""What earlier processes have left is taken over in order; what cannot be had now is left alone."""

import contextlib
import itertools
import json
import os
import resource
import sqlite3
import subprocess
import sys
import textwrap
import time
import uuid

import pytest

from atomwire.bus.publish.spool import Spool, SpooledEvent
from atomwire.bus.publish.spool_table import Table
from tests.support.spools import (
    ROOM,
    TOPIC,
    adopt_all,
    beside,
    files,
    held,
    held_by_another_program,
    leave,
    lost,
    spooled,
)


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass when a test says so."""

    class Clock:
        now = time.monotonic()

    monkeypatch.setattr(time, "monotonic", lambda: Clock.now)
    return Clock


def test_the_oldest_is_gone_on_with_and_the_others_are_moved_behind_it(tmp_path):
    paths = [leave(tmp_path, [spooled(10 * n), spooled(10 * n + 1)]) for n in range(3)]
    for age, path in enumerate(reversed(paths)):
        os.utime(path, (age, age))
    spool = Spool(tmp_path, TOPIC, ROOM)
    assert spool.path == paths[2]
    assert held(spool) == [spooled(20), spooled(21)]
    assert spool.commit([spooled(99)]) == [3]
    assert adopt_all(spool) == 4
    assert held(spool) == [spooled(n) for n in (20, 21, 99, 10, 11, 0, 1)]
    assert len([name for name in files(tmp_path) if name.endswith(".spool")]) == 1
    assert spool.take_lost() == []
    spool.close()


def test_a_chunk_is_bounded_by_bytes_and_survives_the_end_in_between(tmp_path):
    first = leave(tmp_path, [spooled(0)])
    os.utime(first, (0, 0))
    leave(tmp_path, [spooled(n, size=1_000) for n in range(1, 11)])
    spool = Spool(tmp_path, TOPIC, ROOM)
    assert spool.adopt(3_500) == 3
    assert spool.adopt(1) == 1  # never nothing
    spool.close()
    again = Spool(tmp_path, TOPIC, ROOM)
    adopt_all(again)
    found = held(again)
    assert len(found) == 11
    assert set(found) == {spooled(0), *(spooled(n, size=1_000) for n in range(1, 11))}
    again.close()


def test_moving_much_keeps_the_log_and_the_memory_small(tmp_path):
    os.utime(leave(tmp_path, [spooled(0)]), (0, 0))
    leave(tmp_path, [spooled(n, size=400_000) for n in range(120)])
    spool = Spool(tmp_path, TOPIC, ROOM)
    most = 0
    while spool.adopt(2_000_000):
        logs = [each.stat().st_size for each in tmp_path.glob("*-wal")]
        most = max(most, *logs)
    assert spool.count() == 121
    assert most < 36_000_000
    spool.close()


KILLED = """
    import os, sys
    from atomwire.bus.publish.spool import Spool
    from atomwire.bus.publish.spool_table import Table
    spool = Spool(sys.argv[1], "cells", 40_000_000)
    spool.adopt(2_000)
    Table.write = lambda table, append, delete, write=Table.write: (
        os.kill(os.getpid(), 9) if delete else write(table, append, delete)
    )
    spool.adopt(2_000)
"""


def test_a_kill_between_writing_and_deleting_leaves_duplicates_and_no_gap(tmp_path):
    os.utime(leave(tmp_path, [spooled(0)]), (0, 0))
    leave(tmp_path, [spooled(n, size=1_000) for n in range(1, 11)])
    subprocess.run([sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path)], check=False)
    spool = Spool(tmp_path, TOPIC, ROOM)
    adopt_all(spool)
    assert set(held(spool)) == {spooled(0), *(spooled(n, size=1_000) for n in range(1, 11))}
    assert 11 < spool.count() <= 13
    spool.close()


def test_no_room_for_it_now(tmp_path, clock):
    os.utime(leave(tmp_path, [spooled(0)]), (0, 0))
    leave(tmp_path, [spooled(n, size=100_000) for n in range(1, 4)])
    spool = Spool(tmp_path, TOPIC, 800_000)
    rows = spool.commit([spooled(9, size=100_000)] * 3)
    assert spool.adopt(ROOM) == 0
    assert spool.count() == 4
    spool.commit(delete=rows)
    clock.now += 2
    assert spool.adopt(ROOM) == 3
    spool.close()


@pytest.mark.parametrize("other", ["cell", "cells.x", "cells2", "ce/lls", "cells=", "cells%"])
def test_another_topics_events_are_left_alone(tmp_path, other):
    leave(tmp_path, [spooled(1)], topic=other)
    mine = Spool(tmp_path, TOPIC, ROOM)
    assert mine.adopt(ROOM) == mine.count() == 0
    mine.close()
    again = Spool(tmp_path, other, ROOM)
    assert again.count() == 1
    again.close()


def test_the_longest_topics_have_files_of_their_own(tmp_path):
    topics = ["t" * 249, "t" * 248 + "u", "t" * 200, "ü" * 249, "t" * 100]
    for n, topic in enumerate(topics):
        leave(tmp_path, [spooled(n)], topic=topic)
    for n, topic in enumerate(topics):
        spool = Spool(tmp_path, topic, ROOM)
        assert held(spool) == [spooled(n)]
        assert spool.adopt(ROOM) == 0
        spool.close()


# ---- The layout of earlier versions


def leave_old(directory, events: list[SpooledEvent], topic: str = TOPIC):
    path = directory / f"{topic}.{uuid.uuid4().hex}.spool"
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute(
        "CREATE TABLE IF NOT EXISTS events (number INTEGER PRIMARY KEY, tenant_id TEXT NOT NULL, "
        "event BLOB NOT NULL, timestamp INTEGER NOT NULL, headers TEXT)"
    )
    for number, (tenant_id, event, headers) in enumerate(events, 7):
        pairs = None if headers is None else [[k, v.decode("latin-1")] for k, v in headers]
        text = None if pairs is None else json.dumps(pairs)
        row = (number, tenant_id, event, 1_700_000_000_000, text)
        database.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?)", row)
    database.commit()
    database.close()
    beside(path, ".lock").touch()
    return path


def test_an_upgrade_loses_nothing_and_keeps_the_order(tmp_path):
    events = [SpooledEvent("ä", b"\x00\xff", [("k", b"\xff")]), *map(spooled, range(5))]
    os.utime(leave_old(tmp_path, events), (0, 0))
    leave(tmp_path, [spooled(9)])
    spool = Spool(tmp_path, TOPIC, ROOM)
    assert spool.count() == 0
    assert adopt_all(spool) == 7
    assert held(spool) == [*events, spooled(9)]
    assert len([name for name in files(tmp_path) if name.endswith(".spool")]) == 1
    assert spool.take_lost() == []
    spool.close()


def test_a_newer_versions_file_is_left_alone(tmp_path):
    path = leave(tmp_path, [spooled(1)])
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 9")
    database.close()
    spool = Spool(tmp_path, TOPIC, ROOM)
    assert spool.adopt(ROOM) == spool.count() == 0
    assert path.exists()
    spool.close()


# ---- Trouble is not damage


def leave_killed(directory, count: int):
    """A file with a log that was never written back, as a killed process leaves it."""
    writer = Spool(directory / "elsewhere", TOPIC, ROOM)
    writer.commit([spooled(n) for n in range(count)])
    for ending in ("", "-wal", ".lock"):
        from_, to = beside(writer.path, ending), beside(directory / writer.path.name, ending)
        to.write_bytes(from_.read_bytes())
    writer.close()
    return directory / writer.path.name


def test_a_log_never_written_back_is_read(tmp_path):
    leave_killed(tmp_path, 5)
    spool = Spool(tmp_path, TOPIC, ROOM)
    assert held(spool) == [spooled(n) for n in range(5)]
    spool.close()


def test_rows_that_were_delivered_are_not_missed_at_the_end(tmp_path):
    path = leave_killed(tmp_path, 5)
    with contextlib.closing(Table.open(path)) as table:
        table.write((), [3, 4, 5])
        table.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    spool = Spool(tmp_path, TOPIC, ROOM)
    assert held(spool) == [spooled(0), spooled(1)]
    assert spool.take_lost() == []
    assert spool.commit([spooled(6)]) == [6]
    spool.close()


AS_THE_VERSION_BEFORE = """
    ALTER TABLE events RENAME TO newer;
    CREATE TABLE events (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        tenant_id TEXT NOT NULL,
        event BLOB NOT NULL,
        headers TEXT,
        checksum INTEGER NOT NULL
    );
    INSERT INTO events SELECT * FROM newer;
    DROP TABLE newer;
    DROP TABLE highest;
    PRAGMA user_version = 1;
"""


def test_a_file_of_the_version_before_is_gone_on_with(tmp_path):
    path = leave(tmp_path, [spooled(n) for n in range(5)])
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.executescript(AS_THE_VERSION_BEFORE)
    spool = Spool(tmp_path, TOPIC, ROOM)
    assert spool.path == path
    assert held(spool) == [spooled(n) for n in range(5)]
    spool.commit(delete=[4, 5])
    spool._table.close()
    spool._file.release()
    again = Spool(tmp_path, TOPIC, ROOM)
    assert again.commit([spooled(6)]) == [6]
    assert held(again) == [*(spooled(n) for n in range(3)), spooled(6)]
    assert again.take_lost() == []
    again.close()


def test_a_file_that_another_program_holds_is_tried_again(tmp_path, clock):
    path = leave_killed(tmp_path, 5)
    with held_by_another_program(path):
        spool = Spool(tmp_path, TOPIC, ROOM)
        assert spool.count() == spool.adopt(ROOM) == 0
        assert beside(path, "-wal").stat().st_size > 0
        assert not [name for name in files(tmp_path) if "damaged" in name]
    assert spool.adopt(ROOM) == 0  # not at once
    clock.now += 1.1
    assert spool.adopt(ROOM) == 5
    [told] = spool.take_lost()
    assert (told.tenant_id, told.count) == (None, 0)
    assert "locked" in told.reason
    spool.close()


def test_it_is_tried_at_growing_intervals(tmp_path, clock, monkeypatch):
    path = leave(tmp_path, [spooled(1)])
    looks = []
    with held_by_another_program(path):
        spool = Spool(tmp_path, TOPIC, ROOM)
        look = Table.look
        monkeypatch.setattr(Table, "look", lambda path: looks.append(clock.now) or look(path))
        begin = clock.now
        while clock.now < begin + 200:
            assert spool.adopt(ROOM) == 0
            clock.now += 1
    pauses = [after - before for before, after in itertools.pairwise(looks)]
    assert pauses[:4] == [1, 2, 4, 8]
    assert max(pauses) == pauses[-1] == 60
    clock.now += 60
    assert spool.adopt(ROOM) == 1
    spool.close()


def test_one_with_trouble_does_not_hold_up_the_others(tmp_path, clock):
    first = leave(tmp_path, [spooled(1)])
    os.utime(first, (0, 0))
    os.utime(leave(tmp_path, [spooled(2)]), (1, 1))
    leave(tmp_path, [spooled(3)])
    with held_by_another_program(first):
        spool = Spool(tmp_path, TOPIC, ROOM)
        assert held(spool) == [spooled(2)]
        for _ in range(3):
            spool.adopt(ROOM)
            clock.now += 5
        assert held(spool) == [spooled(2), spooled(3)]
    clock.now += 60
    assert adopt_all(spool) == 1
    spool.close()


def test_no_descriptor_is_free(tmp_path, clock):
    os.utime(leave(tmp_path, [spooled(0)]), (0, 0))
    path = leave_killed(tmp_path, 5)
    spool = Spool(tmp_path, TOPIC, ROOM)
    tries = 0
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, limits[1]))
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        # First not even the lock's file can be opened, then not the database, then not its log.
        while not spool.adopt(ROOM):
            assert path.exists()
            assert beside(path, "-wal").stat().st_size > 0
            os.close(taken.pop())
            clock.now += 100
            tries += 1
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for each in taken:
            os.close(each)
    assert tries >= 3
    assert not [name for name in files(tmp_path) if "damaged" in name]
    adopt_all(spool)
    assert held(spool) == [spooled(0), *(spooled(n) for n in range(5))]
    assert lost(spool) == {None: 0}
    spool.close()


@pytest.mark.parametrize("name", ["SQLITE_IOERR_READ", "SQLITE_FULL", "SQLITE_PERM"])
def test_whatever_sqlite_says_but_damage_is_trouble(tmp_path, clock, monkeypatch, name):
    path = leave_killed(tmp_path, 5)
    content = path.read_bytes(), beside(path, "-wal").read_bytes()

    def fail(_path):
        error = sqlite3.OperationalError("try later")
        error.sqlite_errorname = name
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Table, "look", fail)
        spool = Spool(tmp_path, TOPIC, ROOM)
        assert spool.adopt(ROOM) == spool.count() == 0
    assert (path.read_bytes(), beside(path, "-wal").read_bytes()) == content
    clock.now += 2
    assert spool.adopt(ROOM) == 5
    spool.close()
