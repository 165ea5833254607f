"""Which file of a spool directory is whose: one process each, and the next one adopts."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import stat
import sys
import uuid
from pathlib import Path
from typing import Self
from urllib.parse import quote

__all__ = ["SpoolFile", "make_private_directory"]

# What SQLite keeps beside a database.
_COMPANIONS = ("-wal", "-shm", "-journal")
_OWNER_ONLY = 0o600
# A name has 255 characters in most file systems, and the longest ending is ".damaged-journal".
_LONGEST_TOPIC = 200
# A planted link is not followed, and a planted pipe not waited for.
_SAFELY = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _is_mine(status: os.stat_result) -> bool:
        return stat.S_ISREG(status.st_mode)

    def _hide(descriptor: int) -> None:
        """Leave it to the directory's rights."""
else:
    import fcntl

    def _lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _is_mine(status: os.stat_result) -> bool:
        return stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()

    def _hide(descriptor: int) -> None:
        """Let only the owner read it, whatever the umask is; SQLite gives its log these rights."""
        if stat.S_IMODE(os.fstat(descriptor).st_mode) != _OWNER_ONLY:
            os.fchmod(descriptor, _OWNER_ONLY)


class SpoolFile:
    """A database file that belongs to this bus for as long as its lock is held.

    The lock ends with the process, however that ends, so a file without one has been left behind.
    The lock's file also says up to which row the database was written, so that a lost end is seen.

    Attributes
    ----------
    path : Path
        The database.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor: int | None = descriptor

    @classmethod
    def new(cls, directory: Path, topic: str) -> Self:
        """Make a new one."""
        made = cls.claim(directory / f"{_name_of(topic)}.{uuid.uuid4().hex}.spool")
        assert made is not None
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | _SAFELY
            _hide_and_close(os.open(made.path, flags, _OWNER_ONLY))
        except BaseException:
            made.remove()
            raise
        return made

    @classmethod
    def paths(cls, directory: Path, topic: str) -> list[Path]:
        """List the files of `topic`, oldest first, whoever has them."""
        names = "|".join(re.escape(name) for name in {quote(topic, safe=""), _name_of(topic)})
        pattern = re.compile(rf"(?:{names})\.[0-9a-f]{{32}}\.spool")
        ages: dict[Path, int] = {}
        for path in directory.iterdir():
            if pattern.fullmatch(path.name):
                with contextlib.suppress(OSError):  # its owner may have removed it
                    ages[path] = path.lstat().st_mtime_ns
        return sorted(ages, key=lambda path: ages[path])

    @classmethod
    def claim(cls, path: Path) -> Self | None:
        """Lock a file, which need not exist.

        None when another bus has it, or it is not ours to touch: a link, or another user's.
        """
        lock = _beside(path, ".lock")
        if not all(map(_may_touch, (path, lock, *(_beside(path, end) for end in _COMPANIONS)))):
            return None
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | _SAFELY, _OWNER_ONLY)
        except OSError as error:
            if error.errno == errno.ELOOP:
                return None
            raise
        try:
            if _is_mine(os.fstat(descriptor)) and _lock(descriptor):
                _hide(descriptor)
                # Its owner may have removed it between the opening and the locking.
                if os.path.samestat(os.fstat(descriptor), lock.lstat()):
                    return cls(path, descriptor)
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        return None

    @classmethod
    def claim_left_behind(cls, path: Path) -> Self | None:
        """Lock a file of an earlier process; None when there is none to be had."""
        file = cls.claim(path)
        if file is None:
            return None
        if not path.exists():  # its owner has removed it meanwhile
            file.remove()
            return None
        try:
            for each in (path, *(_beside(path, end) for end in _COMPANIONS)):
                with contextlib.suppress(FileNotFoundError):
                    _hide_and_close(os.open(each, os.O_RDONLY | _SAFELY))
        except BaseException:
            file.release()
            raise
        return file

    def last_written(self) -> int:
        """Return the highest row ever written, as far as that was noted."""
        assert self._descriptor is not None
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        digits = os.read(self._descriptor, 32).strip()
        return int(digits) if digits.isdigit() else 0

    def note_written(self, row: int) -> None:
        """Note that rows up to this one are in the file."""
        assert self._descriptor is not None
        # Without room for it a lost end is not noticed, and that is all.
        with contextlib.suppress(OSError):
            os.pwrite(self._descriptor, b"%020d\n" % row, 0)

    def release(self) -> None:
        """Let another process have it."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def remove(self) -> None:
        """Delete it; nothing is in it any more."""
        try:
            for ending in ("", *_COMPANIONS, ".lock"):
                _beside(self.path, ending).unlink(missing_ok=True)
        finally:
            self.release()

    def apart(self) -> Path:
        """Return where `set_apart` puts it."""
        return _beside(self.path, ".damaged")

    def set_apart(self) -> None:
        """Rename a damaged file and its log, so that nobody stumbles over them again."""
        try:
            for ending in ("-wal", "-journal", ""):
                with contextlib.suppress(FileNotFoundError):
                    _beside(self.path, ending).rename(_beside(self.apart(), ending))
            for ending in ("-shm", ".lock"):
                _beside(self.path, ending).unlink(missing_ok=True)
        finally:
            self.release()


def make_private_directory(directory: Path) -> None:
    """Make a directory that only its owner may look into; one that is there stays as it is."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    try:
        directory.mkdir(0o700)
    except FileExistsError:
        return
    directory.chmod(0o700)  # whatever the umask has taken


def _name_of(topic: str) -> str:
    quoted = quote(topic, safe="")
    if len(quoted) <= _LONGEST_TOPIC:
        return quoted
    # No quoted topic has a "=", so this is no other topic's name.
    return f"{quoted[:100]}={hashlib.sha256(topic.encode()).hexdigest()}"


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def _may_touch(path: Path) -> bool:
    try:
        return _is_mine(path.lstat())
    except FileNotFoundError:
        return True


def _hide_and_close(descriptor: int) -> None:
    try:
        _hide(descriptor)
    finally:
        os.close(descriptor)
