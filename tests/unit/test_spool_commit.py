"""One transaction a commit: all of it or nothing, within its bounds, and there after a kill."""

import multiprocessing
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import textwrap
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atomwire.bus import SpoolError
from atomwire.bus.publish.spool import BEFORE_ALL, Spool, SpooledEvent
from tests.support.spools import (
    ROOM,
    TOPIC,
    beside,
    files,
    held,
    held_by_another_program,
    spooled,
)


@pytest.fixture
def spool(tmp_path):
    spool = Spool(tmp_path, TOPIC, ROOM)
    yield spool
    spool.close()


def fill(spool, events, why: str = "full") -> list[int]:
    """Append the events until they are refused."""
    rows, refusal = [], None
    while refusal is None:
        try:
            rows += spool.commit(events)
        except SpoolError as error:
            refusal = str(error)
    assert why in refusal
    return rows


def on_disk(directory) -> int:
    return sum(each.stat().st_size for each in directory.iterdir())


def test_what_is_put_in_front_comes_first_and_no_row_is_0(spool):
    """For the queue, row 0 is an event that is not on the disk: nothing would remove it."""
    for number in range(5):
        spool.put_in_front(spool.rows_in_front(2), [spooled(number), spooled(number)])
    spool.commit([spooled(9)])
    found = spool.read(BEFORE_ALL, 100, ROOM)
    assert [event for _, event in found] == [
        spooled(number) for number in (4, 4, 3, 3, 2, 2, 1, 1, 0, 0, 9)
    ]
    assert 0 not in [row for row, _ in found]
    assert spool.count() == 11


def test_events_come_back_whole_and_in_order(spool):
    events = [
        SpooledEvent("acme", b"\x00\xff", [("a", b"\x00\xff"), ("a", b"")]),
        SpooledEvent("tenant-ä\x00", b"", []),
        SpooledEvent("acme", b"2", None),
    ]
    assert spool.commit(events[:2]) == [1, 2]
    assert spool.commit(events[2:]) == [3]
    assert spool.read(0, 10, ROOM) == list(enumerate(events, 1))
    assert spool.read(1, 1, ROOM) == [(2, events[1])]
    assert (spool.count(), spool.last_row()) == (3, 3)
    assert spool.tenants() == {"acme": 2, "tenant-ä\x00": 1}


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.text(st.characters(exclude_categories=["Cs"])), st.binary()), max_size=4)
)
def test_any_header_comes_back(tmp_path_factory, headers):
    spool = Spool(tmp_path_factory.mktemp("spool"), TOPIC, ROOM)
    spool.commit([SpooledEvent("acme", b"1", headers)])
    assert held(spool) == [SpooledEvent("acme", b"1", headers)]
    spool.close()


def test_a_row_is_never_used_again(tmp_path):
    spool = Spool(tmp_path, TOPIC, ROOM)
    assert spool.commit([spooled(1), spooled(2)]) == [1, 2]
    assert spool.commit(delete=[1, 2]) == []
    assert (spool.count(), spool.last_row()) == (0, 0)
    assert spool.commit([spooled(3)], delete=[2]) == [3]
    spool.commit([spooled(4)], delete=[4])
    spool.close()
    again = Spool(tmp_path, TOPIC, ROOM)
    assert again.commit([spooled(5)]) == [5]
    again.close()


def test_deleting_what_is_not_there_is_nothing(spool):
    spool.commit([spooled(1)])
    spool.commit(delete=[7, 1, 1])
    assert spool.count() == 0


@pytest.mark.parametrize("bad", [SpooledEvent("acme", object(), None), None])
def test_whatever_the_exception_nothing_was_changed(spool, bad):
    spool.commit([spooled(1)])
    with pytest.raises((sqlite3.Error, TypeError)):
        spool.commit([spooled(2), bad], delete=[1])
    assert held(spool) == [spooled(1)]
    assert spool.count() == 1
    assert spool.commit([spooled(3)], delete=[1]) == [2]


class Interrupted(BaseException):
    """Not an `Exception`."""


def test_an_interrupted_commit_leaves_nothing_and_the_next_one_works(spool):
    spool.commit([spooled(1)])

    class Rows(list):
        def __getitem__(self, part):
            if part.start:  # the first ones are deleted by then
                raise Interrupted
            return super().__getitem__(part)

    with pytest.raises(Interrupted):
        spool.commit([spooled(2)], delete=Rows([1] * 1_000))
    assert held(spool) == [spooled(1)]
    assert spool.commit([spooled(2)]) == [2]
    assert held(spool) == [spooled(1), spooled(2)]


def test_an_exception_after_the_disk_has_it_leaves_the_next_row_free(spool, monkeypatch):
    write = spool._table.write

    def interrupted(*args):
        write(*args)
        raise Interrupted

    with monkeypatch.context() as patch:
        patch.setattr(spool._table, "write", interrupted)
        with pytest.raises(Interrupted):
            spool.commit([spooled(1)])
    assert spool.commit([spooled(2)]) == [2]
    assert spool.count() == 2


def test_what_another_program_locks_can_be_written_when_it_is_done(tmp_path, spool):
    spool.commit([spooled(1)])
    other = sqlite3.connect(spool.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(SpoolError, match=r"locked.*another program") as caught:
        spool.commit([spooled(2)], delete=[1])
    assert str(spool.path) in str(caught.value)
    other.rollback()
    other.close()
    assert held(spool) == [spooled(1)]
    assert spool.commit([spooled(2)], delete=[1]) == [2]
    assert spool.count() == 1


# ---- Bounds


def test_a_full_spool_takes_all_events_or_none_and_has_room_again(tmp_path):
    spool = Spool(tmp_path, TOPIC, 400_000)
    spool.commit([spooled(1)])
    with pytest.raises(SpoolError, match=r"full.*spool_bytes"):
        spool.commit([spooled(n, size=400) for n in range(2, 2_000)])
    assert held(spool) == [spooled(1)]
    rows = fill(spool, [spooled(1, size=4_000)])
    assert spool.count() == len(rows) + 1
    for _ in range(3):
        spool.commit(delete=rows)
        assert spool.count() == 1
        rows = spool.commit([spooled(1, size=4_000)] * len(rows))
    spool.close()


@pytest.mark.parametrize("max_bytes", [2_000_000, 20_000_000])
def test_the_disk_is_bounded_with_the_log(tmp_path, max_bytes):
    spool = Spool(tmp_path, TOPIC, max_bytes)
    rows, most, refused = [], 0, 0
    for turn in range(60):
        try:
            rows += spool.commit([spooled(turn, size=440_000)], delete=rows[: turn % 2])
            rows = [row for row, _ in spool.read(0, 1_000, ROOM)]
        except SpoolError:
            refused += 1
            spool.commit(delete=rows[: 1 + len(rows) // 2])
            rows = rows[1 + len(rows) // 2 :]
        most = max(most, on_disk(tmp_path))
    assert refused
    assert max_bytes // 4 < most < max_bytes + 70_000
    spool.close()


def test_deleting_here_and_there_in_a_full_spool_stays_in_bounds(tmp_path):
    spool = Spool(tmp_path, TOPIC, 4_000_000)
    rows = fill(spool, [spooled(n, size=900) for n in range(20)])
    for first in (0, 1):
        spool.commit(delete=rows[first::2])
        assert on_disk(tmp_path) < 4_070_000
    assert spool.count() == 0
    spool.close()


def test_a_reader_that_holds_the_log_does_not_let_it_grow_past_its_bound(tmp_path):
    spool = Spool(tmp_path, TOPIC, 4_000_000)
    spool.commit([spooled(1)])
    reader = sqlite3.connect(spool.path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM events").fetchall()
    fill(spool, [spooled(2, size=200_000)], why="reading")
    assert on_disk(tmp_path) < 4_000_000
    reader.rollback()
    reader.close()
    spool.commit([spooled(2)])
    spool.close()


def test_reading_is_bounded_by_bytes(spool):
    for n in range(40):
        spool.commit([spooled(n, size=900_000)])
    tracemalloc.start()
    position, count = 0, 0
    while events := spool.read(position, 1_000, 2_000_000):
        position, count = events[-1][0], count + len(events)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 40
    assert most < 8_000_000
    assert [row for row, _ in spool.read(3, 1_000, 1)] == [4]  # never nothing


@pytest.mark.parametrize(("synchronous", "expected"), [("normal", 1), ("full", 2)])
def test_synchronous_is_the_callers_choice(tmp_path, synchronous, expected):
    spool = Spool(tmp_path, TOPIC, ROOM, synchronous=synchronous)
    assert spool._table.connection.execute("PRAGMA synchronous").fetchone() == (expected,)
    spool.close()


# ---- Processes


KILLED = """
    import sys
    from atomwire.bus.publish.spool import Spool
    from tests.support.spools import spooled
    spool = Spool(sys.argv[1], "cells", 40_000_000)
    n = 0
    while True:
        n += 1
        size = 20 if n % 7 else 200_000
        rows = spool.commit([spooled(3 * n + i, size=size) for i in range(3)])
        spool.commit(delete=[rows[0]])
        print(n, flush=True)
"""


@pytest.mark.parametrize("seen", [1, 30, 100])
def test_a_killed_process_has_lost_nothing(tmp_path, seen):
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        for _ in range(seen):
            last = int(process.stdout.readline())
        process.kill()
        last = max([last, *map(int, process.stdout.read().split())])
    spool = Spool(tmp_path, TOPIC, ROOM)
    found = [int(event.event[:19]) for event in held(spool)]
    expected = [3 * n + i for n in range(1, last + 1) for i in (1, 2)]
    assert found[: len(expected)] == expected
    assert len(found) <= len(expected) + 3
    assert spool.take_lost() == []
    spool.close()


def test_two_never_have_one_file(tmp_path):
    first, second = (Spool(tmp_path, TOPIC, ROOM) for _ in range(2))
    assert first.path != second.path
    first.commit([spooled(1)])
    third = Spool(tmp_path, TOPIC, ROOM)
    assert third.count() == third.adopt(ROOM) == 0
    first.commit([spooled(2)])
    assert held(first) == [spooled(1), spooled(2)]
    for each in (first, second, third):
        each.close()


def test_a_lock_ends_with_the_process(tmp_path):
    def leave_behind() -> None:
        Spool(tmp_path, TOPIC, ROOM).commit([spooled(1)])
        os.kill(os.getpid(), signal.SIGKILL)

    process = multiprocessing.get_context("fork").Process(target=leave_behind)
    process.start()
    process.join()
    spool = Spool(tmp_path, TOPIC, ROOM)
    assert held(spool) == [spooled(1)]
    spool.close()


FORKED = """
    import os, sys
    from atomwire.bus.publish.spool import Spool
    from tests.support.spools import held, spooled
    spool = Spool(sys.argv[1], "cells", 40_000_000)
    spool.commit([spooled(1)])
    if os.fork() == 0:
        spool.abandon()
        own = Spool(sys.argv[1], "cells", 40_000_000)
        assert own.path != spool.path and own.count() == 0
        own.close()
        sys.exit()  # the interpreter's end closes nothing of the parent's
    assert os.wait()[1] == 0
    spool.commit([spooled(2)])
    assert os.path.getsize(str(spool.path) + "-wal") > 0
    assert held(spool) == [spooled(1), spooled(2)]
    spool.close()
"""


def test_a_forked_child_leaves_all_to_its_parent(tmp_path):
    command = [sys.executable, "-c", textwrap.dedent(FORKED), str(tmp_path)]
    subprocess.run(command, check=True)
    spool = Spool(tmp_path, TOPIC, ROOM)
    assert spool.count() == 2
    spool.close()


# ---- The file


def test_an_empty_spool_leaves_nothing_behind(tmp_path):
    spool = Spool(tmp_path, TOPIC, ROOM)
    spool.commit([spooled(1)])
    spool.commit(delete=[1])
    spool.close()
    assert files(tmp_path) == []


def test_the_file_is_a_database_that_its_owner_can_read(tmp_path):
    spool = Spool(tmp_path, TOPIC, ROOM)
    spool.commit([spooled(1)])
    path = spool.path
    spool.close()
    database = sqlite3.connect(path)
    [(tenant_id, value)] = database.execute("SELECT tenant_id, event FROM events")
    database.close()
    assert (tenant_id, value) == ("acme", spooled(1).event)


def test_closing_gives_the_file_back_whatever_fails(tmp_path):
    spool = Spool(tmp_path, TOPIC, ROOM)
    spool.commit([spooled(1)])
    spool.commit(delete=[1])
    descriptors = len(os.listdir("/proc/self/fd"))
    spool._table.connection.close()
    with pytest.raises(SpoolError):
        spool.close()
    assert len(os.listdir("/proc/self/fd")) < descriptors
    again = Spool(tmp_path, TOPIC, ROOM)
    assert again.path == spool.path
    again.close()


def test_a_place_that_cannot_be_used_is_named(tmp_path):
    taken = tmp_path / "file"
    taken.write_text("")
    for place in (taken, taken / "below"):
        with pytest.raises(SpoolError, match="spool_dir="):
            Spool(place, TOPIC, ROOM)


def test_without_a_descriptor_there_is_an_error_that_says_so(tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    (tmp_path / "spool").mkdir()
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        with pytest.raises(SpoolError, match="descriptors"):
            Spool(tmp_path / "spool", TOPIC, ROOM)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert files(tmp_path / "spool") == []


def test_a_file_locked_at_the_end_is_the_next_ones(tmp_path):
    spool = Spool(tmp_path, TOPIC, ROOM)
    spool.commit([spooled(1)])
    path = spool.path
    spool.close()
    assert beside(path, ".lock").exists()
    with held_by_another_program(path):
        other = Spool(tmp_path, TOPIC, ROOM)
        assert other.path != path
        other.close()
    again = Spool(tmp_path, TOPIC, ROOM)
    assert held(again) == [spooled(1)]
    again.close()
