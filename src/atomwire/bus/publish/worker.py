"""A thread of a bus."""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ["Worker"]


class Worker:
    """A thread that begins once, whoever asks for it, and however many do so at a time.

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
        # Taken by the one that begins it, and kept. Nobody waits for it: who asks may be a signal
        # handler in the middle of this.
        self._begun = threading.Lock()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Begin, unless it has begun.

        Raises
        ------
        RuntimeError
            The system has no thread to give. The next call may have more luck.
        """
        if not self._begun.acquire(blocking=False):
            return
        thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        try:
            thread.start()
        except BaseException:
            self._begun.release()
            raise
        self._thread = thread

    def is_current(self) -> bool:
        """Whether the caller is this thread."""
        return self._thread is threading.current_thread()

    def join(self, seconds: float) -> bool:
        """Wait for its end; True when it has ended, has not begun, or is the caller itself."""
        thread = self._thread
        if thread is None or self.is_current():
            return True
        thread.join(seconds)
        return not thread.is_alive()
