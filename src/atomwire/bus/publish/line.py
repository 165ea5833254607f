"""One producer, from its first event to its last: a bus has one at a time."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable

from confluent_kafka import KafkaError

from atomwire._native import NativeProducer, keep_forever
from atomwire.bus.connection import Connection
from atomwire.bus.log import RateLimitedLog
from atomwire.bus.publish.poller import Poller

__all__ = ["Line"]

# What librdkafka is granted for reporting the events that it gave up.
_PURGE_SECONDS = 5.0
# What it is granted for ending its threads.
_RELEASE_SECONDS = 5.0
# By syslog's levels, from 0.
_LEVELS = (
    *(logging.CRITICAL,) * 3,
    logging.ERROR,
    logging.WARNING,
    *(logging.INFO,) * 2,
    logging.DEBUG,
)


class Line:
    """A producer, the thread that serves it, and what is known of its connection.

    Parameters
    ----------
    producer : NativeProducer
        Released with `retire`.
    log : RateLimitedLog
        Where its log lines go.
    on_served : Callable[[], None]
        Called when reports have come.
    on_fatal : Callable[[], None]
        Called when the producer has failed for good.
    """

    def __init__(
        self,
        producer: NativeProducer,
        log: RateLimitedLog,
        on_served: Callable[[], None],
        on_fatal: Callable[[], None],
    ) -> None:
        self.producer = producer
        self._log = log
        self._connection = Connection(log)
        self._on_served = on_served
        self._on_fatal = on_fatal
        # Nobody may pull the producer away from under who waits for it.
        self._using = threading.Lock()
        self._retired = False
        self._poller = Poller(producer, self._take_reports)

    @property
    def up(self) -> bool:
        """Whether a broker is connected, by the latest statistics (one a second)."""
        statistics = self.producer.statistics()
        if self._retired or not statistics:
            return False
        return any(each["state"] == "UP" for each in json.loads(statistics)["brokers"].values())

    @property
    def last_error(self) -> str | None:
        """The latest error of the connection, None while a broker is connected."""
        return None if self.up else self._connection.last_error

    @property
    def fatal_reason(self) -> str | None:
        """Why librdkafka gave the producer up for good."""
        return self._connection.fatal_reason

    def flush(self, seconds: float) -> None:
        """Send without lingering, and wait until nothing is queued, or the time is over."""
        with self._using:
            if not self._retired:
                self.producer.flush(seconds)

    def retire(self, seconds: float) -> None:
        """Give up what is queued, which is reported, and release the producer.

        What is on its way to the broker gets `seconds`; after that its outcome is unknown.
        """
        with self._using:
            if self._retired:
                return
            self._retired = True
            self.producer.purge(in_flight=False)
            self.producer.flush(seconds)
            # Given up, because librdkafka's own close would wait for the broker without end.
            self.producer.purge(in_flight=True)
            self.producer.flush(_PURGE_SECONDS)
            self._poller.stop()
            self._release()

    def abandon(self) -> None:
        """Leave the producer to the parent process: its threads did not come along in the fork."""
        keep_forever(self.producer)

    def _release(self) -> None:
        # Everything is settled by now. In a forked child librdkafka now and then waits without end
        # for its own threads here, and close() and the exit of a process must not.
        release = threading.Thread(target=self.producer.close, name="atomwire-release", daemon=True)
        release.start()
        release.join(_RELEASE_SECONDS)
        if release.is_alive():
            keep_forever(self.producer)

    def _take_reports(self) -> None:
        for is_error, fatal, number, facility, text in self.producer.notices():
            if is_error:
                self._connection.on_error(KafkaError(number, text, fatal=fatal))
            else:
                self._log.log(_LEVELS[number], "%s %s", facility, text)
            if fatal:
                self._on_fatal()
        self._on_served()
