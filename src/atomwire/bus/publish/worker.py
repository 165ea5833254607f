"""A thread of a bus that begins when it is needed first."""

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
        """Begin, unless it has begun."""
        if not self._begun.acquire(blocking=False):
            return
        thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        try:
            thread.start()
        except BaseException:
            self._begun.release()  # the next one may have more luck
            raise
        self._thread = thread

    def join(self) -> None:
        """Wait for its end, if it has begun."""
        if self._thread is not None:
            self._thread.join()
