"""The thread that sends gathered cells when they have waited long enough."""

from __future__ import annotations

import logging
import threading

from atomwire._native import Lane
from atomwire.bus.log import RateLimitedLog
from atomwire.bus.publish.worker import Worker

__all__ = ["Linger"]

_AFTER_FAILURE_SECONDS = 0.1


class Linger:
    """Flushes a lane's cells; its thread starts with the first cell that waits.

    Parameters
    ----------
    lane : Lane
        Whose cells.
    drop : bool
        Drop the cells for which there is no room, instead of trying again.
    log : RateLimitedLog
        For cells that cannot be sent.
    """

    def __init__(self, lane: Lane, drop: bool, log: RateLimitedLog) -> None:
        self._lane = lane
        self._log = log
        self._drop = drop
        self._gathering = threading.Event()
        self._stopping = threading.Event()
        self._worker = Worker(self._run, "atomwire-linger")

    def wake(self) -> None:
        """Take note that cells began to wait."""
        self._gathering.set()
        self._worker.begin()

    def stop(self) -> None:
        """Stop, and wait for the thread."""
        self._stopping.set()
        self._gathering.set()
        self._worker.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._gathering.wait()
            self._gathering.clear()
            seconds = self._flush()
            while seconds is not None and not self._stopping.wait(seconds):
                seconds = self._flush()

    def _flush(self) -> float | None:
        try:
            return self._lane.flush_due(self._drop)
        except Exception as error:
            self._log.log(logging.ERROR, "gathered cells wait, trying again: %s", error)
            return _AFTER_FAILURE_SECONDS
