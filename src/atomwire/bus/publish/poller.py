"""The thread that serves a producer: without it reports wait, and the queue stays full."""

from __future__ import annotations

import threading
from collections.abc import Callable

from atomwire._native import NativeProducer
from atomwire.bus.log import LOGGER

__all__ = ["Poller"]


class Poller:
    """Serves a producer's delivery reports, errors, statistics and log lines until stopped.

    Parameters
    ----------
    producer : NativeProducer
        Counts deliveries by itself; the interpreter is entered when there is more to tell.
    on_served : Callable[[], None]
        Called then.
    """

    def __init__(self, producer: NativeProducer, on_served: Callable[[], None]) -> None:
        self._producer = producer
        self._on_served = on_served
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="atomwire-poll", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop, and wait for the thread: nothing serves the producer when this returns."""
        self._stopping.set()
        self._producer.stop()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._producer.serve()
                self._on_served()
            except Exception:  # a callback failed; the queue must be served all the same
                LOGGER.exception("serving the producer failed; going on")
