"""A thread of a bus, and the gate at which others wait for its end.

Neither has a lock that anybody waits for: who asks may be a signal handler, or a finalizer, in the
middle of the same call. `threading.Event` has one.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

__all__ = ["Gate", "Worker"]


class Gate:
    """Shut at first, then open for good; it may be opened and awaited inside itself."""

    def __init__(self) -> None:
        self._is_open = False
        self._bolt = threading.Lock()
        self._bolt.acquire()

    def __bool__(self) -> bool:
        return self._is_open

    def open(self) -> None:
        """Let everybody pass."""
        self._is_open = True
        self._pass_on()

    def wait(self, seconds: float) -> bool:
        """Wait until it is open, or the time is over; return whether it is open."""
        if not self._is_open and self._bolt.acquire(timeout=seconds):
            self._pass_on()
        return self._is_open

    def _pass_on(self) -> None:
        with contextlib.suppress(RuntimeError):  # the bolt is drawn already
            self._bolt.release()


class Worker:
    """Does something once, whoever asks for it, and however many do so at a time.

    Parameters
    ----------
    run : Callable[[], None]
        What it does.
    name : str
        Its name.
    """

    def __init__(self, run: Callable[[], None], name: str) -> None:
        self._run = run
        self._name = name
        self._begun = False
        # Taken by the thread that does it, and kept.
        self._taken = threading.Lock()
        self._thread = 0
        self._ended = Gate()

    def begin(self) -> None:
        """Begin in a thread, unless it has begun.

        Everybody who asks brings a thread, and the first that runs is it. So nobody relies on
        another who was interrupted before the thread was there.

        Raises
        ------
        RuntimeError
            The system has no thread to give. The next call may have more luck.
        """
        if self._begun:
            return
        threading.Thread(target=self.run_here, name=self._name, daemon=True).start()
        self._begun = True

    def run_here(self) -> None:
        """Do it in the caller's thread, unless it has begun."""
        if not self._taken.acquire(blocking=False):
            return
        self._thread = threading.get_ident()
        try:
            self._run()
        finally:
            self._thread = 0
            self._ended.open()

    def is_current(self) -> bool:
        """Whether the caller is this thread."""
        return self._thread == threading.get_ident()

    def join(self, seconds: float) -> bool:
        """Wait for its end; True when it has ended, will never begin, or is the caller itself."""
        if self._taken.acquire(blocking=False):
            return True
        return self.is_current() or self._ended.wait(seconds)
