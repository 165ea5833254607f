"""Only the owner reads what waits on the disk, and what somebody has planted is not touched."""

import os
import stat

import pytest

from atomwire.bus import SpoolError
from atomwire.bus.publish import spool_file
from atomwire.bus.publish.spool import Spool
from tests.support.spools import ROOM, TOPIC, beside, held, leave, spooled


def rights(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o000, 0o022, 0o277])
def umask(request):
    before = os.umask(request.param)
    yield
    os.umask(before)


def test_only_the_owner_may_read(tmp_path, umask):
    directory = tmp_path / "spool"
    spool = Spool(directory, TOPIC, ROOM)
    spool.commit([spooled(1)])
    assert rights(directory) == 0o700
    made = list(directory.iterdir())
    assert {each.name.rpartition(".")[2] for each in made} == {
        "spool",
        "spool-wal",
        "spool-shm",
        "lock",
    }
    assert {rights(each) for each in made} == {0o600}
    spool.close()


def test_what_earlier_versions_let_others_read_is_hidden(tmp_path):
    path = leave(tmp_path, [spooled(1)])
    for each in (path, beside(path, ".lock")):
        each.chmod(0o644)
    spool = Spool(tmp_path, TOPIC, ROOM)
    spool.commit([spooled(2)])
    assert {rights(each) for each in tmp_path.iterdir() if each.is_file()} == {0o600}
    spool.close()


def test_a_directory_that_is_there_keeps_its_rights(tmp_path):
    tmp_path.chmod(0o750)
    Spool(tmp_path, TOPIC, ROOM).close()
    assert rights(tmp_path) == 0o750


@pytest.mark.parametrize("ending", ["", "-wal", "-shm", "-journal", ".lock"])
@pytest.mark.parametrize("is_there", [True, False])
def test_a_planted_link_is_not_followed(tmp_path, ending, is_there):
    directory = tmp_path / "spool"
    directory.mkdir()
    path = leave(directory, [spooled(1)])
    foreign = tmp_path / "foreign"
    if is_there:
        foreign.write_bytes(path.read_bytes() if not ending else b"not ours")
        foreign.chmod(0o640)
        before = foreign.read_bytes()
    link = beside(path, ending)
    link.unlink(missing_ok=True)
    link.symlink_to(foreign)
    spool = Spool(directory, TOPIC, ROOM)
    assert spool.path != path
    spool.commit([spooled(2)])
    assert spool.adopt(ROOM) == 0
    spool.close()
    assert link.is_symlink()
    assert foreign.exists() == is_there
    if is_there:
        assert foreign.read_bytes() == before
        assert rights(foreign) == 0o640


def test_what_is_no_file_is_passed_over(tmp_path):
    first, second = (leave(tmp_path, [spooled(n)]) for n in range(2))
    first.unlink()
    os.mkfifo(first)
    beside(second, ".lock").unlink()
    beside(second, ".lock").mkdir()
    spool = Spool(tmp_path, TOPIC, ROOM)
    assert spool.adopt(ROOM) == spool.count() == 0
    spool.close()


def test_another_users_file_stops_nothing(tmp_path, monkeypatch):
    path = leave(tmp_path, [spooled(1)])
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(AssertionError):  # a new file is not ours either, so pretended
        Spool(tmp_path, TOPIC, ROOM)
    monkeypatch.undo()
    inode = path.stat().st_ino
    is_mine = spool_file._is_mine
    monkeypatch.setattr(
        spool_file, "_is_mine", lambda status: status.st_ino != inode and is_mine(status)
    )
    spool = Spool(tmp_path, TOPIC, ROOM)
    assert spool.path != path
    assert spool.adopt(ROOM) == spool.count() == 0
    spool.close()
    monkeypatch.undo()
    again = Spool(tmp_path, TOPIC, ROOM)
    assert held(again) == [spooled(1)]
    again.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_another_users_file_given_away_stops_nothing(tmp_path):
    path = leave(tmp_path, [spooled(1)])
    os.chown(path, 65534, 65534)
    spool = Spool(tmp_path, TOPIC, ROOM)
    assert spool.path != path
    assert spool.adopt(ROOM) == spool.count() == 0
    spool.close()
    assert path.stat().st_uid == 65534


@pytest.mark.skipif(os.geteuid() == 0, reason="root may do anything")
def test_a_directory_without_the_right_to_write_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(SpoolError, match=r"spool_dir=.*may write"):
        Spool(tmp_path, TOPIC, ROOM)
    tmp_path.chmod(0o700)
