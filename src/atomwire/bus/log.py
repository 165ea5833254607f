"""A front of a logger that repeats itself rarely: an absent broker is 20 lines a second."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

__all__ = ["LOGGER", "RateLimitedLog"]

LOGGER = logging.getLogger("atomwire")


class RateLimitedLog:
    """Pass on one line of a kind per interval, and count what was held back.

    A kind is the format and its first argument: of librdkafka's lines ("%s [%s] %s") that is the
    facility, so that 20 ``FAIL`` a second become one, and another facility is still heard.

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
        self._lock = threading.Lock()
        self._next: dict[tuple[str, ...], float] = {}
        self._held_back: dict[tuple[str, ...], int] = {}

    def log(self, level: int, message: str, *args: object) -> None:
        """Log as `logging.Logger.log` does; confluent-kafka calls this too."""
        # Debugging is asked for, and lines left out would mislead.
        if level <= logging.DEBUG:
            self._logger.log(level, message, *args)
            return
        kind = (message, *map(str, args[:1]))  # two errors are not equal, what they say may be
        with self._lock:
            now = self._clock()
            if now < self._next.get(kind, now):
                self._held_back[kind] = self._held_back.get(kind, 0) + 1
                return
            self._next[kind] = now + self._interval
            held_back = self._held_back.pop(kind, 0)
        if held_back:
            message, args = message + " (and %d similar lines before)", (*args, held_back)
        self._logger.log(level, message, *args)
