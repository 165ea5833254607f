"""A front of a logger that repeats itself rarely: an absent broker is 20 lines a second."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable

from atomwire._native import check_no_lock

__all__ = ["LOGGER", "RateLimitedLog"]

LOGGER = logging.getLogger("atomwire")

# Beyond that all are forgotten, and may be heard again.
_MOST_KINDS = 1_000
# Lines that wait to be passed on; beyond that the oldest are forgotten.
_MOST_LATER = 10_000


class RateLimitedLog:
    """Pass on one line of a kind per interval, and count what was held back.

    A kind is the format and its first argument: of librdkafka's lines ("%s [%s] %s") that is the
    facility, so that 20 ``FAIL`` a second become one, and another facility is still heard.

    It may be called from anywhere, itself included: from a signal handler, a finalizer, a handler
    of the logger. So there is no lock here, only single steps of a dictionary. Threads that meet
    in between repeat a line or miss one in the count. It runs handlers of the program, and so must
    never be called under a lock of the bus. A thread for which others wait without end, who may
    have a handler's lock themselves, keeps its lines with `later`, until another calls `speak`.

    Parameters
    ----------
    logger : logging.Logger
        Where the lines go.
    interval : float
        Seconds for which a kind is held back after a line.
    clock : Callable[[], float]
        Seconds that only grow.
    """

    def __init__(
        self,
        logger: logging.Logger = LOGGER,
        interval: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._logger = logger
        self._interval = interval
        self._clock = clock
        # Until when a kind is held back, and how many lines of it were.
        self._kinds: dict[tuple[str, ...], tuple[float, int]] = {}
        self._later: deque[tuple[int, str, tuple[object, ...]]] = deque(maxlen=_MOST_LATER)

    def log(self, level: int, message: str, *args: object) -> None:
        """Log as `logging.Logger.log` does, but never raise; confluent-kafka calls this too."""
        check_no_lock("writing a log line")
        try:
            # Debugging is asked for, and lines left out would mislead.
            if level > logging.DEBUG:
                held_back = self._held_back(message, args)
                if held_back is None:
                    return
                if held_back:
                    message, args = message + " (and %d similar lines before)", (*args, held_back)
            self._logger.log(level, message, *args)
        except Exception:
            # A handler's, or of an argument's own text. Said as logging says it.
            if logging.raiseExceptions and sys.stderr is not None:
                with contextlib.suppress(Exception):
                    traceback.print_exc()

    def later(self, level: int, message: str, *args: object) -> None:
        """Keep a line until `speak`; nothing of the program runs."""
        self._later.append((level, message, args))

    def speak(self) -> None:
        """Log the lines that were kept."""
        while self._later:
            with contextlib.suppress(IndexError):  # another thread has it
                level, message, args = self._later.popleft()
                self.log(level, message, *args)

    def _held_back(self, message: str, args: tuple[object, ...]) -> int | None:
        """Return how many lines went before this one in silence; None when it is to do so too."""
        kind = (message, *map(str, args[:1]))  # two errors are not equal, what they say may be
        now = self._clock()
        until, count = self._kinds.get(kind, (now, 0))
        if now < until:
            self._kinds[kind] = (until, count + 1)
            return None
        if len(self._kinds) >= _MOST_KINDS:
            self._kinds.clear()
        self._kinds[kind] = (now + self._interval, 0)
        return count
