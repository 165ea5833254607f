"""A damaged file: what can be read is read, what is lost is said, nothing is thrown away."""

import os
import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from atomwire.bus import SpoolError
from atomwire.bus.publish.spool import BEFORE_ALL, Spool, SpooledEvent
from tests.support.spools import (
    PAGE_BYTES,
    ROOM,
    TOPIC,
    adopt_all,
    beside,
    files,
    held,
    leave,
    lost,
    spooled,
)


def overwrite(path: Path, offset: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(content)


def flip(path: Path, event: SpooledEvent) -> None:
    """Change a byte in the middle of an event's text, and nothing else."""
    text = event.event[:20]
    offset = path.read_bytes().index(text) + 10
    overwrite(path, offset, b"x")


def page_of(path: Path, event: SpooledEvent, after: int = 0) -> int:
    offset = path.read_bytes().index(event.event[:20]) + after
    return offset - offset % PAGE_BYTES


def break_chain(path: Path, event: SpooledEvent) -> None:
    """Let an overflow page of a large event lead nowhere: it can be counted, and not be read."""
    overwrite(path, page_of(path, event, after=2 * PAGE_BYTES), b"\xff\xff\xff\xf0")


def break_leaf(path: Path, event: SpooledEvent) -> None:
    """Destroy the page that a small event lies in, with all that lie beside it."""
    overwrite(path, page_of(path, event), b"\xde" * PAGE_BYTES)


def on_the_disk(spool: Spool) -> Path:
    """Have all that the spool holds in its file, and nothing of it in memory."""
    connection = spool._table.connection
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.execute("PRAGMA shrink_memory").fetchall()
    return spool.path


def apart(directory: Path) -> list[str]:
    return [name for name in files(directory) if name.endswith(".damaged")]


def numbers(events: list[SpooledEvent]) -> list[int]:
    return [int(each.event[:19]) for each in events]


# ---- Left behind


def test_a_flipped_byte_is_noticed_and_the_row_passed_over(tmp_path):
    os.utime(leave(tmp_path, [spooled(99)]), (0, 0))
    path = leave(tmp_path, [spooled(n, f"tenant-{n}") for n in range(10)])
    flip(path, spooled(4))
    spool = Spool(tmp_path, TOPIC, ROOM)
    assert adopt_all(spool) == 9
    assert numbers(held(spool)) == [99, 0, 1, 2, 3, 5, 6, 7, 8, 9]
    assert lost(spool) == {"tenant-4": 1, None: 0}
    assert apart(tmp_path) == [path.name + ".damaged"]
    spool.close()


@pytest.mark.parametrize("position", [0, 3, 9])
def test_a_row_whose_pages_are_broken_is_passed_over(tmp_path, position):
    events = [spooled(n, f"tenant-{n}", size=20_000) for n in range(10)]
    path = leave(tmp_path, events)
    break_chain(path, events[position])  # it opens and counts
    spool = Spool(tmp_path, TOPIC, ROOM)
    assert adopt_all(spool) == 9
    assert held(spool) == [*events[:position], *events[position + 1 :]]
    assert lost(spool) == {f"tenant-{position}": 1, None: 0}
    assert apart(tmp_path) == [path.name + ".damaged"]
    spool.close()


@pytest.mark.parametrize("position", [0, 3, 9])
def test_a_row_whose_pages_break_in_use_is_passed_over(tmp_path, position):
    spool = Spool(tmp_path, TOPIC, ROOM)
    events = [spooled(n, f"tenant-{n}", size=20_000) for n in range(10)]
    spool.commit(events)
    path = on_the_disk(spool)
    break_chain(path, events[position])
    assert held(spool) == [*events[:position], *events[position + 1 :]]
    assert lost(spool) == {f"tenant-{position}": 1}
    assert spool.count() == 9
    assert spool.commit([spooled(99)]) == [11]
    assert held(spool) == [*events[:position], *events[position + 1 :], spooled(99)]
    assert apart(tmp_path) == [path.name + ".damaged"]
    assert spool.count() == 10
    assert lost(spool) == {None: 0}
    spool.close()


@pytest.mark.parametrize("read_before", [False, True])
def test_what_goes_in_front_begins_a_new_file_when_pages_are_broken(tmp_path, read_before):
    spool = Spool(tmp_path, TOPIC, ROOM)
    events = [spooled(n, f"tenant-{n}", size=20_000) for n in range(10)]
    spool.commit(events)
    path = on_the_disk(spool)
    break_chain(path, events[3])
    if read_before:
        assert len(held(spool)) == 9
    spool.put_in_front(spool.rows_in_front(2), [spooled(90), spooled(91)], delete=[4])
    found = [each for _, each in spool.read(BEFORE_ALL, 2**20, 2**30)]
    assert found == [spooled(90), spooled(91), *events[:3], *events[4:]]
    assert spool.count() == 11
    assert apart(tmp_path) == [path.name + ".damaged"]
    assert "tenant-3" in lost(spool)
    spool.close()


def test_what_lies_around_broken_pages_is_read(tmp_path):
    events = [spooled(n) for n in range(3_000)]
    path = leave(tmp_path, events)
    for position in (700, 720, 1_500):
        break_leaf(path, events[position])
    spool = Spool(tmp_path, TOPIC, ROOM)
    assert spool.path != path
    adopted = adopt_all(spool)
    found = numbers(held(spool))
    assert found == sorted(set(found))
    assert len(found) == adopted == 3_000 - lost(spool)[None]
    assert 2_600 < adopted < 2_950
    assert found[-1] == 2_999
    assert apart(tmp_path) == [path.name + ".damaged"]
    spool.close()
    again = Spool(tmp_path, TOPIC, ROOM)
    assert again.count() == adopted
    assert again.adopt(ROOM) == 0
    again.close()


@pytest.mark.parametrize("content", [b"this is no database" * 1_000, bytes(8_192)])
def test_what_is_no_database_is_set_apart(tmp_path, content):
    path = leave(tmp_path, [spooled(n) for n in range(3)])
    path.write_bytes(content)
    beside(path, "-wal").write_bytes(b"a log")
    spool = Spool(tmp_path, TOPIC, ROOM)
    assert spool.count() == spool.adopt(ROOM) == 0
    assert lost(spool) == {None: 3}
    assert (tmp_path / (path.name + ".damaged")).read_bytes() == content
    assert (tmp_path / (path.name + ".damaged-wal")).read_bytes() == b"a log"
    spool.close()
    assert files(tmp_path) == [path.name + ".damaged", path.name + ".damaged-wal"]


@pytest.mark.parametrize("harm", [b"eventx", b"even\xfe "])
def test_a_damaged_schema_is_damage(tmp_path, harm):
    path = leave(tmp_path, [spooled(n) for n in range(3)])
    overwrite(path, path.read_bytes().index(b"event BLOB"), harm)
    spool = Spool(tmp_path, TOPIC, ROOM)
    assert spool.adopt(ROOM) == 0
    assert lost(spool) == {None: 3}
    assert apart(tmp_path) == [path.name + ".damaged"]
    spool.close()


@pytest.mark.parametrize("harm", ["DROP TABLE highest", "DELETE FROM highest"])
def test_a_file_that_does_not_know_its_highest_row_is_read(tmp_path, harm):
    path = leave(tmp_path, [spooled(n) for n in range(3)])
    with closing(sqlite3.connect(path)) as database:
        database.execute(harm)
        database.commit()
    spool = Spool(tmp_path, TOPIC, ROOM)
    spool.adopt(ROOM)
    assert spool.count() == 3
    assert lost(spool) == {}
    spool.close()


def test_a_file_that_can_only_be_read_is_not_gone_on_with(tmp_path):
    path = leave(tmp_path, [spooled(n) for n in range(3)])
    overwrite(path, 18, b"\x09")  # what SQLite takes for a later version's, not to be written
    spool = Spool(tmp_path, TOPIC, ROOM)
    assert spool.path != path
    assert spool.commit([spooled(9)]) == [1]
    spool.close()


@pytest.mark.parametrize("size", [0, PAGE_BYTES, 3 * PAGE_BYTES])
def test_a_cut_file_is_read_as_far_as_it_goes(tmp_path, size):
    path = leave(tmp_path, [spooled(n) for n in range(1_000)])
    os.truncate(path, size)
    spool = Spool(tmp_path, TOPIC, ROOM)
    adopted = adopt_all(spool)
    assert adopted == spool.count()
    assert sum(lost(spool).values()) >= 1_000 - adopted > 0
    assert path.name + ".damaged" in apart(tmp_path)
    spool.close()


def leave_log(directory: Path, commits: int) -> Path:
    """A file as a killed process leaves it: all of it is in its log."""
    writer = Spool(directory / "elsewhere", TOPIC, ROOM)
    for n in range(commits):
        writer.commit([spooled(2 * n), spooled(2 * n + 1)])
    path = directory / writer.path.name
    for ending in ("", "-wal", ".lock"):
        beside(path, ending).write_bytes(beside(writer.path, ending).read_bytes())
    writer.close()
    return path


@pytest.mark.parametrize("harm", ["cut", "flip", "gone"])
def test_a_lost_end_of_the_log_is_noticed(tmp_path, harm):
    path = leave_log(tmp_path, 10)
    log = beside(path, "-wal")
    size = log.stat().st_size
    if harm == "cut":
        os.truncate(log, size - 3 * PAGE_BYTES)
    elif harm == "flip":
        overwrite(log, size - 3 * PAGE_BYTES, b"\x7e\x7f")
    else:
        log.unlink()
    left = b"" if harm == "gone" else log.read_bytes()
    spool = Spool(tmp_path, TOPIC, ROOM)
    assert spool.path != path
    adopted = adopt_all(spool)
    assert numbers(held(spool)) == list(range(adopted))
    assert adopted == 0 if harm == "gone" else 10 < adopted < 20
    assert lost(spool) == {None: 20 - adopted}
    if left:
        assert beside(path, ".damaged-wal").read_bytes() == left
    spool.close()
    again = Spool(tmp_path, TOPIC, ROOM)
    assert again.count() == adopted
    assert again.take_lost() == []
    again.close()


def test_what_was_deleted_at_the_end_is_not_missed(tmp_path):
    writer = Spool(tmp_path, TOPIC, ROOM)
    rows = writer.commit([spooled(n) for n in range(5)])
    writer.commit(delete=rows[2:])
    writer.close()
    spool = Spool(tmp_path, TOPIC, ROOM)
    assert spool.path == writer.path
    assert spool.commit([spooled(9)]) == [6]
    assert spool.take_lost() == []
    spool.close()


def test_much_damage_is_told_in_little(tmp_path):
    path = leave(tmp_path, [spooled(n, f"tenant-{n}") for n in range(2_000)])
    with sqlite3.connect(path) as database:
        database.execute("UPDATE events SET checksum = checksum + 1 WHERE number > 5")
    database.close()
    spool = Spool(tmp_path, TOPIC, ROOM)
    assert len(held(spool)) == spool.count() == 5
    told = spool.take_lost()
    assert len(told) <= 1_001
    assert sum(each.count for each in told) == 1_995
    assert held(spool) == [spooled(n, f"tenant-{n}") for n in range(5)]
    assert spool.take_lost() == []  # once is enough
    spool.close()


def test_a_file_of_nothing_but_damage_is_set_apart_at_the_end(tmp_path):
    path = leave(tmp_path, [spooled(1), spooled(2)])
    flip(path, spooled(2))
    spool = Spool(tmp_path, TOPIC, ROOM)
    assert held(spool) == [spooled(1)]
    spool.commit(delete=[1])
    assert spool.count() == 0
    spool.close()
    assert files(tmp_path) == [path.name + ".damaged"]


@pytest.mark.parametrize("seed", range(60))
def test_whatever_is_damaged_nothing_is_lost_in_silence(tmp_path, seed):
    rng = random.Random(seed)
    events = [spooled(n, f"tenant-{n % 5}", size=20 if n % 9 else 9_000) for n in range(300)]
    path = leave(tmp_path, events)
    content = bytearray(path.read_bytes())
    for _ in range(rng.choice([1, 1, 2, 10])):
        position = rng.randrange(100, len(content))  # before lies what says which file this is
        size = rng.choice([1, 8, 200])
        content[position : position + size] = rng.randbytes(size)
    path.write_bytes(content[: path.stat().st_size])
    spool = Spool(tmp_path, TOPIC, ROOM)
    adopt_all(spool)
    spool.commit([spooled(999)])
    found = held(spool)
    assert found == [each for each in events if each in set(found)] + [spooled(999)]
    assert len(found) + sum(lost(spool).values()) > 300
    assert spool.count() == len(found)
    spool.close()
    again = Spool(tmp_path, TOPIC, ROOM)
    adopt_all(again)
    assert held(again) == found
    again.close()


# ---- In use


@pytest.mark.parametrize("notices", ["read", "delete", "append"])
def test_a_file_that_breaks_in_use_is_left_for_a_new_one(tmp_path, notices):
    spool = Spool(tmp_path, TOPIC, ROOM)
    events = [spooled(n) for n in range(3_000)]
    spool.commit(events)
    path = on_the_disk(spool)
    break_leaf(path, events[2_999 if notices == "append" else 1_500])
    if notices == "read":
        assert 0 < 3_000 - len(held(spool)) < 120
    if notices == "delete":
        spool.commit(delete=[1_501])
    assert spool.commit([spooled(5_000)], delete=[1, 2]) == [3_001]
    assert spool.path != path
    found = spool.read(0, 10_000, ROOM)
    assert [(row, event) for row, event in found if row <= 3_000] == [
        (row, events[row - 1]) for row, _ in found[:-1]
    ]
    assert found[0][0] == 3
    assert found[-1] == (3_001, spooled(5_000))
    missing = 3_000 - 2 - (len(found) - 1)
    assert 0 < missing < 120
    assert lost(spool) == {None: missing}
    assert spool.count() == len(found)
    assert path.name + ".damaged" in apart(tmp_path)
    spool.commit([spooled(5_001)])
    spool.close()
    again = Spool(tmp_path, TOPIC, ROOM)
    assert [row for row, _ in again.read(0, 10_000, ROOM)] == [
        *(row for row, _ in found),
        3_002,
    ]
    assert again.take_lost() == []
    again.close()


def test_a_new_file_that_cannot_be_made_now_is_made_later(tmp_path, monkeypatch):
    spool = Spool(tmp_path, TOPIC, ROOM)
    events = [spooled(n, size=20_000) for n in range(20)]
    spool.commit(events)
    path = on_the_disk(spool)
    break_chain(path, events[5])
    assert len(held(spool)) == 19
    with monkeypatch.context() as patch:

        def fail() -> None:
            raise OSError(28, "No space left on device")

        patch.setattr(spool, "_new", fail)
        with pytest.raises(SpoolError, match="No space"):
            spool.commit([spooled(99)])
        assert len(held(spool)) == 19  # reading needs no room
    assert spool.commit([spooled(99)], delete=[1]) == [21]
    assert held(spool) == [*events[1:5], *events[6:], spooled(99)]
    assert lost(spool) == {"acme": 1, None: 0}
    spool.close()
