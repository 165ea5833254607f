"""Which file of a spool directory is whose: one process each, and the next one adopts."""

from __future__ import annotations

import os
import re
import sys
import uuid
from pathlib import Path
from typing import Self
from urllib.parse import quote

__all__ = ["SpoolFile"]

_COMPANIONS = ("-wal", "-shm")

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


class SpoolFile:
    """A database file that belongs to this bus for as long as its lock is held.

    The lock ends with the process, however that ends, so a file without one has been left behind.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    @classmethod
    def new(cls, directory: Path, topic: str) -> Self:
        """Make a new one."""
        made = cls.claim(directory / f"{quote(topic, safe='')}.{uuid.uuid4().hex}.spool")
        assert made is not None
        return made

    @classmethod
    def left_behind(cls, directory: Path, topic: str) -> list[Self]:
        """Claim those of `topic` that no living process has, oldest first."""
        name = re.compile(re.escape(quote(topic, safe="")) + r"\.[0-9a-f]{32}\.spool")
        paths = [path for path in directory.iterdir() if name.fullmatch(path.name)]
        ages = {path: path.stat().st_mtime for path in paths if path.exists()}
        claimed = (cls.claim(path) for path in sorted(ages, key=lambda path: ages[path]))
        return [each for each in claimed if each is not None and each._exists()]

    @classmethod
    def claim(cls, path: Path) -> Self | None:
        """Lock a file, which need not exist; None when another bus has it."""
        lock = path.with_name(path.name + ".lock")
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            # Its owner may have removed it between the opening and the locking.
            if _lock(descriptor) and os.path.samestat(os.fstat(descriptor), lock.stat()):
                return cls(path, descriptor)
        except FileNotFoundError:
            pass
        os.close(descriptor)
        return None

    def release(self) -> None:
        """Let another process have it."""
        os.close(self._descriptor)

    def remove(self) -> None:
        """Delete it; nothing is in it any more."""
        for ending in ("", *_COMPANIONS, ".lock"):
            self.path.with_name(self.path.name + ending).unlink(missing_ok=True)
        self.release()

    def set_apart(self) -> Path:
        """Rename a file that cannot be read, so that nobody stumbles over it again."""
        apart = self.path.with_name(self.path.name + ".damaged")
        self.path.rename(apart)
        for ending in (*_COMPANIONS, ".lock"):
            self.path.with_name(self.path.name + ending).unlink(missing_ok=True)
        self.release()
        return apart

    def _exists(self) -> bool:
        if self.path.exists():
            return True
        self.remove()
        return False
