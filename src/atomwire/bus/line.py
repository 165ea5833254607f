"""One producer, from its first event to its last: a bus has one at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaError, Producer

from atomwire._coalesce import keep_forever
from atomwire.bus.config import make_client
from atomwire.bus.connection import Connection
from atomwire.bus.log import RateLimitedLog
from atomwire.bus.poller import Poller

__all__ = ["Line"]

# What librdkafka is granted for reporting the events that it gave up.
_PURGE_SECONDS = 5.0
# What it is granted for ending its threads.
_RELEASE_SECONDS = 5.0


class Line:
    """A producer, the thread that serves it, and what is known of its connection.

    Parameters
    ----------
    properties : dict[str, Any]
        Of the producer.
    log : RateLimitedLog
        Where its log lines go.
    on_served : Callable[[], None]
        Called after delivery reports may have been served.
    on_fatal : Callable[[], None]
        Called when the producer has failed for good.
    """

    def __init__(
        self,
        properties: dict[str, Any],
        log: RateLimitedLog,
        on_served: Callable[[], None],
        on_fatal: Callable[[], None],
    ) -> None:
        self.connection = Connection(log)
        self._on_fatal = on_fatal
        callbacks = {"error_cb": self._on_error, "stats_cb": self.connection.on_statistics}
        self._producer = make_client(Producer, properties | callbacks, log)
        self.produce: Callable[..., None] = self._producer.produce
        # Nobody may pull the producer away from under who waits for it.
        self._using = threading.Lock()
        self._retired = False
        self._poller = Poller(self._producer, on_served)

    def flush(self, seconds: float) -> None:
        """Send without lingering, and wait until nothing is queued, or the time is over."""
        with self._using:
            if not self._retired:
                self._producer.flush(seconds)

    def retire(self, seconds: float) -> None:
        """Give up what is queued, which is reported, and release the producer.

        What is on its way to the broker gets `seconds`; after that its outcome is unknown.
        """
        with self._using:
            if self._retired:
                return
            self._retired = True
            self._producer.purge(in_flight=False)
            self._producer.flush(seconds)
            # Given up, because librdkafka's own close would wait for the broker without end.
            self._producer.purge()
            self._producer.flush(_PURGE_SECONDS)
            self._poller.stop()
            self._release()

    def abandon(self) -> None:
        """Leave the producer to the parent process: its threads did not come along in the fork."""
        keep_forever(self._producer)

    def _release(self) -> None:
        # Everything is settled by now. In a forked child librdkafka now and then waits without end
        # for its own threads here, and close() and the exit of a process must not.
        release = threading.Thread(
            target=self._producer.close, name="atomwire-release", daemon=True
        )
        release.start()
        release.join(_RELEASE_SECONDS)
        if release.is_alive():
            keep_forever(self._producer)

    def _on_error(self, error: KafkaError) -> None:
        self.connection.on_error(error)
        if error.fatal():
            self._on_fatal()
